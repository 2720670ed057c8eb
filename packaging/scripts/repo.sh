#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes of a folder's packages a signed repository for apt and one for dnf, in
# its repo: apt/, rpm/, and the public key in both its forms.
#
# usage: repo.sh FOLDER
#        GPG_KEY: the key to sign with, of the caller's keyring. Without it one
#        is made for this repository alone, as good as for a trial; its secret
#        part is in build/repo-key and is used again.
set -eu

dist=$1
repo=$dist/repo
rm -rf "$repo"
mkdir -p "$repo"

if [ -z "${GPG_KEY:-}" ]; then
	GNUPGHOME=$PWD/build/repo-key
	export GNUPGHOME
	GPG_KEY=repository@thumbd.example
	mkdir -p "$GNUPGHOME"
	chmod 0700 "$GNUPGHOME"
	trap 'gpgconf --kill all' EXIT
	gpg --batch --quiet --list-secret-keys "$GPG_KEY" >/dev/null 2>&1 ||
		gpg --batch --quiet --passphrase '' --quick-generate-key "thumbd, a trial <$GPG_KEY>" rsa3072 sign never
fi
gpg --batch --export "$GPG_KEY" >"$repo/thumbd.gpg"
gpg --batch --armor --export "$GPG_KEY" >"$repo/thumbd.asc"
[ -s "$repo/thumbd.gpg" ] || { echo "repo.sh: no key $GPG_KEY" >&2; exit 1; }

apt_repository() {
	mkdir -p "$repo/apt/pool"
	cp "$@" "$repo/apt/pool"
	cd "$repo/apt"
	release=dists/stable
	for arch in amd64 arm64; do
		dir=$release/main/binary-$arch
		mkdir -p "$dir"
		apt-ftparchive --arch "$arch" packages pool >"$dir/Packages"
		gzip -9nk "$dir/Packages"
	done
	apt-ftparchive -o APT::FTPArchive::Release::Origin=thumbd \
		-o APT::FTPArchive::Release::Suite=stable \
		-o APT::FTPArchive::Release::Codename=stable \
		-o 'APT::FTPArchive::Release::Architectures=amd64 arm64' \
		-o APT::FTPArchive::Release::Components=main release "$release" >Release
	mv Release "$release/Release"
	sign --clearsign --output "$release/InRelease" "$release/Release"
	sign --armor --detach-sign --output "$release/Release.gpg" "$release/Release"
}

dnf_repository() {
	mkdir -p "$repo/rpm"
	cp "$@" "$repo/rpm"
	cd "$repo/rpm"
	GPG_TTY=none rpmsign --define "_gpg_name $GPG_KEY" --define "__gpg $(command -v gpg)" --addsign ./*.rpm >/dev/null
	createrepo_c --quiet .
	sign --armor --detach-sign repodata/repomd.xml
}

sign() { gpg --batch --yes --local-user "$GPG_KEY" "$@"; }

# One of them is enough.
made=
for list in "apt_repository $dist/*.deb" "dnf_repository $dist/*.rpm"; do
	# shellcheck disable=SC2086 # a function and a pattern
	set -- $list
	[ -e "$2" ] || continue
	("$@")
	made=yes
done
[ -n "$made" ] || { echo "repo.sh: no packages in $dist; make deb rpm first" >&2; exit 1; }
