#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing an image: to files, web servers, FTP, NFS and SMB.  The name appears when all is there."""

import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
from servers import Ftp, Http, Nfs, Smb        # noqa: E402
from transport_case import FIX, MIB, PATIENCE, Case, need, skip   # noqa: E402


class Files:
    def __init__(self, root):
        self.root = root

    def url(self, name):
        return str(self.root / name)


class Put:
    """sink_put with what it is given on its standard input."""

    def __init__(self, url, *options):
        self.process = subprocess.Popen([str(FIX / "sink_put"), *options, url],
                                        stdin=subprocess.PIPE, stderr=subprocess.PIPE)

    def feed(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def wait_for(self, word):
        text = b""
        while word not in text:
            line = self.process.stderr.readline()
            if not line:
                sys.exit(f"FAILED: it ended before '{word}': {text}")
            text += line

    def finish(self):
        _, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, err.decode()


def put(url, data, *options):
    run = subprocess.run([str(FIX / "sink_put"), *options, url], input=data,
                         stderr=subprocess.PIPE, timeout=PATIENCE)
    return run.returncode, run.stderr.decode()


def expect(result, code, *words):
    if result[0] != code or any(word not in result[1] for word in words):
        sys.exit(f"FAILED: expected {code} {words}, got {result[0]}: {result[1][-800:]}")


def names(case):
    return sorted(path.name for path in case.root.iterdir() if path.is_file())


def expect_names(case, *wanted):
    """Some servers tidy up a moment later."""
    deadline = time.monotonic() + 10
    while names(case) != sorted(wanted):
        if time.monotonic() > deadline:
            sys.exit(f"FAILED: there is {names(case)}, expected {wanted}")
        time.sleep(0.1)


def scenarios(case, what, server, *options, part=".bmr-part"):
    """Each with a name of its own: ganesha remembers for a while what was removed behind it."""
    data = case.image("seed", 5 * MIB + 321).read_bytes()
    (case.root / "seed").unlink()

    url, one = server.url("one"), case.root / "one"
    expect(put(url, data, *options), 0)
    expect_names(case, "one")
    if one.read_bytes() != data:
        sys.exit(f"FAILED: {what} wrote other bytes")
    expect(put(url, b"x" * 1000, *options), 69, "there already")
    if one.read_bytes() != data:
        sys.exit(f"FAILED: {what}: a file was replaced without consent")
    expect(put(url, data[::-1], "--replace", "--block", "70001", *options), 0)
    if one.read_bytes() != data[::-1]:
        sys.exit(f"FAILED: {what} did not replace")
    one.unlink()

    # Not there before the end, and gone after a retreat.
    run = Put(server.url("two"), "--abort", *options)
    run.feed(data[:3 * MIB])
    run.wait_for(b"at 3145728")
    if "two" in names(case) or (part and "two" + part not in names(case)):
        sys.exit(f"FAILED: {what}: under way there is {names(case)}")
    expect(run.finish(), 0)
    expect_names(case)

    if part:
        (case.root / ("three" + part)).write_bytes(b"left by a killed one" * MIB)
        expect(put(server.url("three"), data, *options), 0)
        expect_names(case, "three")
        if (case.root / "three").read_bytes() != data:
            sys.exit(f"FAILED: {what}: an old part shows through")
        (case.root / "three").unlink()
    expect(put(server.url("no/such/folder/new"), b"x", *options), 69)
    case.done(f"{what}: written, not replaced, replaced, given up")


def deaths(case, what, server, *options):
    """The server is killed, or hangs, while bytes are under way: an error in time, no name."""
    for fault in (server.kill9, server.freeze):
        name = fault.__name__
        run = Put(server.url(name), "--timeout-ms", "6000", *options)
        run.feed(bytes(2 * MIB))
        run.wait_for(b"at 2097152")
        fault()
        begun = time.monotonic()
        try:
            run.feed(bytes(60 * MIB))
        except BrokenPipeError:
            pass
        try:
            run.process.stdin.close()
        except BrokenPipeError:
            pass
        code = run.process.wait(PATIENCE)
        seconds = time.monotonic() - begun
        if code != 69 or seconds > 20 or name in names(case):
            sys.exit(f"FAILED: {what} {name}: {code} after {seconds:.0f} s: "
                     f"{run.process.stderr.read()[-500:]}")
        if server.process:
            server.thaw()
        server.restart()
    for path in case.root.iterdir():
        if path.is_file():
            path.unlink()
    case.done(f"{what}: a server that dies or hangs is an error")


def two_writers(case, server):
    """Two to one local name: the second is refused, and neither ends well with the other's bytes."""
    data = case.image("seed", 5 * MIB + 321).read_bytes()
    (case.root / "seed").unlink()
    url, part = server.url("out"), case.root / "out.bmr-part"

    first = Put(url)
    first.feed(data[:3 * MIB])
    first.wait_for(b"at 3145728")
    for options in ((), ("--replace",)):
        expect(put(url, data[::-1], *options), 77, f"'{part}' is being written by another bmr")
    first.feed(data[3 * MIB:])
    expect(first.finish(), 0)
    expect_names(case, "out")
    if (case.root / "out").read_bytes() != data:
        sys.exit("FAILED: the second writer was refused, and yet changed the first one's file")
    (case.root / "out").unlink()

    # One that was killed holds no lock.
    first = Put(url)
    first.feed(data[:MIB])
    first.wait_for(b"at 1048576")
    first.process.kill()
    first.finish()
    expect_names(case, part.name)
    expect(put(url, data), 0)
    expect_names(case, "out")
    (case.root / "out").unlink()

    # A person removes the part file of the first one, and so a second one may begin.
    first = Put(url)
    first.feed(data[:3 * MIB])
    first.wait_for(b"at 3145728")
    part.unlink()
    second = Put(url)
    second.feed(data[::-1][:2 * MIB])
    second.wait_for(b"at 2097152")
    expect(first.finish(), 69, "was removed or replaced while it was written")
    expect_names(case, part.name)
    second.feed(data[::-1][2 * MIB:])
    expect(second.finish(), 0)
    expect_names(case, "out")
    if (case.root / "out").read_bytes() != data[::-1]:
        sys.exit("FAILED: the first writer's end changed the second one's file")
    (case.root / "out").unlink()
    case.done("a file: two writers to one name")


def main():
    need("nginx", "ganesha.nfsd", "smbd", "gcc")
    if not (FIX / "sink_put").exists():
        skip("build/fixtures/sink_put is not built")
    case = Case()
    login = ("--user", "user", "--password", "secret")
    root = ("--user", "root", "--password", "secret")
    expect(put("cdrom:/x", b""), 64)
    scenarios(case, "a file", Files(case.root))
    two_writers(case, Files(case.root))
    with Http(case.root, write=True) as server:
        scenarios(case, "http", server, part=None)
        deaths(case, "http", server)
    with Ftp(case.root, write=True) as server:
        scenarios(case, "ftp", server, *login)
        expect(put(server.url("new"), b"x", "--user", "user", "--password", "no"), 69, "wrong")
        deaths(case, "ftp", server, *login)
    with Nfs(case.root) as server:
        scenarios(case, "nfs", server)
        expect(put(server.url("x").replace("version=3", "version=4"), b"x"), 64, "version=3")
        deaths(case, "nfs", server)
    with Smb(case.root) as server:
        scenarios(case, "smb", server, *root)
        expect(put(server.url("new"), b"x", "--user", "root", "--password", "no"), 69, "wrong")
        deaths(case, "smb", server, *root)
    case.finish()


main()
