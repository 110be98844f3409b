#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images from nginx, well behaved, dying, frozen, replaced; and from a server that lies."""

import sys
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
                             ("norange/0", 100), ("status/503", 3)):
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
    evil(case)
    case.finish()


main()
