#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""disks.py - make the reference disks of the benchmarks, and packed copies of them.

Usage: sudo bench/disks.py [--size SIZE] [ext4|ntfs|xfs|lvm ...]        (all if none is named)

Prints the path of each disk, below ${BMR_CACHE:-build/cache}/bench.  What is there already is not
made again.  --size is that of the ext4 disk; the others are half as large.

Every disk is GPT and about 60 % used by a Debian system: debootstrap's minimal one, and large
packages unpacked into it.  A sixth of it is garbage, files written and deleted again before,
between and after the others, so that free space is not zero.

ext4, xfs, ntfs   one partition
lvm               one partition, a physical volume with three logical ones: ext4, xfs and swap

NAME.used lists what must be right after a restore, "offset length" a line: all but what the file
system says is free.  Of the ext4 disk there are copies: .gz (gzip -6), .zst (zstd -3), .bmap,
.qcow2 (zstd), .partclone.zst (of the partition).
"""

import argparse
import importlib.machinery
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from harness import CACHE, MIB, TOP, begin, run, say, text

# Raised when a change of this script makes other disks.
RECIPE = 2
KINDS = ("ext4", "ntfs", "xfs", "lvm")
START = 1 * MIB         # of the partition
CLUSTER = 4096          # of NTFS
SHARE_USED, SHARE_GARBAGE = 0.60, 1 / 6

# Programs, libraries, fonts, sources, headers; unpacked in this order until there is enough.
LARGE = ("linux-image-amd64", "chromium", "libllvm14", "golang-1.19-go", "openjdk-17-jre-headless",
         "libreoffice-core", "libreoffice-common", "gcc-12", "firefox-esr", "libboost1.74-dev",
         "fonts-noto-cjk", "postgresql-15", "gimp-data", "llvm-14-dev", "thunderbird", "inkscape",
         "libqt6webenginecore6", "python3-scipy", "emacs-common", "golang-1.19-src",
         "libstd-rust-dev", "blender", "openjdk-17-jdk-headless", "linux-source-6.1", "ghc")


def fixture():
    """tests/fixtures/debian_image, for how this machine reaches Debian's archive."""
    loader = importlib.machinery.SourceFileLoader("debian_image",
                                                  str(TOP / "tests/fixtures/debian_image"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def bytes_below(folder):
    return int(text("du", "-sx", "--block-size=1", folder).split()[0])


def package_names(name):
    """A metapackage stands for what it depends on first."""
    depends = re.search(r"^  Depends: (linux-image-\S+)", text("apt-cache", "depends", name), re.M)
    return [depends.group(1)] if depends and name == "linux-image-amd64" else [name]


def debian_tree(want):
    """A folder with at least `want` bytes of Debian, or as much as there is."""
    tree = CACHE / f"tree-r{RECIPE}"
    if not tree.exists():
        image = fixture()
        mirror, suite = image.apt_source()
        say(f"debootstrap of {suite}, then large packages: some minutes, once")
        draft = CACHE / "tree.draft"
        shutil.rmtree(draft, ignore_errors=True)
        # What it mounts goes with it, also when it is killed: the next rmtree must not walk /proc.
        run("unshare", "--mount", "debootstrap", "--variant=minbase", suite, draft, mirror,
            env=image.apt_environment(), stdout=subprocess.DEVNULL)
        shutil.rmtree(draft / "var/cache/apt/archives")
        draft.rename(tree)
    done = CACHE / f"tree-r{RECIPE}.packages"
    unpacked = done.read_text().split() if done.exists() else []
    for package in (name for large in LARGE for name in package_names(large)):
        if bytes_below(tree) >= want:
            break
        if package not in unpacked:
            unpack(package, tree)
            unpacked.append(package)
            done.write_text("\n".join(unpacked) + "\n")
    return tree


def unpack(package, tree):
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        os.chmod(scratch, 0o755)
        subprocess.run(["apt-get", "-q", "download", package], cwd=scratch, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for archive in Path(scratch).glob("*.deb"):
            # Through tar: a package's lib/ is the tree's link to usr/lib.
            run("sh", "-c", 'dpkg-deb --fsys-tarfile "$1" | tar -C "$2" --keep-directory-symlink -xf -',
                "sh", archive, tree)


# --- file systems ---------------------------------------------------------------------------------

@contextmanager
def loop_on(disk, offset, length):
    device = text("losetup", "-f", "--show", "-o", offset, "--sizelimit", length, disk).strip()
    try:
        yield device
    finally:
        run("losetup", "-d", device)


@contextmanager
def mounted(device, kind):
    with tempfile.TemporaryDirectory(prefix="bmr-bench-") as place:
        run("mount", "-t", {"ntfs": "ntfs-3g"}.get(kind, kind), device, place)
        try:
            yield Path(place)
        finally:
            run("umount", place)


def files_of(tree):
    for folder, names, files in os.walk(tree):
        names.sort()
        for name in sorted(files):
            yield Path(folder) / name


def copy_files(files, tree, target, budget):
    """Copy regular files and links until the budget of bytes is used up; returns what is left."""
    for file in files:
        size = file.lstat().st_size
        if not (file.is_symlink() or file.is_file()) or size > budget:
            continue
        place = target / file.relative_to(tree)
        place.parent.mkdir(parents=True, exist_ok=True)
        if file.is_symlink():
            place.symlink_to(os.readlink(file))
        else:
            shutil.copy2(file, place)
        budget -= max(size, 4096)
        if budget < 4096:
            break
    return budget


def fill(place, tree, room):
    """Used to SHARE_USED of room, with the data of deleted files in a part of the rest."""
    garbage, live = int(room * SHARE_GARBAGE), int(room * SHARE_USED)
    files = list(files_of(tree))
    half = [file for file in files if file.is_relative_to(tree / "usr/lib")]
    copy_files(reversed(half), tree, place / "old-1", garbage // 2)
    files_in_use = iter(files)
    left = copy_files(files_in_use, tree, place, live // 2)
    copy_files(half, tree, place / "old-2", garbage // 2)
    copy_files(files_in_use, tree, place, live - live // 2 + left)
    os.sync()
    for name in ("old-1", "old-2"):
        shutil.rmtree(place / name)
    os.sync()


MKFS = {"ext4": ("mke2fs", "-q", "-F", "-t", "ext4", "-E", "nodiscard,lazy_itable_init=0"),
        "xfs": ("mkfs.xfs", "-q", "-f", "-K"), "ntfs": ("mkntfs", "-q", "-Q", "-F", "-c", str(CLUSTER)),
        "swap": ("mkswap",)}


def make_file_system(disk, kind, offset, length, tree):
    with loop_on(disk, offset, length) as device:
        run(*MKFS[kind], device, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if kind != "swap":
            with mounted(device, kind) as place:
                room = os.statvfs(place)        # xfs keeps a quarter of a small volume for itself
                fill(place, tree, room.f_bavail * room.f_frsize)


def free_ranges(disk, kind, offset, length):
    """(offset, length) on the disk of what a file system calls free, by its own tools."""
    with loop_on(disk, offset, length) as device:
        if kind == "ext4":
            return [(offset + at, size) for at, size in ext4_free(device)]
        if kind == "xfs":
            return [(offset + at, size) for at, size in xfs_free(device)]
        if kind == "ntfs":
            return [(offset + at, size) for at, size in ntfs_free(device, length)]
    return [(offset + 4096, length - 4096)]        # swap: all but its header


def ext4_free(device):
    dump = text("dumpe2fs", device, stderr=subprocess.DEVNULL)
    block = int(re.search(r"^Block size: +(\d+)", dump, re.M).group(1))
    for line in re.findall(r"^  Free blocks: (.+)$", dump, re.M):
        for first, _, last in (item.partition("-") for item in line.split(", ") if item):
            yield int(first) * block, (int(last or first) - int(first) + 1) * block


def xfs_free(device):
    geometry = text("xfs_db", "-r", "-c", "sb 0", "-c", "p blocksize agblocks", device)
    block, per_group = map(int, re.findall(r"= (\d+)", geometry))
    for line in text("xfs_db", "-r", "-c", "freesp -d", device).splitlines():
        words = line.split()
        if len(words) == 3 and all(word.isdigit() for word in words):
            group, first, count = map(int, words)
            yield (group * per_group + first) * block, count * block


def ntfs_free(device, length):
    """What ntfs-3g's own map calls free; the backup of the boot sector is outside of it."""
    with tempfile.TemporaryDirectory() as scratch:
        bitmap = Path(scratch) / "bitmap"
        with open(bitmap, "wb") as out:
            run("ntfscat", "-f", device, "$Bitmap", stdout=out)
        bits = bitmap.read_bytes()
    start = None
    for number in range(length // CLUSTER):
        free = not bits[number // 8] >> (number % 8) & 1
        if free and start is None:
            start = number
        if not free and start is not None:
            yield start * CLUSTER, (number - start) * CLUSTER
            start = None


def used_ranges(size, free):
    """All of the disk but `free`, as (offset, length)."""
    at = 0
    for offset, length in sorted(free):
        if offset > at:
            yield at, offset - at
        at = max(at, offset + length)
    if at < size:
        yield at, size - at


# --- disks ----------------------------------------------------------------------------------------

def build(kind, size, tree, draft):
    """Make a disk; returns its file systems as (kind, offset, length)."""
    with open(draft, "wb") as out:
        out.truncate(size)
    room = (size - START - MIB) // MIB * MIB
    name = {"lvm": "lvm", "ntfs": "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"}.get(kind, "linux")
    run("sfdisk", "-q", "--no-reread", "--no-tell-kernel", draft,
        input=f"label: gpt\nstart={START // 512}, size={room // 512}, type={name}\n".encode())
    places = logical_volumes(draft, room) if kind == "lvm" else [(kind, START, room)]
    for place in places:
        make_file_system(draft, *place, tree)
    return places


def logical_volumes(disk, room):
    """PV, VG and three LVs in the partition, as metadata alone; where they lie on the disk."""
    volumes = {"ext4": room // MIB * 5 // 10, "xfs": room // MIB * 3 // 10, "swap": 64}
    with loop_on(disk, START, room) as device, tempfile.TemporaryDirectory() as scratch:
        config = (f'devices{{use_devicesfile=0 filter=["a|^{device}$|","r|.*|"]}} '
                  f'global{{use_lvmpolld=0 locking_dir="{scratch}"}} '
                  'activation{udev_sync=0 udev_rules=0 monitoring=0} '
                  'backup{backup=0 archive=0}')

        def lvm(command, *rest):
            return text("lvm", command, "--driverloaded", "n", "--config", config, *rest,
                        stderr=subprocess.DEVNULL, env=dict(os.environ, LVM_SYSTEM_DIR=scratch, LVM_SUPPRESS_FD_WARNINGS="1"))

        lvm("pvcreate", "-ff", "-y", device)
        lvm("vgcreate", "bench", device)
        for name, length in volumes.items():
            lvm("lvcreate", "-an", "-Zn", "-Wn", "-L", f"{length}m", "-n", name, "bench")
        plain = ("--noheadings", "--nosuffix", "--units", "b", "-o")
        first = int(lvm("pvs", *plain, "pe_start"))
        extent = int(lvm("vgs", *plain, "vg_extent_size"))
        places = []
        for name in volumes:
            start, end = map(int, re.fullmatch(
                rf"{device}:(\d+)-(\d+)",
                lvm("lvs", *plain, "seg_pe_ranges", f"bench/{name}").strip()).groups())
            places.append((name, START + first + start * extent, (end - start + 1) * extent))
    return places


def disk(kind, size):
    """The path of a reference disk."""
    size = size if kind == "ext4" else size // 2
    path = CACHE / f"{kind}-{size // MIB}M-r{RECIPE}.img"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        tree = debian_tree(int(size * SHARE_USED))
        say(f"the {kind} disk: about a minute, once")
        draft = path.with_suffix(".draft")
        places = build(kind, size, tree, draft)
        free = [item for place in places for item in free_ranges(draft, *place)]
        path.with_suffix(".used").write_text(
            "".join(f"{at} {length}\n" for at, length in used_ranges(size, free)))
        path.with_suffix(".json").write_text(json.dumps(places))
        draft.rename(path)
    return path


def used(path):
    """What must be right after a restore of a disk."""
    return [tuple(map(int, line.split()))
            for line in path.with_suffix(".used").read_text().splitlines()]


def file_systems(path):
    """The (kind, offset, length) of a disk's file systems."""
    return [tuple(item) for item in json.loads(path.with_suffix(".json").read_text())]


PACK = {".gz": 'gzip -6 -c "$1"', ".zst": 'zstd -3 -q -c "$1"', ".bmap": 'bmaptool -q create "$1"',
        ".qcow2": 'qemu-img convert -q -c -O qcow2 -o compression_type=zstd "$1" "$2" && cat "$2"',
        ".partclone.zst": 'partclone.$4 -c -q -L "$2.log" -s "$3" -o - | zstd -3 -q -c'}


def packed(path, suffix):
    """The path of a packed copy of a disk, made if it is not there."""
    copy = Path(f"{path}{suffix}")
    if copy.exists():
        return copy
    say(f"{copy.name}: once")
    kind, offset, length = file_systems(path)[0]
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch, loop_on(path, offset, length) as part, \
            open(f"{copy}.draft", "wb") as out:
        run("bash", "-o", "pipefail", "-c", PACK[suffix], "bash", path, f"{scratch}/file", part,
            kind, stdout=out)
    os.rename(f"{copy}.draft", copy)
    return copy


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("kinds", nargs="*", metavar="ext4|ntfs|xfs|lvm")
    options = begin(parser)
    for kind in options.kinds or KINDS:
        if kind not in KINDS:
            sys.exit(f"bench: no disk is called '{kind}'; there are {', '.join(KINDS)}")
        print(disk(kind, options.size))


if __name__ == "__main__":
    main()
