#!/bin/sh
# SPDX-License-Identifier: MIT
# Verifies the units, alone and with each of the drop-ins among the examples,
# how little of the system they are exposed to, and the AppArmor profile's
# syntax.
#
# usage: check-units.sh
set -eu

PATH=$PATH:/usr/sbin:/sbin
dir=build/units
rm -rf "$dir"
mkdir -p "$dir/thumbd.service.d"
# A program that a unit names must be there.
sed "s,/usr/bin/thumbd,$PWD/build/thumbd," packaging/systemd/thumbd.service >"$dir/thumbd.service"
sed "s,/usr/bin/thumbd,$PWD/build/thumbd," packaging/systemd/thumbd-gc.service >"$dir/thumbd-gc.service"
# systemd before 254 does not know these.
if [ "$(systemd-analyze --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')" -lt 254 ]; then
	sed -i '/^RestartSteps=/d; /^RestartMaxDelaySec=/d' "$dir/thumbd.service"
fi
cp packaging/systemd/thumbd-gc.timer packaging/systemd/*.socket "$dir"

# check fails where the units have a mistake, or an exposure over $1 tenths.
check() {
	systemd-analyze --recursive-errors=no --man=no verify "$dir/thumbd.service" "$dir"/*.socket
	systemd-analyze security --no-pager --offline=true --threshold="$1" "$dir/thumbd.service" >"$dir/security" ||
		{ cat "$dir/security"; exit 1; }
}

check 4
systemd-analyze --recursive-errors=no --man=no verify "$dir/thumbd-gc.service" "$dir/thumbd-gc.timer"
systemd-analyze security --no-pager --offline=true --threshold=4 "$dir/thumbd-gc.service" >"$dir/security" ||
	{ cat "$dir/security"; exit 1; }
for drop_in in packaging/examples/systemd/*.conf; do
	cp "$drop_in" "$dir/thumbd.service.d/example.conf"
	case $drop_in in
	# A network is what it is for.
	*/remote-originals.conf) check 13 ;;
	*) check 5 ;;
	esac
done

rm "$dir/thumbd.service.d/example.conf"

# nginx, which starts at boot, after thumbd: systemd finds no loop.
mkdir "$dir/nginx.service.d"
cp packaging/examples/systemd/nginx.service.d/nodes.conf "$dir/nginx.service.d/"
cat >"$dir/nginx.service" <<'EOF'
[Unit]
After=network-online.target remote-fs.target nss-lookup.target
Wants=network-online.target

[Service]
Type=forking
ExecStart=/bin/true

[Install]
WantedBy=multi-user.target
EOF
systemd-analyze --recursive-errors=no --man=no verify "$dir/nginx.service"

if command -v apparmor_parser >/dev/null; then
	apparmor_parser -QTK packaging/examples/apparmor/usr.bin.thumbd
else
	echo "check-units: no apparmor_parser here: the AppArmor profile is not checked"
fi
