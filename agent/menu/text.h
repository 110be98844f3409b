/* SPDX-License-Identifier: GPL-3.0-or-later */
/* text.h - the texts of the menu.  Pure, but for the locale, which says what can be shown. */
#ifndef BMR_AGENT_MENU_TEXT_H
#define BMR_AGENT_MENU_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct bmr_disk;

/* Copy text for one line of at most `columns` columns: control characters and what the locale cannot
 * show become '?'; what is too long is cut, with "..." at its end.  Returns buf. */
char *bmr_menu_clean(const char *text, char *buf, size_t size, size_t columns);

/* How many columns a cleaned text takes. */
size_t bmr_menu_columns(const char *clean);

/* The same for text of several lines, of any length; malloc'ed, NULL if there is no memory. */
char *bmr_menu_clean_lines(const char *text);

/* What must be typed before a disk or file is overwritten. */
struct bmr_menu_word {
	char word[64];
	char question[96];
};

/* The last four characters of the disk's serial; where it tells none, its size in bytes. */
void bmr_menu_word_of(const struct bmr_disk *disk, struct bmr_menu_word *word);
void bmr_menu_word_of_size(unsigned long long size, struct bmr_menu_word *word);

/* Is that it?  Blanks around it and the case of letters do not matter. */
bool bmr_menu_word_is(const struct bmr_menu_word *word, const char *typed);

/* What a person decided, to be done without asking next time. */
struct bmr_menu_order {
	const char *action;          /* "restore" */
	const char *image;           /* URL */
	const char *user;            /* NULL: none */
	const char *domain;          /* NULL: none */
	bool password;               /* one was given; it is never shown */
	const struct bmr_disk *disk; /* NULL: none */
	bool overwrites;             /* the disk, which holds something */
	const char *network;         /* "ip=dhcp", NULL or "": none is needed */
	const char *cafile;          /* these three NULL: none */
	const char *netrc;
	const char *proxy;
};

/* The words of a kernel command line for it.  User and password in the URL, and the query of http
 * and https, which may hold a secret, are left out; so are the proxy's.  Returns buf. */
char *bmr_menu_line(const struct bmr_menu_order *order, char *buf, size_t size);

#endif
