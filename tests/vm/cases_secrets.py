# SPDX-License-Identifier: GPL-3.0-or-later
"""Who sits at the console, or has its serial line, gets nothing: no prompt, no restart."""

import os
import re
import subprocess
import time
from dataclasses import dataclass

from lab import Disk, MIB, PERCENT, TOP, case, check, check_equal, expect_done
from qemu import HOST, PATIENCE, Network, VmError, append_cpio
from servers import Http

# QEMU's names; those of a group are pressed together.  The last two look at the second console.
KEYBOARD = (["ret"], ["ctrl", "c"], ["ctrl", "backslash"], ["ctrl", "z"], ["ctrl", "d"], ["esc"], ["q"], ["s"],
            ["1"], ["ctrl", "alt", "delete"], ["alt", "sysrq", "b"], ["alt", "sysrq", "o"],
            ["alt", "sysrq", "i"], ["alt", "sysrq", "e"], ["alt", "up"], ["alt", "right"],
            ["ctrl", "alt", "f3"], ["ret"], ["alt", "f2"], ["ret"])
BREAK = "<break>"                      # SysRq of a serial console: a break, then a letter
SERIAL = ("\n", "\r", "\x03", "\x1c", "\x1a", "\x04", "\x1b", "\x1b[A", "q", "s", "1", "sh\r", "root\r",
          "reboot\r", "exit\r", "y\r", BREAK + "b", BREAK + "o", "+++", "\n")
PROMPT = re.compile(r"[#$] *$|login:|[Pp]assword|/bin/sh|BusyBox v|sysrq: (?!This sysrq)|reboot: |Linux version"
                    r"|the agent (was|ended)", re.M)
# What a line of the kernel answers to all of that by itself.
ECHO = re.compile(r"(\^[@-_]|\[A|sh|root|reboot|exit|[qs1ybo+\s\x08])*")
AGENT = r"(?m)bare-metal restore|^bmr( \S+;|: next)"      # its screen, with a panel or without
KEY_SECONDS = 0.12
SIZE = 8 * MIB
FILE_SYSTEM = "626d7200-0000-4000-8000-0000000000d7"


def type_serial(vm, text):
    if text.startswith(BREAK):
        vm.qmp("chardev-send-break", id="console")
        text = text.removeprefix(BREAK)
    vm.send(text)


def wait_screen(vm, regex, seconds=20):
    """Until the screen shows regex."""
    deadline = time.monotonic() + seconds * PATIENCE
    while not re.search(regex, vm.screen_text()):
        check(time.monotonic() < deadline, f"no '{regex}' on the screen:\n{vm.screen_text()[-3000:]}")
        time.sleep(0.2)


def wait_quiet(vm):
    """Until the console has said nothing for a second."""
    length = -1
    while length < len(vm.text()):
        length = len(vm.text())
        time.sleep(1)


def press_all(vm):
    """Twenty at the keyboard, twenty on the serial line; returns what came on that and what is new
    on the screen."""
    wait_screen(vm, AGENT)
    line, screen = vm.text(), set(vm.screen_text().splitlines())
    for keys, text in zip(KEYBOARD, SERIAL, strict=True):
        try:
            vm.together(*keys)
            type_serial(vm, text)
        except (OSError, VmError) as error:
            raise AssertionError(f"the machine is gone after {keys}, {text!r}") from error
        time.sleep(KEY_SECONDS)
    time.sleep(1)
    check(vm.qmp("query-status")["status"] == "running", "the machine does not run any more")
    seen = [row for row in vm.screen_text().splitlines() if row not in screen]
    return vm.text()[len(line):], "\n".join(seen)


def check_no_prompt(text):
    found = PROMPT.search(text.replace("\r", ""))
    check(not found, f"'{found and found.group(0)}' came: {text[-800:]}")


def check_closed(vm, held):
    """No prompt comes on the line or on the screen; where the machine is held, only the echo."""
    said, seen = press_all(vm)
    check_no_prompt(said)
    check_no_prompt(seen)
    check(not held or ECHO.fullmatch(said), f"more than an echo came: {said!r}")


# --- the points at which it is tried ------------------------------------------------------------

@dataclass
class Point:
    """Where the keys are pressed: after the order the console shows regex.  held: nothing goes on
    there by itself.  {}: the folder of the server; no order: there is no such file."""
    name: str
    order: str | None
    regex: str
    held: bool = True
    cable: bool = True


IMAGE = "image={}/image.img\n"
ONTO = IMAGE + "target=serial=T1\n"
WIPE = "overwrite=any\n"
POINTS = (
    Point("the network is waited for", "", "", held=False, cable=False),
    Point("no network", "", "failed: no network: eth0: no carrier", cable=False),
    Point("no order", None, "failed: .*/order': no such file"),
    Point("a wrong order", "imgae=x\n", "failed: unknown parameter 'bmr.imgae'"),
    Point("no such image", "image={}/none.img\ntarget=serial=T1\n", "failed: .*/none.img': no such file"),
    Point("no such protocol", "image=htp://x/y\ntarget=serial=T1\n", "failed: .*htp"),
    Point("no server", "image=http://10.0.2.2:1/x\ntarget=serial=T1\nretries=0\n", "failed: .*10.0.2.2:1/x"),
    Point("the image is cut", "image={}/cut.zst\ntarget=serial=T1\n" + WIPE, "failed: .*is incomplete"),
    Point("another image", ONTO + WIPE + "sha256=" + "0" * 64 + "\n", "failed: .*0000"),
    Point("a disk is waited for", IMAGE + "target=serial=T3\n", "waiting up to", held=False),
    Point("two disks match", IMAGE + "target=auto\n", "failed: .*there are several"),
    Point("no consent", IMAGE + "target=serial=T2\n", "failed: .*overwrite"),
    Point("a plan", ONTO + "action=plan\n", "plan: nothing was written"),
    Point("no shell on the medium", "action=shell\n", "failed: .*built without a shell"),
    Point("restored", ONTO + WIPE + "finish=hold\n", "bmr: restored "),
)
RESTORING = Point("restoring", ONTO + WIPE + "rate=512K\nfinish=poweroff\n", PERCENT, held=False)


class Bench:
    """A machine that fetches its order; it boots once, up to the moment before that."""

    def __init__(self, lab, server):
        self.lab, self.server = lab, server
        self.disks = [Disk(lab.target(SIZE), serial="T1"),
                      Disk(lab.ext4("files", SIZE, FILE_SYSTEM, {}), serial="T2")]
        self.state = lab.work / "state"
        with self.machine("boot") as vm:
            vm.expect("Run /init", 90)
            before = len(vm.text())
            # Before the agent runs.  SysRq still does what Debian's kernel allows: sync, restart.
            vm.send("".join(text for text in SERIAL if not text.startswith(BREAK)))
            vm.expect("bmr [^\r]*; ", 60)
            check_no_prompt(vm.text()[before:])
            vm.save_state(self.state)

    def machine(self, name, incoming=None):
        line = (f"bmr.config={self.server.url('order', HOST)} bmr.onfail=hold ip=dhcp "
                "rd.net.timeout.carrier=8 rd.net.dhcp.retry=1")
        return self.lab.live(name, line, network=Network(), incoming=incoming, disks=self.disks)

    def at(self, point, work):
        """Go on with the order of a point, and call work(vm) there."""
        place = self.server.root / "order"
        place.unlink(missing_ok=True)
        if point.order is not None:
            place.write_text(point.order.replace("{}", self.server.url("", HOST).rstrip("/")))
        with self.machine("point", self.state) as vm:
            vm.wait_loaded()
            vm.link(0, point.cable)
            vm.resume()
            try:
                vm.expect(point.regex, 60)
                if point.held:
                    wait_quiet(vm)
                work(vm)
            except (AssertionError, VmError) as error:
                raise AssertionError(f"{point.name}: {error}") from error


def see_restored(vm):
    check_closed(vm, False)
    check("bmr: restored" not in vm.text(), "it was over before the keys were pressed")
    expect_done(vm)


@case("console-is-closed", limit=400)
def console_is_closed(lab):
    """Forty keys at each of the points, and in the middle of a restore, which goes on."""
    image, cut = lab.work / "image.img", lab.work / "cut.zst"
    image.write_bytes(b"\0" * 510 + b"\x55\xaa" + os.urandom(SIZE - 512))
    subprocess.run(["zstd", "-q", "-1", "-o", str(cut), str(image)], check=True)
    os.truncate(cut, SIZE // 2)
    with Http(lab.folder(image_img=image, cut_zst=cut)) as server:
        bench = Bench(lab, server)
        for point in POINTS:
            bench.at(point, lambda vm, held=point.held: check_closed(vm, held))
        bench.at(RESTORING, see_restored)
    check_equal(image, bench.disks[0].path)
    print(f"{len(POINTS) + 1} points, {len(KEYBOARD)} keys and {len(SERIAL)} on the line at each")


# --- media with a shell -------------------------------------------------------------------------

def with_inittab(lab, name, lines, **files):
    """The medium with more lines in its inittab, and files in /etc."""
    inittab = (TOP / "initramfs/inittab").read_text() + "".join(line + "\n" for line in lines)
    content = {"etc/inittab": (0o644, inittab.encode())}
    content.update({f"etc/{place.replace('_', '/')}": (0o600, text.encode())
                    for place, text in files.items()})
    return append_cpio(lab.initrd, content, lab.work / f"{name}.img")


@case("console-with-a-shell")
def console_with_a_shell(lab):
    """The check of console-is-closed sees a shell, on the serial line and on the second console."""
    shell = "respawn:/early/busybox sh"
    initrd = with_inittab(lab, "open", [f"ttyS0::{shell}", f"tty2::{shell}"])
    with lab.live("open", "bmr.action=shell", initrd=initrd, network=None) as vm:
        vm.expect("failed: .*built without a shell", 90)
        wait_quiet(vm)
        for text in press_all(vm):
            try:
                check_no_prompt(text)
            except AssertionError:
                continue
            raise AssertionError(f"a shell is not noticed in {text!r}")


@case("console-shell-password")
def console_shell_password(lab):
    """A medium with SHELL_ON_TTY2: only there, and only by the password."""
    build = (TOP / "initramfs/build").read_text()
    line = re.search(r"echo '(tty2::[^']*)' >>\S*inittab", build)
    entry = re.search(r"printf '(root:%s:[^']*)\\n' \S+ \| etc shadow", build)
    check(line and entry, "initramfs/build does it in another way now")
    digest = subprocess.run(["openssl", "passwd", "-6", "right"], check=True, capture_output=True,
                            text=True).stdout.strip()
    initrd = with_inittab(lab, "shell", [line[1]], shadow=entry[1] % digest + "\n", bmr_shell="yes\n")
    with lab.live("shell", "bmr.action=shell", initrd=initrd, network=None) as vm:
        vm.expect("the shell is on tty2", 90)
        wait_quiet(vm)
        before = len(vm.text())
        for text in SERIAL:
            type_serial(vm, text)
        vm.together("ctrl", "alt", "f2")
        wait_screen(vm, "password")
        vm.keys(*"wrong", "ret")
        wait_screen(vm, "(?i)incorrect")
        check(not re.search("[#$] *$", vm.screen_text(), re.M), "a wrong password opens the shell")
        wait_screen(vm, "(?is)incorrect.*password")
        vm.keys(*"right", "ret")
        wait_screen(vm, "(?m)# *$")
        check_no_prompt(vm.text()[before:])
