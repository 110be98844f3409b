#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R9: changed images of every format: each is refused, or gives the right disk.

Refused: exit code 65 (77 where it would now be larger than the disk), and the first sector of the disk
does not boot.  A bmr image is held to more: block by block the disk holds what it held before, zeros,
or the right bytes, so nothing was written whose hash was not checked.  A raw image has no checksum:
it is given its digest, as half of the others are.

Mutations are seeded: bits, bytes, cuts, copies, swaps, parts of another image of the same disk size,
and changes of a bmr image's head, manifest and seek table under checksums that are right again."""

import hashlib
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
from experiment import Experiment, old_disk, pack, sha256     # noqa: E402

DISK = 2 * 1024 * 1024 + 1024
BLOCK = 512
DAMAGED, REFUSED = 65, 77
SECONDS = 10                    # the clock of one run
BMR_OPTIONS = ("--unused", "1M:512K", "--created", "1700000000", "--fact", "disk.model=VENDOR MODEL",
               "--bad", "1048576:4096")
# gzm: gzip of many members, as a capture writes it.  Four of ten are bmr images.
KINDS = ("raw", "gz", "gzm", "zst", "xz", "lz4", "bz2", "bmr", "bmr", "bmr", "bmr")


def make_content(rng):
    """Text, random bytes, zeros; the first block ends like one that boots."""
    disk = bytearray(DISK)
    line = b"a disk of bmr %d\n" % rng.randrange(1000)
    for at in (0, 3 * DISK // 4):
        disk[at:at + 1000 * len(line)] = line * 1000
    disk[2**20 + 5000:2**20 + 5400] = rng.randbytes(400)
    disk[510:512] = b"\x55\xaa"
    return bytes(disk)


def make_image(folder, kind, disk):
    raw, image = folder / "raw", folder / f"image.{kind}"
    raw.write_bytes(disk)
    if kind == "gzm":
        pack("bmr", raw, image, "--pack", "gzip:1")
    elif kind == "bmr":
        pack("bmr", raw, image, "--id", sha256(disk)[:32], *BMR_OPTIONS)
    else:
        pack(kind, raw, image)
    return image.read_bytes()


class Parts:
    """Where things are in an image, to change them and mend the checksums."""

    def __init__(self, image):
        self.image = bytearray(image)
        (self.head_len,) = struct.unpack_from("<I", image, 4)
        self.head = slice(8, 8 + self.head_len)
        (frames,) = struct.unpack_from("<I", image, len(image) - 9)
        self.seek = len(image) - 17 - 8 * frames
        (stored, _) = struct.unpack_from("<II", image, self.seek + 8 * frames)
        self.manifest = slice(self.seek - stored + 8, self.seek)
        self.lines = [self.seek + 8 + 8 * i for i in range(frames)]

    def mend(self, part):
        body = self.image[part.start:part.stop - 32]
        self.image[part.stop - 32:part.stop] = hashlib.sha256(body).digest()

    def mend_all(self):
        self.mend(self.head)
        digest = hashlib.sha256(self.image[self.head]).digest()
        at = self.manifest.start + 12 + 12  # the first record's value
        self.image[at:at + 32] = digest
        self.mend(self.manifest)


def some_bytes(rng, data, low, high):
    """Change a few bytes of data[low:high], in place."""
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at = rng.randrange(low, high)
        how = rng.randrange(4)
        if how == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            data[at] = rng.randrange(256)
        elif how == 2:
            data[at] = rng.choice((0, 1, 0x7f, 0x80, 0xff))
        else:
            data[at] = (data[at] + rng.choice((1, 255))) % 256


def mutate(rng, image, other, mend):
    """Returns the changed image and what was done."""
    data = bytearray(image)
    size = len(data)
    at, end = sorted((rng.randrange(size), rng.randrange(size + 1)))
    kinds = ["anywhere", "anywhere", "tail", "cut", "zeros", "remove", "insert", "copy", "swap",
             "splice", "longer"]
    kind = rng.choice(kinds + ["mended", "mended", "mended", "mended-lines"] * mend)
    if kind == "anywhere":
        some_bytes(rng, data, 0, size)
    elif kind == "tail":
        some_bytes(rng, data, max(size - 600, 0), size)
    elif kind == "cut":
        del data[at:]
    elif kind == "zeros":
        data[at:end] = bytes(end - at)
    elif kind == "remove":
        del data[at:at + rng.choice((1, 8, 12, 100, end - at))]
    elif kind == "insert":
        data[at:at] = rng.randbytes(rng.choice((1, 8, 12, 100)))
    elif kind == "copy":
        data[at:at] = data[at:end]
    elif kind == "swap":
        length = min(rng.choice((8, 32, 100, 1000)), end - at)
        data[at:at + length], data[end - length:end] = data[end - length:end], data[at:at + length]
    elif kind == "splice":
        data[at:end] = other[at:end]
        if data == other:  # all that differs was in it: a good image, of another disk
            data[at] ^= 1
    elif kind == "longer":
        data += rng.choice((bytes(rng.randrange(1, 100)), other[-end:], bytes(data[-60:])))
    else:
        parts = Parts(image)
        data = parts.image
        if kind == "mended-lines":
            some_bytes(rng, data, parts.seek, size)
        if rng.random() < 0.3:
            some_bytes(rng, data, parts.head.start, parts.head.stop - 32)
        else:
            some_bytes(rng, data, parts.manifest.start, parts.manifest.stop - 32)
        parts.mend_all()
    return bytes(data), kind


def unchecked(disk, written):
    """Where a block is that is neither old, nor zeros, nor right; None: nowhere."""
    for at in range(0, len(written), BLOCK):
        block = written[at:at + BLOCK]
        if block not in (old_disk(BLOCK), bytes(BLOCK), disk[at:at + BLOCK]):
            return at
    return None


class Mutations:
    def __init__(self, experiment):
        self.x = experiment
        self.disk, other = (make_content(experiment.random) for _ in range(2))
        self.images = {kind: make_image(experiment.folder, kind, self.disk) for kind in set(KINDS)}
        self.others = {kind: make_image(experiment.folder, kind, other) for kind in set(KINDS)}
        self.old = old_disk(DISK)

    def one(self, many, number, rng):
        kind = KINDS[number % len(KINDS)]
        data, how = self.images[kind], ""
        while data == self.images[kind]:
            data, how = mutate(rng, self.images[kind], self.others[kind], kind == "bmr")
        image, disk = self.x.folder / f"changed{number}", self.x.folder / f"disk{number}"
        image.write_bytes(data)
        disk.write_bytes(self.old)
        digest = kind == "raw" or kind != "bmr" and rng.random() < 0.5
        run = many.run("restore", *([f"--sha256={sha256(self.disk)}"] if digest else []), image, disk,
                       seconds=SECONDS)
        wrong = self.wrong(kind, run, disk.read_bytes())
        if wrong:
            self.x.violation(f"mutation {number} of seed {self.x.seed} ({how}, {kind}): {wrong}", run)
        self.x.add(**{"harmless" if run.code == 0 else "refused": 1})
        image.unlink()
        disk.unlink()

    def wrong(self, kind, run, written):
        """What must not be; None if all is well."""
        if run.died():
            return "no end" if run.code == "late" else f"signal {-run.code}"
        if run.code == 0:
            return None if written == self.disk else "another disk, and exit code 0"
        if run.code not in (DAMAGED, REFUSED) or run.code == REFUSED and written != self.old:
            return "neither 65, nor 77 and an untouched disk"
        if written != self.old and any(written[:BLOCK]):
            return "its first block is not zero"
        if kind == "bmr" and unchecked(self.disk, written) is not None:
            return f"unchecked bytes were written at {unchecked(self.disk, written)}"
        return None


def main():
    x = Experiment(10000)
    x.each(Mutations(x).one)
    # Some change nothing that is restored, but few, or the test tests nothing.
    if not 0 < x.notes.get("harmless", 0) < x.count / 4:
        x.violation("nearly all, or none, of the changes are harmless")
    x.end(enough=x.count)


if __name__ == "__main__":
    main()
