#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R1: the power fails at any moment of a restore, and the disk's cache loses what was not flushed.

Every write and flush of a restore is logged.  From a log come states that a power cut could have
left: cut off anywhere; of what no flush had confirmed, each write is there, lost, or torn between any
two sectors.  Whatever of it is chosen, the disk is untouched, its LBA 0 is zero, or it holds the whole
image; and a restore of each state ends with the image.  Some logs are of a restore that found such a
state, so that power fails again and again; some of a disk that changes one byte of one write: that may
be the write of the zeros, and until it is read back and written again LBA 0 is zero but for that byte."""

import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
from experiment import FIX, MIB, SECTOR, Experiment, make_disk, old_disk, pack     # noqa: E402

SIZE = 4 * MIB + 3 * SECTOR
DISK = 5 * MIB                  # longer than the image: an old backup GPT is wiped as well
STATES = 50                     # of each log
WRITE, DONE, FLUSH, FLUSHED = 1, 2, 3, 4
RECORD = struct.Struct("<4Q")


class Log:
    """The records of one restore, and the disk it began with."""

    def __init__(self, path, before):
        self.before = before
        self.records = []
        data, at = path.read_bytes(), 0
        while at < len(data):
            kind, number, off, length = RECORD.unpack_from(data, at)
            at += RECORD.size
            self.records.append((kind, number, off, data[at:at + length]))
            at += length

    def cut(self, rng):
        """Where the power fails: anywhere, or near a flush, where the order shows."""
        flushes = [i for i, record in enumerate(self.records) if record[0] >= FLUSH]
        at = rng.randrange(len(self.records) + 1)
        if rng.random() < 0.5:
            at = rng.choice(flushes) + rng.randrange(-3, 5)
        return min(max(at, 0), len(self.records))

    def durable(self, cut):
        """Numbers of the writes that a flush has confirmed by then."""
        done, before, durable = set(), {}, set()
        for kind, number, _, _ in self.records[:cut]:
            if kind == DONE:
                done.add(number)
            elif kind == FLUSH:
                before[number] = set(done)
            elif kind == FLUSHED:
                durable |= before[number]
        return durable

    def state(self, rng):
        """A disk after a power cut, and how many writes it lost, in whole or in part."""
        cut = self.cut(rng)
        durable = self.durable(cut)
        disk = bytearray(self.before)
        keep, tear = rng.choice((0, 0.1, 0.5, 0.9, 1)), rng.choice((0, 0.3))
        lost = 0
        for kind, number, off, data in self.records[:cut]:
            if kind != WRITE:
                continue
            if number not in durable and rng.random() < tear:
                lost += 1
                torn(rng, disk, off, data)
            elif number in durable or rng.random() < keep:
                disk[off:off + len(data)] = data
            else:
                lost += 1
        return bytes(disk), lost + sum(record[0] == WRITE for record in self.records[cut:])


def torn(rng, disk, off, data):
    """Some sectors of a write: its beginning, or any."""
    sectors = len(data) // SECTOR
    first = rng.randrange(sectors + 1)
    chosen = range(first) if rng.random() < 0.5 else rng.sample(range(sectors), first)
    for i in chosen:
        disk[off + i * SECTOR:off + (i + 1) * SECTOR] = data[i * SECTOR:(i + 1) * SECTOR]


class PowerCuts:
    def __init__(self, experiment):
        self.x = experiment
        raw = experiment.folder / "raw"
        self.content = make_disk(experiment.random, SIZE)
        raw.write_bytes(self.content)
        self.images = {kind: experiment.folder / f"image.{kind}" for kind in ("gz", "bmr")}
        for kind, image in self.images.items():
            pack(kind, raw, image)
        self.old = old_disk(DISK)

    def final(self, many, image, disk):
        """What a restore that nothing disturbs leaves."""
        disk.write_bytes(self.old)
        run = many.run("restore", image, disk)
        after = disk.read_bytes()
        if run.code != 0 or after[:SIZE] != self.content:
            self.x.violation("a restore without any fault", run)
        return after

    def log(self, many, image, disk, before, **env):
        path = disk.with_suffix(".log")
        disk.write_bytes(before)
        path.unlink(missing_ok=True)
        run = many.run("restore", "--compare=none" if before == self.old else "--compare=hash",
                       image, disk, LOG_TARGET=disk, LOG_FILE=path, **env)
        if run.code != 0:
            self.x.violation("a restore that is logged", run)
        return Log(path, before)

    def series(self, many, number, rng):
        """The states of one log."""
        kind = ("gz", "bmr")[number % 2]
        disk = self.x.folder / f"disk{number}"
        final = self.final(many, self.images[kind], disk)
        flip = {"SHIM_TARGET": disk, "SHIM_CALL": "pwrite", "SHIM_ACTION": "flip",
                "SHIM_FROM": rng.randint(1, 5)} if number % 3 == 1 else {}
        log = self.log(many, self.images[kind], disk, self.old, **flip)
        if number % 3 == 2:     # power fails again
            before = next(s for s in iter(lambda: log.state(rng)[0], None) if s != final)
            log = self.log(many, self.images[kind], disk, before)
        for i in range(STATES):
            state, lost = log.state(rng)
            what = f"{kind}, log {number}, state {i}"
            if state == final:
                notes = {"complete": 1}
            elif state == log.before:
                notes = {"untouched": 1}
            else:
                notes = {"not_bootable": 1}
                if sum(map(bool, state[:SECTOR])) > bool(flip):
                    self.x.violation(f"{what}: LBA 0 is there and the rest is not")
            disk.write_bytes(state)
            run = many.run("restore", self.images[kind], disk)
            if run.code != 0 or disk.read_bytes() != final:
                self.x.violation(f"{what}: the next restore does not mend it", run)
            self.x.add(fired=lost, writes_lost=lost, **notes)
        disk.unlink()


def main():
    x = Experiment(1000)
    states = x.count
    x.count = -(-states // STATES)
    x.each(PowerCuts(x).series, LD_PRELOAD=f"{FIX / 'shim.so'} {FIX / 'log_shim.so'}")
    x.end(enough=states // 2)


if __name__ == "__main__":
    main()
