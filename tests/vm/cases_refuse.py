# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong orders and wrong disks that need real devices: refused by one line and an exit code, and
not one byte of any disk is changed."""

import contextlib
import os
import re

from lab import (Disk, EXIT_REFUSED, EXIT_SOURCE, EXIT_USAGE, FAILED, MIB, Machine, PERCENT, case,
                 check, expect_failed, first_sector, order, same, sha256_of, shell)
from qemu import HOST
from servers import Http

SMALL = 16 * MIB
FILE_SYSTEM = "626d7200-0000-4000-8000-0000000000d2"


def small_image(lab, size=SMALL):
    """A little image that looks bootable; what is in it does not matter here."""
    path = lab.work / "small.img"
    path.write_bytes(b"\0" * 510 + b"\x55\xaa" + os.urandom(size - 512))
    return path


@contextlib.contextmanager
def unchanged(*disks):
    """Fail if any of the disks differs afterwards."""
    before = [sha256_of(disk) for disk in disks]
    yield
    for disk, digest in zip(disks, before):
        check(sha256_of(disk) == digest, f"'{disk.name}' was written")


def refuse(lab, disks, code=EXIT_REFUSED, words="", *, target="serial=T1", more=()):
    """An order for the small image must fail with code and words, and change no disk."""
    image = small_image(lab)
    with Http(lab.folder(small_img=image)) as server, \
            unchanged(*(disk.path for disk in disks)):
        url = server.url("small.img", HOST)
        with lab.live("live", order(url, *more, target=target), disks=disks) as vm:
            expect_failed(vm, code, words)
            vm.wait_off(60)


@case("refuse-no-match")
def no_match(lab):
    refuse(lab, [Disk(lab.target(SMALL), serial="OTHER")])


@case("refuse-two-matches")
def two_match(lab):
    refuse(lab, [Disk(lab.target(SMALL, "one"), serial="T1"),
                 Disk(lab.target(SMALL, "two"), serial="T1")], words="2|two|several")


@case("refuse-too-small")
def too_small(lab):
    refuse(lab, [Disk(lab.target(SMALL - 512), serial="T1")], words=f"{SMALL:,}")


@case("refuse-4096-sectors")
def sector_size(lab):
    """A disk image of 512-byte sectors (it has a GPT) on a disk of 4096-byte sectors."""
    disk = lab.target(1100 * MIB)
    image = lab.packed(lab.debian(), "gz")
    with Http(lab.folder(d_img_gz=image)) as server, unchanged(disk):
        cmdline = order(server.url("d.img.gz", HOST))
        with lab.live("live", cmdline, disks=[Disk(disk, serial="T1", sector=4096)]) as vm:
            expect_failed(vm, EXIT_REFUSED, "4096")
            vm.wait_off(60)


@case("refuse-read-only")
def read_only(lab):
    refuse(lab, [Disk(lab.target(SMALL), serial="T1", readonly=True)], words="read-only")


@case("refuse-removable")
def removable(lab):
    refuse(lab, [Disk(lab.target(SMALL), bus="usb", serial="T1")], target="auto")


@case("refuse-no-consent")
def no_consent(lab):
    disk = lab.ext4("holds-files", SMALL * 2, FILE_SYSTEM, {})
    refuse(lab, [Disk(disk, serial="T1")], words="overwrite|consent|ext4",
           more=("bmr.overwrite=WRONG",))


@case("refuse-boot-stick")
def boot_stick(lab):
    """The stick that we booted from, named by its own serial."""
    with Http(lab.folder(small_img=small_image(lab))) as server:
        iso = lab.iso(order(server.url("small.img", HOST), "console=ttyS0", target="serial=STICK"))
        with unchanged(iso), Machine(lab.work, "stick", memory=512, disks=[
                Disk(iso, bus="usb", serial="STICK", boot=1)]) as vm:
            expect_failed(vm, EXIT_REFUSED, "boot|medium", limit=120)
            vm.wait_off(60)


@case("refuse-image-disk")
def image_disk(lab):
    disk = lab.ext4("images", 64 * MIB, FILE_SYSTEM, {"small.img": small_image(lab)})
    with unchanged(disk), lab.live("live", order(f"disk:UUID={FILE_SYSTEM}/small.img"),
                                   disks=[Disk(disk, serial="T1")]) as vm:
        expect_failed(vm, EXIT_REFUSED)
        vm.wait_off(60)


@case("refuse-unknown-parameter")
def unknown_parameter(lab):
    refuse(lab, [Disk(lab.target(SMALL), serial="T1")], EXIT_USAGE, "bmr.verify",
           more=("bmr.verfiy=full",))


@case("refuse-unknown-protocol")
def unknown_protocol(lab):
    """Said at once: not after a network, of which this machine has none."""
    disk = lab.target(SMALL)
    with unchanged(disk), lab.live("live", order("htp://10.0.2.2/x.img"), network=None,
                                   disks=[Disk(disk, serial="T1")]) as vm:
        expect_failed(vm, EXIT_USAGE, "htp")
        check("without a network" not in vm.text(), "a network was waited for")
        vm.wait_off(60)


@case("refuse-in-use", limit=300, needs=("bmr",))
def in_use(lab):
    """`bmr restore` in a running Debian, onto the very disks that Debian lives on."""
    image = small_image(lab)
    for layout, words in (("gpt-ext4", "mount"), ("lvm-root", "LVM|dm-|held|holder|in use")):
        disks = [Disk(lab.debian(layout), serial="ROOT", snapshot=True),
                 Disk(lab.tool_disk(f"tools-{layout}", small_img=image), readonly=True)]
        with Machine(lab.work, layout, disks=disks, network=None) as vm:
            vm.login(120)
            answer = shell(vm, "mount -o ro,noload /dev/vdb /mnt && sha256sum /dev/vda1")
            before = digest_in(answer)
            answer = shell(vm, "/mnt/lib/ld-linux-x86-64.so.2 --library-path /mnt/lib /mnt/bmr "
                           "restore --overwrite=any /mnt/small.img /dev/vda", EXIT_REFUSED)
            check_words(answer, words)
            check(same(digest_in(shell(vm, "sha256sum /dev/vda1")), before), "the disk was written")


def digest_in(text):
    """The SHA-256 among what else a console shows."""
    found = re.findall(r"\b[0-9a-f]{64}\b", text)
    check(len(found) == 1, f"one digest was expected in: {text}")
    return found[0]


def check_words(text, words):
    check(re.search(words, text, re.I), f"'{words}' is not in: {text}")


@case("fault-server-silent", limit=240)
def black_hole(lab):
    """A message within a minute, the documented exit code, and a disk that does not boot."""
    disk = lab.target(1100 * MIB)
    image = lab.packed(lab.debian(), "gz")
    with Http(lab.folder(d_img_gz=image), rate="10m") as server:
        cmdline = order(server.url("d.img.gz", HOST))
        with lab.live("live", cmdline, disks=[Disk(disk, serial="T1")]) as vm:
            while int(vm.expect(PERCENT, 60).group("percent")) < 5:
                pass
            server.freeze()
            expect_failed(vm, EXIT_SOURCE, limit=75)
            vm.wait_off(60)
    check(same(first_sector(disk), bytes(512)), "LBA 0 is not zero")


@case("refuse-missing-file")
def missing_file(lab):
    disk = lab.target(SMALL)
    with Http(lab.folder(small_img=small_image(lab))) as server, unchanged(disk):
        cmdline = order(server.url("missing.img", HOST))
        with lab.live("live", cmdline, disks=[Disk(disk, serial="T1")]) as vm:
            vm.expect(FAILED, 60)
            vm.wait_off(60)
