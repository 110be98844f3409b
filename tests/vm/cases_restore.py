# SPDX-License-Identifier: GPL-3.0-or-later
"""From power-on to a login prompt: every protocol, firmware and layout.

Each case restores a whole Debian unattended, compares the disk with the image on the host, and
boots the restored disk up to its login prompt."""

from lab import (Disk, MIB, Machine, case, check, check_boots, check_equal, expect_done, order)
from qemu import HOST
from servers import Evil, Ftp, Http, Https, Nfs, Smb

LONGER = 8 * MIB            # the disk is longer than the image, as it nearly always is
IMAGE_DISK = "626d7200-0000-4000-8000-0000000000d1"


class Restore:
    """A Debian image, a folder that serves it as d.img.gz, and a used target disk T1."""

    def __init__(self, lab, layout="gpt-ext4", suffix="gz"):
        self.lab = lab
        self.image = lab.debian(layout)
        self.packed = lab.packed(self.image, suffix)
        self.name = f"d.img.{suffix}"
        self.disk = lab.target(self.image.stat().st_size + LONGER)

    def serve(self, kind, **options):
        return kind(self.lab.folder(**{self.name: self.packed}), **options)

    def url(self, server):
        return server.url(self.name, HOST)

    def target(self, bus="virtio"):
        return Disk(self.disk, bus=bus, serial="T1")

    def run_live(self, cmdline, *, bus="virtio", disks=(), **options):
        """Restore by the live system started directly, and compare."""
        with self.lab.live("live", cmdline, disks=[self.target(bus), *disks], **options) as vm:
            expect_done(vm)
        check_equal(self.image, self.disk)

    def run_iso(self, iso, firmware, *, stick=False):
        """Restore by the medium, as a CD or a USB stick, and compare."""
        disks = [self.target()]
        if stick:
            disks.append(Disk(iso, bus="usb", serial="STICK", readonly=True, boot=1))
        with Machine(self.lab.work, f"iso-{firmware}", firmware=firmware, memory=1024,
                     cdrom=None if stick else iso, disks=disks) as vm:
            expect_done(vm, 240)
            if firmware == "secureboot":
                check("UEFI, Secure Boot on" in vm.text(), "Secure Boot was not on")
        check_equal(self.image, self.disk)


CONSOLE = "console=ttyS0"


@case("restore-http-uefi-cd", limit=400)
def http_uefi(lab):
    restore = Restore(lab)
    with restore.serve(Http) as server:
        restore.run_iso(lab.iso(order(restore.url(server), CONSOLE)), "uefi")
    check_boots(lab, restore.disk, "uefi")


@case("restore-smb-secureboot-cd", limit=450)
def smb_secureboot(lab):
    restore = Restore(lab)
    with restore.serve(Smb) as server:
        login = (f"bmr.user={server.user}", f"bmr.password={server.password}")
        restore.run_iso(lab.iso(order(restore.url(server), CONSOLE, *login)), "secureboot")
    check_boots(lab, restore.disk, "secureboot")


@case("restore-cdrom-bios-cd", limit=400)
def cdrom_bios(lab):
    restore = Restore(lab)
    iso = lab.iso(order("cdrom:/images/d.img.gz", CONSOLE), **{"d_img_gz": restore.packed})
    restore.run_iso(iso, "bios")
    check_boots(lab, restore.disk)


@case("restore-nfs3-bios-stick", limit=400)
def nfs3_bios_stick(lab):
    restore = Restore(lab)
    with restore.serve(Nfs, version=3) as server:
        restore.run_iso(lab.iso(order(nfs_url(restore, server), CONSOLE)), "bios", stick=True)
    check_boots(lab, restore.disk)


@case("restore-nfs4")
def nfs4(lab):
    restore = Restore(lab)
    with restore.serve(Nfs, version=4) as server:
        restore.run_live(order(nfs_url(restore, server)))
    check_boots(lab, restore.disk)


def nfs_url(restore, server):
    """As a person would write it in a boot menu: "&" is harmless there, but quoted in shells."""
    return restore.url(server)


@case("restore-https-nvme")
def https(lab):
    restore = Restore(lab)
    with restore.serve(Https) as server:
        initrd, trust = lab.cafile(server)
        restore.run_live(order(restore.url(server), trust), initrd=initrd, bus="nvme")
    check_boots(lab, restore.disk)


@case("restore-ftp-ahci")
def ftp(lab):
    """And a word that the kernel gives to init as a variable, which a script might take for its
    own."""
    restore = Restore(lab)
    with restore.serve(Ftp) as server:
        restore.run_live(order(restore.url(server)) + " IP=10.0.0.5", bus="ahci")
    check_boots(lab, restore.disk)


@case("restore-local-disk")
def local_disk(lab):
    restore = Restore(lab)
    source = lab.ext4("source", 512 * MIB, IMAGE_DISK, {"images/d.img.gz": restore.packed})
    restore.run_live(order(f"disk:UUID={IMAGE_DISK}/images/d.img.gz"), network=None,
                     disks=[Disk(source, serial="IMAGES")])
    check_boots(lab, restore.disk)


@case("restore-lvm-root", limit=300)
def lvm_root(lab):
    restore = Restore(lab, "lvm-root", "zst")
    with restore.serve(Http) as server:
        restore.run_live(order(restore.url(server)))
    check_boots(lab, restore.disk, "bios")
    check_boots(lab, restore.disk, "uefi")


@case("restore-server-killed")
def server_killed(lab):
    """The restore goes on where it stopped, on the same disk."""
    restore = Restore(lab)
    with restore.serve(Http, rate="20m") as server:
        with lab.live("live", order(restore.url(server)), disks=[restore.target()]) as vm:
            wait_for_progress(vm, 10)
            server.kill9()
            vm.expect(r"(?i)retry|connect|refused|again", 60)
            server.start()
            expect_done(vm)
        check(any(" 206 " in line for line in server.requests()), "nothing was resumed")
    check_equal(restore.image, restore.disk)


@case("restore-connection-cut")
def connection_cut(lab):
    restore = Restore(lab)
    with restore.serve(Evil) as server:
        url = server.url(f"trunc/20000000/{restore.name}?times=3", HOST)
        restore.run_live(order(url))
        check(server.fired("trunc") == 3, "the connection was not cut three times")


def wait_for_progress(vm, percent):
    """Until the agent shows at least so many percent."""
    from lab import PERCENT
    while int(vm.expect(PERCENT, 60).group("percent")) < percent:
        pass
