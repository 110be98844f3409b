#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed at any moment and started again, a restore of a bmr image goes on from what the disk holds:
the disk becomes equal, and no more is fetched twice than the chunks that were under way.

KILLS: how many times (default 30)."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
BMR = os.environ.get("BMR", str(HERE.parent.parent / "build" / "bmr"))
FIX = Path(os.environ.get("FIX", HERE.parent.parent / "build" / "fixtures"))
KILLS = int(os.environ.get("KILLS", "30"))
MIB = 1 << 20
CHUNKS = 40
FRAME_MOST = MIB + MIB // 8 + 1024      # what one worker fetches at once


def fail(why):
    sys.exit(f"FAILED: {why}")


class Bench:
    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="bmr-resume-"))
        self.raw, self.image = self.folder / "raw", self.folder / "image"
        self.disk, self.counter = self.folder / "disk", self.folder / "counter"
        self.report = self.folder / "report"
        self.random = random.Random(3)
        data = bytearray(self.random.randbytes(CHUNKS * MIB))
        data[3 * MIB:5 * MIB] = bytes(2 * MIB)
        data[20 * MIB:26 * MIB] = bytes(6 * MIB)
        data[510:512] = b"\x55\xaa"
        self.content = bytes(data)
        self.old = b"\xaa" * len(data)
        self.raw.write_bytes(data)
        subprocess.run([FIX / "make_bmr", self.raw, self.image], check=True)
        self.disk.write_bytes(self.content)
        self.at_rest, figures = self.finish()   # read of the image when all is there
        if not figures["already"]:
            fail("an equal disk is not known")
        self.disk.write_bytes(self.old)
        self.whole, figures = self.finish()
        self.workers = figures["workers"]

    def environment(self, **shim):
        self.counter.write_bytes(bytes(8))
        self.report.unlink(missing_ok=True)
        env = {**os.environ, "LD_PRELOAD": f"{FIX / 'reads_shim.so'} {FIX / 'shim.so'}",
               "READS_OF": str(self.image), "READS_COUNT": str(self.counter),
               "SHIM_TARGET": str(self.disk), "SHIM_REPORT": str(self.report)}
        return env | {f"SHIM_{name.upper()}": str(value) for name, value in shim.items()}

    def read(self):
        return int.from_bytes(self.counter.read_bytes(), sys.byteorder)

    def start(self, **shim):
        return subprocess.Popen([BMR, "restore", "--overwrite=any", self.image, self.disk],
                                env=self.environment(**shim), stderr=subprocess.DEVNULL)

    def finish(self):
        """A restore to its end; what it read of the image, and its last event."""
        done = subprocess.run([BMR, "restore", "--events=-", self.image, self.disk],
                              env=self.environment(action="none"), capture_output=True, timeout=120)
        if done.returncode != 0:
            fail(f"exit code {done.returncode}: {done.stderr.decode()}")
        if self.disk.read_bytes() != self.content:
            fail("exit code 0 and a wrong disk")
        return self.read(), json.loads(done.stdout.splitlines()[-1])

    def writes(self):
        return [int(word) for word in self.report.read_text().splitlines()[-1].split()[1:]]


def kill_by_call(bench, counts):
    """At a call of the disk, chosen by its number."""
    call = bench.random.choice([name for name in counts if counts[name] > 0])
    process = bench.start(call=call, action="kill",
                          **{"from": bench.random.randint(1, counts[call])})
    process.wait(timeout=120)


def kill_by_clock(bench, seconds):
    process = bench.start(action="none")
    time.sleep(bench.random.random() * seconds)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=120)


def main():
    for name in ("shim.so", "reads_shim.so", "make_bmr"):
        if not (FIX / name).exists():
            print(f"{name} is not built: make fixtures")
            sys.exit(77)
    bench = Bench()
    counts = dict(zip(["pwrite", "pread", "fsync", "fallocate"], bench.writes()))
    begun = time.monotonic()
    bench.disk.write_bytes(bench.old)
    bench.start(action="none").wait(timeout=120)
    seconds = time.monotonic() - begun
    frames = bench.whole - bench.at_rest
    untouched = unbootable = ended = most = 0
    for number in range(KILLS):
        bench.disk.write_bytes(bench.old)
        if number % 3:
            kill_by_call(bench, counts)
        else:
            kill_by_clock(bench, seconds)
        first = bench.read()
        disk = bench.disk.read_bytes()
        if disk == bench.content:
            ended += 1
        elif disk == bench.old:
            untouched += 1
        elif any(disk[:512]):
            fail("a half-written disk that may boot")
        else:
            unbootable += 1
        second, _ = bench.finish()
        # What both runs read beyond one run's frames and what every run reads.
        again = max(first - bench.at_rest, 0) + second - bench.at_rest - frames
        most = max(most, again)
        if again > bench.workers * FRAME_MOST:
            fail(f"kill {number}: {again} bytes fetched again, with {bench.workers} workers")
    _, event = bench.finish()
    if bench.writes()[0] or bench.writes()[2] or bench.writes()[3] or not event["already"]:
        fail(f"an equal disk was written: {bench.writes()}")
    print(f"{KILLS} kills: {untouched} untouched, {unbootable} not bootable, {ended} ended; resumed, "
          f"all are equal; fetched again {most / MIB:.1f} MiB at most, {bench.workers} workers")
    if unbootable == 0:
        fail("no kill fell into the writing: nothing was tested")
    shutil.rmtree(bench.folder)


if __name__ == "__main__":
    main()
