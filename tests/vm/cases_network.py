# SPDX-License-Identifier: GPL-3.0-or-later
"""The network of the live system: cards without a cable, without an answer or with a late one,
fixed addresses, IPv6 alone, VLANs, bonds; real packets in a name space.

Each case verifies a little image over HTTP: that proves the network, and no disk is needed.  What
needs no kernel of ours (routes, name servers, leases that end) is in tests/integration/200."""

import contextlib
import os
import threading

from lab import EXIT_SOURCE, HELD, MIB, case, check, expect_failed, sha256_of
from net import Lan

DHCP = ("interface=br0", "bind-interfaces", "no-ping", "dhcp-range=10.77.0.100,10.77.0.199,1h",
        "dhcp-option=3", "dhcp-option=6")
LATE_SECONDS = 20


@contextlib.contextmanager
def network(lab, **options):
    """A Lan whose web server has the image small.img; the server's log is lan.web's."""
    image = lab.work / "small.img"
    image.write_bytes(os.urandom(2 * MIB))
    with Lan(**options) as lan:
        lan.web = lan.http(lab.folder(small_img=image))
        yield lan


def live(lab, nics, *words, host="10.77.0.1", finish="poweroff"):
    """The live system, told to verify the image."""
    cmdline = (f"bmr.action=verify bmr.image=http://{host}/small.img bmr.finish=poweroff "
               f"bmr.onfail={finish} {' '.join(words)}")
    return lab.live("live", cmdline, network=nics)


def expect_verified(lab, vm, limit=90):
    """It verified the image, by its digest, and the machine goes off."""
    vm.expect(r"bmr: verified: ", limit)
    digest = vm.expect(r"bmr: sha256 ([0-9a-f]{64})\s", 20).group(1)
    check(digest == sha256_of(lab.work / "small.img"), "it is another image")
    vm.wait_off(60)


def bootif(nic):
    return "BOOTIF=01-" + nic.mac.replace(":", "-")


@case("net-two-nics-one-dead")
def one_dead(lab):
    """The first card has no cable, the second a link and no server, the third a server that comes
    late."""
    with network(lab) as lan:
        unplugged, silent, good = lan.tap(link=False), lan.tap(), lan.tap()
        lan.carries(silent, False)
        dhcp = lan.dnsmasq(*DHCP, folder=lab.work)
        dhcp.stop()
        with live(lab, [unplugged, silent, good]) as vm:
            vm.expect(r"bmr [^\r\n]*firmware", 60)
            late = threading.Timer(LATE_SECONDS, dhcp.start)
            late.start()
            try:
                vm.expect(f"{good.mac}\\): DHCP 10.77.0.1", LATE_SECONDS + 40)
                check(not late.is_alive(), "it had an address before there was a server")
                expect_verified(lab, vm)
            finally:
                late.cancel()
                late.join()
            for nic, why in ((unplugged, "no carrier"), (silent, "a link, but slower")):
                check(f"{nic.mac}): not needed: {why}" in vm.text(), f"not said: {why}")


@case("net-bootif-static")
def boot_interface(lab):
    """The card that booted is used, and no other: with a fixed address."""
    with network(lab) as lan:
        other, booted = lan.tap(), lan.tap()
        lan.carries(other, False)
        with live(lab, [other, booted], "ip=10.77.0.9:::24:::none", bootif(booted)) as vm:
            vm.expect(f"{booted.mac}\\): static 10.77.0.9/24", 60)
            expect_verified(lab, vm)
        check(other.mac not in vm.text(), "it used the other card, too")


@case("net-vlan-on-bond")
def vlan_on_bond(lab):
    """A VLAN on a bond of two cards, the first of which has no cable: only tagged packets go."""
    with network(lab, address="10.99.0.1/24") as lan:
        link = lan.vlan(5, "10.77.0.1/24")
        lan.dnsmasq(*[line.replace("br0", link) for line in DHCP], folder=lab.work)
        with live(lab, [lan.tap(link=False), lan.tap()], "bond=bond0:eth0,eth1:mode=active-backup",
                  "vlan=bond0.5:bond0", "ip=bond0.5:dhcp") as vm:
            vm.expect(r"bond0\.5 \([^)]*\): DHCP 10\.77\.0\.1", 90)
            expect_verified(lab, vm)


@case("net-ipv6-only")
def ipv6_only(lab):
    """Router advertisements bring address and name server; the image's server has a name."""
    with network(lab, address6="fd00:77::1/64") as lan:
        lan.dnsmasq("interface=br0", "enable-ra", "dhcp-range=fd00:77::,ra-only,64",
                    "dhcp-option=option6:dns-server,[fd00:77::1]",
                    "address=/images.test/fd00:77::1", dns=True, folder=lab.work)
        with live(lab, [lan.tap()], "ip=auto6", host="images.test") as vm:
            vm.expect(r"auto6 fd00:77:", 90)
            expect_verified(lab, vm)


@case("net-dhcpv6-literal")
def dhcpv6(lab):
    """DHCPv6, and the image's server by its address."""
    with network(lab, address6="fd00:77::1/64") as lan:
        lan.dnsmasq("interface=br0", "enable-ra", "dhcp-range=fd00:77::100,fd00:77::1ff,64,1h",
                    folder=lab.work)
        with live(lab, [lan.tap()], "ip=dhcp6", host="[fd00:77::1]") as vm:
            vm.expect(r"dhcp6 fd00:77::1", 90)
            expect_verified(lab, vm)


@case("net-no-dhcp")
def no_dhcp(lab):
    """What happened on each card, tried again, an exit code, and held: the power stays on."""
    with network(lab) as lan:
        nics = [lan.tap(link=False), lan.tap()]
        with live(lab, nics, "rd.net.timeout.dhcp=5", "rd.net.timeout.carrier=5",
                  "rd.net.dhcp.retry=2", finish="hold") as vm:
            vm.expect(r"try 1 of 2 failed; the next one in 5 s", 90)
            expect_failed(vm, EXIT_SOURCE, "eth0: no carrier in 5 s; eth1: no DHCP answer in 5 s; "
                          "while trying 2 times")
            vm.expect(r"restart the machine to try again|" + HELD, 20)
            vm.screenshot(lab.work / "held.png")
