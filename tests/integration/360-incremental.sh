#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# 360-incremental - images that are based on others: captured, restored, merged; and a base that is
# not the one is refused before anything is written.
. "${0%/*}/lib.sh"
need sfdisk zstd lz4 gzip python3 nginx

cd "$WORK" || exit

# change FILE MIB: another MiB there.
change() {
	dd if=/dev/urandom of="$1" bs=1M seek="$2" count=1 conv=notrunc status=none
}

gpt_image one 16
run 0 capture one one.zst
cp one two
change two 3
change two 14
run 0 capture --base=one.zst two two.zst
cp two three
change three 4
dd if=/dev/zero of=three bs=1M seek=5 count=1 conv=notrunc status=none
run 0 capture --base=two.zst --compress=lz4 three three.lz4
[ "$(stat -c %s two.zst)" -lt 2200000 ] || fail "an increment of 2 MiB has more"
[ "$(stat -c %s three.lz4)" -lt 1100000 ] || fail "an increment of 1 MiB has more"
echo "three images, the second and third of what changed"

for n in one two three; do
	image=$(ls $n.*)
	run 0 restore "$image" "$n.out"
	same "$n" "$n.out"
	run 0 verify "$image" "$n"
	run 0 verify "$image"
done
run 74 verify three.lz4 two
echo "each restored through its chain, onto a new file"

old_disk disk 16M
run 0 restore three.lz4 disk
same three disk
run 0 restore --compare=hash --stats=json two.zst disk
same two disk
python3 -c '
import json, sys
s = json.load(open(sys.argv[1]))
assert 0 < s["fetched"] <= 4 << 20, s
' out
echo "back to the one before: only what differs was fetched"

# Alone it is no disk, and other tools must not make one of it.
for image in two.zst three.lz4; do
	if zstd -dc "$image" >alone 2>/dev/null; then
		fail "zstd unpacks $image without its base"
	fi
done
if lz4 -dc three.lz4 >alone 2>/dev/null; then
	fail "lz4 unpacks three.lz4 without its base"
fi
echo "zstd -dc and lz4 -dc refuse an incremental image"

for codec in zstd lz4 gzip none; do
	run 0 merge --compress=$codec three.lz4 "full.$codec"
	run 0 verify "full.$codec" three
	run 0 restore "full.$codec" merged
	same three merged
	rm merged
done
zstd -dc full.zstd | cmp - three
lz4 -dc full.lz4 | cmp - three
gzip -dc full.gzip | cmp - three
cmp full.none three
[ -e full.gzip.manifest ] || fail "gzip has no manifest beside it"
[ ! -e full.zstd.manifest ] || fail "zstd has a manifest beside it"
run 69 merge three.lz4 full.zstd
says "is there already"
run 0 merge --replace=yes --events=events three.lz4 full.zstd
python3 -c '
import json, sys
last = json.loads(open(sys.argv[1]).readlines()[-1])
assert last["event"] == "merged" and last["images"] == 3 and last["exit"] == 0, last
assert last["copied"] + last["repacked"] == 10, last
' events
run 0 capture --base=full.zstd one four.zst
run 0 restore four.zst four
same one four
echo "merged to each codec: what the codec's own tool unpacks is the disk"

# refused CODE WORDS COMMAND ...: and the disk is as it was, and no file is left.
refused() {
	code=$1 words=$2
	shift 2
	run "$code" "$@"
	says "$words"
	[ "$(sum_of disk)" = "$before" ] || fail "the disk was written"
	[ ! -e nothing ] || fail "a merge left something"
}

# wrong CODE WORDS [OPTION]: every command that needs the base of two.zst says so.
wrong() {
	code=$1 words=$2
	shift 2
	refused "$code" "$words" restore "$@" two.zst disk
	refused "$code" "$words" verify "$@" two.zst
	refused "$code" "$words" verify "$@" --level=manifest two.zst disk
	refused "$code" "$words" merge "$@" two.zst nothing
	run 0 verify --level=sizes two.zst
}

# A base beside the image on a server, for who may read the image.
timeout 200 python3 "$HERE/../fixtures/serve" http "$WORK" auth=yes >server &
server=$!
tries=0
until grep -q ^PID= server; do
	tries=$((tries + 1))
	[ $tries -lt 300 ] || fail "the server does not start"
	sleep 0.1
done
url=$(sed -n 's/^URL=//p' server)
run 0 verify "$(echo "$url" | sed 's,://.*@,://,; s,://,://user:secret@,')/three.lz4" three
run 69 verify "$(echo "$url" | sed 's,://.*@,://,; s,://,://user:wrong@,')/three.lz4" three
kill "$server"
wait "$server" 2>/dev/null || true
echo "a chain on a server that asks for a password"

before=$(sum_of disk)

# Without byte ranges there is no manifest, and without it nobody knows where the rest is.
python3 -u -m http.server --bind 127.0.0.1 0 >server 2>/dev/null &
server=$!
tries=0
until grep -q 'port [0-9]' server; do
	tries=$((tries + 1))
	[ $tries -lt 300 ] || fail "the server without ranges does not start"
	sleep 0.1
done
refused 65 "have a sidecar beside it" restore \
	"http://127.0.0.1:$(sed -n 's/.* port \([0-9]*\) .*/\1/p' server)/two.zst" disk
kill "$server"
wait "$server" 2>/dev/null || true
echo "an incremental image as a stream: refused"

mv one.zst moved.zst
wrong 69 "one.zst': No such file or directory; while opening the base of 'two.zst'"
run 0 verify --base=moved.zst two.zst
run 0 restore --base=moved.zst two.zst two.out
cp full.zstd one.zst
wrong 65 "one.zst' is not the base of 'two.zst'"
wrong 65 "three.lz4' is not the base of 'two.zst'" --base=three.lz4
# The same id, and another content.
id=$("$BMR" info --json moved.zst | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
"$FIX/make_bmr" three one.new --id "$(echo "$id" | tr -d -)"
mv one.new one.zst
wrong 65 "has the id of the base of 'two.zst', but not its content"
head -c 1000000 moved.zst >one.zst
wrong 65 "while opening the base of 'two.zst'"
mv moved.zst one.zst
run 64 restore --base=two.zst one.zst disk
says "is not an incremental one"
[ "$(sum_of disk)" = "$before" ] || fail "the disk was written"
echo "a base that is missing, another, changed, cut: refused, nothing written"

# An image of a chain is neither overwritten by one that needs it nor taken as a target.
ln one.zst link.zst
sums=$(cat one.zst two.zst three.lz4 | sha256sum)
for base in one.zst two.zst ./link.zst; do
	run 77 capture --base=two.zst --replace=yes three "$base"
	says "is an image that the new one would be based on"
done
run 77 capture --base=one.zst --replace=yes three one.zst
[ "$(cat one.zst two.zst three.lz4 | sha256sum)" = "$sums" ] || fail "an image of the chain was written"
run 0 verify three.lz4 three
head -c 4M /dev/urandom >noise
run 0 capture noise noise.zst
change noise 1
run 0 capture --base=noise.zst noise more.zst
ln -f noise.zst link.zst
for base in noise.zst link.zst; do
	run 77 restore more.zst "$base"
	says "is an image that this one is based on"
done
run 0 verify more.zst noise
rm link.zst
echo "an image that another is based on: no name for a new one, and no target"

# Bytes of the base that the increment needs, and one that it does not.
python3 - one.zst <<'EOT'
import sys
f = open(sys.argv[1], "r+b")
f.seek(1_500_000)
byte = f.read(1)[0]
f.seek(1_500_000)
f.write(bytes([byte ^ 0x55]))
EOT
run 65 verify three.lz4
says "image: chunk 2, sectors 4096-6143, wrong from 4096: "
says "one.zst'"
run 65 merge three.lz4 nothing
says "while merging chunk 2"
[ ! -e nothing ] || fail "a merge left something"
old_disk disk 16M
run 65 restore three.lz4 disk
says "one.zst'"
[ "$(head -c 1 disk | od -An -tx1)" = " aa" ] || zero_lba0 disk
echo "damage in a base is named by chunk and sector"
done_ok
