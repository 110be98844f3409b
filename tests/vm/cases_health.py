# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that say of themselves that they are failing: they are named before they are written."""

import json
import os
import re
import subprocess

from lab import Disk, MIB, RESTORED, case, check, check_equal, expect_done, order
from qemu import append_cpio

IMAGE_DISK = "626d7200-0000-4000-8000-0000000000d6"
SIZE = 16 * MIB
SPARE, TEMPERATURE, READ_ONLY = 1, 2, 8         # bits of NVMe's critical warning
WARNING = r"warning: '/dev/nvme0n1' \(serial T1\) says that it is failing: "


def machine(lab, name, target, source, bus, *more):
    return lab.live(name, order(f"disk:UUID={IMAGE_DISK}/image.zst", *more), network=None,
                    disks=[Disk(target, bus=bus, serial="T1"),
                           Disk(source, serial="IMAGES", readonly=True)])


def restore(lab, name, image, source, warnings, bus="nvme"):
    """Restore onto a disk of that bus with these warnings; returns what the console showed before
    it was restored."""
    target = lab.target(SIZE, name)
    with machine(lab, name, target, source, bus) as vm:
        if bus == "nvme":
            vm.nvme_warning(0, warnings)
        expect_done(vm)
        text = vm.text()
    check_equal(image, target)
    return re.split(RESTORED, text)[0]


def plan(lab, source, warnings):
    """What the console showed before the plan for an NVMe disk ended."""
    with machine(lab, "plan", lab.target(SIZE, "plan"), source, "nvme", "bmr.action=plan") as vm:
        vm.nvme_warning(0, warnings)
        vm.expect("plan: nothing was written", 150)
        return vm.text()


@case("health-nvme", limit=400)
def nvme(lab):
    """The restore goes on, with a warning before it; without a reason there is none."""
    image, packed = lab.work / "image.raw", lab.work / "image.zst"
    image.write_bytes(os.urandom(510) + b"\x55\xaa" + os.urandom(SIZE - 512))
    subprocess.run(["zstd", "-1", "-q", "-o", str(packed), str(image)], check=True)
    source = lab.ext4("source", 64 * MIB, IMAGE_DISK, {"image.zst": packed})
    text = restore(lab, "failing", image, source, SPARE | READ_ONLY)
    check(re.search(WARNING + "spare blocks below the threshold, it can only be read now; ", text),
          "the disk is failing, and that is not said before the end")
    check(re.search(WARNING, plan(lab, source, SPARE)), "the plan does not say it")
    check("warning:" not in restore(lab, "hot", image, source, TEMPERATURE),
          "a disk that is only hot is called failing")
    check("warning:" not in restore(lab, "ahci", image, source, 0, "ahci"),
          "a good SATA disk is called failing")


# What init of the live system does instead: ask all disks, once they are there.
INITTAB = b"""::sysinit:/usr/lib/bmr/boot
::wait:/etc/ask
"""
ASK = b"""#!/early/busybox sh
until [ -b /dev/nvme1n1 ] && [ -b /dev/sda ] && [ -b /dev/vda ]; do sleep 1; done
/usr/bin/bmr disks >/dev/ttyS0
/usr/bin/bmr disks --json >/dev/ttyS0
sleep 600
"""


@case("health-disks")
def disks_command(lab):
    """`bmr disks`: what each kind of disk answers."""
    initrd = append_cpio(lab.initrd, {"etc/inittab": (0o644, INITTAB), "etc/ask": (0o755, ASK)},
                         lab.work / "initrd.img")
    with lab.live("live", "quiet", initrd=initrd, network=None, disks=[
            Disk(lab.target(MIB, "bad"), "nvme", "BAD"),
            Disk(lab.target(MIB, "fine"), "nvme", "FINE"),
            Disk(lab.target(MIB, "sata"), "ahci", "SATA"),
            Disk(lab.target(MIB, "virtio"), serial="VIRTIO")]) as vm:
        vm.nvme_warning(0, SPARE)
        answer = vm.expect(r'(?s)(?P<table>.*)(?P<json>\{"disks":.*\r?\n\]\})', 120)
    check("health: FAILING: spare blocks" in answer["table"], "the table does not say it")
    told = {disk["serial"]: disk["health"] for disk in json.loads(answer["json"])["disks"]}
    wanted = {"BAD": "failing", "FINE": "good", "SATA": "good", "VIRTIO": None, "": None}  # loop
    check(told == wanted, f"health: {told}")
