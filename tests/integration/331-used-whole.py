#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is not quite right is taken whole: file systems that are not clean, programs that are missing,
lie, hang or are killed."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
from used_case import (EXT4, KINDS, FOLDER, MIB, USED_MAP, compare, expect_whole, fail, fill,
                       loop, make_luks, mounted, no_leftovers, one_partition, run, run_tests, trash,
                       used_of)


# --- what is whole ---


def test_whole():
    size = 64
    disk = one_partition("whole", size)
    with loop(disk, 1, size) as device:
        run("mkfs.ext4", "-qF", "-O", "bigalloc", device)
    expect_whole(disk, size, "it has the feature 'bigalloc'")
    with loop(disk, 1, size) as device:
        run("wipefs", "-qa", device)
        run("mkswap", device)
        with open(device, "r+b") as f:
            f.seek(4096 - 10)
            f.write(b"S1SUSPEND\0")
    expect_whole(disk, size, "swsuspend has no map")
    with loop(disk, 1, size) as device:
        run("wipefs", "-qa", device)
        make_luks(device)
    expect_whole(disk, size, "crypto_LUKS has no map")
    disk.unlink()
    for name, at, byte in (("fat32", 65, b"\1"), ("fat16", 37, b"\1"), ("exfat", 106, b"\2")):
        kind, size = KINDS[name]
        disk = one_partition(name, size)
        with loop(disk, 1, size) as device:
            run(*kind.mkfs, device)
            with open(device, "r+b") as f:
                f.seek(at)
                f.write(byte)
        expect_whole(disk, size, "it is not clean")
        disk.unlink()


def test_unclean():
    """The disk as it is while it is in use; data in the journal alone."""
    for name, wanted in (("ext4", "it has the feature 'needs_recovery'"),
                         ("xfs", "its log is not clean"), ("btrfs-dup", "it is not clean")):
        kind, size = KINDS[name]
        disk = one_partition(name, size)
        copy = FOLDER / "in-use"
        with loop(disk, 1, size) as device:
            run(*kind.mkfs, device)
            with mounted(device) as where:
                fill(where, 4)
                os.sync()
                with open(where / "last", "wb") as f:
                    for _ in range(3):
                        f.write(random.randbytes(100000))
                        f.flush()
                        os.fsync(f.fileno())
                run("cp", "--sparse=always", disk, copy)
        expect_whole(copy, size, wanted)
        copy.unlink()
        disk.unlink()


def test_ntfs_doubts():
    kind, size = KINDS["ntfs"]
    disk = one_partition("ntfs", size)
    with loop(disk, 1, size) as device:
        run(*kind.mkfs, device)
        sleeping = FOLDER / "sleeping"
        sleeping.write_bytes(b"hibr" + bytes(9000))
        run("ntfscp", device, sleeping, "hiberfil.sys")
    expect_whole(disk, size, "Windows sleeps in it")
    with loop(disk, 1, size) as device:
        run(*kind.mkfs, device)
        sleeping.write_bytes(bytes(9000))  # woken
        run("ntfscp", device, sleeping, "hiberfil.sys")
    used_of(disk).expect("partition.1.capture", "used blocks")
    for flags, wanted in ((2, "used blocks"), (0, "whole: it is not clean")):
        with loop(disk, 1, size) as device:
            write_journal(device, flags)
        used_of(disk).expect("partition.1.capture", wanted)
    disk.unlink()


def write_journal(device, flags):
    """A restart page of somebody who has the journal open, and says that all is clean, or not."""
    area = bytearray(48)
    area[8:16] = (1).to_bytes(2, "little") + b"\xff\xff" + bytes(2) + flags.to_bytes(2, "little")
    page = bytearray(4096)
    page[:8] = b"RSTR\x1e\0\x09\0"
    page[16:26] = (4096).to_bytes(4, "little") * 2 + (48).to_bytes(2, "little")
    page[48:96] = area
    place = run("ntfsinfo", "-v", "-i", "2", device).stdout.split("Runlist:")[1]
    cluster = int(place.split("0x0")[1].split()[0], 16)
    with open(device, "r+b") as f:
        f.seek(cluster * 4096)
        f.write(page * 2)


# --- programs that fail ---


def ext4_disk():
    disk = FOLDER / "programs"
    if not disk.exists():
        one_partition("programs", 64)
        with loop(disk, 1, 64) as device:
            EXT4.make(device, 8)
    return disk


def false_program(script, name="partclone.ext4"):
    folder = FOLDER / "bin"
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def test_missing():
    """Without any of the programs."""
    disk = ext4_disk()
    empty = FOLDER / "none"
    empty.mkdir()
    hidden = ("unshare", "-m", "sh", "-c",
              f"mount --bind {empty} /usr/sbin && exec \"$@\"", "sh")
    expect_whole(disk, 64, "'dumpe2fs' is not installed", prefix=hidden)
    shutil.copy("/usr/sbin/dumpe2fs", empty)
    expect_whole(disk, 64, "'partclone.ext4' is not installed", prefix=hidden)


LIES = {
    "an empty map": ('>"$out"', "*is empty"),
    "no map": (":", "*was not written"),
    "no head": ('echo "0x0 0x1000 +" >"$out"', "*has no head"),
    "garbage": ('head -c 5000 /dev/urandom >"$out"', "*"),
    "zeros": ('head -c 5000 /dev/zero >"$out"', "*"),
    "past the end": ('printf "0x04000200  ?\\n0x0  0x04000200  +\\n" >"$out"', "*past its end"),
    "far past the end": ('printf "0x1000  ?\\n0xfffffffffffff000  0x1000  +\\n" >"$out"', "*"),
    "a gap": ('printf "0x3000  ?\\n0x0  0x1000  +\\n0x2000  0x1000  +\\n" >"$out"', "*has a gap"),
    "cut off": ('printf "0x3000  ?\\n0x0  0x1000  +\\n" >"$out"', "*is cut off"),
    "cut in a line": ('printf "0x1000  ?\\n0x0  0x1000  +" >"$out"', "*cannot be read"),
    "nothing used": ('printf "0x1000  ?\\n0x0  0x1000  ?\\n" >"$out"', "*is empty"),
    "other marks": ('printf "0x1000  ?\\n0x0  0x1000  -\\n" >"$out"', "*cannot be read"),
    "no status": ("kill -9 $$", "*status 137*"),
    "a refusal": ('echo "no such luck" >&2; echo "Partclone fail, please check" >&2; exit 1',
                  "partclone.ext4 ended with status 1: no such luck"),
    "a warning": ('printf "0x1000  ?\\n0x0  0x1000  +\\n" >"$out"; echo "WARN: dirty" >&2',
                  "it is not clean"),
}


def test_lies():
    disk = ext4_disk()
    find_out = 'while [ "$1" != -o ]; do shift; done; out=$2; '
    for name, (script, wanted) in LIES.items():
        env = false_program(find_out + script)
        found = used_of(disk, env=env)
        found.expect("partition.1.capture", "whole: the map of its blocks*"
                     if wanted.startswith("*") and "status" not in wanted else
                     "whole: *" if wanted.startswith("*") else f"whole: {wanted}")
        if wanted.strip("*") not in found.facts["partition.1.capture"]:
            fail(f"{name}: {found.facts}")
        if not found.covers(MIB, 64 * MIB):
            fail(f"{name}: {found.ranges}")
    # The opposite: a script that does as it should is believed.
    found = used_of(disk, env=false_program('exec /usr/sbin/partclone.ext4 "$@"'))
    found.expect("partition.1.capture", "used blocks")
    compare(EXT4, disk, trash(disk, found), 1, 64, "by a script")


def test_hang():
    """It is waited for, but not for ever."""
    disk = ext4_disk()
    env = false_program("echo $$ >>" + str(FOLDER / "pids") + "; sleep 1000")
    begun = time.monotonic()
    found = used_of(disk, "--limit", "2000", env=env)
    found.expect("partition.1.capture", "whole: 'partclone.ext4' took more than 2 s")
    if time.monotonic() - begun > 60:
        fail("a program that hangs was waited for too long")
    ended(FOLDER / "pids")


def ended(pids):
    """No program that was started is left."""
    for pid in pids.read_text().split():
        for _ in range(100):
            if not Path(f"/proc/{pid}").exists():
                break
            time.sleep(0.1)
        else:
            fail(f"program {pid} is left")


def test_killed():
    """In the middle of it: neither a loop device nor a program is left."""
    disk = ext4_disk()
    for how, wanted in ((signal.SIGTERM, 75), (signal.SIGKILL, -9)):
        pids = FOLDER / f"pids-{how}"
        env = false_program(f"echo $$ >>{pids}; exec sleep 1000")
        child = subprocess.Popen([USED_MAP, disk], env=env, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(300):
            if pids.exists() and pids.read_text().strip():
                break
            time.sleep(0.1)
        if str(disk) not in run("losetup", "-a").stdout:
            fail("there is no loop device while it is looked at")
        child.send_signal(how)
        if child.wait(timeout=30) != wanted:
            fail(f"{how}: {child.returncode}")
        no_leftovers(disk)
        ended(pids)


run_tests({name: test for name, test in list(globals().items()) if name.startswith("test_")})
