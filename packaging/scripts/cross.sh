#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs a command with an environment that builds for another architecture, with
# Debian's cross compiler for it.
#
# usage: cross.sh ARCH COMMAND...
#        SYSROOT: a system of that architecture with libvips-dev. Without it
#        this system has that, too: dpkg --add-architecture arm64, then apt
#        install libvips-dev:arm64.
set -eu

case $1 in
amd64) triplet=x86_64-linux-gnu ;;
arm64) triplet=aarch64-linux-gnu ;;
*) echo "cross.sh: no cross compiler is known for $1" >&2; exit 2 ;;
esac
GOARCH=$1
shift
command -v "$triplet-gcc" >/dev/null || { echo "cross.sh: no $triplet-gcc; install gcc-$triplet" >&2; exit 1; }

SYSROOT=${SYSROOT:-}
CC="$triplet-gcc${SYSROOT:+ --sysroot=$SYSROOT}"
CGO_ENABLED=1
PKG_CONFIG_SYSROOT_DIR=$SYSROOT
PKG_CONFIG_LIBDIR=$SYSROOT/usr/lib/$triplet/pkgconfig:$SYSROOT/usr/share/pkgconfig
export GOARCH CC CGO_ENABLED PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_LIBDIR
exec "$@"
