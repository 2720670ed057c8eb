#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds thumbd with a clock that is wrong by the duration in THUMBD_CLOCK, for example
# "5m" or "-30s", for tests of nodes. No machine can give one process a clock of its own:
# time namespaces leave the real time alone, and libfaketime can't reach a static program.
# So time.Now of Go's library gets one line more.
#
# usage: wrong-clock.sh PROGRAM
set -eu

go=${GO:-go}
std=$("$go" env GOROOT)/src/time
# Stays: with the same paths, Go's cache has the library the next time. The dot keeps it
# out of "./...".
dir=$PWD/$(dirname "$1")/.$(basename "$1")
mkdir -p "$dir"
sed 's/^\tsec, nsec, mono := runtimeNow()$/&\n\tsec += wrong/' "$std/time.go" >"$dir/time.go"
if cmp -s "$std/time.go" "$dir/time.go"; then
	echo "wrong-clock: $std/time.go has another time.Now: change this script" >&2
	exit 1
fi
cat >"$dir/wrong.go" <<'EOF'
package time

import "syscall"

// wrong is in seconds.
var wrong = func() int64 {
	text, _ := syscall.Getenv("THUMBD_CLOCK")
	if text == "" {
		return 0
	}
	d, err := ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return int64(d / Second)
}()
EOF
cat >"$dir/overlay.json" <<EOF
{"Replace": {"$std/time.go": "$dir/time.go", "$std/wrong.go": "$dir/wrong.go"}}
EOF
CGO_ENABLED=0 "$go" build -trimpath -overlay "$dir/overlay.json" -o "$1" ./cmd/thumbd
