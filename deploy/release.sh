#!/bin/sh
# Makes a release of what is committed:  deploy/release.sh VERSION [dry]
# Writes VERSION into the Makefile and client/package.json, turns what is unreleased in CHANGELOG.md into its section,
# commits these, and leaves build/release/chaguan-VERSION.tar.gz, its checksum and notes. Then it tags. dry: says what
# would be done, and shows the notes. Nothing is pushed.
set -eu
cd "$(dirname "$0")/.."
version=${1:-} dry=${2:-}
fail() {
    echo "release: $*" >&2
    exit 1
}

echo "$version" | grep -Eqx '(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)' || fail "a version is three numbers: 1.2.3"
[ -z "$(git status --porcelain)" ] || fail "there are changes that are not committed, or files that git does not know"
if git rev-parse -q --verify "refs/tags/v$version" >/dev/null; then fail "there is a tag v$version already"; fi

# section NAME: what CHANGELOG.md says under `## [NAME]`, without blank lines around it.
section() {
    awk -v name="[$1]" '/^## / { here = $2 == name; next } here' CHANGELOG.md |
        awk 'NF { for (; blank; blank--) print ""; print; seen = 1; next } seen { blank++ }'
}
if [ -n "$(section "$version")" ]; then
    notes=$(section "$version")
else
    notes=$(section Unreleased)
    grep -q "^## \[$version\]" CHANGELOG.md && fail "CHANGELOG.md has an empty section [$version]"
    [ -n "$notes" ] || fail "CHANGELOG.md says nothing of it: neither under [$version] nor under [Unreleased]"
    unreleased=yes
fi

if [ -n "$dry" ]; then
    echo "would commit version $version, make build/release/chaguan-$version.tar.gz and tag v$version; notes:"
    echo
    printf '%s\n' "$notes"
    exit 0
fi

sed -i "s/^VERSION := .*/VERSION := $version/" Makefile
grep -qx "VERSION := $version" Makefile || fail "the Makefile has no line for the version"
[ ! -e client/package.json ] || sed -i "s/^  \"version\": .*/  \"version\": \"$version\",/" client/package.json
[ -z "${unreleased:-}" ] ||
    sed -i "s/^## \[Unreleased\].*/## [Unreleased]\n\n## [$version] - $(date -u +%Y-%m-%d)/" CHANGELOG.md
[ -z "$(git status --porcelain)" ] || git commit -qam "deploy: release $version"

name=chaguan-$version
mkdir -p build/release
git archive --format=tar --prefix="$name/" HEAD | gzip -n9 >"build/release/$name.tar.gz"
(cd build/release && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
printf '%s\n' "$notes" >"build/release/$name.md"
git tag -a "v$version" --cleanup=verbatim -m "Chaguan $version

$notes"
echo "build/release/$name.tar.gz; to publish it: git push origin HEAD v$version"
