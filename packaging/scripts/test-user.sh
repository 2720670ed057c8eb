#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the tests as the user nobody, from a copy of the tree that it can read:
# permissions hold for it, and it can neither mount nor chown. As root.
#
# usage: test-user.sh PACKAGE-FOLDER...
set -eu

if [ "$(id -u)" -ne 0 ]; then
	echo "test-user: run it as root, it becomes nobody" >&2
	exit 1
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
mkdir -m 1777 "$dir/tmp" "$dir/home"
tree=$dir/tree
mkdir -p "$tree/build"
git ls-files -z | tar --null --files-from=- -cf - | tar -C "$tree" -xf -
cp build/thumbd build/thumbd-render "$tree/build"
chmod -R a+rX "$tree"

for folder in "$@"; do
	go test -c -o "$dir/test" "./$folder"
	# A package without tests makes no binary.
	[ -e "$dir/test" ] || continue
	printf '%s as nobody: ' "$folder"
	(
		cd "$tree/$folder"
		env -i PATH="$PATH" TMPDIR="$dir/tmp" HOME="$dir/home" THUMBD_BUILD="$tree/build" \
			setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups "$dir/test"
	)
	rm "$dir/test"
done
if [ -n "$(ls -A "$dir/tmp")" ]; then
	echo "test-user: the tests left behind:" >&2
	ls -A "$dir/tmp" >&2
	exit 1
fi
