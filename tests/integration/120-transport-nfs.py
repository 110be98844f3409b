#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images from ganesha by NFS versions 3 and 4: well behaved, dying, frozen, replaced."""

import socketserver
import struct
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
from servers import Nfs                             # noqa: E402
from transport_case import Case, need               # noqa: E402


def one_version(case, version):
    print(f" NFS version {version}", flush=True)
    with Nfs(case.root, version=version) as server:
        case.whole(server)
        case.threads(server)
        case.part(server)
        case.big(server)
        case.refused(server.url("missing"), "No such file")
        (case.root / "folder").mkdir(exist_ok=True)
        case.refused(server.url("folder"), "not a regular file")
        deep = case.root / "folder" / "deeper one"
        deep.mkdir(exist_ok=True)
        (deep / "image").write_bytes((case.root / "image").read_bytes())
        run = case.cat(server.url("folder/deeper one/image")).expect(0)
        if run.out["sha256"] != case.digests["image"]:
            run.fail("other bytes from a folder in a folder")
        case.refused(server.url("image").replace("/data/", "/nowhere/"), "cannot ")
        case.absent(server)
        case.stopped(server)
        case.killed(server)
        case.replaced(server)
        case.frozen(server)
        case.thawed(server)


def fallback(case):
    """Without version= the first that works is taken; here no port mapper answers."""
    with Nfs(case.root, version=4) as server:
        url = server.url("image").replace("?version=4", "")
        if case.cat(url).expect(0).out["sha256"] != case.digests["image"]:
            sys.exit("FAILED: other bytes after falling back to version 4")
        case.refused(url.replace("image", "missing"), "No such file")
    case.done("version 4 is found where version 3 cannot be had")


class PortMapper(socketserver.ThreadingTCPServer):
    """Answers GETPORT (RFC 1833, version 2) on an address of its own, at the port everybody knows."""
    address = "127.0.0.111"
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, ports):
        self.ports, self.asked = ports, []
        super().__init__((self.address, 111), PortMapper.Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        """A client may hang up when it likes."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            while head := self.rfile.read(4):
                call = self.rfile.read(struct.unpack(">I", head)[0] & 0x7fffffff)
                xid, _, _, _, _, procedure, _, length = struct.unpack(">8I", call[:32])
                program = 0
                if procedure == 3:
                    program = struct.unpack(">I", call[40 + length:44 + length])[0]
                self.server.asked.append(program)
                answer = struct.pack(">7I", xid, 1, 0, 0, 0, 0, self.server.ports.get(program, 0))
                self.wfile.write(struct.pack(">I", 0x80000000 | len(answer)) + answer)


class Everywhere(Nfs):
    """Answers on every address of this machine."""

    def configure(self):
        super().configure()
        conf = self.scratch / "ganesha.conf"
        conf.write_text(conf.read_text().replace("Bind_addr = 127.0.0.1", "Bind_addr = 0.0.0.0"))


def port_mapper(case):
    """The URL as people write it: no ports, no version."""
    with Everywhere(case.root) as server:
        try:
            mapper = PortMapper({100003: server.port, 100005: server.mount_port})
        except OSError as error:
            print(f"  (no port mapper: {error})")
            return
        run = case.cat(f"nfs://{mapper.address}/data/image").expect(0)
        if run.out["sha256"] != case.digests["image"] or not {100003, 100005} <= {*mapper.asked}:
            run.fail(f"asked for programs {mapper.asked}")
        mapper.ports.clear()
        mapper.asked.clear()
        case.cat(f"nfs://{mapper.address}/data/image", "--timeout-ms", 1000).expect(69)
        mapper.shutdown()
        mapper.server_close()
    case.done("ports from a port mapper")


def main():
    need("ganesha.nfsd", "gcc")
    case = Case()
    one_version(case, 3)
    one_version(case, 4)
    fallback(case)
    port_mapper(case)
    case.finish()


main()
