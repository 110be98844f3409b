/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/err.h"

#include <stdio.h>
#include <string.h>

#include "base/login.h"
#include "base/text.h"

static const struct {
	const char *name;
	int exit_code;
} codes[] = {
	[BMR_E_NONE] = {"none", 0},        [BMR_E_USAGE] = {"usage", 64},
	[BMR_E_DATA] = {"data", 65},       [BMR_E_NET] = {"net", 69},
	[BMR_E_SOURCE] = {"source", 69},   [BMR_E_BUG] = {"bug", 70},
	[BMR_E_NOMEM] = {"resource", 71},  [BMR_E_TARGET] = {"target", 74},
	[BMR_E_STOPPED] = {"stopped", 75}, [BMR_E_REFUSED] = {"refused", 77},
};

#define TEXT_MOST 4096

/* A user's word is quoted wherever it is wrong, and may be a URL wherever it stands: with a password,
 * that is found before the text is cut to the size of out. */
static void say(char *out, size_t size, const char *fmt, va_list ap)
{
	char text[TEXT_MOST];

	vsnprintf(text, sizeof text, fmt, ap);
	bmr_text_clean(text);
	bmr_login_hide(text, out, size);
}

int bmr_err_vset(struct bmr_err *e, enum bmr_errc code, int sys, const char *fmt, va_list ap)
{
	char reason[128];

	e->code = code;
	e->sys = sys;
	say(e->msg, sizeof e->msg, fmt, ap);
	if (sys) {
		const char *text = strerror_r(sys, reason, sizeof reason);
		size_t used = strlen(e->msg);

		snprintf(e->msg + used, sizeof e->msg - used, ": %s", text);
	}
	return -1;
}

int bmr_err_set(struct bmr_err *e, enum bmr_errc code, int sys, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	bmr_err_vset(e, code, sys, fmt, ap);
	va_end(ap);
	return -1;
}

int bmr_err_while(struct bmr_err *e, const char *fmt, ...)
{
	static const char glue[] = "; while ";
	size_t used = strlen(e->msg);
	va_list ap;

	if (used + sizeof glue >= sizeof e->msg)
		return -1;
	memcpy(e->msg + used, glue, sizeof glue);
	used += sizeof glue - 1;
	va_start(ap, fmt);
	say(e->msg + used, sizeof e->msg - used, fmt, ap);
	va_end(ap);
	return -1;
}

int bmr_err_nomem(struct bmr_err *e, const char *what)
{
	return bmr_err_set(e, BMR_E_NOMEM, 0, "out of memory for %s", what);
}

int bmr_err_exit_code(enum bmr_errc code)
{
	return codes[code].exit_code;
}

const char *bmr_err_name(enum bmr_errc code)
{
	return codes[code].name;
}
