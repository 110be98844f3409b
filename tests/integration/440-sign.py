#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed images: with keys, only an image that one of them has signed is restored.  Debian's minisign is
the second opinion, both ways.  Each attack must be refused before the first write: the target stays as
it was.  About 20 seconds of one CPU, of which minisign's scrypt takes 8."""

import base64
import gzip
import hashlib
import http.server
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
BMR = os.environ.get("BMR", str(HERE.parent.parent / "build" / "bmr"))
MIB = 1 << 20
DISK = 3 * MIB
OLD = b"\xaa" * DISK
ORDER = (1 << 252) + 27742317777372353535851937790883648493     # of Ed25519's group
LEAST_ATTACKS = 60      # fewer: some did not run

if not shutil.which("minisign"):
    print("SKIPPED: minisign is not installed")
    sys.exit(77)


def fail(why):
    sys.exit(f"FAILED: {why}")


def run(*words, env=None, stdin=b""):
    return subprocess.run([str(word) for word in words], capture_output=True, timeout=60, env=env,
                          input=stdin)


def must(*words, stdin=b""):
    done = run(*words, stdin=stdin)
    if done.returncode != 0:
        fail(f"{words}: exit code {done.returncode}: {done.stdout.decode()}{done.stderr.decode()}")
    return done.stdout.decode()


WORK = Path(tempfile.mkdtemp(prefix="bmr-sign-"))


# --- what there is to attack ---

def new_key(name, folder):
    folder.mkdir(parents=True, exist_ok=True)
    must("minisign", "-G", "-W", "-f", "-p", folder / f"{name}.pub", "-s", WORK / f"{name}.key")


def disk_content(seed):
    data = bytearray(random.Random(seed).randbytes(2 * MIB) + bytes(MIB))
    data[510:512] = b"\x55\xaa"
    return bytes(data)


def build():
    """The good ones, all signed; cases work on copies."""
    good = WORK / "good"
    good.mkdir()
    new_key("active", WORK / "trust")
    new_key("spare", WORK / "trust")
    new_key("other", WORK / "strangers")
    content = disk_content(1)
    (WORK / "raw").write_bytes(content)
    (good / "disk.raw").write_bytes(content)
    (good / "disk.gz").write_bytes(gzip.compress(content, 1, mtime=0))
    must(BMR, "capture", "--sidecar=yes", WORK / "raw", good / "disk.zst")
    newer = bytearray(content)
    newer[MIB + 5] ^= 1
    (WORK / "newer").write_bytes(newer)
    must(BMR, "capture", f"--base={good / 'disk.zst'}", WORK / "newer", good / "newer.zst")
    must(BMR, "capture", WORK / "newer", good / "full.zst")
    for name in "disk.zst", "disk.raw", "disk.gz":
        must(BMR, "sign", good / name, f"--key={WORK / 'active.key'}", "--series=web", "--serial=5")
    for name in "newer.zst", "full.zst":
        must(BMR, "sign", good / name, f"--key={WORK / 'spare.key'}", "--series=web", "--serial=6")
    return content, bytes(newer)


class Case:
    """A folder with the good files and the trusted keys, to be made worse."""
    count = 0

    def __init__(self):
        Case.count += 1
        self.folder = WORK / f"case-{Case.count}"
        shutil.copytree(WORK / "good", self.folder)
        shutil.copytree(WORK / "trust", self.folder / "trust")
        self.target = self.folder / "target"
        self.target.write_bytes(OLD)

    def __getitem__(self, name):
        return self.folder / name

    def restore(self, image="disk.zst", *options):
        image = image if "://" in str(image) else self[image]
        return run(BMR, "restore", f"--trust={self['trust']}", "--retries=1", *options, image,
                   self.target)

    def untouched(self):
        return self.target.read_bytes() == OLD

    def done(self):
        shutil.rmtree(self.folder)


# --- files of minisign ---

class Signature:
    """A signature file in its parts."""

    def __init__(self, path):
        self.path = path
        lines = path.read_text().split("\n")
        self.untrusted, self.comment = lines[0], lines[2]
        self.raw = bytearray(base64.b64decode(lines[1]))
        self.whole = bytearray(base64.b64decode(lines[3]))

    def text(self):
        return "\n".join((self.untrusted, base64.b64encode(self.raw).decode(), self.comment,
                          base64.b64encode(self.whole).decode(), ""))

    def save(self):
        self.path.write_text(self.text())


ATTACKS = []


def attack(image="disk.zst", says="", codes=(77,), suffix=None):
    """A way to make a case worse.  It gets the case and the signature; what it returns are options."""
    def add(function):
        ATTACKS.append((function, image, says, codes, suffix))
        return function
    return add


def manifest_frames(data):
    """Where head and manifest begin in a bmr image, and how long their payloads are."""
    head = int.from_bytes(data[4:8], "little")
    at = data.rindex(b"bmr-mani") - 8
    return (0, head), (at, int.from_bytes(data[at + 4:at + 8], "little"))


def change_payload(path, which, at):
    """One byte of head (0) or manifest (1) is another, and its checksum right."""
    data = bytearray(path.read_bytes())
    begin, length = manifest_frames(bytes(data))[which]
    begin += 8
    data[begin + at] ^= 1
    data[begin + length - 32:begin + length] = hashlib.sha256(
        data[begin:begin + length - 32]).digest()
    path.write_bytes(data)


def minisign(case, key, file, out, *options):
    must("minisign", "-S", "-s", WORK / f"{key}.key", "-m", case[file], "-x", case[out], *options)


# the signature file
@attack(says="No such file")
def missing(case, sig):
    sig.path.unlink()

@attack(says="not one of minisign")
def empty(case, sig):
    sig.path.write_bytes(b"")

@attack(says="not one of minisign")
def one_line(case, sig):
    sig.path.write_text(sig.untrusted + "\n")

@attack(says="it was cut")
def two_lines(case, sig):
    sig.path.write_text("\n".join(sig.text().split("\n")[:2]) + "\n")

@attack(says="damaged or cut")
def three_lines(case, sig):
    sig.path.write_text("\n".join(sig.text().split("\n")[:3]) + "\n")

@attack(says="damaged or cut")
def cut_last_byte(case, sig):
    sig.path.write_text(sig.text()[:-2])

@attack(says="goes on after")
def trailing_line(case, sig):
    sig.path.write_text(sig.text() + "more\n")

@attack(says="goes on after")
def trailing_newline(case, sig):
    sig.path.write_text(sig.text() + "\n")

@attack(says="too large")
def oversized(case, sig):
    sig.path.write_text(sig.text() + "x" * MIB)

@attack(says="too large|trusted comment")
def endless_comment(case, sig):
    sig.comment += "x" * 9000
    sig.save()

@attack(says="not one of minisign")
def no_prefix(case, sig):
    sig.untrusted = "comment: x"
    sig.save()

@attack(says="no trusted comment")
def no_trusted_prefix(case, sig):
    sig.comment = "untrusted comment: x"
    sig.save()

@attack(says="no signature")
def wrong_base64(case, sig):
    sig.path.write_text(sig.text().replace("RU", "R*", 1))

@attack(says="no signature")
def blank_in_base64(case, sig):
    lines = sig.text().split("\n")
    lines[1] = " " + lines[1][:-1]
    sig.path.write_text("\n".join(lines))

@attack(says="no signature")
def stray_bits(case, sig):
    lines = sig.text().split("\n")
    last = lines[1][-2]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    lines[1] = lines[1][:-2] + alphabet[alphabet.index(last) | 1] + "="
    sig.path.write_text("\n".join(lines))

@attack(says="unknown kind")
def unknown_kind(case, sig):
    sig.raw[0:2] = b"XX"
    sig.save()

@attack(says="trusted comment")
def zero_byte_in_comment(case, sig):
    sig.comment += "\0serial=99"
    sig.save()


# its bytes
@attack(says="not what was signed")
def changed_r(case, sig):
    sig.raw[10] ^= 1
    sig.save()

@attack(says="not what was signed")
def changed_s(case, sig):
    sig.raw[50] ^= 1
    sig.save()

@attack(says="not what was signed")
def zero_signature(case, sig):
    sig.raw[10:] = bytes(64)
    sig.save()

@attack(says="not what was signed")
def s_plus_order(case, sig):
    value = int.from_bytes(sig.raw[42:74], "little") + ORDER
    sig.raw[42:74] = value.to_bytes(32, "little")
    sig.save()

@attack(says="not trusted here")
def changed_id(case, sig):
    sig.raw[2] ^= 1
    sig.save()

@attack(says="not what was signed")
def id_of_spare(case, sig):
    other = Signature(case["full.zst.manifest.minisig"])
    sig.raw[2:10] = other.raw[2:10]
    sig.save()

@attack(says="comment was changed")
def changed_global(case, sig):
    sig.whole[3] ^= 1
    sig.save()

@attack(says="comment was changed")
def zero_global(case, sig):
    sig.whole[:] = bytes(64)
    sig.save()

@attack(says="comment was changed")
def raised_serial(case, sig):
    sig.comment = sig.comment.replace("serial=5", "serial=9")
    sig.save()

@attack(says="comment was changed")
def empty_comment(case, sig):
    sig.comment = "trusted comment: "
    sig.save()

@attack(says="comment was changed")
def comment_of_another(case, sig):
    other = Signature(case["disk.gz.minisig"])
    sig.comment, sig.whole = other.comment, other.whole
    sig.save()


# who signed
@attack(says="not trusted here")
def stranger(case, sig):
    minisign(case, "other", "disk.zst.manifest", sig.path.name)

@attack(says="not what was signed")
def stranger_with_our_id(case, sig):
    identity = sig.raw[2:10]
    minisign(case, "other", "disk.zst.manifest", sig.path.name)
    forged = Signature(sig.path)
    forged.raw[2:10] = identity
    forged.save()

@attack(says="legacy")
def legacy(case, sig):
    minisign(case, "active", "disk.zst.manifest", sig.path.name, "-l")

@attack(says="revoked")
def revoked(case, sig):
    (case["trust"] / "revoked").write_text("# gone\n" + key_id("active").lower() + "\n")

@attack(says="revoked")
def both_revoked(case, sig):
    (case["trust"] / "revoked").write_text(key_id("spare") + "\r\n" + key_id("active") + "\r\n")

@attack(says="not trusted here")
def key_taken_away(case, sig):
    (case["trust"] / "active.pub").unlink()


# how old
@attack(says="too old")
def old_serial(case, sig):
    (case["trust"] / "floor").write_text("web 6\n")

@attack(says="too old")
def old_by_star(case, sig):
    (case["trust"] / "floor").write_text("db 1\n* 6\n")

@attack(says="too old")
def highest_line_counts(case, sig):
    (case["trust"] / "floor").write_text("web 6\nweb 2\n")

@attack(says="does not say series and serial")
def no_serial(case, sig):
    (case["trust"] / "floor").write_text("web 1\n")
    minisign(case, "active", "disk.zst.manifest", sig.path.name, "-t", "series=web")

@attack(says="wrong or said twice")
def two_serials(case, sig):
    minisign(case, "active", "disk.zst.manifest", sig.path.name, "-t", "serial=1 serial=9")

@attack(says="wrong or said twice")
def serial_too_large(case, sig):
    minisign(case, "active", "disk.zst.manifest", sig.path.name, "-t",
             "series=web serial=18446744073709551616")

@attack(image="disk.gz", says="too old", suffix=".minisig")
def old_file(case, sig):
    (case["trust"] / "floor").write_text("web 6\n")


# the keys themselves
@attack(says="all zeros")
def zero_key(case, sig):
    raw = b"Ed" + sig.raw[2:10] + bytes(32)
    (case["trust"] / "active.pub").write_text(
        "untrusted comment: x\n" + base64.b64encode(raw).decode() + "\n")

@attack(says="not a public key")
def damaged_key(case, sig):
    (case["trust"] / "third.pub").write_text("untrusted comment: x\nnothing\n")

@attack(says="not a public key")
def secret_as_key(case, sig):
    shutil.copy(WORK / "active.key", case["trust"] / "third.pub")

@attack(says="must end in .pub")
def misnamed_keys(case, sig):
    for path in case["trust"].iterdir():
        path.rename(path.with_suffix(".key"))

@attack(says="no key", codes=(64,))
def no_keys(case, sig):
    shutil.rmtree(case["trust"])
    case["trust"].mkdir()

@attack(says="cannot open '.*revoked'")
def revoked_leads_nowhere(case, sig):
    (case["trust"] / "revoked").symlink_to("none")

@attack(says="cannot open '.*floor'")
def floor_leads_nowhere(case, sig):
    (case["trust"] / "floor").symlink_to("none")

@attack(says="'.*revoked', line 2, is not")
def damaged_revoked(case, sig):
    (case["trust"] / "revoked").write_text("\n0123\n")

@attack(says="'.*floor', line 1, is not")
def damaged_floor(case, sig):
    (case["trust"] / "floor").write_text("web six\n")


# a bmr image
@attack(says="not what was signed")
def changed_manifest(case, sig):
    change_payload(case["disk.zst"], 1, 200)

@attack(says="not what was signed")
def changed_head(case, sig):
    change_payload(case["disk.zst"], 0, 30)

@attack(says="not what was signed")
def another_image(case, sig):
    shutil.copy(case["full.zst"], case["disk.zst"])

@attack(says="says that it is of image")
def words_of_another(case, sig):
    minisign(case, "active", "disk.zst.manifest", sig.path.name, "-t",
             "image=00112233-4455-4677-8899-aabbccddeeff")

@attack(says="not what was signed")
def signature_of_the_file(case, sig):
    minisign(case, "active", "disk.zst", sig.path.name)

@attack(says="No such file")
def only_the_file_signed(case, sig):
    sig.path.unlink()
    minisign(case, "active", "disk.zst", "disk.zst.minisig")

@attack(codes=(65,))
def first_chunk_changed(case, sig):
    data = bytearray(case["disk.zst"].read_bytes())
    data[4096] ^= 1
    case["disk.zst"].write_bytes(data)

@attack(codes=(65,))
def image_goes_on(case, sig):
    with case["disk.zst"].open("ab") as file:
        file.write(b"more")

@attack(codes=(65,))
def image_cut(case, sig):
    os.truncate(case["disk.zst"], case["disk.zst"].stat().st_size - 100)


# any other file
@attack(image="disk.gz", says="No such file", suffix=".minisig")
def file_unsigned(case, sig):
    sig.path.unlink()

@attack(image="disk.raw", says="not what was signed", suffix=".minisig")
def raw_changed(case, sig):
    data = bytearray(case["disk.raw"].read_bytes())
    data[-1] ^= 1
    case["disk.raw"].write_bytes(data)

@attack(image="disk.gz", says="not what was signed", suffix=".minisig")
def gzip_changed(case, sig):
    case["disk.gz"].write_bytes(gzip.compress(disk_content(2), 1, mtime=0))

@attack(image="disk.gz", says="not what was signed", suffix=".minisig")
def gzip_cut(case, sig):
    os.truncate(case["disk.gz"], case["disk.gz"].stat().st_size - 1)

@attack(image="disk.raw", says="not what was signed", suffix=".minisig")
def raw_goes_on(case, sig):
    with case["disk.raw"].open("ab") as file:
        file.write(bytes(512))

@attack(image="disk.raw", says="not what was signed", suffix=".minisig")
def signature_of_another(case, sig):
    shutil.copy(case["disk.gz.minisig"], sig.path)

@attack(image="disk.raw", says="legacy", suffix=".minisig")
def file_legacy(case, sig):
    minisign(case, "active", "disk.raw", sig.path.name, "-l")

@attack(image="disk.gz", says="No such file", suffix=".minisig")
def only_a_manifest_signed(case, sig):
    sig.path.unlink()
    shutil.copy(case["disk.zst.manifest"], case["disk.gz.manifest"])
    shutil.copy(case["disk.zst.manifest.minisig"], case["disk.gz.manifest.minisig"])


# images on each other
@attack(image="newer.zst", says="disk.zst.manifest.minisig")
def base_unsigned(case, sig):
    case["disk.zst.manifest.minisig"].unlink()

@attack(image="newer.zst", says="not trusted here")
def base_of_stranger(case, sig):
    minisign(case, "other", "disk.zst.manifest", "disk.zst.manifest.minisig")

@attack(image="newer.zst", says="not what was signed")
def base_changed(case, sig):
    change_payload(case["disk.zst"], 1, 200)

@attack(image="newer.zst", says="No such file")
def base_elsewhere(case, sig):
    shutil.copy(case["disk.zst"], case["copy.zst"])
    return [f"--base={case['copy.zst']}"]

@attack(image="newer.zst", says="newer.zst.manifest.minisig")
def increment_unsigned(case, sig):
    sig.path.unlink()


# orders that would make it looser
@attack(says="No such file")
def other_orders(case, sig):
    sig.path.unlink()
    digest = hashlib.sha256(CONTENT).hexdigest()
    return [f"--sha256={digest}", "--verify=none", "--compare=none", "--overwrite=any"]

@attack(says="seed= is refused")
def seed(case, sig):
    case["user-data"].write_text("#cloud-config\n")
    case["meta-data"].write_text("")
    return [f"--seed={case.folder}"]


# --- running them ---

def key_id(name):
    path = WORK / "trust" / f"{name}.pub"
    raw = base64.b64decode(path.read_text().split("\n")[1])
    return raw[2:10][::-1].hex().upper()


def refused(name, case, done, says, codes):
    words = done.stderr.decode()
    if done.returncode not in codes:
        fail(f"{name}: exit code {done.returncode}, expected {codes}: {words}")
    if not re.search(says, words):
        fail(f"{name}: '{says}' is not in: {words}")
    if not case.untouched():
        fail(f"{name}: the target was written")
    case.done()


def run_attack(function, image, says, codes, suffix):
    case = Case()
    suffix = suffix or ".manifest.minisig"
    options = function(case, Signature(case[image + suffix])) or []
    refused(function.__name__, case, case.restore(image, *options), says, codes)


def right(name, image, content, prepare=lambda case: None):
    """The same without the attack: it is the attack that is refused."""
    case = Case()
    prepare(case)
    done = case.restore(image)
    if done.returncode != 0 or case.target.read_bytes() != content:
        fail(f"{name}: exit code {done.returncode}: {done.stderr.decode()}")
    if b"signed by: key" not in done.stderr:
        fail(f"{name}: who signed is not said: {done.stderr.decode()}")
    case.done()


def all_right():
    right("bmr image", "disk.zst", CONTENT)
    right("raw", "disk.raw", CONTENT)
    right("gzip", "disk.gz", CONTENT)
    right("incremental, base with a lower serial than the floor", "newer.zst", NEWER,
          lambda case: (case["trust"] / "floor").write_text("# the least\nweb 6\n"))
    right("floor of another series", "disk.zst", CONTENT,
          lambda case: (case["trust"] / "floor").write_text("db 9\nweb 5\n* 9\n"))
    right("another key is revoked", "disk.zst", CONTENT,
          lambda case: (case["trust"] / "revoked").write_text(key_id("spare") + "\n"))
    right("signed by minisign", "disk.zst", CONTENT, lambda case: minisign(
        case, "active", "disk.zst.manifest", "disk.zst.manifest.minisig", "-t", "series=web serial=7"))
    right("lines end as in DOS", "disk.gz", CONTENT, lambda case: case["disk.gz.minisig"].write_bytes(
        case["disk.gz.minisig"].read_bytes().replace(b"\n", b"\r\n")))


def second_opinion():
    """What bmr signs, minisign -V finds right."""
    for file, key in (("disk.zst.manifest", "active"), ("disk.raw", "active"), ("disk.gz", "active")):
        said = must("minisign", "-V", "-m", WORK / "good" / file, "-p", WORK / "trust" / f"{key}.pub")
        if "series=web serial=5" not in said:
            fail(f"minisign -V of {file}: {said}")


def encrypted_key():
    """A key with a password, as minisign -G makes it."""
    public, secret, words = WORK / "strangers" / "locked.pub", WORK / "locked.key", WORK / "words"
    must("minisign", "-G", "-f", "-p", public, "-s", secret, stdin=b"canary-word\ncanary-word\n")
    words.write_text("canary-word\n")
    done = run(BMR, "sign", WORK / "raw", f"--key={secret}", f"--password-file={words}")
    if done.returncode != 0 or b"canary" in done.stdout + done.stderr:
        fail(f"sign with an encrypted key: {done.returncode}: {done.stderr.decode()}")
    must("minisign", "-V", "-m", WORK / "raw", "-p", public)


def orders_of_sign():
    for options, says in (([], "--key=FILE is needed"), ([f"--key={WORK / 'raw'}"], "not a secret key"),
                          ([f"--key={WORK / 'active.key'}", "--serial=x"], "--serial"),
                          ([f"--key={WORK / 'active.key'}", "--series=a b"], "--series")):
        done = run(BMR, "sign", WORK / "raw", *options)
        if done.returncode != 64 or says not in done.stderr.decode():
            fail(f"sign {options}: {done.returncode}: {done.stderr.decode()}")


def who_signed():
    case = Case()
    trust = f"--trust={case['trust']}"
    said = must(BMR, "info", trust, case["disk.gz"])
    if f"signed by  key {key_id('active')} (active), series web, serial 5" not in said:
        fail(f"info: {said}")
    case["disk.gz.minisig"].write_bytes(b"")
    said = must(BMR, "info", trust, case["disk.gz"])
    if "signature  NOT accepted: its signature file is not one" not in said:
        fail(f"info: {said}")
    if run(BMR, "verify", trust, case["disk.gz"]).returncode != 77:
        fail("verify: a signature that is none")
    said = must(BMR, "info", trust, case["disk.zst.manifest"])
    if "signed by" in said or "manifest of a bmr image" not in said:
        fail(f"info of a manifest, which nobody looked up a signature of: {said}")
    if b"signed by" not in run(BMR, "verify", trust, case["disk.zst"]).stderr:
        fail("verify: who signed is not said")
    case.done()


# --- a server that is the attacker ---

class Evil(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    ranges = True
    turns_at = None     # from this request of the image on it sends other bytes
    other = None        # of the image: the other bytes
    served = 0
    query = ""          # without it nothing is given
    folder = None

    def do_GET(self):
        name, _, query = self.path.strip("/").partition("?")
        path = Evil.folder / name
        if not path.is_file() or query != Evil.query:
            self.send_error(404)
            return
        data = path.read_bytes()
        if not name.endswith(".minisig"):
            Evil.served += 1
            if Evil.turns_at is not None and Evil.served > Evil.turns_at:
                data = Evil.other(data)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first, last = 0, len(data) - 1
        if asked and Evil.ranges:
            first, last = int(asked[1]), min(int(asked[2] or last), last)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("ETag", '"same"')
        self.end_headers()
        try:
            self.wfile.write(data[first:last + 1])
        except OSError:
            pass

    def log_message(self, *words):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *words):
        """Who has seen enough hangs up."""


def gzip_of_size(content, size):
    """A gzip file of just that size: what is over is a comment in its head (RFC 1952)."""
    packed = gzip.compress(content, 9, mtime=0)
    room = size - len(packed) - 1
    if room < 0:
        fail(f"no gzip file of {size} bytes")
    return packed[:3] + b"\x10" + packed[4:10] + b"x" * room + b"\0" + packed[10:]


def turns(case, url, name, other):
    """Right bytes up to some request, then others, with everything else as before; each request."""
    Evil.turns_at, Evil.served, Evil.other = None, 0, other
    case.target.write_bytes(OLD)
    done = case.restore(f"{url}/{name}")
    if done.returncode != 0 or case.target.read_bytes() != CONTENT:
        fail(f"signed over HTTP: {done.returncode}: {done.stderr.decode()}")
    needed = Evil.served
    caught = 0
    for turns_at in range(1, needed):
        case.target.write_bytes(OLD)
        Evil.turns_at, Evil.served = turns_at, 0
        done = case.restore(f"{url}/{name}")
        target = case.target.read_bytes()
        if b"evil" in target:
            fail(f"{name}: other bytes from request {turns_at} on were written")
        if done.returncode == 0 and target != CONTENT:
            fail(f"{name}: other bytes from request {turns_at} on: exit code 0 and a wrong disk")
        if done.returncode != 0 and target != OLD and any(target[:512]):
            fail(f"{name}: other bytes from request {turns_at} on: the disk may boot")
        caught += done.returncode in (65, 77)
    if caught < 2:
        fail(f"{name}: the server's other bytes were met {caught} times only")
    return caught


def evil_server():
    server = Server(("127.0.0.1", 0), Evil)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    case = Case()
    Evil.folder = case.folder
    caught = sum(turns(case, url, name, other) for name, other in (
        ("disk.raw", lambda data: data[:MIB - 7] + b"evil" + data[MIB - 3:]),
        ("disk.zst", lambda data: gzip_of_size(b"evil" * (len(CONTENT) // 4), len(data)))))
    Evil.turns_at, Evil.query = None, "token=canary"
    case.target.write_bytes(OLD)
    done = case.restore(f"{url}/disk.zst?token=canary")
    if done.returncode != 0 or case.target.read_bytes() != CONTENT or b"canary" in done.stderr:
        fail(f"signature behind the image's query: {done.returncode}: {done.stderr.decode()}")
    Evil.query, Evil.ranges = "", False
    case.target.write_bytes(OLD)
    refused("a server without ranges", case, case.restore(f"{url}/disk.zst"),
            "does not send parts", (77,))
    server.shutdown()
    return caught + 1


# --- the keys of the system ---

def in_system(case, *words):
    """With the case's keys in /etc/bmr/trust.d."""
    return run("unshare", "-rm", "sh", "-c",
               'mount -t tmpfs none /etc/bmr && mkdir /etc/bmr/trust.d && cp "$0"/*.pub /etc/bmr/trust.d && '
               'for f in revoked floor; do [ ! -e "$0/$f" ] || cp "$0/$f" /etc/bmr; done; exec "$@"',
               case["trust"], *words)


def system_keys():
    """What the medium says stands: no option, no parameter, no file with parameters changes it."""
    made = not os.path.isdir("/etc/bmr")
    if made:
        os.mkdir("/etc/bmr")
    try:
        return system_attacks()
    finally:
        if made:
            os.rmdir("/etc/bmr")


def system_attacks():
    case = Case()
    done = in_system(case, BMR, "restore", case["disk.zst"], case.target)
    if done.returncode != 0 or case.target.read_bytes() != CONTENT:
        fail(f"keys of the system: {done.returncode}: {done.stderr.decode()}")
    case.done()
    case = Case()
    done = run("unshare", "-rm", "sh", "-c", "mount -t tmpfs none /etc/bmr && "
               'ln -s none /etc/bmr/trust.d && exec "$@"', "sh", BMR, "restore", case["disk.zst"], case.target)
    refused("keys of the system, the folder leads nowhere", case, done, "cannot open '/etc/bmr/trust.d'",
            (77,))
    count = 1
    line = "bmr.image={image} bmr.target=auto bmr.overwrite=any {more}"
    for name, says, code, prepare, words in (
            ("unsigned", "No such file", 77, "unsign", ["restore", "{image}", "{target}"]),
            ("own keys", "cannot take their place", 64, "strange",
             ["restore", "--trust={strangers}", "{image}", "{target}"]),
            ("floor", "too old", 77, "floor", ["restore", "{image}", "{target}"]),
            ("revoked", "is revoked", 77, "revoke", ["restore", "{image}", "{target}"]),
            ("verify", "No such file", 77, "unsign", ["verify", "{image}"]),
            ("merge", "No such file", 77, "unsign", ["merge", "{image}", "{target}"]),
            ("agent", "No such file", 77, "unsign", ["agent", "--cmdline=" + line.format(
                image="{image}", more="bmr.verify=none bmr.compare=none bmr.duplicates=allow")]),
            ("agent, config", "No such file", 77, "unsign", ["agent", "--cmdline=" + line.format(
                image="{image}", more="bmr.config={config}")]),
            ("agent, bmr.trust", "bmr.trust", 64, "strange", ["agent", "--cmdline=" + line.format(
                image="{image}", more="bmr.trust={strangers}")])):
        case = Case()
        if prepare == "unsign":
            case["disk.zst.manifest.minisig"].unlink()
        elif prepare == "strange":
            minisign(case, "other", "disk.zst.manifest", "disk.zst.manifest.minisig")
        elif prepare == "floor":
            (case["trust"] / "floor").write_text("web 6\n")
        else:
            (case["trust"] / "revoked").write_text(key_id("active") + "\n")
        case["config"].write_text("bmr.verify=none\nbmr.onfail=hold\n")
        words = [word.format(image=case["disk.zst"], target=case.target, config=case["config"],
                             strangers=WORK / "strangers") for word in words]
        done = in_system(case, BMR, *words)
        refused(f"keys of the system, {name}", case, done, says, (code,))
        count += 1
    return count


CONTENT, NEWER = build()
second_opinion()
all_right()
for one in ATTACKS:
    run_attack(*one)
who_signed()
orders_of_sign()
encrypted_key()
attacks = len(ATTACKS) + evil_server()
if run("unshare", "-rm", "true").returncode == 0:
    attacks += system_keys()
else:
    print("not tried: the keys of the system, for there is no unshare -rm")
if attacks < LEAST_ATTACKS:
    fail(f"only {attacks} attacks were tried")
shutil.rmtree(WORK)
print(f"signatures: {attacks} attacks, all refused, no wrong byte on a disk that boots; 0 violations")
