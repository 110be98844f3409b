# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine with a BMC: switched on, watched and sent to its disk by IPMI.  Its firmware asks the
network first, as in a data centre: only the BMC's word for the next start ends that."""

import os

from bmc import Bmc
from cases_netboot import Netboot
from lab import Disk, MIB, Machine, break_if_red, case, check, check_equal, red

SIZE = 48 * MIB
STARTED = b"started from the disk\r\n"


def boot_sector():
    """A first sector that says STARTED on the first serial port and stops."""
    code = bytes.fromhex("31c0 8ed8"        # xor ax, ax; mov ds, ax
                         "be167c fc"        # mov si, 0x7c16: the text behind this; cld
                         "ac 84c0 7406"     # next: lodsb; test al, al; jz stop
                         "baf803 ee ebf5"   # mov dx, 0x3f8; out dx, al; jmp next
                         "f4 ebfd")         # stop: hlt; jmp stop
    return (code + STARTED).ljust(510, b"\0") + b"\x55\xaa"


class Rack(Netboot):
    """A boot server that knows this machine's order, and the machine's BMC."""

    def __init__(self, lab):
        super().__init__(lab)
        self.image = lab.work / "small.img"
        self.image.write_bytes(boot_sector() + os.urandom(SIZE - 512))
        lab.bmr_image(self.image, self.root / "small.img.zst")
        self.disk = lab.target(SIZE + 8 * MIB)
        self.bmc = Bmc(self.lan, lab.work / "bmc")
        self.starts = 0

    def start(self, nic):
        """What firmware does: the boot device of the BMC, else the network."""
        first = self.bmc.take_boot()
        nic.boot, disk_boot = (None, 0) if first == "default" else (0, None)
        self.starts += 1
        return first, Machine(self.lab.work, f"start{self.starts}", memory=1024, network=[nic],
                              disks=[Disk(self.disk, serial="T1", boot=disk_boot)],
                              extra=self.bmc.wires())

    def __exit__(self, *_):
        self.bmc.close()
        super().__exit__()


def power_on(rack):
    rack.bmc.ipmitool("chassis", "bootdev", "pxe")
    rack.bmc.ipmitool("chassis", "power", "on")
    rack.bmc.wait_power(True, 10)


@case("ipmi", limit=400)
def ipmi(lab):
    with Rack(lab) as rack:
        nic = rack.lan.tap(rom="ipxe")
        rack.order(nic, f"bmr.image=http://{rack.lan.host}/small.img.zst", "bmr.target=serial=T1",
                   "bmr.overwrite=any", "bmr.finish=reboot", "bmr.onfail=poweroff",
                   "bmr.bootnext=disk")
        power_on(rack)
        first_start(rack, nic)
        first, vm = rack.start(nic)
        check(first == "default", f"the BMC says '{first}' and not the disk")
        break_if_red(rack.disk)
        with vm:
            vm.expect(STARTED.decode(), 60)
        rack.bmc.ipmitool("chassis", "power", "off")
        rack.bmc.wait_power(False, 10)
        power_on(rack)
        second_start(rack, nic)


def first_start(rack, nic):
    """It restores, which is seen over the LAN, and tells the BMC."""
    first, vm = rack.start(nic)
    check(first == "pxe", f"the BMC says '{first}' and not the network")
    with vm, rack.bmc.sol(rack.lab.work / "sol.log") as sol:
        sol.expect(r"image: http\S+small.img.zst", 200)
        sol.expect(r"boot-entry: none needed: this machine was started by BIOS", 100)
        sol.expect(r"boot-next: the BMC starts the machine from its disk \(BIOS\)", 30)
        sol.expect(r"bmr: restored /dev/vda", 30)
        vm.wait_off(60)
    check_equal(rack.image, rack.disk)
    check(any("small.img.zst" in path for path in rack.requests("bmr")), "no image was fetched")


def second_start(rack, nic):
    """The image is in place: QEMU writes no byte of the disk's file."""
    before = rack.disk.stat().st_mtime_ns
    first, vm = rack.start(nic)
    check(first == "pxe", f"the BMC says '{first}' and not the network")
    with vm, rack.bmc.sol(rack.lab.work / "sol2.log") as sol:
        sol.expect("held the image already; nothing was written", 250)
        vm.wait_off(60)
    check(rack.disk.stat().st_mtime_ns == before and not red("content"), "bytes were written")
