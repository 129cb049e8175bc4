#!/bin/sh
# Installs what the lists deploy/packages/NAME ask for and this machine lacks; says nothing when it lacks nothing.
#   deploy/install-packages.sh build run
#   deploy/install-packages.sh --optional handoff      what cannot be had is said, and is no error
# Services are neither started nor enabled: the servers of a run are private to it. A server that was here before stays
# as it was.
set -eu
PATH=$PATH:/usr/sbin:/sbin
lists=$(dirname "$0")/packages
optional=
[ "${1:-}" != --optional ] || { optional=1; shift; }

have_package() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

wanted() { for list in "$@"; do sed 's/#.*//' "$lists/$list"; done; }

missing=$(wanted "$@" | while read -r package command; do
    [ -n "$package" ] || continue
    if [ -n "$command" ] && command -v "$command" >/dev/null 2>&1; then continue; fi
    if ! command -v dpkg-query >/dev/null 2>&1; then
        [ -z "$command" ] || echo "$package"    # a library's presence is for the compiler to judge
    elif ! have_package "$package"; then
        echo "$package"
    fi
done)
[ -n "$missing" ] || exit 0
missing=$(echo $missing)

give_up() {
    if [ -n "$optional" ]; then echo "$1; going on without: $missing"; exit 0; fi
    echo "$1; please install: $missing" >&2
    exit 1
}

command -v apt-get >/dev/null 2>&1 || give_up "no apt-get here"
as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || give_up "neither root nor sudo"
    as_root=sudo
    sudo true || give_up "not root, and sudo refuses"
fi

# The packages that bring a service. Debian's maintainer scripts ask policy-rc.d before they start one.
services=
for package in $missing; do
    case $package in nginx | redis-server) services="$services $package" ;; esac
done
policy=/usr/sbin/policy-rc.d
if [ -n "$services" ] && [ ! -e "$policy" ]; then
    trap '$as_root rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '%s\n' '#!/bin/sh' '# Put here by Chaguan while it installs packages; may be deleted.' 'exit 101' |
        $as_root sh -c "cat >$policy && chmod 755 $policy"
fi

echo "installing: $missing"
apt() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"; }
apt update || echo "apt-get update failed; trying with the lists there are" >&2
# debconf and dpkg tell a story per package; it is shown only if it ends badly.
log=$(mktemp)
if ! apt install -y --no-install-recommends $missing >"$log" 2>&1; then
    [ -n "$optional" ] || cat "$log" >&2
    rm -f "$log"
    give_up "apt-get failed"
fi
rm -f "$log"

for service in $services; do
    if command -v systemctl >/dev/null 2>&1; then
        $as_root systemctl --quiet disable "$service.service" >/dev/null 2>&1 || true
    elif command -v update-rc.d >/dev/null 2>&1; then
        $as_root update-rc.d "$service" disable >/dev/null 2>&1 || true
    fi
done
