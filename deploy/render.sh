#!/bin/sh
# Prints a template with every @NAME@ replaced by the environment variable of that name; an unset one is an error. A
# line that says @RELAY@ is printed once for each of relay1 … relay$RELAYS; all lines between @EACH_RELAY@ and @END_EACH@
# are, one relay after the other, with its name for @THIS@.
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
function relays() {
    if ("RELAYS" in ENVIRON)
        return ENVIRON["RELAYS"] + 0
    printf "%s:%d: RELAYS is not set\n", FILENAME, FNR >"/dev/stderr"
    exit failed = 1
}
function put_for_each(text,   i, count, line) {
    if (text !~ /@RELAY@/) {
        put(text)
        return
    }
    count = relays()
    for (i = 1; i <= count; i++) {
        line = text
        gsub(/@RELAY@/, "relay" i, line)
        put(line)
    }
}
/^@EACH_RELAY@$/ { collecting = 1; count = 0; next }
/^@END_EACH@$/ {
    collecting = 0
    all = relays()
    for (this = 1; this <= all; this++)
        for (at = 1; at <= count; at++) {
            text = lines[at]
            gsub(/@THIS@/, "relay" this, text)
            put_for_each(text)
        }
    next
}
collecting { lines[++count] = $0; next }
{ put_for_each($0) }
END { exit failed }
' "$@"
