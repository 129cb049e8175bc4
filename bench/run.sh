#!/bin/bash
# run.sh BUILD: measures this build of the relay beside bench-bare, in the same run on the same machine, and prints
# ratios. Absolute figures of a shared machine mean little; the ratios hold. Takes about two minutes.
set -euo pipefail

build=$(realpath "$1")
top=$(realpath "$(dirname "$0")/..")
seconds=${BENCH_SECONDS:-8}

run=$(mktemp -d /tmp/chaguan-bench.XXXXXX)
export CHAGUAN_RUN=$run/r PORT=${PORT:-7905} CG_BIN=$build
bare_pid=
finish() {
    [ -z "$bare_pid" ] || kill "$bare_pid" 2>/dev/null || true
    "$top/deploy/run.sh" clean >/dev/null 2>&1 || true
    rm -rf "$run"
}
trap finish EXIT

"$top/deploy/run.sh" up >/dev/null
"$build/bench-bare" >"$run/bare.port" &
bare_pid=$!
until [ -s "$run/bare.port" ]; do sleep 0.05; done

relay() { printf '%s' "--protocol chatroom --http $PORT --to $(cat "$CHAGUAN_RUN/relay1.port") --pids relay=$(cat "$CHAGUAN_RUN/relay1.pid")"; }
relays() { printf '%s' "--protocol chatroom --http $PORT --to $(cat "$CHAGUAN_RUN/relay1.port"),$(cat "$CHAGUAN_RUN/relay2.port") --pids relay=$(cat "$CHAGUAN_RUN/relay1.pid"),$(cat "$CHAGUAN_RUN/relay2.pid")"; }
bare() { printf '%s' "--protocol bare --to $(cat "$run/bare.port") --pids relay=$bare_pid"; }

# measure WHERE ARGUMENTS: the generator's line of JSON
measure() {
    local where=$1
    shift
    # shellcheck disable=SC2046 # words are meant
    "$build/bench-load" $($where) --seconds "$seconds" "$@"
}
figure() { sed -n "s/.*\"$2\":\({\"relay\":\)\?\([0-9.-]*\).*/\2/p" <<<"$1"; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", (b > 0) ? a / b : 0 }'; }

printf '%-58s %12s %12s %8s\n' scenario relay bare ratio
row() { # NAME FIGURE ARGUMENTS: the relay beside bench-bare
    local name=$1 key=$2 ours theirs
    shift 2
    ours=$(measure relay "$@") theirs=$(measure bare "$@")
    printf '%-58s %12s %12s %8s\n' "$name" "$(figure "$ours" "$key")" "$(figure "$theirs" "$key")" \
        "$(ratio "$(figure "$ours" "$key")" "$(figure "$theirs" "$key")")"
}
alone() { # NAME WHERE FIGURE ARGUMENTS: a figure without a peer here
    local name=$1 where=$2 key=$3
    shift 3
    printf '%-58s %12s\n' "$name" "$(figure "$(measure "$where" "$@")" "$key")"
}

# first, while the relay has no freed memory to take from
alone '10000 idle in 1000 rooms: KiB per connection' relay memory_kib_per_client --clients 10000 --rooms 1000
row 'one room of 500, 100 messages/s: CPU us per delivery' cpu_us_per_delivery --clients 500 --rate 100
row 'one room of 500, 10 outstanding: CPU us per delivery' cpu_us_per_delivery --clients 500 --window 10
row 'one room of 500, 10 outstanding: deliveries/s' deliveries_s --clients 500 --window 10
alone '100 rooms of 10, 10 outstanding: deliveries/s' relay deliveries_s --clients 1000 --rooms 100 --window 10
alone '1000 rooms of 1, 20 outstanding, 2 relays: stored messages/s' relays messages_s --clients 1000 --rooms 1000 --window 20
alone '10000 idle in 1000 rooms: CPU us to join' relay connect_cpu_us --clients 10000 --rooms 1000
