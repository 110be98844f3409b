/* SPDX-License-Identifier: GPL-3.0-or-later */
/* refuse.h - the one form of "this parameter has a value that cannot be". */
#ifndef BMR_CMDLINE_REFUSE_H
#define BMR_CMDLINE_REFUSE_H

struct bmr_err;

/* "'ip=eth0:dchp': ...", with a long value cut and no password in it.  fmt: the reason, or what the
 * value has to be.  Returns -1, BMR_E_USAGE in *e. */
int bmr_param_refuse(struct bmr_err *e, const char *name, const char *value, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
