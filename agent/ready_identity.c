/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/ready_internal.h"

int bmr_ready_identity(const struct bmr_ready *r, bool *did, char *text, size_t len,
                       struct bmr_err *e)
{
	(void)r;
	(void)did;
	(void)text;
	(void)len;
	(void)e;
	return 0;
}
