#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restored onto a disk smaller than the image's: it works if all that is used fits, with a GPT made for
that disk; else it is refused with the exact number, which is enough when it is given."""

import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
from used_case import EXT4, FOLDER, JUNK, MIB, fail, loop, new_disk, run, run_tests, table

BMR = os.environ.get("BMR", str(Path(__file__).resolve().parents[2] / "build/bmr"))
IMAGE = FOLDER / "image.zst"
SIZE, USED = 300, 101   # MiB: the disk, the end of its last partition
REFUSED = 77


def make(kind):
    disk = new_disk(f"whole-{kind}", SIZE)
    table(disk, f"start=2048, size={(USED - 1) * 2048}\n", kind)
    with loop(disk, 1, USED - 1) as device:
        EXT4.make(device, 20)
    run(BMR, "capture", "--replace=yes", disk, IMAGE)
    return disk


def target(size):
    disk = FOLDER / "smaller"
    with open(disk, "wb") as f:
        while f.tell() < size:
            f.write(JUNK[:size - f.tell()])
    return disk


def restore(image, disk, *options, status=0):
    with loop(disk, 0, (disk.stat().st_size + MIB - 1) // MIB) as device:
        done = run(BMR, "restore", "--overwrite=any", *options, image, device, check=False)
    if done.returncode != status:
        fail(f"{options}: {done.returncode} and not {status}: {done.stdout[-800:]}")
    return done.stdout.replace(",", "")     # of figures


def same(disk, smaller):
    with loop(disk, 1, USED - 1, read_only=True) as device:
        wanted = EXT4.look(device)
    with loop(smaller, 1, USED - 1, read_only=True) as device:
        if EXT4.look(device) != wanted:
            fail("files differ")


def fits(kind, size):
    """The number in the refusal is the least that works."""
    disk = make(kind)
    small = target(USED * MIB)
    before = run("sha256sum", small).stdout
    if kind == "gpt":
        said = restore(IMAGE, small, status=REFUSED)
        if int(re.search(r"needs (\d+)", said).group(1)) != size:
            fail(f"{said}\nand not {size}")
        if run("sha256sum", small).stdout != before:
            fail("a refused disk was written")
    said = restore(IMAGE, target(size - 512), status=REFUSED)
    if str(size) not in said:
        fail(f"{size} is not in: {said}")
    for have in (size, size + MIB, SIZE * MIB - MIB):
        small = target(have)
        said = restore(IMAGE, small)
        if "no partition uses are left out" not in said:
            fail(f"not said: {said}")
        same(disk, small)
        if kind == "gpt" and "No problems found" not in run("sgdisk", "-v", small).stdout:
            fail(f"sgdisk: {run('sgdisk', '-v', small).stdout}")
        if "nothing was written" not in restore(IMAGE, small, "--compare=hash"):
            fail("it is written again")
    if "identifier" not in run("sfdisk", "-l", small).stdout:
        fail("no table")
    return disk


def test_gpt():
    disk = fits("gpt", USED * MIB + 16384 + 512)
    # Of a stream nobody knows what lies behind.
    said = restore(disk, target(200 * MIB), status=REFUSED)
    if str(SIZE * MIB) not in said:
        fail(f"not exact: {said}")


def test_mbr():
    fits("dos", USED * MIB)


def test_data_behind():
    """Something lies behind the last partition: nobody knows what, so it is not left out."""
    disk = make("gpt")
    with open(disk, "r+b") as f:
        f.seek((USED + 20) * MIB)
        f.write(os.urandom(MIB))
    run(BMR, "capture", "--replace=yes", disk, IMAGE)
    said = restore(IMAGE, target((USED + 19) * MIB), status=REFUSED)
    if str((USED + 21) * MIB + 16384 + 512) not in said:
        fail(f"not exact: {said}")
    restore(IMAGE, target((USED + 22) * MIB))


def test_sha256():
    """The image is read once before, so its digest is known although the disk does not hold all of it."""
    disk = make("gpt")
    digest = run("zstd", "-dcq", "-o", FOLDER / "raw", IMAGE) and run("sha256sum", FOLDER / "raw").stdout
    small = target(200 * MIB)
    restore(IMAGE, small, f"--sha256={'0' * 64}", status=65)
    restore(IMAGE, small, f"--sha256={digest.split()[0]}")
    same(disk, small)


run_tests({name: test for name, test in list(globals().items()) if name.startswith("test_")})
