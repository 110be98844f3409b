/* SPDX-License-Identifier: GPL-3.0-or-later */
/* manual.h - a restore at the console: which image, which disk, and a confirmation that cannot be
 * given by accident. */
#ifndef BMR_AGENT_MANUAL_H
#define BMR_AGENT_MANUAL_H

struct bmr_consoles;
struct bmr_err;
struct bmr_session;

/* Ask until a restore was done or failed after its confirmation.  network() is called once, before
 * the first image that needs it.  There is no time-out and no default; an empty answer goes back,
 * at the first question it powers off.  Errors: those of the restore; BMR_E_USAGE (no console). */
int bmr_manual_run(struct bmr_session *session, const struct bmr_consoles *consoles,
                   int (*network)(void *ctx, struct bmr_err *e), void *ctx, struct bmr_err *e);

#endif
