#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""280-restore-server-killed - a server is killed in the middle of a restore and started again: the
restore completes and the disk is right; if the image was replaced meanwhile, it stops with 65 and a
disk that does not boot.  By every protocol, with the program itself."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
from servers import Ftp, Http, Https, Nfs, Smb     # noqa: E402

MIB = 1 << 20
SIZE = 64 * MIB            # more than the buffers of a connection hold
BMR = os.environ.get("BMR") or str(Path(__file__).resolve().parents[2] / "build/bmr")


def die(text, run=None):
    print(f"280-restore-server-killed: {text}\n{run.stderr if run else ''}", file=sys.stderr)
    sys.exit(1)


def credentials(server, work):
    """Options that log in: a credentials file, as people are told to use."""
    if not isinstance(server, Smb):
        return []
    path = work / "credentials"
    path.write_text(f"user={server.user}\npassword={server.password}\n")
    path.chmod(0o600)
    return [f"--credentials={path}"]


def interrupted(server, work, disk, between):
    """Restore slowly; kill the server after a third, call between(), start it again."""
    options = credentials(server, work)
    if isinstance(server, Https):
        options.append(f"--cafile={server.cafile}")
    disk.write_bytes(os.urandom(SIZE))
    child = subprocess.Popen([BMR, "restore", "--rate=16M", *options, server.url("image"), disk],
                             stderr=subprocess.PIPE, text=True)
    time.sleep(1.5)         # 24 MiB of 64: the rate makes it so
    if child.poll() is not None:
        die(f"{type(server).__name__}: over before the fault: {child.stderr.read()}")
    server.kill9()
    between()
    server.restart()
    try:
        _, text = child.communicate(timeout=90)
    except subprocess.TimeoutExpired:
        child.kill()
        die(f"{type(server).__name__}: still running after 90 s")
    return subprocess.CompletedProcess([], child.returncode, stderr=text)


def main():
    work = Path(tempfile.mkdtemp())
    root, disk = work / "served", work / "disk"
    root.mkdir()
    for kind, options in ((Http, {}), (Https, {}), (Nfs, {"version": 3}), (Nfs, {"version": 4}),
                          (Smb, {}), (Ftp, {})):
        name = " ".join([kind.__name__, *map(str, options.values())])
        image, other = os.urandom(SIZE), os.urandom(SIZE)
        (root / "image").write_bytes(image)
        with kind(root, **options) as server:
            run = interrupted(server, work, disk, lambda: None)
            if run.returncode != 0 or disk.read_bytes() != image:
                die(f"{name}: exit code {run.returncode} after the server came back", run)
            if "trying again" not in run.stderr:
                die(f"{name}: the fault did not fire", run)

            def replace():
                (root / "new").write_bytes(other + b"\0" * 512)
                os.replace(root / "new", root / "image")
            run = interrupted(server, work, disk, replace)
            if run.returncode != 65 or "changed" not in run.stderr:
                die(f"{name}: exit code {run.returncode} for a replaced image", run)
            if disk.read_bytes()[:512] != bytes(512):
                die(f"{name}: LBA 0 is not zero", run)
        print(f"{name}: completed after a kill; replaced: 65, LBA 0 zero", flush=True)


if __name__ == "__main__":
    main()
