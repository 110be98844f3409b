#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# 010-man7 - bmr.7 is what the table of parameters makes of it, and a page that man(1) likes.
set -eu
top=$(cd "${0%/*}/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

die() {
	echo "010-man7: $*" >&2
	exit 1
}

"$top/tools/man7" --check || die "the page in docs/ is not right"
man -l --warnings "$top/docs/bmr.7" 2>&1 >/dev/null | tee "$work/warnings" >&2
[ ! -s "$work/warnings" ] || die "man complains"

# The check must see what it is there for.
expect_red() { # WHAT
	! "$work/tools/man7" --check >"$work/out" 2>&1 || die "not noticed: $1"
	grep -q "$2" "$work/out" || die "$1: the message does not say '$2': $(cat "$work/out")"
}
copy() {
	rm -rf "$work/tools" "$work/cmdline" "$work/docs"
	mkdir "$work/docs"
	cp -r "$top/tools" "$top/cmdline" "$work/"
	cp "$top/docs/bmr.7" "$work/docs/"
}
copy
sed -i '/^%rate/d' "$work/cmdline/params.help"
expect_red "a parameter without a paragraph" "'rate' has no paragraph"
copy
echo '%speed' >>"$work/cmdline/params.help"
expect_red "a paragraph without a parameter" "'speed' belongs to no parameter"
copy
sed -i 's/seconds without a byte/s without a byte/' "$work/cmdline/params.help"
expect_red "a stale page" "stale"
copy
sed -i 's/"bootdev", set_bootdev/"bootcard", set_bootdev/' "$work/cmdline/net.c"
expect_red "a network name that is not described" "'bootcard'"
echo "010-man7: ok"
