#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes an OCI image of the built programs and the libraries of this machine that they
# need, with nothing else in it: no shell, no package manager, no registry.
#
# usage: image.sh VERSION TARGET    TARGET: the folder for thumbd_VERSION.oci.tar
set -eu

version=$1
target=$2
# A tag has no ~ and no +.
tag=$(echo "$version" | tr "~+" "--")
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct)}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/rootfs

# put FILE [NAME]: copy a file with the links that lead to it.
put() {
	mkdir -p "$root$(dirname "${2:-$1}")"
	cp -L "$1" "$root${2:-$1}"
}

umask 022
mkdir -p "$root/etc/thumbd/sites.d" "$root/etc/thumbd/keys" "$root/var/cache/thumbd" "$root/run/thumbd" "$root/tmp" "$target"
put "$PWD/build/thumbd" /usr/bin/thumbd
put "$PWD/build/thumbd-render" /usr/libexec/thumbd/thumbd-render
# libvips loads the module for AVIF and HEIC, and libheif its own, as they are there.
modules=$(find /usr/lib -path '*/vips-modules-*/vips-heif.so' -o -path '*/vips-modules-*/vips-jxl.so' -o -path '*/libheif/plugins/*.so')
for file in $modules; do
	put "$file"
done
# shellcheck disable=SC2086 # names of libraries
ldd build/thumbd-render $modules | grep -o '/[^ ]*\.so[^ ]*' | grep -v ':$' | sort -u >"$work/libraries"
while read -r library; do
	put "$library"
done <"$work/libraries"
xargs readlink -f <"$work/libraries" | xargs dpkg-query --search 2>/dev/null | cut -d: -f1 | sort -u | while read -r package; do
	put "/usr/share/doc/$package/copyright"
done
put /etc/ssl/certs/ca-certificates.crt
put "$PWD/LICENSE" /usr/share/doc/thumbd/copyright
put "$PWD/packaging/thumbd.toml" /usr/share/doc/thumbd/thumbd.toml
mkdir -p "$root/usr/share/thumbd"
cp -R nginx "$root/usr/share/thumbd/nginx"
rm -f "$root"/usr/share/thumbd/nginx/*.go
# The numbers are fixed: volumes have them.
printf 'root:x:0:0:root:/:/\nthumbd:x:911:911:thumbd:/:/\n' >"$root/etc/passwd"
printf 'root:x:0:\nthumbd:x:911:\n' >"$root/etc/group"
chmod 1777 "$root/tmp"

# One archive keeps the owners, which a new volume takes over.
tar -C "$root" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --numeric-owner --owner=0 --group=0 \
	--exclude=./var/cache/thumbd --exclude=./run/thumbd -cf "$work/root.tar" .
tar -C "$root" --mtime="@$SOURCE_DATE_EPOCH" --numeric-owner --owner=911 --group=911 \
	-rf "$work/root.tar" ./var/cache/thumbd ./run/thumbd

in_store() { buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"; }
c=$(in_store from scratch)
in_store add -q "$c" "$work/root.tar" / >/dev/null
# The socket lies in a volume that only nginx's container shares.
in_store config --user 911:911 --workingdir / --entrypoint '["/usr/bin/thumbd"]' \
	--cmd 'serve --listen /run/thumbd/thumbd.sock,mode=0666 --admin /run/thumbd/admin.sock' \
	--env PATH=/usr/bin --volume /var/cache/thumbd --volume /run/thumbd --stop-signal SIGTERM \
	--annotation org.opencontainers.image.title=thumbd --annotation "org.opencontainers.image.version=$version" "$c"
rm -f "$target/thumbd_$version.oci.tar"
in_store commit -q --format oci --timestamp "$SOURCE_DATE_EPOCH" "$c" "oci-archive:$target/thumbd_$version.oci.tar:thumbd:$tag" >/dev/null
in_store rm "$c" >/dev/null
echo "$target/thumbd_$version.oci.tar"
