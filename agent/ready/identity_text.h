/* SPDX-License-Identifier: GPL-3.0-or-later */
/* identity_text.h - host names, and the line of /etc/hosts that has one.  Pure. */
#ifndef BMR_AGENT_READY_IDENTITY_TEXT_H
#define BMR_AGENT_READY_IDENTITY_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct bmr_err;

/* May a machine be called so?  RFC 1123, 2.1: labels of letters, digits and inner hyphens, 63 bytes
 * each, separated by dots; and 64 bytes in all, which is Linux's limit.
 * Errors: BMR_E_USAGE, naming what is wrong. */
int bmr_hostname_check(const char *name, struct bmr_err *e);

/* The text of /etc/hosts with the lines of 127.0.1.1 (Debian's place for the own name) naming `name`:
 * its domain is kept where the old line has one and `name` has none.  *out is malloc'ed; NULL if
 * there is no such line.  Errors: BMR_E_NOMEM. */
int bmr_hosts_rename(const char *hosts, const char *name, char **out, struct bmr_err *e);

#endif
