/* SPDX-License-Identifier: GPL-3.0-or-later */
/* credentials.h - who we are to an image server, from a file or from parameters. */
#ifndef BMR_AGENT_CREDENTIALS_H
#define BMR_AGENT_CREDENTIALS_H

struct bmr_err;
struct bmr_log;
struct bmr_params;

/* If params say credentials=FILE, read user=, password= and domain= from it, one a line, as
 * mount.cifs(8) has them; what params say themselves wins.  Every secret, also one in an image URL,
 * is told to the log.
 * Errors: BMR_E_USAGE: no such file, readable by others (mode & 077), an unknown line. */
int bmr_credentials_load(struct bmr_params *params, struct bmr_log *log, struct bmr_err *e);

#endif
