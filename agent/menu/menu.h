/* SPDX-License-Identifier: GPL-3.0-or-later */
/* menu.h - a person at a console: restore, capture, verify, disks, network; on any terminal.
 *
 * The menu asks and calls; what is done is done by the modules that unattended orders use.  Nothing
 * is written before its disk's word was typed (text.h).
 */
#ifndef BMR_AGENT_MENU_MENU_H
#define BMR_AGENT_MENU_MENU_H

struct bmr_consoles;
struct bmr_err;
struct bmr_session;

struct bmr_menu_env {
	const struct bmr_consoles
		*consoles;   /* the live system's; NULL: standard input and output */
	const char *cmdline; /* its orders: network parameters are shown again */
	int (*network)(void *ctx, struct bmr_err *e); /* brings it up as the session's params say */
	void *ctx;
};

/* Show the menu until a person leaves it.  In the live system it first waits, at every console, for
 * the one where Enter is pressed, and leaves params.finish set to what was chosen at the end.
 * Returns 0, or the exit code of the last action if that failed.
 * Errors: BMR_E_USAGE (no terminal that can show it), BMR_E_STOPPED. */
int bmr_menu_run(struct bmr_session *session, const struct bmr_menu_env *env, struct bmr_err *e);

#endif
