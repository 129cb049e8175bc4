#!/bin/bash
# Runs suites with nginx under valgrind:  tests/nginx-valgrind.sh BUILD [SUITE.test.mjs]...
# By default the suite of nginx' module. Fails if a suite does, or if valgrind finds an invalid access or memory that is
# lost for good in any process of nginx. Slow, and needs valgrind; no part of "make test".
set -uo pipefail
cd "$(dirname "$0")/.."
build=$PWD/${1#"$PWD/"}
shift
[ $# -gt 0 ] || set -- nginx-handoff.test.mjs
nginx=$(PATH=$PATH:/usr/sbin command -v nginx)
work=$(mktemp -d /tmp/chaguan-valgrind.XXXXXX)
chmod 1777 "$work" # deploy/run.sh, started by root, gives nginx to another account
trap 'rm -rf "$work"' EXIT

# What nginx itself leaves behind when it reads its configuration, and starts and ends a worker.
cat >"$work/known" <<'END'
{
   pcre
   Memcheck:Leak
   ...
   fun:pcre2_compile_context_create_8
   fun:ngx_regex_compile
}
{
   environment
   Memcheck:Leak
   ...
   fun:ngx_set_environment
}
{
   the connections of a worker that ends
   Memcheck:Leak
   ...
   fun:ngx_alloc
   obj:*/nginx
   obj:*/nginx
   obj:*/nginx
   fun:ngx_spawn_process
}
END

# deploy/run.sh takes nginx from PATH.
cat >"$work/nginx" <<END
#!/bin/sh
case " \$* " in *" -t "*) exec $nginx "\$@" ;; esac
exec valgrind --quiet --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --num-callers=20 \\
    --suppressions=$work/known \\
    --log-file=$work/report.%p $nginx "\$@"
END
chmod 755 "$work/nginx"
chmod 644 "$work/known"

PATH=$work:$PATH CG_BIN=$build node --test --test-reporter=spec "${@/#/tests/integration/}"
status=$?
found=0
for report in "$work"/report.*; do
    [ -s "$report" ] || continue
    echo "---- a finding: $(basename "$report")"
    head -n 60 "$report"
    found=$((found + 1))
done
echo "$(ls "$work" | grep -c '^report') processes of nginx, $found with findings"
[ $status = 0 ] && [ $found = 0 ]
