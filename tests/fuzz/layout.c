/* SPDX-License-Identifier: GPL-3.0-or-later */
/* layout - any bytes as the first of a disk: nothing outside them is read, and what is said is
 * within what was there. */
#include <stdlib.h>
#include <string.h>

#include "imaging/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bmr_layout l;
	char text[80];

	bmr_layout_read(data, size, &l);
	if (l.table == BMR_TABLE_NONE && (l.needed || l.partitions || l.uuid[0]))
		abort();
	if (l.partitions > size / 16 || strlen(l.uuid) > 36)
		abort();
	bmr_layout_text(&l, text, sizeof text);
	return 0;
}
