#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""285-stopped-while-opening - SIGTERM and ^C while a server is silent and something of it is being
opened: an image, its base, manifest or signature, a seed, parameters, where a capture goes.  bmr
ends at once with 75, and the disk is as it was."""

import base64
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MIB = 1 << 20
BMR = os.environ.get("BMR") or str(Path(__file__).resolve().parents[2] / "build/bmr")
SOON = 3                   # seconds; what waits for a silent server would take more
OLD = b"\xaa" * (4 * MIB)


def die(text, err=""):
    sys.exit(f"285-stopped-while-opening: {text}\n{err}")


class Handler(BaseHTTPRequestHandler):
    """Files with ranges; whoever asks for what does not exist waits for ever."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.server.folder / self.path[1:]
        if not path.is_file():
            self.server.asked.set()
            self.server.over.wait()
            return
        data = path.read_bytes()
        first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups())
        part = data[first:last + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def do_PUT(self):
        self.server.asked.set()
        self.server.over.wait()

    do_HEAD = do_PUT

    def log_message(self, *_):
        pass


def serve_web(folder):
    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.daemon_threads = True
    web.folder, web.asked, web.over = folder, threading.Event(), threading.Event()
    threading.Thread(target=web.serve_forever, daemon=True).start()
    return web


class Mute:
    """Takes connections, and never says a word."""

    def __init__(self):
        self.asked = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.taken = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            self.taken.append(self.listener.accept()[0])
            self.asked.set()


def run_bmr(*args):
    done = subprocess.run([BMR, *map(str, args)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True, timeout=60)
    if done.returncode != 0:
        die(f"{args}: exit code {done.returncode}", done.stderr)


def prepare(work):
    """The images, the disk and what says who may log in."""
    served = work / "served"
    served.mkdir()
    one = bytearray(random.Random(1).randbytes(4 * MIB))
    (work / "one").write_bytes(one)
    run_bmr("capture", work / "one", served / "one.zst")
    one[2 * MIB:3 * MIB] = random.Random(2).randbytes(MIB)
    (work / "two").write_bytes(one)
    run_bmr("capture", f"--base={served}/one.zst", work / "two", served / "two.zst")
    (served / "raw.img").write_bytes(one)
    (served / "one.zst").rename(work / "one.zst")
    (work / "disk").write_bytes(OLD)
    (work / "user").write_text("user=u\npassword=p\n")
    (work / "user").chmod(0o600)
    (work / "keys").mkdir()
    (work / "keys" / "a.pub").write_text("untrusted comment: a key\n" + base64.b64encode(
        b"Ed" + bytes(8) + bytes(31) + b"\1").decode() + "\n")
    return served


def cases(work, url, port):
    """What is waited for, and the command."""
    disk, one = work / "disk", work / "one"
    user = f"--credentials={work}/user"
    nfs = f"nfs://127.0.0.1/a/b?nfsport={port}&mountport={port}"
    smb = f"smb://127.0.0.1:{port}/a/b"
    ftp = f"ftp://127.0.0.1:{port}/b"
    yield "http", ["restore", f"{url}/none", disk]
    yield "nfs", ["restore", nfs, disk]
    yield "smb", ["restore", user, smb, disk]
    yield "ftp", ["restore", ftp, disk]
    yield "the first of two mirrors", ["restore", f"{url}/none,{url}/raw.img", disk]
    yield "a base", ["restore", f"{url}/two.zst", disk]
    yield "a manifest beside an image", ["restore", f"{url}/raw.img", disk]
    yield "a signature", ["restore", f"--trust={work}/keys", f"{url}/raw.img", disk]
    yield "a seed", ["restore", f"--seed={url}/seed", work / "one.zst", disk]
    yield "parameters", ["agent", f"--cmdline=bmr.config={url}/orders"]
    yield "verify", ["verify", f"{url}/none"]
    yield "info", ["info", f"{url}/none"]
    yield "the base of a merge", ["merge", f"{url}/two.zst", work / "new"]
    yield "capture to http", ["capture", one, f"{url}/new.zst"]
    yield "capture to nfs", ["capture", one, nfs]
    yield "capture to smb", ["capture", user, one, smb]
    yield "capture to ftp", ["capture", one, ftp]
    yield "the base of a capture", ["capture", f"--base={url}/none", one, work / "new"]


def stop_it(name, command, asked, number, limit):
    """Start it, wait until the silent server is asked, send the signal."""
    child = subprocess.Popen([BMR, *map(str, command)], stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True)
    try:
        if not asked():
            child.kill()
            die(f"{name}: the silent server was never asked", child.communicate()[1])
        time.sleep(0.3)
        child.send_signal(number)
        begun = time.monotonic()
        err = child.communicate(timeout=limit)[1]
    except subprocess.TimeoutExpired:
        child.kill()
        die(f"{name}: still running {limit} s after the signal", child.communicate()[1])
    took = time.monotonic() - begun
    if child.returncode != 75 or "bmr: failed: stopped" not in err or "next mirror" in err:
        die(f"{name}: exit code {child.returncode} after {took:.1f} s", err)
    print(f"{name}: 75 after {took:.1f} s: {err.splitlines()[-1]}", flush=True)


def main():
    # It may be ignored here, as in any job in the background, and bmr would leave it so.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    work = Path(tempfile.mkdtemp(prefix="bmr-stopped-"))
    web, mute = serve_web(prepare(work)), Mute()
    url = f"http://127.0.0.1:{web.server_port}"

    def asked():
        for _ in range(200):
            if web.asked.is_set() or mute.asked.is_set():
                return True
            time.sleep(0.05)
        return False

    count = 0
    for name, command in cases(work, url, mute.port):
        count += 1
        web.asked.clear()
        mute.asked.clear()
        stop_it(name, command, asked, signal.SIGINT if count % 2 else signal.SIGTERM, SOON)
        if (work / "disk").read_bytes() != OLD or (work / "new").exists():
            die(f"{name}: something was written")
    print(f"ok: {count} waits stopped")


if __name__ == "__main__":
    main()
