#!/bin/sh
# The layer rules of ARCHITECTURE.md, as far as a grep can see them: who may include what, and where SQL stands.
# Prints each line that breaks one; fails if there is any.
cd "$(dirname "$0")/.." || exit
bad=$(mktemp)
trap 'rm -f "$bad"' EXIT

# only HEADER FILE...: of the programs' sources, only these may include a header whose name contains HEADER.
only() {
    header=$1
    shift
    grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"][^>\"]*$header" -r common relay rest worker admin thumbnail \
        --include='*.[ch]' | while IFS=: read -r file line text; do
        case " $* " in
        *" $file "*) ;;
        *) echo "$file:$line: $text  -- only in: $*" ;;
        esac
    done >>"$bad"
}

# never FOLDER OTHER...: nothing in FOLDER includes a header of the OTHER folders.
never() {
    folder=$1
    shift
    for other in "$@"; do
        grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"](\.\./)*$other/" -r "$folder" --include='*.[ch]' |
            sed "s|\$|  -- $folder/ knows nothing of $other/|" >>"$bad"
    done
}

# One file knows each library, so that the library can be exchanged and the rest be tested without it.
only 'mysql\.h'       common/store/db.c
only 'errmsg\.h'      common/store/db.c
only 'mysqld_error'   common/store/db.c
only 'libwebsockets'  relay/net/ws.c
only 'http_parser'    relay/net/http_parse.c
only 'hiredis'       relay/redis/redis_link.c common/redis/redis_sync.c common/redis/redis_reply.c
only 'magic\.h'       rest/services/filetype.c
only '<gd\.h'         thumbnail/main.c
only 'fcgi'           rest/fcgi.c
only '<jwt\.h'        common/token.c
only '<openssl/'      common/token.c common/key_set.c
only '<curl/'         common/keyring.c admin/roundtrip.c
only '<unicode/'      common/name.c common/search/words.c
only 'sqlite3'        common/search/search_index.c
only '<sodium'        common/base64.c common/password.c relay/socketio/sid.c
sed -i '/rest\/[a-z_]*\.[ch]:.*include "rest\/fcgi\.h"/d' "$bad"     # our own header of that name

# Each folder knows itself and those on lines above its own.
layers='
common
common/redis common/search common/store
common/service
relay/db relay/redis
relay/core
relay/net
relay/native relay/protocols relay/socketio
relay/demos
relay
rest/http
rest/services
rest/calls
rest
worker
admin
thumbnail
'
grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]*/' -r common relay rest worker admin thumbnail --include='*.[ch]' |
    awk -F: -v layers="$layers" '
        BEGIN {
            lines = split(layers, line, "\n")
            for (i = 1; i <= lines; i++) {
                count = split(line[i], folder, " ")
                for (j = 1; j <= count; j++)
                    level[folder[j]] = i
            }
        }
        {
            from = $1
            sub(/\/[^\/]*$/, "", from)
            split($3, part, "\"")
            to = part[2]
            sub(/\/[^\/]*$/, "", to)
            if (!(from in level) || !(to in level))
                print $0 "  -- in no folder that deploy/layers.sh knows"
            else if (from != to && level[from] <= level[to])
                print $0 "  -- " from "/ stands below " to "/ or beside it"
        }' >>"$bad"

never relay  rest worker admin thumbnail
never rest   relay worker admin thumbnail
never worker relay rest admin thumbnail
never admin  relay rest worker thumbnail
never thumbnail relay rest worker admin

# A statement in quotes. What keeps a connection alive or ends a transaction is db.c's own business.
writes='INSERT( IGNORE)? INTO|REPLACE INTO|UPDATE [a-z_`]+ SET|DELETE FROM|(CREATE|ALTER|DROP) TABLE'
grep -nE "\"[^\"]*\\b(SELECT [^,}]|($writes)\\b)" \
    -r common relay rest worker admin thumbnail --include='*.[ch]' | grep -vE '^common/(store/store[a-z_]*|search/search_index)\.[ch]:' |
    sed 's|$|  -- SQL stands in common/store/store* and sql/|' >>"$bad"

# Of two migrations of one number the second is never carried out.
version=$(sed -n 's/.*STORE_SCHEMA_VERSION = \([0-9]*\).*/\1/p' common/store/store_sql.h)
[ "$(ls sql | cut -c1-4)" = "$(seq -f %04g "$version")" ] ||
    echo "sql/: the files are not numbered 0001 to STORE_SCHEMA_VERSION, $version, each once" >>"$bad"

[ -s "$bad" ] || exit 0
cat "$bad"
exit 1
