/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <blkid.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/ready/efi.h"
#include "base/cleanup.h"
#include "base/err.h"

/* UEFI specification 2.10: 5.3.3 (GPT), 5.2.2 (MBR). */
#define ESP_GPT "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
#define ESP_MBR 0xef

/* --- which file --- */

/* FAT takes a name in upper and lower case; where a tree is tried elsewhere it is as written. */
static bool there_is(const char *root, const char *folder, const char *file)
{
	char path[512];

	snprintf(path, sizeof path, "%s/EFI/%s/%s", root, folder, file);
	return access(path, F_OK) == 0;
}

static int only_names(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && strcasecmp(entry->d_name, "BOOT") != 0 &&
	       strlen(entry->d_name) < 48;
}

/* The first vendor by name that has this file. */
static bool try_vendors(const char *root, const char *file, const char *label,
                        struct dirent **names, int count, struct bmr_efi_loader *loader)
{
	for (int i = 0; i < count; i++) {
		const char *vendor = names[i]->d_name;
		char path[160];

		if (!there_is(root, vendor, file))
			continue;
		snprintf(path, sizeof path, "\\EFI\\%.47s\\%s", vendor, file);
		for (char *c = path; *c; c++)
			*c = *c == '/' ? '\\' : *c;
		snprintf(loader->path, sizeof loader->path, "%s", path);
		snprintf(loader->label, sizeof loader->label, "%.63s", label ? label : vendor);
		return true;
	}
	return false;
}

/* shim of any vendor comes first, because without it Secure Boot starts nothing; a label is what the
 * system's own tools give, so that they find their entry again. */
static bool choose_vendor(const char *root, struct dirent **names, int count,
                          struct bmr_efi_loader *loader)
{
	static const struct {
		const char *file, *label;
	} loaders[] = {
		{"shim" BMR_EFI_ARCH ".efi", NULL},
		{"grub" BMR_EFI_ARCH ".efi", NULL},
		{"systemd-boot" BMR_EFI_ARCH ".efi", "Linux Boot Manager"},
		{"Boot/bootmgfw.efi", "Windows Boot Manager"},
	};

	for (size_t i = 0; i < sizeof loaders / sizeof *loaders; i++)
		if (try_vendors(root, loaders[i].file, loaders[i].label, names, count, loader))
			return true;
	return false;
}

bool bmr_efi_choose(const char *root, struct bmr_efi_loader *loader)
{
	struct dirent **names = NULL;
	char path[256];
	bool found = false;
	int count;

	loader->has_fallback = there_is(root, "BOOT", BMR_EFI_FALLBACK);
	snprintf(path, sizeof path, "%s/EFI", root);
	count = scandir(path, &names, only_names, alphasort);
	if (count > 0)
		found = choose_vendor(root, names, count, loader);
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
	if (!found && loader->has_fallback) {
		snprintf(loader->path, sizeof loader->path, "\\EFI\\BOOT\\%s", BMR_EFI_FALLBACK);
		snprintf(loader->label, sizeof loader->label, "bmr");
	}
	return found || loader->has_fallback;
}

/* --- which partition --- */

static bool is_esp(blkid_partition part, bool gpt)
{
	const char *type = blkid_partition_get_type_string(part);

	if (!gpt)
		return blkid_partition_get_type(part) == ESP_MBR;
	return type && strcasecmp(type, ESP_GPT) == 0;
}

static bool is_number(const char *path, unsigned number)
{
	AUTO_FILE FILE *f = fopen(path, "re");
	unsigned found = 0;

	return f && fscanf(f, "%u", &found) == 1 && found == number;
}

/* The kernel's name of a partition: the folder below the disk's that has its number. */
static bool device_of(dev_t disk, unsigned number, char *device, size_t len)
{
	char path[512];
	const struct dirent *entry;
	bool found = false;
	char folder[64];
	DIR *dir;

	snprintf(folder, sizeof folder, "/sys/dev/block/%u:%u", major(disk), minor(disk));
	dir = opendir(folder);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir)) != NULL) {
		snprintf(path, sizeof path, "%s/%s/partition", folder, entry->d_name);
		found = is_number(path, number);
		if (found)
			snprintf(device, len, "/dev/%.58s", entry->d_name);
	}
	closedir(dir);
	for (char *c = device + strlen("/dev/"); found && *c; c++)
		*c = *c == '!' ? '/' : *c; /* cciss!c0d0p1 */
	return found;
}

static int look_below(const char *root, struct bmr_efi_loader *loader, struct bmr_err *e)
{
	int rc;

	if (mount(loader->device, root, "vfat", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "") <
	    0)
		return bmr_err_set(e, BMR_E_TARGET, errno,
		                   "cannot mount the EFI system partition '%s' to read it",
		                   loader->device);
	rc = bmr_efi_choose(root, loader)
	             ? 0
	             : bmr_err_set(e, BMR_E_TARGET, 0,
	                           "no boot loader for this machine on the EFI "
	                           "system partition '%s'",
	                           loader->device);
	if (umount2(root, 0) < 0)
		umount2(root, MNT_DETACH);
	return rc;
}

static int look_on(dev_t disk, struct bmr_efi_loader *loader, struct bmr_err *e)
{
	char root[] = "/tmp/bmr-esp-XXXXXX";
	int rc;

	if (!device_of(disk, loader->partition, loader->device, sizeof loader->device))
		return bmr_err_set(e, BMR_E_TARGET, 0,
		                   "the kernel does not show partition %u, which is the EFI system "
		                   "partition",
		                   loader->partition);
	if (!mkdtemp(root))
		return bmr_err_set(e, BMR_E_TARGET, errno, "cannot make a directory in /tmp");
	rc = look_below(root, loader, e);
	rmdir(root);
	return rc;
}

static int look_at_table(const char *disk, dev_t dev, blkid_probe probe,
                         struct bmr_efi_loader *loader, struct bmr_err *e)
{
	blkid_partlist list = blkid_probe_get_partitions(probe);
	blkid_parttable table = list ? blkid_partlist_get_table(list) : NULL;
	int count = table ? blkid_partlist_numof_partitions(list) : 0;
	bool gpt = table && strcmp(blkid_parttable_get_type(table), "gpt") == 0;

	bmr_err_set(e, BMR_E_TARGET, 0,
	            "no EFI system partition on '%s': UEFI cannot start it (an image of a machine "
	            "with BIOS?)",
	            disk);
	for (int i = 0; i < count; i++) {
		blkid_partition part = blkid_partlist_get_partition(list, i);
		const char *uuid = blkid_partition_get_uuid(part);

		if (!is_esp(part, gpt) || !uuid)
			continue;
		loader->partition = (unsigned)blkid_partition_get_partno(part);
		loader->gpt = gpt;
		snprintf(loader->uuid, sizeof loader->uuid, "%s", uuid);
		if (look_on(dev, loader, e) == 0)
			return 0;
	}
	return -1;
}

int bmr_efi_find_loader(const char *disk, dev_t dev, struct bmr_efi_loader *loader,
                        struct bmr_err *e)
{
	AUTO_FD int fd = open(disk, O_RDONLY | O_CLOEXEC);
	blkid_probe probe;
	int rc = -1;

	memset(loader, 0, sizeof *loader);
	if (fd < 0)
		return bmr_err_set(e, BMR_E_TARGET, errno, "cannot open '%s'", disk);
	probe = blkid_new_probe();
	if (!probe)
		return bmr_err_nomem(e, "looking at the partitions");
	blkid_probe_enable_superblocks(probe, 0);
	blkid_probe_enable_partitions(probe, 1);
	if (blkid_probe_set_device(probe, fd, 0, 0) < 0)
		bmr_err_set(e, BMR_E_TARGET, errno, "cannot read '%s'", disk);
	else
		rc = look_at_table(disk, dev, probe, loader, e);
	blkid_free_probe(probe);
	return rc;
}
