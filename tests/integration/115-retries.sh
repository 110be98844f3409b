#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# 115-retries - --retries=N tries again N times after the first try, and 0 not at all.
. "${0%/*}/lib.sh"
need python3

# A port that nobody listens on.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

# tries N TEXT: after TEXT it gives up.
tries() {
	run 69 info "--retries=$1" --timeout=20 "http://127.0.0.1:$port/image"
	says "gave up after $2 in"
	again=$(grep -c 'trying again' "$WORK/err") || true
	[ "$again" -eq "$1" ] || fail "--retries=$1: $again notices of another try"
	echo "--retries=$1: $2"
}

tries 0 "1 try"
tries 1 "2 tries"
tries 2 "3 tries"

# No connection, but a disk that may still appear: the time-out alone counts.
for url in disk:UUID=0123-4567/image disk:LABEL=no-such-disk/image; do
	for retries in 0 1; do
		run 69 info "--retries=$retries" --timeout=1 "$url"
		says "gave up after"
		again=$(grep -c 'trying again' "$WORK/err") || true
		[ "$again" -ge 2 ] || fail "$url, --retries=$retries: not waited for"
	done
done
echo "a disk is waited for"
done_ok
