/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/used_internal.h"

int bmr_used_lvm(struct bmr_used_look *look, struct bmr_err *e)
{
	for (size_t i = 0; i < look->pv_count; i++) {
		const struct bmr_used_pv *pv = &look->pvs[i];
		struct bmr_used_piece piece = {.offset = pv->offset, .length = pv->size};
		struct bmr_used_place place = {.name = pv->fact,
		                               .fact = pv->fact,
		                               .pieces = &piece,
		                               .count = 1,
		                               .size = pv->size};

		if (bmr_used_whole(look, &place, "LVM", e) < 0)
			return -1;
	}
	return 0;
}
