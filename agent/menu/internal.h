/* SPDX-License-Identifier: GPL-3.0-or-later */
/* internal.h - what the screens of the menu share; for nobody else.
 *
 * menu.c: main menu; source.c, browse.c: which image; target.c: which disk, and the
 * word that overwrites it; restore.c (and verify), capture.c: from question to result;
 * run.c: an action with its progress and result; network.c: interfaces and addresses.
 */
#ifndef BMR_AGENT_MENU_INTERNAL_H
#define BMR_AGENT_MENU_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/menu/menu.h"
#include "agent/menu/text.h"
#include "agent/menu/ui.h"
#include "imaging/disk/target.h"

struct bmr_disk;
struct bmr_job;
struct bmr_select_rules;

#define BMR_MENU_URL_SIZE 1024
#define BMR_MENU_LINE_SIZE 2048

struct bmr_menu {
	struct bmr_session *session;
	const struct bmr_menu_env *env;
	int terminal;        /* descriptor of its own for the screen (screen.h) */
	bool network_up;     /* or it is not ours to bring up */
	char network[320];   /* "ip=dhcp": how it comes up */
	bool network_needed; /* by the image that was chosen */
	bool password;       /* one was typed */
	bool lost;           /* the terminal is gone */
	int code;            /* exit code of the last action */
};

/* The answer of the user interface: true if it is OK; a lost terminal is noted. */
bool bmr_menu_ok(struct bmr_menu *m, enum bmr_menu_answer answer);

/* Say what went wrong, without secrets. */
void bmr_menu_error(struct bmr_menu *m, const char *title, const struct bmr_err *err);

/* The actions; each returns when its person is done or went back. */
void bmr_menu_restore(struct bmr_menu *m);
void bmr_menu_capture(struct bmr_menu *m);
void bmr_menu_verify(struct bmr_menu *m);
void bmr_menu_network(struct bmr_menu *m);

/* Which image, as a URL in params.image, user and password with it.  false: went back. */
bool bmr_menu_choose_image(struct bmr_menu *m);

/* Where a new image goes.  The same. */
bool bmr_menu_choose_place(struct bmr_menu *m);

/* Look into folders below url (list.h), which is BMR_MENU_URL_SIZE bytes and becomes that of the
 * file, or with `place` that of the folder. */
bool bmr_menu_browse(struct bmr_menu *m, char *url, bool place);

/* Bring the network up unless it is, saying so.  false: it did not come up, which was said. */
bool bmr_menu_need_network(struct bmr_menu *m);

/* One of the disks that the rules let through; the others are shown with their reason.  reading: what
 * only speaks against writing is no reason.  With `file`, a file may be named instead, and *disk is
 * empty then.  *disk is to be cleared. */
bool bmr_menu_choose_disk(struct bmr_menu *m, const char *title,
                          const struct bmr_select_rules *rules, bool reading, bool file,
                          struct bmr_disk *disk, struct bmr_target_info *target);

/* Show order and disk, and ask for the word.  Only true if it was typed. */
bool bmr_menu_confirm(struct bmr_menu *m, const struct bmr_disk *disk,
                      const struct bmr_target_info *target);

/* The parameter line for what was decided; disk may be NULL. */
char *bmr_menu_unattended(struct bmr_menu *m, const char *action, const struct bmr_disk *disk,
                          bool overwrites, char line[BMR_MENU_LINE_SIZE]);

/* Run act() with progress and result on this terminal and the others, and wait until the result was
 * read.  again: the parameter line, which is said before. */
void bmr_menu_act(struct bmr_menu *m, const char *again, int (*act)(void *ctx, struct bmr_err *e),
                  void *ctx);

#endif
