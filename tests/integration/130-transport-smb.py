#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images from Samba: well behaved, dying, frozen, replaced; passwords and guests."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
from servers import Smb                             # noqa: E402
from transport_case import FIX, Case, Run, need          # noqa: E402

LOGIN = ("--user", "root", "--password", "secret")


def logins(case, server):
    url = server.url("image")
    guest = server.url("image", share="guest")
    wrong = ("--user", "root", "--password", "wrong")
    nobody = ("--user", "nobody-knows", "--password", "wrong")
    case.refused(url, "wrong user name or password", options=wrong)
    case.refused(url, "wrong user name or password", options=nobody)
    # Samba makes a guest of a wrong password; we must not take that for a login.
    case.refused(guest, "denied", options=wrong)
    case.refused(guest, "denied", options=nobody)
    case.cat(url).expect(64, "needs a user name")
    case.cat(guest).expect(64, "needs a user name")
    case.refused(url, "lets no guest in", options=("--guest",))
    for options in (("--guest",), ("--user", "guest")):
        run = case.cat(guest, *options).expect(0)
        if run.out["sha256"] != case.digests["image"]:
            run.fail("other bytes for a guest")
    case.cat(guest.replace("smb://", "smb://guest@")).expect(0)
    run = case.cat(url.replace("smb://", "smb://WORKGROUP;root:secret@")).expect(0)
    if "secret" in str(run.out) + run.err:
        run.fail("the password was shown")
    case.done("a login is a login and a guest is asked for by name")


def secrets_of_workers(case, server):
    """Neither arguments nor environment of the worker show the password."""
    run = Run(server.url("image"), "--rate", "2M", "--progress", "--block", 500000, "--user",
              "root", "--password", "secret")
    run.wait_until_at(1000000)
    children = Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children")
    workers = children.read_text().split()
    shown = b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for pid in workers
                     for name in ("cmdline", "environ"))
    if not workers or b"secret" in shown or b"smb-worker" not in shown:
        run.fail("no worker, or one that shows its password")
    run.finish().expect(0)
    if any(os.path.exists(f"/proc/{pid}") for pid in workers):
        run.fail("a worker outlived its master")
    case.done("workers show no password and end with their master")


def stuck_worker(case, server):
    run = Run(server.url("image"), "--rate", "2M", "--progress", "--block", 500000,
              "--timeout-ms", 6000, *LOGIN)
    run.wait_until_at(1000000)
    children = Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children")
    for pid in children.read_text().split():
        os.kill(int(pid), 19)   # SIGSTOP
    run.wait_for("does not answer", 10)
    if run.finish().expect(0).out["sha256"] != case.digests["image"]:
        run.fail("other bytes after a worker was stuck")
    case.done("a stuck worker is killed and replaced")


def worker_alone():
    """Called by hand it has nobody to talk to."""
    for closed in (True, False):
        code = subprocess.run([str(FIX / "source_cat"), "smb-worker"], stdin=subprocess.DEVNULL,
                              close_fds=closed, timeout=10).returncode
        if code != 64:
            sys.exit(f"FAILED: a worker without a master ended with {code}")


class Forger:
    """Between client and server: changes one bit of what the server sends, 300,000 bytes after the
    beginning of each of so many connections."""
    PLACE = 300_000

    def __init__(self, port, count):
        self.to, self.left, self.forged = port, count, 0
        self.lock = threading.Lock()        # guards left and forged
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client = self.listener.accept()[0]
            server = socket.create_connection(("127.0.0.1", self.to))
            for pump, ends in ((self.pass_on, (client, server)), (self.forge, (server, client))):
                threading.Thread(target=pump, args=ends, daemon=True).start()

    @staticmethod
    def pass_on(source, sink, change=lambda data: None):
        try:
            while data := bytearray(source.recv(65536)):
                change(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def forge(self, source, sink):
        passed = 0

        def change(data):
            nonlocal passed
            if passed <= self.PLACE < passed + len(data):
                with self.lock:
                    if self.left > 0:
                        data[self.PLACE - passed] ^= 1
                        self.left, self.forged = self.left - 1, self.forged + 1
            passed += len(data)
        self.pass_on(source, sink, change)


def forged(case, server):
    """What was changed on the way is found by its signature, and is no part of the image."""
    def cat(count, code, word):
        forger = Forger(server.port, count)
        run = case.cat(server.url("image", port=forger.port), "--timeout-ms", 6000, *LOGIN)
        run.expect(code, "its signature is wrong", word)
        if forger.forged == 0:
            run.fail("nothing was forged")
        return run

    cat(1 << 30, 69, "gave up")
    if cat(1, 0, "trying again").out["sha256"] != case.digests["image"]:
        sys.exit("FAILED: a forged answer was taken")
    case.done("forged answers are not taken")


def old_server(case):
    """Nothing goes over SMB 1, whatever the server wants."""
    with Smb(case.root, min_protocol="NT1", max_protocol="NT1") as server:
        case.cat(server.url("image"), "--timeout-ms", 6000, *LOGIN).expect(69, "2 or 3 is needed")
    case.done("a server of SMB 1 alone is not read")


def main():
    need("smbd", "smbpasswd")
    case = Case()
    worker_alone()
    with Smb(case.root) as server:
        case.whole(server, *LOGIN)
        case.threads(server, *LOGIN)
        case.part(server, *LOGIN)
        case.big(server, *LOGIN)
        case.refused(server.url("missing"), "no such share or file", options=LOGIN)
        case.refused(server.url("image", share="nowhere"), "no such share", options=LOGIN)
        (case.root / "folder").mkdir()
        case.refused(server.url("folder"), "", options=LOGIN)
        logins(case, server)
        secrets_of_workers(case, server)
        stuck_worker(case, server)
        case.absent(server, *LOGIN)
        case.stopped(server, *LOGIN)
        case.killed(server, *LOGIN)
        forged(case, server)
        case.replaced(server, *LOGIN)
        case.replaced_unseen(server, *LOGIN)
        case.frozen(server, *LOGIN)
        case.thawed(server, *LOGIN)
    with Smb(case.root, signing=True, min_protocol="SMB3_00") as server:
        case.whole(server, *LOGIN)
    old_server(case)
    case.finish()


main()
