/* SPDX-License-Identifier: GPL-3.0-or-later */
/* orders.h - the agent's orders: where they stand, what they need, and whether they make sense. */
#ifndef BMR_AGENT_ORDERS_H
#define BMR_AGENT_ORDERS_H

#include <stdbool.h>

struct bmr_err;
struct bmr_params;

/* The text of the orders: a copy of `given`, or if that is NULL of /proc/cmdline without its newline.
 * *text is malloc'ed.  Errors: BMR_E_USAGE (no /proc/cmdline), BMR_E_NOMEM. */
int bmr_orders_read(const char *given, char **text, struct bmr_err *e);

/* Does any of the image, further parameters or reports lie on a network? */
bool bmr_orders_need_network(const struct bmr_params *p);

/* Is there a file of further parameters that can be read without a network? */
bool bmr_orders_config_first(const struct bmr_params *p);

/* What can be known to be wrong before anything is asked of a network or a disk.  Not complete: a
 * file of further parameters may still bring what is missing.  Errors: BMR_E_USAGE. */
int bmr_orders_check(const struct bmr_params *p, bool complete, struct bmr_err *e);

#endif
