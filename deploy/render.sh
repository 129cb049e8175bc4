#!/bin/sh
# Prints a template with every @NAME@ replaced by the environment variable of that name; an unset one is an error. A
# line that says @RELAY@ is printed once for each of relay1 … relay$RELAYS.
#   RELAYS=2 RUN=/run/chaguan … deploy/render.sh nginx/chaguan.conf.in
exec awk '
function put(line,   out, name) {
    out = ""
    while (match(line, /@[A-Z_]+@/)) {
        name = substr(line, RSTART + 1, RLENGTH - 2)
        if (!(name in ENVIRON)) {
            printf "%s:%d: %s is not set\n", FILENAME, FNR, name >"/dev/stderr"
            exit failed = 1
        }
        out = out substr(line, 1, RSTART - 1) ENVIRON[name]
        line = substr(line, RSTART + RLENGTH)
    }
    print out line
}
/@RELAY@/ {
    for (i = 1; i <= ENVIRON["RELAYS"]; i++) {
        line = $0
        gsub(/@RELAY@/, "relay" i, line)
        put(line)
    }
    next
}
{ put($0) }
END { exit failed }
' "$@"
