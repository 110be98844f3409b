#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Physical volumes: what their volumes use, and what LVM alone knows to be free."""

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
from used_case import (EXT4, XFS, CONTENT, FOLDER, MIB, REPORT, compare,
                       expect_whole, fail, loop, lvm, new_disk, run, run_tests, table, trash, used_of)


def test_lvm():
    """Two physical volumes of one group: ext4 and xfs in one piece, one in two, and what is free."""
    disk = new_disk("lvm", 620)
    table(disk, f"start=2048, size={200 * 2048}\nstart={210 * 2048}, size={400 * 2048}\n")
    with loop(disk, 1, 200) as a, loop(disk, 210, 400) as b:
        both = ("--devices", f"{a},{b}")
        lvm("pvcreate", *both, "-qq", a, b)
        lvm("vgcreate", *both, "-qq", "vg", a, b)
        make = ("lvcreate", *both, "-qq", "-an", "-Zn", "-Wn")
        lvm(*make, "-L", "320M", "-n", "data", "vg", b)
        lvm(*make, "-L", "80M", "-n", "root", "vg", a)
        lvm(*make, "-l", "25", "-n", "two", "vg", f"{a}:25-39", f"{b}:82-91")
        lvm(*make, "--type", "striped", "-i", "2", "-l", "4", "-n", "striped", "vg")
    places = {"root": (EXT4, 1 + 1, 80), "data": (XFS, 210 + 1, 320)}
    for kind, start, size in places.values():
        with loop(disk, start, size) as device:
            kind.make(device, CONTENT)
    found = used_of(disk)
    for fact, wanted in (("partition.1.fs", "LVM2_member"), ("partition.1.capture", "used extents"),
                         ("partition.2.vg", "vg"), ("lvm.vg/root.fs", "ext4"),
                         ("lvm.vg/root.capture", "used blocks"), ("lvm.vg/data.fs", "xfs"),
                         ("lvm.vg/data.capture", "used blocks"),
                         ("lvm.vg/data.size", str(320 * MIB)),
                         ("lvm.vg/striped.capture", "whole: it is no plain linear volume")):
        found.expect(fact, wanted)
    if not Path("/dev/mapper/control").exists():
        found.expect("lvm.vg/two.capture", "whole: *")
        for start, size in ((2 + 100, 60), (211 + 328, 40)):
            if not found.covers(start * MIB, size * MIB):
                fail(f"lvm: {start}+{size} is not used: {found.ranges}")
    copy = trash(disk, found)
    for kind, start, size in places.values():
        compare(kind, disk, copy, start, size, "lvm")
    REPORT.append(f"lvm: {found.used / MIB:.1f} of 620 MiB used")
    one = FOLDER / "one-pv"  # the other one is on another disk
    run("cp", "--sparse=always", disk, one)
    with open(one, "r+b") as f:
        f.seek(210 * MIB)
        f.write(bytes(4 * MIB))
    found = used_of(one)
    found.expect("lvm.vg/root.capture", "used blocks")
    found.expect("lvm.vg/two.capture", "whole: a part of it is on another disk")
    found.expect("partition.2.capture", "whole: nothing in it is known")
    with open(one, "r+b") as f:  # damaged metadata
        f.seek(MIB + 4096)
        f.write(random.randbytes(MIB - 4096))
    expect_whole(one, 200, "LVM does not tell what is in it")
    one.unlink()
    disk.unlink()


run_tests({name: test for name, test in list(globals().items()) if name.startswith("test_")})
