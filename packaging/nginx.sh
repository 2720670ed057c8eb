# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# Of the packages' scripts: package.sh puts it in place of the line
# ". packaging/nginx.sh".
#
# nginx may still include thumbd's files when the package is removed, and has to start
# without it. In place of the include of /usr/share/thumbd each of them then has what
# is included, closed if it protects something:
#
#     # thumbd was removed: include /usr/share/thumbd/nginx/snippets/thumbd-auth.conf;
#     deny all;
#     # thumbd was removed, end
share=/usr/share/thumbd

# closed NAME: what a file of nginx has to say without thumbd. Nobody answers
# auth_request any more, and thumbd protects no downloads.
closed() {
	case "$1" in
	*/thumbd-auth.conf)
		echo 'deny all;'
		# Other files of nginx may use the variables.
		sed -n -e 's/^auth_request_set \($[a-z_]*\) .*/set \1 "";/p' -e t -e '/^set /p' "$share/nginx/$1"
		;;
	*/thumbd-files.conf | */thumbd-original.conf) echo 'internal;' ;;
	*) cat "$share/nginx/$1" ;;
	esac
}

# close_file NAME SUFFIX: write /etc/nginx/NAME, closed, beside it with the suffix. An
# edited file without the include needs nothing of the package.
close_file() {
	at=/etc/nginx/$1
	[ -e "$at" ] || return 0
	cp -p "$(readlink -f "$at")" "$at$2"
	include="^[[:space:]]*include[[:space:]][[:space:]]*$share/nginx/$1;"
	grep -q "$include" "$at" || return 0
	closed "$1" >"$at.closed"
	sed "\\,$include,{
		s/^/# thumbd was removed: /
		r $at.closed
		a # thumbd was removed, end
	}" "$at" >"$at$2"
	rm "$at.closed"
}

# reopen FILE: put back the include that close_file has closed.
reopen() {
	grep -qs '^# thumbd was removed: ' "$1" || return 0
	at=$(readlink -f "$1")
	cp -p "$at" "$at.dpkg-new"
	sed '/^# thumbd was removed: /,/^# thumbd was removed, end$/{
		s/^# thumbd was removed: //
		t
		d
	}' "$at" >"$at.dpkg-new"
	mv -f "$at.dpkg-new" "$at"
}

# used: nginx has thumbd's files in its own configuration, so it can't start without them.
used() {
	find -L /etc/nginx -type f ! -path '/etc/nginx/conf.d/thumbd.conf*' ! -path '/etc/nginx/snippets/thumbd*' ! -name '*.dpkg-*' ! -name '*.rpm*' \
		-exec grep -lsE '^[^#]*(snippets/thumbd|conf\.d/thumbd|//thumbd|[$]thumbd_|@thumbd|thumbd_noquery)' {} + | grep -q .
}

# reload_nginx COMMAND…: have nginx read its files again if it runs and they are good.
reload_nginx() {
	if [ -d /run/systemd/system ] && systemctl --quiet is-active nginx.service && nginx -t -q; then
		"$@" try-reload-or-restart nginx.service >/dev/null || true
	fi
}
