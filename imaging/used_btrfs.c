/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/used_internal.h"

int bmr_used_doubt_btrfs(const struct bmr_used_look *look, const struct bmr_used_device *device,
                         uint64_t size, struct bmr_used_list *map, struct bmr_err *e)
{
	(void)look;
	(void)device;
	(void)size;
	(void)map;
	return bmr_err_set(e, BMR_E_DATA, 0, "btrfs");
}
