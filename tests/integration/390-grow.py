#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restored onto a disk larger than the image: the backup of a GPT is at its end, bmr.grow=last grows
the last partition and what it holds, by number and by its place, on a disk and in a file; what cannot be
grown stays and is said.  sgdisk and each file system's own check judge."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
from used_case import (CONTENT, EXT4, FOLDER, KINDS, MIB, XFS, fail, layout, loop, make_luks, make_lvm,
                       mounted, new_disk, run, run_tests, table)

BMR = os.environ.get("BMR", str(Path(__file__).resolve().parents[2] / "build/bmr"))
IMAGE = FOLDER / "image.zst"
LARGER = 300  # MiB more than the image has
SECTOR = 512
NOT_READY = 73


@contextlib.contextmanager
def whole(disk):
    with loop(disk, 0, disk.stat().st_size // MIB) as device:
        yield device


def restore(image, target, *options, status=0):
    done = run(BMR, "restore", "--overwrite=any", *options, image, target, check=False)
    if done.returncode != status:
        fail(f"restore {options}: {done.returncode} and not {status}: {done.stdout[-800:]}")
    return done.stdout


def check_gpt(disk):
    with open(disk, "rb") as f:
        end = f.seek(-SECTOR, os.SEEK_END)
        if f.read(8) != b"EFI PART":
            fail(f"{disk} has no backup GPT in its last sector, at byte {end}")
    said = run("sgdisk", "-v", disk).stdout
    if "No problems found" not in said:
        fail(f"sgdisk says: {said}")


def parts(disk):
    """A table that is not whole makes sfdisk put a warning before the JSON."""
    said = run("sfdisk", "-J", disk).stdout
    if not said.startswith("{"):
        fail(f"the table of {disk} is not whole; sfdisk says: {said}")
    return {int(p["node"][len(str(disk)):]): p
            for p in json.loads(said)["partitiontable"]["partitions"]}


def room(disk, start, size):
    """What the file system there can hold, in MiB; a device of its own, for one that was mounted for
    writing may still be busy."""
    with loop(disk, start, size, read_only=True) as device:
        xfs = "xfs" in run("blkid", "-p", device).stdout
        with mounted(device, "-o", "ro,norecovery,nouuid" if xfs else "ro") as where:
            found = os.statvfs(where)
            return found.f_blocks * found.f_frsize // MIB


def capture(disk):
    run(BMR, "capture", "--replace=yes", disk, IMAGE)


def on_larger(disk):
    larger = new_disk("larger", disk.stat().st_size // MIB + LARGER)
    with open(larger, "r+b") as f:
        f.seek(disk.stat().st_size + 5 * MIB)
        f.write(b"\xa5" * (4 * MIB))
    return larger


def same_files(kind, disk, larger, start, size, grown):
    """The file system is clean in its new size, and its files are what they were; returns its room."""
    with loop(disk, start, size, read_only=True) as device:
        wanted = kind.look(device)
    with loop(larger, start, grown) as device:
        if kind.look(device) != wanted:
            fail(f"{disk}: files differ")
    return room(larger, start, grown)


def grows(name, kind, size):
    """One partition of a GPT, on a disk."""
    disk = new_disk(name, size + 2)
    table(disk, f"start=2048, size={size * 2048}\n")
    with loop(disk, 1, size) as device:
        kind.make(device, CONTENT)
    before = room(disk, 1, size)
    capture(disk)
    larger = on_larger(disk)
    with whole(larger) as device:
        said = restore(IMAGE, device, "--grow=last")
        if "grow: partition 1 has" not in said or "table: the GPT's backup is at the end" not in said:
            fail(f"{name}: not said: {said[-600:]}")
        # Once more onto what it is now.
        restore(IMAGE, device, "--grow=last", "--compare=hash")
    check_gpt(larger)
    got = int(parts(larger)[1]["size"]) // 2048
    if got != size + LARGER:
        fail(f"{name}: the partition has {got} MiB and not {size + LARGER}")
    after = same_files(kind, disk, larger, 1, size, got)
    if after < before + LARGER * 9 // 10:
        fail(f"{name}: the file system holds {after} MiB, before {before}")
    disk.unlink()
    larger.unlink()


def test_ext4():
    grows("ext4", *KINDS["ext4"])


def test_ext2():
    grows("ext2", *KINDS["ext2-1k"])


def test_xfs():
    grows("xfs", *KINDS["xfs"])


def test_btrfs():
    grows("btrfs", *KINDS["btrfs-dup"])


def test_table_alone():
    """grow=table: only the backup moves; what is there already is not written; a file is like a disk,
    a stream like a bmr image.  Without an order the disk is as the image says."""
    disk = new_disk("alone", 60)
    table(disk, f"start=2048, size={20 * 2048}\nstart={21 * 2048}, size={20 * 2048}\n")
    with loop(disk, 1, 20) as device:
        run("mkfs.ext4", "-qF", device)
    capture(disk)
    want = parts(disk)
    for image in (IMAGE, disk):
        larger = on_larger(disk)
        restore(image, larger)
        if larger.read_bytes()[:MIB] != disk.read_bytes()[:MIB]:
            fail("not as the image says")
        restore(image, larger, "--grow=table", "--compare=hash")
        check_gpt(larger)
        with whole(larger) as device:
            said = restore(image, device, "--grow=table")
            check_gpt(device)
            said = restore(image, device, "--grow=table", "--compare=hash")
            if "nothing was written" not in said:
                fail(f"written again: {said[-400:]}")
            run(BMR, "verify", image, device)
            with open(larger, "r+b") as f:  # the backup alone is gone
                f.seek(-SECTOR, os.SEEK_END)
                f.write(bytes(SECTOR))
            if run(BMR, "verify", image, device, check=False).returncode != 74:
                fail("a lost backup is not seen")
            said = restore(image, device, "--grow=table", "--compare=hash")
            check_gpt(device)
        if {n: (p["start"], p["size"], p["uuid"]) for n, p in parts(larger).items()} != \
           {n: (p["start"], p["size"], p["uuid"]) for n, p in want.items()}:
            fail("the partitions are others")
    disk.unlink()


def few_sectors_more(end, more):
    """A disk of `end` bytes, and one with `more` sectors behind that."""
    disk = FOLDER / "few"
    few = FOLDER / "few-more"
    with open(disk, "wb") as f:
        f.truncate(end)
    table(disk, f"start=2048, size={18 * 2048}\n")
    capture(disk)
    for image in (IMAGE, disk):
        few.write_bytes(b"\xa5" * (end + more * SECTOR))
        restore(image, few, "--grow=table")
        check_gpt(few)
        run(BMR, "verify", image, few)
        with open(few, "r+b") as f:
            f.seek(end - 100 * SECTOR)
            f.write(b"\xa5")
        if run(BMR, "verify", image, few, check=False).returncode != 74:
            fail(f"{image}: damage before the backup is not seen")
        restore(image, few, "--grow=table", "--compare=hash")
        run(BMR, "verify", image, few)
    few.unlink()
    disk.unlink()


def test_few_sectors_more():
    """The new backup lies on the old one: that the last chunk is another is no damage, but all else is.
    Where the last chunk is shorter than what they share, that goes for the one before it too."""
    few_sectors_more(60 * MIB, 8)
    few_sectors_more(20 * MIB + 8 * SECTOR, 16)


def test_longer_than_its_gpt():
    """What a restore onto a larger disk leaves, packed again: on a disk of the stream's own size, which is
    known only in the end, nothing is moved and nothing written again; on a larger one the backup moves."""
    disk = new_disk("longer", 60)
    table(disk, f"start=2048, size={20 * 2048}\n")
    with open(disk, "r+b") as f:
        f.seek(2 * MIB)
        f.write(os.urandom(MIB))
        f.truncate(80 * MIB)
    target = FOLDER / "its-target"
    for program in ("gzip", "zstd", "bzip2"):
        image = FOLDER / f"longer.{program}"
        with open(disk, "rb") as plain, open(image, "wb") as packed:
            subprocess.run([program, "-1"], stdin=plain, stdout=packed, check=True)
        target.write_bytes(b"\xa5" * (80 * MIB))
        restore(image, target, "--grow=table", "--compare=hash")
        before = target.stat().st_mtime_ns
        said = restore(image, target, "--grow=table", "--compare=hash")
        if "nothing was written" not in said or target.stat().st_mtime_ns != before:
            fail(f"{program}: written again: {said[-400:]}")
        if target.read_bytes() != disk.read_bytes():
            fail(f"{program}: not as the image says")
        os.truncate(target, 90 * MIB)
        restore(image, target, "--grow=table", "--compare=hash")
        check_gpt(target)
        said = restore(image, target, "--grow=table", "--compare=hash")
        if "nothing was written" not in said:
            fail(f"{program}, larger: written again: {said[-400:]}")
        image.unlink()
    target.unlink()
    disk.unlink()


def test_order_and_file():
    """Partition 1 lies behind partition 2; the target is a file."""
    disk = new_disk("order", 130)
    table(disk, f"1 : start={40 * 2048}, size={80 * 2048}\n2 : start=2048, size={30 * 2048}\n")
    with loop(disk, 40, 80) as device:
        EXT4.make(device, 10)
    capture(disk)
    larger = on_larger(disk)
    restore(IMAGE, larger, "--grow=last")
    check_gpt(larger)
    found = parts(larger)
    if int(found[2]["size"]) != 30 * 2048 or int(found[1]["size"]) // 2048 != 80 + 9 + LARGER:
        fail(f"partitions are {found}")
    same_files(EXT4, disk, larger, 40, 80, 89 + LARGER)
    disk.unlink()


def test_logical():
    """The extended partition grows with its last logical one."""
    disk = new_disk("logical", 400)
    table(disk, f"start=2048, size={20 * 2048}, type=83, bootable\n"
                f"start={21 * 2048}, size={370 * 2048}, type=5\n"
                f"start={23 * 2048}, size={20 * 2048}, type=82\n"
                f"start={50 * 2048}, size={340 * 2048}, type=83\n", "dos")
    with loop(disk, 50, 340) as device:
        XFS.make(device, CONTENT)
    capture(disk)
    larger = on_larger(disk)
    with whole(larger) as device:
        restore(IMAGE, device, "--grow=last")
    found = parts(larger)
    end = 400 + LARGER
    if [int(found[n]["start"]) + int(found[n]["size"]) for n in (2, 6)] != [end * 2048] * 2:
        fail(f"partitions are {found}")
    if found[5] != dict(parts(disk)[5], node=found[5]["node"]):
        fail("the other logical partition changed")
    same_files(XFS, disk, larger, 50, 340, end - 50)
    disk.unlink()


def test_primary_mbr():
    disk = new_disk("primary", 100)
    table(disk, f"start=2048, size={90 * 2048}, type=83, bootable\n", "dos")
    with loop(disk, 1, 90) as device:
        EXT4.make(device, 10)
    capture(disk)
    larger = on_larger(disk)
    with whole(larger) as device:
        restore(IMAGE, device, "--grow=last")
    if int(parts(larger)[1]["size"]) // 2048 != 99 + LARGER:
        fail(f"partitions are {parts(larger)}")
    same_files(EXT4, disk, larger, 1, 90, 99 + LARGER)
    disk.unlink()


def test_cannot():
    """Swap, LUKS, nothing known, no table: restored, left as it is, and said; exit code 73."""
    makers = {"swap": lambda device: run("mkswap", device), "crypto_LUKS": make_luks,
              "nothing known": lambda device: None}
    for name, make in makers.items():
        disk = new_disk(name, 60)
        table(disk, f"start=2048, size={50 * 2048}\n")
        with loop(disk, 1, 50) as device:
            make(device)
        capture(disk)
        larger = on_larger(disk)
        with whole(larger) as device:
            said = restore(IMAGE, device, "--grow=last", status=NOT_READY)
        if f"holds {name}, which cannot be grown" not in said or "bmr: restored" not in said:
            fail(f"{name}: not said: {said[-400:]}")
        if layout(larger).split('"partitions"')[1] != layout(disk).split('"partitions"')[1]:
            fail(f"{name}: the partition changed")
        check_gpt(larger)
        disk.unlink()
    disk = new_disk("bare", 40)
    with whole(disk) as device:
        EXT4.make(device, 5)
    capture(disk)
    with whole(on_larger(disk)) as device:
        restore(IMAGE, device, "--grow=last", status=NOT_READY)


def test_lvm():
    """Needs the kernel's device-mapper; the VM cases have it."""
    if not Path("/sys/module/dm_mod").exists():
        print("test_lvm: no device-mapper here; see tests/vm/cases_grow.py")
        return
    disk = new_disk("lvm", 200)
    table(disk, f"start=2048, size={190 * 2048}\n")
    with loop(disk, 1, 190) as device:
        make_lvm(device, "bmrgrow", ("root", 100))
    with loop(disk, 2, 100) as device:
        EXT4.make(device, 10)
    capture(disk)
    larger = on_larger(disk)
    with whole(larger) as device:
        said = restore(IMAGE, device, "--grow=last")
    if "volume 'bmrgrow/root' (ext4, the only one with a file system)" not in said:
        fail(f"lvm: not said: {said[-400:]}")
    with loop(larger, 2, 180 + LARGER) as device:
        EXT4.look(device)


run_tests({name: test for name, test in list(globals().items()) if name.startswith("test_")})
