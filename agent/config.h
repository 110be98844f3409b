/* SPDX-License-Identifier: GPL-3.0-or-later */
/* config.h - bmr.config=URL: more parameters, fetched. */
#ifndef BMR_AGENT_CONFIG_H
#define BMR_AGENT_CONFIG_H

struct bmr_err;
struct bmr_session;

/* Fetch the file that the session's params name and read the parameters anew: first the file, then
 * the options again, then cmdline again, so that the command line wins.
 * Errors: those of the source; BMR_E_USAGE (parameters; a file of over 64 KiB). */
int bmr_config_fetch(struct bmr_session *session, const char *cmdline, struct bmr_err *e);

/* Replace ${mac} ${serial} ${uuid} ${hostname} in *url, which is malloc'ed.  Errors: BMR_E_USAGE. */
int bmr_config_expand(struct bmr_session *session, char **url, struct bmr_err *e);

#endif
