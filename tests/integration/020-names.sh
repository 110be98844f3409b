#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# 020-names - bmr lends no function to the libraries that it loads: what is linked in, or ours, by a
# name that a library uses itself, would be called in its place.
set -eu
bmr=${BMR:-build/bmr}

nm -D --defined-only "$bmr" >"$TMPDIR/names"
grep -q ' B stdout' "$TMPDIR/names" || {
	echo "nm shows nothing of '$bmr'" >&2
	exit 1
}
if grep -E ' [TWi] ' "$TMPDIR/names" >&2; then
	echo "these functions of '$bmr' are seen by its libraries" >&2
	exit 1
fi
