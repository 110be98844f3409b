#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R7: a network that loses connections: between the agent and the web server stands a relay that
resets connections, lets them go silent, and delays, at random.  A restore over it completes and the
disk is right.  Where the network goes silent for good, it ends with 69 in the time it was given."""

import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
from experiment import BMR, MIB, SECTOR, Experiment, pack     # noqa: E402
from servers import Http     # noqa: E402

SIZE = 24 * MIB
RATE = 12 * MIB
TIMEOUT = 6                     # what the agent is given without a byte, where none comes again
PATIENCE = 24                   # and where some do: after a third of it, it tries again
SILENCE = 10
SECONDS = 120                   # the clock of one restore


class Relay:
    """Forwards connections to a port; each suffers one fault after some bytes, while any are left."""

    def __init__(self, port, faults, rng):
        self.to, self.faults, self.random = port, faults, rng
        self.lock = threading.Lock()        # guards faults, fired and random
        self.fired = 0
        self.silent = threading.Event()     # for good
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def plan(self):
        """After how many bytes what happens to this connection."""
        with self.lock:
            if self.faults == 0:
                return 1 << 62, "none"
            self.faults -= 1
            return self.random.randrange(2 * MIB), self.random.choice(("reset", "silent", "delay"))

    def serve(self, client):
        after, fault = self.plan()
        server = socket.create_connection(("127.0.0.1", self.to))
        threading.Thread(target=self.pump, args=(client, server), daemon=True).start()
        passed = 0
        try:
            while data := server.recv(65536):
                if self.silent.is_set():
                    self.fire()
                    time.sleep(SECONDS)
                passed += len(data)
                if passed > after:
                    self.fire()
                    after = 1 << 62
                    if fault == "reset":
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        break
                    time.sleep(SILENCE if fault == "silent" else 1)
                client.sendall(data)
        except OSError:
            pass
        # close() alone leaves the other thread in recv(), and then nothing is sent.
        for end in (server, client):
            try:
                if fault != "reset" or end is server:
                    end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def fire(self):
        with self.lock:
            self.fired += 1

    @staticmethod
    def pump(client, server):
        try:
            while data := client.recv(65536):
                server.sendall(data)
        except OSError:
            pass
        server.close()


class Network:
    def __init__(self, experiment, server):
        self.x, self.server = experiment, server
        self.disk, self.output = experiment.folder / "disk", experiment.folder / "output"
        self.content = os.urandom(SIZE)
        self.old = b""
        (experiment.folder / "raw").write_bytes(self.content)

    def restore(self, kind, faults, silent):
        pack(kind, self.x.folder / "raw", self.server.root / "image")
        self.old = os.urandom(SIZE)
        self.disk.write_bytes(self.old)
        relay = Relay(self.server.port, faults, random.Random(self.x.random.random()))
        began = time.monotonic()
        with open(self.output, "wb") as sink:
            run = subprocess.Popen([BMR, "restore", f"--timeout={TIMEOUT if silent else PATIENCE}",
                                    "--retries=1000", f"--rate={RATE}", f"http://127.0.0.1:{relay.port}/image",
                                    self.disk], stdout=sink, stderr=sink)
        if silent:
            time.sleep(1)
            relay.silent.set()
        try:
            run.wait(SECONDS)
        except subprocess.TimeoutExpired:
            run.kill()
            run.wait()
            self.violation(f"no end in {SECONDS} s")
        relay.listener.close()
        self.judge(kind, run.returncode, silent, time.monotonic() - began)
        print(f"{kind}: {'silent for good' if silent else f'{relay.fired} faults'}, exit code "
              f"{run.returncode}, {time.monotonic() - began:.1f} s", flush=True)
        for _ in range(relay.fired):
            self.x.add()

    def judge(self, kind, code, silent, seconds):
        disk = self.disk.read_bytes()
        if silent and code != 69:
            self.violation(f"{kind}: silence for good, and exit code {code}")
        elif silent and seconds > 5 * TIMEOUT:
            self.violation(f"{kind}: {seconds:.0f} s to give up, of {TIMEOUT}")
        elif not silent and (code != 0 or disk != self.content):
            self.violation(f"{kind}: exit code {code}")
        if code != 0 and disk != self.old and any(disk[:SECTOR]):
            self.violation(f"{kind}: LBA 0 is there and the rest is not")

    def violation(self, what):
        self.x.violation(f"{what}: {self.output.read_text()[-600:]}")


def main():
    x = Experiment(12)
    root = x.folder / "served"
    root.mkdir()
    with Http(root) as server:
        network = Network(x, server)
        for kind in ("bmr", "zst"):
            network.restore(kind, x.count // 2, silent=False)
            network.restore(kind, 0, silent=True)
    x.end(enough=x.count // 4)


if __name__ == "__main__":
    main()
