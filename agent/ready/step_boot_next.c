/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <unistd.h>

#include "agent/ready/efi.h"
#include "agent/ready/ipmi.h"
#include "agent/ready/internal.h"
#include "agent/session.h"
#include "base/err.h"
#include "imaging/disk/target.h"

static int by_efi(const struct bmr_ready *r, const char *missing, char *text, size_t len,
                  struct bmr_err *e)
{
	struct bmr_efi_loader loader;

	if (missing)
		return bmr_err_set(e, BMR_E_REFUSED, 0, "BootNext cannot be set: %s", missing);
	if (bmr_efi_find_loader(r->target->path, r->target->dev, &loader, e) < 0)
		return -1;
	return bmr_efi_set_next(&loader, text, len, e);
}

static int by_ipmi(bool efi, char *text, size_t len, struct bmr_err *e)
{
	bool valid;

	if (bmr_ipmi_boot_disk(efi, &valid, e) < 0)
		return -1;
	snprintf(text, len, "the BMC starts the machine from its disk (%s), for one start%s",
	         efi ? "UEFI" : "BIOS",
	         valid ? "" : "; it has kept that, but does not mark it as valid");
	return 0;
}

int bmr_ready_boot_next(const struct bmr_ready *r, bool *did, char *text, size_t len,
                        struct bmr_err *e)
{
	int wanted = r->session->options->params.bootnext;
	const char *missing;
	bool bios;

	if (wanted == BMR_BOOTNEXT_NO)
		return 0;
	*did = true;
	if (r->target->is_file)
		return bmr_err_set(e, BMR_E_REFUSED, 0,
		                   "'%s' is a file: a machine is started from a disk",
		                   r->target->path);
	missing = bmr_efi_missing(NULL, &bios);
	if (wanted == BMR_BOOTNEXT_EFI || (wanted == BMR_BOOTNEXT_DISK && !missing))
		return by_efi(r, missing, text, len, e);
	if (wanted == BMR_BOOTNEXT_DISK && access(BMR_IPMI_DEVICE, F_OK) != 0)
		return bmr_err_set(e, BMR_E_REFUSED, 0,
		                   "what starts next cannot be said: %s, and there is no BMC (%s)",
		                   missing, BMR_IPMI_DEVICE);
	return by_ipmi(!bios, text, len, e);
}
