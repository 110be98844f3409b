#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images from an FTP server: well behaved, dying, frozen, replaced."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))
from servers import Ftp                             # noqa: E402
from transport_case import Case                     # noqa: E402


def main():
    case = Case()
    with Ftp(case.root) as server:
        case.whole(server)
        case.threads(server)
        case.part(server)
        case.big(server)
        case.refused(server.url("missing"), "no such file")
        (case.root / "folder").mkdir()
        case.refused(server.url("folder"), "no such file")
        case.cat(server.url("image"), "--user", "user", "--password", "secret").expect(0)
        case.refused(server.url("image"), "password is wrong",
                     options=("--user", "user", "--password", "wrong"))
        case.absent(server)
        case.stopped(server)
        case.killed(server)
        case.replaced(server)
        case.replaced_unseen(server)
        case.frozen(server)
        case.thawed(server)
    case.finish()


main()
