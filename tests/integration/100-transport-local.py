#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images in files and on block devices of this machine."""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
from transport_case import MIB, Case                # noqa: E402


class Local:
    """Looks like a server."""

    def __init__(self, root, form="{}"):
        self.root, self.form = root, form

    def url(self, name):
        return self.form.format(self.root / name)

    def draft(self, name, source):
        os.replace(source, self.root / f".{name}.new")

    def swap(self, name):
        os.replace(self.root / f".{name}.new", self.root / name)


def block_device(case):
    loop = subprocess.run(["losetup", "-r", "-f", "--show", case.root / "disk"],
                          capture_output=True, text=True)
    if loop.returncode != 0:
        print(f"  (no loop device: {loop.stderr.strip()})")
        return
    device = loop.stdout.strip()
    try:
        run = case.cat(device).expect(0)
        number = os.stat(device).st_rdev
    finally:
        subprocess.run(["losetup", "-d", device], check=True)
    if run.out["sha256"] != case.digests["disk"] or \
            run.out["device"] != f"{os.major(number)}:{os.minor(number)}":
        run.fail("another disk was read")
    case.done("a block device, and its number")


def main():
    case = Case()
    plain = Local(case.root)
    case.whole(plain)
    case.threads(plain)
    case.part(plain)
    case.big(plain)
    case.image("with blank", MIB)
    url = f"file://{case.root}/with%20blank"
    if case.cat(url).expect(0).out["sha256"] != case.digests["with blank"]:
        sys.exit("FAILED: other bytes by a file URL")
    missing = str(case.root / "missing")
    case.refused(missing, "No such file")
    case.refused(str(case.root), "neither a regular file nor a block device")
    os.mkfifo(case.root / "fifo")
    case.refused(str(case.root / "fifo"), "neither a regular file nor a block device")
    mirrors = f"{missing},{case.root / 'image'}"
    case.cat(mirrors).expect(0, "trying the next mirror")
    case.stopped(plain)
    case.replaced_unseen(plain)
    case.image("disk", 4 * MIB)
    block_device(case)
    run = case.cat(str(case.root / "image"), "--rate", "4M")
    if not 1.5 < run.expect(0).seconds < 4:
        run.fail(f"9 MiB at 4 MiB/s took {run.seconds:.1f} s")
    case.done("the rate limit holds")
    case.finish()


main()
