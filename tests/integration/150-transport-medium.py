#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images in file systems of local disks, found by UUID, LABEL, PARTUUID, PARTLABEL.

cdrom: needs iso9660 in the kernel; where it is missing only the refusals are tried."""

import hashlib
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
from transport_case import MIB, Case, need, skip    # noqa: E402


def run(*argv, **options):
    return subprocess.run([str(a) for a in argv], check=True, capture_output=True, text=True,
                          **options).stdout.strip()


class Loop:
    """A loop device, with partitions if asked for."""

    def __init__(self, file, *options):
        self.file, self.options = file, options

    def __enter__(self):
        self.device = run("losetup", "-f", "--show", *self.options, self.file)
        return self.device

    def __exit__(self, *_):
        run("losetup", "-d", self.device)


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def folder(case):
    source = case.folder / "files"
    (source / "images").mkdir(parents=True)
    shutil.copyfile(case.image("image", 3 * MIB + 77), source / "images" / "disk one.img")
    os.symlink("/images/disk one.img", source / "link")
    os.symlink("/../../../../../etc/passwd", source / "escape")
    return source


def by_file_system(case, source):
    number = str(uuid.uuid4())
    label = f"bmr{os.getpid()}"
    disk = case.folder / "ext4"
    with open(disk, "wb") as f:
        f.truncate(16 * MIB)
    run("mkfs.ext4", "-q", "-F", "-U", number, "-L", label, "-d", source, disk)
    before = digest(disk)
    with Loop(disk) as device:
        block = os.stat(device).st_rdev
        for tag in (f"UUID={number}", f"UUID={number.upper()}", f"LABEL={label}"):
            got = case.cat(f"disk:{tag}/images/disk%20one.img", "--check").expect(0)
            if got.out["sha256"] != case.digests["image"]:
                got.fail("other bytes")
            if got.out["device"] != f"{os.major(block)}:{os.minor(block)}":
                got.fail("the disk it comes from is not named")
        case.cat(f"disk:UUID={number}/link").expect(0)
        case.refused(f"disk:UUID={number}/escape", "No such file")
        case.refused(f"disk:UUID={number}/missing", "No such file")
        case.refused(f"disk:UUID={number}/images", "neither a regular file")
        with Loop(disk) as other:
            got = case.cat(f"disk:UUID={number}/link").expect(69, "both", device, other)
            if "trying again" in got.err:
                got.fail("that was tried again")
        if device in Path("/proc/self/mounts").read_text():
            sys.exit("FAILED: something is still mounted")
    if digest(disk) != before:
        sys.exit("FAILED: the disk was changed by reading it")
    case.cat(f"disk:UUID={number}/link", "--timeout-ms", 700).expect(
        69, f"no disk of this machine has UUID={number}", "trying again")
    case.done("ext4 by UUID and LABEL, not changed by it")


def dirty_journal(case, source):
    """A file system that was not unmounted: reading must not replay its journal."""
    number = str(uuid.uuid4())
    disk = case.folder / "dirty"
    with open(disk, "wb") as f:
        f.truncate(16 * MIB)
    run("mkfs.ext4", "-q", "-F", "-U", number, "-d", source, disk)
    run("debugfs", "-w", "-R", "feature needs_recovery", disk)
    before = digest(disk)
    with Loop(disk):
        case.cat(f"disk:UUID={number}/link").expect(0)
    if digest(disk) != before:
        sys.exit("FAILED: the journal was replayed")
    case.done("a journal is not replayed")


def by_partition(case, source):
    number = str(uuid.uuid4())
    label = f"part{os.getpid()}"
    disk = case.folder / "gpt"
    with open(disk, "wb") as f:
        f.truncate(40 * MIB)
    run("sfdisk", "-q", disk, input=f"label: gpt\nstart=2048, uuid={number}, name={label}\n")
    run("mkfs.ext4", "-q", "-F", "-E", f"offset={MIB}", "-d", source, disk, "20M")
    with Loop(disk, "-P") as device:
        if not Path(f"{device}p1").exists():
            print("  (the kernel shows no partitions of loop devices)")
            return
        for tag in (f"PARTUUID={number}", f"PARTLABEL={label}"):
            got = case.cat(f"disk:{tag}/link").expect(0)
            if got.out["sha256"] != case.digests["image"]:
                got.fail("other bytes")
    case.done("ext4 by PARTUUID and PARTLABEL")


def boot_medium(case, source):
    case.cat("cdrom:/x", "--medium-id", case.folder / "nothing").expect(69, "does not know")
    name = case.folder / "medium-id"
    name.write_text("../../etc\n")
    case.cat("cdrom:/x", "--medium-id", name).expect(69, "does not hold the id")
    number = uuid.uuid4().hex
    name.write_text(number + "\n")
    absent = case.cat("cdrom:/x", "--medium-id", name, "--timeout-ms", 700)
    absent.expect(69, "in no drive", "trying again")
    if "iso9660" not in Path("/proc/filesystems").read_text() or not shutil.which("xorriso"):
        print("  (no iso9660 in this kernel, or no xorriso: cdrom: is left to the VM tests)")
        return
    (source / "bmr").mkdir()
    (source / "bmr" / f"{number}.id").write_text("")
    disk = case.folder / "iso"
    run("xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", disk, source)
    with Loop(disk, "-r"):
        got = case.cat("cdrom:/images/disk%20one.img", "--medium-id", name).expect(0)
        if got.out["sha256"] != case.digests["image"]:
            got.fail("other bytes")
    case.done("the medium that was booted")


def main():
    need("losetup", "mkfs.ext4", "sfdisk", "debugfs")
    if os.geteuid() != 0:
        skip("loop devices need root")
    case = Case()
    source = folder(case)
    by_file_system(case, source)
    dirty_journal(case, source)
    by_partition(case, source)
    boot_medium(case, source)
    case.finish()


main()
