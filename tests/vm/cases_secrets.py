# SPDX-License-Identifier: GPL-3.0-or-later
"""Who sits at the console, or has its serial line, gets nothing: no prompt, no restart."""

import os
import re
import time

from lab import (Disk, EXIT_CODE, FAILED, MIB, PERCENT, case, check, check_equal, expect_done, order)
from qemu import HOST, VmError
from servers import Http

# QEMU's names; those of a group are pressed together.
KEYBOARD = (["ret"], ["ret"], ["ctrl", "c"], ["ctrl", "backslash"], ["ctrl", "z"], ["esc"], ["ctrl", "d"],
            ["ctrl", "alt", "delete"], ["alt", "sysrq", "b"], ["alt", "sysrq", "o"], ["alt", "sysrq", "i"],
            ["alt", "sysrq", "e"], ["ctrl", "alt", "f2"], ["ret"], ["alt", "f3"], ["ret"], ["ctrl", "alt", "f1"],
            ["ctrl", "alt", "delete"], ["spc"], ["ret"])
SERIAL = ("\n", "\r", "\x03", "\x1c", "\x1a", "\x1b", "\x04", "\x11", "sh\r", "root\r", "\x1b[A", "q",
          "\x00", "reboot\r", "exit\r", "\x12", "\x15", "y\r", "+++", "\n")
PROMPT = re.compile(r"[#$] $|login:|[Pp]assword|/bin/sh|BusyBox v|sysrq: (?!This sysrq)|reboot: ", re.M)


def press_all(vm):
    """Twenty at the keyboard, twenty on the serial line; returns what came on the line after it."""
    before = len(vm.text())
    for keys, text in zip(KEYBOARD, SERIAL, strict=True):
        try:
            vm.qmp("send-key", keys=[{"type": "qcode", "data": key} for key in keys])
            vm.send(text)
        except (OSError, VmError) as error:
            raise AssertionError(f"the machine is gone after {keys}, {text!r}") from error
        time.sleep(0.3)
    check(vm.qmp("query-status")["status"] == "running", "the machine does not run any more")
    return before


def check_nothing_came(vm, before):
    said = vm.text()[before:]
    found = PROMPT.search(said)
    check(not found, f"'{found and found.group(0)}' came: {said[-400:]}")
    check("Linux version" not in said, f"it started again: {said}")


@case("console-is-closed", limit=400)
def console_is_closed(lab):
    """Forty keys where a failure is held, and forty in the middle of a restore, which goes on."""
    size = 24 * MIB
    image = lab.work / "image.img"
    image.write_bytes(b"\0" * 510 + b"\x55\xaa" + os.urandom(size - 512))
    disk = lab.target(size)
    with Http(lab.folder(image_img=image)) as server:
        line = order(server.url("none.img", HOST)).replace("bmr.onfail=poweroff", "bmr.onfail=hold")
        with lab.live("held", line, disks=[Disk(disk, serial="T1")]) as vm:
            vm.expect(FAILED, 160)
            vm.expect(EXIT_CODE, 20)
            before = press_all(vm)
            time.sleep(5)
            check_nothing_came(vm, before)
            vm.screenshot(lab.work / "held.png")
        with lab.live("restore", order(server.url("image.img", HOST), "bmr.rate=1M"),
                      disks=[Disk(disk, serial="T1")]) as vm:
            vm.expect(PERCENT, 160)
            before = press_all(vm)
            check("bmr: restored" not in vm.text(), "it was over before the keys were pressed")
            check_nothing_came(vm, before)
            expect_done(vm)
    check_equal(image, disk)
