# SPDX-License-Identifier: GPL-3.0-or-later
"""harness - what the benchmarks share: a disk to write on, the measuring of a command, rounds that
are interleaved, and tables.

Sizes are bytes and times are seconds, unless a name says otherwise.
"""

import ctypes
import fcntl
import mmap
import os
import resource
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
CACHE = Path(os.environ.get("BMR_CACHE") or TOP / "build/cache").resolve() / "bench"
BUILD = Path(os.environ.get("BENCH_BUILD") or TOP / "build").resolve()
BMR = BUILD / "bmr"
OUT = BUILD / "bench"       # where the tables go
GIB, MIB = 1 << 30, 1 << 20
BLOCK = 4 * MIB


def say(line):
    print(f"bench: {line}", file=sys.stderr, flush=True)


def size(word):
    """Bytes of "512M", "4G" or a plain number."""
    units = {"M": MIB, "G": GIB}
    return int(word[:-1]) * units[word[-1]] if word[-1] in units else int(word)


def begin(parser):
    """The options, among them --rounds and --size, and what every benchmark needs.  A signal to end
    undoes what was set up; only one benchmark runs at a time."""
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=size, default="4G", help="of the ext4 disk; the others are "
                        "half as large")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("bench: loop devices, mounts and name spaces need root")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    CACHE.mkdir(parents=True, exist_ok=True)
    # Held until the process ends: two at a time would use the same files and measure each other.
    lock = os.open(CACHE / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("bench: another benchmark is running")
    return options


def run(*argv, **options):
    """Run a program; a failure ends the benchmark."""
    try:
        return subprocess.run([str(item) for item in argv], check=True, **options)
    except subprocess.CalledProcessError as error:
        sys.exit(f"bench: exit code {error.returncode}: {' '.join(map(str, argv))}")


def text(*argv, **options):
    """What a program prints."""
    return run(*argv, stdout=subprocess.PIPE, text=True, **options).stdout


# --- the disk that is written ---------------------------------------------------------------------

class Disk:
    """A loop device with direct I/O on a file.

    path   the device; part(offset, length) makes another one of a piece of the same file"""

    def __init__(self, size, name="target"):
        self.size = size
        self.file = CACHE / f"{name}.raw"
        self.devices = []
        with open(self.file, "wb") as out:
            out.truncate(size)
        self.path = self.part(0, size)

    def part(self, offset, length):
        device = text("losetup", "-f", "--show", "--direct-io=on", "-o", offset, "--sizelimit",
                      length, self.file).strip()
        self.devices.append(device)
        return device

    def forget(self):
        """Nothing of the disk is in a cache afterwards."""
        for device in self.devices:
            run("blockdev", "--flushbufs", device)
        fd = os.open(self.file, os.O_RDWR)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)

    def dirty(self):
        """Old content everywhere, none of it zero."""
        with mmap.mmap(-1, BLOCK) as block:
            block.write(b"\xa5" * BLOCK)
            self._write(lambda _: block)

    def become(self, image):
        """The content of an image."""
        with open(image, "rb", buffering=0) as source, mmap.mmap(-1, BLOCK) as block:
            def read(offset):
                source.seek(offset)
                source.readinto(block)
                return block
            self._write(read)

    def overwrite(self, chunks):
        """Other content in some mebibytes, given by their numbers."""
        with open(self.file, "r+b", buffering=0) as out:
            for chunk in chunks:
                out.seek(chunk * MIB)
                out.write(b"\x5a" * MIB)
        self.forget()

    def _write(self, content):
        self.forget()
        fd = os.open(self.file, os.O_WRONLY | os.O_DIRECT)
        for offset in range(0, self.size, BLOCK):
            with memoryview(content(offset)) as view:
                os.pwrite(fd, view[:min(BLOCK, self.size - offset)], offset)
        os.fsync(fd)
        os.close(fd)
        self.forget()

    def differs(self, image, ranges=None):
        """None, or the first offset where the disk is not the image; in `ranges` alone if given.
        What counts is what lies below the device: its caches are dropped first."""
        self.forget()
        with open(self.file, "rb", buffering=0) as disk, open(image, "rb", buffering=0) as wanted:
            for offset, length in ranges or [(0, self.size)]:
                while length:
                    disk.seek(offset)
                    wanted.seek(offset)
                    step = min(length, BLOCK)
                    if disk.read(step) != wanted.read(step):
                        return offset
                    offset += step
                    length -= step
        return None

    def close(self):
        for device in self.devices:
            run("losetup", "-d", device)
        self.file.unlink()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# --- measuring ------------------------------------------------------------------------------------

@dataclass
class Run:
    wall: float
    cpu: float      # user + system of all processes, but not what the kernel's own threads do
    rss: float      # MiB, of the largest process
    wire: int = 0   # bytes that came over the network, or were read as packed image


def measure(command):
    """Run a shell command to its end.  It runs below a helper process that also inherits what
    detaches itself, so that all its descendants are counted and nobody else's."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        pr_set_child_subreaper = 36
        ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1)
        began = time.monotonic()
        code = subprocess.run(["/bin/bash", "-o", "pipefail", "-c", command], check=False).returncode
        wall = time.monotonic() - began
        try:
            while True:
                os.wait()
        except ChildProcessError:
            pass
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        os.write(writer, f"{code} {wall} {used.ru_utime + used.ru_stime} "
                         f"{used.ru_maxrss / 1024}".encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    code, wall, cpu, rss = os.read(reader, 256).decode().split()
    os.close(reader)
    if int(code) != 0:
        sys.exit(f"bench: exit code {code}: {command}")
    return Run(float(wall), float(cpu), float(rss))


@dataclass
class Row:
    """One line of a table.

    command  what is measured
    before   called before each run, unmeasured
    after    called with the Run after it; may set run.wire; returns what is wrong, or None
    bytes    of the uncompressed image that the row is about: for the rates
    bound    the least time by measured parts; 0 none
    note     shown in the last column where nothing was wrong"""
    name: str
    command: str
    before: object = lambda: None
    after: object = lambda run: None
    bytes: int = 0
    bound: float = 0
    note: str = ""
    runs: list = field(default_factory=list)
    wrong: str = ""

    @property
    def wall(self):
        return statistics.median(item.wall for item in self.runs)


def rounds(rows, count):
    """Run every row `count` times, A B C A B C ..., so that a slow minute hits all alike."""
    for number in range(1, count + 1):
        for row in rows:
            row.before()
            item = measure(row.command)
            row.runs.append(item)
            row.wrong = row.after(item) or row.wrong
            say(f"round {number}: {row.name}: {item.wall:.2f} s"
                + (f" WRONG: {row.wrong}" if row.wrong else ""))


def line(row, base, with_bound):
    walls = [item.wall for item in row.runs]
    cpu = statistics.median(item.cpu for item in row.runs) / (row.bytes / GIB)
    moved = statistics.median(item.wire for item in row.runs) / MIB
    cells = [row.name.replace("|", "\\|"), f"**{base / row.wall:.2f}**",
             f"{row.wall:.2f} ({min(walls):.2f}-{max(walls):.2f})", f"{cpu:.2f}",
             f"{max(item.rss for item in row.runs):.0f}", f"{moved:.0f}"]
    if with_bound:
        cells += [f"{row.bound:.2f}", f"{row.wall / row.bound:.2f}"] if row.bound else ["-", "-"]
    cells.append(f"WRONG: {row.wrong}" if row.wrong else row.note)
    return f"| {' | '.join(cells)} |"


def table(rows, base=None, moved="MiB read"):
    """Markdown; what ratios are against is the first row, or `base`.  moved: what wire is here."""
    base, with_bound = base or rows[0], any(row.bound for row in rows)
    head = ["", "times as fast", "wall s: median (min-max)", "CPU s/GiB", "peak MiB", moved,
            *(["bound s", "wall/bound"] if with_bound else []), ""]
    return [f"| {' | '.join(head)} |", "|---" * len(head) + "|",
            *(line(row, base.wall, with_bound) for row in rows)]


def target(name, wanted, got, at_least=True):
    """A line that says whether a target was met."""
    met = got >= wanted if at_least else got <= wanted
    return f"- {name}: **{got:.2f}** ({'at least' if at_least else 'at most'} {wanted:g}: " \
           f"{'met' if met else 'MISSED'})"


def publish(name, lines):
    """Print a page and keep it as build/bench/NAME.md."""
    OUT.mkdir(parents=True, exist_ok=True)
    page = "\n".join(lines) + "\n"
    (OUT / f"{name}.md").write_text(page, encoding="utf-8")
    print(page, flush=True)
