#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# 420-identity - name, keys and seed of a restored system: in each kind of root file system, and what
# is refused, by name, with the restored image staying restored.
. "${0%/*}/lib.sh"
# shellcheck disable=SC2016 # for bmr
nothing='${nothing}'
need_root
need mke2fs mkfs.xfs mkfs.btrfs btrfs sfdisk e2fsck
PART_MIB=128

# tree: a system in $WORK/tree
tree() {
	rm -rf "$WORK/tree"
	mkdir -p "$WORK/tree/etc/ssh" "$WORK/tree/var/lib/dbus" "$WORK/tree/usr/lib/systemd/system"
	echo 'ID=debian' >"$WORK/tree/usr/lib/os-release"
	ln -s ../usr/lib/os-release "$WORK/tree/etc/os-release"
	echo golden >"$WORK/tree/etc/hostname"
	printf '127.0.0.1 localhost\n127.0.1.1 golden.example.com golden\n' >"$WORK/tree/etc/hosts"
	echo 11112222333344445555666677778888 >"$WORK/tree/etc/machine-id"
	chmod 444 "$WORK/tree/etc/machine-id"
	echo 1111 >"$WORK/tree/var/lib/dbus/machine-id"
	for name in ssh_host_rsa_key ssh_host_rsa_key.pub ssh_host_ed25519_key sshd_config; do
		echo "$name" >"$WORK/tree/etc/ssh/$name"
	done
}

# disk [MIB...]: a GPT with partitions of these sizes in $WORK/img
disk() {
	total=2
	script=
	for mib in "$@"; do
		script="$script,${mib}M
"
		total=$((total + mib))
	done
	rm -f "$WORK/img"
	truncate -s "${total}M" "$WORK/img"
	printf '%s' "$script" | sfdisk -q -X gpt "$WORK/img"
}

# part_loop FILE MIB [SIZE]: what begins there as a loop device; sets $LOOP
part_loop() {
	loop_of "$1" --offset "$2M" --sizelimit "${3:-$PART_MIB}M"
}

# put KIND FILE MIB: a file system with the tree into the partition that begins there
put() {
	rm -f "$WORK/fs"
	truncate -s "${PART_MIB}M" "$WORK/fs"
	case $1 in
	ext4) mke2fs -q -t ext4 -d "$WORK/tree" "$WORK/fs" ;;
	xfs | btrfs)
		"mkfs.$1" -q "$WORK/fs" >"$WORK/out"
		mkdir -p "$WORK/mnt"
		mount -o loop "$WORK/fs" "$WORK/mnt"
		cp -a "$WORK/tree/." "$WORK/mnt/"
		umount "$WORK/mnt"
		;;
	esac
	dd if="$WORK/fs" of="$2" bs=1M seek="$3" conv=notrunc,sparse status=none
}

# restore CODE OPTION ...: onto a new file
restore() {
	code=$1
	shift
	rm -f "$WORK/disk"
	run "$code" restore "$@" "$WORK/img" "$WORK/disk"
	losetup -n -l -O BACK-FILE >"$WORK/loops"
	! grep -qF "$WORK/disk" "$WORK/loops" || fail "a loop device is left"
}

# look MIB [SUBVOLUME]: sets $SEEN, "/" of the restored system
look() {
	mkdir -p "$WORK/mnt"
	part_loop "$WORK/disk" "$1"
	mount -o ro "$LOOP" "$WORK/mnt"
	SEEN=$WORK/mnt${2:+/$2}
}

unlook() {
	umount "$WORK/mnt"
	free_loop
}

is() { # FILE TEXT
	[ "$(cat "$SEEN/$1")" = "$2" ] || fail "'$1' holds: $(cat "$SEEN/$1")"
}

everything_new() {
	is etc/hostname web1
	is etc/hosts "$(printf '127.0.0.1 localhost\n127.0.1.1\tweb1.example.com web1')"
	is etc/machine-id ''
	[ "$(stat -c %a "$SEEN/etc/machine-id")" = 444 ] || fail "the mode of machine-id"
	[ ! -e "$SEEN/var/lib/dbus/machine-id" ] || fail "dbus's machine-id is there"
	[ "$(ls "$SEEN/etc/ssh")" = sshd_config ] || fail "in /etc/ssh: $(ls "$SEEN/etc/ssh")"
	nocloud=var/lib/cloud/seed/nocloud
	is "$nocloud/user-data" '#cloud-config'
	is "$nocloud/meta-data" 'instance-id: i1'
	is "$nocloud/network-config" 'version: 2'
	[ ! -e "$SEEN/$nocloud/vendor-data" ] || fail "a vendor-data from nowhere"
	[ "$(stat -c %a "$SEEN/$nocloud/user-data" "$SEEN/$nocloud" | tr '\n' ' ')" = '600 700 ' ] ||
		fail "others may read the seed"
}

mkdir "$WORK/seed"
echo '#cloud-config' >"$WORK/seed/user-data"
echo 'instance-id: i1' >"$WORK/seed/meta-data"
echo 'version: 2' >"$WORK/seed/network-config"
all="--hostname=web1 --identity=new --seed=$WORK/seed/"

# --- each kind of root; a partition without one beside it
disk 1 $PART_MIB
for kind in ext4 xfs btrfs; do
	modprobe -q "$kind" || true
	if ! grep -qw "$kind" /proc/filesystems; then
		echo "no $kind in this kernel"
		continue
	fi
	PART_MIB=$([ "$kind" = xfs ] && echo 320 || echo 128)
	tree
	disk 1 "$PART_MIB"
	put "$kind" "$WORK/img" 2
	# shellcheck disable=SC2086 # words
	restore 0 $all
	says "identity: partition 2 ($kind)"
	says "nothing found that makes new ones"
	says "no cloud-init there"
	look 2
	everything_new
	unlook
done
PART_MIB=128

# --- ext4 stays in order, and nothing is left mounted; keys that come back by themselves
tree
touch "$WORK/tree/usr/lib/systemd/system/sshd-keygen.target"
disk 1 $PART_MIB
put ext4 "$WORK/img" 2
restore 0 --identity=new
grep -q 'nothing found that makes' "$WORK/err" && fail "sshd-keygen.target was not seen"
part_loop "$WORK/disk" 2
e2fsck -fn "$LOOP" >"$WORK/out" 2>&1 || fail "e2fsck: $(cat "$WORK/out")"
free_loop
look 2
is etc/hostname golden
is etc/machine-id ''
unlook

# --- btrfs whose system is in a subvolume
if grep -qw btrfs /proc/filesystems; then
	rm -f "$WORK/fs"
	truncate -s "${PART_MIB}M" "$WORK/fs"
	mkfs.btrfs -q "$WORK/fs" >"$WORK/out"
	mkdir -p "$WORK/mnt"
	mount -o loop "$WORK/fs" "$WORK/mnt"
	for name in @ @home; do
		btrfs -q subvolume create "$WORK/mnt/$name"
	done
	cp -a "$WORK/tree/." "$WORK/mnt/@/"
	mkdir -p "$WORK/mnt/copy" # a folder is no subvolume
	cp -a "$WORK/tree/." "$WORK/mnt/copy/"
	umount "$WORK/mnt"
	disk 1 $PART_MIB
	dd if="$WORK/fs" of="$WORK/img" bs=1M seek=2 conv=notrunc,sparse status=none
	# shellcheck disable=SC2086 # words
	restore 0 $all
	says "partition 2 (btrfs, subvolume @)"
	look 2 @
	everything_new
	unlook
fi

# --- a logical volume
if command -v lvm >/dev/null && dmsetup version >"$WORK/out" 2>&1; then
	tree
	disk 1 $((PART_MIB + 8))
	part_loop "$WORK/img" 2 $((PART_MIB + 8))
	lvm_config='devices{use_devicesfile=0} backup{backup=0 archive=0} activation{udev_sync=0 udev_rules=0 monitoring=0}'
	vg=bmrtest$$
	{
		lvm pvcreate --devices "$LOOP" --config "$lvm_config" -qq "$LOOP"
		lvm vgcreate --devices "$LOOP" --config "$lvm_config" -qq "$vg" "$LOOP"
		lvm lvcreate --devices "$LOOP" --config "$lvm_config" -qq -an -Zn -Wn -L "${PART_MIB}M" -n root "$vg"
	} >"$WORK/lvm" 2>&1 || fail "lvm: $(cat "$WORK/lvm")"
	free_loop
	put ext4 "$WORK/img" 3 # behind 1 MiB of LVM's own
	# shellcheck disable=SC2086 # words
	restore 0 $all
	says "identity: volume '$vg/root' (ext4)"
	[ ! -e "/dev/mapper/$vg-root" ] || fail "the volume is still active"
	look 3
	everything_new
	unlook
else
	echo "no device-mapper: not tried with LVM"
fi

# --- no table, and links in the way: /etc/hostname is replaced, what it named is not touched
tree
echo precious >"$WORK/victim"
ln -sf "$WORK/victim" "$WORK/tree/etc/hostname"
ln -sf "$WORK/victim" "$WORK/tree/etc/hosts"
ln -sf "$WORK/victim" "$WORK/tree/etc/ssh/ssh_host_x_key"
rm -f "$WORK/img"
truncate -s "${PART_MIB}M" "$WORK/img"
put ext4 "$WORK/img" 0
restore 0 --hostname=web1 --identity=new
says "identity: the whole disk (ext4)"
look 0
is etc/hostname web1
[ -L "$SEEN/etc/hosts" ] || fail "/etc/hosts is no link any more"
[ ! -L "$SEEN/etc/ssh/ssh_host_x_key" ] || fail "a key that is a link stayed"
[ "$(cat "$WORK/victim")" = precious ] || fail "written through a link"
unlook

# --- what must fail, and changes nothing outside; the image is on the disk all the same
refused() { # WORDS OPTION ...
	words=$1
	shift
	restore 73 "$@"
	says "identity: FAILED: "
	says "$words"
	says "restored"
}
tree
mkdir "$WORK/outside"
cp -a "$WORK/tree/etc/." "$WORK/outside/"
rm -rf "$WORK/tree/etc"
ln -s "$WORK/outside" "$WORK/tree/etc"
put ext4 "$WORK/img" 0
refused 'no root file system' --hostname=web1
[ "$(cat "$WORK/outside/hostname")" = golden ] || fail "written through /etc"

tree
rm -rf "$WORK/tree/var"
mkdir -p "$WORK/outside/lib"
ln -s "$WORK/outside" "$WORK/tree/var"
put ext4 "$WORK/img" 0
refused "(at 'var')" --seed="$WORK/seed"
[ -z "$(ls "$WORK/outside/lib")" ] || fail "written through /var"

tree
echo '/dev/sda5 /var ext4 defaults 0 2' >"$WORK/tree/etc/fstab"
put ext4 "$WORK/img" 0
refused "'/var' of the restored system is a file system of its own" --seed="$WORK/seed"

# --- what can be known before is, and nothing is written
unwritten() { # CODE WORDS OPTION ...
	code=$1 words=$2
	shift 2
	restore "$code" "$@"
	says "$words"
	says "was not written"
	[ ! -e "$WORK/disk" ] || fail "the disk was made"
}
unwritten 69 "cannot open" --seed="$WORK/none"
unwritten 64 "hostname 'web_1': only letters" --hostname=web_1
unwritten 64 "while reading hostname=" --hostname="$nothing"
head -c 1048577 /dev/zero >"$WORK/seed/user-data"
unwritten 64 "more than 1048576 bytes" --seed="$WORK/seed"

tree
put ext4 "$WORK/img" 0
tune2fs -E mount_opts= -O read-only "$WORK/img" >"$WORK/out" 2>&1 || fail "tune2fs"
refused "Read-only file system" --hostname=web1

tree
disk 4 $PART_MIB $PART_MIB
refused "no root file system (one with /etc/os-release) is on the disk, only: partition 1 (?)" --identity=new
put ext4 "$WORK/img" 5
put ext4 "$WORK/img" $((5 + PART_MIB))
refused "2 root file systems are on the disk" --identity=new
says "partition 2 (ext4), partition 3 (ext4)"

# --- nothing ordered, nothing done: not a byte differs
restore 0
grep -q 'identity: ' "$WORK/err" && fail "a step without an order"
same "$WORK/img" "$WORK/disk"
done_ok
