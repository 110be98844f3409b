#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a DHCP server, or a router, says is data: nothing of it is run, nor gets a line or an option of
its own in a file or a command.  udhcpc.script with hostile values in each variable, and random ones.

usage: 205-evil-lease.py [COUNT [SEED]]
"""

import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "initramfs/udhcpc.script"
COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 50
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)

V4 = ("ip", "mask", "subnet", "broadcast", "mtu", "router", "staticroutes", "dns", "domain", "search",
      "hostname", "lease", "serverid", "siaddr", "tftp", "boot_file")
V6 = ("new_dhcp6_name_servers", "new_dhcp6_domain_search", "new_dhcp6_ia_na1_ia_addr1",
      "nd1_rdnss1_servers", "nd3_dnssl3_search")
HOSTILE = ("$(touch CANARY)", "`touch CANARY`", "x; touch CANARY", "x\ntouch CANARY", "x & touch CANARY",
           "' ; touch CANARY; '", '" ; touch CANARY; "', "${IFS}touch${IFS}CANARY", "x|touch CANARY",
           "1.2.3.4\nnameserver 6.6.6.6", "a\nip=6.6.6.6", "a\r\nb", "*", "/etc/*", "../../../etc/passwd",
           "a" * 5000, "-4 " * 200, "\x1b[2J\x07", "\x7f\x80\xff", "99999999999999999999", "-1", "", " ")
GOOD = {"ip": "10.0.0.5", "mask": "24", "router": "10.0.0.1", "dns": "10.0.0.53", "mtu": "1500"}
PLAIN = re.compile(r"[A-Za-z0-9._:/ +-]*")
NAMED = re.compile(r"nameserver [A-Za-z0-9._:/-]+|search [A-Za-z0-9._:/ -]+")
LEASE = re.compile(r"(?:%s|error)=[A-Za-z0-9._:/ -]*" % "|".join(V4))


class Case:
    def __init__(self, folder):
        self.folder, self.canary = folder, folder / "canary"
        self.run, self.etc, self.calls = folder / "run", folder / "etc", folder / "calls"
        self.ip = folder / "ip"
        self.ip.write_text(f'#!/bin/sh\nfor a in "$@"; do printf "%s\\n" "$a"; done >>{self.calls}\n')
        self.ip.chmod(0o755)

    def lease(self, event, values):
        """One event with these variables; dies unless all that came of it is harmless."""
        for path in (self.run, self.etc):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir()
        (self.run / "servers").touch()
        self.calls.write_text("")
        values = {name: value.replace("CANARY", str(self.canary)).replace("\0", "")
                  for name, value in values.items()}
        env = {"PATH": os.environ["PATH"], "RUN": str(self.run), "ETC": str(self.etc),
               "IP": str(self.ip), "interface": "e0", **values}
        if event.isupper():
            env["reason"] = event
        done = subprocess.run(["busybox", "sh", SCRIPT, *([] if event.isupper() else [event])],
                              env=env, cwd=self.folder, capture_output=True, timeout=20, check=False)
        self.check(done, f"{event} {values}")

    def check(self, done, what):
        def bad(why):
            sys.exit(f"FAILED: {why}: {what}\n{done.stderr.decode(errors='replace')[-500:]}")
        if done.returncode not in (0, 1):
            bad(f"exit code {done.returncode}")
        if self.canary.exists():
            bad("a command of the lease was run")
        for pattern, files in ((NAMED, [self.etc / "resolv.conf"]), (LEASE, self.run.glob("lease*")),
                               (PLAIN, [self.calls])):
            for file in files:
                text = file.read_bytes().decode("latin-1") if file.exists() else ""
                for line in text.split("\n")[:-1]:
                    if not pattern.fullmatch(line):
                        bad(f"{file.name} has the line {line[:80]!r}")
                    if file == self.calls and line.startswith("-") and line != "-4":
                        bad(f"ip got the option {line[:80]!r}")
        if {item.name for item in self.folder.iterdir()} - {"run", "etc", "calls", "ip"}:
            bad("a file that nobody ordered")


def events(rng):
    for name in V4:
        for value in HOSTILE:
            yield "bound", {**GOOD, name: value}
    for name in V6:
        for value in HOSTILE:
            yield ("ROUTERADVERT" if name.startswith("nd") else "BOUND6"), {name: value}
    for _ in range(COUNT):
        yield "bound", {name: "".join(chr(rng.randrange(1, 256)) for _ in range(rng.randrange(40)))
                        for name in V4}


if not shutil.which("busybox"):
    print("skip: busybox is not installed", file=sys.stderr)
    sys.exit(77)
with tempfile.TemporaryDirectory(prefix="bmr-lease-") as scratch:
    case = Case(Path(scratch))
    total = 0
    for event, values in events(random.Random(SEED)):
        case.lease(event, values)
        total += 1
print(f"{total} leases, seed {SEED}: nothing run, no line that a server made")
