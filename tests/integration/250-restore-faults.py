#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every call on the target fails once, in every way: never a wrong disk and exit code 0, and after
a failure a disk that does not boot.  A fault that never fires fails the test."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "fixtures"))
import shim  # noqa: E402

BMR = os.environ.get("BMR", str(HERE.parent.parent / "build" / "bmr"))
FIX = Path(os.environ.get("FIX", HERE.parent.parent / "build" / "fixtures"))
MIB = 1 << 20
SECTOR = 512
CALLS = ["pwrite", "pread", "fsync", "fallocate"]
KILLED = -9


def fail(why):
    sys.exit(f"FAILED: {why}")


class Bench:
    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="bmr-faults-"))
        self.image = self.folder / "image"
        self.disk = self.folder / "disk"
        self.report = self.folder / "report"
        self.content = self.make_image()
        self.old = b"\xaa" * len(self.content)
        self.runs = 0

    def make_image(self):
        """Eight MiB: random, zeros in between, and an MBR at the front."""
        data = bytearray(random.Random(1).randbytes(8 * MIB))
        data[3 * MIB:5 * MIB] = bytes(2 * MIB)
        data[510:512] = b"\x55\xaa"
        self.image.write_bytes(data)
        return bytes(data)

    def reset(self):
        self.disk.write_bytes(self.old)
        self.report.unlink(missing_ok=True)

    def restore(self, *options, **shim):
        """Run with faults of the shim; returns what came of it."""
        env = {**os.environ, "LD_PRELOAD": str(FIX / "shim.so"), "SHIM_TARGET": str(self.disk),
               "SHIM_REPORT": str(self.report)}
        env |= {f"SHIM_{name.upper()}": str(value) for name, value in shim.items()}
        self.runs += 1
        done = subprocess.run([BMR, "restore", str(self.image), str(self.disk), *options], env=env,
                              stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, timeout=60)
        return Outcome(self, done, shim)

    def again(self):
        done = subprocess.run([BMR, "restore", str(self.image), str(self.disk)],
                              capture_output=True, timeout=60)
        if done.returncode != 0 or self.disk.read_bytes() != self.content:
            fail("the next restore does not mend it")


class Outcome:
    def __init__(self, bench, done, shim):
        self.bench, self.shim = bench, shim
        self.code, self.err = done.returncode, done.stderr
        self.lines = bench.report.read_text().splitlines() if bench.report.exists() else []
        self.fired = [line.split() for line in self.lines if line.startswith("fired")]
        self.disk = bench.disk.read_bytes()
        self.equal = self.disk == bench.content

    def fail(self, why):
        fail(f"{self.shim}: {why}; exit code {self.code}\n{self.err}\n{self.fired[:3]}")

    def counts(self):
        words = self.lines[-1].split()
        return dict(zip(CALLS, map(int, words[1:])))

    def must_fire(self):
        if not self.fired:
            self.fail("the fault never fired")
        return self

    def safe(self):
        """What holds whatever happened."""
        if self.code == 0 and not self.equal:
            self.fail("exit code 0 and a wrong disk")
        if self.code != 0 and not self.equal and self.disk != self.bench.old and \
                any(self.disk[:SECTOR]):
            self.fail("a half-written disk that may boot")
        return self

    def expect(self, code, *words):
        if self.code != code:
            self.fail(f"expected exit code {code}")
        for word in words:
            if word not in self.err:
                self.fail(f"the output does not say '{word}'")
        return self


def place(outcome):
    """How the message names where the first fault was."""
    _, call, _, off, _ = outcome.fired[0]
    if call == "fsync":
        return f"cannot flush '{outcome.bench.disk}'"
    verb = "write" if call == "pwrite" else "read back"
    return f"cannot {verb} '{outcome.bench.disk}' at byte {off} (sector {int(off) // SECTOR})"


def check(outcome, call, action):
    outcome.must_fire().safe()
    if action == "kill":
        outcome.expect(KILLED)
        outcome.bench.again()
    elif action in ("eintr", "short") or call == "fallocate" and action == "eio":
        outcome.expect(0)
    elif action in ("eio", "enospc"):
        outcome.expect(74, place(outcome))
    elif call == "fsync":       # a lie of fsync alone is seen by nobody, and here harmless
        outcome.expect(0)
    else:                       # lie, flip: read back, noticed, written again
        outcome.expect(0, "reads back wrong")


ACTIONS = {
    "pwrite": ["eio", "enospc", "eintr", "short", "lie", "flip", "kill"],
    "pread": ["eio", "eintr", "short", "flip", "kill"],
    "fsync": ["eio", "kill"],
    "fallocate": ["eio", "lie", "kill"],
}


def every_call(bench):
    bench.reset()
    counts = bench.restore(action="none").expect(0).safe().counts()
    print(f"  a restore makes {counts}")
    if min(counts.values()) < 1:
        fail("a kind of call is not made, so it is not tested")
    for call in CALLS:
        for action in ACTIONS[call]:
            for number in range(1, counts[call] + 1):
                bench.reset()
                check(bench.restore(call=call, action=action, **{"from": number}), call, action)
        print(f"  {call}: each of {counts[call]} calls, {' '.join(ACTIONS[call])}", flush=True)


def lasting_faults(bench):
    """A byte that cannot be written right, ever."""
    for name, at in {"LBA 0": 100, "LBA 1": 600, "the first MiB": MIB - 1, "the body": 6 * MIB + 7,
                     "the end": 8 * MIB - 1}.items():
        for action in ("flip", "lie"):
            bench.reset()
            outcome = bench.restore(call="pwrite", action=action, at=at, times=0).must_fire()
            outcome.expect(74, "does not hold what was written", "after 2 rewrites")
            if at >= SECTOR:
                outcome.safe()
            elif outcome.disk[SECTOR:] != bench.old[SECTOR:]:
                outcome.fail("LBA 0 cannot be zeroed, and the body was written all the same")
    print("  a place that never holds what is written: 74, and a disk that does not boot")


def without_checking(bench):
    """The same faults pass unseen where nothing is read back: it is the check that sees them."""
    for action in ("flip", "lie"):
        bench.reset()
        outcome = bench.restore("--verify=none", call="pwrite", action=action, at=6 * MIB + 7)
        outcome.must_fire().expect(0, "NOT read back")
        if outcome.equal:
            outcome.fail("the fault did nothing")
    print("  verify=none: flip and lie pass unseen, and it says NOT read back")


def while_comparing(bench):
    for number in (1, 3):
        bench.reset()
        # Equal but for its last byte: so many reads belong to the comparing for certain.
        bench.disk.write_bytes(bench.content[:-1] + bytes([bench.content[-1] ^ 1]))
        bench.restore("--compare=hash", call="pread", action="eio",
                      **{"from": number}).must_fire().safe().expect(0)
    print("  a sector that cannot be read while comparing is written")


def nothing_to_do(bench):
    bench.disk.write_bytes(bench.content)
    bench.report.unlink(missing_ok=True)
    counts = bench.restore("--compare=hash", action="none").expect(0).counts()
    if counts["pwrite"] or counts["fallocate"] or counts["fsync"]:
        fail(f"an equal disk was written: {counts}")
    print("  an equal disk is not written, not even flushed")


def main():
    shim.build(FIX)
    bench = Bench()
    every_call(bench)
    lasting_faults(bench)
    without_checking(bench)
    while_comparing(bench)
    nothing_to_do(bench)
    shutil.rmtree(bench.folder)
    print(f"ok: {bench.runs} restores with faults")


if __name__ == "__main__":
    main()
