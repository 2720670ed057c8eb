#!/bin/sh
# SPDX-License-Identifier: MIT
# Boots a copy of an image, in the mount namespace of its own that the caller
# has given it, so that no mount outlives it.
#
# usage: machine.sh DIR IMAGE SECONDS NSPAWN-OPTION...
#        DIR: files/ to lay over the image, mnt/ to mount on
set -eu
dir=$1 image=$2 seconds=$3
shift 3

mount -t tmpfs tmpfs "$dir/mnt"
mkdir "$dir/mnt/upper" "$dir/mnt/work" "$dir/mnt/root"
cp -a "$dir/files/." "$dir/mnt/upper"
mount -t overlay -o "lowerdir=$image,upperdir=$dir/mnt/upper,workdir=$dir/mnt/work" overlay "$dir/mnt/root"

# systemd is the master of a cgroup of its own, and leaves some behind.
mount -t cgroup2 none /sys/fs/cgroup
own=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
group=$own/thumbd-boot-$$
mkdir "$group"
(
	sh -c 'echo $PPID' >"$group/cgroup.procs"
	SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 exec timeout --kill-after=20 "$seconds" \
		systemd-nspawn --directory="$dir/mnt/root" --keep-unit --register=no \
		--private-network --link-journal=no --resolv-conf=off --timezone=off --console=pipe \
		--system-call-filter='landlock_create_ruleset landlock_add_rule landlock_restrict_self' \
		"$@" --boot
) </dev/null &
machine=$!
trap 'kill "$machine"' TERM INT
status=0
wait "$machine" || status=$?
if kill "$machine" 2>/dev/null; then
	wait "$machine" || status=$?
fi
if [ -e "$group/cgroup.kill" ]; then
	echo 1 >"$group/cgroup.kill"
fi
until find "$group" -depth -type d -exec rmdir {} + 2>/dev/null; do
	[ -d "$group" ] || break
	sleep 0.1
done
exit "$status"
