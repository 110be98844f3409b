/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmdline/refuse.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"
#include "base/login.h"

#define VALUE_SHOWN 101

int bmr_param_refuse(struct bmr_err *e, const char *name, const char *value, const char *fmt, ...)
{
	char shown[VALUE_SHOWN];
	char reason[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof reason, fmt, ap);
	va_end(ap);
	bmr_login_hide(value, shown, sizeof shown); /* before it is cut */
	return bmr_err_set(e, BMR_E_USAGE, 0, "'%s=%s': %s", name, shown, reason);
}
