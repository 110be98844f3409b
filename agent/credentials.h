/* SPDX-License-Identifier: GPL-3.0-or-later */
/* credentials.h - who we are to an image server, from a file or from parameters. */
#ifndef BMR_AGENT_CREDENTIALS_H
#define BMR_AGENT_CREDENTIALS_H

struct bmr_err;
struct bmr_log;
struct bmr_params;

/* Tell the log the passwords in a list of URLs, as they stand there and decoded; also in one that is
 * wrong, because its error shows it.  urls may be NULL.  Errors: BMR_E_NOMEM. */
int bmr_credentials_hide(const char *urls, struct bmr_log *log, struct bmr_err *e);

/* Tell the log every secret of params, also those in its URLs.  Errors: BMR_E_NOMEM. */
int bmr_credentials_hide_all(const struct bmr_params *params, struct bmr_log *log,
                             struct bmr_err *e);

/* If params say credentials=FILE, read user=, password= and domain= from it, one a line, as
 * mount.cifs(8) has them; what params say themselves wins.  Every secret, also one in a URL of
 * params, is told to the log, whatever this returns.
 * Errors: BMR_E_USAGE: no such file, also of netrc=; readable by others (mode & 077); an unknown
 * line. */
int bmr_credentials_load(struct bmr_params *params, struct bmr_log *log, struct bmr_err *e);

#endif
