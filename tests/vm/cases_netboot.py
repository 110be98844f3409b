# SPDX-License-Identifier: GPL-3.0-or-later
"""From the network: each way that firmware has, to a restored Debian at its login prompt.

The directory and the configuration of dnsmasq are those that `make netboot` gives to people; each
machine finds its order by its MAC.  The logs of the servers and bootpath= in the kernel's command
line, both, prove the way: a machine that booted, but by another one, has fooled us before."""

import subprocess

from lab import (BUILD, MIB, TOP, Disk, Machine, case, check, check_boots, expect_done, outcome)
from net import Lan

LONGER = 8 * MIB            # the disk is longer than the image, as it nearly always is
QUIET_FIRMWARE = ["IPv4PXESupport", "IPv6PXESupport"]       # of OVMF, switched off for HTTP boot


class Netboot:
    """A boot server on a Lan, a Debian image there, and a machine with a used disk T1."""

    def __init__(self, lab, *, as_pxe=False, example="dnsmasq.conf"):
        self.lab, self.lan = lab, Lan()
        self.root = lab.work / "served"
        subprocess.run([TOP / "iso/netboot", "--boot", BUILD / "boot", "--out", self.root,
                        "--server", self.lan.host], check=True, stdout=subprocess.PIPE)
        image = lab.debian()
        lab.folder(d_img_zst=lab.packed(image, "zst"))
        self.disk = lab.target(image.stat().st_size + LONGER)
        self.web = self.lan.http(self.root)
        self.dhcp = self.lan.dnsmasq(*self.configuration(example, as_pxe), folder=lab.work)

    def configuration(self, example, as_pxe):
        """The example's lines for this place.  as_pxe: do not see that a ROM is iPXE, as QEMU's
        are: it then does what PXE of a real card does."""
        own = {"interface=eth0": "interface=br0", "tftp-root=/srv/bmr": f"tftp-root={self.root}",
               "port=0": "", "log-dhcp": ""}        # the last two: Lan has them
        for line in (self.root / example).read_text().splitlines():
            if not (as_pxe and "set:ipxe" in line):
                yield own.get(line, line)

    def order(self, nic, *words):
        """Write the order of a machine, for all boot loaders."""
        subprocess.run([self.root / "netboot-order", self.root, nic.mac, " ".join(words)],
                       check=True)

    def restore(self, finish="poweroff"):
        """The words of an order.  No ip=: BOOTIF says which card.  The kernel says its line."""
        return (f"bmr.image=http://{self.lan.host}/d.img.zst", "bmr.target=serial=T1",
                "bmr.overwrite=any", f"bmr.finish={finish}", "bmr.onfail=poweroff", "loglevel=7")

    def machine(self, name, nics, **options):
        return Machine(self.lab.work, name, memory=1024, network=nics,
                       disks=[Disk(self.disk, serial="T1")], **options)

    def requests(self, agent):
        """The paths that a client got by HTTP, in their order."""
        return [line.split('"')[1].split()[1] for line in self.web.requests()
                if agent in line.split('"')[5] and line.split('"')[2].split()[0] in ("200", "206")]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lan.close()


def check_path(vm, name, nic):
    """What the kernel was told: the boot loader that we meant, and the card.  It says so twice, and the
    serial port of a busy machine may lose a letter of one."""
    def is_meant(line):
        bootif = line.partition("BOOTIF=")[2].split(" ")[0].lower().replace(":", "-")
        return f"bootpath={name} " in f"{line} " and bootif.endswith(dashes(nic))

    lines = [vm.expect(r"ommand line: ([^\r\n]*)\r?\n", limit).group(1) for limit in (180, 60)]
    check(any(map(is_meant, lines)), f"another way was taken, or another card: {lines}")


def dashes(nic):
    return nic.mac.replace(":", "-")


@case("netboot-bios-pxe", limit=300)
def bios_pxe(lab):
    """Also: the card that booted is not the first; and with the order "local" the machine that
    starts from the network again goes on to its disk."""
    with Netboot(lab, as_pxe=True) as net:
        dead, nic = net.lan.tap(), net.lan.tap(rom="ipxe", boot=0)
        net.lan.carries(dead, False)
        net.order(nic, *net.restore("reboot"))
        with net.machine("bios", [dead, nic], reboots=True) as vm:
            check_path(vm, "pxelinux", nic)
            word, code, line = outcome(vm, 150)
            check(word == "done", f"it failed with {code}: {line}")
            net.order(nic, "local")
            vm.expect(r"bmr-restored login: ", 120)
        sent, got = net.dhcp.sent(), net.requests("Syslinux")
        check(sent == ["lpxelinux.0"] * 2, f"by TFTP: {sent}")
        mine = f"/pxelinux.cfg/01-{dashes(nic)}"
        check([path for path in got if path != "/ldlinux.c32"] ==
              [mine, "/vmlinuz", "/initrd.img", mine], f"by HTTP: {got}")


def uefi_pxe(net, firmware):
    """By the firmware's own PXE: shim, GRUB, and all the rest by TFTP."""
    nic = net.lan.tap(boot=0)
    net.order(nic, *net.restore())
    with net.machine("live", nic, firmware=firmware) as vm:
        check_path(vm, "grub", nic)
        expect_done(vm)
        if firmware == "secureboot":
            check("UEFI, Secure Boot on" in vm.text(), "Secure Boot was not on")
    sent, mine = net.dhcp.sent(), f"grub.cfg-01-{dashes(nic)}"
    check([name for name in sent if name in ("shimx64.efi", "grubx64.efi", "grub.cfg",
                                             "vmlinuz", "initrd.img")][-5:] ==
          ["shimx64.efi", "grubx64.efi", "grub.cfg", "vmlinuz", "initrd.img"] and mine in sent,
          f"by TFTP: {sent}")
    check(set(net.requests("")) == {"/d.img.zst"}, f"by HTTP: {net.requests('')}")
    check_boots(net.lab, net.disk, firmware)


@case("netboot-uefi-pxe", limit=300)
def uefi_plain(lab):
    with Netboot(lab) as net:
        uefi_pxe(net, "uefi")


@case("netboot-uefi-pxe-secureboot", limit=400)
def uefi_secureboot(lab):
    with Netboot(lab) as net:
        uefi_pxe(net, "secureboot")


@case("netboot-ipxe", limit=350)
def ipxe(lab):
    """Another DHCP server gives the addresses and knows nothing of booting; the firmware's PXE
    fetches iPXE, which fetches the rest."""
    with Netboot(lab, example="dnsmasq-proxy.conf") as net, Lan("10.77.0.2/24") as other:
        net.lan.join(other)
        (lab.work / "other").mkdir()
        leases = other.dnsmasq("dhcp-range=10.77.0.100,10.77.0.199,1h", folder=lab.work / "other")
        nic = net.lan.tap(boot=0)
        net.order(nic, *net.restore())
        with net.machine("live", nic, firmware="uefi") as vm:
            check_path(vm, "ipxe", nic)
            expect_done(vm)
        check("DHCPACK" in leases.log(), "the addresses are not from the other server")
        got = net.requests("iPXE")
        check(got == ["/boot.ipxe", f"/ipxe/01-{dashes(nic)}.ipxe", "/vmlinuz", "/initrd.img"],
              f"by HTTP: {got}")
        check(set(net.dhcp.sent()) == {"snponly.efi"}, f"by TFTP: {net.dhcp.sent()}")
    check_boots(lab, net.disk, "uefi")


@case("netboot-uefi-http-secureboot", limit=450)
def uefi_http(lab):
    """The whole medium is a disk in memory.  Its line is the same for all machines, and names a
    file for each."""
    with Netboot(lab) as net:
        nic = net.lan.tap(boot=0)
        net.order(nic, *net.restore())
        config = f"bmr.config=http://{net.lan.host}/orders/${{mac}}"
        subprocess.run([TOP / "iso/build", "--boot", BUILD / "boot", "--out",
                        net.root / "bmr.iso", "--timeout", "1", "--cmdline",
                        f"{config} bootpath=iso loglevel=7 console=ttyS0"], check=True,
                       stdout=subprocess.PIPE)
        quiet = [word for name in QUIET_FIRMWARE
                 for word in ("-fw_cfg", f"name=opt/org.tianocore/{name},string=n")]
        with net.machine("live", nic, firmware="secureboot", extra=quiet) as vm:
            vm.expect(r"Command line: [^\r\n]*bootpath=iso ", 240)
            expect_done(vm)
            check("UEFI, Secure Boot on" in vm.text(), "Secure Boot was not on")
        got = net.requests("")
        check(set(net.requests("UefiHttpBoot")) == {"/bmr.iso"}, f"by HTTP: {got}")
        check(set(got) == {"/bmr.iso", f"/orders/{dashes(nic)}", "/d.img.zst"}, f"by HTTP: {got}")
        check(not net.dhcp.sent(), f"by TFTP: {net.dhcp.sent()}")
    check_boots(lab, net.disk, "uefi")
