#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R3: the agent is killed at any moment: half of the time by the clock, half at a call on the disk.
The disk is untouched, its LBA 0 is zero, or it is right; and the next restore ends with the image."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
from experiment import (FIX, FORMATS, MIB, SECTOR, SIGKILL, Experiment, make_disk,     # noqa: E402
                        old_disk, pack)

SIZE = 8 * MIB
TRIES = 8                       # until a kill comes before the end
CALLS = ("pwrite", "pread", "fsync", "fallocate")


class Kills:
    def __init__(self, experiment):
        self.x = experiment
        raw = experiment.folder / "raw"
        self.content, self.old = make_disk(experiment.random, SIZE), old_disk(SIZE)
        raw.write_bytes(self.content)
        self.images = {kind: experiment.folder / f"image.{kind}" for kind in FORMATS}
        for kind, image in self.images.items():
            pack(kind, raw, image)

    def killed(self, many, image, disk, rng):
        if rng.random() < 0.5:
            return many.run("restore", image, disk, seconds=rng.uniform(0.001, 0.1))
        call = rng.choice(CALLS)
        most = 2 if call == "fallocate" else 12
        return many.run("restore", image, disk, SHIM_TARGET=disk, SHIM_CALL=call,
                        SHIM_ACTION="kill", SHIM_FROM=rng.randint(1, most))

    def one(self, many, number, rng):
        kind = FORMATS[number % len(FORMATS)]
        disk = self.x.folder / f"disk{number}"
        for _ in range(TRIES):
            disk.write_bytes(self.old)
            run = self.killed(many, self.images[kind], disk, rng)
            if run.code != 0:
                break
        state = disk.read_bytes()
        name = "finished" if state == self.content else "untouched" if state == self.old else \
            "not_bootable"
        if run.code not in (0, "late", -SIGKILL):
            self.x.violation(f"kill {number}, {kind}: it ended by itself", run)
        if name == "not_bootable" and any(state[:SECTOR]):
            self.x.violation(f"kill {number}, {kind}: LBA 0 is there and the rest is not", run)
        again = many.run("restore", self.images[kind], disk)
        if again.code != 0 or disk.read_bytes() != self.content:
            self.x.violation(f"kill {number}, {kind}: the next restore does not mend it", again)
        self.x.add(fired=run.code != 0, **{name: 1})
        disk.unlink()


def main():
    x = Experiment(200)
    x.each(Kills(x).one, LD_PRELOAD=str(FIX / "shim.so"))
    if not x.notes.get("not_bootable"):
        x.violation("no kill fell into the writing: nothing was tried")
    x.end(enough=x.count * 19 // 20)


if __name__ == "__main__":
    main()
