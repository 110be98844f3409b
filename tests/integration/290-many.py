#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""290-many - 32 machines restore at once, each in a network name space of its own, from one nginx, one
ganesha and one smbd; and one process restores 100 times, after which it has no more descriptors,
threads or memory than after the first ones."""

import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
import servers                                      # noqa: E402
from transport_case import need                     # noqa: E402

MIB = 1 << 20
SIZE = 8 * MIB
MACHINES = 32
TIMES = 34                  # by each of three protocols
WARM = 8                    # runs until caches and the allocator are as full as they get
GROWTH = 2 * MIB
ADDRESS = "10.88.0.1"
SECONDS = 300               # for all of them, on a busy machine
BMR = os.environ["BMR"]
AGAIN = Path(os.environ["FIX"]) / "again"


def die(text):
    sys.exit(f"290-many: {text}")


def ip(*arguments):
    subprocess.run(["ip", *map(str, arguments)], check=True)


def in_own_network():
    """Start again where nothing of this host's networks and mounts is touched."""
    if os.environ.get("BMR_MANY"):
        return
    os.environ["BMR_MANY"] = "1"
    os.execvp("unshare", ["unshare", "--net", "--mount", sys.executable, *sys.argv])


def make_machines():
    """A bridge with the servers' address, and a cable from it to each machine."""
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
    ip("link", "set", "lo", "up")
    ip("link", "add", "br0", "type", "bridge")
    ip("address", "add", f"{ADDRESS}/16", "dev", "br0")
    ip("link", "set", "br0", "up")
    for i in range(MACHINES):
        name = f"m{i}"
        ip("netns", "add", name)
        ip("link", "add", name, "master", "br0", "type", "veth", "peer", "name", "eth0", "netns",
           name)
        ip("link", "set", name, "up")
        ip("-n", name, "address", "add", f"10.88.1.{i + 1}/16", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")


def credentials(server, work):
    if not isinstance(server, servers.Smb):
        return []
    path = work / "credentials"
    path.write_text(f"user={server.user}\npassword={server.password}\n")
    path.chmod(0o600)
    return [f"--credentials={path}"]


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def at_once(server, work, image, wanted):
    """All start together; all end well, and every disk is right."""
    disks = [work / f"disk{i}" for i in range(MACHINES)]
    logs = [work / f"log{i}" for i in range(MACHINES)]
    options = credentials(server, work)
    began = time.monotonic()
    children = [
        subprocess.Popen(["ip", "netns", "exec", f"m{i}", BMR, "restore", *options,
                          server.url(image, ADDRESS), disks[i]], stderr=open(logs[i], "w"))
        for i in range(MACHINES)]
    for i, child in enumerate(children):
        try:
            code = child.wait(max(1, began + SECONDS - time.monotonic()))
        except subprocess.TimeoutExpired:
            die(f"{server.scheme}: machine {i} still runs after {SECONDS} s: {logs[i].read_text()}")
        if code != 0:
            die(f"{server.scheme}: machine {i} ended with {code}: {logs[i].read_text()[-600:]}")
        if digest(disks[i]) != wanted:
            die(f"{server.scheme}: the disk of machine {i} is wrong")
        disks[i].unlink()
    print(f"{server.scheme}: {MACHINES} machines at once, {time.monotonic() - began:.1f} s")


def in_a_row(server, work, image, wanted):
    """Runs of one process: what each left open, and how much memory it had."""
    disk = work / "disk"
    done = subprocess.run([AGAIN, str(TIMES), *credentials(server, work), "--overwrite=any",
                           "--compare=none", server.url(image, ADDRESS), disk],
                          capture_output=True, text=True, timeout=SECONDS)
    runs = [list(map(int, line.split())) for line in done.stdout.splitlines()]
    if len(runs) != TIMES or any(run[0] != 0 for run in runs):
        die(f"{server.scheme}: in a row: {runs} {done.stderr[-600:]}")
    if digest(disk) != wanted:
        die(f"{server.scheme}: in a row: the disk is wrong")
    disk.unlink()
    first, last = runs[WARM], runs[-1]
    if last[1] > first[1] or last[2] > first[2]:
        die(f"{server.scheme}: descriptors or threads are left: {first} became {last}")
    if last[3] > first[3] + GROWTH:
        die(f"{server.scheme}: memory grew from {first[3]} to {last[3]} bytes: {runs}")
    print(f"{server.scheme}: {TIMES} in a row, {last[1]} descriptors, {last[3] / MIB:.1f} MiB, "
          f"{(last[3] - first[3]) / 1024:+.0f} KiB since run {WARM + 1}")


def make_images(root):
    raw = random.Random(5).randbytes(SIZE // 2) + bytes(SIZE // 4) + b"text " * (SIZE // 20)
    raw = raw[:SIZE // 512 * 512].ljust(SIZE, b"\0")
    (root / "raw").write_bytes(raw)
    subprocess.run([BMR, "capture", root / "raw", root / "bmr.zst"], check=True,
                   capture_output=True)
    subprocess.run(["gzip", "-1kn", root / "raw"], check=True)
    return hashlib.sha256(raw).hexdigest()


def check_addresses(server):
    """They really came from as many machines."""
    seen = {line.split()[0] for line in server.requests()} - {ADDRESS}
    if len(seen) != MACHINES:
        die(f"the access log has {len(seen)} addresses, not {MACHINES}")


def main():
    need("nginx", "ganesha.nfsd", "smbd", "smbpasswd", "ip", "unshare")
    in_own_network()
    make_machines()
    servers.HOST = ADDRESS
    with tempfile.TemporaryDirectory(prefix="bmr-many-") as folder:
        work = Path(folder)
        work.chmod(0o755)
        wanted = make_images(work)
        for kind, image in ((servers.Http, "raw.gz"), (servers.Nfs, "bmr.zst"),
                            (servers.Smb, "bmr.zst")):
            with kind(work) as server:
                at_once(server, work, image, wanted)
                in_a_row(server, work, image, wanted)
                if kind is servers.Http:
                    check_addresses(server)


main()
