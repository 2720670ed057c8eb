#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs, with the system's package manager, what a make target needs and is
# not there yet; says so first. As root, or through sudo.
#
# usage: setup.sh build|test|others|cms|nodes|clients|bench|check|processors|repo|packages|boot|image
#        others: the other servers and languages that tests run
#        bench: what thumbd is compared with
#        processors: a compiler for arm64, and emulators
set -eu

# what a target needs: a command that proves that it is there, Debian's package,
# Fedora's package. Each line ends with the targets that need it.
needs() {
	cat <<-'EOF'
		command -v cc|gcc libc6-dev|gcc|build test check
		command -v pkg-config|pkg-config|pkgconf-pkg-config|build test check
		pkg-config --exists vips|libvips-dev|vips-devel|build test check
		pkg-config --exists libwebp|libwebp-dev|libwebp-devel|build test check
		pkg-config --exists libjpeg|libjpeg-dev|libjpeg-turbo-devel|build test check
		pkg-config --exists libdeflate|libdeflate-dev|libdeflate-devel|build test check
		pkg-config --exists libpng|libpng-dev|libpng-devel|test check
		codec libheif-plugin-aomenc|libheif-plugin-aomenc||build test check
		codec libheif-plugin-dav1d|libheif-plugin-dav1d||build test check
		codec libheif-plugin-libde265|libheif-plugin-libde265||build test check
		command -v nginx|nginx-light|nginx|test check packages cms image
		command -v systemd-socket-activate|systemd|systemd|test check
		command -v strace|strace|strace|test
		command -v avifenc|libavif-bin|libavif-tools|test
		command -v heif-enc|libheif-examples|libheif-tools|test
		command -v cjxl|libjxl-tools|libjxl-utils|test
		command -v exiftool|libimage-exiftool-perl|perl-Image-ExifTool|test
		command -v mkfs.ext4|e2fsprogs|e2fsprogs|test
		command -v rsync|rsync|rsync|test
		command -v promtool|prometheus|golang-github-prometheus|test boot
		command -v apache2|apache2-bin|httpd|others
		test -e /usr/lib/apache2/modules/mod_xsendfile.so|libapache2-mod-xsendfile|mod_xsendfile|others
		command -v lighttpd|lighttpd|lighttpd|others
		command -v haproxy|haproxy|haproxy|others
		command -v php|php-cli|php-cli|others clients cms
		command -v php-cgi|php-cgi|php-cli|cms
		php --ri gd|php-gd|php-gd|cms
		php --ri mysqli|php-mysql|php-mysqlnd|cms
		php --ri mbstring|php-mbstring|php-mbstring|cms
		command -v glusterd|glusterfs-server|glusterfs-server|nodes
		command -v mount.glusterfs|glusterfs-client|glusterfs-fuse|nodes
		command -v mariadbd|mariadb-server-core|mariadb-server|cms
		test -e /usr/share/php/Twig/autoload.php|php-twig|php-twig|others
		command -v ruby|ruby|ruby|others clients
		ruby -r logger -r active_support -e 0|ruby-activesupport|rubygem-activesupport|others
		command -v gem|ruby|rubygems|clients
		command -v composer|composer|composer|clients
		command -v npm|npm|npm|clients
		command -v unzip|unzip|unzip|clients
		command -v python3|python3|python3|others clients
		test -d /usr/lib/python3/dist-packages/setuptools|python3-setuptools|python3-setuptools|clients
		/usr/bin/python3 -m wheel version|python3-wheel|python3-wheel|clients
		test -d /usr/lib/python3/dist-packages/django|python3-django|python3-django|others
		test -d /usr/lib/python3/dist-packages/PIL|python3-pil|python3-pillow|others
		test -d /usr/lib/python3/dist-packages/jinja2|python3-jinja2|python3-jinja2|others
		command -v chromium|chromium|chromium|others
		command -v node|nodejs|nodejs|others clients
		command -v vipsthumbnail|libvips-tools|vips-tools|test bench
		test -x /usr/bin/convert|imagemagick|ImageMagick|bench
		image_filter|libnginx-mod-http-image-filter|nginx-mod-http-image-filter|bench
		command -v node|nodejs|nodejs|bench
		command -v npm|npm|npm|bench
		command -v aarch64-linux-gnu-gcc|gcc-aarch64-linux-gnu|gcc-aarch64-linux-gnu|processors
		test -e /usr/aarch64-linux-gnu/include/stdlib.h|libc6-dev-arm64-cross||processors
		command -v qemu-aarch64-static|qemu-user-static|qemu-user-static|processors
		command -v qemu-x86_64-static|qemu-user-static|qemu-user-static|processors
		command -v systemd-analyze|systemd|systemd|check
		command -v apparmor_parser|apparmor||check
		command -v mandoc|mandoc|mandoc|check
		command -v shellcheck|shellcheck|ShellCheck|check
		command -v dpkg-deb|dpkg|dpkg|packages
		command -v lintian|lintian||packages
		command -v rpmlint|rpmlint|rpmlint|packages
		command -v rpm2cpio|rpm2cpio|rpm|packages
		command -v cpio|cpio|cpio|packages
		command -v gpgv|gpgv|gnupg2|packages
		command -v gpg|gpg|gnupg2|repo
		command -v apt-ftparchive|apt-utils|apt-utils|repo
		command -v createrepo_c|createrepo-c|createrepo_c|repo
		command -v rpmsign|rpm|rpm-sign|repo
		command -v setfacl|acl|acl|test boot
		command -v debootstrap|debootstrap|debootstrap|boot
		command -v systemd-nspawn|systemd-container|systemd-container|boot
		command -v buildah|buildah|buildah|image
		command -v podman|podman|podman|image
		command -v runc|runc|runc|image
		command -v docker-compose|docker-compose|docker-compose|image
		test -x /usr/lib/cni/bridge|containernetworking-plugins|containernetworking-plugins|image
		command -v iptables|iptables|iptables|image
		command -v openssl|openssl|openssl|image
		command -v ip|iproute2|iproute|image
		command -v curl|curl|curl|image
	EOF
}

# nginx and its like are not on every user's path.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# Debian 13 has the codecs of AVIF and HEIC in packages of their own; where
# there is no such package, libvips brings them.
codec() { ! apt-cache show "$1" >/dev/null 2>&1 || dpkg -s "$1" >/dev/null 2>&1; }

image_filter() { ls /usr/lib*/nginx/modules/ngx_http_image_filter_module.so; }

# find sets debian and fedora to what is missing.
find_missing() {
	debian=
	fedora=
	while IFS='|' read -r proof deb rpm targets; do
		case " $targets " in *" $target "*) ;; *) continue ;; esac
		# shellcheck disable=SC2086 # the proof is a command and its arguments
		$proof >/dev/null 2>&1 && continue
		debian="$debian $deb"
		fedora="$fedora $rpm"
	done <<-EOF
		$(needs)
	EOF
}

target=$1
find_missing
[ -n "$debian" ] || exit 0

sudo=
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		echo "thumbd: missing; install as root:$debian (Debian, Ubuntu) or$fedora (Fedora)" >&2
		exit 1
	fi
	sudo=sudo
fi

# shellcheck disable=SC2086 # $sudo may be empty, the packages are many
if command -v apt-get >/dev/null 2>&1; then
	echo "thumbd: installing what is missing: ${sudo:+sudo }apt-get install$debian"
	$sudo apt-get update -qq
	find_missing # With lists there may be codecs, too.
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $debian >/dev/null
elif command -v dnf >/dev/null 2>&1; then
	echo "thumbd: installing what is missing: ${sudo:+sudo }dnf install$fedora"
	$sudo dnf install -y -q $fedora
else
	echo "thumbd: missing, and no apt-get or dnf to install it with:$debian (Debian's names)" >&2
	exit 1
fi
