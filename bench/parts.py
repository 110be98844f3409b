# SPDX-License-Identifier: GPL-3.0-or-later
"""parts - how fast this machine does each part of a restore alone, and the least time that follows.

The bound of a row is max(read the packed file, (decode + hash) / cores, write + read back).  It is
generous to the machine: the kernel's own work counts as nothing, chunks of zeros are neither hashed
nor written, what no file system uses is neither written nor read, and a byte's SHA-256 is taken once
and nothing else of it.
"""

import os
import re
import resource
import statistics
import subprocess
import time
from dataclasses import dataclass

from harness import GIB, MIB, run, text

CHUNK = MIB
ROUNDS = 3


@dataclass
class Content:
    """Bytes of a disk, by chunks of a mebibyte."""
    data: int
    zero: int
    unused: int


@dataclass
class Parts:
    """Bytes a second; hash is that of one core."""
    write: float
    read: float
    hash: float
    cores: int


def content(image, ranges):
    """What the chunks of an image are; without ranges no chunk is unused."""
    size = image.stat().st_size
    kinds = bytearray(b"d" if ranges is None else b"u") * -(-size // CHUNK)
    for offset, length in ranges or []:
        for chunk in range(offset // CHUNK, (offset + length - 1) // CHUNK + 1):
            kinds[chunk] = ord("d")
    zeros = bytes(CHUNK)
    with open(image, "rb", buffering=0) as source:
        for chunk, kind in enumerate(kinds):
            if kind == ord("d"):
                source.seek(chunk * CHUNK)
                if source.read(CHUNK) == zeros:
                    kinds[chunk] = ord("z")
    return Content(*(kinds.count(kind) * CHUNK for kind in (b"d", b"z", b"u")))


def measure(disk):
    def rate(*argv):
        """Medians: one run is not to be trusted on a machine that others use."""
        found = []
        for _ in range(ROUNDS):
            began = time.monotonic()
            run("dd", "bs=4M", "status=none", *argv)
            found.append(disk.size / (time.monotonic() - began))
        return statistics.median(found)

    disk.dirty()
    write = rate("if=/dev/zero", f"of={disk.path}", "oflag=direct", "conv=fsync",
                 f"count={disk.size // (4 * MIB)}")
    disk.dirty()
    read = rate(f"if={disk.path}", "of=/dev/null", "iflag=direct")
    return Parts(write, read, sha256_rate(), os.cpu_count())


def sha256_rate():
    rates = []
    for _ in range(ROUNDS):
        report = text("openssl", "speed", "-seconds", "1", "-bytes", CHUNK, "-evp", "sha256",
                      stderr=subprocess.DEVNULL)
        rates.append(float(re.search(r"^sha256 +([\d.]+)k", report, re.M | re.I).group(1)) * 1000)
    return statistics.median(rates)


DECODERS = {".gz": "igzip", ".lz4": "lz4", ".zst": "zstd"}


def decode_seconds(file, found={}):
    """CPU seconds to unpack a file, by the fastest program there is."""
    if file not in found:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run(DECODERS[file.suffix], "-dc", file, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found[file] = after.ru_utime - before.ru_utime
    return found[file]


def bound(parts, file, what, *, read_back, one_stream):
    decode = decode_seconds(file)
    hashing = what.data / parts.hash
    writing = what.data / parts.write
    reading = (what.data + what.zero) / parts.read if read_back else 0
    return max(file.stat().st_size / parts.read, (decode + hashing) / parts.cores,
               decode if one_stream else 0, writing + reading)


def describe(parts):
    return (f"{parts.cores} cores; the disk alone, direct: write {parts.write / GIB:.2f} GiB/s, "
            f"read {parts.read / GIB:.2f} GiB/s; SHA-256 {parts.hash / GIB:.2f} GiB/s a core")
