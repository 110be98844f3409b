#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The menu in a pseudo-terminal: every screen is reached and left, what is typed wrong does nothing,
a restore, a capture and a verification end as they should, and no secret is shown."""

import hashlib
import os
import pty
import random
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
from menu import DOWN, ENTER, ESC, TAB, Menu        # noqa: E402
from servers import Http, Smb                       # noqa: E402
from transport_case import need                     # noqa: E402

BMR = os.environ["BMR"]
SIZE = 4 << 20
SOON = 3            # seconds; a list is waited for much longer
ODD = "evil \x1b[2J\x07name.img"    # a name that would clear the screen


def sha256_of(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def check(good, what):
    if not good:
        sys.exit(f"FAILED: {what}")


class Place:
    """A folder with images, and the menu started in it."""

    def __init__(self, root):
        self.root = Path(root)
        raw = b"\0" * 510 + b"\x55\xaa" + random.Random(1).randbytes(SIZE - 512)
        (self.root / "raw.img").write_bytes(raw)
        (self.root / "folder").mkdir()
        (self.root / "empty").mkdir()
        (self.root / "text.txt").write_text("a page of errors\n" * 100)
        (self.root / ODD).write_bytes(raw)
        subprocess.run([BMR, "capture", self.root / "raw.img", self.root / "folder/x.img.zst"],
                       check=True, capture_output=True)
        self.digest = sha256_of(self.root / "raw.img")

    def menu(self, **options):
        return Menu(BMR, "menu", cwd=self.root, LC_ALL="C", **options)


def to_address(menu, address):
    """From where the image may be to what is said of this address."""
    menu.choose("Type the address", "Where is the image?")
    menu.see("What ends with a slash")
    menu.keys(address, ENTER)


def to_image(menu, *names):
    """From the main menu to the screen that shows an image."""
    menu.choose("Files of this machine", "Where is the image?")
    for name in names:
        menu.choose(name, "Choose an image")
    menu.see("This image?")


def look_again(menu):
    """The same screen comes back: that it was away is told by what came in between."""
    busy = b"Looking at the disks"
    before = menu.all.count(busy)
    menu.choose("Look again")
    deadline = time.monotonic() + 30
    while menu.all.count(busy) == before:
        check(time.monotonic() < deadline, "it did not look again")
        menu.read(0.1)
    menu.see("Restore onto which disk?")


def screens(place):
    """Each can be reached, fits 80 columns, and Esc leads back."""
    with place.menu() as menu:
        menu.see("Main menu", "Restore", "Capture", "Verify", "Disks", "Network", "Leave")
        for entry, title in (("Restore", "Where is the image?"), ("Verify", "Where is the image?"),
                             ("Capture", "Capture which disk?"), ("Disks", "read on"),
                             ("Network", "left as it is")):
            menu.choose(entry, "Main menu")
            menu.see(title, "Esc: back")
            menu.keys(ESC)
            menu.see("Main menu")
        menu.choose("Restore", "Main menu")
        for kind, title in (("NFS server", "a whole nfs:// URL"), ("SMB server", "Password"),
                            ("Type the address", "What ends with a slash")):
            menu.choose(kind, "Where is the image?")
            menu.see(title)
            menu.keys(ESC)
            menu.see("Where is the image?")
        menu.choose("Local disk", "Where is the image?")
        menu.see("Local disks")
        menu.keys(ESC)
        menu.choose("Files of this machine", "Where is the image?")
        text = menu.see("raw.img", "4.00 MiB", "raw", "no image", "folder")
        check("evil ?[2J?name.img" in text, f"a control character was let through:\n{text}")
        menu.choose("empty", "Choose an image")
        menu.see("Nothing is here")
        menu.choose("..", "Nothing is here")
        menu.choose("folder", "Choose an image")
        menu.choose("x.img.zst", "bmr image")
        menu.see("This image?", "bmr image", "4194304 bytes")
        menu.keys(ENTER)
        menu.see("Restore onto which disk?", "A file: type its path", "Look again")
        look_again(menu)
        menu.keys(ESC)
        menu.see("Where is the image?")
        menu.keys(ESC)
        menu.choose("Leave", "Main menu")
        check(menu.end() == 0, "leaving is no success")
    print("every screen is reached, and Esc goes back", flush=True)


def wrong_input(place):
    with place.menu() as menu:
        menu.choose("Restore", "Main menu")
        to_address(menu, "gopher://nowhere/x")
        menu.see("Not an address", "gopher")
        menu.keys(ENTER)
        to_address(menu, "http://127.0.0.1/")
        menu.see("No list", "type the whole URL")
        menu.keys(ESC)
        menu.choose("Files of this machine", "Where is the image?")
        menu.choose("text.txt", "no image")
        menu.see("Not an image", "text")
        menu.keys(ENTER)
        menu.see("Where is the image?")
        menu.keys(ESC)
        menu.choose("Verify", "Main menu")
        to_address(menu, str(place.root / "missing.img"))
        menu.see("cannot be opened", "No such file")
    print("what is typed wrong is said, and nothing else happens", flush=True)


def restore(place):
    """Onto a file that is there: its size in bytes is the word."""
    target = place.root / "target.raw"
    target.write_bytes(os.urandom(SIZE + (1 << 20)))
    before = sha256_of(target)
    with place.menu() as menu:
        menu.choose("Restore", "Main menu")
        to_image(menu, "folder", "x.img.zst")
        menu.keys(ENTER)
        menu.choose("A file: type its path", "Restore onto which disk?")
        menu.see("that is to hold the disk")
        menu.keys("/dev", ENTER)
        menu.see("Not this file")
        menu.keys(ENTER)
        menu.choose("A file: type its path", "Restore onto which disk?")
        menu.see("that is to hold the disk")
        menu.keys(str(target), ENTER)
        for wrong in ("", "yes", str(SIZE), str(SIZE + (1 << 20)) + "0"):
            menu.see("EVERYTHING ON IT WILL BE LOST", "its size in bytes")
            menu.keys(wrong, ENTER)
            menu.see("That is not it. Nothing was written.")
            menu.keys(ENTER)
        check(sha256_of(target) == before, "a wrong word wrote to the file")
        menu.see("its size in bytes")
        menu.keys(f" {SIZE + (1 << 20)} ", ENTER)
        menu.see("bmr: restored", "read back and right", place.digest[:20], "Press Enter to go on")
        menu.keys(ENTER)
        menu.choose("Leave", "Main menu")
        check(menu.end() == 0, "a restore is no success")
    check(hashlib.sha256(target.read_bytes()[:SIZE]).hexdigest() == place.digest,
          "the file does not hold the image")
    print("restored after the right word only", flush=True)


def damaged(place):
    """A failure is shown with its reason, and is the exit code in the end."""
    image = place.root / "damaged.img.zst"
    data = bytearray((place.root / "folder/x.img.zst").read_bytes())
    data[len(data) // 2] ^= 1
    image.write_bytes(data)
    with place.menu() as menu:
        menu.choose("Verify", "Main menu")
        to_address(menu, str(image))
        menu.choose("The image alone", "What is to be verified?")
        menu.see("FAILED, exit code 65", "why:", "Press Enter to go on")
        menu.keys(ENTER)
        menu.see("The same without questions", "bmr.action=verify")
        menu.keys(ENTER)
        menu.choose("Leave", "Main menu")
        check(menu.end() == 65, "the exit code does not tell the failure")
    print("a damaged image fails, and the exit code says so", flush=True)


def capture_and_verify(place):
    with place.menu() as menu:
        menu.choose("Capture", "Main menu")
        menu.choose("A file: type its path", "Capture which disk?")
        menu.see("A file that holds a disk")
        menu.keys(str(place.root / "raw.img"), ENTER)
        menu.choose("Files of this machine", "Where is the image to go?")
        menu.choose("empty", "Folder of the new image")
        menu.choose("This folder", "empty/")
        menu.see("New image", "File name", "disk.img.zst")
        menu.keys(ENTER)
        menu.see("Capture this disk?", "bmr.action=capture", "empty/disk.img.zst")
        menu.keys(ENTER)
        menu.see("bmr: captured", "Press Enter to go on")
        menu.keys(ENTER)
        menu.see("The same without questions")
        menu.keys(ENTER)
        menu.choose("Verify", "Main menu")
        menu.choose("Files of this machine", "Where is the image?")
        menu.choose("empty", "Choose an image")
        menu.choose("disk.img.zst", "bmr image")
        menu.choose("A disk too", "What is to be verified?")
        menu.choose("A file: type its path", "Verify which disk?")
        menu.see("A file that holds a disk")
        menu.keys(str(place.root / "raw.img"), ENTER)
        menu.see("bmr: verified", "Press Enter to go on")
        menu.keys(ENTER)
        menu.see("The same without questions")
        menu.keys(ENTER)
        menu.see("Main menu")
        menu.keys(ESC)
        check(menu.end() == 0, "a verification is no success")
    print("captured and verified", flush=True)


def smb(place):
    """By browsing, with a password that appears nowhere."""
    with Smb(place.root) as server, place.menu() as menu:
        menu.choose("Restore", "Main menu")
        menu.choose("SMB server", "Where is the image?")
        menu.see("Password")
        menu.keys(f"127.0.0.1:{server.port}", TAB, server.user, TAB, server.password)
        menu.see("******")
        menu.keys(ENTER)
        menu.choose("img", "Choose an image")
        menu.choose("folder", "raw.img")
        menu.choose("x.img.zst", "bmr image")
        menu.see("This image?", "smb://127.0.0.1")
        menu.keys(ENTER)
        menu.see("Restore onto which disk?")
        menu.keys(ESC)
        menu.see("Where is the image?")
        menu.keys(ESC)
        menu.choose("Verify", "Main menu")
        to_address(menu, server.url("folder/x.img.zst").replace("smb://", "smb://root:secret@"))
        menu.see("What is to be verified?")
        shown = menu.all.replace(b"smb://root:secret@", b"", 1)     # what was typed is echoed
        before = len(menu.all)
        menu.choose("The image alone", "What is to be verified?")
        menu.see("bmr: verified", "Press Enter to go on")
        menu.keys(ENTER)
        menu.see("bmr.credentials=")
        menu.keys(ENTER)
        menu.see("Main menu")
        check(b"secret" not in menu.all[before:], "the password was shown")
        check(b"******" in shown, "the password was not masked")
    print("SMB by browsing; the password is shown nowhere", flush=True)


def http(place):
    with Http(place.root) as server, place.menu() as menu:
        menu.choose("Restore", "Main menu")
        to_address(menu, server.url("folder/x.img.zst"))
        menu.see("This image?", "bmr image")
        menu.keys(ESC)
        menu.see("Where is the image?")
    print("HTTP by its address", flush=True)


def resize(place):
    """Windows follow the terminal; a list keeps its place, a field what was typed."""
    with place.menu() as menu:
        menu.choose("Restore", "Main menu")
        menu.see("Where is the image?")
        menu.keys(DOWN, DOWN, DOWN, DOWN)
        menu.resize(120, 40)
        text = menu.see("Where is the image?")
        check(max(map(len, text.split("\n"))) > 100, f"the window did not grow:\n{text}")
        menu.keys(ENTER)
        menu.see("What ends with a slash")
        menu.keys("half an addr")
        menu.resize(80, 24)
        text = menu.see("half an addr", "Password")
        check(max(map(len, text.split("\n"))) <= 80, "the window is too wide")
        menu.keys(ESC)
        menu.see("Where is the image?")
        menu.keys(ESC)
        menu.see("Main menu")
        menu.keys(ESC)
        check(menu.end() == 0, "it does not end")
    print("windows follow the size of the terminal", flush=True)


def consoles(place):
    """The terminal that controls the process is another one, as in the live system."""
    master, slave = pty.openpty()
    with place.menu(other=slave) as menu:
        menu.choose("Disks", "Main menu")
        menu.see("Enter: go on")
        menu.keys(ENTER)
        menu.see("Main menu")
        target = place.root / "new.raw"
        menu.choose("Restore", "Main menu")
        to_image(menu, "folder", "x.img.zst")
        menu.keys(ENTER)
        menu.choose("A file: type its path", "Restore onto which disk?")
        menu.see("that is to hold the disk")
        menu.keys(str(target), ENTER)
        menu.see("A new file")
        menu.keys(ENTER)
        menu.see("bmr: restored", "Press Enter to go on")
        menu.keys(ENTER)
        menu.choose("Leave", "Main menu")
        check(menu.end() == 0, "a restore to a new file is no success")
    os.close(slave)
    os.close(master)
    print("it reads where it writes", flush=True)


def refused(place):
    """Where there is no terminal, or one that cannot do it, it says so."""
    done = subprocess.run([BMR, "menu"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=20)
    check(done.returncode == 64 and "needs a terminal" in done.stderr, "no terminal is no error")
    for term, words in (("dumb", "move its cursor"), ("no-such-terminal", "not known")):
        with place.menu(term=term) as menu:
            code = menu.end()
            text = menu.screen.text()
            check(code == 64 and words in " ".join(text.split()), f"TERM={term}: {code}: {text}")
    with place.menu(term="linux") as menu:
        menu.see("Main menu")
    with place.menu() as menu:          # the line is cut
        menu.see("Main menu")
        os.close(menu.master)
        menu.master = -1
        menu.process.wait(20)
    with place.menu() as menu:
        menu.see("Main menu")
        menu.process.terminate()
        check(menu.end() == 75 and "stopped" in menu.screen.text(), "a signal does not end it")
    print("no terminal, none that can, none any more; stopped by a signal", flush=True)


def stopped_listing(place):
    """A signal ends it also while a server is asked for its list and says nothing."""
    for address in ("smb://guest@127.0.0.1:{}/img/", "nfs://127.0.0.1/data/?nfsport={0}&mountport={0}"):
        with socket.create_server(("127.0.0.1", 0)) as server, place.menu() as menu:
            server.settimeout(SOON * 10)
            menu.choose("Restore", "Main menu")
            to_address(menu, address.format(server.getsockname()[1]))
            with server.accept()[0]:
                menu.read(0.3)
                begun = time.monotonic()
                menu.process.terminate()
                code = menu.end()
                took = time.monotonic() - begun
            check(b"Asking for the list" in menu.all, "no list was asked for")
            check(code == 75 and took < SOON, f"{address}: {code} after {took:.1f} s")
    print("a list that does not come, stopped by a signal", flush=True)


def main():
    need("nginx", "smbd", "smbpasswd")
    with tempfile.TemporaryDirectory(prefix="bmr-menu-") as folder:
        os.chmod(folder, 0o755)
        place = Place(folder)
        for part in (screens, wrong_input, restore, damaged, capture_and_verify, smb, http, resize,
                     consoles, refused, stopped_listing):
            part(place)


main()
