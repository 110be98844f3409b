# SPDX-License-Identifier: GPL-3.0-or-later
"""The identity of a restored system: it starts under its new name, with an id of its own."""

import re
import subprocess

from lab import Disk, MIB, Machine, break_if_red, case, check, expect_done, order, shell
from qemu import HOST
from servers import Http

IMAGE_ID = "0123456789abcdef0123456789abcdef"
LONGER = 8 * MIB


def golden(lab):
    """A Debian image that has lived: with a machine-id and an SSH host key."""
    image = lab.copy(lab.debian(), "golden")
    one = lab.work / "one"
    one.write_text(IMAGE_ID + "\n")
    commands = lab.work / "commands"
    commands.write_text(f"rm /etc/machine-id\nwrite {one} /etc/machine-id\nmkdir /etc/ssh\n"
                        f"write {one} /etc/ssh/ssh_host_rsa_key\n")
    subprocess.run(["debugfs", "-w", "-f", str(commands), f"{image}?offset={root_of(image)}"],
                   check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return image


def root_of(image):
    """Where the root file system begins: bytes."""
    table = subprocess.run(["sfdisk", "-d", str(image)], check=True, stdout=subprocess.PIPE,
                           text=True).stdout
    return 512 * int(re.findall(r"start=\s*(\d+)", table)[-1])


def restore(lab, packed, disk, *parameters):
    served = lab.folder(d_img_zst=packed)
    (served / "seed").mkdir()
    (served / "seed/user-data").write_text("#cloud-config\n")
    (served / "seed/meta-data").write_text("instance-id: i7\n")
    with Http(served) as server:
        seed = server.url("seed/", HOST)
        cmdline = order(server.url("d.img.zst", HOST), f"bmr.seed={seed}", *parameters)
        with lab.live("live", cmdline, disks=[Disk(disk, serial="T1")]) as vm:
            expect_done(vm)
            return vm.text()


def said(vm, command):
    """What a command printed, without what the shell does to the terminal, and without the echo of
    the command, which comes twice if it was typed before the prompt was there."""
    text = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]|\r", "", shell(vm, command))
    return text.rpartition("status=$?")[2].strip()


@case("identity-new", limit=300)
def identity_new(lab):
    image = golden(lab)
    packed = lab.work / "golden.img.zst"
    subprocess.run(["zstd", "-1", "-q", "-T0", str(image), "-o", str(packed)], check=True)
    disk = lab.target(image.stat().st_size + LONGER)
    text = restore(lab, packed, disk, "bmr.hostname=web7", "bmr.identity=new")
    check(re.search(r"identity: partition 3 \(ext4\), host name 'web7'", text),
          "the step was not said")
    break_if_red(disk)
    with Machine(lab.work, "restored", network=None, disks=[Disk(disk, serial="T1")]) as vm:
        vm.login(120, host="web7")
        check(said(vm, "hostname") == "web7", "the host name is another one")
        new_id = said(vm, "cat /etc/machine-id")
        check(re.fullmatch(r"[0-9a-f]{32}", new_id) and new_id != IMAGE_ID,
              f"the machine-id is '{new_id}'")
        check(said(vm, "cat /var/lib/cloud/seed/nocloud/meta-data") == "instance-id: i7",
              "the seed is not there")
        shell(vm, "test ! -e /etc/ssh/ssh_host_rsa_key")


@case("identity-lvm", limit=240)
def identity_lvm(lab):
    """The root file system is a logical volume in two pieces."""
    image = lab.debian("lvm-root")
    disk = lab.target(image.stat().st_size + LONGER)
    text = restore(lab, lab.packed(image, "zst"), disk, "bmr.hostname=web8")
    check(re.search(r"identity: volume '[^']*' \(ext4\), host name 'web8'", text),
          "the step was not said")
    break_if_red(disk)
    with Machine(lab.work, "restored", network=None, disks=[Disk(disk, serial="T1")]) as vm:
        vm.expect(r"web8 login: ", 120)
