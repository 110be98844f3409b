/* SPDX-License-Identifier: GPL-3.0-or-later */
/* params_internal.h - what the files of the parameters share: params.c holds the table, read.c a
 * line or file, ping.c and coreos.c the names of others, each.c writes all. */
#ifndef BMR_CMDLINE_PARAMS_INTERNAL_H
#define BMR_CMDLINE_PARAMS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cmdline/params.h"

/* Which of the table's parameters a text has set: bit i is parameter i. */
typedef uint64_t bmr_params_seen;

/* Index in the table; -1 if there is no such parameter. */
int bmr_params_find(const char *name);

/* How much of what stands where a name should is shown: a forgotten '=' may make it a URL. */
int bmr_params_shown(const char *name);

/* "unknown parameter 'bmr.imge'; the nearest known one is 'bmr.image'"; returns -1. */
int bmr_params_unknown(const char *name, struct bmr_err *e);

/* Set parameter i. */
int bmr_params_assign(struct bmr_params *p, size_t i, const char *value, struct bmr_err *e);

/* Set parameter `name` for an alias, unless the text itself set it under bmr's name. */
int bmr_params_fill(struct bmr_params *p, bmr_params_seen seen, const char *name, const char *value,
                    struct bmr_err *e);

/* The word of a CHOICE's value; NULL if the value has none. */
const char *bmr_params_choice_name(const char *field, int value);

/* Where parameter i lives in *p. */
void *bmr_params_member(const struct bmr_params *p, size_t i);

/* Add a line to p->notices, unless it is there already. */
int bmr_params_notice(struct bmr_params *p, struct bmr_err *e, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The names of others.  Values are collected while a text is read and point into it; at its end
 * they are applied, because several make one bmr parameter. */
#define BMR_PING_NAMES 36
struct bmr_aliases {
	const char *ping[BMR_PING_NAMES];
	const char *install_dev;
	const char *image_url;
	bool skip_reboot;
};

/* 1: taken; 0: not an alias; -1: BMR_E_USAGE. */
int bmr_aliases_take(struct bmr_aliases *a, const char *name, const char *value, struct bmr_err *e);
int bmr_aliases_apply(const struct bmr_aliases *a, bmr_params_seen seen, struct bmr_params *p,
                      struct bmr_err *e);

int bmr_ping_take(struct bmr_aliases *a, const char *name, const char *value, struct bmr_err *e);
int bmr_ping_apply(const struct bmr_aliases *a, bmr_params_seen seen, struct bmr_params *p,
                   struct bmr_err *e);

#endif
