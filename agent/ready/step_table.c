/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/ready/internal.h"

#include <stdio.h>

#include "agent/session.h"
#include "base/size.h"
#include "imaging/table/table.h"
#include "imaging/disk/target.h"

/* The restore has written the table as this disk needs it (imaging/table/table.h), before the disk could
 * boot; what is left to do is to look, and to say so. */
int bmr_ready_table(const struct bmr_ready *r, bool *did, char *text, size_t len, struct bmr_err *e)
{
	const struct bmr_target_info *t = r->target;
	bool larger = t->size > r->image_size;
	uint64_t difference = larger ? t->size - r->image_size : r->image_size - t->size;
	bool as_in_image = larger && r->session->options->params.grow == BMR_GROW_NO;
	char size[16];

	if (t->is_new || difference == 0)
		return 0;
	bmr_size_text(difference, size, sizeof size);
	if (bmr_table_check(t, did, e) == 0) {
		snprintf(text, len, "the GPT's backup is at the end of the disk, which is %s %s",
		         size, larger ? "larger than the image" : "smaller than the image's");
		return 0;
	}
	if (!*did || !as_in_image)
		return -1;
	snprintf(text, len,
	         "the GPT's backup is where the image has it, %s before the end of the disk "
	         "(grow=table moves it)",
	         size);
	return 0;
}
