# SPDX-License-Identifier: GPL-3.0-or-later
"""A person at the serial console: from the main menu to a machine that boots; one who only looks.

The screen is read as a terminal of 80x24 shows it."""

import subprocess
import time

from lab import Disk, case, check, check_boots, check_equal, sha256_of
from menu import ENTER, ESC, Person
from qemu import PATIENCE
from servers import Nfs
from terminal import Screen

MIB = 1 << 20
SERIAL = "SERIAL-0815"


class Console(Person):
    """The serial console of a machine."""

    def __init__(self, vm):
        self.vm, self.screen, self.seen = vm, Screen(80, 24), 0

    def read(self, seconds):
        text = self.vm.text()
        new, self.seen = text[self.seen:], len(text)
        self.screen.feed(new.encode())
        if not new:
            time.sleep(seconds)
        return bool(new)

    def type(self, text):
        self.vm.send(text)

    def see(self, *words, seconds=60):
        return super().see(*words, seconds=seconds * PATIENCE)


def sit_down(vm):
    vm.expect("Press Enter here for the menu", 90)
    person = Console(vm)
    person.keys(ENTER)
    return person


def switch_off(person):
    person.choose("Leave", "Main menu")
    person.choose("Power off", "What is to happen?")
    person.vm.wait_off(60)


@case("menu-restore", limit=500)
def menu_restore(lab):
    """The image is found by looking through an NFS server; a wrong word writes nothing."""
    raw = lab.debian()
    image = lab.bmr_image(raw, lab.work / "d.img.zst")
    disk = lab.target(raw.stat().st_size + 8 * MIB)
    subprocess.run(["sfdisk", "-q", str(disk)], input="label: gpt\n,100M,L\n", text=True, check=True)
    before = sha256_of(disk)
    with Nfs(lab.folder(debian_img_zst=image), version=4) as server:
        with lab.live("live", "bmr.action=menu ip=dhcp", disks=[Disk(disk, serial=SERIAL)]) as vm:
            person = sit_down(vm)
            person.choose("Restore", "Main menu")
            person.choose("NFS server", "Where is the image?")
            person.see("Name or address of the server")
            person.keys(f"10.0.2.2:{server.port}", ENTER)
            person.choose("data", "Choose an image")
            person.choose("debian.img.zst", "bmr image")
            person.see("This image?", "bmr image")
            person.keys(ENTER)
            person.choose(SERIAL, "Restore onto which disk?")
            person.see("Overwrite this disk?", SERIAL, "partition 1",
                       "EVERYTHING ON IT WILL BE LOST", f"bmr.target=serial={SERIAL}", "last four")
            for wrong in ("yes", "", SERIAL):
                person.keys(wrong, ENTER)
                person.see("Nothing was written")
                person.keys(ENTER)
                person.see("Overwrite this disk?")
            check(sha256_of(disk) == before, "a wrong confirmation wrote to the disk")
            person.keys(SERIAL[-4:].lower(), ENTER)
            person.see("bmr: restored /dev/vda", "read back and right", "sha256", "Press Enter",
                       seconds=200)
            person.keys(ENTER)
            person.see("The same without questions", "bmr.action=restore", "bmr.image=nfs://",
                       f"bmr.overwrite={SERIAL}",
                       "ip=dhcp")
            person.keys(ENTER)
            switch_off(person)
    check_equal(raw, disk)
    check_boots(lab, disk)


@case("menu-no-order", limit=240)
def menu_no_order(lab):
    """Nothing is ordered, so it asks; who goes back by Esc and leaves has written nothing."""
    disk = lab.target(16 * MIB)
    before = sha256_of(disk)
    with lab.live("live", "", network=None, disks=[Disk(disk, serial=SERIAL)]) as vm:
        person = sit_down(vm)
        person.choose("Disks", "Main menu")
        person.see("candidate", SERIAL)
        person.keys(ESC)
        person.choose("Restore", "Main menu")
        person.see("Where is the image?")
        person.keys(ESC)
        switch_off(person)
    check(sha256_of(disk) == before, "a look at the menu wrote to the disk")
