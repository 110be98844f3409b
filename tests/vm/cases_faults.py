# SPDX-License-Identifier: GPL-3.0-or-later
"""Power cuts and little memory.

BMR_POWER_CUTS is how often the power fails in fault-power-cut-bmr, instead of 30 times: there
each cut is followed by a whole start of the machine."""

import os
import random
import re
import shutil
import subprocess
import time

from lab import (Disk, MIB, RESTORED, STARTED, bootable, case, check, expect_done,
                 multi_member_gzip, order, red, sha256_of, used_disk)
from qemu import HOST, Network, VmError
from servers import Http, Reports

IMAGE_DISK = "626d7200-0000-4000-8000-0000000000d3"
CUTS = 30
CUTS_RESUMED = int(os.environ.get("BMR_POWER_CUTS") or 30)
MEMORY_LIMIT_MIB = 96
MEDIUM_LIMIT = 48_000_000


class PowerCut:
    """Restore a bootable-looking image of 64 MiB from a second disk, any number of times.

    The machine boots once.  Its state is saved when the agent says its first word; each restore
    goes on from there, which saves the boot."""

    SIZE = 64 * MIB

    def __init__(self, lab, pack):
        self.lab = lab
        self.image = lab.work / "image.raw"
        self.image.write_bytes(os.urandom(510) + b"\x55\xaa" + os.urandom(self.SIZE - 512))
        self.digest = sha256_of(self.image)
        packed = lab.work / "image.zst"
        pack(self.image, packed)
        self.source = lab.ext4("source", 128 * MIB, IMAGE_DISK, {"image.zst": packed})
        self.used = used_disk(lab.work / "used.raw", self.SIZE)
        self.disk = lab.work / "target.raw"
        self.state = lab.work / "state"

    def machine(self, name, incoming=None, report=None):
        more = [f"bmr.report={report}"] if report else []
        return self.lab.live(name, order(f"disk:UUID={IMAGE_DISK}/image.zst", *more), memory=320,
                             network=Network() if report else None, incoming=incoming,
                             disks=[Disk(self.disk, serial="T1"),
                                    Disk(self.source, serial="IMAGES", readonly=True)])

    def resume(self, reports):
        """Start again with the disk as the power cut left it; returns the bytes that it wrote."""
        with self.machine("resume", report=reports.url("", HOST)) as vm:
            expect_done(vm, 90)
        check(sha256_of(self.disk) == self.digest, "the restore that was resumed is wrong")
        return reports.events("restored")[-1]["written"]

    def save(self):
        shutil.copyfile(self.used, self.disk)
        with self.machine("boot") as vm:
            vm.expect(STARTED, 60)
            vm.save_state(self.state)

    def go_on(self, name, work):
        """From the saved state, with a used disk again: call work(vm) on the running machine."""
        shutil.copyfile(self.used, self.disk)
        with self.machine(name, self.state) as vm:
            vm.wait_loaded()
            vm.resume()
            return work(vm)

    def cut_after(self, seconds):
        """Cut the power so many seconds after the start; say in what state that left the disk."""
        def wait_and_cut(vm):
            deadline = time.monotonic() + seconds
            try:
                vm.serial.expect(RESTORED, max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                pass
            vm.kill()
        self.go_on("cut", wait_and_cut)
        if red("boot"):
            with open(self.disk, "r+b") as out:
                out.seek(510)
                out.write(b"\x55\xaa")
        if sha256_of(self.disk) == self.digest:
            return "complete"
        if bootable(self.disk):
            return "wrong"
        return "untouched" if sha256_of(self.disk) == sha256_of(self.used) else "unbootable"


def zstd(raw, out):
    subprocess.run(["zstd", "-1", "-q", "-o", str(out), str(raw)], check=True)


@case("fault-power-cut", limit=400)
def power_cut(lab):
    """Whenever the power fails, the disk does not boot, or is right."""
    cut_often(PowerCut(lab, zstd), CUTS, lambda *_: None)


@case("fault-power-cut-bmr", limit=1500)
def power_cut_bmr(lab):
    """The same with a bmr image; and each time the next start brings it to its end, without
    writing again what is there."""
    written = []
    with Reports(lab.work) as reports:
        def resume(cuts, state):
            again = cuts.resume(reports)
            if state == "unbootable":
                written.append(again)
        cut_often(PowerCut(lab, lab.bmr_image), CUTS_RESUMED, resume)
    print(f"{CUTS_RESUMED} resumed, 0 wrong; of {len(written)} half-written disks "
          f"{sum(written) >> 20} of {len(written) * PowerCut.SIZE >> 20} MiB were written again")
    check(sum(written) < len(written) * PowerCut.SIZE, "all was written again each time")


def cut_often(cuts, times, after):
    """Cut the power so many times, each at a random moment of its own part of a restore, and call
    after(cuts, state) each time.  No disk may look bootable and not be right."""
    cuts.save()
    begin = time.monotonic()
    cuts.go_on("whole", lambda vm: vm.expect(RESTORED, 60))
    whole = time.monotonic() - begin
    check(sha256_of(cuts.disk) == cuts.digest, "even without a power cut the disk is wrong")
    seed = random.randrange(1 << 32)
    chance, states = random.Random(seed), []
    for part in range(times):
        states.append(cuts.cut_after(1.2 * whole * (part + chance.random()) / times))
        after(cuts, states[-1])
    counts = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    print(f"seed {seed}, {whole:.1f} s for a whole restore: {counts}")
    check("wrong" not in states, f"a half-written disk looks bootable: {counts}")
    check(states.count("unbootable") >= max(1, times // 10),
          f"hardly a cut fell into the restore, so nothing was shown: {counts}")


def large_gzip(lab):
    """(image, size, digest): 1 GiB, most of it zeros; a stream takes the same memory at any size."""
    packed = lab.work / "big.img.gz"
    head = bytes(510) + b"\x55\xaa" + os.urandom(MIB - 512)
    size, digest = multi_member_gzip(packed, [(head, 1), (bytes(MIB), 63),
                                              (os.urandom(4 * MIB), 16), (bytes(64 * MIB), 14)])
    return packed, size, digest


def large_bmr(lab):
    """The same of a bmr image: 8 GiB, 128 MiB of it not zeros, to the very end."""
    raw = lab.work / "big.raw"
    with open(raw, "wb") as out:
        out.truncate(8192 * MIB)
        out.write(bytes(510) + b"\x55\xaa")
        for i in range(1, 33):
            out.seek(i * 256 * MIB - 4 * MIB)
            out.write(os.urandom(4 * MIB))
    image = lab.bmr_image(raw, lab.work / "big.img.zst", "--blocks=all")
    return image, raw.stat().st_size, sha256_of(raw)


@case("fault-little-memory", limit=1100)
def little_memory(lab):
    """Images that are much larger than memory."""
    for size_text, make in (("1 GiB gzip", large_gzip), ("8 GiB bmr", large_bmr)):
        image, size, digest = make(lab)
        disk = lab.work / "target.raw"
        disk.unlink(missing_ok=True)
        with open(disk, "wb") as out:
            out.truncate(size)
        with Http(lab.folder(big_img=image)) as server:
            cmdline = order(server.url("big.img", HOST))
            with lab.live("live", cmdline, memory=256, disks=[Disk(disk, serial="T1")]) as vm:
                expect_done(vm, 500)
                memory = re.search(r"memory ([\d.]+) MiB", vm.text())
                check(memory, "the agent does not say how much memory it took")
                if "Out of memory" in vm.text():
                    raise VmError("the kernel ran out of memory on the way")
        check(sha256_of(disk) == digest, "the disk is not equal to the image")
        medium = lab.kernel.stat().st_size + lab.initrd.stat().st_size
        print(f"size: 256 MiB machine, {size_text} image: peak memory of the agent {memory[1]} MiB "
              f"(limit {MEMORY_LIMIT_MIB}); kernel + initramfs {medium} bytes (limit "
              f"{MEDIUM_LIMIT})")
        check(float(memory[1]) <= MEMORY_LIMIT_MIB, "the agent took too much memory")
        check(medium <= MEDIUM_LIMIT, "kernel and initramfs are too large")
