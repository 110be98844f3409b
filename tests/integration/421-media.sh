#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# 421-media - bmr-media: every command, on an ISO and on a directory for netboot; what it refuses; and
# that boot sectors, partitions and signed programs stay as they were.  Kernel and initramfs are made
# up: the VM case media-secureboot boots a real one.
. "${0%/*}/lib.sh"
need xorriso mkfs.vfat mcopy grub-mkimage cpio sfdisk python3
TOP=$HERE/../..
SOURCE_DATE_EPOCH=1700000000
export SOURCE_DATE_EPOCH
for file in /usr/lib/shim/shimx64.efi.signed /usr/lib/PXELINUX/lpxelinux.0; do
	[ -f "$file" ] || skip "'$file' is not installed"
done

media() { # CODE ARGUMENT ...
	want=$1
	shift
	got=0
	"$TOP/iso/bmr-media" "$@" >"$WORK/out" 2>"$WORK/err" || got=$?
	[ "$got" -eq "$want" ] || fail "bmr-media $*: exit code $got, expected $want: $(cat "$WORK/err")"
}

shows() { # LINE ...: `show` prints these and nothing else
	printf '%s\n' "$@" >"$WORK/expected"
	media 0 show "$medium"
	diff "$WORK/expected" "$WORK/out" || fail "show"
}

parameters() { # TEXT
	media 0 show "$medium"
	[ "$(sed -n 's/^parameters: //p' "$WORK/out")" = "$1" ] || fail "it shows $(head -n 1 "$WORK/out")"
}

extract() { # /PATH: to $WORK/extracted
	rm -f "$WORK/extracted"
	xorriso -indev "$medium" -osirrox on -extract "$1" "$WORK/extracted" >"$WORK/log" 2>&1 ||
		fail "'$1' is not on the medium"
}

# live_has PATH MODE FILE: in the archive of what was added
live_has() {
	rm -rf "$WORK/live"
	mkdir "$WORK/live"
	(cd "$WORK/live" && cpio --quiet -idm) <"$1"
	[ "$(stat -c %a "$WORK/live$2")" = "$3" ] || fail "'$2' has mode $(stat -c %a "$WORK/live$2")"
	cmp "$WORK/live$2" "$4" || fail "'$2' differs"
}

mkdir "$WORK/boot"
echo kernel >"$WORK/boot/vmlinuz"
printf 'initramfs' >"$WORK/boot/initrd.img" # 9 bytes: the next archive needs padding
echo 0123456789abcdef >"$WORK/boot/build-id"
echo 'busybox busybox-static 1.35+x 00ff' >"$WORK/boot/inputs"
"$TOP/iso/build" --boot "$WORK/boot" --out "$WORK/m.iso" --cmdline 'bmr.a=1 "bmr.b=x y" quiet' \
	--timeout 7 --add "$WORK/boot/build-id=/images/i" >"$WORK/out" 2>&1 || fail "$(cat "$WORK/out")"
cp "$WORK/m.iso" "$WORK/original.iso"
medium=$WORK/m.iso

# --- a stick has a partition that UEFI finds, and it is the one of the CD
sfdisk --json "$medium" >"$WORK/table" 2>/dev/null || fail "the ISO has no partition table"
grep -qi C12A7328-F81F-11D2-BA4B-00A0C93EC93B "$WORK/table" || fail "the ISO has no EFI system partition"

# --- parameters
shows 'parameters: bmr.a=1 "bmr.b=x y" quiet' 'menu waits: 7 s' 'medium: /images/i (17 bytes)'
media 0 append "$medium" bmr.c=3 bmr.a=2 quiet 'bmr.d=p q'
parameters '"bmr.b=x y" bmr.c=3 bmr.a=2 quiet "bmr.d=p q"'
media 0 delete "$medium" quiet bmr.b bmr.c=3
parameters 'bmr.a=2 "bmr.d=p q"'
media 1 delete "$medium" bmr.a=1
says "has no parameter 'bmr.a=1'"
# shellcheck disable=SC2016 # for bmr
media 0 set "$medium" "bmr.e=it's" bmr.f='${mac}'
parameters "bmr.e=it's bmr.f=\${mac}"
extract /boot/grub/grub.cfg
grep -qF "'bmr.e=it'\\''s' 'bmr.f=\${mac}'" "$WORK/extracted" || fail "grub.cfg has not these words"
grep -qF 'initrd /boot/initrd.img /boot/extra.img' "$WORK/extracted" || fail "no extra.img in grub.cfg"
chmod 640 "$medium"
media 0 timeout "$medium" 0
[ "$(stat -c %a "$medium")" = 640 ] || fail "the ISO has another mode than before"
extract /boot/grub/grub.cfg
grep -qx 'set timeout=0' "$WORK/extracted" || fail "the menu waits as before"
media 0 set "$medium"
parameters ''
media 64 append "$medium" 'a"b'
media 64 append "$medium"
media 1 append "$medium" "bmr.long=$(head -c 2000 /dev/zero | tr '\0' x)"
says 'too long for the kernel'
parameters ''

# --- the live system
printf 'user=web\npassword=secret\n' >"$WORK/login"
printf 'untrusted comment: x\nRWQ%053d\n' 0 | tr 0 A >"$WORK/site.pub"
echo other >"$WORK/other"
chmod 640 "$WORK/other"
media 0 credentials "$medium" "$WORK/login"
parameters bmr.credentials=/etc/bmr/credentials
media 0 key "$medium" "$WORK/site.pub"
media 0 live "$medium" "$WORK/other=/etc/bmr/ca.pem"
mkdir -p "$WORK/fw/lib/firmware/bnx2x"
echo blob >"$WORK/fw/lib/firmware/bnx2x/a.fw"
media 0 firmware "$medium" "$WORK/fw"
extract /boot/extra.img
live_has "$WORK/extracted" /etc/bmr/credentials 600 "$WORK/login"
live_has "$WORK/extracted" /etc/bmr/trust.d/site.pub 644 "$WORK/site.pub"
live_has "$WORK/extracted" /etc/bmr/ca.pem 640 "$WORK/other"
live_has "$WORK/extracted" /etc/bmr/firmware/bnx2x/a.fw 644 "$WORK/fw/lib/firmware/bnx2x/a.fw"
cpio --quiet -itvn <"$WORK/extracted" | awk '$3 $4 != "00" { bad = 1 } END { exit bad }' ||
	fail "a file is not root's"
grep -q secret "$WORK/out" "$WORK/err" && fail "the password was shown"
parameters 'bmr.credentials=/etc/bmr/credentials firmware_class.path=/etc/bmr/firmware'
media 0 remove "$medium" /etc/bmr/credentials /etc/bmr/firmware /etc/bmr/ca.pem
media 1 remove "$medium" /etc/bmr/credentials
media 0 set "$medium"
shows 'parameters: ' 'menu waits: 0 s' \
	"live system: /etc/bmr/trust.d/site.pub (mode 644, $(stat -c %s "$WORK/site.pub") bytes)" \
	'medium: /images/i (17 bytes)'
for path in /usr/bin/bmr /init /lib/x /etc/../usr/x /dev/sda; do
	media "$(case $path in *..*) echo 64 ;; *) echo 1 ;; esac)" live "$medium" "$WORK/other=$path"
done
media 64 live "$medium" "$WORK/other"
media 1 key "$medium" "$WORK/other"
media 1 credentials "$medium" "$WORK/other"
media 1 firmware "$medium" "$WORK/other"

# --- images on the medium; another ISO, and the first stays as it is
head -c 3000000 /dev/urandom >"$WORK/image"
before=$(sum_of "$medium")
media 0 add -o "$WORK/second.iso" "$medium" "$WORK/image=/images/my image.img.zst"
[ "$(sum_of "$medium")" = "$before" ] || fail "-o changed the medium itself"
media 1 add -o "$WORK/second.iso" "$medium" "$WORK/image=/images/x"
says "is there already"
medium=$WORK/second.iso
media 0 show "$medium"
grep -qx "medium: /images/my image.img.zst (3000000 bytes)" "$WORK/out" || fail "the image is not shown"
extract '/images/my image.img.zst'
cmp "$WORK/image" "$WORK/extracted"
media 64 add "$medium" "$WORK/image=/boot/vmlinuz"
media 64 add "$medium" "$WORK/image=/bmr/x"
media 1 add "$medium" "$WORK/none=/x"

# --- what firmware reads is what it was, after all these changes
what_boots() { # ISO
	mkdir "$WORK/x"
	xorriso -indev "$1" -osirrox on -extract_boot_images "$WORK/x" -extract /boot/vmlinuz "$WORK/x/k" \
		-extract /boot/initrd.img "$WORK/x/i" >"$WORK/log" 2>&1 || fail "$(tail -n 1 "$WORK/log")"
	sum_of "$WORK/x/eltorito_img2_uefi.img"
	sum_of "$WORK/x/k"
	sum_of "$WORK/x/i"
	head -c 432 "$1" | head -c 90 | sha256sum # after it: where on the ISO GRUB lies
	rm -rf "$WORK/x"
}
what_boots "$WORK/original.iso" >"$WORK/boots.1"
what_boots "$medium" >"$WORK/boots.2"
diff "$WORK/boots.1" "$WORK/boots.2" || fail "boot files differ"
sfdisk --json "$medium" 2>/dev/null | python3 -c '
import json, sys
table = json.load(sys.stdin)["partitiontable"]
esp, = [p for p in table["partitions"] if p["type"].startswith("C12A7328")]
with open(sys.argv[1], "rb") as iso:
    iso.seek(esp["start"] * 512)
    sector = iso.read(512)
assert sector[510:] == b"\x55\xaa" and b"BMR_EFI" in sector, sector
' "$medium" || fail "the EFI system partition is not where the table says"

# --- the list of what is inside
media 0 --sbom "$medium"
python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
versions = {p["name"]: p["versionInfo"] for p in d["packages"]}
assert d["spdxVersion"] == "SPDX-2.3" and versions["busybox-static"] == "1.35+x", versions
assert {"shim-signed", "grub-efi-amd64-signed", "grub-pc-bin"} <= set(versions), versions
ids = {x["SPDXID"] for x in d["packages"] + d["files"]} | {"SPDXRef-DOCUMENT"}
assert all({r["spdxElementId"], r["relatedSpdxElement"]} <= ids for r in d["relationships"])
' "$WORK/out" || fail "the list of packages"

# --- wrong media: one line each
truncate -s 1M "$WORK/zeros"
media 1 show "$WORK/zeros"
says "is no ISO"
mkdir "$WORK/folder"
xorriso -outdev "$WORK/foreign.iso" -map "$WORK/folder" /x -commit >"$WORK/log" 2>&1
media 1 append "$WORK/foreign.iso" x
says "is no medium of bmr"
media 1 show "$WORK/folder"
says "is not what 'make netboot' makes"
media 1 show "$WORK/none"
media 64 frobnicate "$medium"
media 64
[ "$(wc -l <"$WORK/err")" -eq 1 ] || fail "more than one line"

# --- a directory for netboot
medium=$WORK/netboot
"$TOP/iso/netboot" --boot "$WORK/boot" --out "$medium" --cmdline 'bmr.a=1 "bmr.b=x y"' >"$WORK/out" 2>&1 ||
	fail "$(cat "$WORK/out")"
shows 'parameters: bmr.a=1 "bmr.b=x y"'
media 0 append "$medium" bmr.c=3
parameters 'bmr.a=1 "bmr.b=x y" bmr.c=3'
grep -qF "'bmr.b=x y' 'bmr.c=3'" "$medium/grub/grub.cfg-default" || fail "GRUB's order"
grep -qF 'bmr.c=3' "$medium/ipxe/default.ipxe" || fail "iPXE's order"
cmp "$medium/initrd.img" "$WORK/boot/initrd.img" || fail "the initramfs changed for nothing"
media 0 key "$medium" "$WORK/site.pub"
media 0 credentials "$medium" "$WORK/login"
tail -c +13 "$medium/initrd.img" >"$WORK/extracted"
live_has "$WORK/extracted" /etc/bmr/trust.d/site.pub 644 "$WORK/site.pub"
live_has "$WORK/extracted" /etc/bmr/credentials 600 "$WORK/login"
(cd "$medium" && sha256sum --quiet -c SHA256SUMS) || fail "SHA256SUMS"
media 0 remove "$medium" /etc/bmr/credentials
shows 'parameters: bmr.a=1 "bmr.b=x y" bmr.c=3 bmr.credentials=/etc/bmr/credentials' \
	"live system: /etc/bmr/trust.d/site.pub (mode 644, $(stat -c %s "$WORK/site.pub") bytes)"
media 64 timeout "$medium" 3
media 64 add "$medium" "$WORK/image=/x"
media 0 --sbom "$medium"

# --- the kernel's configuration
check="$TOP/initramfs/kernel-config"
printf 'CONFIG_A\ty\twhy\nCONFIG_B\tym\n' >"$WORK/list"
printf 'CONFIG_A=y\nCONFIG_B=m\n' >"$WORK/config"
"$check" "$WORK/list" "$WORK/config" || fail "a kernel that has all"
printf 'CONFIG_A=m\n# CONFIG_B is not set\n' >"$WORK/config"
! "$check" "$WORK/list" "$WORK/config" 2>"$WORK/err" || fail "a kernel that lacks two"
says 'CONFIG_A=m, needed: y (why)'
says 'CONFIG_B not set, needed: y or m'
done_ok
