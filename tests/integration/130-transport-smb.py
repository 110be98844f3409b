#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images from Samba: well behaved, dying, frozen, replaced; passwords and guests."""

import os
import subprocess
import sys
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
        case.replaced(server, *LOGIN)
        case.replaced_unseen(server, *LOGIN)
        case.frozen(server, *LOGIN)
        case.thawed(server, *LOGIN)
    with Smb(case.root, signing=True, min_protocol="SMB3_00") as server:
        case.whole(server, *LOGIN)
    case.finish()


main()
