/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ui.h - windows on one terminal: a list, a page of text, fields to fill in.
 *
 * The only file that knows newt.  Windows fit 80x24 and grow with the terminal, also while they are
 * shown.  There is one user interface in a program, in one thread, because newt has one.  Texts are
 * cleaned (text.h) before they are drawn; lists and pages are UTF-8 or ASCII as the locale is.
 */
#ifndef BMR_AGENT_MENU_UI_H
#define BMR_AGENT_MENU_UI_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct bmr_err;

enum bmr_menu_answer {
	BMR_MENU_OK,
	BMR_MENU_BACK, /* Esc */
	BMR_MENU_LOST, /* the terminal is gone, or *stop is set: nothing can be asked any more */
};

/* Take descriptors 0 and 1, which must be a terminal of the kind that TERM names, and LC_ALL as the
 * locale: C, or C.UTF-8 if utf8.  *stop is looked at while a person is waited for.  Errors: BMR_E_USAGE (no terminal, one that cannot move its cursor). */
int bmr_menu_ui_open(bool utf8, const atomic_bool *stop, struct bmr_err *e);
void bmr_menu_ui_close(void);

/* Give the terminal back for plain text, and take it again. */
void bmr_menu_ui_suspend(void);
void bmr_menu_ui_resume(void);

/* How many characters a line of a window has now. */
size_t bmr_menu_ui_width(void);

/* One of count items; *chosen is where the bar stands first, and the answer. */
enum bmr_menu_answer bmr_menu_ui_list(const char *title, const char *intro,
                                      const char *const *items, size_t count, size_t *chosen);

/* Text to read; Enter: OK.  wrap: lines that are too long are broken, else cut. */
enum bmr_menu_answer bmr_menu_ui_page(const char *title, const char *text);

struct bmr_menu_field {
	const char *label;
	char *value; /* what stands there first, and the answer */
	size_t size; /* of value, with its NUL */
	bool secret; /* shown as stars */
};

/* Fields to fill in; Enter in any of them: OK.  Values change only then. */
enum bmr_menu_answer bmr_menu_ui_fields(const char *title, const char *intro,
                                        struct bmr_menu_field *fields, size_t count);

/* A line that stays while something is waited for. */
void bmr_menu_ui_busy(const char *text);
void bmr_menu_ui_busy_end(void);

#endif
