#!/bin/sh
# SPDX-License-Identifier: MIT
# Packs the packages for applications, each in its language's form, and uses each once
# from its archive.
#
# usage: clients.sh VERSION DIST
set -eu

version=$1
mkdir -p "$2"
dist=$(cd "$2" && pwd)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
# What tests and editors leave beside them stays out.
git ls-files -z packaging/clients | tar -c --null --files-from=- | tar -x -C "$stage"
cd "$stage/packaging/clients"

# Each registry has its own form for a version that is no release:
# 0.0.0~git20261129.9c701cd5.
release=${version%%~*}
build=
case $version in *~*) build=${version#*~} ;; esac
set_version() { sed -i "s/0\.0\.0/$1/" "$2"; }
set_version "$release${build:+-$build}" npm/package.json
set_version "$release${build:+.dev0+$build}" python/pyproject.toml
set_version "$release${build:+.pre.$build}" ruby/thumbd.gemspec
if [ -n "$build" ]; then set_version "dev-$build" php/composer.json; else set_version "$release" php/composer.json; fi

rm -f "$dist"/thumbd-*
(cd npm && npm pack --silent --pack-destination "$dist" >/dev/null)
# shellcheck disable=SC2015 # cat and exit are for a failure of any
(cd python && /usr/bin/python3 -c '
import sys
from setuptools import build_meta
# setuptools changes sys.argv.
dist = sys.argv[1]
build_meta.build_sdist(dist)
build_meta.build_wheel(dist)' "$dist" >/dev/null 2>"$stage/python.log" || { cat "$stage/python.log" >&2; exit 1; })
(cd php && COMPOSER_ALLOW_SUPERUSER=1 composer archive --quiet --no-interaction --format=zip --dir="$dist" --file="thumbd-php-$version")
(cd ruby && gem build --silent --output "$dist/thumbd-ruby-$version.gem" thumbd.gemspec)
tar -czf "$dist/thumbd-go-$version.tar.gz" -C go --exclude='*_test.go' .

# Of each archive as an application has it.
want=/p/hero-320w/a%20b.jpg
same() { [ "$2" = "$want" ] || { echo "clients: the $1 package gives $2, want $want" >&2; exit 1; }; }
mkdir -p "$stage/use/node_modules/thumbd" "$stage/use/php" "$stage/use/go"
tar -xzf "$dist"/thumbd-[0-9]*.tgz -C "$stage/use/node_modules/thumbd" --strip-components=1
cd "$stage/use"
site='{"prefix": "/p/", "scheme": "preset", "presets": {"hero": {"size": "9x9", "method": "crop", "widths": [320]}}}'
info='{"width": 9, "height": 9, "thumbhash": "nZQBDYSAd3d/eHiIiId3h3B/Bxd4"}'
same npm "$(node --input-type=module -e "import { site } from 'thumbd'
import 'thumbd/loaders'
console.log(site($site).url('a b.jpg', 'hero-320w'))")"
same npm "$(node --conditions=browser --input-type=module -e "import { site, access } from 'thumbd'" 2>&1 |
	grep -q "does not provide an export named 'access'" && echo "$want" || echo "a signer to browsers")"
same python "$(PYTHONPATH=$(echo "$dist"/thumbd-*.whl) /usr/bin/python3 -c "import thumbd, thumbd.jinja
print(thumbd.Site(**$site).url('a b.jpg', 'hero-320w'))")"
unzip -q "$dist/thumbd-php-$version.zip" -d php
# shellcheck disable=SC2016 # these are variables of PHP
same php "$(php -r 'require "php/src/functions.php";
	spl_autoload_register(fn ($class) => require "php/src/" . basename(strtr($class, "\\", "/")) . ".php");
	$site = new Thumbd\Site(json_decode($argv[1], true));
	$site->picture("a.jpg", "hero", ["info" => json_decode($argv[2], true), "placeholder" => true]);
	echo $site->url("a b.jpg", "hero-320w");' -- "$site" "$info")"
gem unpack --target "$stage/use/ruby" "$dist/thumbd-ruby-$version.gem" >/dev/null
same ruby "$(ruby -I "$(echo "$stage"/use/ruby/*/lib)" -r thumbd -r json -e \
	'site = Thumbd::Site.new(JSON.parse(ARGV[0]))
	site.picture("a.jpg", "hero", info: JSON.parse(ARGV[1]), placeholder: true)
	puts site.url("a b.jpg", "hero-320w")' "$site" "$info")"
tar -xzf "$dist/thumbd-go-$version.tar.gz" -C go
(cd go && go vet .)
ls "$dist"
