# SPDX-License-Identifier: GPL-3.0-or-later
"""images - bmr images of the reference disks, made by the bmr that is measured."""

import os
import struct
import subprocess

from harness import BMR, CACHE, MIB, say


def captured(image, name, *options):
    """The path of IMAGE.NAME as bmr captures it; made again when bmr is newer."""
    path = CACHE / f"{image.name}.{name}"
    if not path.exists() or path.stat().st_mtime < BMR.stat().st_mtime:
        say(f"{path.name}: made by bmr")
        draft = CACHE / f"draft-{os.getpid()}"
        done = subprocess.run([BMR, "capture", "--replace=yes", *options, image, draft],
                              stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            say(f"bmr capture: exit code {done.returncode}: {done.stderr.strip()[-300:]}")
            return None
        sidecar = CACHE / f"{draft.name}.manifest"      # of gzip, which has no room for one
        if sidecar.exists():
            os.rename(sidecar, f"{path}.manifest")
        os.rename(draft, path)
    return path


def stored_bytes(path):
    """How long the frame of each data chunk is in the file, as {chunk: bytes}, by the seek table
    at its end (zstd's seekable format 0.1.0)."""
    with open(path, "rb") as image:
        image.seek(-9, os.SEEK_END)
        frames, descriptor, magic = struct.unpack("<IBI", image.read(9))
        if magic != 0x8F92EAB1 or descriptor:
            raise ValueError(f"{path} has no seek table without checksums")
        image.seek(-9 - 8 * frames, os.SEEK_END)
        entries = struct.iter_unpack("<II", image.read(8 * frames))
    found, offset = {}, 0
    for stored, size in entries:
        if size == MIB and offset % MIB == 0:
            found[offset // MIB] = stored
        offset += size
    return found
