#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""bmr images: equal disks for every way of packing, damage, and the faults of 250-restore-faults.py."""

import hashlib
import importlib.util
import os
import random
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
spec = importlib.util.spec_from_file_location("faults", HERE / "250-restore-faults.py")
faults = importlib.util.module_from_spec(spec)
spec.loader.exec_module(faults)
BMR, FIX, MIB, fail = faults.BMR, faults.FIX, faults.MIB, faults.fail


class Bench(faults.Bench):
    """The disk of 250, as a bmr image.  What the disk holds is not looked at unless asked for, so
    that every read is one that must succeed."""

    def make_image(self):
        content = super().make_image()
        self.raw = self.folder / "raw"
        self.image.rename(self.raw)
        self.pack()
        return content

    def pack(self, *options):
        self.image.unlink(missing_ok=True)
        subprocess.run([FIX / "make_bmr", self.raw, self.image, *options], check=True)

    def restore(self, *options, **shim):
        if not any(option.startswith("--compare") for option in options):
            options = ("--compare=none", *options)
        return super().restore(*options, **shim)


def every_packing(bench):
    sidecar = bench.folder / "image.manifest"
    for pack in ("zstd", "zstd:9", "lz4", "gzip", "none"):
        for chunk in ("1M", "4M"):
            options = ["--chunk", chunk, "--pack", pack]
            if pack in ("gzip", "none"):
                options += ["--sidecar", str(sidecar)]
            bench.pack(*options)
            bench.reset()
            outcome = bench.restore(action="none").expect(0, "read back and right").safe()
            # A stream writes MiB by MiB and reads no byte of the image at random.
            if outcome.counts()["fsync"] < 4:
                outcome.fail("what is written is not flushed")
            bench.restore("--compare=auto", action="none").expect(0, "held the image already")
    sidecar.unlink()
    bench.pack()
    print("  zstd, lz4, and gzip and none with their manifest beside them: equal disks")


def a_sidecar_that_does_not_fit(bench):
    sidecar = bench.folder / "image.manifest"
    bench.pack("--pack", "gzip", "--sidecar", str(sidecar))
    sidecar.write_bytes(sidecar.read_bytes()[:-10])
    bench.reset()
    bench.restore(action="none").expect(0, "is left aside").safe()
    sidecar.unlink()
    bench.reset()
    outcome = bench.restore(action="none").expect(0).safe()
    if "manifest" in outcome.err:
        outcome.fail("that there is no sidecar is no news")
    bench.pack()
    print("  a sidecar that is damaged: said, and the image is a stream")


def unused(bench):
    bench.pack("--unused", "6M:1M")
    for mode in ("discard", "zero"):
        bench.reset()
        outcome = bench.restore(f"--unused={mode}", action="none").expect(0)
        want = bytearray(bench.content)
        want[6 * MIB:7 * MIB] = outcome.disk[6 * MIB:7 * MIB]
        if bytes(want) != outcome.disk:
            outcome.fail("a chunk that is used is wrong")
        if mode == "zero" and any(outcome.disk[6 * MIB:7 * MIB]):
            outcome.fail("unused=zero, and it is not zero")
    bench.pack()
    print("  unused=discard and unused=zero")


def damage(bench, count):
    """A byte anywhere in the file: 65, or it meant nothing; never a wrong chunk on the disk."""
    whole = bench.image.read_bytes()
    chance = random.Random(5)
    refused = 0
    for _ in range(count):
        bad = bytearray(whole)
        bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
        bench.image.write_bytes(bad)
        bench.reset()
        outcome = bench.restore(action="none").safe()
        if outcome.code not in (0, 65):
            outcome.fail("expected 0 or 65")
        refused += outcome.code == 65
        for at in range(MIB, len(bench.content), MIB):
            have = outcome.disk[at:at + MIB]
            if have not in (bench.content[at:at + MIB], bench.old[at:at + MIB]):
                outcome.fail(f"chunk {at // MIB} was written and is wrong")
    if refused < count * 9 // 10:
        fail(f"{refused} of {count} were noticed")
    bench.image.write_bytes(whole)
    print(f"  {count} images with a wrong bit: {refused} refused, nothing wrong written")


def digest(bench):
    right = hashlib.sha256(bench.content).hexdigest()
    bench.reset()
    bench.restore(f"--sha256={right}", action="none").expect(0).safe()
    bench.reset()
    outcome = bench.restore(f"--sha256={'0' * 64}", action="none").expect(65, "was not written")
    if outcome.disk != bench.old:
        outcome.fail("it was written")
    print("  sha256=: the right one, and a wrong one before anything is written")


def main():
    for name in ("shim.so", "make_bmr"):
        if not (FIX / name).exists():
            print(f"{name} is not built: make fixtures")
            sys.exit(77)
    bench = Bench()
    every_packing(bench)
    a_sidecar_that_does_not_fit(bench)
    unused(bench)
    damage(bench, int(os.environ.get("MUTATIONS", "40")))
    digest(bench)
    faults.every_call(bench)
    faults.lasting_faults(bench)
    faults.without_checking(bench)
    faults.while_comparing(bench)
    faults.nothing_to_do(bench)
    faults.shutil.rmtree(bench.folder)
    print(f"ok: {bench.runs} restores")


if __name__ == "__main__":
    main()
