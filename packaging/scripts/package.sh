#!/bin/sh
# SPDX-License-Identifier: MIT
# Packs a deb or an rpm of built programs, the same bytes from the same commit.
#
# usage: package.sh deb|rpm ARCH VERSION PROGRAMS TARGET
#        PROGRAMS: the folder with thumbd and thumbd-render for ARCH; build has
#        those for this machine
set -eu

kind=$1
target=$5
# Go looks for no packages below a name with _.
stage=build/_package
ARCH=$2 VERSION=$3 PROGRAMS=$4
MAINTAINER='the thumbd authors <maintainers@thumbd.example>'
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct)}"
export ARCH VERSION PROGRAMS MAINTAINER SOURCE_DATE_EPOCH

# The licenses of what the programs are linked with ask to go with them.
third_party() {
	echo "The programs of thumbd contain Go's standard library and these modules."
	printf '\n== Go\n\n'
	cat "$(go env GOROOT)/LICENSE"
	go version -m build/thumbd build/thumbd-render | awk '$1 == "dep" { print $2 }' | LC_ALL=C sort -u |
		xargs go list -m -f '{{.Path}} {{.Version}} {{.Dir}}' |
		while read -r module version dir; do
			printf '\n== %s %s\n\n' "$module" "$version"
			find "$dir" -maxdepth 1 \( -iname 'license*' -o -iname 'copying*' -o -iname 'notice*' \) -print0 |
				LC_ALL=C sort -z | xargs -0 cat
		done
}

umask 022
rm -rf "$stage"
mkdir -p "$stage/man" "$stage/completion" "$stage/rpm" "$target"
cp packaging/man/* "$stage/man"
gzip -9n "$stage"/man/*
# What tests and editors leave beside them stays out.
git ls-files -z packaging/examples packaging/clients testdata/vectors | tar -c --null --files-from=- |
	tar -x -C "$stage" --no-same-permissions --transform 's,^packaging/clients,examples/clients,;s,^packaging/,,;s,^testdata/vectors,examples/vectors,'
for shell in bash fish zsh; do
	build/thumbd completion $shell >"$stage/completion/$shell"
done
gzip -9n <CHANGELOG.md >"$stage/changelog.gz"
third_party | gzip -9n >"$stage/third-party.gz"
sed 's/^SocketGroup=.*/SocketGroup=nginx/' packaging/systemd/thumbd.socket >"$stage/rpm/thumbd.socket"
cat packaging/sysusers.d/thumbd.conf packaging/rpm/sysusers.conf >"$stage/rpm/sysusers.conf"
for script in packaging/deb/p*[mt] packaging/rpm/p*; do
	mkdir -p "$stage/${script%/*}"
	sed -e '\,^\. packaging/nginx\.sh$,{' -e 'r packaging/nginx.sh' -e 'd' -e '}' "$script" >"$stage/$script"
done
cat >"$stage/changelog.yaml" <<EOF
- semver: "$VERSION-1"
  date: $(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
  packager: $MAINTAINER
  deb: {urgency: medium, distributions: [unstable]}
  changes: [{note: "See /usr/share/doc/thumbd/changelog.gz."}]
EOF

build/tools/nfpm package --config packaging/nfpm.yaml --packager "$kind" --target "$target/"
