#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Captured and restored onto a disk full of something else: each kind of file system, each kind of
table, swap, LUKS, LVM and none.  The file systems are clean, the files are what they were, and what zstd
alone unpacks agrees with the disk wherever it is used."""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
from used_case import (EXT4, XFS, FOLDER, KINDS, CONTENT, MIB, JUNK, REPORT, compare, compare_mbr, fail,
                       layout, loop, lvm, make_luks, make_lvm, mbr_disk, new_disk, run, run_tests, table,
                       used_of)

BMR = os.environ.get("BMR", str(Path(__file__).resolve().parents[2] / "build/bmr"))
IMAGE = FOLDER / "image.zst"


def same_where_used(disk, other, ranges, who):
    with open(disk, "rb") as a, open(other, "rb") as b:
        for offset, length in ranges:
            for at in range(offset, offset + length, MIB):
                size = min(MIB, offset + length - at)
                a.seek(at)
                b.seek(at)
                if a.read(size) != b.read(size):
                    fail(f"{disk.name}: {who} differs in the MiB at byte {at}")


def round_trip(disk):
    """Capture a disk, restore it onto junk; returns the restored one."""
    found = used_of(disk)
    size = disk.stat().st_size
    restored, unpacked = FOLDER / "restored", FOLDER / "unpacked"
    run(BMR, "capture", "--replace=yes", disk, IMAGE)
    with open(restored, "wb") as f:
        for _ in range(size // MIB):
            f.write(JUNK)
    run(BMR, "restore", "--overwrite=any", IMAGE, restored)
    same_where_used(disk, restored, found.ranges, "what was restored")
    with open(unpacked, "wb") as f:
        subprocess.run(["zstd", "-dcq", IMAGE], stdout=f, check=True)
    same_where_used(disk, unpacked, found.ranges, "what zstd unpacks")
    if unpacked.stat().st_size != size:
        fail(f"zstd unpacks {unpacked.stat().st_size} bytes and not {size}")
    unpacked.unlink()
    REPORT.append(f"{disk.name}: {size // MIB} MiB, {found.used / MIB:.0f} used, "
                  f"{IMAGE.stat().st_size / MIB:.1f} stored")
    return restored



def test_kinds():
    for name in ("ext4", "ext2-1k", "xfs", "btrfs-dup", "ntfs", "fat32", "fat16", "exfat"):
        kind, size = KINDS[name]
        disk = new_disk(name, size + 40)
        table(disk, f"start=2048, size={size * 2048}\n")
        with loop(disk, 1, size) as device:
            kind.make(device, CONTENT)
        restored = round_trip(disk)
        compare(kind, disk, restored, 1, size, name)
        if layout(restored) != layout(disk):
            fail(f"{name}: the partition table is another one")
        disk.unlink()


def test_mbr():
    """Primary, extended and logical ones, swap, and what lies where a boot loader does."""
    disk = mbr_disk()
    with open(disk, "r+b") as f:
        f.seek(512)
        f.write(os.urandom(62 * 512))
    compare_mbr(disk, round_trip(disk))
    disk.unlink()


def test_luks():
    """It opens with its password, and holds what it held."""
    disk = new_disk("luks", 66)
    table(disk, f"start=2048, size={64 * 2048}\n")
    with loop(disk, 1, 64) as device:
        make_luks(device)
        with open(device, "r+b") as f:
            f.seek(8 * MIB)
            f.write(os.urandom(4 * MIB))
    restored = round_trip(disk)
    with loop(disk, 1, 64, read_only=True) as a, loop(restored, 1, 64, read_only=True) as b:
        run("cmp", a, b)
        subprocess.run(["cryptsetup", "open", "--test-passphrase", b, "-d", "-"], input="secret",
                       text=True, check=True)
    disk.unlink()


def test_lvm():
    disk = new_disk("lvm", 500)
    table(disk, f"start=2048, size={490 * 2048}\n")
    with loop(disk, 1, 490) as device:
        make_lvm(device, "vg", ("root", 80), ("data", 320))
    places = ((EXT4, 2, 80), (XFS, 82, 320))
    for kind, start, size in places:
        with loop(disk, start, size) as device:
            kind.make(device, CONTENT)
    restored = round_trip(disk)
    for kind, start, size in places:
        compare(kind, disk, restored, start, size, "lvm")
    with loop(restored, 1, 490, read_only=True) as device:
        said = lvm("lvs", "--devices", device, "--readonly", "--noheadings", "-o", "lv_name").stdout
        if "root" not in said or "data" not in said:
            fail(f"lvm: volumes are lost: {said}")
    disk.unlink()


def test_no_table():
    for name in ("ext4", "fat32"):
        kind, size = KINDS[name]
        disk = new_disk(f"{name} without a table", size)
        with loop(disk, 0, size) as device:
            kind.make(device, 10)
        compare(kind, disk, round_trip(disk), 0, size, disk.name)
        disk.unlink()
    disk = new_disk("nothing known", 20)
    with open(disk, "r+b") as f:
        f.seek(5 * MIB)
        f.write(os.urandom(3 * MIB))
    run("cmp", disk, round_trip(disk))
    disk.unlink()


run_tests({name: test for name, test in list(globals().items()) if name.startswith("test_")})
