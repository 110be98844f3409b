#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# 435-config - bmr.config=: one that is no server's is read before it is decided about the network, and
# it wins over nothing but the defaults.
. "${0%/*}/lib.sh"

dead=http://127.0.0.1:1/x
patience="--retries=1 --timeout=1"
network="the network is left as it is"

# agent CODE COMMAND-LINE [OPTION ...]: a file of parameters is $WORK/job.
agent() {
	code=$1
	line=$2
	shift 2
	# shellcheck disable=SC2086 # words
	run "$code" agent --cmdline="$line" $patience "$@"
}

says_not() {
	! grep -qF -- "$1" "$WORK/err" || fail "the output says '$1'"
}

printf 'action=verify\nimage=%s\n' "$dead" >"$WORK/job"
agent 69 "bmr.config=file://$WORK/job"
says "$network"
lines=$(grep -nF -e "fetching parameters" -e "$network" "$WORK/err" | sed 's/.*\(fetching\|network\).*/\1/' | tr '\n' ' ')
[ "$lines" = "fetching network " ] || fail "the order is: $lines"
echo "a file that names a server: the network comes after it"

head -c 1M /dev/urandom >"$WORK/img"
printf 'action=verify\nimage=%s\n' "$WORK/img" >"$WORK/job"
agent 0 "bmr.config=file://$WORK/job"
says_not "$network"
echo "a file that names a file: no network"

agent 69 "bmr.config=$dead"
says "$network"
says "reading bmr.config"
echo "a file on a server: the network comes before it"

run 0 agent --plan --cmdline="bmr.config=file://$WORK/job"
says "network: if the file of bmr.config= needs it"
run 0 agent --plan --cmdline="bmr.config=$dead"
says_not "network: if"
echo "the plan says so"

# Who wins: defaults < the file < options < the command line.
wrong=$(printf '%064d' 1)
right=$(sha256sum <"$WORK/img" | cut -d ' ' -f 1)
agent 65 "bmr.config=file://$WORK/job" --sha256="$wrong"
printf 'action=verify\nimage=%s\nsha256=%s\n' "$WORK/img" "$wrong" >"$WORK/job"
agent 65 "bmr.config=file://$WORK/job"
agent 0 "bmr.config=file://$WORK/job" --sha256="$right"
agent 65 "bmr.config=file://$WORK/job bmr.sha256=$wrong" --sha256="$right"
agent 0 "bmr.config=file://$WORK/job bmr.sha256=$right" --sha256="$wrong"
echo "options stay, the command line wins"
done_ok
