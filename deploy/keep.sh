#!/bin/sh
# Runs one part of a run and waits for its end, so that someone knows how it ended. Started by run.sh inside the run
# directory:  keep.sh NAME COMMAND [ARGUMENT]...
#   NAME.keeper   while the part lives: the ids of this process and of the part's
#   NAME.exit     afterwards: the exit status (128 + signal if it was killed)
# The part leads a session of its own: Ctrl-C in the terminal does not reach it, and its whole process group can be
# addressed by its id. What is left of the group when its leader ends (the workers of a killed nginx) is ended too,
# before NAME.keeper goes, because a successor could not have their sockets.
name=$1
shift
setsid "$@" &
child=$!
echo "$$ $child" >"$name.keeper.new" && mv "$name.keeper.new" "$name.keeper"
wait "$child"
status=$?
kill -KILL "-$child" 2>/dev/null
rm -f "$name.pid"
echo "$status" >"$name.exit.new" && mv "$name.exit.new" "$name.exit"
rm -f "$name.keeper"
