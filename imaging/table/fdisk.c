/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/table/fdisk.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

/* Nobody is asked: libfdisk takes its own answer, which is the careful one. */
static int hear(struct fdisk_context *context, struct fdisk_ask *ask, void *data)
{
	struct bmr_fdisk *f = data;
	const char *text;

	(void)context;
	switch (fdisk_ask_get_type(ask)) {
	case FDISK_ASKTYPE_WARN:
	case FDISK_ASKTYPE_WARNX:
		text = fdisk_ask_print_get_mesg(ask);
		snprintf(f->said, sizeof f->said, "%s", text ? text : "");
		break;
	default:
		break;
	}
	return 0;
}

int bmr_fdisk_failed(const struct bmr_fdisk *f, int rc, const char *what, struct bmr_err *e)
{
	if (f->said[0])
		return bmr_err_set(e, BMR_E_TARGET, 0, "cannot %s: %s", what, f->said);
	return bmr_err_set(e, BMR_E_TARGET, rc < 0 ? -rc : 0, "cannot %s", what);
}

int bmr_fdisk_open(struct bmr_fdisk *f, int fd, const char *name, unsigned sector, bool readonly,
                   struct bmr_err *e)
{
	int rc;

	*f = (struct bmr_fdisk){.context = fdisk_new_context()};
	if (!f->context)
		return bmr_err_nomem(e, "a partition table");
	rc = fdisk_set_ask(f->context, hear, f);
	if (rc == 0)
		rc = fdisk_save_user_sector_size(f->context, sector, sector);
	if (rc == 0)
		rc = fdisk_assign_device_by_fd(f->context, fd, name, readonly);
	if (rc == 0)
		return 0;
	bmr_fdisk_failed(f, rc, "read the partition table", e);
	fdisk_unref_context(f->context); /* it has no device: to take that away would abort */
	f->context = NULL;
	return -1;
}

void bmr_fdisk_close(struct bmr_fdisk *f)
{
	if (!f->context)
		return;
	fdisk_deassign_device(f->context, 1); /* 1: who has the descriptor flushes it */
	fdisk_unref_context(f->context);
	f->context = NULL;
}

/* Where the header says that its backup is. */
static bool backup_is_last(struct fdisk_context *context)
{
	struct fdisk_labelitem *item = fdisk_new_labelitem();
	uint64_t lba = 0;
	bool known = item && fdisk_get_disklabel_item(context, GPT_LABELITEM_ALTLBA, item) == 0 &&
	             fdisk_labelitem_get_data_u64(item, &lba) == 0;

	fdisk_unref_labelitem(item);
	return known && lba == fdisk_get_nsectors(context) - 1;
}

int bmr_fdisk_check(struct bmr_fdisk *f, struct bmr_err *e)
{
	bool gpt;
	int rc;

	if (!fdisk_has_label(f->context))
		return bmr_err_set(e, BMR_E_TARGET, 0, "there is no partition table");
	gpt = fdisk_is_label(f->context, GPT);
	if (gpt && f->said[0])
		return bmr_err_set(e, BMR_E_TARGET, 0, "the GPT is wrong: %s", f->said);
	rc = fdisk_verify_disklabel(f->context);
	if (rc != 0)
		return bmr_fdisk_failed(f, rc, "rely on the partition table", e);
	if (gpt && !backup_is_last(f->context))
		return bmr_err_set(e, BMR_E_TARGET, 0,
		                   "the GPT's backup is not at the end of the disk");
	return 0;
}
