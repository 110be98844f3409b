#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""432-clock - a certificate that the clock does not agree with: the message names the clock and what it
says, the certificate and its dates, the exit code is 69, and nothing was written.  The same with a good
certificate and a clock that is wrong by years.  The step of the live system that moves a clock
forward to the medium's build, on a fake clock."""

import calendar
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/fixtures"))
from servers import Http, Https     # noqa: E402
from transport_case import need     # noqa: E402

BMR = os.environ["BMR"]
FIX = Path(os.environ["FIX"])


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


def restore(server, work, now=None):
    """What `bmr` says, its clock being at `now`."""
    disk = work / "disk"
    disk.unlink(missing_ok=True)
    env = dict(os.environ)
    if now is not None:
        env.update(LD_PRELOAD=str(FIX / "clock_shim.so"), CLOCK_SHIM=str(now))
    trust = [f"--cafile={server.cafile}"] if isinstance(server, Https) else []
    done = subprocess.run([BMR, "restore", *trust, server.url("img"), disk], env=env,
                          capture_output=True, text=True, check=False, timeout=60)
    print(done.stderr.strip().splitlines()[-1])
    return done


def check_refused(done, work, *words):
    """69, nothing written, and all of the words are there."""
    missing = [word for word in words if word not in done.stderr]
    if done.returncode != 69 or missing or (work / "disk").exists():
        sys.exit(f"FAILED: exit code {done.returncode}, not said: {missing}\n{done.stderr}")


def wrong_certificates(work):
    year = time.gmtime().tm_year
    for word, begin, end in (("not yet valid", year + 2, year + 4), ("expired", year - 4, year - 2),
                             ("not yet valid", 2140, 9999)):
        with Wrong(work, f"{begin}0101000000Z", f"{end}1231000000Z") as server:
            check_refused(restore(server, work), work, word,
                          f"the certificate 'bmr' is valid from {begin}-01-01 00:00 to {end}-12-31 00:00, "
                          f"and the clock of this machine says {year}-", "firmware")


def wrong_clocks(work):
    """One good certificate, for some years from now.  What comes without one is restored at any clock."""
    with Https(work) as server, Http(work) as plain:
        if restore(server, work, int(time.time())).returncode != 0:
            sys.exit("FAILED: https, with a clock that is right")
        for word, day in (("not yet valid", "1970-01-02"), ("not yet valid", "2001-09-09"),
                          ("expired", "2038-01-20"), ("expired", "2106-02-08"), ("expired", "2400-01-01")):
            now = calendar.timegm(time.strptime(day, "%Y-%m-%d"))
            check_refused(restore(server, work, now), work, word, "' is valid from 20",
                          f"the clock of this machine says {day} 00:0", "firmware")
            if restore(plain, work, now).returncode != 0 or \
                    (work / "disk").read_bytes() != (work / "img").read_bytes():
                sys.exit(f"FAILED: http, at {day}")


def main():
    need("nginx", "openssl")
    with tempfile.TemporaryDirectory(prefix="bmr-clock-") as folder:
        os.chmod(folder, 0o755)
        work = Path(folder)
        clock_floor(work)
        image = work / "img"
        image.write_bytes(bytes(510) + b"\x55\xaa" + os.urandom(1 << 20))
        wrong_certificates(work)
        wrong_clocks(work)
    print("done")


main()
