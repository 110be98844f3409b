/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "agent/ready/efi.h"
#include "agent/ready/internal.h"
#include "agent/session.h"
#include "base/err.h"
#include "imaging/disk/target.h"

/* Whether the machine starts all the same is what a person wants to know next. */
static int without_entry(const struct bmr_efi_loader *loader, struct bmr_err *e)
{
	size_t used = strlen(e->msg);

	if (used < sizeof e->msg)
		snprintf(e->msg + used, sizeof e->msg - used, "; %s",
		         loader->has_fallback
		                 ? "firmware can still start the disk by its fallback in EFI/BOOT"
		                 : "there is no fallback in EFI/BOOT either: choose the loader in "
		                   "the "
		                   "firmware's set-up");
	return -1;
}

int bmr_ready_boot_entry(const struct bmr_ready *r, bool *did, char *text, size_t len,
                         struct bmr_err *e)
{
	const struct bmr_session *s = r->session;
	int wanted = s->options->params.bootentry;
	struct bmr_efi_loader loader;
	const char *why;
	bool bios;

	if (wanted == BMR_SWITCH_NO || (wanted == BMR_SWITCH_AUTO && !s->live))
		return 0;
	*did = true;
	if (r->target->is_file)
		return bmr_err_set(e, BMR_E_REFUSED, 0,
		                   "'%s' is a file: a boot entry is for a disk of this machine",
		                   r->target->path);
	why = bmr_efi_missing(NULL, &bios);
	if (why && bios && wanted == BMR_SWITCH_AUTO) {
		snprintf(text, len, "none needed: %s and starts a disk by its first sector", why);
		return 0;
	}
	if (why)
		return bmr_err_set(e, BMR_E_REFUSED, 0, "%s", why);
	if (bmr_efi_find_loader(r->target->path, r->target->dev, &loader, e) < 0)
		return -1;
	if (bmr_efi_make_entry(&loader, r->target->path, text, len, e) < 0)
		return without_entry(&loader, e);
	return 0;
}
