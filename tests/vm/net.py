# SPDX-License-Identifier: GPL-3.0-or-later
"""net - a network for virtual machines: a name space with a bridge, machines' cables, and servers.

    with Lan() as lan:
        dhcp = lan.dnsmasq("dhcp-range=10.77.0.100,10.77.0.199", folder=work)
        web = lan.http(folder)                          # http://10.77.0.1/
        tap = lan.tap(rom="ipxe", boot=0)               # a qemu.Nic
        with Machine(work, "m", network=tap) as vm:
            ...
        lan.carries(tap, False)                         # its packets get lost, the link stays up
        vm.link(0, False)                               # the cable is pulled

The name space has no name: it ends with this process and the machines and servers in it, also
when they are killed.  Nothing of it touches the networks of this host.  It needs root and
/dev/net/tun, else Skip.
"""

import contextlib
import ctypes
import fcntl
import ipaddress
import os
import select
import signal
import struct
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import servers
from lab import Skip
from qemu import PATIENCE, Nic, VmError, die_with_parent

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454ca, 0x0002, 0x1000
HERE = "/proc/thread-self/ns/net"
START_SECONDS = 30


def _libc(name, *arguments):
    """Call a function of libc that sets errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _open_tap(name):
    """A new interface whose frames we read and write."""
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return tap


def _join_vlan(number, plain, tagged):
    """Carry frames between two taps, with the tag of the VLAN on one side; returns what ends it.
    For hosts whose kernel has no VLANs, as many a virtual one."""
    wake, stop = os.pipe()

    def carry():
        while True:
            ready, _, _ = select.select([plain, tagged, wake], [], [])
            if wake in ready:
                return
            for source in ready:
                _carry_frame(number, source, tagged if source == plain else plain,
                             add=source == plain)

    thread = threading.Thread(target=carry, daemon=True)
    thread.start()

    def end():
        os.close(stop)
        thread.join()
        for descriptor in (wake, plain, tagged):
            os.close(descriptor)
    return end


def _carry_frame(number, source, target, *, add):
    """One frame: 12 bytes of addresses, in a VLAN 0x8100 and the tag, then the rest."""
    with contextlib.suppress(OSError):          # a frame that does not fit or pass is lost
        frame = os.read(source, 65536)
        if add:
            os.write(target, frame[:12] + struct.pack("!HH", 0x8100, number) + frame[12:])
        elif frame[12:14] == b"\x81\0" and frame[14] % 16 * 256 + frame[15] == number:
            os.write(target, frame[:12] + frame[16:])


@dataclass
class Tap(Nic):
    """A card whose cable ends in a port of a Lan; made by Lan.tap()."""
    lan: object = None
    port: str = ""

    def backend(self, number):
        return f"tap,id=net{number},ifname={self.port},script=no,downscript=no"

    def inside(self):
        return self.lan.inside()


class Lan:
    """A bridge br0 with addresses of ours, IPv4 (address) and, if given, IPv6 (address6), each
    with its prefix length; everything that the guests of this network reach."""

    def __init__(self, address="10.77.0.1/24", address6=None):
        self.address = ipaddress.ip_interface(address)
        self.address6 = ipaddress.ip_interface(address6) if address6 else None
        if os.geteuid() != 0 or not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            raise Skip("a network of its own needs root and /dev/net/tun")
        self._taps = 0
        self._servers = contextlib.ExitStack()
        self._space = self._make()
        try:
            self._bridge()
        except BaseException:
            self.close()
            raise

    @property
    def host(self):
        """Our IPv4 address as text."""
        return str(self.address.ip)

    # --- the name space ---

    @staticmethod
    def _make():
        home = os.open(HERE, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _libc("unshare", CLONE_NEWNET)
            space = os.open(HERE, os.O_RDONLY | os.O_CLOEXEC)
            _libc("setns", home, CLONE_NEWNET)
        except OSError as error:
            raise Skip(f"no network name space: {error}") from None
        finally:
            os.close(home)
        return space

    @contextlib.contextmanager
    def inside(self):
        """What this thread opens and starts here is in the name space."""
        home = os.open(HERE, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _libc("setns", self._space, CLONE_NEWNET)
            try:
                yield self
            finally:
                _libc("setns", home, CLONE_NEWNET)
        finally:
            os.close(home)

    def run(self, *argv):
        """Run a command in the name space; returns its output."""
        with self.inside():
            done = subprocess.run([str(word) for word in argv], capture_output=True, text=True,
                                  check=False)
        if done.returncode != 0:
            raise VmError(f"{' '.join(map(str, argv))}: {done.stderr.strip()}")
        return done.stdout

    def _bridge(self):
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "link", "add", "br0", "type", "bridge", "stp_state", "0",
                 "forward_delay", "0")
        self._up("br0", self.address, self.address6)

    def _up(self, link, *addresses):
        for address in filter(None, addresses):
            self.run("ip", "address", "add", address, "dev", link,
                     *(["nodad"] if address.version == 6 else []))
        self.run("ip", "link", "set", link, "up")

    def vlan(self, number, address, address6=None):
        """Addresses of ours in the VLAN of that number (tagged, all over the bridge); the name of
        the interface, for `interface=` of dnsmasq, is returned."""
        link, port = f"vlan{number}", f"trunk{number}"
        with self.inside():
            ends = _open_tap(link), _open_tap(port)
        self.run("ip", "link", "set", port, "master", "br0", "up")
        self._up(link, ipaddress.ip_interface(address),
                 ipaddress.ip_interface(address6) if address6 else None)
        self._servers.callback(_join_vlan(number, *ends))
        return link

    # --- machines ---

    def tap(self, **options):
        """A card for a machine, options as of qemu.Nic; each has a MAC of its own."""
        self._taps += 1
        port = f"tap{self._taps}"
        self.run("ip", "tuntap", "add", "dev", port, "mode", "tap")
        self.run("ip", "link", "set", port, "master", "br0", "up")
        options.setdefault("mac", f"52:54:00:77:00:{self._taps:02x}")
        return Tap(lan=self, port=port, **options)

    def carries(self, tap, works):
        """Whether packets pass the port of a card.  The machine sees a link all the time."""
        self.run("ip", "link", "set", tap.port, *(["master", "br0"] if works else ["nomaster"]))

    def join(self, other):
        """A cable between the bridges of two: one network with servers at different machines."""
        with other.inside():
            there = subprocess.Popen(["sleep", "60"], preexec_fn=die_with_parent)
        try:
            self.run("ip", "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns",
                     there.pid)
        finally:
            there.kill()
            there.wait()
        for lan in (self, other):
            lan.run("ip", "link", "set", "wire", "master", "br0", "up")

    # --- servers ---

    def dnsmasq(self, *lines, folder, dns=False):
        """Start dnsmasq with these lines of configuration; it ends with the Lan."""
        return self._servers.enter_context(Dnsmasq(self, lines, Path(folder), dns))

    def http(self, root, **options):
        """Start nginx on port 80 of all addresses; options as of servers.Http."""
        return self._servers.enter_context(LanHttp(self, root, **options))

    # --- end ---

    def close(self):
        self._servers.close()
        os.close(self._space)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class LanHttp(servers.Http):
    """nginx on port 80 of a Lan.  url("x", lan.host) has another port; http://LAN.HOST/x is it."""

    def __init__(self, lan, root, **options):
        self.lan = lan
        super().__init__(root, **options)

    def listen_options(self):
        return "; listen 80; listen [::]:80 ipv6only=on"

    def start(self):
        with self.lan.inside():
            super().start()


class Dnsmasq:
    """DHCP, TFTP and, with dns, DNS.  It logs each packet of DHCP and each file by TFTP."""

    def __init__(self, lan, lines, folder, dns):
        self._lan = lan
        self._conf, self._log = folder / "dnsmasq.conf", folder / "dnsmasq.log"
        self._process = None
        own = ["keep-in-foreground", "user=root", "no-hosts", "no-resolv", "log-dhcp",
               f"log-facility={self._log}", f"dhcp-leasefile={folder / 'dnsmasq.leases'}",
               f"pid-file={folder / 'dnsmasq.pid'}"] + ([] if dns else ["port=0"])
        self._conf.write_text("\n".join([*own, *lines, ""]))
        self.start()

    def start(self):
        """Start, or start again; returns when it answers."""
        begin = len(self.log())
        with self._lan.inside(), open(self._log, "ab") as errors:
            self._process = subprocess.Popen(
                ["dnsmasq", f"--conf-file={self._conf}"], stdin=subprocess.DEVNULL,
                stdout=errors, stderr=errors, preexec_fn=die_with_parent)
        deadline = time.monotonic() + START_SECONDS
        while "started, version" not in self.log()[begin:]:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise VmError(f"dnsmasq did not start: {self.log()[begin:]}")
            time.sleep(0.05)

    def stop(self):
        """End it; leases stay."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process = None

    def log(self):
        """All that it logged so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def wait(self, text, timeout):
        """Wait until its log has the text, at most timeout seconds."""
        deadline = time.monotonic() + timeout * PATIENCE
        while text not in self.log():
            if time.monotonic() > deadline:
                raise VmError(f"dnsmasq did not log '{text}' within {timeout} s")
            time.sleep(0.1)

    def sent(self):
        """The names of the files that were sent by TFTP, in their order."""
        return [line.split("sent ", 1)[1].split(" to ")[0].rsplit("/", 1)[-1]
                for line in self.log().splitlines() if "dnsmasq-tftp" in line and "sent " in line]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
