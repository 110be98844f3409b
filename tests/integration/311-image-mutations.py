#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""311-image-mutations - 1,000 changed bmr images, and under the name of 312 another 1,000: each is
refused, or gives the right disk.

Refused: exit code 65, and the disk then holds, block by block, what it held before, zeros, or the
right bytes: nothing was written whose hash was not checked.  Its first block does not boot.

Mutations are seeded: bits, bytes, cuts, copies, swaps, parts of another image of the same disk size,
and changes of head, manifest and seek table under checksums that are right again.

Environment: BMR, FIX, BMR_MUTATIONS (1000), BMR_SEED (the number in its name).
"""

import hashlib
import os
import random
import struct
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BMR = os.environ["BMR"]
FIX = Path(os.environ["FIX"])
COUNT = int(os.environ.get("BMR_MUTATIONS", "1000"))
SEED = int(os.environ.get("BMR_SEED", Path(sys.argv[0]).name[:3]))
WORKERS = 3
BLOCK = 512
OLD = b"\xaa" * BLOCK
DISK = 5 * 1024 * 1024 + 1024
DAMAGED = 65


def make_disk(seed):
    """Text, random bytes, zeros; the first block ends like one that boots."""
    rng = random.Random(seed)
    disk = bytearray(DISK)
    line = b"a disk of bmr %d\n" % seed
    for chunk in (0, 2, DISK // 2**20):
        at = chunk * 2**20
        disk[at:at + 1000 * len(line)] = (line * 1000)[:DISK - at]
    disk[2 * 2**20 + 5000:2 * 2**20 + 5400] = rng.randbytes(400)
    disk[510:512] = b"\x55\xaa"
    return bytes(disk[:DISK])


def make_image(work, name, disk, extra=()):
    raw = work / (name + ".raw")
    raw.write_bytes(disk)
    image = work / name
    subprocess.run([FIX / "make_bmr", raw, image, "--unused", "4M:1M", "--id", f"{len(name):032x}",
                    "--created", "1700000000", "--fact", "disk.model=VENDOR MODEL",
                    "--bad", "3145728:4096", *extra], check=True)
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


def mutate(rng, image, other):
    """Returns the changed image and what was done."""
    data = bytearray(image)
    size = len(data)
    at, end = sorted((rng.randrange(size), rng.randrange(size + 1)))
    kind = rng.choice(("anywhere", "anywhere", "tail", "cut", "zeros", "remove", "insert", "copy",
                       "swap", "splice", "longer", "mended", "mended", "mended", "mended-lines"))
    if kind == "anywhere":
        some_bytes(rng, data, 0, size)
    elif kind == "tail":
        some_bytes(rng, data, size - 600, size)
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


def check_refused(disk, written):
    """What is there block by block; None if all is as it must be."""
    if written[510:512] == b"\x55\xaa":
        return "its first block would boot"
    for at in range(0, len(written), BLOCK):
        block = written[at:at + BLOCK]
        if block not in (OLD, bytes(BLOCK), disk[at:at + BLOCK]):
            return f"unchecked bytes were written at {at}"
    return None


def try_one(work, number, image, other, disk):
    """Returns (kind, accepted) or raises AssertionError."""
    rng = random.Random(SEED * 1000003 + number)
    data, kind = mutate(rng, image, other)
    changed = work / f"changed{number}"
    target = work / f"disk{number}"
    changed.write_bytes(data)
    target.write_bytes(OLD * (DISK // BLOCK))
    done = subprocess.run([BMR, "restore", changed, target], capture_output=True, timeout=60,
                          check=False)
    written = target.read_bytes()
    what = f"mutation {number} ({kind}): exit code {done.returncode}: {done.stderr.decode()}"
    if done.returncode == 0:
        assert written == disk, what + "another disk was restored"
    else:
        assert done.returncode == DAMAGED, what
        wrong = check_refused(disk, written)
        assert wrong is None, what + wrong
    changed.unlink()
    target.unlink()
    return kind, done.returncode == 0


def main():
    accepted = 0
    kinds = {}
    with tempfile.TemporaryDirectory(prefix="bmr-mutations.") as folder:
        work = Path(folder)
        disk = make_disk(1)
        image = make_image(work, "image", disk)
        other = make_image(work, "other", make_disk(2))
        with ThreadPoolExecutor(WORKERS) as pool:
            jobs = [pool.submit(try_one, work, i, image, other, disk) for i in range(COUNT)]
            for job in jobs:
                kind, harmless = job.result()
                kinds[kind] = kinds.get(kind, 0) + 1
                accepted += harmless
    print(f"{COUNT} mutations: {COUNT - accepted} refused, {accepted} harmless; {kinds}")
    # Both happen, or the test tests nothing.
    return 0 if COUNT < 500 or 0 < accepted < COUNT / 4 else 1


sys.exit(main())
