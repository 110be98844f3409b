# SPDX-License-Identifier: GPL-3.0-or-later
"""UEFI: the medium as a USB stick, and the firmware's boot entry of the restored disk."""

import re
import struct
import subprocess

from lab import (Disk, Machine, break_if_red, case, check, check_equal, expect_done, order, red,
                 sha256_of)
from qemu import HOST
from servers import Http

LOADER = r"\EFI\debian\shimx64.efi"


def variables(store):
    """The variables in OVMF's store: name -> bytes.  Each has a header (EDK II, VariableFormat.h:
    0x55aa, state, attributes, count, time, key, sizes of name and data, GUID); state 0x3f is one
    that is neither deleted nor replaced."""
    data, found, at = store.read_bytes(), {}, 0
    while (at := data.find(b"\xaa\x55", at)) >= 0:
        state, name_size, size = struct.unpack_from("<B33xII", data, at + 2)
        name = data[at + 60:at + 60 + name_size]
        if state == 0x3f and name_size % 2 == 0 and name.endswith(b"\0\0"):
            start = at + 60 + name_size
            found[name[:-2].decode("utf-16-le", "replace")] = data[start:start + size]
        at += 2
    return found


def check_store(store, number):
    """What the firmware will know the next time: the entry, first in the order, and BootNext."""
    found = variables(store)
    entry = found.get(f"Boot{number}", b"")
    check("debian".encode("utf-16-le") in entry and LOADER.encode("utf-16-le") in entry,
          f"Boot{number} is {entry}")
    wanted = struct.pack("<H", int(number, 16))
    check(found["BootOrder"][:2] == wanted, f"the order is {found['BootOrder'].hex()}")
    check(found.get("BootNext") == wanted, f"BootNext is {found.get('BootNext')}")


def esp_start(disk):
    """Where the EFI system partition of a disk lies, in bytes."""
    table = subprocess.run(["sfdisk", "-d", str(disk)], check=True, capture_output=True,
                           text=True).stdout
    found = re.search(r"start=\s*(\d+).*C12A7328-", table)
    check(found, f"no EFI system partition in: {table}")
    return int(found[1]) * 512


def only_by_entry(lab, disk):
    """Take the fallback EFI/BOOT away, and let GRUB in EFI/debian say that it was started."""
    esp, config = f"{disk}@@{esp_start(disk)}", lab.work / "grub.cfg"
    config.write_text("echo started by the entry\nsleep 600\n")
    subprocess.run(["mdeltree", "-i", esp, "::EFI/BOOT"], check=True)
    subprocess.run(["mcopy", "-o", "-i", esp, str(config), "::EFI/debian/grub.cfg"], check=True)


@case("uefi-stick-boot-entry", limit=450)
def stick_boot_entry(lab):
    """The stick restores the disk and stays as it is; the entry that was made starts the disk, from
    the firmware's own store.  (That the disk then comes to its login prompt: cases_restore.)"""
    image = lab.debian()
    disk = lab.target(image.stat().st_size)
    store = lab.work / "machine.vars"
    with Http(lab.folder(d_img_gz=lab.packed(image, "gz"))) as server:
        iso = lab.iso(order(server.url("d.img.gz", HOST), "console=ttyS0", "bmr.bootentry=yes",
                            "bmr.bootnext=efi"))
        before = sha256_of(iso)
        with Machine(lab.work, "machine", firmware="uefi", memory=1024, disks=[
                Disk(disk, serial="T1"), Disk(iso, bus="usb", serial="STICK", boot=1)]) as vm:
            number = vm.expect(r"boot-entry: Boot([0-9A-F]{4}) 'debian' made: "
                               rf"{re.escape(LOADER)} on /dev/vda2; first", 300).group(1)
            vm.expect(rf"boot-next: BootNext is Boot{number}", 30)
            expect_done(vm)
    check(sha256_of(iso) == before, "the stick was written")
    check_equal(image, disk)
    check_store(store, number)
    only_by_entry(lab, disk)
    break_if_red(disk)
    with Machine(lab.work, "machine", firmware="uefi", network=None,
                 disks=[Disk(disk, serial="T1")]) as vm:
        vm.expect("started by the entry", 120)
    check("BootNext" not in variables(store) and not red("outcome"), "BootNext is still there")
