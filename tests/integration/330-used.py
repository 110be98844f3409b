#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is used of a disk, and that nothing else is: each kind of file system, tables, gaps."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
from used_case import (EXT4, KINDS, CONTENT, MIB, REPORT, compare, compare_mbr, fail, layout, loop,
                       mbr_disk, new_disk, run_tests, table, trash, used_of)


# --- what is mapped ---


def test_kinds():
    """Each kind in a partition of its own, followed by a gap."""
    for name, (kind, size) in KINDS.items():
        disk = new_disk(name, size + 40)
        table(disk, f"start=2048, size={size * 2048}\n")
        with loop(disk, 1, size) as device:
            kind.make(device, CONTENT)
        found = used_of(disk)
        found.expect("partition.1.capture", "used blocks")
        found.expect("partition.1.fs", {"fat16": "vfat", "fat32": "vfat"}.get(
            name, name.split("-")[0]))
        copy = trash(disk, found)
        compare(kind, disk, copy, 1, size, name)
        if layout(copy) != layout(disk):
            fail(f"{name}: the partition table is another one")
        REPORT.append(f"{name}: {int(found.facts['partition.1.used']) / MIB:.1f} of {size} MiB used")
        if found.used > (size + 40) * MIB * 0.8:
            fail(f"{name}: {found.used} is not less than the disk")
        copy.unlink()
        disk.unlink()


def test_tail():
    """What lies behind a file system that does not fill its partition."""
    disk = new_disk("tail", 100)
    table(disk, "start=2048, size=180224\n")
    with loop(disk, 1, 40) as device:
        EXT4.make(device, 8)
    with open(disk, "r+b") as f:
        f.seek(60 * MIB)
        f.write(b"here")
    found = used_of(disk)
    found.expect("partition.1.capture", "used blocks")
    if not found.covers(40 * MIB, 49 * MIB):
        fail(f"the tail is not used: {found.ranges}")
    compare(EXT4, disk, trash(disk, found), 1, 40, "tail")
    disk.unlink()


def test_gaps():
    """The edges of a large gap are used, all of a small one, and the backup where it is."""
    disk = new_disk("gaps", 300)
    table(disk, f"start={10 * 2048}, size={2 * 2048}\nstart={32 * 2048}, size={2 * 2048}\n")
    found = used_of(disk)
    for start, size in ((0, 66), (268, 32)):
        if not found.covers(start * MIB, size * MIB):
            fail(f"{start}+{size} MiB is not used: {found.ranges}")
    if found.used != (66 + 32) * MIB:
        fail(f"gaps: {found.ranges}")
    with open(disk, "r+b") as f:
        f.truncate(600 * MIB)
    found = used_of(disk)  # the backup GPT is now in the middle
    if not found.covers(299 * MIB, 1 * MIB) or found.used != (66 + 1 + 32) * MIB:
        fail(f"grown: {found.ranges}")
    disk.unlink()


def test_mbr():
    disk = mbr_disk()
    found = used_of(disk)
    for fact, wanted in (("table.type", "dos"), ("partition.1.capture", "used blocks"),
                         ("partition.2.type", "0x05"), ("partition.5.capture", "used blocks"),
                         ("partition.6.capture", "header"), ("partition.6.fs", "swap"),
                         ("partition.1.start", str(MIB))):
        found.expect(fact, wanted)
    if not found.covers(104 * MIB, 196 * MIB):  # a link may be anywhere in it
        fail(f"mbr: {found.ranges}")
    compare_mbr(disk, trash(disk, found))
    disk.unlink()


def test_no_table():
    """A file system straight on the disk; nothing at all; and both."""
    for name in ("ext4", "fat32", "exfat"):
        kind, size = KINDS[name]
        disk = new_disk(name, size)
        with loop(disk, 0, size) as device:
            kind.make(device, 10)
        found = used_of(disk)
        found.expect("disk.capture", "used blocks")
        compare(kind, disk, trash(disk, found), 0, size, f"{name} without a table")
        found = used_of(disk, "--all")
        found.expect("disk.capture", "whole")
        if found.ranges != [(0, size * MIB)]:
            fail(f"--all: {found.ranges}")
        disk.unlink()
    disk = new_disk("empty", 20)
    used_of(disk).expect("disk.capture", "whole: nothing in it is known")
    table(disk, "start=2048\n")
    used_of(disk).expect("partition.1.capture", "whole: nothing in it is known")
    disk.unlink()


run_tests({name: test for name, test in list(globals().items()) if name.startswith("test_")})
