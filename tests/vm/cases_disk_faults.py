# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that fail while they are written, one after the other on a machine that boots once.

After each fault the message and the last event name the disk, and its sector where one is known,
the exit code is 74, and the disk does not boot."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from lab import (Disk, EXIT_TARGET, MIB, STARTED, case, check, check_equal, expect_done, expect_failed,
                 first_sector, order, same, sha256_of)
from qemu import HOST, PATIENCE, Network, die_with_parent
from servers import Reports

IMAGE_DISK = "626d7200-0000-4000-8000-0000000000d8"
SIZE = 48 * MIB
BAD_SECTOR = 40960
MIDDLE = 8 * MIB                # once that is written, a restore is under way and far from its end


@dataclass
class Backed(Disk):
    """A disk whose data comes from a block driver of QEMU (blockdev, without its node-name)."""
    blockdev: dict = field(default_factory=dict)

    def argv(self, number):
        options = f"id=target,drive=node,serial={self.serial},werror=report,rerror=report"
        device = {"virtio": ["-device", f"virtio-blk-pci,{options}"],
                  "scsi": ["-device", "virtio-scsi-pci", "-device", f"scsi-hd,{options}"]}[self.bus]
        return ["-blockdev", json.dumps(dict(self.blockdev, **{"node-name": "node"})), *device]


class Trial:
    """An image, and a machine that is about to restore it onto a disk that may fail."""

    def __init__(self, lab, bus, reports):
        self.lab, self.bus, self.reports = lab, bus, reports
        self.image = lab.work / "image.raw"
        self.image.write_bytes(os.urandom(510) + b"\x55\xaa" + os.urandom(SIZE - 512))
        packed = lab.work / "image.zst"
        subprocess.run(["zstd", "-1", "-q", "-o", str(packed), str(self.image)], check=True)
        self.source = lab.ext4("source", 2 * SIZE, IMAGE_DISK, {"image.zst": packed})
        self.disk = lab.target(SIZE)
        self.used, self.state = lab.work / "used.raw", lab.work / "state"
        with self.machine("boot", self.blkdebug()) as vm:
            vm.expect(STARTED, 90)
            vm.save_state(self.state)
        shutil.copyfile(self.disk, self.used)       # as the saved machine knows it

    def blkdebug(self, fault=None, states=()):
        """The disk's file, whose requests fail by a rule of blkdebug; states: when its state changes."""
        rules = {"inject-error": [{"event": "none", "errno": 5, **fault}]} if fault else {}
        if states:
            rules["set-state"] = list(states)
        return {"driver": "raw", "file": {
            "driver": "blkdebug", **rules,
            "image": {"driver": "file", "filename": str(self.disk), "cache": {"no-flush": True}}}}

    def machine(self, name, blockdev, incoming=None):
        report = self.reports.url("", HOST)
        return self.lab.live(name, order(f"disk:UUID={IMAGE_DISK}/image.zst", f"bmr.report={report}"),
                             memory=320, network=Network(), incoming=incoming,
                             disks=[Backed(self.disk, self.bus, "T1", blockdev=blockdev),
                                    Disk(self.source, serial="IMAGES", readonly=True)])

    @contextlib.contextmanager
    def restore(self, blockdev):
        """The machine while it restores onto a used disk."""
        shutil.copyfile(self.used, self.disk)
        with self.machine("restore", blockdev, self.state) as vm:
            vm.wait_loaded()
            vm.resume()
            yield vm

    def wait_middle(self):
        """Until the restore has come to its middle: by what is in the disk's file."""
        with open(self.disk, "rb") as disk, open(self.image, "rb") as image:
            image.seek(MIDDLE)
            wanted, deadline = image.read(512), time.monotonic() + 60 * PATIENCE
            while os.pread(disk.fileno(), 512, MIDDLE) != wanted:
                check(time.monotonic() < deadline, "the restore did not begin")
                time.sleep(0.01)

    def whole(self, blockdev):
        """The control: without a fault it restores."""
        with self.restore(blockdev) as vm:
            expect_done(vm, 90)
        check_equal(self.image, self.disk)

    def see_failed(self, vm, words):
        """It fails by such a message on the console and in its last event; the disk does not boot."""
        count = len(self.reports.events("failed"))
        line = expect_failed(vm, EXIT_TARGET, words, 60)
        vm.wait_off(60)
        events = self.reports.events("failed")[count:]
        check([event["exit"] for event in events] == [EXIT_TARGET] and events[0]["reason"] == line,
              f"the last event: {events}, not: {line}")
        check(same(first_sector(self.disk), bytes(512)), "LBA 0 is not zero")
        check(sha256_of(self.disk) != sha256_of(self.used), "nothing was written before it failed")
        print(line)

    def fails(self, words, fault, states=()):
        with self.restore(self.blkdebug(fault, states)) as vm:
            self.see_failed(vm, words)


class Nbdkit:
    """The disk's file, served by a program that can fail or end; a context manager."""

    def __init__(self, disk, *options):
        self._folder = tempfile.TemporaryDirectory(prefix="bmr-nbd-")
        self.socket = Path(self._folder.name) / "socket"
        self.log = Path(self._folder.name) / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["nbdkit", "-f", "-U", str(self.socket), "--filter=error", "file", str(disk), *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent)
        for _ in range(200):
            if self.socket.exists():
                return
            time.sleep(0.05)
        self.__exit__()
        raise AssertionError("nbdkit does not serve")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self._folder.cleanup()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def blockdev(self):
        return {"driver": "nbd", "reconnect-delay": 0, "cache": {"no-flush": False},
                "server": {"type": "unix", "path": str(self.socket)}}

    def check_fired(self):
        check("injecting EIO" in self.log.read_text(), "no fault fired")


SECTOR = rf"'/dev/[sv]da' at byte {BAD_SECTOR * 512} \(sector {BAD_SECTOR}\): Input/output error"
ANY_SECTOR = r"'/dev/[sv]da' at byte \d+ \(sector \d+\): "
THIRD_FLUSH = ({"event": "flush_to_disk", "state": 1, "new_state": 2},
               {"event": "flush_to_disk", "state": 2, "new_state": 3})


@case("fault-disk-blocks", limit=400)
def fault_disk_blocks(lab):
    """A sector that takes no write, one that cannot be read back, the first flush, a later one."""
    with Reports(lab.work) as reports:
        trial = Trial(lab, "virtio", reports)
        trial.whole(trial.blkdebug())
        trial.fails("cannot write " + SECTOR, {"iotype": "write", "sector": BAD_SECTOR})
        trial.fails("cannot read back " + SECTOR, {"iotype": "read", "sector": BAD_SECTOR})
        trial.fails("cannot flush '/dev/vda': .*; nothing else was written", {"iotype": "flush"})
        trial.fails("cannot flush '/dev/vda': .* is incomplete",
                    {"event": "flush_to_disk", "iotype": "flush", "state": 3}, THIRD_FLUSH)


@case("fault-disk-server", limit=400)
def fault_disk_server(lab):
    """Writes that fail by chance, a disk that fails from a moment on, and one whose server ends."""
    trigger = lab.work / "fail-now"
    chance = ("error-pwrite=EIO", "error-pwrite-rate=20%", f"error-pwrite-file={trigger}")
    with Reports(lab.work) as reports:
        trial = Trial(lab, "virtio", reports)
        with Nbdkit(trial.disk, *chance) as server:
            trial.whole(server.blockdev())
        for fault in (chance, ("error=EIO", "error-rate=100%", f"error-file={trigger}")):
            trigger.unlink(missing_ok=True)
            with Nbdkit(trial.disk, *fault) as server:
                with trial.restore(server.blockdev()) as vm:
                    trial.wait_middle()
                    trigger.touch()
                    trial.see_failed(vm, ANY_SECTOR)
                server.check_fired()
        with Nbdkit(trial.disk) as server, trial.restore(server.blockdev()) as vm:
            trial.wait_middle()
            server.kill()
            trial.see_failed(vm, ANY_SECTOR)


@case("fault-disk-yanked", limit=300)
def fault_disk_yanked(lab):
    """A SCSI disk with a bad sector, and one that is pulled in the middle."""
    with Reports(lab.work) as reports:
        trial = Trial(lab, "scsi", reports)
        trial.whole(trial.blkdebug())
        trial.fails("cannot write " + SECTOR, {"iotype": "write", "sector": BAD_SECTOR})
        with trial.restore(trial.blkdebug()) as vm:
            trial.wait_middle()
            vm.qmp("device_del", id="target")
            trial.see_failed(vm, ANY_SECTOR + "(No such device|Input/output error)")
