#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images from ganesha by NFS versions 3 and 4: well behaved, dying, frozen, replaced."""

import sys
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


def main():
    need("ganesha.nfsd", "gcc")
    case = Case()
    one_version(case, 3)
    one_version(case, 4)
    fallback(case)
    case.finish()


main()
