/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/capture/facts.h"

#include <stdio.h>
#include <string.h>

#include "agent/machine.h"
#include "agent/version.h"
#include "base/cleanup.h"
#include "imaging/disk/disk.h"
#include "imaging/bmr/manifest.h"
#include "transport/url.h"

/* "" if the machine has no such thing to tell. */
static void read_dmi(const char *name, char *text, size_t size)
{
	char path[128];
	AUTO_FILE FILE *f = NULL;

	snprintf(path, sizeof path, "/sys/class/dmi/id/%s", name);
	f = fopen(path, "re");
	if (!f || !fgets(text, (int)size, f))
		*text = '\0';
	text[strcspn(text, "\n")] = '\0';
}

static int add_machine(struct bmr_manifest *m, struct bmr_err *e)
{
	struct bmr_machine machine;
	char vendor[64];
	char product[64];

	bmr_machine_read(NULL, NULL, &machine);
	read_dmi("sys_vendor", vendor, sizeof vendor);
	read_dmi("product_name", product, sizeof product);
	if (bmr_manifest_fact(m, "machine.vendor", vendor, e) < 0 ||
	    bmr_manifest_fact(m, "machine.product", product, e) < 0 ||
	    bmr_manifest_fact(m, "machine.serial", machine.serial, e) < 0 ||
	    bmr_manifest_fact(m, "machine.uuid", machine.uuid, e) < 0)
		return -1;
	return bmr_manifest_fact(m, "machine.firmware", bmr_machine_firmware(NULL), e);
}

static int add_disk(struct bmr_manifest *m, const struct bmr_disk *disk, struct bmr_err *e)
{
	if (!disk)
		return 0;
	if (bmr_manifest_fact(m, "disk.name", disk->name, e) < 0 ||
	    bmr_manifest_fact(m, "disk.vendor", disk->vendor, e) < 0 ||
	    bmr_manifest_fact(m, "disk.model", disk->model, e) < 0 ||
	    bmr_manifest_fact(m, "disk.serial", disk->serial, e) < 0 ||
	    bmr_manifest_fact(m, "disk.wwn", disk->wwn, e) < 0)
		return -1;
	return bmr_manifest_fact(m, "disk.bus", disk->bus, e);
}

/* The last component of its path: under that name a chain looks for it beside the image. */
static int add_base(struct bmr_manifest *m, const char *base, struct bmr_err *e)
{
	struct bmr_url url;
	const char *slash;
	int rc;

	if (!base)
		return 0;
	rc = bmr_url_parse(base, &url, e);
	if (rc == 0) {
		slash = strrchr(url.path, '/');
		rc = bmr_manifest_fact(m, "base.name", slash ? slash + 1 : url.path, e);
	}
	bmr_url_clear(&url);
	return rc;
}

int bmr_capture_facts(struct bmr_manifest *m, const struct bmr_disk *disk, const char *base,
                      struct bmr_err *e)
{
	if (bmr_manifest_fact(m, "bmr.version", bmr_version, e) < 0 || add_disk(m, disk, e) < 0 ||
	    add_machine(m, e) < 0)
		return -1;
	return add_base(m, base, e);
}
