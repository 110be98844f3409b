#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# 305-netboot - what iso/netboot lays out, and the orders that netboot-order writes into it.
set -eu
top=$(cd "${0%/*}/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dir=$work/served

die() {
	echo "305-netboot: FAILED: $*" >&2
	exit 1
}
order() { # MAC ORDER
	"$dir/netboot-order" "$dir" "$1" "$2"
}
refused() { # TEXT MAC ORDER: exit code 64, one line that says TEXT, and no file is touched
	text=$1
	shift
	find "$dir" -type f -exec sha256sum {} + | sort >"$work/before"
	rc=0
	order "$@" 2>"$work/said" || rc=$?
	[ "$rc" -eq 64 ] || die "order '$*' ended with $rc, not 64"
	[ "$(wc -l <"$work/said")" -eq 1 ] || die "order '$*' said: $(cat "$work/said")"
	grep -qF -- "$text" "$work/said" || die "order '$*' does not say '$text': $(cat "$work/said")"
	find "$dir" -type f -exec sha256sum {} + | sort | cmp -s - "$work/before" ||
		die "order '$*' was refused and wrote"
}
holds() { # FILE LINE
	grep -qxF -- "$2" "$dir/$1" || die "$1 has no line '$2': $(cat "$dir/$1")"
}
repeat() { # COUNT CHARACTER
	awk -v n="$1" -v c="$2" 'BEGIN { while (n-- > 0) printf "%s", c }'
}

mkdir "$work/boot"
for file in vmlinuz initrd.img build-id inputs; do
	echo "$file - 1 0" >"$work/boot/$file"
done
"$top/iso/netboot" --boot "$work/boot" --out "$dir" --server 10.1.2.3 >"$work/log"

echo "305-netboot: the directory"
(cd "$dir" && sha256sum --quiet -c SHA256SUMS) || die "SHA256SUMS is wrong"
for file in lpxelinux.0 ldlinux.c32 shimx64.efi grubx64.efi snponly.efi boot.ipxe grub/grub.cfg \
	sbom.spdx.json; do
	[ -s "$dir/$file" ] || die "no $file"
done
for example in dnsmasq.conf dnsmasq-proxy.conf; do
	grep -q 10.1.2.3 "$dir/$example" || die "$example does not name the server"
	dnsmasq --test --conf-file="$dir/$example" 2>"$work/said" ||
		die "$example: $(cat "$work/said")"
done
for file in pxelinux.cfg/default ipxe/default.ipxe grub/grub.cfg-default; do
	grep -q 'bmr\.action=menu' "$dir/$file" || die "$file: a machine without an order is not asked"
	! grep -q 'bmr\.image=\|bmr\.target=' "$dir/$file" || die "$file would restore"
done
rc=0
"$top/iso/netboot" --boot "$work/boot" --out "$work/other" --server boot.example 2>"$work/said" ||
	rc=$?
[ "$rc" -eq 64 ] || die "a name as --server ended with $rc"

echo "305-netboot: an order for each boot loader"
# shellcheck disable=SC2016 # for the machine
text='bmr.image=http://10.1.2.3/${mac}.img bmr.target="model=A B" bmr.config=http://c it'\''s=1'
order 52:54:00:AB:CD:EF "$text"
mac=52-54-00-ab-cd-ef
# shellcheck disable=SC2016
{
	holds "pxelinux.cfg/01-$mac" "	append console=ttyS0,115200n8 console=tty1 quiet \
bootpath=pxelinux $text"
	holds "pxelinux.cfg/01-$mac" '	sysappend 2'
	holds "ipxe/01-$mac.ipxe" 'set bmr-order bmr.image=http://10.1.2.3/${netX/mac:hexhyp}.img '"${text#* }"
	holds "grub/grub.cfg-01-$mac" \
		"bmr 'bmr.image=http://10.1.2.3/\${mac}.img' 'bmr.target=model=A B' 'bmr.config=http://c' 'it'\\''s=1'"
	printf 'bmr.image=http://10.1.2.3/${mac}.img\nbmr.target=model=A B\n' | cmp - "$dir/orders/$mac" ||
		die "orders/$mac is wrong: $(cat "$dir/orders/$mac")"
}

echo "305-netboot: MAC addresses"
for form in 52:54:00:ab:cd:ef 52-54-00-AB-CD-EF 01-52-54-00-ab-cd-ef 5254.00ab.cdef 525400ABCDEF; do
	find "$dir" -name "*$mac*" -exec rm {} +
	order "$form" bmr.action=plan
	[ "$(find "$dir" -name "*$mac*" | wc -l)" -eq 4 ] || die "MAC '$form': $(find "$dir" -name '*-*-*')"
done
for form in '' 52:54:00:ab:cd 52:54:00:ab:cd:eg 52:54:00:ab:cd:ef:01 ../../etc/passwd '*' all; do
	refused "is no MAC address" "$form" bmr.action=plan
done

echo "305-netboot: the machine's own disk, and back"
order "$mac" local
holds "pxelinux.cfg/01-$mac" '	localboot 0'
holds "ipxe/01-$mac.ipxe" 'set bmr-local yes'
holds "grub/grub.cfg-01-$mac" exit
[ ! -s "$dir/orders/$mac" ] || die "orders/$mac is an order"
order "$mac" --remove
[ -z "$(find "$dir" -name "*$mac*")" ] || die "--remove left $(find "$dir" -name "*$mac*")"
order default local
holds pxelinux.cfg/default '	localboot 0'
[ -z "$(find "$dir" -name '*.new')" ] || die "a draft was left"

echo "305-netboot: what is refused"
refused "odd number of double quotes" "$mac" 'bmr.image="x'
refused "line break" "$mac" 'bmr.image=x
bmr.target=y'
refused "not ASCII" "$mac" 'bmr.image=http://x/ü'
refused "is empty" "$mac" ' '
refused "for its own" "$mac" 'bmr.image=x || bmr.target=y'
refused "for its own" "$mac" 'bmr.image=x #y'
refused "goes with no other" "$mac" 'local bmr.image=x'
refused "is not removed" default --remove
rc=0
"$dir/netboot-order" "$work/boot" "$mac" local 2>"$work/said" || rc=$?
[ "$rc" -eq 1 ] || die "a directory that is not ours ended with $rc"

# The longest that is taken makes a line that the kernel takes.
refused "has room for" "$mac" "$(repeat 2047 x)"
length=$(sed -n 's/.*has room for \([0-9]*\);.*/\1/p' "$work/said")
refused "has room for $length" "$mac" "$(repeat $((length + 1)) x)"
order "$mac" "$(repeat "$length" x)"
line=$(sed -n 's/^\tappend //p' "$dir/pxelinux.cfg/01-$mac")
line="BOOT_IMAGE=vmlinuz initrd=initrd.img $line BOOTIF=01-$mac"
[ ${#line} -le 2047 ] || die "the kernel is given ${#line} bytes"
