#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""265-disk-fails-first - a write fails while the image's server is silent: bmr ends at once with 74
and names the place on the disk, and does not wait for the server first."""

import gzip
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "fixtures"))
import shim  # noqa: E402

BMR = os.environ.get("BMR") or str(HERE.parent.parent / "build" / "bmr")
FIX = Path(os.environ.get("FIX") or HERE.parent.parent / "build" / "fixtures")
MIB = 1 << 20
DISK = 48 * MIB
SOON = 10                  # seconds
TIMEOUT = 24               # of the server, for bmr

# Where on the disk nothing can be written, and where in the image the server falls silent: so little
# later that bmr waits for it by the time the write fails.
IMAGES = {
    "packed.zst": (12 * MIB, 3 * MIB),
    "disk.img": (11 * MIB, 12 * MIB + 4096),
    "disk.gz": (11 * MIB, 13 * MIB + 4096),
}


def die(text, err=""):
    sys.exit(f"265-disk-fails-first: {text}\n{err}")


class Handler(BaseHTTPRequestHandler):
    """Files with ranges: their beginnings and their ends.  What is between never comes."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.server.folder / self.path[1:]
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        quiet = IMAGES[path.name][1]
        first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups())
        last = min(last, len(data) - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        if first >= len(data) * 9 // 10 or last < quiet:
            self.wfile.write(data[first:last + 1])
            return
        try:
            self.wfile.write(data[first:quiet])
        except OSError:         # bmr has given up already
            return
        self.server.silent.set()
        self.server.over.wait()

    def log_message(self, *_):
        pass


def make_images(folder):
    """One is packed eight to one, so that one read brings several chunks."""
    blocks = random.Random(1)
    disk = blocks.randbytes(DISK)
    (folder / "disk.img").write_bytes(disk)
    (folder / "disk.gz").write_bytes(gzip.compress(disk, 1))
    (folder / "packed").write_bytes(
        b"".join(blocks.randbytes(MIB // 8) * 8 for _ in range(DISK // MIB)))
    done = subprocess.run([BMR, "capture", "--blocks=all", folder / "packed", folder / "packed.zst"],
                          stderr=subprocess.PIPE, text=True, timeout=60)
    if done.returncode != 0:
        die("no image", done.stderr)


def restore(url, disk, bad):
    env = {**os.environ, "LD_PRELOAD": str(FIX / "shim.so"), "SHIM_TARGET": str(disk),
           "SHIM_CALL": "pwrite", "SHIM_ACTION": "eio", "SHIM_AT": str(bad), "SHIM_TIMES": "0"}
    disk.write_bytes(b"\xaa" * DISK)
    begun = time.monotonic()
    done = subprocess.run([BMR, "restore", f"--timeout={TIMEOUT}", url, disk], env=env,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          timeout=3 * TIMEOUT)
    return done, time.monotonic() - begun


def check(name, server, disk):
    server.silent.clear()
    done, took = restore(f"http://127.0.0.1:{server.server_port}/{name}", disk, IMAGES[name][0])
    if not server.silent.is_set():
        die(f"{name}: the server was not silent", done.stderr)
    if done.returncode != 74 or not re.search(rf"failed: cannot write '{disk}' at byte \d+ "
                                              r"\(sector \d+\): Input/output error", done.stderr):
        die(f"{name}: exit code {done.returncode} after {took:.1f} s", done.stderr)
    if took > SOON:
        die(f"{name}: the disk's error was told after {took:.1f} s", done.stderr)
    if any(disk.read_bytes()[:512]):
        die(f"{name}: LBA 0 is not zero", done.stderr)
    print(f"{name}: 74 after {took:.1f} s: {done.stderr.splitlines()[-1]}", flush=True)


def main():
    shim.build(FIX)
    with tempfile.TemporaryDirectory(prefix="bmr-disk-fails-") as folder:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        server.folder = Path(folder)
        server.silent, server.over = threading.Event(), threading.Event()
        make_images(server.folder)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name in IMAGES:
            check(name, server, server.folder / "disk")
    print("ok: the disk's failure is told before the server's")


if __name__ == "__main__":
    main()
