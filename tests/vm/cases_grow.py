# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk larger than the image, bmr.grow=last: each layout boots with a larger root; a disk that has
a twin.

The table is judged by sgdisk, the file system by its own check, both on the host; how large root is
by the restored system itself."""

import contextlib
import json
import re
import subprocess

from lab import (Disk, EXIT_REFUSED, MIB, Machine, break_if_red, case, check, check_gpt, expect_done,
                 expect_failed, has_gpt, order, sha256_of, shell)

LARGER = 1024 * MIB
IMAGE_DISK = "626d7200-0000-4000-8000-0000000000d3"
CHECKS = {"ext4": ["e2fsck", "-fn"], "xfs": ["xfs_repair", "-n"], "btrfs": ["btrfs", "check"]}


def run(*argv, **options):
    done = subprocess.run([str(arg) for arg in argv], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **options)
    check(done.returncode == 0, f"'{argv[0]}' ended with {done.returncode}: {done.stdout}")
    return done.stdout


@contextlib.contextmanager
def partition(disk, number):
    """By its place, so that nobody waits for a node."""
    parts = json.loads(run("sfdisk", "-J", disk))["partitiontable"]["partitions"]
    part = next(p for p in parts if p["node"] == f"{disk}{number}")
    device = run("losetup", "-f", "--show", "-o", part["start"] * 512, "--sizelimit",
                 part["size"] * 512, disk).strip()
    try:
        yield device
    finally:
        run("losetup", "-d", device)


def restore(lab, image, size, *more):
    """From a disk that is no network away, by the live system."""
    packed = lab.bmr_image(image, lab.work / "image.zst")
    source = lab.ext4("source", 512 * MIB, IMAGE_DISK, {"image.zst": packed})
    disk = lab.target(size)
    url = f"disk:UUID={IMAGE_DISK}/image.zst"
    with lab.live("live", order(url, *more), network=None,
                  disks=[Disk(disk, serial="T1"), Disk(source, serial="IMAGES")]) as vm:
        expect_done(vm)
        said = vm.text()
    return disk, said


def root_mib(lab, disk):
    """It boots; how large its root is, as it says itself."""
    break_if_red(disk)
    with Machine(lab.work, "restored", network=None, disks=[Disk(disk, serial="T1")]) as vm:
        vm.expect(r"bmr-restored login: ", 120)
        vm.send("root\n")
        vm.expect("assword: ", 30)
        vm.send("bmr\n")
        vm.expect(r"[#$] ", 30)
        said = shell(vm, "df -BM --output=size / | tail -n 1")
        return int(re.search(r"(\d+)M", said).group(1))


def grow(lab, image, kind, number):
    """number: of the partition, to be checked on the host; None: root is not in one of its own."""
    disk, said = restore(lab, image, image.stat().st_size + LARGER, "bmr.grow=last")
    check("grow: partition" in said, "the agent does not say what it grew")
    if has_gpt(disk):
        check_gpt(disk)
    if number:
        with partition(disk, number) as device:
            run(*CHECKS[kind], device)
    size = root_mib(lab, disk)
    check(size > 1400, f"root has {size} MiB on a disk of {disk.stat().st_size // MIB} MiB")


@case("grow-gpt-ext4")
def gpt_ext4(lab):
    grow(lab, lab.debian("gpt-ext4"), "ext4", 3)


@case("grow-gpt-xfs")
def gpt_xfs(lab):
    grow(lab, lab.debian("gpt-xfs"), "xfs", 3)


@case("grow-gpt-btrfs")
def gpt_btrfs(lab):
    grow(lab, lab.debian("gpt-btrfs"), "btrfs", 3)


@case("grow-lvm-root")
def lvm_root(lab):
    """In the physical volume, the volume called root; its first sector is where it was."""
    grow(lab, lab.debian("lvm-root"), "ext4", None)


@case("grow-mbr-ext4")
def mbr_ext4(lab):
    """The Debian of mbr-ext4 without its swap, which lies behind root."""
    image = lab.copy(lab.debian("mbr-ext4"), "image")
    run("sfdisk", "-q", "--delete", image, "5")
    run("sfdisk", "-q", "--delete", image, "2")
    grow(lab, image, "ext4", 1)


@case("duplicate-disk")
def duplicate(lab):
    """Another disk has the image's identifiers: refused by name, nothing is written; allowed, it is
    said before and after."""
    image = lab.work / "twin.raw"
    with open(image, "wb") as out:
        out.truncate(64 * MIB)
    subprocess.run(["sfdisk", "-q", "-X", "gpt", image], input="start=2048, size=100000\n",
                   text=True, check=True)
    packed = lab.bmr_image(image, lab.work / "image.zst")
    source = lab.ext4("source", 32 * MIB, IMAGE_DISK, {"image.zst": packed})
    disk = lab.target(80 * MIB)
    before = sha256_of(disk)
    disks = [Disk(disk, serial="T1"), Disk(image, serial="TWIN", readonly=True),
             Disk(source, serial="IMAGES", readonly=True)]
    url = f"disk:UUID={IMAGE_DISK}/image.zst"
    with lab.live("refused", order(url), network=None, disks=disks) as vm:
        why = expect_failed(vm, EXIT_REFUSED, "has the same partition table")
        check("serial TWIN" in why and "duplicates=allow" in why, f"it says: {why}")
        vm.wait_off(60)
    check(sha256_of(disk) == before, "the disk was written")
    allowed = order(url, "bmr.duplicates=allow", "bmr.grow=table")
    with lab.live("allowed", allowed, network=None, disks=disks) as vm:
        expect_done(vm)
        said = vm.text()
    check("(duplicates=allow)" in said, "the twin is not named before")
    check("now: only one of them may stay" in said, "the twin is not named after")
    check_gpt(disk)
