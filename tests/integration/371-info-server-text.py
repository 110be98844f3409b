#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""371-info-server-text - `bmr info` shows what a server says of a file; none of it reaches the
terminal as a control character."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

BMR = os.environ.get("BMR") or str(Path(__file__).resolve().parents[2] / "build/bmr")
IMAGE = bytes(range(256)) * 4096
# Colours, a cleared screen, a window title, DEL, and CSI as one character of UTF-8.
ETAG = b'"a\x1b[31m\x1b[2J\x1b]0;x\x07\x7f\xc2\x9b1m\xc3\xa9b"'
SHOWN = '"a?[31m?[2J?]0;x????1m\u00e9b"'


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/image" else 404)
        self.send_header("Content-Length", str(len(IMAGE)))
        self.send_header("ETag", ETAG.decode("latin-1"))
        self.end_headers()
        self.wfile.write(IMAGE)

    def log_message(self, *_):
        pass


def info(url, *options):
    done = subprocess.run([BMR, "info", *options, url], capture_output=True, timeout=60)
    if done.returncode != 0:
        sys.exit(f"exit code {done.returncode}\n{done.stderr.decode()}")
    return done.stdout


def main():
    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/image"
    text = info(url)
    wanted = f"identity   {len(IMAGE)} bytes, ETag {SHOWN}\n"
    if any(c < 0x20 and c != 0x0a or c == 0x7f for c in text) or b"\xc2\x9b" in text:
        sys.exit(f"a control character was shown: {text!r}")
    if wanted.encode() not in text:
        sys.exit(f"not shown: {wanted!r}\n{text!r}")
    identity = json.loads(info(url, "--json"))["identity"]
    if identity.encode() != f"{len(IMAGE)} bytes, ETag ".encode() + ETAG:
        sys.exit(f"--json does not tell the ETag: {identity!r}")
    print(f"ok: {wanted.strip()}")


if __name__ == "__main__":
    main()
