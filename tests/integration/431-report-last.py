#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""431-report-last - the last report is bounded: where no name server answers, and where a server takes
the connection and says nothing, a run ends as it would without reports, at most 12 s later; where the
server comes back within that time, the last event arrives."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
from servers import HOST, Reports                       # noqa: E402
from transport_case import need, skip                   # noqa: E402

BMR = os.environ["BMR"]
MOST = 12.5


def start(work, report):
    return subprocess.Popen(
        [BMR, "agent", f"--cmdline=bmr.action=verify bmr.image=file://{work}/img bmr.report={report}"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=dict(os.environ, RES_OPTIONS="timeout:30 attempts:2"))


def main():
    need("unshare", "ip")
    if not sys.argv[1:]:
        if os.geteuid() != 0 or subprocess.run(["unshare", "-mn", "true"], check=False).returncode:
            skip("no name spaces for the network here")
        os.execvp("unshare", ["unshare", "-mn", sys.executable, __file__, "inside"])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory(prefix="bmr-last-") as folder:
        work = Path(folder)
        (work / "img").write_bytes(bytes(510) + b"\x55\xaa" + os.urandom(1 << 20))
        (work / "resolv.conf").write_text(f"nameserver {HOST}\n")
        subprocess.run(["mount", "--bind", work / "resolv.conf", "/etc/resolv.conf"], check=True)
        names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        names.bind((HOST, 53))
        silent = socket.create_server((HOST, 0))
        late = Reports(work)
        late.kill9()
        begun = time.monotonic()
        runs = {"http, dead name server": start(work, "http://reports.example/x"),
                "syslog, dead name server": start(work, "syslog://reports.example"),
                "http, silent server": start(work, f"http://{HOST}:{silent.getsockname()[1]}/x"),
                "http, server comes back": start(work, late.url(""))}
        time.sleep(4)
        late.start()
        for name, process in runs.items():
            out, _ = process.communicate(timeout=100)
            took = time.monotonic() - begun
            if process.returncode != 0 or "verified" not in out or took > MOST:
                sys.exit(f"FAILED: {name}: exit code {process.returncode} after {took:.1f} s\n{out}")
            if "cannot deliver reports" not in out:
                sys.exit(f"FAILED: {name}: the fault did not fire\n{out}")
            print(f"{name}: exit code 0 after {took:.1f} s", flush=True)
        names.setblocking(False)
        if not names.recv(512):
            sys.exit("FAILED: the name server was not asked")
        names.close()
        silent.close()
        last = json.loads(late.file.read_text().splitlines()[-1])
        late.close()
        if last["event"] != "verified":
            sys.exit(f"FAILED: the last event that came is {last}")
        print("a server that came back got the last event")


main()
