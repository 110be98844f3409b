#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# 115-retries - --retries=N tries again N times after the first try, and 0 not at all; what
# is not a retry, and what is.
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
		run 69 info "--retries=$retries" --timeout=2 "$url"
		says "gave up after"
		again=$(grep -c 'trying again' "$WORK/err") || true
		[ "$again" -ge 2 ] || fail "$url, --retries=$retries: not waited for"
	done
done
echo "a disk is waited for"

# The manifest beside an image is asked for once more at most, and not where nothing is tried again.
python3 - "$BMR" "$WORK" <<'END'
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

bmr, folder = sys.argv[1:]
asked = []


class Handler(SimpleHTTPRequestHandler):
    def __init__(self, *args):
        super().__init__(*args, directory=folder)

    def do_GET(self):
        if self.path == "/image.manifest":
            asked.append(self.path)     # and hang up
        else:
            super().do_GET()

    def log_message(self, *_):
        pass


Path(folder, "image").write_bytes(bytes(510) + b"\x55\xaa" + bytes((1 << 20) - 512))
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.handle_error = lambda *_: None       # bmr hangs up where it has seen enough
threading.Thread(target=server.serve_forever, daemon=True).start()
for retries, times in ((0, 1), (1, 2), (100, 2)):
    asked.clear()
    subprocess.run([bmr, "verify", f"--retries={retries}", f"http://127.0.0.1:{server.server_port}/image"],
                   capture_output=True, timeout=30, check=True)
    if len(asked) != times:
        sys.exit(f"FAILED: --retries={retries}: the manifest was asked for {len(asked)} times")
    print(f"--retries={retries}: tries to get a manifest: {times}")
END
done_ok
