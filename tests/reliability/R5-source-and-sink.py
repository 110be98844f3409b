#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R5: every n-th call fails, on the image that is restored, on the disk that is captured and on the
image that a capture writes.  (On the disk that is restored: R5-target.)

A restore ends with the image, or fails with a disk that does not boot.  A capture ends with an image
of the disk, or with a failure and no image; sectors that cannot be read make it 74, are listed, and
are zeros in an image that is right everywhere else.  COUNT limits how many calls of each kind fail."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
from experiment import (FIX, FORMATS, MIB, SECTOR, SIGKILL, Experiment, Many,     # noqa: E402
                        make_disk, old_disk, pack)

SIZE = 3 * MIB
DISK_FAILED = 74
SOURCE = {"pread": ("eio", "eintr", "short", "flip")}
CAPTURED = {"pread": ("eio", "eintr", "short")}
SINK = {"pwrite": ("eio", "enospc", "eintr", "short", "flip", "lie", "kill"), "fsync": ("eio", "kill")}
HARMLESS = ("eintr", "short")       # a program goes on


class Calls:
    def __init__(self, experiment):
        self.x = experiment
        self.raw, self.disk = experiment.folder / "raw", experiment.folder / "disk"
        self.content, self.old = make_disk(experiment.random, SIZE), old_disk(SIZE)
        self.raw.write_bytes(self.content)
        self.report = experiment.folder / "report"
        self.what = ""

    def run(self, many, target, call, action, number, *args):
        """One run with its fault; None when there are fewer calls than number."""
        self.report.unlink(missing_ok=True)
        self.what = f"{args[0]}, {target.name}: {call} {number}, {action}"
        run = many.run(*args, SHIM_TARGET=target, SHIM_CALL=call, SHIM_ACTION=action,
                       SHIM_FROM=number, SHIM_REPORT=self.report)
        if "fired" not in (self.report.read_text() if self.report.exists() else ""):
            return None
        self.x.add(**{action: 1})
        if run.died() and not (action == "kill" and run.code == -SIGKILL):
            self.x.violation(f"{self.what}: no end of its own", run)
        return run

    def every(self, faults, one):
        """one(call, action, number) for every number, until it is None; at least one must fire."""
        for call, actions in faults.items():
            for action in actions:
                for number in range(1, self.x.count + 1):
                    if one(call, action, number) is None:
                        break
                if number == 1:
                    self.x.violation(f"{self.what}: the fault never fired")

    def restores(self, many):
        for kind in FORMATS:
            image = self.x.folder / f"image.{kind}"
            pack(kind, self.raw, image)
            self.every(SOURCE, lambda *fault, image=image: self.restore(many, image, *fault))

    def restore(self, many, image, call, action, number):
        self.disk.write_bytes(self.old)
        run = self.run(many, image, call, action, number, "restore", "--timeout=5", image, self.disk)
        state = self.disk.read_bytes()
        # Nobody can know it of a raw image without its digest.
        blind = action == "flip" and image.suffix == ".raw"
        if run and run.code == 0 and state != self.content and not blind:
            self.x.violation(f"{self.what}: another disk, and exit code 0", run)
        if run and run.code != 0 and state != self.old and any(state[:SECTOR]):
            self.x.violation(f"{self.what}: LBA 0 is there and the rest is not", run)
        if run and run.code != 0 and action in HARMLESS:
            self.x.violation(f"{self.what}: it should have gone on", run)
        return run

    def captured(self, many, call, action, number):
        image = self.fresh()
        run = self.run(many, self.raw, call, action, number, "capture", self.raw, image)
        if run and run.code == 0:       # also where it was read again with success
            self.whole(many, image)
        elif run and action in HARMLESS:
            self.x.violation(f"{self.what}: it should have gone on", run)
        elif run and image.exists() and run.code != DISK_FAILED:
            self.x.violation(f"{self.what}: a failure, and an image", run)
        elif run and image.exists():
            self.holes(many, image, run)
        return run

    def sink(self, many, call, action, number):
        image = self.fresh()
        part = image.with_name(image.name + ".bmr-part")
        run = self.run(many, part, call, action, number, "capture", "--verify=full", self.raw, image)
        if run and run.code == 0:
            self.whole(many, image)
        elif run and image.exists() and action not in ("flip", "lie"):
            self.x.violation(f"{self.what}: a failure, and an image", run)
        elif run and action in HARMLESS:
            self.x.violation(f"{self.what}: it should have gone on", run)
        return run

    def fresh(self):
        image = self.x.folder / "captured"
        for path in (image, image.with_name("captured.bmr-part"), image.with_name("captured.manifest")):
            path.unlink(missing_ok=True)
        return image

    def whole(self, many, image):
        """An image that a capture called good gives the disk."""
        self.disk.write_bytes(self.old)
        run = many.run("restore", image, self.disk)
        if run.code != 0 or self.disk.read_bytes() != self.content:
            self.x.violation(f"{self.what}: a bad image, and exit code 0", run)

    def holes(self, many, image, captured):
        """What could not be read is zeros, and is said; the rest is right."""
        self.disk.write_bytes(self.old)
        many.run("restore", image, self.disk)
        state = self.disk.read_bytes()
        wrong = [at for at in range(0, SIZE, SECTOR)
                 if state[at:at + SECTOR] != self.content[at:at + SECTOR]]
        if any(any(state[at:at + SECTOR]) for at in wrong):
            self.x.violation(f"{self.what}: wrong bytes instead of zeros", captured)
        if "could not be read" not in captured.text:
            self.x.violation(f"{self.what}: it does not say what could not be read", captured)


def main():
    x = Experiment(1000)
    many = Many(x.folder, LD_PRELOAD=str(FIX / "shim.so"))
    calls = Calls(x)
    calls.restores(many)
    calls.every(CAPTURED, lambda *fault: calls.captured(many, *fault))
    calls.every(SINK, lambda *fault: calls.sink(many, *fault))
    x.end(enough=50)


if __name__ == "__main__":
    main()
