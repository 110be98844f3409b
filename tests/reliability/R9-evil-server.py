#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""R9: a web server that does each thing wrong that evil_http.py can, for an image of each format: cut,
closed early, endless headers, silent, other bytes, other ranges, another file, a page instead.  The
right disk, or a failure and a disk that does not boot."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
from experiment import (FORMATS, MIB, SECTOR, Experiment, make_disk, old_disk, pack,     # noqa: E402
                        sha256)
from servers import Evil     # noqa: E402

SIZE = 2 * MIB
SECONDS = 40
# At byte or with number N; "?times=1": the server is better afterwards.
FAULTS = ("trunc/{at}", "trunc/{at}?times=1", "close/{at}", "chunkcut/{at}", "chunkshort/{at}",
          "flip/{at}", "garbage/{at}", "fold/1", "stall/{at}?times=1", "redirect/0", "bighead/200000000",
          "norange/0", "badrange/512", "etag/{at}", "html/0", "status/500", "status/404")


class Server:
    def __init__(self, experiment, server):
        self.x, self.server = experiment, server
        raw = experiment.folder / "raw"
        self.content, self.old = make_disk(experiment.random, SIZE), old_disk(SIZE)
        raw.write_bytes(self.content)
        for kind in FORMATS:
            pack(kind, raw, server.root / f"image.{kind}")

    def one(self, many, number, rng):
        kind = FORMATS[number % len(FORMATS)]
        fault = FAULTS[number // len(FORMATS) % len(FAULTS)]
        size = (self.server.root / f"image.{kind}").stat().st_size
        path, _, query = fault.format(at=rng.randrange(1, size)).partition("?")
        # Each run asks by a name of its own, so that its faults are counted alone.
        name = f"{path}/image.{kind}?run={number}&{query}"
        disk = self.x.folder / f"disk{number}"
        disk.write_bytes(self.old)
        # A raw image, and the end of an answer without a length, can be known by the digest alone.
        digest = [f"--sha256={sha256(self.content)}"] if kind == "raw" else []
        run = many.run("restore", "--timeout=2", "--retries=2", *digest, self.server.url(name), disk,
                       seconds=SECONDS)
        state = disk.read_bytes()
        what = f"{kind}, {path}"
        if run.died():
            self.x.violation(f"{what}: no end of its own", run)
        elif run.code == 0 and state != self.content:
            self.x.violation(f"{what}: another disk, and exit code 0", run)
        elif run.code != 0 and state != self.old and any(state[:SECTOR]):
            self.x.violation(f"{what}: LBA 0 is there and the rest is not", run)
        self.x.add(**{"restored" if run.code == 0 else "refused": 1})
        disk.unlink()


def main():
    x = Experiment(len(FORMATS) * len(FAULTS))
    root = x.folder / "served"
    root.mkdir()
    with Evil(root) as server:
        x.each(Server(x, server).one)
        fired = len(server.counts.read_text().split())
        kinds = set(server.counts.read_text().split())
    print(f"{fired} faults: {' '.join(sorted(kinds))}")
    missing = {fault.split("/")[0] for fault in FAULTS} - kinds
    if missing and x.count >= len(FORMATS) * len(FAULTS):
        x.violation(f"never fired: {missing}")
    x.fired = min(fired, x.runs)
    x.end(enough=x.count // 2)


if __name__ == "__main__":
    main()
