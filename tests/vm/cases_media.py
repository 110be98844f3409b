# SPDX-License-Identifier: GPL-3.0-or-later
"""A medium that bmr-media has changed, started by a firmware that checks signatures."""

import subprocess

from lab import TOP, Disk, Machine, case, check, check_equal, expect_done, order


def media(*arguments):
    subprocess.run([str(TOP / "iso/bmr-media"), *map(str, arguments)], check=True,
                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@case("media-secureboot", limit=450)
def media_secureboot(lab):
    """Parameters, credentials and the image are put into a medium that had none of them; it starts
    from a stick under Secure Boot, and the image on it is restored."""
    image = lab.debian()
    iso, login = lab.iso(""), lab.work / "login"
    login.write_text("user=web\npassword=not-to-be-shown\n")
    media("add", iso, f"{lab.packed(image, 'zst')}=/images/d.img.zst")
    media("credentials", iso, login)
    media("append", iso, *order("cdrom:/images/d.img.zst", "console=ttyS0").split())
    disk = lab.target(image.stat().st_size)
    with Machine(lab.work, "media", firmware="secureboot", memory=1024, network=None, disks=[
            Disk(disk, serial="T1"),
            Disk(iso, bus="usb", serial="STICK", readonly=True, boot=1)]) as vm:
        expect_done(vm, 300)
        check("UEFI, Secure Boot on" in vm.text(), "Secure Boot was not on")
        check("not-to-be-shown" not in vm.text(), "the password was shown")
    check_equal(image, disk)
