#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""430-canary - a password that bmr is given by each way there is appears nowhere: not on the screen,
in an event, a report or an error, on the restored disk, in a core, nor in the arguments or the
environment of a program that bmr starts.  Once where it is right and once where it is wrong, where
the server is dead, and where the order is refused.

It is looked for by its letters, which no escape of a URL, of JSON or of a shell changes, and in
base64 at each of its three offsets.
"""

import base64
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import quote

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
sys.path.insert(0, str(FIXTURES))
from menu import ENTER, TAB, Menu                          # noqa: E402
from servers import HOST, PYTHON, Ftp, Http, Reports, Smb, free_port   # noqa: E402
from transport_case import need                            # noqa: E402

BMR = os.environ["BMR"]
CORE = "c4Nary7Qx"                  # letters that are the same in every form
CANARY = f"{CORE}/%+:@"             # and signs that are not
QUOTED = quote(CANARY, safe="")
PATIENCE = 100
SIZE = 6 << 20


def forms():
    """What to look for, as bytes."""
    yield CORE.encode()
    yield CORE[::-1].encode()
    for offset in range(3):
        # What stands at the edges depends on the neighbours.
        whole = base64.b64encode(b"x" * offset + CORE.encode())
        yield whole[4 if offset else 0:-4]


FORMS = list(forms())


class CanaryHttp(Http):
    def _write_passwords(self):
        digest = subprocess.run(["openssl", "passwd", "-apr1", "-stdin"], input=CANARY, check=True,
                                capture_output=True, text=True).stdout.strip()
        (self.scratch / "passwords").write_text(f"user:{digest}\n")


class CanarySmb(Smb):
    user, password = "root", CANARY


class CanaryFtp(Ftp):
    """ftp_server.py with another password for user."""

    def configure(self):
        text = (FIXTURES / "ftp_server.py").read_text()
        program = text.replace('"user", "secret"', f'"user", {CANARY!r}')
        if program == text:
            sys.exit("FAILED: ftp_server.py has no user with a password any more")
        (self.scratch / "server.py").write_text(program)

    def argv(self):
        return [PYTHON, str(self.scratch / "server.py"), str(self.port), str(self.root), "write"]


class Watch(threading.Thread):
    """Looks at what descends from a process while it runs: arguments, environment, core limit."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.top, self.over = pid, threading.Event()
        self.seen, self.texts, self.limits = set(), [], set()

    def descendants(self):
        parents = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    fields = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
                    parents[int(entry)] = int(fields[1])
                except OSError:
                    pass
        found = {self.top}
        while True:
            more = {pid for pid, parent in parents.items() if parent in found} - found
            if not more:
                return found - {self.top}
            found |= more

    def look(self):
        for pid in self.descendants():
            try:
                argv = Path(f"/proc/{pid}/cmdline").read_bytes()
                # Between fork and exec it is a copy of its parent, which was told by the tester.
                if argv == Path(f"/proc/{self.top}/cmdline").read_bytes():
                    continue
                self.texts += [argv, Path(f"/proc/{pid}/environ").read_bytes()]
                limits = Path(f"/proc/{pid}/limits").read_text()
            except OSError:
                continue
            self.seen.add(argv.split(b"\0")[0] + b" " + argv.split(b"\0")[1][:20])
            self.limits.add(next(line for line in limits.splitlines() if "core" in line).split()[4])

    def run(self):
        while not self.over.wait(0.02):
            self.look()


class Test:
    def __init__(self, work):
        self.work, self.count, self.workers = Path(work), 0, set()
        self.places = 0
        self.root = self.work / "served"
        self.root.mkdir()
        raw = b"\0" * 510 + b"\x55\xaa" + random.Random(3).randbytes(SIZE - 512)
        self.raw = raw
        (self.root / "raw.img").write_bytes(raw)
        self.reports = Reports(self.root)

    def fail(self, what, texts=()):
        for name, text in texts:
            print(f"--- {name}\n{text[-3000:].decode(errors='replace')}", file=sys.stderr)
        sys.exit(f"FAILED: {what}")

    def search(self, what, texts):
        for name, text in texts:
            self.places += 1
            for form in FORMS:
                if form in text:
                    at = text.index(form)
                    around = text[max(0, at - 100):at + 60]
                    self.fail(f"{what}: the password is in {name}: {around!r}")

    def run(self, what, *argv, codes, expect=b""):
        """Run bmr; look everywhere.  expect: words that must stand on the screen: it came there."""
        self.count += 1
        cwd = self.work / f"run{self.count}"
        cwd.mkdir()
        events, before = cwd / "events", self.reports.file.stat().st_size
        events_option = [] if argv[0] == "info" else [f"--events={events}"]
        process = subprocess.Popen([BMR, *map(str, argv), *events_option], cwd=cwd,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   preexec_fn=lambda: resource.setrlimit(
                                       resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2))
        watch = Watch(process.pid)
        watch.start()
        try:
            out, err = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            self.fail(f"{what}: it hangs")
        watch.over.set()
        watch.join()
        texts = [("standard output", out), ("standard error", err),
                 ("what its children were given", b"\n".join(watch.texts)),
                 ("a report", self.reports.file.read_bytes()[before:])]
        texts += [(f"the file {path.name}", path.read_bytes()) for path in sorted(cwd.rglob("*"))
                  if path.is_file()]
        self.search(what, texts)
        if process.returncode not in codes:
            self.fail(f"{what}: exit code {process.returncode}, not {codes}", texts)
        if expect not in out + err:
            self.fail(f"{what}: {expect} was not said", texts)
        said = events.read_bytes() if events.exists() else b""
        if events_option and 0 in codes and b'"event"' not in said:
            self.fail(f"{what}: no events", texts)
        if watch.limits - {"1", "0"}:
            self.fail(f"{what}: a child may leave a core of {watch.limits}")
        self.workers |= watch.seen
        return texts

    def restored(self, what):
        disk = self.work / f"run{self.count}" / "disk"
        if disk.read_bytes() != self.raw:
            self.fail(f"{what}: the disk is not the image")

    # --- the ways ---

    def credentials(self, text, mode=0o600):
        path = self.work / "credentials"
        path.write_text(text)
        path.chmod(mode)
        return path

    def in_url(self, server, user, what):
        """user:password@ in an address, of every protocol: right, wrong, dead; restore and capture."""
        url = server.url("raw.img").replace("://", f"://{user}:{QUOTED}@")
        wrong = server.url("raw.img").replace("://", f"://{user}:{QUOTED}no@")
        dead = url.replace(str(server.port), str(free_port()))
        slow = ["--rate=6M"]
        self.run(f"{what}: URL", "restore", *slow, url, "disk", codes=(0,))
        self.restored(what)
        self.run(f"{what}: URL, small letters", "restore", url.replace("%2F", "%2f"), "disk",
                 codes=(0,))
        self.run(f"{what}: URL, wrong password", "restore", wrong, "disk", codes=(69,))
        self.run(f"{what}: URL, dead server", "restore", "--retries=1", "--timeout=2", dead, "disk",
                 codes=(69,), expect=server.scheme.encode())
        self.run(f"{what}: info", "info", wrong, codes=(69,))

    def ways_of_a_file(self, server, user):
        url = server.url("raw.img")
        good = self.credentials(f"user={user}\npassword={CANARY}\n")
        self.run("credentials file", "restore", "--rate=6M", f"--credentials={good}", url, "disk",
                 codes=(0,))
        self.restored("credentials file")
        bad = self.credentials(f"user={user}\npassword={CANARY}no\n")
        self.run("credentials file, wrong password", "restore", f"--credentials={bad}", url, "disk",
                 codes=(69,))
        for text in (f"password: {CANARY}\n", f"{CANARY}=\n", f"pass={CANARY}=\n", f"{CANARY}\n"):
            bad = self.credentials(text)
            self.run("credentials file, not understood", "restore", f"--credentials={bad}", url,
                     "disk", codes=(64,), expect=b"line 1")
        bad = self.credentials(f"user={user}\npassword={CANARY}\n", 0o644)
        self.run("credentials file, mode 0644", "restore", f"--credentials={bad}", url, "disk",
                 codes=(64,), expect=b"chmod 600")

    def agent(self, what, line, **expected):
        return self.run(what, "agent", f"--cmdline={line}", **expected)

    def on_the_command_line(self, http, smb):
        verify = f"bmr.action=verify bmr.report={self.reports.url('')} bmr.retries=1 bmr.timeout=2"
        login = f"bmr.user=user bmr.password={CANARY}"
        image = f"bmr.image={http.url('raw.img')}"
        self.agent("parameters", f"{verify} {image} {login}", codes=(0,))
        texts = self.agent("parameters, wrong password", f"{verify} {image} {login}no", codes=(69,))
        if not any(b'"event":"log"' in text for name, text in texts if name == "a report"):
            self.fail("no log was sent with a failure", texts)
        self.agent("parameters, SMB", f"{verify} bmr.image={smb.url('raw.img')} bmr.user=root "
                   f"bmr.password={CANARY} bmr.rate=6M", codes=(0,))
        self.agent("parameters, dead server", f"{verify} bmr.image=http://{HOST}:1/x {login}",
                   codes=(69,))
        for wrong in ("bmr.nonsense=1", "bmr.timeout=x", "bmr.action=nothing", "ip=nonsense",
                      "bmr.image=gopher://h/x", "bmr.finish=kexec", "bmr.report=gopher://h",
                      "bmr.config=http://h:x/"):
            for order in (f"{login} {image} {wrong}", f"{wrong} {image} {login}"):
                self.agent(f"parameters and {wrong}", order, codes=(64,))
                self.run(f"plan, parameters and {wrong}", "agent", "--plan", f"--cmdline={order}",
                         codes=(64, 0))
        self.run("plan", "agent", "--plan", f"--cmdline={image} {login} bmr.target=auto "
                 f"bmr.report=http://u:{QUOTED}@h/ bmr.base=http://u:{QUOTED}@h/x",
                 codes=(0, 64), expect=b"orders:")
        self.agent("PING's names", f"{verify} Server={HOST}:{smb.port} Share=img User=root "
                   f"Passwd={CANARY} Image_To_Restore=raw.img", codes=(64, 69, 0))
        self.agent("a quote that is not closed", f'{image} bmr.password="{CANARY}', codes=(64,))

    def config(self, http):
        verify = f"bmr.action=verify bmr.report={self.reports.url('')} bmr.retries=1 bmr.timeout=2"
        lock = f"http://user:{QUOTED}@{HOST}:{http.port}"
        (self.root / "job").write_text(f"image={http.url('raw.img')}\nuser=user\n"
                                       f"password={CANARY}\n")
        self.agent("config URL and a password in it", f"{verify} bmr.config={lock}/job", codes=(0,))
        self.agent("config URL, wrong", f"{verify} bmr.config={lock.replace('@', 'no@')}/job",
                   codes=(69,))
        self.agent("config URL, dead", f"{verify} bmr.config=http://u:{QUOTED}@{HOST}:1/job",
                   codes=(69,))
        self.agent("config URL, absent", f"{verify} bmr.config={lock}/none", codes=(69,))
        for line in (f"password {CANARY}", f"password = {CANARY}", f'password="{CANARY}" x',
                     f"pasword={CANARY}", f"password={CANARY}\nnonsense=1"):
            (self.root / "job").write_text(line + "\n")
            self.agent(f"config file with {line.split(CANARY)[0]!r}",
                       f"{verify} bmr.config={lock}/job", codes=(64,), expect=b"line ")

    def report(self, http):
        image = f"bmr.action=verify bmr.image={http.url('raw.img')} bmr.user=user " \
                f"bmr.password={CANARY}"
        server = self.reports.url("").replace("://", f"://user:{QUOTED}@")
        self.agent("report URL", f"{image} bmr.report={server}", codes=(0,))
        self.agent("report URL, dead", f"{image} bmr.report=http://u:{QUOTED}@{HOST}:1/", codes=(0,),
                   expect=b"cannot deliver")
        for url in (f"ftp://u:{QUOTED}@h/", f"gopher://u:{CANARY}@h/", f"syslog://u:{QUOTED}@h:x/"):
            self.agent(f"report URL {url.split(':')[0]}", f"{image} bmr.report={url}", codes=(64,))

    def capture(self, http, smb, ftp):
        for name, url in (("smb", smb.url("new.img.zst").replace("://", f"://root:{QUOTED}@")),
                          ("ftp", ftp.url("new.img.zst").replace("://", f"://user:{QUOTED}@"))):
            self.run(f"capture to {name}", "capture", "--replace=yes", self.root / "raw.img", url,
                     codes=(0,))
            self.search("the image", [("the image", (self.root / "new.img.zst").read_bytes())])
            self.run(f"capture with a base at {name}", "capture", "--replace=yes", f"--base={url}",
                     self.root / "raw.img", "second.img.zst", codes=(0,))
            if name == "smb":
                self.run(f"capture to {name}, wrong password", "capture", self.root / "raw.img",
                         url.replace("@", "no@"), codes=(69,))
        for url in (f"http://u:{QUOTED}@{HOST}:1/x", f"gopher://u:{CANARY}@h/x"):
            self.run("capture to nowhere", "capture", "--retries=1", "--timeout=1",
                     self.root / "raw.img", url, codes=(64, 69))
            self.run("a base that is nowhere", "capture", "--retries=1", "--timeout=1",
                     f"--base={url}", self.root / "raw.img", "third.img.zst", codes=(64, 69))
            self.run("merge from nowhere", "merge", "--retries=1", "--timeout=1", url, "x",
                     codes=(64, 69))

    def proxy(self, http):
        """Also written so that nobody can tell where the password ends."""
        url = http.url("raw.img")
        self.run("a proxy's password", "restore", f"--proxy=http://u:{QUOTED}@{HOST}:1", "--retries=1",
                 "--timeout=1", url, "disk", codes=(69,))
        for wrong in (f"http://u:{QUOTED}@{HOST}:1/x", f"u:{CANARY}@{HOST}:1", f"http://u:/{CANARY}@{HOST}:1",
                      f"http://u:{CANARY}@@{HOST}", f"https://u:{QUOTED}@{HOST}:1"):
            self.run("a proxy that is none", "restore", f"--proxy={wrong}", url, "disk", codes=(64,),
                     expect=HOST.encode())
        for wrong in (f"gopher://u:{CORE}@{HOST}:1", f"gopher://u:{QUOTED}@{HOST}:1", f"http://u:{CANARY}@{HOST}:1",
                      f"u:{CORE}@[::1:1"):
            os.environ["http_proxy"] = wrong
            self.run("a proxy of the environment that is none", "restore", "--retries=1", "--timeout=1", url,
                     "disk", codes=(64, 69), expect=b"proxy")
        del os.environ["http_proxy"]

    def unescaped(self):
        """A character in it that should have been escaped; and a URL in the place of something else."""
        raw = self.root / "raw.img"
        for mark in "/#?,":
            login = f"u:{CORE}{mark}{CORE}"
            url, hint = f"http://{login}@{HOST}:1/x", b"%2C"
            patience = ("--retries=1", "--timeout=1")
            self.run("unescaped, restore", "restore", *patience, url, "disk", codes=(64,), expect=hint)
            self.run("unescaped, verify", "verify", *patience, url, codes=(64,), expect=hint)
            self.run("unescaped, info", "info", *patience, url, codes=(64,), expect=hint)
            self.run("unescaped, second mirror", "restore", *patience, f"/nowhere,{url}", "disk",
                     codes=(64,), expect=hint)
            self.run("unescaped, capture", "capture", *patience, raw, url, codes=(64,), expect=hint)
            self.run("unescaped, base", "capture", *patience, f"--base={url}", raw, "x", codes=(64,),
                     expect=hint)
            self.run("unescaped, merge", "merge", *patience, url, "x", codes=(64,), expect=hint)
            for name in ("image", "config", "base", "seed", "report"):
                line = f"bmr.image=/x bmr.target=auto bmr.{name}={url}"
                self.run(f"unescaped, {name}", "agent", f"--cmdline={line}", codes=(64,), expect=hint)
                self.run(f"unescaped, {name}, plan", "agent", "--plan", f"--cmdline={line}",
                         codes=(64,), expect=hint)
            self.run("unescaped, proxy, plan", "agent", "--plan", codes=(0, 64),
                     *[f"--cmdline=bmr.image=/x bmr.target=auto bmr.proxy=http://{login}@{HOST}:1"])
            for name in ("bmr.target", "bmr.finish", "bmr.sha256", "bmr.hostname", "ip",
                         f"bmr.http://{login}@{HOST} bmr.imge"):
                for value in (url, url.replace("//", "/", 1)):
                    self.run(f"unescaped, as {name[:12]}", "agent", "--plan", codes=(64,),
                             *[f'--cmdline=bmr.image=/x bmr.target=serial=none "{name}={value}"'])
            for command in (("restore", raw, "x", "--credentials"), ("restore", raw, "x", "--hostname"),
                            ("capture", raw, "x", "--compress"), ("sign", raw, "--key"),
                            ("sign", raw, f"--key={raw}", "--series"), ("restore", raw, "x", "--stats"),
                            ("disks", "--target")):
                self.run(f"unescaped, as {command[-1]}", *command[:-1], f"{command[-1]}={url}", codes=(64,))
            self.run("unescaped, in the wrong place", "restore", raw, url, codes=(64, 74))
            self.run("unescaped, one too many", "restore", raw, "disk", url, codes=(64,))
            self.run("unescaped, no option", "restore", f"--imgae={url}", raw, "disk", codes=(64,))
            self.run("unescaped, no parameter", "agent", f"--cmdline=bmr.image{url}", codes=(64,))
        self.run("in the wrong place", "restore", raw, f"http://u:{CORE}@{HOST}:1/x", codes=(64, 74))
        self.run("one too many", "restore", raw, "disk", f"http://u:{CORE}@{HOST}:1/x", codes=(64,))
        self.run("no option of restore", "restore", f"--password={CORE}", raw, "disk", codes=(64,))

    def netrc(self, http):
        """A ~/.netrc is nobody's order: it is not read."""
        home = self.work / "home"
        home.mkdir()
        (home / ".netrc").write_text(f"machine {HOST} login user password {CANARY}\n")
        old, os.environ["HOME"] = os.environ.get("HOME", "/"), str(home)
        try:
            self.run("netrc", "restore", http.url("raw.img"), "disk", codes=(69,), expect=b"401")
        finally:
            os.environ["HOME"] = old

    def menu(self, smb):
        """Typed: nothing of it is drawn."""
        for password, right in ((CANARY, True), (CANARY + "no", False)):
            with Menu(BMR, "menu", cwd=self.work, LC_ALL="C") as menu:
                watch = Watch(menu.process.pid)
                watch.start()
                menu.choose("Verify", "Main menu")
                menu.choose("SMB server", "Where is the image?")
                menu.see("Password")
                menu.keys(f"{HOST}:{smb.port}", TAB, smb.user, TAB, password, ENTER)
                if right:
                    menu.choose("img", "Choose an image")
                    menu.choose("raw.img", "raw")
                    menu.choose("The image alone", "What is to be verified?")
                    menu.see("bmr: verified", "Press Enter to go on")
                    menu.keys(ENTER)
                    menu.see("bmr.credentials=")
                else:
                    menu.see("access denied")
                watch.over.set()
                watch.join()
                self.search("the menu", [("the terminal", menu.all),
                                         ("what its children were given", b"\n".join(watch.texts))])
                if not watch.seen:
                    self.fail("no SMB worker of the menu was seen")
                self.workers |= watch.seen
        self.count += 2

    def cores(self, smb):
        """A crash of bmr, and of what it started, leaves no core."""
        if Path("/proc/sys/kernel/core_pattern").read_text()[:1] in "|/":
            print("cores: the kernel puts them elsewhere; only the limit was looked at")
            return
        cwd = self.work / "crash"
        cwd.mkdir()
        url = smb.url("raw.img").replace("://", f"://root:{QUOTED}@")

        def unlimited():
            resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)

        # The fault is one that leaves a core of another program.
        other = subprocess.Popen(["sleep", "60"], cwd=cwd, preexec_fn=unlimited)
        other.send_signal(signal.SIGSEGV)
        other.wait()
        cores = list(cwd.glob("core*"))
        if not cores:
            print("cores: this machine makes none; only the limit was looked at")
            return
        for core in cores:
            core.unlink()
        process = subprocess.Popen([BMR, "restore", "--rate=1M", url, "disk"], cwd=cwd,
                                   stderr=subprocess.DEVNULL, preexec_fn=unlimited)
        watch = Watch(process.pid)
        deadline = time.monotonic() + 20
        while not watch.descendants() and time.monotonic() < deadline:
            time.sleep(0.02)
        children = watch.descendants()
        if not children:
            self.fail("no SMB worker was seen to be killed")
        time.sleep(0.3)
        for pid in [*children, process.pid]:
            os.kill(pid, signal.SIGSEGV)
        if process.wait(20) != -signal.SIGSEGV:
            self.fail(f"it ended with {process.returncode}, not by the signal")
        if list(cwd.glob("core*")):
            self.fail("a core was left")
        print(f"cores: none of bmr and {len(children)} worker(s), where another program left one")


def main():
    need("nginx", "smbd", "smbpasswd", "openssl")
    with tempfile.TemporaryDirectory(prefix="bmr-canary-") as work:
        os.chmod(work, 0o755)
        test = Test(work)
        with CanaryHttp(test.root, auth=True) as http, CanarySmb(test.root) as smb, \
                CanaryFtp(test.root, write=True) as ftp:
            for server, user in ((http, "user"), (smb, "root"), (ftp, "user")):
                test.in_url(server, user, server.scheme)
            test.ways_of_a_file(smb, "root")
            test.on_the_command_line(http, smb)
            test.config(http)
            test.report(http)
            test.capture(http, smb, ftp)
            test.proxy(http)
            test.unescaped()
            test.netrc(http)
            test.menu(smb)
            test.cores(smb)
        test.reports.close()
        if not any(b"smb" in name for name in test.workers):
            test.fail(f"no SMB worker was seen: {test.workers}")
        print("ways: URL (http smb ftp), credentials file, bmr.password, PING's Passwd, bmr.config "
              "and a file it fetched, bmr.report, base, capture, proxy, netrc, menu")
        print(f"{test.count} runs, {test.places} places looked at, children: "
              f"{sorted(name.decode() for name in test.workers)}")


main()
