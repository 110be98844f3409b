# SPDX-License-Identifier: GPL-3.0-or-later
"""demo.py - steps 2 to 7 of tools/demo, which installs what is needed here and starts this.

Usage: demo.py STARTED      (seconds since 1970: when the demo began)
"""

import contextlib
import hashlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
OUT = TOP / "build/demo"
CACHE = Path(os.environ.get("BMR_CACHE") or TOP / "build/cache")
sys.path[:0] = [str(TOP / "tests/vm"), str(TOP / "tests/fixtures")]

import servers                                                  # noqa: E402
from qemu import HOST, Disk, Machine, VmError                   # noqa: E402

STEPS = 7
INDENT = " " * 13
DISK_SIZE = 2 << 30
SERIAL = "DEMO0001"
LOGIN = r"[\w-]+ login: "
END = re.compile(r"bmr: restored |bmr: NOT RESTORED")


class Failed(Exception):
    """A step did not do its work.  The text says why."""


def say(text):
    print(INDENT + text, flush=True)


class Step:
    """Says which step runs, how long it took, and, if it fails, where its log is."""
    current = None

    def __init__(self, number, title, log):
        self.number, self.title, self.log = number, title, OUT / log
        Step.current = self

    def __enter__(self):
        print(f"step {self.number} of {STEPS}  {self.title}", flush=True)
        self.begin = time.monotonic()
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            say(f"done in {time.monotonic() - self.begin:.0f} s")


def show_last_line(log):
    """On a terminal: what a program says now, overwritten by what it says next."""
    if not sys.stdout.isatty():
        return
    with open(log, "rb") as text:
        text.seek(max(0, log.stat().st_size - 400))
        lines = text.read().decode("utf-8", "replace").split("\n")
    line = next((line for line in reversed(lines) if line.strip()), "").strip()
    print(f"\r\033[K{INDENT}{line[:66]}", end="", flush=True)


def run(step, limit, *argv):
    """Run a program, its messages in the step's log, at most limit seconds; return its stdout."""
    words = [str(word) for word in argv]
    deadline = time.monotonic() + limit
    with open(step.log, "ab") as log, open(f"{step.log}.out", "wb+") as out:
        process = subprocess.Popen(words, cwd=TOP, stdin=subprocess.DEVNULL, stdout=out, stderr=log,
                                   env=dict(os.environ, BMR_CACHE=str(CACHE)))
        try:
            while process.poll() is None and time.monotonic() < deadline:
                show_last_line(step.log)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.5)
        finally:
            ended = process.poll() is not None
            if not ended:
                process.terminate()
                process.wait()
            if sys.stdout.isatty():
                print("\r\033[K", end="")
        out.seek(0)
        text = out.read().decode("utf-8", "replace")
        log.write(text.encode())
    os.unlink(f"{step.log}.out")
    if not ended:
        raise Failed(f"'{words[0]}' was ended after {limit} s")
    if process.returncode != 0:
        raise Failed(f"'{' '.join(words)}' ended with status {process.returncode}\n"
                     + "\n".join(step.log.read_text(errors="replace").splitlines()[-10:]))
    return text


# --- the steps ----------------------------------------------------------------------------------

def build_program():
    with Step(2, "build bmr, and the live system's kernel and initramfs", "2-build.log") as step:
        jobs = os.cpu_count() or 1
        run(step, 900, "make", "-s", f"-j{jobs}", "all")
        said = run(step, 600, "make", "-s", "initramfs").strip()
        if said:
            say(said.splitlines()[-1])


def debian_image():
    with Step(3, "make a Debian disk image", "3-image.log") as step:
        image = Path(run(step, 900, "tests/fixtures/debian_image", "gpt-ext4").strip())
        packed = CACHE / f"{image.name}.gz"
        if not packed.exists():
            draft = OUT / packed.name
            run(step, 300, "sh", "-c", 'exec gzip -1c "$1" >"$2"', "gzip", image, draft)
            os.replace(draft, packed)
        say(f"{image.stat().st_size >> 20} MiB: GPT, EFI system partition, ext4 root; "
            f"{packed.stat().st_size >> 20} MiB as gzip")
        return image, packed


def serve(packed):
    with Step(4, "start an image server (nginx)", "4-server.log"):
        folder = OUT / "served"
        folder.mkdir(exist_ok=True)
        link = folder / "debian.img.gz"
        link.unlink(missing_ok=True)
        link.symlink_to(packed)
        server = servers.Http(folder)
        say(server.url(link.name))
        return server, server.url(link.name, HOST)


def make_medium(url):
    with Step(5, "make the boot medium", "5-medium.log") as step:
        cmdline = f"bmr.image={url} bmr.target=serial={SERIAL} bmr.finish=poweroff bmr.onfail=poweroff"
        medium = OUT / "bmr.iso"
        run(step, 120, "iso/build", "--boot", "build/boot", "--out", medium, "--timeout", "1",
            "--cmdline", cmdline)
        say(f"{medium.relative_to(TOP)}, {medium.stat().st_size >> 20} MiB, starts with")
        say(f"  {cmdline.replace(' bmr.finish', chr(10) + INDENT + '  bmr.finish')}")
        return medium


def readable(line):
    """A line of the serial console without control sequences."""
    return re.sub(r"\033\[[0-9;?]*[A-Za-z]|[^ -~]", "", line).strip()


def console_lines(vm, limit):
    """What the machine says, line by line as it comes, until it is silent for limit seconds."""
    while True:
        yield readable(vm.expect(r"([^\n]*)\n", limit).group(1))


def restore(medium, image):
    disk = OUT / "disk.raw"
    disk.unlink(missing_ok=True)
    with open(disk, "wb") as out:
        out.truncate(DISK_SIZE)
    with Step(6, "boot the medium in QEMU and restore a blank disk", "6-restore.log"), \
            Machine(OUT, "6-restore", cdrom=medium, disks=[Disk(disk, serial=SERIAL)]) as vm:
        deadline = time.monotonic() + 420
        vm.expect(r"Booting `[^\n]*\n", 120)      # before that the boot menu draws on the screen
        say("the boot menu has started the live system")
        for line in console_lines(vm, 120):
            if line:
                say(f"| {line}")
            if END.search(line):
                break
            if time.monotonic() > deadline:
                raise Failed("the restore did not end within 420 s")
        if "restored" not in line:
            vm.wait_off(30)
            raise Failed("bmr says that the disk was not restored")
        vm.wait_off(60)
        same_bytes(image, disk)
    return disk


def same_bytes(image, disk):
    """Do not take bmr's word for it."""
    def digest(path):
        result, left = hashlib.sha256(), image.stat().st_size
        with open(path, "rb") as source:
            while left > 0:
                data = source.read(min(left, 1 << 22))
                if not data:
                    break
                result.update(data)
                left -= len(data)
        return result.hexdigest()
    if digest(image) != digest(disk):
        raise Failed("the disk is not equal to the image")
    say("this host compared the disk with the image: equal")


def boot(disk):
    with Step(7, "start the restored disk", "7-boot.log"):
        say(f"qemu-system-x86_64 -hda {disk.relative_to(TOP)}")
        # The sample image has the driver of QEMU's oldest disk controller, which -hda means.
        with Machine(OUT, "7-boot", network=None, extra=["-machine", "pc", "-hda", str(disk)]) as vm:
            found = vm.expect(rf"[^\n]*\n*({LOGIN})", 240).group(0).strip()
            say(f"the login line: {found.splitlines()[-1].strip()}")


def main(argv):
    servers.exit_on_sigterm()
    started = float(argv[1]) if len(argv) == 2 else time.time()
    for old in OUT.glob("[2-7]-*"):
        old.unlink()
    server = None
    try:
        build_program()
        image, packed = debian_image()
        server, url = serve(packed)
        medium = make_medium(url)
        disk = restore(medium, image)
        boot(disk)
    except (Failed, VmError, RuntimeError, OSError, subprocess.SubprocessError) as error:
        step = Step.current
        print(f"\ndemo: step {step.number} ({step.title}) failed: {error}\n"
              f"demo: log: {step.log}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted", file=sys.stderr)
        return 130
    finally:
        if server:
            server.close()
        give_back()
    print(f"\nA blank disk became a running Debian. All steps: {time.time() - started:.0f} s.")
    return 0


def give_back():
    """What was made as root under sudo belongs to who called, so that `make` works afterwards."""
    if os.environ.get("SUDO_UID"):
        subprocess.run(["chown", "-R", f"{os.environ['SUDO_UID']}:{os.environ['SUDO_GID']}",
                        str(TOP / "build")], check=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
