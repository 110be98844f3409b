/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/disk/internal.h"

#include "imaging/disk/disk.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *pattern;
	enum bmr_disk_kind kind;
} kinds[] = {
	{"sr[0-9]*", BMR_DISK_OPTICAL},      {"loop[0-9]*", BMR_DISK_LOOP},
	{"ram[0-9]*", BMR_DISK_RAM},         {"zram[0-9]*", BMR_DISK_RAM},
	{"dm-[0-9]*", BMR_DISK_MAPPED},      {"md[0-9_]*", BMR_DISK_MAPPED},
	{"drbd[0-9]*", BMR_DISK_MAPPED},     {"bcache[0-9]*", BMR_DISK_MAPPED},
	{"mmcblk*boot*", BMR_DISK_MMC_BOOT}, {"mmcblk*rpmb*", BMR_DISK_MMC_BOOT},
	{"fd[0-9]*", BMR_DISK_OTHER},        {"nbd[0-9]*", BMR_DISK_OTHER},
	{"mtdblock*", BMR_DISK_OTHER},       {"zd[0-9]*", BMR_DISK_OTHER},
};

#define SCSI_TYPE_ROM "5"

static enum bmr_disk_kind kind_of(const char *name, const char *device)
{
	char type[8];

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (fnmatch(kinds[i].pattern, name, 0) == 0)
			return kinds[i].kind;
	if (bmr_disk_attr_text(device, "type", type, sizeof type) &&
	    strcmp(type, SCSI_TYPE_ROM) == 0)
		return BMR_DISK_OPTICAL;
	return BMR_DISK_DISK;
}

static void read_model(const char *dir, const char *device, struct bmr_disk *disk)
{
	bmr_disk_attr_text(device, "vendor", disk->vendor, sizeof disk->vendor);
	/* "0x1af4" is the number of a PCI vendor, and "ATA" what libata says for every disk. */
	if (strncmp(disk->vendor, "0x", 2) == 0 || strcmp(disk->vendor, "ATA") == 0)
		disk->vendor[0] = '\0';
	(void)(bmr_disk_attr_text(device, "model", disk->model, sizeof disk->model) ||
	       bmr_disk_attr_text(device, "name", disk->model, sizeof disk->model) ||
	       bmr_disk_attr_text(dir, "dm/name", disk->model, sizeof disk->model) ||
	       bmr_disk_attr_text(dir, "loop/backing_file", disk->model, sizeof disk->model));
}

/* SCSI vital product data: byte 1 is the page, bytes 2 and 3 the length of what follows (SPC-4,
 * 7.8).  Returns that length as far as it was read, 0 if this is another page. */
static size_t read_vpd(const char *device, unsigned page, unsigned char *vpd, size_t size)
{
	char name[16];
	ssize_t got;
	size_t len;

	snprintf(name, sizeof name, "vpd_pg%02x", page);
	got = bmr_disk_attr_raw(device, name, vpd, size);
	if (got < 4 || vpd[1] != page)
		return 0;
	len = (size_t)vpd[2] << 8 | vpd[3];
	return len < (size_t)got - 4 ? len : (size_t)got - 4;
}

static bool vpd_serial(const char *device, char *out, size_t size)
{
	unsigned char vpd[4 + 255];
	size_t len = read_vpd(device, 0x80, vpd, sizeof vpd);

	bmr_disk_attr_clean(out, size, vpd + 4, len);
	return *out != '\0';
}

/* One designator of page 83h (SPC-4, 7.8.6): binary, of the disk itself, an NAA (3) or EUI-64 (2)
 * name. */
static bool designator_text(const unsigned char *d, char *out, size_t size)
{
	unsigned type = d[1] & 0x0f;
	size_t used;

	if ((d[0] & 0x0f) != 1 || (d[1] & 0x30) != 0 || (type != 3 && type != 2) || d[3] == 0)
		return false;
	used = (size_t)snprintf(out, size, "%s", type == 3 ? "naa." : "eui.");
	for (size_t i = 0; i < d[3] && used + 2 < size; i++, used += 2)
		snprintf(out + used, size - used, "%02x", d[4 + i]);
	return true;
}

static bool vpd_wwn(const char *device, char *out, size_t size)
{
	unsigned char vpd[4 + 1024];
	size_t len = read_vpd(device, 0x83, vpd, sizeof vpd);
	const unsigned char *d = vpd + 4;

	while (len >= 4 && len - 4 >= d[3]) {
		if (designator_text(d, out, size))
			return true;
		len -= 4u + d[3];
		d += 4 + d[3];
	}
	return false;
}

/* The bridge of a USB disk has the serial that udev and the printed label know; what lies behind
 * it is asked where the bridge has none. */
static void read_serial(const char *dir, const char *device, const char *usb, struct bmr_disk *disk)
{
	char *out = disk->serial;
	size_t size = sizeof disk->serial;

	(void)((*usb != '\0' && bmr_disk_attr_text(usb, "serial", out, size)) ||
	       bmr_disk_attr_text(dir, "serial", out, size) || vpd_serial(device, out, size) ||
	       bmr_disk_attr_text(device, "serial", out, size));
}

static void read_wwn(const char *dir, const char *device, struct bmr_disk *disk)
{
	char *out = disk->wwn;
	size_t size = sizeof disk->wwn;

	(void)(bmr_disk_attr_text(dir, "wwid", out, size) ||
	       bmr_disk_attr_text(device, "wwid", out, size) || vpd_wwn(device, out, size));
}

/* The kernel calls an SD card in its slot not removable. */
static bool is_removable(const char *dir, const char *device)
{
	char type[8];

	return bmr_disk_attr_number(dir, "removable") != 0 ||
	       (bmr_disk_attr_text(device, "type", type, sizeof type) && strcmp(type, "SD") == 0);
}

void bmr_disk_identity(const char *dir, const char *usb, struct bmr_disk *disk)
{
	char device[PATH_MAX];

	if (!bmr_disk_attr_path(device, dir, "device"))
		return;
	disk->kind = kind_of(disk->name, device);
	disk->removable = is_removable(dir, device);
	read_model(dir, device, disk);
	read_serial(dir, device, usb, disk);
	read_wwn(dir, device, disk);
}
