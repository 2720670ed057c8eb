#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs a command with two mounts of one GlusterFS, as two machines have them, in namespaces
# of its own: no other process sees the mounts, the servers or their network, and all of it
# ends with the command. As root.
#
# usage: gluster.sh COMMAND [ARGUMENT...]
#        COMMAND finds the mounts in the environment: THUMBD_MOUNTS=/tmp/x/1:/tmp/x/2
set -eu

if [ "${1:-}" != --inside ]; then
	dir=$(mktemp -d)
	trap 'rm -rf "$dir"' EXIT
	unshare --mount --net --pid --fork --kill-child --mount-proc sh "$0" --inside "$dir" "$@"
	exit
fi
dir=$2
shift 2

mount --make-rprivate /
ip link set lo up
# GlusterFS takes no address of 127.0.0.0/8.
ip address add 10.77.0.1/32 dev lo
# Its state, and the sockets by which its programs find each other.
for state in /var/lib/glusterd /var/log/glusterfs /run; do
	mount -t tmpfs none "$state"
done
mkdir -p "$dir/1" "$dir/2" "$dir/disk" /run/gluster
# A brick needs extended attributes, which a tmpfs may lack.
truncate -s 256M "$dir/disk.img"
mkfs.ext4 -q "$dir/disk.img"
mount -o loop "$dir/disk.img" "$dir/disk"

{
	glusterd --no-daemon --log-level ERROR &
	tries=0
	until gluster volume info; do
		tries=$((tries + 1))
		[ "$tries" -lt 300 ] || exit 1
		sleep 0.2
	done
	gluster --mode=script volume create thumbd "10.77.0.1:$dir/disk/brick" force
	gluster --mode=script volume start thumbd
	for n in 1 2; do
		# Longer than the 1 s that GlusterFS has by itself: more renders see the old picture.
		mount -t glusterfs -o attribute-timeout=3,entry-timeout=3 10.77.0.1:/thumbd "$dir/$n"
	done
} >"$dir/log" 2>&1 || {
	cat "$dir/log" >&2
	exit 1
}
THUMBD_MOUNTS=$dir/1:$dir/2 "$@"
