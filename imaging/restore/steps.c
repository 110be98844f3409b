/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/restore/steps.h"

#include "base/err.h"
#include "base/log.h"
#include "base/size.h"
#include "imaging/image.h"
#include "imaging/restore/order.h"
#include "imaging/restore/pipe.h"
#include "imaging/table/table.h"
#include "imaging/disk/target.h"

#define REREAD_TIMEOUT_MS 10000
/* What may lie at the end of a disk and come back to life: a backup GPT (34 sectors), md and ZFS
 * labels (up to 512 KiB). */
#define TAIL_WIPE BMR_MIB

int bmr_steps_not_written(const struct bmr_restore *r, const char *what, struct bmr_err *e)
{
	return bmr_err_while(e, "%s; '%s' was not written", what, r->target->path);
}

int bmr_steps_open(struct bmr_steps *s, const struct bmr_restore *r, struct bmr_err *e)
{
	*s = (struct bmr_steps){.r = r};
	if (bmr_target_open(r->target, &s->target, e) < 0)
		return -1;
	s->checked = (struct bmr_checked){s->target, r->read_back, r->log, 0};
	return 0;
}

int bmr_steps_begin(struct bmr_steps *s, struct bmr_err *e)
{
	static const uint8_t zeros[BMR_CHUNK_ALIGN];

	if (!s->r->target->is_new &&
	    bmr_checked_write(&s->checked, zeros, s->r->target->sector, 0, e) < 0)
		return -1;
	s->state = BMR_DISK_UNBOOTABLE;
	return 0;
}

int bmr_steps_wipe_tail(struct bmr_steps *s, uint64_t size, struct bmr_err *e)
{
	const struct bmr_target_info *target = s->r->target;
	uint64_t tail;

	if (target->is_file || target->size == size)
		return 0;
	tail = bmr_size_min(TAIL_WIPE, target->size - size);
	return bmr_target_zero(s->target, target->size - tail, tail, e);
}

int bmr_steps_fit(const struct bmr_restore *r, const uint8_t *first, size_t len, uint64_t size,
                  struct bmr_table_fit *fit, struct bmr_err *e)
{
	*fit = (struct bmr_table_fit){.changed = false};
	if (r->target->is_new || r->target->size == size ||
	    (r->target->size > size && !r->fit_table) ||
	    bmr_table_fit(first, len, r->target->size, fit, e) == 0)
		return 0;
	if (r->target->size < r->image->layout.needed ||
	    (e->code != BMR_E_REFUSED && e->code != BMR_E_TARGET))
		return -1;
	bmr_log_say(r->log, BMR_LOG_NOTICE,
	            "'%s' is larger than the image, but its GPT stays as the image has it: %s",
	            r->target->path, e->msg);
	return 0;
}

/* The backup of a GPT that is not where the image has it. */
static int put_tail(struct bmr_steps *s, const struct bmr_table_fit *fit, struct bmr_err *e)
{
	if (!fit->changed)
		return 0;
	return bmr_checked_write(&s->checked, fit->tail, fit->tail_len, fit->tail_offset, e);
}

/* Write a part of the first MiB, as far as there is one. */
static int put_first(struct bmr_steps *s, const uint8_t *first, size_t from, size_t to,
                     struct bmr_err *e)
{
	if (from >= to)
		return 0;
	if (bmr_checked_write(&s->checked, first + from, to - from, from, e) < 0)
		return -1;
	if (s->r->read_back)
		atomic_fetch_add(&s->r->progress->verified, to - from);
	return 0;
}

/* LBA 0 last.  If that fails nobody knows what it holds, so it is made zero again as far as the
 * disk still obeys. */
static int put_lba0(struct bmr_steps *s, const uint8_t *first, size_t len, struct bmr_err *e)
{
	struct bmr_err ignored; /* of the two, the first failure is the one to know */
	size_t sector = (size_t)bmr_size_min(s->r->target->sector, len);

	s->state = BMR_DISK_FINISHING;
	if (put_first(s, first, 0, sector, e) == 0)
		return 0;
	bmr_steps_begin(s, &ignored);
	return -1;
}

int bmr_steps_finish(struct bmr_steps *s, const uint8_t *first, size_t len,
                     const struct bmr_table_fit *fit, struct bmr_err *e)
{
	const char *reason = NULL;

	bmr_restore_enter(s->r, BMR_PHASE_BOOTABLE);
	if (fit->changed)
		first = fit->first;
	if (put_tail(s, fit, e) < 0 || put_first(s, first, s->r->target->sector, len, e) < 0 ||
	    bmr_target_check_same(s->target, e) < 0 || put_lba0(s, first, len, e) < 0)
		return -1;
	if (!bmr_target_reread_table(s->target, REREAD_TIMEOUT_MS, &reason))
		bmr_log_say(
			s->r->log, BMR_LOG_NOTICE,
			"the kernel still has the old partition table of '%s' (%s); it reads the "
			"new one at the next boot",
			s->r->target->path, reason);
	return 0;
}

/* The last words on a failure: what the disk is now. */
static void say_state(const struct bmr_steps *s, struct bmr_err *e)
{
	const char *path = s->r->target->path;

	switch (s->state) {
	case BMR_DISK_UNTOUCHED:
		bmr_err_while(e, "zeroing the first sector of '%s'; nothing else was written",
		              path);
		break;
	case BMR_DISK_UNBOOTABLE:
		bmr_err_while(e, "restoring; '%s' is incomplete and does not boot", path);
		break;
	case BMR_DISK_FINISHING:
		bmr_err_while(e, "writing the first sector, the last of all; do not trust '%s'",
		              path);
		break;
	}
}

int bmr_steps_close(struct bmr_steps *s, int rc, struct bmr_err *e)
{
	struct bmr_err second; /* after a failure closing has nothing to add */

	if (rc < 0) {
		say_state(s, e);
		/* Empty, it is a new file for the next try. */
		if (s->r->target->is_new)
			bmr_target_set_size(s->target, 0, &second);
	}
	return bmr_target_close(s->target, rc < 0 ? &second : e) < 0 ? -1 : rc;
}
