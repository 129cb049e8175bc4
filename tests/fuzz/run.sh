#!/bin/bash
# Runs fuzz targets for FUZZ_SECONDS each, JOBS at a time:  tests/fuzz/run.sh BUILD TARGET...
# Each starts from tests/fuzz/corpus/TARGET and keeps what it finds in BUILD/corpus/TARGET. What makes one fail is left
# as BUILD/TARGET-crash-…; put a small one into the corpus together with the mend.
set -uo pipefail
cd "$(dirname "$0")/../.."
build=$1
shift

fuzz() {
    local build=$1 target=$2 seeds=tests/fuzz/corpus/$2
    mkdir -p "$build/corpus/$target" "$seeds"
    if "$build/fuzz/$target" -max_total_time="${FUZZ_SECONDS:-60}" -max_len=8192 -timeout=10 -rss_limit_mb=1024 \
        -artifact_prefix="$build/$target-" -print_final_stats=1 "$build/corpus/$target" "$seeds" \
        >"$build/$target.log" 2>&1; then
        echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$target.log") runs, nothing found"
    else
        echo "$target failed; the end of $build/$target.log:"
        tail -n 40 "$build/$target.log"
        return 1
    fi
}
export -f fuzz

printf '%s\n' "$@" | xargs -P "${JOBS:-1}" -I{} bash -c 'fuzz "$0" "$1"' "$build" {}
