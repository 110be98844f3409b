#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of exports, shares, folders and files, from ganesha, Samba and this machine's tree."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
from servers import Nfs, Smb                        # noqa: E402
from transport_case import FIX, need                # noqa: E402

DATE = 1_600_000_000
LOGIN = ("--user", "root", "--password", "secret")
ODD = "b \x1b[31m%41é.img"         # a server may say anything


def show(url, *options, code=0):
    """The list: {name: (kind, size, seconds)}; or what was said if it failed."""
    done = subprocess.run([FIX / "list_show", *options, url], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)
    if done.returncode != code:
        sys.exit(f"FAILED: {url}: exit code {done.returncode}, not {code}\n{done.stdout}"
                 f"{done.stderr}")
    if code:
        return done.stderr
    rows = [line.split(" ", 3) for line in done.stdout.splitlines()]
    return {row[3]: (row[0], int(row[1]), int(row[2])) for row in rows}


def expect(what, got, wanted):
    if got != wanted:
        sys.exit(f"FAILED: {what}: {got}, not {wanted}")


def contains(what, text, word):
    if word not in text:
        sys.exit(f"FAILED: {what}: '{word}' is not in: {text}")


def make_tree(root):
    (root / "folder" / "deeper one").mkdir(parents=True)
    (root / "folder" / "deeper one" / "c.img").write_bytes(b"3" * 300)
    (root / ".hidden").write_bytes(b"0")
    (root / "a.img").write_bytes(b"1" * 100)
    (root / ODD).write_bytes(b"2" * 200)
    os.mkfifo(root / "fifo")
    for name in ("a.img", ODD):
        os.utime(root / name, (DATE, DATE))
    return {"a.img": ("file", 100, DATE), ODD: ("file", 200, DATE)}


def folders(server_url, files, *options, query=""):
    """The same tree by any protocol."""
    got = show(server_url + query, *options)
    expect("kind of the folder", got.pop("folder")[0], "folder")
    got.pop("fifo", None)           # SMB has only files
    expect("the files", got, files)
    got = show(server_url + "folder/deeper%20one/" + query, *options)
    expect("a folder in a folder", {name: row[:2] for name, row in got.items()},
           {"c.img": ("file", 300)})
    said = show(server_url + "nowhere/" + query, *options, code=69)
    if not any(word in said for word in ("No such file", "no such share")):
        sys.exit(f"FAILED: a folder that is not there: {said}")


def nfs(root, files):
    for version in (3, 4):
        with Nfs(root, version=version) as server:
            top, _, query = server.url("").partition("?")
            folders(top, files, query="?" + query)
            said = show(top.removesuffix("data/") + "?" + query)
            export = str(root).lstrip("/") if version == 3 else "data"
            if export not in said and "data" not in said:
                sys.exit(f"FAILED: NFS {version}: '{export}' is not among {said}")
            server.freeze()
            begun = time.monotonic()
            contains("a frozen server", show(top + "?" + query, "--timeout-ms", "3000", code=69),
                     "does not answer")
            if time.monotonic() - begun > 20:
                sys.exit("FAILED: a frozen server held the list up")
            server.thaw()
    print("NFS: exports and folders, versions 3 and 4", flush=True)


def smb(root, files):
    tame = "b %41é.img"         # a control character becomes another name on the way
    (root / ODD).rename(root / tame)
    files[tame] = files.pop(ODD)
    with Smb(root) as server:
        top = server.url("")
        folders(top, files, *LOGIN)
        shares = show(top.removesuffix("img/"), *LOGIN)
        expect("shares", {name: shares[name][0] for name in ("img", "guest")},
               {"img": "folder", "guest": "folder"})
        contains("a wrong password", show(top, "--user", "root", "--password", "wrong", code=69),
                 "wrong user name or password")
        contains("no user", show(top, code=64), "needs a user name")
        server.freeze()
        show(top, *LOGIN, "--timeout-ms", "3000", code=69)
        server.thaw()
    print("SMB: shares and folders", flush=True)


def many(root):
    for number in range(4200):
        (root / f"{number:05}").touch()
    got = subprocess.run([FIX / "list_show", f"file://{root}/"], check=True, text=True,
                         capture_output=True).stdout.splitlines()
    expect("lines of a long list", (len(got), got[-1]), (4097, "cut"))


def main():
    need("ganesha.nfsd", "smbd", "smbpasswd", "gcc")
    with tempfile.TemporaryDirectory(prefix="bmr-list-") as folder:
        os.chmod(folder, 0o755)
        root = Path(folder) / "tree"
        root.mkdir()
        files = make_tree(root)
        folders(f"file://{root}/", files)
        contains("HTTP", show("http://127.0.0.1/x/", code=64), "type the whole URL")
        contains("no slash", show(f"file://{root}", code=64), "slash")
        contains("no disk", show("disk:UUID=0bad-c0de/", code=69), "no disk of this machine")
        print("folders of this machine", flush=True)
        nfs(root, files)
        smb(root, files)
        (Path(folder) / "many").mkdir()
        many(Path(folder) / "many")
        print("a list that is too long is cut, and says so", flush=True)


main()
