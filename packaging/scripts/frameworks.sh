#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs Next.js, Nuxt, Astro, and the reference implementations of hashes for make
# check-clients, each in a folder of DIR, and in all of them the package for npm that make
# clients has packed.
#
# usage: frameworks.sh DIR PACKED
set -eu

pages=$(dirname "$0")/../../internal/test/frameworks/testdata
for name in next nuxt astro hashes; do
	mkdir -p "$1/$name"
	if ! cmp -s "$pages/$name/package.json" "$1/$name/installed.json"; then
		cp "$pages/$name/package.json" "$1/$name/package.json"
		(cd "$1/$name" && npm install --silent --no-audit --no-fund --no-package-lock --ignore-scripts)
		cp "$pages/$name/package.json" "$1/$name/installed.json"
	fi
	rm -rf "$1/$name/node_modules/thumbd"
	mkdir "$1/$name/node_modules/thumbd"
	tar -xzf "$2"/thumbd-[0-9]*.tgz -C "$1/$name/node_modules/thumbd" --strip-components=1
done
