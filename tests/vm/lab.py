# SPDX-License-Identifier: GPL-3.0-or-later
"""lab - what the cases of tests/vm share: images, disks, boot media, and the steps of a restore.

A case is a function with @case; it gets a Lab and fails by raising.  Everything a case makes is in
lab.work; what is dear to make and the same for all is in the cache (BMR_CACHE or build/cache).

BMR_PROVE_RED (run --prove-red) names a kind of finding that is made wrong here, and a case that
looks at such findings must then fail:
    content   no two contents are equal
    outcome   the agent, or a command, ended in another way than it did
    boot      what was restored has lost its first MiB before it is started; after a power cut the
              disk looks bootable
"""

import functools
import gzip
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BMR_BUILD") or TOP / "build").resolve()    # bmr and boot/ to be tried
sys.path.insert(0, str(TOP / "tests/fixtures"))

import qemu                                                     # noqa: E402
from qemu import Disk, Machine                                  # noqa: E402

MIB = 1 << 20

# --- what the agent says on a console: the only place in the tests that knows -------------------

RESTORED = r"bmr: restored [^\r\n]*\r?\n"
CAPTURED = r"bmr: captured [^\r\n]*\r?\n"
FAILED = r"bmr: failed: (?P<why>[^\r\n]*)\r?\n"
EXIT_CODE = r"exit code (?P<code>\d+)\s"
PERCENT = r"(?P<percent>\d+)(?:\.\d+)? ?%"
STARTED = r"\nimage: [^\r\n]*\r?\n"          # the source is open; no disk was touched yet
HELD = r"held|hold"

EXIT_USAGE, EXIT_DATA, EXIT_SOURCE, EXIT_TARGET, EXIT_REFUSED = 64, 65, 69, 74, 77


class Red:
    """red(kind): whether such findings are to be made wrong; used: whether a case had any."""
    kind = os.environ.get("BMR_PROVE_RED", "")
    used = False

    def __call__(self, kind):
        self.used |= kind == self.kind
        return kind == self.kind


red = Red()


# --- cases --------------------------------------------------------------------------------------

@dataclass
class Case:
    name: str
    limit: int          # seconds
    function: object
    needs: tuple        # files that must exist, relative to BUILD


CASES = {}


class Skip(Exception):
    """The case cannot run here; the text says why."""


MEDIUM = ("bmr", "boot/vmlinuz", "boot/initrd.img")


def case(name, *, limit=240, needs=MEDIUM):
    """Register a case.  It is ended after limit seconds, and fails."""
    def register(function):
        if name in CASES:
            raise ValueError(f"two cases are named '{name}'")
        CASES[name] = Case(name, limit, function, needs)
        return function
    return register


def check(condition, text):
    """Fail the case unless condition holds."""
    if not condition:
        raise AssertionError(text)


# --- files --------------------------------------------------------------------------------------

def sha256_of(path, size=None):
    """SHA-256 (hex) of the first size bytes of path, or of all."""
    digest, left = hashlib.sha256(), size if size is not None else os.path.getsize(path)
    with open(path, "rb") as source:
        while left > 0:
            data = source.read(min(left, 4 * MIB))
            if not data:
                raise AssertionError(f"'{path}' ends {left} bytes too early")
            digest.update(data)
            left -= len(data)
    if red("content"):
        digest.update(os.urandom(8))
    return digest.hexdigest()


def same(one, other):
    """Whether two contents that no file holds are equal."""
    return one == other and not red("content")


def pieces_of(path, size=MIB):
    """The bytes of a file, or what `zstd -dc` makes of one that is named .zst, piece by piece."""
    argv = ["zstd" if str(path).endswith(".zst") else "cat"]
    argv += ["-dc"] if argv[0] == "zstd" else []
    with subprocess.Popen([*argv, str(path)], stdout=subprocess.PIPE) as child:
        while piece := child.stdout.read(size):
            yield piece
    check(child.returncode == 0, f"{argv[0]} cannot read '{path}'")


def first_sector(path):
    with open(path, "rb") as source:
        return source.read(512)


def bootable(path):
    """Whether firmware would start LBA 0, or find a partition table by it."""
    return first_sector(path)[510:] == b"\x55\xaa"


def used_disk(path, size):
    """A disk with another life behind it: random bytes in each MiB, so that data which was not
    written shows, and all of both ends.  Fresh for each test."""
    with open(path, "wb") as out:
        out.truncate(size)
        for offset in range(0, size, MIB):
            out.seek(offset)
            out.write(os.urandom(min(MIB if offset in (0, size - MIB) else 16384, size - offset)))
    return path


class Lab:
    """The bench of one case."""

    def __init__(self, work):
        self.work = Path(work)
        self.work.mkdir(parents=True, exist_ok=True)
        self.cache = Path(os.environ.get("BMR_CACHE") or TOP / "build/cache").resolve()
        self.cache.mkdir(parents=True, exist_ok=True)
        self.kernel = BUILD / "boot/vmlinuz"
        self.initrd = BUILD / "boot/initrd.img"
        self.bmr = BUILD / "bmr"

    # --- images ---

    @functools.cached_property
    def _debian(self):
        return {}

    def debian(self, layout="gpt-ext4"):
        """The raw image of a Debian disk: not to be changed."""
        if layout not in self._debian:
            done = subprocess.run([TOP / "tests/fixtures/debian_image", layout], check=True,
                                  stdout=subprocess.PIPE, text=True,
                                  env=dict(os.environ, BMR_CACHE=str(self.cache)))
            self._debian[layout] = Path(done.stdout.strip())
        return self._debian[layout]

    def packed(self, image, suffix):
        """image compressed, from the cache or made now; suffix gz or zst."""
        program = {"gz": ["gzip", "-1c"], "zst": ["zstd", "-3", "-qc", "-T0"]}[suffix]
        out = self.cache / f"{Path(image).name}.{suffix}"
        if not out.exists():
            draft = self.cache / f".{out.name}.{os.getpid()}"
            with open(draft, "wb") as target:
                subprocess.run([*program, str(image)], stdout=target, check=True)
            os.replace(draft, out)
        return out

    def folder(self, **files):
        """A folder to serve: name -> file, copied: a link to what other cases serve as well would
        change the file's status, and servers tell.  A name's "_" stands for "."."""
        root = self.work / "served"
        root.mkdir(exist_ok=True)
        for name, path in files.items():
            place = root / name.replace("_", ".")
            subprocess.run(["cp", "--reflink=auto", "--sparse=always", str(path), str(place)],
                           check=True)
        return root

    def bmr_image(self, raw, out, *options):
        """A bmr image of a raw disk, made by this machine."""
        subprocess.run([self.bmr, "capture", *options, str(raw), str(out)], check=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return out

    def about(self, image):
        """What `bmr info` says of a bmr image."""
        return json.loads(subprocess.run([self.bmr, "info", "--json", str(image)], check=True,
                                         stdout=subprocess.PIPE, text=True).stdout)

    def copy(self, disk, name):
        """A disk of its own for this case, with the holes of the original."""
        out = self.work / f"{name}.raw"
        subprocess.run(["cp", "--sparse=always", str(disk), str(out)], check=True)
        return out

    def target(self, size, name="target"):
        return used_disk(self.work / f"{name}.raw", size)

    def ext4(self, name, size, uuid, files):
        """A disk that is one ext4 file system with files ({name: path})."""
        tree, disk = self.work / f"{name}.tree", self.work / f"{name}.raw"
        for place, source in files.items():
            (tree / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, tree / place)
        tree.mkdir(exist_ok=True)
        with open(disk, "wb") as out:
            out.truncate(size)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-U", uuid, "-d", str(tree), str(disk)],
                       check=True)
        shutil.rmtree(tree)
        return disk

    def tool_disk(self, name="tools", **files):
        """A disk with bmr and all of its libraries, for any Linux; started by TOOL_BMR."""
        closure = subprocess.run(["ldd", str(self.bmr)], check=True, capture_output=True,
                                 text=True).stdout
        libraries = re.findall(r"(/\S+)", closure)
        content = {f"lib/{os.path.basename(path)}": os.path.realpath(path) for path in libraries}
        content["bmr"] = self.bmr
        content.update({key.replace("_", "."): path for key, path in files.items()})
        return self.ext4(name, 512 * MIB, "626d7200-0000-4000-8000-0000000000aa", content)

    # --- boot media ---

    def iso(self, cmdline, **images):
        """The medium with an automatic entry; images (name -> path) lie in its /images."""
        out = self.work / "bmr.iso"
        argv = [TOP / "iso/build", "--boot", BUILD / "boot", "--out", out, "--cmdline",
                cmdline, "--timeout", "1"]
        for name, path in images.items():
            argv += ["--add", f"{path}=/images/{name.replace('_', '.')}"]
        subprocess.run([str(item) for item in argv], check=True, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT)
        return out

    def live(self, name, cmdline, *, initrd=None, **options):
        """A machine that boots the live system directly, without firmware or medium."""
        return Machine(self.work, name, kernel=self.kernel, initrd=initrd or self.initrd,
                       append=f"console=tty0 console=ttyS0 {cmdline}", **options)

    def cafile(self, server):
        """(initrd, parameter) that make the live system trust the CA of an https server."""
        files = {"etc/bmr/test-ca.pem": (0o644, server.cafile.read_bytes())}
        return (qemu.append_cpio(self.initrd, files, self.work / "initrd.img"),
                "bmr.cafile=/etc/bmr/test-ca.pem")


# --- the steps of a restore ---------------------------------------------------------------------

def order(url, *more, target="serial=T1"):
    """The command line of an unattended restore that ends with the power off."""
    network = [] if url.startswith(("disk:", "cdrom:")) else ["ip=dhcp"]
    return " ".join([f"bmr.image={url}", f"bmr.target={target}", "bmr.overwrite=any",
                     "bmr.finish=poweroff", "bmr.onfail=poweroff", *network, *more])


def outcome(vm, limit):
    """Wait for the end of what the agent does: ("done", 0, line) or ("failed", code, why)."""
    found = vm.expect(f"{RESTORED}|{CAPTURED}|{FAILED}", limit)
    if found.group("why") is None:
        return ("failed", 70, "made wrong") if red("outcome") else ("done", 0, found.group(0))
    code = int(vm.expect(EXIT_CODE, 20).group("code"))
    return "failed", code + red("outcome"), found.group("why")


def expect_done(vm, limit=150):
    """The agent says that it restored or captured, and the machine goes off."""
    word, code, line = outcome(vm, limit)
    check(word == "done", f"it failed with {code}: {line}")
    vm.wait_off(60)


def expect_failed(vm, code, words="", limit=160):
    """The agent says that it failed, with this exit code and words; returns the line."""
    word, got, line = outcome(vm, limit)
    check(word == "failed", f"it says: {line}")
    check(got == code, f"exit code {got}, not {code}: {line}")
    check(re.search(words, line, re.I), f"'{words}' is not in: {line}")
    return line


def check_equal(image, disk):
    """The disk holds the image: by this host's own reading, up to the image's size."""
    size = os.path.getsize(image)
    check(sha256_of(disk, size) == sha256_of(image), "the disk is not equal to the image")


def has_gpt(image):
    with open(image, "rb") as source:
        return source.read(1024)[512:520] == b"EFI PART"


def check_gpt(disk):
    """Both copies are whole and where they belong."""
    said = subprocess.run(["sgdisk", "-v", str(disk)], check=True, capture_output=True,
                          text=True).stdout
    check("No problems found" in said, f"sgdisk says: {said}")


def shell(vm, command, status=0, limit=60):
    """Run a command at the prompt of a logged-in machine; return what it printed."""
    # The mark is put together by the shell, so that the echo of the typed line is not taken for it.
    vm.send(f"{command}; echo bmr-''status=$?\n")
    found = vm.expect(r"(?s)(?P<out>.*?)bmr-status=(?P<status>\d+)\s", limit)
    wrong = status != 0 and red("outcome")
    check(int(found.group("status")) == status and not wrong,
          f"{shlex.split(command)[0]} ended with {found.group('status')}: {found.group('out')}")
    return found.group("out").partition("\n")[2]


def check_boots(lab, disk, firmware="bios", limit=120):
    """The restored disk starts by itself, up to the login prompt."""
    break_if_red(disk)
    with Machine(lab.work, f"restored-{firmware}", firmware=firmware, network=None,
                 disks=[Disk(disk, serial="T1")]) as vm:
        vm.expect(r"bmr-restored login: ", limit)
        if firmware == "secureboot":
            # Said by the kernel's stub and by the kernel: a busy console may lose a letter of one.
            check(re.search("Secure Boot is enabled|Secure boot enabled", vm.text()),
                  "Secure Boot was not on")


def break_if_red(disk):
    """Before a restored disk is started."""
    if red("boot"):
        with open(disk, "r+b") as out:
            out.write(bytes(MIB))


def multi_member_gzip(path, pieces):
    """Write a gzip file of several members from (bytes, times) pairs; return (size, sha256) of
    what it unpacks to.  Quick for images of many GiB that are nearly all zeros."""
    digest, size = hashlib.sha256(), 0
    with open(path, "wb") as out:
        for data, times in pieces:
            member = gzip.compress(data, 1, mtime=0)
            for _ in range(times):
                out.write(member)
                digest.update(data)
                size += len(data)
    return size, digest.hexdigest()
