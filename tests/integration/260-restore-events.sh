#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# 260-restore-events - events are JSON and end with the result; no secret is ever said; an output
# that fails changes nothing.
. "${0%/*}/lib.sh"
need sfdisk gzip python3

img=$WORK/img
gpt_image "$img" 8
pack gz "$img"

# events_end NAME: all lines are JSON objects with the common members; the last one is NAME.
events_end() {
	/usr/bin/python3 - "$WORK/events" "$1" <<'END' || fail "events"
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
assert lines, "no events"
for line in lines:
    assert {"event", "time", "seconds", "host"} <= set(line), line
ends = [line for line in lines if line["event"] in ("restored", "failed", "verified", "planned")]
assert ends == lines[-1:], ends
assert lines[-1]["event"] == sys.argv[2], lines[-1]
if sys.argv[2] == "restored":
    assert lines[-1]["proven"] is True and lines[-1]["exit"] == 0, lines[-1]
    assert lines[-1]["verified"] == lines[-1]["bytes"] == 8 << 20, lines[-1]
    phases = [line["phase"] for line in lines if line["event"] == "phase"]
    assert phases == ["prepare", "write", "read-back", "bootable", "done"], phases
END
	rm "$WORK/events"
}

old_disk "$WORK/disk" 8M
run 0 restore "$img.gz" "$WORK/disk" --events="$WORK/events"
events_end restored
run 0 verify "$img.gz" "$WORK/disk" --events="$WORK/events"
events_end verified
run 0 restore --plan "$img.gz" "$WORK/disk" --events="$WORK/events"
events_end planned
run 69 restore "$WORK/missing" "$WORK/disk" --events="$WORK/events"
events_end failed
printf '\377"\\\t' >"$WORK/odd$(printf '\377"\t\\')name"
run 65 restore "$WORK/odd$(printf '\377"\t\\')name" "$WORK/disk" --events="$WORK/events"
events_end failed
run 0 restore "$img.gz" "$WORK/disk" --events=-
cp "$WORK/out" "$WORK/events"
events_end restored
run 64 restore "$img.gz" "$WORK/disk" --events="$WORK/no/such/folder"
echo "every line is JSON, the last one is the result"

# The answer of `bmr disks` is in its event, whole.
run 77 agent --cmdline="bmr.image=$img.gz bmr.target=serial=nothing-has-this" --events="$WORK/events"
/usr/bin/python3 - "$WORK/events" <<'END' || fail "the event 'disks'"
import json, sys
[told] = [e for e in map(json.loads, open(sys.argv[1])) if e["event"] == "disks"]
assert isinstance(json.loads(told["json"])["disks"], list)
END
rm "$WORK/events"

# needs yes|no WORDS: is a network needed for that order?
needs() {
	wanted=$1
	shift
	run 0 agent --plan --cmdline="bmr.target=auto $*"
	if grep -q 'network: not needed' "$WORK/err" "$WORK/out"; then got=no; else got=yes; fi
	[ "$got" = "$wanted" ] || fail "a network is needed for '$*': $got"
}
needs no "bmr.image=cdrom:/a.zst"
needs yes "bmr.image=cdrom:/a.zst,http://10.0.0.1/a.zst"
needs yes "bmr.image=HTTP://10.0.0.1/a.zst"
needs yes "bmr.image=cdrom:/b.zst bmr.base=nfs://10.0.0.1/a.zst"
needs yes "bmr.image=cdrom:/a.zst bmr.seed=http://10.0.0.1/seed"
echo "a network is brought up for every URL that needs one"

# refused_planned CODE ORDERS: the plan says what the run would say, and ends as it would.
refused_planned() {
	code=$1
	shift
	line="bmr.timeout=1 bmr.retries=1 $*"
	run "$code" agent --plan --cmdline="$line"
	grep 'bmr: failed: ' "$WORK/err" >"$WORK/planned"
	run "$code" agent --cmdline="$line"
	grep 'bmr: failed: ' "$WORK/err" | cmp -s - "$WORK/planned" ||
		fail "'$*': the plan says: $(cat "$WORK/planned"); the run: $(grep 'bmr: failed' "$WORK/err")"
}
for action in restore verify plan; do
	refused_planned 64 "bmr.action=$action bmr.target=auto bmr.image=htp://h/x"
	refused_planned 64 "bmr.action=$action bmr.target=auto bmr.image=http://h:x/x"
	refused_planned 64 "bmr.action=$action bmr.target=auto bmr.image=http://127.0.0.1:1/x bmr.proxy=h:1"
done
refused_planned 64 "bmr.target=auto bmr.image=http:/h/x,htp://h/x"
refused_planned 64 "bmr.target=auto bmr.config=htp://h/x"
refused_planned 64 "bmr.target=auto bmr.image=$img bmr.base=htp://h/x"
refused_planned 64 "bmr.target=auto bmr.image=$img bmr.report=htp://h/x"
capture="bmr.action=capture bmr.target=auto bmr.image"
for orders in "$capture=$WORK/new bmr.compress=zip" "$capture=disk:LABEL=a/x" "$capture=htp://h/x" \
	"$capture=http://127.0.0.1:1/x bmr.proxy=h:1" "bmr.target=auto bmr.image=$img bmr.hostname=a_b"; do
	run 64 agent --plan --cmdline="$orders"
done
run 0 agent --plan --cmdline="bmr.target=auto bmr.image=htp://h/x,http://h/x bmr.hostname=\${mac}"
run 0 agent --plan --cmdline="bmr.target=auto bmr.image=$img bmr.proxy=h:1"
echo "a plan is refused for what its run would be refused for"

# A job that is to go on without its terminal.
old_disk "$WORK/disk" 8M
(trap '' HUP; exec "$BMR" restore --rate=4M "$img" "$WORK/disk" 2>"$WORK/err") &
job=$!
sleep 1
kill -HUP "$job"
wait "$job" || fail "SIGHUP ended what ignores it: $?"
same "$WORK/disk" "$img"
echo "a signal that was ignored before stays so"

# Outputs that fail.
old_disk "$WORK/disk" 8M
run 0 restore "$img.gz" "$WORK/disk" --events=/dev/full
same "$WORK/disk" "$img"
old_disk "$WORK/disk" 8M
code=0
"$BMR" restore "$img.gz" "$WORK/disk" --events=- 2>/dev/full >/dev/full || code=$?
[ "$code" -eq 0 ] || fail "exit code $code with full outputs"
same "$WORK/disk" "$img"
code=$({ "$BMR" restore "$img.gz" "$WORK/disk" --events=- 2>&1; echo $? >&3; } 3>"$WORK/code" |
	true; cat "$WORK/code")
[ "$code" -eq 0 ] || fail "exit code $code with closed pipes"
echo "full and closed outputs change nothing"

# Secrets, where they could be said: errors, retries, events, plans.
secret='CANARY"x\7'
quoted='CANARY%22x%5C7'
no_secret() {
	! grep -aq CANARY "$WORK/err" "$WORK/out" "$WORK/events" || fail "a secret was said"
	rm -f "$WORK/events"
}
: >"$WORK/events"
for url in "smb://u:$quoted@127.0.0.1:1/s/i" "http://u:$quoted@127.0.0.1:1/i?t=CANARY" \
	"ftp://u:$quoted@127.0.0.1:1/i" "smb://d;u:$quoted@/i" "foo://u:$quoted@h/i"; do
	code=0
	timeout 60 "$BMR" restore --retries=1 --timeout=1 --events="$WORK/events" "$url" "$WORK/disk" \
		>"$WORK/out" 2>"$WORK/err" || code=$?
	[ "$code" -eq 69 ] || [ "$code" -eq 64 ] || fail "$url: exit code $code"
	no_secret
done
: >"$WORK/events"
for line in "bmr.image=smb://127.0.0.1:1/s/i bmr.user=u bmr.password=$secret" \
	"bmr.image=http://127.0.0.1:1/\${mac}/CAN bmr.password=CANARY bmr.retries=1" \
	"bmr.password=CANARY bmr.nonsense=CANARY"; do
	for plan in --plan --plan=; do
		timeout 60 "$BMR" agent $plan --cmdline="$line bmr.timeout=1 bmr.retries=1 bmr.target=auto" \
			--events="$WORK/events" >"$WORK/out" 2>"$WORK/err" || true
		! grep -aq 'password.*CANARY' "$WORK/err" "$WORK/out" "$WORK/events" ||
			fail "a secret was said"
	done
done
echo "no secret in messages, events and plans"
# A password of one digit leaves JSON what it is.
rm -f "$WORK/events"
old_disk "$WORK/disk" 8M
(umask 077; printf 'user=u\npassword=0\n' >"$WORK/credentials")
run 0 restore --credentials="$WORK/credentials" "$img.gz" "$WORK/disk" --events="$WORK/events"
events_end restored
done_ok
