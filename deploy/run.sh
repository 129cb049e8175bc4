#!/bin/bash
# Starts and stops a private Chaguan: MariaDB, Redis, the relays, the REST process and nginx, with everything they write
# in one directory. Nothing of the machine's own servers is used or touched.
#
#   deploy/run.sh up | down | status        in the background
#   deploy/run.sh run                       in the foreground, until Ctrl-C or SIGTERM
#   deploy/run.sh start NAME [ARGUMENT]...  one part: mariadb, redis, relay1…, rest, worker1… or nginx; further arguments
#                                           are given to its program (start relay1 --set log_level=debug)
#   deploy/run.sh stop NAME                 ends it in an orderly way; fails if it did not end so
#   deploy/run.sh kill NAME [SIGNAL]        SIGKILL, or another; STOP and CONT reach its children too
#   deploy/run.sh reload NAME               a new nginx configuration, a reopened log
#   deploy/run.sh sql [ARGUMENT]...         MariaDB's client, on the run's database
#   deploy/run.sh clean                     down, and the run directory is deleted
#
# Environment:
#   CHAGUAN_RUN  the run directory (run/ in the checkout)         PORT    nginx' port (7005)
#   CG_BIN       where the programs are (build/), and in it       LISTEN  nginx' address (127.0.0.1)
#                socket.io/, which nginx serves                   RELAYS  how many relays (2)
#   SETTINGS     more settings: SETTINGS="a=1 b=2"                WORKERS how many workers (1); 0: no feed
#   ADDRESS_MAX  how many requests one address may have under way at nginx (4000; at most 65535)
#   ADDRESS_RATE how many a second it may make there in the long run, and ten times as
#                many at once (2000; 0: any number)
#   SITE_DIR     a folder of pages of your own, which nginx serves before Chaguan's; as the setting site_dir
#   SITE_POLICY  their Content-Security-Policy (none); as the setting site_policy
#   HANDOFF      0: nginx proxies WebSockets; else it hands them over, if CG_BIN has its module and it fits (1)
#   RUN_AS       when root starts it: the account that everything runs as, and that the run directory is given to
#                (www-data). Where that account cannot get at what it needs, root is kept and that is said.
#   ROUND_TRIP   0: "up" and "run" do not try whether a message gets through (1)
#   EMPTY_DATA   a directory where MariaDB's empty data directories are kept and copied from: making one costs more
#                than copying it, for who makes many runs (none)
# What "up" was given is kept in the run directory, so the other commands need CHAGUAN_RUN only.
#
# In the run directory, for each part: NAME.pid while it is ready, NAME.log, NAME.exit (its last exit status);
# chaguan.conf for all programs; the Unix sockets; relayN.port.
set -euo pipefail
umask 077                                   # passwords, messages: whoever starts a run may read it, nobody else
export PATH=$PATH:/usr/sbin:/sbin           # where Debian keeps servers; not every user's PATH has them

top=$(cd "$(dirname "$0")/.." && pwd -P)
RUN=${CHAGUAN_RUN:-$top/run}
quiet=

# Nobody may be listening any more (a closed terminal, a caller that was killed): that must not keep us from stopping
# what we started. Not ignored but caught, because what is ignored stays so in the programs that we start.
trap : PIPE
say() { [ -n "$quiet" ] || echo "$*" 2>/dev/null || true; }
complain() { echo "$*" >&2 || true; }
die() { echo "deploy/run.sh: $*" >&2; exit 1; }
usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0"; exit "$1"; }

# ---- root gives itself up --------------------------------------------------------------------------------------------

# Prints the first of the paths, of what is in them or of the directories above them, that whoever calls may not use; of
# the first path only what is above it.
unusable() {
    local path rest dir above=$1
    for path in "$@"; do
        rest=${path#/} dir=
        while [[ $rest == */* ]]; do
            dir=$dir/${rest%%/*} rest=${rest#*/}
            if [ -d "$dir" ] && [ ! -x "$dir" ]; then echo "$dir"; return; fi
        done
    done
    shift
    find -H "$@" \( ! -readable -o ! -type l -perm -u+x ! -executable \) -print -quit 2>/dev/null || true
}

# Sets as_account to the command that runs another as the account.
become() {
    as_account=(setpriv "--reuid=$1" "--regid=$(id -g "$1")" --init-groups --inh-caps=-all)
}

# Why the account cannot run Chaguan here, and what helps; prints nothing if it can.
hindrance() {
    local account=$1 path first setting
    if ! id -u "$account" >/dev/null 2>&1; then echo "there is no such account"; return; fi
    become "$account"
    if ! "${as_account[@]}" true 2>/dev/null; then echo "setpriv cannot change to it"; return; fi
    first=$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start 2>/dev/null || echo 1024)
    if [[ ${PORT:-7005} =~ ^[0-9]{1,5}$ ]] && [ "${PORT:-7005}" -lt "$first" ]; then
        echo "it may not listen on port ${PORT:-7005}; take one from $first on (PORT=)"
        return
    fi
    for setting in ${SETTINGS:-}; do            # a folder that is only read, with all that is in it
        [[ $setting != app_keys=/* ]] || needed+=("${setting#*=}")
    done
    path=$("${as_account[@]}" bash --norc -c "$(declare -f unusable)"'; unusable "$@"' - "$RUN" "${needed[@]}")
    for setting in ${SETTINGS:-}; do            # files to be read, directories and sockets to be written to
        [ -z "$path" ] || break
        [ "${setting%%=*}" != app_keys ] || continue
        case ${setting#*=} in "$RUN"/*) ;; /*) path=${setting#*=} ;; esac
        [ -n "$path" ] && [ -e "$path" ] || { path=; continue; }
        if [ -f "$path" ]; then first=-r; elif [ "${setting%%=*}" = site_dir ]; then first=-x; else first=-w; fi
        if "${as_account[@]}" test $first "$path"; then path=; fi
    done
    [ -z "$path" ] || echo "it may not use $path; open that to it (chmod a+rX), or have checkout and run directory elsewhere"
}

# What was started as root serves strangers: it runs as an account that can do no more than that. All of run.sh does, so
# that every file in the run directory is that account's from the first, and root follows no link that it might lay
# there. Later commands are the run directory's owner's.
give_up_root() {
    local owner account uid name why='' had=''
    [ -d "$RUN" ] || { [[ $command == @(up|run) ]] && mkdir -m 700 -p "$RUN"; } || return 0
    RUN=$(cd "$RUN" && pwd -P)
    owner=$(stat -c %U "$RUN")
    account=$owner
    if [[ $command == @(up|run) ]] && [ -z "$(running_parts)" ]; then
        if [ "$owner" = root ]; then account=${RUN_AS:-www-data}; else account=${RUN_AS:-$owner}; fi
        needed=("$top"/deploy/{run.sh,keep.sh,render.sh,mariadb.cnf,redis.conf} "$top"/{sql,web,nginx})
        for name in chaguan chaguan-rest chaguan-relay chaguan-worker chaguan-thumbnail socket.io ngx_http_chaguan_handoff_module.so; do
            name=$(realpath -m "${CG_BIN:-$top/build}/$name")
            [ ! -e "$name" ] || needed+=("$name")
        done
        [ -z "${SITE_DIR:-}" ] || needed+=("$(realpath -m "$SITE_DIR")")
        if [ "$account" = root ]; then
            :
        elif [ "$account" != "$owner" ] && [ ! -e "$RUN/instance" ] && [ -n "$(ls -A -I lock "$RUN")" ]; then
            why="$RUN holds files that are not of a run; take an empty directory (CHAGUAN_RUN=)"
        else
            why=$(hindrance "$account")
        fi
        if [ -n "$why" ]; then
            complain "deploy/run.sh: everything runs as root, not as $account: $why"
            account=root
        fi
        # Not what is none of a run's; kept by root, it stays whose it is.
        if [ "$account" != "$owner" ] && { [ -e "$RUN/instance" ] || [ -z "$(ls -A -I lock "$RUN")" ]; }; then
            chown -hR "$account:$(id -g "$account")" "$RUN" || account=root    # chown has said why
        fi
    fi
    uid=$(id -u "$account" 2>/dev/null || echo 0)
    [ "$uid" != 0 ] || return 0
    become "$account"
    "${as_account[@]}" test -x "$PWD" || cd /
    export CHAGUAN_RUN=$RUN HOME=$RUN
    [ -z "${CG_BIN:-}" ] || CG_BIN=$(realpath -m "$CG_BIN")
    [ -z "${SITE_DIR:-}" ] || SITE_DIR=$(realpath -m "$SITE_DIR")
    [ "$command" = clean ] || exec "${as_account[@]}" "$top/deploy/run.sh" "$command" ${quiet:+--quiet} "$@"
    [ ! -e "$RUN/instance" ] || had=1
    FOR_ROOT=1 "${as_account[@]}" "$top/deploy/run.sh" clean ${quiet:+--quiet} "$@" || exit
    [ -z "$had" ] || rm -rf "$RUN"              # the directory that it is in is root's
    exit 0
}

# ---- the run directory -----------------------------------------------------------------------------------------------

# Makes it, or finds it. Its path goes into socket addresses and configuration files, so not every path will do.
open_run_dir() {
    [ -d "$RUN" ] || mkdir -m 700 -p "$RUN"
    RUN=$(cd "$RUN" && pwd -P)
    local LC_ALL=C
    case $RUN in
    *[[:space:]\"\'\;:\{\}\$\#\\\|\&@*?]*)
        die "the run directory's path may not contain spaces or any of \"';:{}\$#\\|&@*?: $RUN"
        ;;
    esac
    [ ${#RUN} -le 90 ] ||
        die "the run directory's path has ${#RUN} bytes; Unix sockets allow 90 (set CHAGUAN_RUN to a shorter one): $RUN"
    export CHAGUAN_RUN=$RUN
    # A new run takes what the environment says, everything else what the run was started with. Programs alone may be
    # exchanged while it runs.
    local given=${CG_BIN:-}
    if [ -e "$RUN/instance" ] && { [[ $command != @(up|run) ]] || [ -n "$(running_parts)" ]; }; then
        . "$RUN/instance"
    fi
    HANDOFF=${HANDOFF:-1} ADDRESS_MAX=${ADDRESS_MAX:-4000} ADDRESS_RATE=${ADDRESS_RATE:-2000} PORT=${PORT:-7005} LISTEN=${LISTEN:-127.0.0.1} RELAYS=${RELAYS:-2} WORKERS=${WORKERS:-1}
    CG_BIN=${given:-${CG_BIN:-$top/build}}
}

# Writes what a new run needs. Only while nothing runs: the parts that do were started with the old files.
configure() {
    local password secret admin setting
    [[ $PORT =~ ^[0-9]+$ && $RELAYS =~ ^[1-9][0-9]*$ ]] || die "PORT and RELAYS are numbers, not '$PORT' and '$RELAYS'"
    [[ $WORKERS =~ ^[0-9]+$ ]] || die "WORKERS is a number, not '$WORKERS'"
    password=$(sed -n 's/^db_password = //p' "$RUN/chaguan.conf" 2>/dev/null || true)
    [ -n "$password" ] || password=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
    secret=$(sed -n 's/^jwt_secret = //p' "$RUN/chaguan.conf" 2>/dev/null | head -n 1 || true)
    [ -n "$secret" ] || secret=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
    admin=$(sed -n 's/^admin_token = //p' "$RUN/chaguan.conf" 2>/dev/null | head -n 1 || true)
    [ -n "$admin" ] || admin=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')

    printf '%s\n' "PORT=$PORT" "LISTEN=$LISTEN" "RELAYS=$RELAYS" "WORKERS=$WORKERS" "HANDOFF=$HANDOFF" "ADDRESS_MAX=$ADDRESS_MAX" "ADDRESS_RATE=$ADDRESS_RATE" \
        "CG_BIN='$CG_BIN'" >"$RUN/instance"
    {
        cat <<END
# Written by deploy/run.sh at every start; SETTINGS="name=value …" adds lines at the end.
run = $RUN
sql_dir = $top/sql
media_dir = media
db_socket = mariadb.sock
db_name = chaguan
db_user = chaguan_app
db_password = $password
jwt_secret = $secret
admin_token = $admin
redis_socket = redis.sock
rest_socket = rest.sock
listen_host = 127.0.0.1
io_eio3 = 1
listen_port = 0
# Whoever tries a tutorial's page opens its file, and a file's origin is "null".
origins = null
END
        [ "$WORKERS" = 0 ] || echo "feed = on"
        [ -z "${SITE_DIR:-}" ] || echo "site_dir = $(realpath -m "$SITE_DIR")"
        [ -z "${SITE_POLICY:-}" ] || echo "site_policy = $SITE_POLICY"
        for setting in ${SETTINGS:-}; do echo "${setting%%=*} = ${setting#*=}"; done
    } >"$RUN/chaguan.conf.new"
    mv "$RUN/chaguan.conf.new" "$RUN/chaguan.conf"
    configure_nginx
}

# Whether nginx can hand sockets over. A module that was built for another nginx is not loaded; a path that is too long
# for the sockets' names would be an error in the configuration.
hands_over() {
    [ "$HANDOFF" != 0 ] && [ -e "$1" ] && [ ${#RUN} -le 88 ] || return 1
    printf '%s\n' "load_module \"$1\";" "pid $RUN/nginx/try.pid;" 'events { }' >"$RUN/nginx/try.conf"
    nginx -q -t -e stderr -c "$RUN/nginx/try.conf" >"$RUN/nginx/try.log" 2>&1
}

# What the configuration file says of it; of several lines the last counts.
setting() { sed -n "s/^$1 = //p" "$RUN/chaguan.conf" | tail -n 1; }

configure_nginx() {
    local nofile user="# (not root)" module handoff="#" upgrades=@chaguan_relay load="# (proxied)" rated='$chaguan_address'
    local site policy sited="#" pages=/
    site=$(setting site_dir) policy=$(setting site_policy)
    [[ $site$policy != *[\"\\\$]* ]] || die "site_dir and site_policy may not contain any of \"\\\$"
    if [ -n "$site" ]; then
        [ -d "$site" ] || die "site_dir: there is no directory $site"
        sited='' pages=@chaguan_pages
    fi
    nofile=$(ulimit -n)
    [ "$nofile" != unlimited ] && [ "$nofile" -le 65536 ] || nofile=65536
    [ "$(id -u)" != 0 ] || user="user root;"
    mkdir -p "$RUN/nginx"
    module=$(realpath -m "$CG_BIN/ngx_http_chaguan_handoff_module.so")
    if hands_over "$module"; then handoff='' upgrades=@chaguan_handoff load="load_module \"$module\";"; fi
    [ "$ADDRESS_RATE" != 0 ] || rated='""'
    HANDOFF=$handoff UPGRADES=$upgrades ADDRESS_MAX=$ADDRESS_MAX BODIES_ADDRESS=$((ADDRESS_MAX / 16)) \
        BODIES_ALL=$((ADDRESS_MAX / 2)) RATED=$rated ADDRESS_RATE=$((ADDRESS_RATE ? ADDRESS_RATE : 1)) \
        ADDRESS_BURST=$((ADDRESS_RATE ? 10 * ADDRESS_RATE : 1)) RUN=$RUN WEB=$top/web \
        SITE=$sited SITE_DIR=$site SITE_POLICY=$policy PAGES=$pages \
        SOCKETIO=$(realpath -m "$CG_BIN/socket.io") MEDIA=$RUN/media RELAYS=$RELAYS \
        LISTEN=$LISTEN:$PORT ACCESS_LOG=$RUN/nginx.access.log ERROR_LOG=$RUN/nginx.log \
        "$top/deploy/render.sh" "$top/nginx/chaguan.conf.in" >"$RUN/nginx/chaguan.conf"
    LOAD_MODULE=$load RUN=$RUN USER=$user NOFILE=$nofile CONNECTIONS=$((nofile < 16384 ? nofile : 16384)) \
        "$top/deploy/render.sh" "$top/nginx/private-nginx.conf.in" >"$RUN/nginx/nginx.conf"
}

parts() {
    local i
    echo mariadb redis
    for ((i = 1; i <= RELAYS; i++)); do echo "relay$i"; done
    echo rest
    for ((i = 1; i <= WORKERS; i++)); do echo "worker$i"; done
    echo nginx
}

# Those that run, the last started first: also relays beyond RELAYS and workers beyond WORKERS, started by hand.
running_parts() {
    local name
    for name in nginx rest $(cd "$RUN" && ls worker*.keeper relay*.keeper 2>/dev/null | sed 's/\.keeper$//') redis mariadb; do
        ! alive "$name" || echo "$name"
    done
}

# ---- one part --------------------------------------------------------------------------------------------------------

# Sets pid to the part's process. An id in an old file may belong to somebody else by now; whoever works inside the run
# directory is ours (mariadbd works inside its data directory).
alive() {
    local keeper where
    pid=
    { read -r keeper pid <"$RUN/$1.keeper"; } 2>/dev/null || return 1
    for where in "/proc/$keeper/cwd" "/proc/$pid/cwd"; do
        if [[ $where -ef $RUN || $where -ef $RUN/mariadb ]]; then return 0; fi
    done
    return 1
}

# Sleeps so many seconds without a process for it: nothing is ever written to the pipe that it reads.
nap() { read -rt "$1" -u "$silence" || true; }

# await SECONDS COMMAND...: until it succeeds.
await() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -le $deadline ] || return 1
        nap 0.02
    done
}

ended() { ! alive "$1"; }
begun() { [ -e "$RUN/$1.keeper" ] || [ -e "$RUN/$1.exit" ]; }

# Is it ready to serve? Ends the program if the part has died instead.
ready() {
    if [ -e "$RUN/$1.exit" ]; then
        echo "$1 ended with status $(cat "$RUN/$1.exit") while starting; the end of $RUN/$1.log:" >&2
        tail -n 15 "$RUN/$1.log" >&2
        exit 1
    fi
    [ -s "$RUN/$1.pid" ] || return 1
    case $1 in
    mariadb) admin_sql -e 'SELECT 1' >/dev/null 2>&1 ;;
    redis) [ "$(redis-cli -s "$RUN/redis.sock" PING 2>/dev/null)" = PONG ] ;;
    esac
}

keep() {
    local name=$1
    shift
    command -v "$1" >/dev/null || die "no program $1"
    rm -f "$RUN/$name.pid" "$RUN/$name.exit" "$RUN/$name.keeper"
    (cd "$RUN" && exec setsid "$top/deploy/keep.sh" "$name" "$@" </dev/null >>"$name.log" 2>&1 9>&- {silence}>&-) &
}

# launch NAME [ARGUMENT]...: starts its program; settle NAME: waits until it serves.
launch() {
    local name=$1
    shift
    case $name in
    mariadb) start_mariadb "$@" ;;
    redis)
        keep redis redis-server "$top/deploy/redis.conf" --unixsocket "$RUN/redis.sock" --dir "$RUN" \
            --pidfile "$RUN/redis.pid" "$@"
        ;;
    relay[0-9]*)
        keep "$name" "$CG_BIN/chaguan-relay" --config "$RUN/chaguan.conf" --set name="$name" \
            --set listen_socket="$name.sock" --set port_file="$name.port" --set pid_file="$name.pid" \
            --set log_file="$name.log" "$@"
        ;;
    worker[0-9]*)
        keep "$name" "$CG_BIN/chaguan-worker" --config "$RUN/chaguan.conf" --set name="$name" \
            --set worker_socket="$name.sock" --set pid_file="$name.pid" --set log_file="$name.log" "$@"
        ;;
    rest)
        keep rest "$CG_BIN/chaguan-rest" --config "$RUN/chaguan.conf" --set pid_file=rest.pid \
            --set log_file=rest.log "$@"
        ;;
    nginx) keep nginx nginx -e "$RUN/nginx.log" -c "$RUN/nginx/nginx.conf" -g 'daemon off;' "$@" ;;
    *) die "no part is called '$name'" ;;
    esac
}

settle() {
    await 60 ready "$1" || { tail -n 15 "$RUN/$1.log" >&2; die "$1 was not ready after a minute"; }
    [ "$1" != mariadb ] || make_database
}

start_part() {
    if alive "$1"; then say "$1 runs already"; return; fi
    launch "$@"
    settle "$1"
}

# Those that do not run, all at the same time.
start_parts() {
    local name names=()
    for name in "$@"; do alive "$name" || names+=("$name"); done
    for name in "${names[@]}"; do launch "$name"; done
    for name in "${names[@]}"; do await 60 begun "$name"; done     # if one fails, the others can be stopped
    for name in "${names[@]}"; do settle "$name"; done
}

admin_sql() { mariadb --no-defaults --socket="$RUN/mariadb.sock" --user="$(id -un)" "$@"; }

# Makes $RUN/mariadb.new.
make_empty_data() {
    mariadb-install-db --defaults-file="$top/deploy/mariadb.cnf" --datadir="$RUN/mariadb.new" $as_root \
        --tmpdir="$RUN/tmp" --auth-root-authentication-method=socket --auth-root-socket-user="$1" \
        --skip-test-db --skip-name-resolve >"$RUN/mariadb.log" 2>&1 ||
        { tail -n 15 "$RUN/mariadb.log" >&2; die "MariaDB's data directory could not be made"; }
    [ -n "${EMPTY_DATA:-}" ] || return 0
    # Whole, or not there; whoever is second throws theirs away.
    cp -a "$RUN/mariadb.new" "$EMPTY_DATA/$1.$$" && mv -T "$EMPTY_DATA/$1.$$" "$EMPTY_DATA/$1" 2>/dev/null ||
        rm -rf "$EMPTY_DATA/$1.$$"
}

# The same, if there is one to be copied.
take_empty_data() {
    [ -n "${EMPTY_DATA:-}" ] && [ -d "$EMPTY_DATA/$1" ] && cp -a "$EMPTY_DATA/$1" "$RUN/mariadb.new"
}

start_mariadb() {
    local as_root='' me
    me=$(id -un)
    [ "$(id -u)" != 0 ] || as_root=--user=root
    mkdir -p "$RUN/tmp"
    if [ ! -d "$RUN/mariadb" ]; then
        # Under another name until it is whole, so that an interrupted one is made again.
        rm -rf "$RUN/mariadb.new"
        take_empty_data "$me" || make_empty_data "$me"
        mv "$RUN/mariadb.new" "$RUN/mariadb"
        echo "$me" >"$RUN/mariadb.user"
    fi
    if [ "$(cat "$RUN/mariadb.user" 2>/dev/null)" != "$me" ]; then
        # Made by somebody else, or before this was noted: whoever runs it now shall have his way in.
        printf '%s\n' 'SET SESSION sql_log_bin = 0;' \
            "CREATE USER IF NOT EXISTS '$me'@localhost IDENTIFIED VIA unix_socket;" \
            "GRANT ALL ON *.* TO '$me'@localhost WITH GRANT OPTION;" >"$RUN/mariadb.init"
        set -- --init-file="$RUN/mariadb.init" "$@"
    fi
    keep mariadb mariadbd --defaults-file="$top/deploy/mariadb.cnf" $as_root --datadir="$RUN/mariadb" \
        --socket="$RUN/mariadb.sock" --pid-file="$RUN/mariadb.pid" --tmpdir="$RUN/tmp" "$@"
}

# Once MariaDB serves.
make_database() {
    id -un >"$RUN/mariadb.user"
    # Not "chaguan" for the user: an operating system's user of that name would lose his way in.
    admin_sql <<END || die "the database could not be made"
CREATE DATABASE IF NOT EXISTS chaguan CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE USER IF NOT EXISTS chaguan_app@localhost;
ALTER USER chaguan_app@localhost IDENTIFIED BY '$(sed -n 's/^db_password = //p' "$RUN/chaguan.conf")';
GRANT ALL ON chaguan.* TO chaguan_app@localhost;
END
}

# SIGTERM for all of them at the same time, a bounded wait, SIGKILL. Returns 0 only if each part ended by itself and with
# status 0.
stop_parts() {
    local name status seconds bad=0 names=()
    for name in "$@"; do
        alive "$name" || continue
        names+=("$name")
        kill -TERM "$pid" 2>/dev/null || true
        kill -CONT -- "-$pid" 2>/dev/null || true   # a stopped process would never see the SIGTERM
    done
    for name in "${names[@]}"; do
        if [ "$name" = mariadb ]; then seconds=60; else seconds=30; fi
        if ! await $seconds ended "$name"; then
            complain "$name did not stop within $seconds s and is killed"
            kill -KILL -- "-$pid" 2>/dev/null || true
            await 10 ended "$name" || complain "$name cannot be killed"
            bad=1
            continue
        fi
        status=unknown
        { read -r status <"$RUN/$name.exit"; } 2>/dev/null || true
        [ "$status" = 0 ] || { complain "$name ended with status $status; see $RUN/$name.log"; bad=1; }
    done
    return $bad
}

# ---- all of them -----------------------------------------------------------------------------------------------------

# One up or down at a time on a run directory. File descriptor 9 is closed in what outlives us.
lock() { exec 9>"$RUN/lock"; flock 9; }
unlock() { exec 9>&-; }

url() { echo "http://$LISTEN:$PORT/"; }
local_url() { case $LISTEN in 0.0.0.0 | \*) echo "http://127.0.0.1:$PORT/" ;; *) url ;; esac }

say_way() {
    if grep -q '^load_module' "$RUN/nginx/nginx.conf"; then
        say "nginx hands WebSockets over to the relays"
    else
        local why=""
        [ "$HANDOFF" = 0 ] || why=": there is no module for it in $CG_BIN, or it does not fit"
        say "nginx proxies WebSockets$why"
    fi
}

start_all() {
    if [ -z "$(running_parts)" ]; then
        rm -f "$RUN"/*.exit
        configure
    fi
    start_parts mariadb redis
    if ! alive relay1; then
        "$CG_BIN/chaguan" migrate --config "$RUN/chaguan.conf" >"$RUN/migrate.log" 2>&1 ||
            { tail -n 15 "$RUN/migrate.log" >&2; die "the schema could not be brought up to date"; }
    fi
    start_parts $(parts | grep -vx -e mariadb -e redis -e nginx)
    start_parts nginx
}

# Who brings clients first, what all others need last.
stop_all() {
    local bad=0
    stop_parts nginx || bad=1
    stop_parts $(running_parts | grep -vx -e mariadb -e redis) || bad=1
    stop_parts redis mariadb || bad=1
    return $bad
}

# Parts that run may still not do what they are there for: something is said through nginx and heard on every relay.
round_trip() {
    local name relays="" answer
    [ "${ROUND_TRIP:-1}" != 0 ] || return 0
    for name in $(parts); do case $name in relay*) relays="$relays${relays:+,}$RUN/$name.sock" ;; esac; done
    answer=$("$CG_BIN/chaguan" roundtrip "$(local_url)" --relays "$relays" 2>&1) ||
        die "everything runs, but a message does not get through. $answer"
}

all_alive() {
    local name
    for name in $(parts); do alive "$name" || return 1; done
}

up() {
    lock
    if all_alive; then say "already up at $(url)"; return; fi
    trap 'complain "stopping what was started"; stop_all' EXIT
    start_all
    round_trip
    trap - EXIT
    say_way
    say "Chaguan is up at $(url)"
}

down() {
    [ -d "$RUN" ] || { say "nothing runs: there is no $RUN"; return 0; }
    open_run_dir
    lock
    [ -n "$(running_parts)" ] || { say "nothing runs in $RUN"; return 0; }
    stop_all || return 1
    say "stopped"
}

run() {
    local name status told=" "
    lock
    [ -z "$(running_parts)" ] || die "something runs already in $RUN: deploy/run.sh status, deploy/run.sh down"
    trap 'trap "" HUP INT TERM; say "stopping"; stop_all' EXIT
    trap 'exit 0' HUP INT TERM
    start_all
    round_trip
    unlock
    say_way
    say "Chaguan is at $(url) — Ctrl-C stops it"
    # Parts may be stopped, killed and started from elsewhere meanwhile.
    while [ -n "$(running_parts)" ]; do
        for name in $(parts); do
            if alive "$name"; then
                told=${told/ $name / }
            elif [[ $told != *" $name "* ]]; then
                told="$told$name "
                status=$(cat "$RUN/$name.exit" 2>/dev/null || echo unknown)
                say "$name ended with status $status (log: $RUN/$name.log); deploy/run.sh start $name brings it back"
            fi
        done
        nap 0.5
    done
    say "every part has ended"
}

status() {
    local name how bad=0
    for name in $(parts); do
        if alive "$name"; then
            echo "$name runs, pid $pid"
        else
            bad=1 how=""
            [ ! -e "$RUN/$name.exit" ] || how="; it ended with status $(cat "$RUN/$name.exit")"
            echo "$name does not run$how"
        fi
    done
    [ $bad = 0 ] && url
    return $bad
}

# Files: as many as the machine lets us have; every connection is one.
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true

exec {silence}<> <(:)                       # for nap()

command=${1:-}
[ $# -eq 0 ] || shift
[ "${1:-}" != --quiet ] || { quiet=1; shift; }
[ "$(id -u)" != 0 ] || give_up_root "$@"
case $command in
up | run | status) open_run_dir; "$command" ;;
down) down ;;
start | stop | kill | reload)
    [ $# -gt 0 ] || usage 2
    open_run_dir
    [ -e "$RUN/instance" ] || die "nothing was ever started in $RUN: deploy/run.sh up"
    ;;&
start) start_part "$@" ;;
stop) stop_parts "$1" ;;
kill)
    alive "$1" || die "$1 does not run"
    signal=${2:-KILL} signal=${signal#SIG}
    case $signal in
    STOP | CONT) kill -"$signal" -- "-$pid" ;;
    KILL) kill -KILL "$pid" && await 10 ended "$1" ;;
    *) kill -"$signal" "$pid" ;;
    esac
    ;;
reload)
    alive "$1" || die "$1 does not run"
    if [ "$1" = nginx ]; then configure_nginx; nginx -q -t -e stderr -c "$RUN/nginx/nginx.conf" || exit 1; fi
    kill -HUP "$pid"
    ;;
sql) open_run_dir; admin_sql chaguan "$@" ;;
clean)
    down || true
    if [ -e "$RUN/instance" ]; then
        [ -z "$(running_parts)" ] || die "something still runs in $RUN"
        rm -rf "$RUN" 2>/dev/null || [ -n "${FOR_ROOT:-}" ] || die "$RUN cannot be deleted"
    fi
    ;;
help | -h | --help) usage 0 ;;
*) usage 2 >&2 ;;
esac
