#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R8: the server is killed and started again, over and over, within one restore: of COUNT restarts two
thirds for a web server, the rest for NFS and SMB.  The restore completes, the disk is right, and what
is fetched again is bounded."""

import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
from experiment import BMR, MIB, Experiment, pack     # noqa: E402
from servers import Http, Nfs, Smb     # noqa: E402

RATE = 8 * MIB
EACH = 6 * MIB                  # bytes of the image for each restart
SECONDS = 120
UP = 0.4                        # a server is up so long; half of it for being found again


def restore(x, server, name, kind, restarts):
    """One restore with so many restarts."""
    disk = x.folder / "disk"
    content = os.urandom(EACH * restarts + 8 * MIB)
    (x.folder / "raw").write_bytes(content)
    pack(kind, x.folder / "raw", server.root / "image")
    disk.write_bytes(os.urandom(len(content)))
    options = []
    if isinstance(server, Smb):
        login = x.folder / "login"
        login.write_text(f"user={server.user}\npassword={server.password}\n")
        login.chmod(0o600)
        options.append(f"--credentials={login}")
    output = x.folder / "output"
    with open(output, "wb") as sink:
        run = subprocess.Popen([BMR, "restore", f"--rate={RATE}", "--timeout=60", "--retries=1000",
                                *options, server.url("image"), disk], stdout=sink, stderr=sink)
    began = time.monotonic()
    fired = 0
    for _ in range(restarts):
        time.sleep(UP + x.random.random() * 0.4)
        if run.poll() is not None:
            break
        server.kill9()
        time.sleep(x.random.random() * 0.3)
        server.restart()
        fired += 1
    try:
        run.wait(max(1, SECONDS - (time.monotonic() - began)))
    except subprocess.TimeoutExpired:
        run.kill()
        run.wait()
        x.violation(f"{name}: no end in {SECONDS} s: {output.read_text()[-600:]}")
    else:
        if run.returncode != 0 or disk.read_bytes() != content:
            x.violation(f"{name}: exit code {run.returncode}: {output.read_text()[-600:]}")
    noticed = output.read_text().count("trying again")
    print(f"{name}, {kind}: {fired} restarts, noticed {noticed} times, "
          f"{time.monotonic() - began:.1f} s", flush=True)
    for _ in range(fired):
        x.add()
    if not noticed:
        x.violation(f"{name}: no restart was noticed")


def main():
    x = Experiment(30)
    root = x.folder / "served"
    root.mkdir()
    few = max(1, x.count // 6)
    for kind, name, restarts, image in ((Http, "http", x.count - 2 * few, "bmr"), (Nfs, "nfs", few, "gz"),
                                        (Smb, "smb", few, "bmr")):
        with kind(root) as server:
            restore(x, server, name, image, restarts)
    x.end(enough=x.count * 3 // 4)


if __name__ == "__main__":
    main()
