#!/bin/bash
# Runs a command, by default "make test", in a clean clone of this checkout's last commit within a bare root of a Debian
# release, in which only git and make were installed: what a fresh machine would do.
#   tests/debian-root.sh bookworm|trixie [COMMAND [ARGUMENT...]]
# As root. The root directory stays for the next time, with the packages that the command installed; FRESH=1 makes it anew.
# ROOTS says where (build/roots), MIRROR from whom Debian comes. Nothing is mounted outside of a namespace of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
suite=${1:?a release of Debian, such as trixie}
shift
[ $# -gt 0 ] || set -- make test
[ "$(id -u)" = 0 ] || exec sudo --preserve-env=FRESH,ROOTS,MIRROR,NODE_EXTRA_CA_CERTS "$0" "$suite" "$@"
roots=$(realpath -m "${ROOTS:-build/roots}")
root=$roots/$suite
mirror=${MIRROR:-http://deb.debian.org/debian}

deploy/install-packages.sh roots
[ -z "${FRESH:-}" ] || rm -rf --one-file-system "$root"
if [ ! -e "$root/.complete" ]; then
    echo "making a root of $suite in $root"
    rm -rf --one-file-system "$root"
    mkdir -p "$roots"
    debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$roots/$suite.log" ||
        { tail "$roots/$suite.log" >&2; exit 1; }
    case $mirror in
    *//deb.debian.org/debian) # what an installed machine has, too
        echo "deb http://deb.debian.org/debian-security $suite-security main" >>"$root/etc/apt/sources.list"
        echo "deb $mirror $suite-updates main" >>"$root/etc/apt/sources.list" ;;
    esac
    touch "$root/.complete"
fi

rm -rf --one-file-system "$root/chaguan"
git clone --quiet --no-local --depth 1 "file://$PWD" "$root/chaguan"
[ -z "$(git status --porcelain --untracked-files=no)" ] || echo "what is not committed is not tried" >&2
cp /etc/resolv.conf "$root/etc/resolv.conf"
# npm believes the authorities that this machine was told to believe, such as those of an organisation's own proxy.
trust=
if [ -n "${NODE_EXTRA_CA_CERTS:-}" ]; then
    cp "$NODE_EXTRA_CA_CERTS" "$root/etc/extra-authorities.pem"
    trust=/etc/extra-authorities.pem
fi
ip_hosts="127.0.0.1 localhost $(hostname)"
grep -qxF "$ip_hosts" "$root/etc/hosts" 2>/dev/null || echo "$ip_hosts" >>"$root/etc/hosts"

exec unshare --mount --pid --fork --kill-child sh -c '
    root=$1 trust=$2
    shift 2
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount --rbind /sys "$root/sys"
    exec chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        ${trust:+NODE_EXTRA_CA_CERTS="$trust"} \
        sh -euc "
            command -v git >/dev/null && command -v make >/dev/null || {
                apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install git make >/dev/null
            }
            cd /chaguan
            exec \"\$@\"" sh "$@"
' sh "$root" "$trust" "$@"
