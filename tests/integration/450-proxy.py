#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""450-proxy - images through a real proxy: http and https, with and without a login, to and from a
server; the proxy that is dead, that wants another login, that opens no tunnel, that is badly written.
And logins from a file in the form of netrc.  That a proxy was used is shown by its log."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fixtures"))
from servers import Http, Https, Proxy              # noqa: E402
from transport_case import need                     # noqa: E402

BMR = os.environ["BMR"]
MIB = 1 << 20
LOGIN = "bmr:s3cr%65t"                              # an escape in the word


class Test:
    def __init__(self, folder):
        self.work = Path(folder)
        self.content = bytes(510) + b"\x55\xaa" + os.urandom(3 * MIB)
        (self.work / "img").write_bytes(self.content)
        self.disk = self.work / "disk"

    def bmr(self, *argv, code=0, says=(), **env):
        begin = time.monotonic()
        clean = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        done = subprocess.run([BMR, *map(str, argv)], cwd=self.work, env={**clean, **env}, timeout=60,
                              capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        if done.returncode != code or not all(words in said for words in says) or "s3cr" in said:
            sys.exit(f"FAILED: bmr {argv} {env}: exit code {done.returncode}, not {code}, "
                     f"{says} wanted\n{said}")
        return time.monotonic() - begin

    def restore(self, *argv, proxy=None, **env):
        """The image arrives, and the proxy was asked, or was not."""
        self.disk.unlink(missing_ok=True)
        before = len(proxy.asked()) if proxy else 0
        self.bmr("restore", *argv, self.disk, **env)
        if self.disk.read_bytes() != self.content:
            sys.exit(f"FAILED: {argv}: not the image")
        return len(proxy.asked()) - before if proxy else 0

    def refused(self, *argv, code=69, says=(), **env):
        self.disk.unlink(missing_ok=True)
        spent = self.bmr("restore", *argv, self.disk, code=code, says=says, **env)
        if self.disk.exists() or spent > 20:
            sys.exit(f"FAILED: {argv}: {spent:.0f} s, disk there: {self.disk.exists()}")

    def through(self, server, proxy, *options):
        """By the parameter, by the environment; and not, where that is said."""
        url, name = server.url("img"), f"{server.scheme}_proxy"
        address = {name: proxy.address()}
        for used, argv, env in ((True, [f"--proxy={proxy.address()}"], {}), (True, [], address),
                                (False, ["--proxy=none"], address),
                                (False, [], address | {"no_proxy": "127.0.0.1"}), (False, [], {})):
            if bool(self.restore(*options, *argv, url, proxy=proxy, **env)) != used:
                sys.exit(f"FAILED: {server.scheme} {argv} {env}: the proxy was "
                         f"{'not ' if used else ''}asked")

    def wrong(self, http):
        url = http.url("img")
        limits = ("--retries=1", "--timeout=2")
        self.refused(*limits, "--proxy=http://127.0.0.1:9", url,
                     says=("Failed to connect to 127.0.0.1 port 9",))
        for bad in ("127.0.0.1:3128", "ftp://127.0.0.1:3128", "http://127.0.0.1",
                    "http://127.0.0.1:3128/img", "http://bmr:s3cret@127.0.0.1", "http://[::1:3128", "https://127.0.0.1:3128",
                    "http://127.0.0.1:3128?img", "bmr:s3cret@127.0.0.1:3128"):
            self.refused(f"--proxy={bad}", url, code=64, says=("is not of the form http://host:port",))

    def login(self, http, https):
        with Proxy(login="bmr:s3cret") as proxy:
            good = f"--proxy={proxy.address(LOGIN)}"
            if not self.restore(good, http.url("img"), proxy=proxy):
                sys.exit("FAILED: the proxy was not asked")
            self.restore(good, f"--cafile={https.cafile}", https.url("img"), proxy=proxy)
            # tinyproxy says 401 where a login is wrong, as a server would.
            for address, status in ((proxy.address(), "HTTP 407"), (proxy.address("bmr:s3cr"), "HTTP 401")):
                self.refused(f"--proxy={address}", http.url("img"), says=(status,))
                self.refused(f"--proxy={address}", f"--cafile={https.cafile}", https.url("img"),
                             says=(status, "proxy"))
        with Proxy(tunnels=[443]) as proxy:
            self.refused(f"--proxy={proxy.address()}", f"--cafile={https.cafile}", https.url("img"),
                         says=("the proxy opens no way there (HTTP 403)",))

    def capture(self, proxy):
        store = self.work / "store"
        store.mkdir()
        with Http(store, write=True) as server:
            self.bmr("capture", f"--proxy={proxy.address()}", "img", server.url("new.img.zst"))
            if not any("PUT" in line for line in proxy.asked()):
                sys.exit("FAILED: the capture did not go through the proxy")
            self.restore(server.url("new.img.zst"))

    def netrc(self):
        file = self.work / "logins"
        file.write_text("machine elsewhere login a password b\n"
                        "machine 127.0.0.1 login user password secret\n")
        with Http(self.work, auth=True) as server:
            self.refused(server.url("img"), says=("HTTP 401",))
            file.chmod(0o644)
            self.refused(f"--netrc={file}", server.url("img"), code=64, says=("chmod 600",))
            file.chmod(0o600)
            self.restore(f"--netrc={file}", server.url("img"))
            self.refused("--netrc=missing", server.url("img"), code=64, says=("'missing'",))


def main():
    need("nginx", "tinyproxy", "openssl")
    with tempfile.TemporaryDirectory(prefix="bmr-proxy-") as folder:
        os.chmod(folder, 0o755)
        test = Test(folder)
        with Http(test.work) as http, Https(test.work) as https, Proxy() as proxy:
            test.through(http, proxy)
            test.through(https, proxy, f"--cafile={https.cafile}")
            print("http and https by parameter and by environment, and not where that is said")
            test.wrong(http)
            test.login(http, https)
            print("a dead proxy, a wrong address, another login, no tunnel: named, nothing written")
            test.capture(proxy)
        test.netrc()
        print("capture through a proxy; logins from a file")


main()
