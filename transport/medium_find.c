/* SPDX-License-Identifier: GPL-3.0-or-later */
/* medium_find.c - which block devices are there, and what is on them. */
#include "transport/medium.h"

#include <blkid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"

static bool is_uninteresting(const char *name)
{
	/* Probing a floppy drive that is not there takes many seconds. */
	return name[0] == '.' || strncmp(name, "ram", 3) == 0 || strncmp(name, "zram", 4) == 0 ||
	       strncmp(name, "fd", 2) == 0;
}

/* Without a medium, or a loop device without a file. */
static bool is_empty(const char *sysfs, const char *name)
{
	AUTO_FREE char *path = NULL;
	AUTO_FILE FILE *f = NULL;
	unsigned long long sectors = 0;

	if (asprintf(&path, "%s/class/block/%s/size", sysfs, name) < 0) {
		path = NULL;
		return true;
	}
	f = fopen(path, "re");
	return !f || fscanf(f, "%llu", &sectors) != 1 || sectors == 0;
}

static blkid_probe new_probe(int fd)
{
	blkid_probe probe = blkid_new_probe();

	if (!probe)
		return NULL;
	if (blkid_probe_set_device(probe, fd, 0, 0) == 0) {
		blkid_probe_enable_superblocks(probe, 1);
		blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_UUID | BLKID_SUBLKS_LABEL |
		                                                 BLKID_SUBLKS_TYPE |
		                                                 BLKID_SUBLKS_USAGE);
		blkid_probe_enable_partitions(probe, 1);
		blkid_probe_set_partitions_flags(probe, BLKID_PARTS_ENTRY_DETAILS);
		return probe;
	}
	blkid_free_probe(probe);
	return NULL;
}

/* libblkid's names for what is on a partition and for the partition itself. */
static const char *value_name(const char *tag)
{
	if (strcmp(tag, "PARTUUID") == 0)
		return "PART_ENTRY_UUID";
	if (strcmp(tag, "PARTLABEL") == 0)
		return "PART_ENTRY_NAME";
	return tag;
}

static const char *lookup(blkid_probe probe, const char *name)
{
	const char *value = NULL;

	if (blkid_probe_lookup_value(probe, name, &value, NULL) != 0)
		return NULL;
	return value;
}

static int visit_device(const char *name, const char *tag, medium_visit *visit, void *ctx,
                        struct bmr_err *e)
{
	struct medium m = {0};
	AUTO_FD int fd = -1;
	const char *type;
	blkid_probe probe;
	struct stat st;
	int rc = 0;

	if ((size_t)snprintf(m.device, sizeof m.device, "/dev/%s", name) >= sizeof m.device)
		return 0;
	for (char *c = m.device; *c; c++) /* "cciss!c0d0" of sysfs is cciss/c0d0 below /dev */
		if (*c == '!')
			*c = '/';
	fd = open(m.device, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode))
		return 0;
	m.number = st.st_rdev;
	probe = new_probe(fd);
	if (!probe)
		return 0;
	if (blkid_do_safeprobe(probe) == 0) {
		type = lookup(probe, "TYPE");
		snprintf(m.type, sizeof m.type, "%s", type ? type : "");
		rc = visit(ctx, &m, lookup(probe, value_name(tag)), e);
	}
	blkid_free_probe(probe);
	return rc;
}

int bmr_medium_each(const char *sysfs, const char *tag, medium_visit *visit, void *ctx,
                    struct bmr_err *e)
{
	AUTO_FREE char *folder = NULL;
	struct dirent **names = NULL;
	int rc = 0;
	int n;

	if (asprintf(&folder, "%s/class/block", sysfs) < 0) {
		folder = NULL;
		return bmr_err_nomem(e, "a path");
	}
	n = scandir(folder, &names, NULL, alphasort);
	if (n < 0)
		return bmr_err_set(e, BMR_E_SOURCE, errno, "cannot list the disks in '%s'", folder);
	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;

		if (rc == 0 && !is_uninteresting(name) && !is_empty(sysfs, name))
			rc = visit_device(name, tag, visit, ctx, e);
		free(names[i]);
	}
	free(names);
	return rc;
}
