#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the tests as the user nobody, from a copy of the tree that it can read:
# permissions hold for it, and it can neither mount nor chown. As root.
#
# usage: test-user.sh PROGRAM-TESTS PACKAGE-FOLDER...
#        PROGRAM-TESTS: a regular expression, such as 'Warm|Purge$', of the names of
#        the tests of programs to run; of all other packages all tests are run
set -eu

if [ "$(id -u)" -ne 0 ]; then
	echo "test-user: run it as root, it becomes nobody" >&2
	exit 1
fi
programs=$1
shift
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
mkdir -m 1777 "$dir/tmp" "$dir/home"
tree=$dir/tree
mkdir -p "$tree/build/tools"
git ls-files -z | tar --null --files-from=- -cf - | tar -C "$tree" -xf -
cp build/thumbd build/thumbd-render "$tree/build"
cp build/tools/versitygw "$tree/build/tools"
chmod -R a+rX "$tree"

mkdir "$dir/tests"
for folder in "$@"; do
	# A package without tests makes no binary.
	go test -c -o "$dir/tests/$(printf %s "$folder" | tr / ,)" "./$folder"
done

cat >"$dir/run" <<'EOF'
cd "$tree/$(printf %s "$1" | tr , /)"
case $1 in
internal,test,e2e | internal,test,faults | internal,test,guards | internal,test,frontends | internal,test,clinic | internal,test,clients | internal,test,farm | internal,test,nodes) only=$programs ;;
*) only= ;;
esac
env -i PATH="$PATH" TMPDIR="$dir/tmp" HOME="$dir/home" THUMBD_BUILD="$tree/build" \
	setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups "$dir/tests/$1" -test.run "$only" -test.parallel 4 >"$dir/$1.log" 2>&1
code=$?
{ printf '%s as nobody: ' "$1"; cat "$dir/$1.log"; } | flock "$dir/tests" cat
exit "$code"
EOF

# Most tests wait most of their time, so three packages run beside each other. The
# output of each is printed as a whole.
export dir tree programs
find "$dir/tests" -type f -printf '%f\n' | sort | xargs -P 3 -n 1 sh "$dir/run" || {
	echo "test-user: tests have failed, see above" >&2
	exit 1
}
if [ -n "$(ls -A "$dir/tmp")" ]; then
	echo "test-user: the tests left behind:" >&2
	ls -A "$dir/tmp" >&2
	exit 1
fi
