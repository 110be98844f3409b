/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <blkid.h>
#include <errno.h>
#include <stdio.h>

#include "imaging/used/internal.h"

static void text_of(blkid_probe probe, const char *name, char *out, size_t size)
{
	const char *data;

	if (blkid_probe_lookup_value(probe, name, &data, NULL) == 0)
		snprintf(out, size, "%s", data);
}

static int probe_with(blkid_probe probe, int fd, unsigned sector, uint64_t offset, uint64_t size,
                      struct bmr_used_found *found, struct bmr_err *e)
{
	int rc;

	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL |
	                                                 BLKID_SUBLKS_UUID);
	errno = 0;
	if (blkid_probe_set_device(probe, fd, (blkid_loff_t)offset, (blkid_loff_t)size) != 0)
		return bmr_err_set(e, BMR_E_TARGET, errno, "cannot be probed");
	blkid_probe_set_sectorsize(probe, sector);
	rc = blkid_do_safeprobe(probe);
	if (rc == -2)
		return bmr_err_set(e, BMR_E_DATA, 0, "several file systems left their marks in it");
	if (rc < 0)
		return bmr_err_set(e, BMR_E_TARGET, errno, "cannot be read");
	text_of(probe, "TYPE", found->type, sizeof found->type);
	text_of(probe, "LABEL", found->label, sizeof found->label);
	text_of(probe, "UUID", found->uuid, sizeof found->uuid);
	return 0;
}

int bmr_used_probe(int fd, unsigned sector, uint64_t offset, uint64_t size,
                   struct bmr_used_found *found, struct bmr_err *e)
{
	blkid_probe probe = blkid_new_probe();
	int rc;

	*found = (struct bmr_used_found){.type = ""};
	if (!probe)
		return bmr_err_nomem(e, "a probe");
	rc = probe_with(probe, fd, sector, offset, size, found, e);
	blkid_free_probe(probe);
	return rc;
}
