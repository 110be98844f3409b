# SPDX-License-Identifier: GPL-3.0-or-later
"""bmc - ipmi_sim as the BMC of a virtual machine, reached by ipmitool over the network (lanplus).

    with Lan() as lan, Bmc(lan, lab.work / "bmc") as bmc:
        bmc.ipmitool("chassis", "bootdev", "pxe")
        bmc.ipmitool("chassis", "power", "on")
        bmc.wait_power(True, 10)
        with Machine(..., extra=bmc.wires()) as vm, bmc.sol() as sol:
            sol.expect("...", 60)

The BMC only remembers what it was told, power and boot device: the test is the mains.  In the
machine it is /dev/ipmi0, and its serial line over LAN is ttyS1.
"""

import os
import pty
import signal
import subprocess
import time

from qemu import PATIENCE, Serial, VmError, die_with_parent

USER, PASSWORD = "admin", "secret"
LAN_PORT, MACHINE_PORT, SOL_PORT = 623, 9002, 9003      # in a name space of their own

CONFIGURATION = """\
name "bmr"
set_working_mc 0x20
startlan 1
addr 127.0.0.1 {lan}
priv_limit admin
allowed_auths_callback none md2 md5 straight
allowed_auths_user none md2 md5 straight
allowed_auths_operator none md2 md5 straight
allowed_auths_admin none md2 md5 straight
guid a123456789abcdefa123456789abcdef
lan_config_program "/bin/true"
endlan
chassis_control "{folder}/chassis 0x20"
serial 15 127.0.0.1 {machine} codec VM ipmb 0x20
startnow false
sol "tcp:127.0.0.1:{sol}" 115200
user 2 true "{user}" "{password}" admin 10 none md2 md5 straight
"""

CONTROLLER = """\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
mc_enable 0x20
"""

# Called as: chassis 0x20 get|set power|boot|... [VALUE]
CHASSIS = """\
#!/bin/sh
cd '{folder}' || exit 1
echo "$*" >>calls
case $2 in
get) echo "$3:$(cat "$3")" ;;
set) echo "$4" >"$3.new" && mv "$3.new" "$3" ;;
esac
"""


class Sol:
    """The machine's second serial port, as a person sees it."""

    def __init__(self, argv, inside, log):
        ours, theirs = pty.openpty()
        with inside():
            self._process = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs,
                                             preexec_fn=die_with_parent)
        os.close(theirs)
        self._pty = ours
        self._serial = Serial(self, log)

    def recv(self, size):
        return os.read(self._pty, size)

    def shutdown(self, _):
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def close(self):
        os.close(self._pty)

    def expect(self, regex, timeout):
        try:
            return self._serial.expect(regex, timeout * PATIENCE)
        except (TimeoutError, EOFError) as error:
            raise VmError(f"SOL: {error!r} waiting for {regex}; it showed: "
                          f"{self._serial.text()[-2000:]}") from None

    def text(self):
        return self._serial.text()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._serial.close()


class Bmc:
    def __init__(self, lan, folder):
        self._lan, self._folder = lan, folder
        folder.mkdir()
        self._write("power", "0\n")
        self._write("boot", "none\n")
        self._write("lan.conf", CONFIGURATION.format(
            folder=folder, lan=LAN_PORT, machine=MACHINE_PORT, sol=SOL_PORT, user=USER,
            password=PASSWORD))
        self._write("controller", CONTROLLER)
        self._write("chassis", CHASSIS.format(folder=folder))
        (folder / "chassis").chmod(0o755)
        with lan.inside(), open(folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                ["ipmi_sim", "-n", "-c", folder / "lan.conf", "-f", folder / "controller", "-s",
                 folder], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=die_with_parent)
        self._wait_answer()

    def _write(self, name, text):
        (self._folder / name).write_text(text)

    def _argv(self, *words):
        return ["ipmitool", "-C", "3", "-I", "lanplus", "-H", "127.0.0.1", "-U", USER, "-P",
                PASSWORD, *words]

    def _run(self, *words):
        with self._lan.inside():
            return subprocess.run(self._argv(*words), stdin=subprocess.DEVNULL, timeout=60,
                                  capture_output=True, text=True, check=False)

    def _wait_answer(self):
        for _ in range(5):
            if self._run("chassis", "power", "status").returncode == 0:
                return
            time.sleep(0.2)
        raise VmError("ipmi_sim does not answer: " + (self._folder / "log").read_text())

    def ipmitool(self, *words):
        """What ipmitool prints."""
        done = self._run(*words)
        if done.returncode != 0:
            raise VmError(f"ipmitool {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def sol(self, log):
        """The console over LAN; to be opened when the machine runs."""
        self._run("sol", "deactivate")          # one that was killed
        return Sol(self._argv("sol", "activate"), self._lan.inside, log)

    def wires(self):
        """What QEMU needs to know."""
        return ["-chardev", f"socket,id=bmc,host=127.0.0.1,port={MACHINE_PORT},reconnect=1",
                "-device", "ipmi-bmc-extern,id=bmc0,chardev=bmc", "-device",
                "isa-ipmi-kcs,bmc=bmc0", "-chardev",
                f"socket,id=sol,host=127.0.0.1,port={SOL_PORT},server=on,wait=off", "-serial",
                "chardev:sol"]

    def wait_power(self, on, timeout):
        """Wait until somebody switched the machine on, or off."""
        deadline = time.monotonic() + timeout * PATIENCE
        while (self._folder / "power").read_text().strip() != str(int(on)):
            if time.monotonic() > deadline:
                raise VmError(f"the power was not switched within {timeout} s")
            time.sleep(0.1)

    def take_boot(self):
        """What the firmware finds as boot device, "pxe", "default" (the disk) or "none"; for one
        start."""
        device = (self._folder / "boot").read_text().strip()
        self._write("boot", "none\n")
        return device

    def close(self):
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
