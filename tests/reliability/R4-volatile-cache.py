#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R4: the power fails below the kernel, and the disk's cache loses what was not flushed: a loop device on a
file that nbdfuse serves; its nbdkit has the cache and is killed.  Of COUNT runs two thirds are with a disk
that keeps what was flushed (writeback), one third with one that lies about it (unsafe).

writeback: half of the cuts come by the clock, most of them within a flush, and bmr sees its disk vanish; half
at a call on the disk.  What is left is untouched, its LBA 0 is zero, or it is whole; it is whole if bmr ended
with 0.
unsafe: none or any of the blocks were kept, and no order of writes helps.  In a third of these runs bmr has
ended with 0 before, and was right by all that the disk said.  `bmr verify` must tell what is there then.
After each, the next restore ends with the image.

Before all that it is shown that the cache loses what it should, and nothing else."""

import contextlib
import mmap
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
from experiment import (FIX, MIB, SECTOR, SIGKILL, Experiment, Many, make_disk, need,     # noqa: E402
                        own_namespace, pack, skip, wait_until)
from servers import exit_on_sigterm     # noqa: E402

BLOCK = 65536                   # of nbdkit's cache
SIZE = 4 * MIB + BLOCK          # the rest of the disk is zeroed; nbdkit's cache takes no part in that
DISK = 5 * MIB
KINDS = ("gz", "bmr")
IO_ERROR, REFUSED = 74, 77
DELAY = "2ms"                   # of each block in a flush: a flush takes most of the time of a restore
CALLS = (("pwrite", 7), ("fsync", 5), ("fsync", 5))     # at which of how many power fails


class Loop:
    """A loop device on a file.  The kernel detaches it when nobody has it open, whatever becomes of us."""

    def __init__(self, path):
        self.device = subprocess.run(["losetup", "-f", "--show", path], check=True, text=True,
                                     stdout=subprocess.PIPE).stdout.strip()
        self.held = os.open(self.device, os.O_RDONLY | os.O_CLOEXEC)
        subprocess.run(["losetup", "-d", self.device], check=True)

    def close(self):
        os.close(self.held)


class Disk:
    """A loop device; what it keeps is in the file back."""

    def __init__(self, folder, name, mode, before):
        self.back, self.served = folder / f"{name}.back", folder / f"{name}.served"
        self.socket, self.ready = folder / f"{name}.socket", folder / f"{name}.pid"
        self.back.write_bytes(before)
        self.served.touch()
        self.children, self.cache, self.attached = [], None, None
        try:
            self.start(folder, mode)
        except BaseException:
            self.close()
            raise

    def child(self, *argv, **env):
        child = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *argv], env={**os.environ, **env},
                                 stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.children.append(child)
        return child

    def start(self, folder, mode):
        self.nbdkit = self.child("nbdkit", "-f", "-U", self.socket, "-P", self.ready, "--filter=cache",
                                 "--filter=delay", "file", self.back, f"cache={mode}",
                                 f"cache-min-block-size={BLOCK}", f"delay-write={DELAY}", TMPDIR=str(folder))
        wait_until(self.ready.exists, "nbdkit listens")
        self.child("nbdfuse", self.served, "--unix", self.socket)
        wait_until(lambda: self.served.stat().st_size == DISK, "nbdfuse serves")
        self.cache = self.open_cache(folder)
        self.attached = Loop(self.served)
        self.loop = self.attached.device

    def open_cache(self, folder):
        """The file without a name in which nbdkit has what was written to it."""
        for fd in Path(f"/proc/{self.nbdkit.pid}/fd").iterdir():
            name = os.readlink(fd)
            if name.startswith(f"{folder}/") and name.endswith(" (deleted)"):
                return os.open(fd, os.O_RDONLY | os.O_CLOEXEC)
        sys.exit("FAILED: nbdkit has no cache")

    def cut(self):
        """The power fails."""
        self.nbdkit.kill()
        self.nbdkit.wait()

    def lost(self):
        """Blocks that were in the cache and are not on the disk: [(offset, bytes)].  After cut()."""
        kept, lost, at = self.back.read_bytes(), [], 0
        while True:
            try:
                at = os.lseek(self.cache, at, os.SEEK_DATA)
            except OSError:
                return lost
            data = os.pread(self.cache, BLOCK, at)
            if data != kept[at:at + BLOCK]:
                lost.append((at, data))
            at += BLOCK

    def close(self):
        if self.attached:
            self.attached.close()
        if self.cache is not None:
            os.close(self.cache)
        for child in self.children:
            child.kill()
            child.wait()
        subprocess.run(["umount", "-l", self.served], stderr=subprocess.DEVNULL, check=False)
        for path in (self.served, self.socket, self.ready):
            path.unlink(missing_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def check_cache(folder, mode, flush, kept):
    """A write that went to the cache, flushed or not, and the power fails: is it on the disk?"""
    old, new = bytes(DISK), b"new." * (BLOCK // 4)
    with Disk(folder, "control", mode, old) as disk:
        page = mmap.mmap(-1, len(new))
        page.write(new)
        fd = os.open(disk.loop, os.O_RDWR | os.O_DIRECT | os.O_CLOEXEC)
        os.pwrite(fd, page, MIB)
        if flush:
            os.fsync(fd)
        disk.cut()
        os.close(fd)
        there = disk.back.read_bytes()[MIB:MIB + len(new)]
        lost = [(MIB, new)] if not kept else []
        if there != (new if kept else old[:len(new)]) or disk.lost() != lost:
            sys.exit(f"FAILED: {mode}, {'with' if flush else 'without'} a flush: the cache does not do its part")


class VolatileCache:
    def __init__(self, experiment):
        self.x = experiment
        raw = experiment.folder / "raw"
        content = make_disk(experiment.random, SIZE)
        raw.write_bytes(content)
        self.final = content + bytes(DISK - SIZE)       # an old backup GPT is wiped as well
        self.images = {kind: experiment.folder / f"image.{kind}" for kind in KINDS}
        for kind, image in self.images.items():
            pack(kind, raw, image)
        self.seconds = {kind: self.undisturbed(kind) for kind in KINDS}

    def undisturbed(self, kind):
        """How long a restore takes; when it ends, nothing may be left in the cache alone."""
        with Disk(self.x.folder, kind, "writeback", self.x.random.randbytes(DISK)) as disk:
            began = time.monotonic()
            run = Many(self.x.folder).run("restore", self.images[kind], disk.loop)
            seconds = time.monotonic() - began
            disk.cut()
            if run.code != 0 or disk.lost() or disk.back.read_bytes() != self.final:
                self.x.violation(f"{kind}: a restore without any fault", run)
        return seconds

    def restore_cut(self, many, kind, disk, rng, end=False):
        """A restore, and the power fails: at its end, at a call on the disk, or by the clock."""
        order = ("restore", self.images[kind], disk.loop)
        if end:
            run = many.run(*order)
        elif rng.random() < 0.5:
            call, count = rng.choice(CALLS)
            run = many.run(*order, SHIM_TARGET=disk.loop, SHIM_CALL=call, SHIM_ACTION="kill",
                           SHIM_FROM=rng.randint(1, count))
        else:
            timer = threading.Timer(rng.uniform(0, self.seconds[kind]), disk.nbdkit.kill)
            timer.start()
            run = many.run(*order)
            timer.join()
        disk.cut()
        return run

    def one(self, many, number, rng):
        kind, lies = KINDS[number % 2], number % 3 == 2
        name = f"{'unsafe' if lies else 'writeback'} {number}, {kind}"
        old = b"\x55\xaa" * (SECTOR // 2) + rng.randbytes(DISK - SECTOR)
        with Disk(self.x.folder, f"disk{number}", "unsafe" if lies else "writeback", old) as disk:
            run = self.restore_cut(many, kind, disk, rng, end=lies and rng.random() < 0.33)
            lost = disk.lost()
        if lies:
            keep_some(disk.back, lost, rng)
        state = disk.back.read_bytes()
        # Refused: the disk had gone before it was looked at.
        if run.code not in (0, IO_ERROR, -SIGKILL) and not (run.code == REFUSED and state == old):
            self.x.violation(f"{name}: it ended by itself", run)
        if lies:
            self.check_verify(name, many, kind, disk.back, state, run)
        else:
            self.check_order(name, old, state, run)
        notes = {"whole": 1} if state == self.final else {"untouched": 1} if state == old else \
            {"half_written": 1}
        with contextlib.closing(Loop(disk.back)) as loop:
            again = many.run("restore", rng.choice(("--compare=auto", "--compare=hash")),
                             self.images[kind], loop.device)
        if again.code != 0 or disk.back.read_bytes() != self.final:
            self.x.violation(f"{name}: the next restore does not mend it", again)
        self.x.add(fired=lost, blocks_lost=len(lost), **notes)
        disk.back.unlink()

    def check_order(self, name, old, state, run):
        if run.code == 0 and state != self.final:
            self.x.violation(f"{name}: restored, it said, and the disk lost some of it", run)
        if state not in (old, self.final) and any(state[:SECTOR]):
            self.x.violation(f"{name}: LBA 0 is there and the rest is not", run)

    def check_verify(self, name, many, kind, back, state, run):
        right = state[:SIZE] == self.final[:SIZE]
        verify = many.run("verify", self.images[kind], back)
        if verify.code != (0 if right else IO_ERROR):
            self.x.violation(f"{name}: the disk is {'right' if right else 'wrong'}, and verify says otherwise",
                             verify)
        if run.code == 0 and not right:
            self.x.note(nobody_could_know=1)


def keep_some(back, lost, rng):
    """The disk wrote some blocks of its cache when it liked."""
    keep = rng.choice((0, 0, 0.1, 0.5, 0.9))
    with open(back, "r+b") as file:
        for off, data in lost:
            if rng.random() < keep:
                file.seek(off)
                file.write(data)


def main():
    exit_on_sigterm()
    need("nbdkit", "nbdfuse", "losetup", "setpriv", "unshare")
    if os.getuid() != 0 or not Path("/dev/fuse").exists() or not Path("/dev/loop-control").exists():
        skip("needs root, FUSE and loop devices")
    own_namespace("--mount")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))    # nbdfuse aborts when it loses its server
    x = Experiment(60)
    for control in (("writeback", True, True), ("writeback", False, False), ("unsafe", True, False)):
        check_cache(x.folder, *control)
    x.each(VolatileCache(x).one, LD_PRELOAD=str(FIX / "shim.so"))
    x.end(enough=x.count // 3)


if __name__ == "__main__":
    main()
