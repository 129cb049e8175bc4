#!/bin/bash
# Runs the tests that "make" has built and says how many passed:  tests/run.sh BUILD [unit] [integration]
# The last line is "N passed, N failed", for both together; what failed, and how, stands just before it.
#
# With SANITIZER_REPORTS=DIRECTORY the programs are sanitized ones. What a sanitizer finds in a server that some suite
# started would stand in a log that nobody reads; so the findings go to files there, and a file is a failure.
set -uo pipefail
cd "$(dirname "$0")/.."
build=$PWD/${1#"$PWD/"}
shift
passed=0 failed=0
output=$(mktemp)
failures=$(mktemp) # what was said of each test that failed, to be said again at the end
# The suites' databases begin as copies of one that is made once, by whatever account runs them.
EMPTY_DATA=$(mktemp -d)
export EMPTY_DATA
chmod 1777 "$EMPTY_DATA"
trap 'rm -rf "$output" "$failures" "$EMPTY_DATA"' EXIT

if [ -n "${SANITIZER_REPORTS:-}" ]; then
    rm -rf "$SANITIZER_REPORTS"
    mkdir -p "$SANITIZER_REPORTS"
    chmod 1777 "$SANITIZER_REPORTS" # deploy/run.sh, started by root, gives the servers to another account
    options="log_path=$SANITIZER_REPORTS/report:halt_on_error=1:print_stacktrace=1"
    export ASAN_OPTIONS="$options:detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1"
    export UBSAN_OPTIONS="$options" TSAN_OPTIONS="$options:second_deadlock_stack=1"
fi

# Every number that stands before or after the word in cmocka's or node's summary, added up.
count() { sed -n "$1" "$output" | awk '{ n += $1 } END { print n + 0 }'; }

unit() {
    local program status good bad
    for program in tests/unit/*/test_*.c; do
        [ -e "$program" ] || { echo "no unit tests"; return; }
        program=${program#tests/unit/} program=${program%.c}
        echo "---- $program"
        timeout --kill-after=5 "${UNIT_TIMEOUT:-120}" "$build/unit/$program" 2>&1 | tee "$output"
        status=${PIPESTATUS[0]}
        good=$(count 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p')
        bad=$(count 's/^\[  FAILED  \] \(tests: \)\{0,1\}\([0-9]*\) test(s).*/\2/p')
        # It can end badly without a test that failed: killed, out of time, a sanitizer's verdict, nothing run.
        if [ "$status" != 0 ] && [ "$bad" = 0 ]; then
            echo "$program ended with status $status"
            bad=1
        fi
        [ "$bad" = 0 ] || { echo "---- $program: status $status"; grep -a '^\[  \(ERROR\|FAILED\)  *\]\|error: ' "$output"; } >>"$failures"
        passed=$((passed + good)) failed=$((failed + bad))
    done
}

# Suites that ask for so much of the machine, or look at its time so closely, that nothing may run beside them.
alone='bench|greedy|half-open|hostile|nginx-handoff|volume'

# in_node LANES FILE...: adds what node says of these files, so many of them side by side.
in_node() {
    local lanes=$1 status bad
    shift
    # The suites find the programs to run in CG_BIN; deploy/run.sh looks at the same variable.
    CG_BIN=$build node --test --test-concurrency="$lanes" --test-reporter=spec --test-reporter-destination=stdout "$@" \
        2>&1 | tee "$output"
    status=${PIPESTATUS[0]}
    passed=$((passed + $(count 's/^[^ ]* pass \([0-9]*\)$/\1/p')))
    bad=$(($(count 's/^[^ ]* fail \([0-9]*\)$/\1/p') + $(count 's/^[^ ]* cancelled \([0-9]*\)$/\1/p')))
    [ "$status" = 0 ] || [ "$bad" != 0 ] || bad=1
    [ "$bad" = 0 ] || sed -n '/^[^ ]* failing tests:/,$p' "$output" >>"$failures"
    failed=$((failed + bad))
}

# The page's own modules and the page in a browser, the whole product, and what fails in it. Each suite has servers of its
# own and mostly waits for them, so one more than there are processors run side by side, as far as 8.
integration() {
    local together=() apart=() file lanes
    for file in tests/web/*.test.mjs tests/faults/*.test.mjs tests/integration/*.test.mjs tests/hostile/*.test.mjs; do
        [ -e "$file" ] || continue
        if [[ $(basename "$file" .test.mjs) =~ ^($alone)$ ]]; then apart+=("$file"); else together+=("$file"); fi
    done
    [ $((${#apart[@]} + ${#together[@]})) -gt 0 ] || { echo "no integration tests"; return; }
    lanes=${LANES:-$(($(nproc) < 7 ? $(nproc) + 1 : 8))}
    [ ${#together[@]} = 0 ] || in_node "$lanes" "${together[@]}"
    [ ${#apart[@]} = 0 ] || in_node 1 "${apart[@]}"
}

for what in "$@"; do
    case $what in
    unit | integration) "$what" ;;
    *) echo "tests/run.sh: no tests called $what" >&2; exit 2 ;;
    esac
done

if [ -n "${SANITIZER_REPORTS:-}" ]; then
    for report in "$SANITIZER_REPORTS"/*; do
        [ -s "$report" ] || continue
        echo "---- a sanitizer's finding: $report"
        head -n 60 "$report"
        failed=$((failed + 1))
    done
fi

# A long text may be cut at its front; the names come last.
if [ -s "$failures" ]; then
    printf '\n---- what failed\n'
    tail -n 300 "$failures"
    grep -a '^[^ ]* .*([0-9.]*ms)$\|^\[  FAILED  \]\|^---- ' "$failures" | tail -n 40
fi
echo
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
