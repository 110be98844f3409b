# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore by a person at the console: questions, a wrong answer, a right one."""

from cases_refuse import SMALL, small_image
from lab import Disk, RESTORED, case, check, check_equal, sha256_of
from qemu import HOST
from servers import Http

SERIAL = "SERIAL-0815"
DISK, CONFIRM = r"Disk to overwrite", r"last four characters of its serial"


def answer(vm, question, text, limit=90):
    vm.expect(question, limit)
    vm.send(f"{text}\n")


@case("manual-restore")
def manual_restore(lab):
    """Only the last four of the serial start it; everything else writes nothing."""
    image, disk = small_image(lab), lab.target(SMALL)
    before = sha256_of(disk)
    with Http(lab.folder(small_img=image)) as server:
        url = server.url("small.img", HOST)
        with lab.live("live", "bmr.action=menu bmr.finish=poweroff ip=dhcp",
                      disks=[Disk(disk, serial=SERIAL)]) as vm:
            answer(vm, r"Image:", "http://")
            vm.expect(r"no: ", 30)
            answer(vm, r"Image:", url)
            answer(vm, DISK, "vdz")
            vm.expect(r"no: there is no disk 'vdz'", 30)
            answer(vm, r"Image:", url)
            answer(vm, DISK, "vda")
            answer(vm, CONFIRM, "yes")
            vm.expect(r"Nothing was written", 30)
            check(sha256_of(disk) == before, "a wrong confirmation wrote to the disk")
            answer(vm, r"Image:", url)
            answer(vm, DISK, "/dev/vda")
            answer(vm, CONFIRM, SERIAL[-4:])
            vm.expect(RESTORED, 60)
            vm.wait_off(60)
    check_equal(image, disk)
