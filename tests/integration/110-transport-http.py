#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images from nginx, well behaved, dying, frozen, replaced; and from a server that lies."""

import http.server
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
from servers import Evil, Http, Https               # noqa: E402
from transport_case import MIB, Case, need          # noqa: E402


def nginx(case):
    with Http(case.root) as server:
        case.whole(server)
        case.threads(server)
        case.part(server)
        case.big(server)
        if case.cat(server.url("image"), "--length", 1).out["seekable"] != "1":
            sys.exit("FAILED: nginx can do ranges")
        case.whole_by_redirect = case.cat(server.url("moved/image")).expect(0)
        case.refused(server.url("loop/image"), "redirects more than 5 times")
        case.refused(server.url("missing"), "no such file", "404")
        (case.root / "folder").mkdir()
        case.refused(server.url("folder/"), "access denied", "403")
        case.absent(server)
        case.stopped(server)
        case.killed(server)
        case.replaced(server)
        case.replaced_unseen(server)
        case.frozen(server)
        case.thawed(server)


def no_ranges(case):
    with Http(case.root, ranges=False) as server:
        run = case.whole(server)
        if run.out["seekable"] != "0":
            run.fail("that server cannot do ranges")
        case.killed(server)
        case.replaced(server)
    case.done("all that also without ranges")


def login(case):
    with Http(case.root, auth=True) as server:
        url = server.url("image")
        case.whole(server, "--user", "user", "--password", "secret")
        case.refused(url, "wants a user name", "401")
        case.refused(url, "password is wrong", options=("--user", "user", "--password", "no"))
        good = url.replace("http://", "http://user:secret@")
        run = case.cat(good).expect(0)
        if "secret" in str(run.out) + run.err:
            run.fail("the password was shown")
        netrc = case.folder / "netrc"
        netrc.write_text("machine 127.0.0.1 login user password secret\n")
        case.cat(url, "--netrc", netrc).expect(0)
    case.done("login by option, URL and netrc")


def tls(case):
    with Https(case.root) as server, Https(case.root) as other:
        case.whole(server, "--cafile", server.cafile)
        case.refused(server.url("image"), "not trusted")
        case.refused(server.url("image"), "not trusted", options=("--cafile", other.cafile))
        case.refused(server.url("image"), "CA file", options=("--cafile", "/nonexistent"))
        named = server.url("image", "127.0.0.2")
        case.cat(named, "--cafile", server.cafile, "--timeout-ms", 1000).expect(69)
    case.done("https with a CA of its own")


class Guide(http.server.ThreadingHTTPServer):
    """Answers everything with a redirect to `to`, and keeps the Authorization headers it saw."""

    def __init__(self, to, family=socket.AF_INET, host="127.0.0.1", context=None):
        self.address_family = family
        self.to, self.seen = to, []
        super().__init__((host, 0), Guide.Handler)
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.seen.append(self.headers.get("Authorization"))
            if not self.server.to:
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(302)
            self.send_header("Location", self.server.to)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass


def redirects(case):
    end = Guide(None)
    login = ("--user", "user", "--password", "secret")
    start = Guide(f"http://localhost:{end.server_port}/x")
    case.cat(f"http://127.0.0.1:{start.server_port}/x", *login).expect(69, "no such file")
    if not start.seen[0] or end.seen != [None]:
        sys.exit(f"FAILED: the password went to another host: {start.seen} {end.seen}")
    for elsewhere in ("file:///etc/passwd", f"ftp://127.0.0.1:{end.server_port}/x"):
        case.refused(f"http://127.0.0.1:{Guide(elsewhere).server_port}/x", "must not follow")
    case.done("a redirect takes no password with it, and leads to web servers only")
    with Https(case.root) as server, Http(case.root) as plain:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(server.scratch / "server.pem", server.scratch / "server.key")
        down = Guide(plain.url("image"), context=context)
        case.refused(f"https://127.0.0.1:{down.server_port}/x", "must not follow",
                     options=("--cafile", server.cafile))
        across = Guide(server.url("image"), context=context)
        run = case.cat(f"https://127.0.0.1:{across.server_port}/x", "--cafile", server.cafile)
        if run.expect(0).out["sha256"] != case.digests["image"]:
            run.fail("other bytes behind a redirect")
    case.done("from https no redirect leads to http")


class Expired(Https):
    """With a certificate that ended yesterday, as all have to a machine whose clock is wrong."""

    def configure(self):
        super().configure()
        subprocess.run(["openssl", "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey",
                        "ca.key", "-days", "-1", "-extfile", "server.ext", "-out", "server.pem"],
                       check=True, capture_output=True, cwd=self.scratch)


def clock(case):
    with Expired(case.root) as server:
        case.refused(server.url("image"), "expired", "the clock of this machine says 20",
                     options=("--cafile", server.cafile))
    case.done("a wrong clock is thought of")


def ipv6(case):
    try:
        end = Guide(None, socket.AF_INET6, "::1")
    except OSError as error:
        print(f"  (no IPv6 here: {error})")
        return
    case.refused(f"http://[::1]:{end.server_port}/x", "no such file")
    if end.seen != [None]:
        sys.exit("FAILED: the IPv6 address was not asked")
    case.done("an IPv6 address")


def evil(case):
    size = (case.root / "image").stat().st_size
    with Evil(case.root) as server:
        for good in ("ok/0/image", "chunked/0/image"):
            if case.cat(server.url(good)).expect(0).out["sha256"] != case.digests["image"]:
                sys.exit(f"FAILED: {good}")
        unknown = case.cat(server.url("chunked/0/image")).out["size"]
        if unknown != "unknown":
            sys.exit(f"FAILED: a body in chunks has size {unknown}")
        for fault, times in (("trunc/3000000", 4), ("stall/3000000", 1), ("chunkcut/3000000", 2),
                             ("norange/0", 100), ("status/503", 3), ("fold/1000000", 2)):
            run = case.cat(server.url(f"{fault}/image?times={times}"), "--timeout-ms", 6000)
            if run.expect(0).out["sha256"] != case.digests["image"]:
                run.fail("other bytes came")
            if server.fired(fault.split("/")[0]) == 0:
                run.fail("the fault did not happen")
            case.done(f"survived: {fault}, {times} times")
        limits = ("--timeout-ms", 2000)
        case.cat(server.url("nolength/0/image"), *limits).expect(65, "without a length")
        case.cat(server.url("close/3000000/image"), *limits).expect(65, "without a length")
        case.cat(server.url("badrange/4096/image"), "--offset", MIB, *limits).expect(65, "asked for")
        case.cat(server.url("etag/3000000/image"), *limits).expect(65, "changed")
        case.cat(server.url("status/500/image"), *limits).expect(69, "HTTP 500", "gave up")
        case.cat(server.url("stall/0/image"), *limits).expect(69, "gave up")
        case.cat(server.url("bighead/9000000/image"), *limits).expect(69)
        case.refused(server.url("redirect/0/image"), "redirects more")
        case.refused(server.url("status/403/image"), "access denied")
        if size < 3000000:
            sys.exit("FAILED: the image is too small for these faults")
    case.done("a server that lies is found out")


def main():
    need("nginx", "openssl")
    case = Case()
    nginx(case)
    no_ranges(case)
    login(case)
    tls(case)
    redirects(case)
    clock(case)
    ipv6(case)
    evil(case)
    case.finish()


main()
