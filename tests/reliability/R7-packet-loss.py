#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R7: a network that loses packets: the agent and its server (HTTP, NFS, SMB in turn) are in network name
spaces of their own, with a cable between them on which the kernel's packet filter drops packets at random, of
those that come to the agent or of those that go from it.  A restore completes, and the disk is right.  Where all
packets are lost from some moment on (a black hole: no connection is reset), it ends with 69 in the time that
it has, says so, and the disk does not boot.

Which packets are lost is chance, and no seed brings the same ones again."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
import servers     # noqa: E402
from experiment import (BMR, MIB, SECTOR, Experiment, need, own_namespace, pack, skip,     # noqa: E402
                        wait_until)

SIZE = 16 * MIB
SERVER, AGENT = "10.89.0.1", "10.89.0.2"
MACHINE = "agent"               # name space of the agent; the servers are in ours
CABLE = "cable0"                # its end there; "cable1" is ours
IMAGES = {servers.Http: "bmr", servers.Nfs: "gz", servers.Smb: "bmr"}
LOSSES = (("to", 1), ("to", 5), ("from", 5))    # direction, seen from the agent; percent
TIMEOUT = 5                     # what the agent is given without a byte, in a black hole
RATE = MIB                      # so slow that it is not done before
SECONDS = 120                   # the clock of one restore


class Filter:
    """What the packet filter does to all packets that come in at one end of the cable."""

    def __init__(self, direction, percent):
        self.prefix = ["ip", "netns", "exec", MACHINE] if direction == "to" else []
        device = CABLE if direction == "to" else "cable1"
        self.nft(f"""table netdev loss {{
            counter seen {{ }}
            counter dropped {{ }}
            chain in {{
                type filter hook ingress device "{device}" priority 0;
                counter name seen
                meta protocol ip numgen random mod 100 < {percent} counter name dropped drop
            }}
        }}""")

    def nft(self, *order):
        return subprocess.run([*self.prefix, "nft", *order], text=True, check=True,
                              stdout=subprocess.PIPE).stdout

    def count(self, name):
        """Packets so far."""
        answer = json.loads(self.nft("--json", "list", "counter", "netdev", "loss", name))
        return next(part["counter"]["packets"] for part in answer["nftables"] if "counter" in part)

    def lose_all(self):
        self.nft("insert rule netdev loss in counter name dropped drop")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.nft("delete table netdev loss")


def ip(*arguments):
    subprocess.run(["ip", *map(str, arguments)], check=True)


def lay_cable():
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
    ip("link", "set", "lo", "up")
    ip("netns", "add", MACHINE)
    ip("link", "add", "cable1", "type", "veth", "peer", "name", CABLE, "netns", MACHINE)
    for options, device, address in (((), "cable1", SERVER), (("-n", MACHINE), CABLE, AGENT)):
        ip(*options, "address", "add", f"{address}/24", "dev", device)
        # Otherwise what is lost at once is up to 64 KiB.
        ip(*options, "link", "set", device, "up", "gso_max_segs", 1)
    # The one that every kernel has.
    Path("/proc/sys/net/ipv4/tcp_congestion_control").write_text("reno")
    try:
        with Filter("to", 0), Filter("from", 0):
            pass
    except subprocess.CalledProcessError:
        skip("this kernel cannot drop packets by chance (nf_tables, family netdev)")


class Restore:
    """One restore over the cable, at work."""

    def __init__(self, lossy, server, *options):
        self.lossy, self.name = lossy, server.scheme
        self.old = os.urandom(SIZE)
        self.disk, self.output = (lossy.x.folder / f"{what}-{self.name}" for what in ("disk", "output"))
        self.disk.write_bytes(self.old)
        if isinstance(server, servers.Smb):
            options = (*options, f"--credentials={lossy.login(server)}")
        self.began = time.monotonic()
        with open(self.output, "wb") as sink:
            self.run = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", MACHINE, BMR, "restore",
                 "--retries=1000", *options, server.url(f"image.{IMAGES[type(server)]}", SERVER),
                 self.disk], stdout=sink, stderr=sink)

    def writes(self):
        """The disk is not untouched any more."""
        with open(self.disk, "rb") as disk:
            return disk.read(SECTOR) != self.old[:SECTOR]

    def end(self, what, wanted, since=None):
        """Its end, with this exit code; what it said.  Seconds are told from `since` or its beginning on."""
        try:
            code = self.run.wait(max(1, SECONDS - (time.monotonic() - self.began)))
        except subprocess.TimeoutExpired:
            self.run.kill()
            code = self.run.wait()
        disk, text = self.disk.read_bytes(), self.output.read_text(errors="replace")
        print(f"{self.name}, {what}: exit code {code}, {time.monotonic() - (since or self.began):.1f} s",
              flush=True)
        if code != wanted:
            self.lossy.x.violation(f"{self.name}, {what}: exit code {code}: {text[-600:]}")
        if code == 0 and disk != self.lossy.content:
            self.lossy.x.violation(f"{self.name}, {what}: restored, it said, and the disk is wrong")
        if code != 0 and disk != self.old and any(disk[:SECTOR]):
            self.lossy.x.violation(f"{self.name}, {what}: LBA 0 is there and the rest is not")
        return text


class Lossy:
    def __init__(self, experiment):
        self.x = experiment
        self.root = experiment.folder / "served"
        self.root.mkdir()
        raw = experiment.folder / "raw"
        self.content = os.urandom(SIZE)
        raw.write_bytes(self.content)
        for kind in set(IMAGES.values()):
            pack(kind, raw, self.root / f"image.{kind}")

    def login(self, server):
        path = self.x.folder / "login"
        path.write_text(f"user={server.user}\npassword={server.password}\n")
        path.chmod(0o600)
        return path

    def lose_some(self, server, direction, percent):
        with Filter(direction, percent) as cable:
            restore = Restore(self, server)
            restore.end(f"{percent} % lost {direction} the agent", 0)
            seen, dropped = cable.count("seen"), cable.count("dropped")
        self.x.add(fired=dropped, packets=seen, packets_lost=dropped)

    def lose_all(self, running):
        """All servers at once, since most of it is waiting."""
        with Filter("to", 0) as cable:
            restores = [Restore(self, server, f"--timeout={TIMEOUT}", f"--rate={RATE}") for server in running]
            wait_until(lambda: all(restore.writes() for restore in restores), "all restores write")
            enough = cable.count("seen") + self.x.random.randrange(1000)
            wait_until(lambda: cable.count("seen") > enough, "the restores fetch")
            cable.lose_all()
            hole = time.monotonic()
            for restore in restores:
                text = restore.end("black hole", 69, hole)
                seconds = time.monotonic() - hole
                if "bmr: failed:" not in text or "does not answer" not in text:
                    self.x.violation(f"{restore.name}: no clear end: {text[-600:]}")
                if seconds > 3 * TIMEOUT:
                    self.x.violation(f"{restore.name}: {seconds:.0f} s to give up, of {TIMEOUT}")
                self.x.add(fired=cable.count("dropped"))


def main():
    servers.exit_on_sigterm()
    need("unshare", "setpriv", "ip", "nft", "nginx", "ganesha.nfsd", "smbd", "smbpasswd")
    if os.getuid() != 0:
        skip("not root")
    own_namespace("--net", "--mount")
    lay_cable()
    servers.HOST = SERVER
    x = Experiment(12)
    lossy = Lossy(x)
    running = [kind(lossy.root) for kind in IMAGES]
    for _ in range(max(1, x.count // (len(running) * (len(LOSSES) + 1)))):
        for server in running:
            for loss in LOSSES:
                lossy.lose_some(server, *loss)
        lossy.lose_all(running)
    x.end(enough=x.runs)


if __name__ == "__main__":
    main()
