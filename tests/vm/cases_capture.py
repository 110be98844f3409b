# SPDX-License-Identifier: GPL-3.0-or-later
"""From a machine that has lived to another one: captured, restored, and started.

Each case starts a Debian, lets it write and delete something and takes the digest of its files;
captures its disk from the live system to a server; restores that image on another disk; and asks
the machine that starts from there for the same digest."""

import re
import subprocess

from cases_refuse import unchanged
from lab import (Disk, MIB, Machine, break_if_red, case, check, check_boots, check_equal,
                 expect_done, order, pieces_of, same, shell)
from qemu import HOST
from servers import Ftp, Http, Nfs, Reports, Smb

NAME = "d.img.zst"
LONGER = 8 * MIB            # the new disk is longer
BLOCK = 4096
JUNK_MIB = 48               # written and deleted again: in the disk, but no longer in use
CAPTURE = ("bmr.action=capture", "bmr.compress=zstd:1")     # an emulated CPU packs slowly
FILES = "find /boot /usr /srv -xdev -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum"


class Life:
    """One machine, its disk T1 and the image of it on a server."""

    def __init__(self, lab, layout):
        self.lab = lab
        self.disk = lab.copy(lab.debian(layout), "source")
        self.folder = lab.folder()
        self.image = self.folder / NAME
        self.restored = None

    def url(self, server):
        return server.url(NAME, HOST)

    def live(self):
        """Run it, and shut it down; returns the digest of its files."""
        with Machine(self.lab.work, "source", disks=[Disk(self.disk, serial="T1")],
                     network=None) as vm:
            vm.login(120)
            shell(vm, "head -c 3M /dev/urandom >/srv/new && head -c "
                      f"{JUNK_MIB}M /dev/urandom >/srv/junk && sync && rm /srv/junk && sync")
            digest = files_of(vm)
            vm.send("systemctl poweroff\n")
            vm.wait_off(60)
        return digest

    def capture(self, url, *more, memory=512):
        """By the live system; returns what its console showed."""
        with unchanged(self.disk), self.lab.live(
                "capture", order(url, *CAPTURE, *more), memory=memory,
                disks=[Disk(self.disk, serial="T1")]) as vm:
            expect_done(vm, 300)
            return vm.text()

    def check_image(self):
        """As zstd reads it, it holds what was in use, and leaves out what was deleted."""
        left_out = 0
        for number, (piece, original) in enumerate(zip(pieces_of(self.image),
                                                       pieces_of(self.disk), strict=True)):
            if not same(piece, original):
                check(zeros_or_equal(piece, original),
                      f"MiB {number} of the disk is wrong in the image")
                left_out += not any(piece)
        check(left_out >= JUNK_MIB // 2, f"of {JUNK_MIB} MiB not in use {left_out} were left out")
        return left_out

    def restore(self, url, *more, memory=512):
        """By the live system, onto a disk with another life behind it, which is longer."""
        self.restored = self.lab.target(self.disk.stat().st_size + LONGER)
        with self.lab.live("restore", order(url, *more), memory=memory,
                           disks=[Disk(self.restored, serial="T1")]) as vm:
            expect_done(vm, 300)
            return vm.text()

    def check_restored(self):
        for number, (piece, restored) in enumerate(zip(pieces_of(self.image),
                                                       pieces_of(self.restored))):
            check(same(piece, restored) or not any(piece),
                  f"MiB {number} of the restored disk is wrong")

    def start(self, digest):
        break_if_red(self.restored)
        with Machine(self.lab.work, "restored", disks=[Disk(self.restored, serial="T1")],
                     network=None) as vm:
            vm.login(120)
            check(same(files_of(vm), digest), "its files are not those of the captured machine")

    def run(self, server, *more):
        """All of it; returns what bmr info says of the image."""
        digest = self.live()
        self.capture(self.url(server), *more)
        left_out = self.check_image()
        print(f"{self.image.stat().st_size >> 20} MiB for {self.disk.stat().st_size >> 20} MiB, "
              f"{left_out} MiB left out that are not zero")
        self.restore(self.url(server), *more)
        self.check_restored()
        self.start(digest)
        return self.lab.about(self.image)


def zeros_or_equal(piece, original):
    """Whether each block is as on the disk or was left out."""
    blocks = ((piece[at:at + BLOCK], original[at:at + BLOCK]) for at in range(0, MIB, BLOCK))
    return all(same(one, other) or not any(one) for one, other in blocks)


def files_of(vm):
    """The digest of its files.  The kernel may say something on the same console."""
    return re.search(r"\b[0-9a-f]{64}\b", shell(vm, FILES, limit=120)).group(0)


@case("capture-nfs", limit=600)
def nfs(lab):
    life = Life(lab, "gpt-ext4")
    with Nfs(life.folder, version=3) as server:
        facts = life.run(server)["facts"]
    check(facts["partition.3.fs"] == "ext4", f"no ext4 was seen: {facts}")
    check(facts["partition.3.capture"] == "used blocks", f"no map was made: {facts}")


@case("capture-smb", limit=600)
def smb(lab):
    """The root file system lies in two pieces, and device-mapper puts them together."""
    life = Life(lab, "lvm-root")
    with Smb(life.folder) as server:
        facts = life.run(server, f"bmr.user={server.user}", f"bmr.password={server.password}")
    check("used blocks" in [value for name, value in facts["facts"].items()
                            if name.startswith("lvm.")], f"no map was made: {facts}")


@case("capture-xfs", limit=600)
def xfs(lab):
    life = Life(lab, "gpt-xfs")
    with Http(life.folder, write=True) as server:
        life.run(server)


@case("capture-btrfs", limit=600)
def btrfs(lab):
    life = Life(lab, "gpt-btrfs")
    with Http(life.folder, write=True) as server:
        life.run(server)


@case("capture-p2v", limit=500)
def p2v(lab):
    """A machine of 256 MiB is captured, and becomes a virtual one without bmr; and another machine
    of 256 MiB with it."""
    life = Life(lab, "mbr-ext4")
    with Ftp(life.folder, write=True) as server:
        url = life.url(server).replace("://", "://user:secret@")
        text = life.capture(url, memory=256) + life.restore(url, memory=256)
    check("Out of memory" not in text, "the kernel ran out of memory on the way")
    life.check_restored()
    virtual = lab.work / "disk.raw"
    subprocess.run(f"zstd -qdc '{life.image}' | dd of='{virtual}' bs=1M conv=sparse status=none",
                   shell=True, check=True)
    break_if_red(virtual)
    with Machine(lab.work, "virtual", network=None,
                 extra=["-machine", "pc", "-hda", str(virtual)]) as vm:
        vm.login(120)


@case("restore-bmr-uefi-cd", limit=600)
def restore_bmr(lab):
    """A bmr image by HTTP and UEFI; the second time nothing is written, and it starts as well."""
    original = lab.debian()
    image = lab.bmr_image(original, lab.folder() / NAME, "--blocks=all")
    disk = lab.target(original.stat().st_size + LONGER)
    with Http(lab.folder()) as server, Reports(lab.work) as reports:
        iso = lab.iso(order(server.url(NAME, HOST), "console=ttyS0",
                            f"bmr.report={reports.url('', HOST)}"))
        for round_ in ("first", "second"):
            with Machine(lab.work, round_, firmware="uefi", memory=1024, cdrom=iso,
                         disks=[Disk(disk, serial="T1")]) as vm:
                expect_done(vm, 240)
            check_equal(original, disk)
        first, second = reports.events("restored")
    check(first["written"] > image.stat().st_size and not first["already"], f"first: {first}")
    check(second["written"] == second["zeroed"] == 0 and second["already"], f"second: {second}")
    check_boots(lab, disk, "uefi")
