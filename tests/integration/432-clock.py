#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""432-clock - a certificate that the clock does not agree with: the message names the clock and what it
says, the exit code is 69, and nothing was written.  The step of the live system that moves a clock
forward to the medium's build, on a fake clock."""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/fixtures"))
from servers import Https           # noqa: E402
from transport_case import need     # noqa: E402

BMR = os.environ["BMR"]


class Wrong(Https):
    """Its certificate is valid from `begin` to `end` (YYYYMMDDHHMMSSZ)."""

    def __init__(self, root, begin, end):
        self.dates = ["-startdate", begin, "-enddate", end]
        super().__init__(root)

    def configure(self):
        super().configure()
        (self.scratch / "index").touch()
        (self.scratch / "ca.cnf").write_text(f"""\
[ca]
default_ca = x
[x]
database = {self.scratch}/index
new_certs_dir = {self.scratch}
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = IP:127.0.0.1
[req]
distinguished_name = empty
[empty]
""")

        def openssl(*words):
            subprocess.run(["openssl", *words], cwd=self.scratch, check=True, capture_output=True)
        openssl("req", "-new", "-key", "server.key", "-subj", "/CN=bmr", "-config", "ca.cnf", "-out", "r")
        openssl("ca", "-batch", "-config", "ca.cnf", "-in", "r", "-out", "server.pem", "-cert", "ca.pem",
                "-keyfile", "ca.key", "-notext", *self.dates)


def clock_floor(work):
    """15-clock with a `date` of our own, which keeps what it is set to."""
    (work / "etc/bmr").mkdir(parents=True)
    (work / "etc/bmr/build-time").write_text("1700000000\n")
    (work / "date").write_text(f'#!/bin/sh\ncase $1 in\n+%s) cat {work}/now ;;\n'
                               f'*) echo "${{3#@}}" >{work}/now ;;\nesac\n')
    (work / "date").chmod(0o755)
    for now, then in ((1000, 1700000000), (1700000001, 1700000001), (4000000000, 4000000000)):
        (work / "now").write_text(f"{now}\n")
        subprocess.run(["sh", TOP / "initramfs/steps/15-clock"], check=True, capture_output=True,
                       env=dict(os.environ, PATH=f"{work}:{os.environ['PATH']}", ETC=str(work / "etc"),
                                BMR_LIB=str(TOP / "initramfs")))
        if int((work / "now").read_text()) != then:
            sys.exit(f"FAILED: a clock at {now} became {(work / 'now').read_text()}")
    print("a clock before the build is moved to it, no other is")


def main():
    need("nginx", "openssl")
    with tempfile.TemporaryDirectory(prefix="bmr-clock-") as folder:
        os.chmod(folder, 0o755)
        work = Path(folder)
        clock_floor(work)
        image = work / "img"
        image.write_bytes(bytes(510) + b"\x55\xaa" + os.urandom(1 << 20))
        year = time.gmtime().tm_year
        for word, begin, end in (("not yet valid", f"{year + 2}0101000000Z", f"{year + 4}0101000000Z"),
                                 ("expired", f"{year - 4}0101000000Z", f"{year - 2}0101000000Z")):
            with Wrong(work, begin, end) as server:
                done = subprocess.run(
                    [BMR, "restore", f"--cafile={server.cafile}", server.url("img"), work / "disk"],
                    capture_output=True, text=True, check=False, timeout=60)
                clock = re.search(r"the clock of this machine says (\d{4})-\d\d-\d\d \d\d:\d\d UTC",
                                  done.stderr)
                if done.returncode != 69 or word not in done.stderr or not clock or \
                        int(clock.group(1)) != year or (work / "disk").exists():
                    sys.exit(f"FAILED: {word}: exit code {done.returncode}\n{done.stderr}")
                print(done.stderr.strip())
    print("done")


main()
