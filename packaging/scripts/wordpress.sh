#!/bin/sh
# SPDX-License-Identifier: MIT
# Unpacks Debian's WordPress and its default theme into a folder, for make check-cms.
# Nothing is installed: the package would bring a web server.
#
# usage: wordpress.sh DIR
set -eu

[ "$(id -u)" -ne 0 ] || apt-get update -qq
packages=$(mktemp -d)
trap 'rm -rf "$packages"' EXIT
chmod 755 "$packages"
theme=$(apt-cache show --no-all-versions wordpress | sed -n 's/^Recommends:.*\(wordpress-theme-[a-z]*\).*/\1/p')
(
	cd "$packages"
	# apt's own user could not write here.
	apt-get -qq -o APT::Sandbox::User= download wordpress "${theme:?apt names no theme of WordPress}"
)
rm -rf "$1"
mkdir -p "$1"
for package in "$packages"/*.deb; do
	dpkg-deb -x "$package" "$1"
done
touch "$1"
