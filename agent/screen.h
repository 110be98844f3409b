/* SPDX-License-Identifier: GPL-3.0-or-later */
/* screen.h - what people see: messages, one line of progress, the result; on one terminal or on
 * every console of a machine at once.
 *
 * A console that blocks or fails loses text and nothing else.  All functions may be called from any
 * thread.
 */
#ifndef BMR_AGENT_SCREEN_H
#define BMR_AGENT_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bmr_err;
struct bmr_restore_progress;
struct bmr_screen;

enum bmr_screen_kind {
	BMR_SCREEN_PANEL,  /* a text console of at least 80x24: the whole screen is drawn */
	BMR_SCREEN_REDRAW, /* a terminal: messages scroll, the line of progress is drawn over */
	BMR_SCREEN_LINES,  /* a file, a pipe, a serial line: a new line now and then */
};

/* *out is freed by bmr_screen_close.  Errors: BMR_E_NOMEM. */
int bmr_screen_open(struct bmr_screen **out, struct bmr_err *e);
void bmr_screen_close(struct bmr_screen *s);

/* Show everything on fd too, which is borrowed.  At most 16; further ones are left out. */
void bmr_screen_add(struct bmr_screen *s, int fd, enum bmr_screen_kind kind);

/* Show nothing more on fd; a result that a panel shows is no longer kept from being drawn over. */
void bmr_screen_remove(struct bmr_screen *s, int fd);

/* A heading of the panel, replaced when set again: bmr_screen_fact(s, "image", "http://...").
 * Other kinds show it once, as a message. */
void bmr_screen_fact(struct bmr_screen *s, const char *name, const char *value);

/* One message line, without a newline. */
void bmr_screen_say(struct bmr_screen *s, const char *line);

/* Show the progress of p until bmr_screen_unwatch.  Sizes as in progress.h.
 * Errors: BMR_E_NOMEM (no thread): the restore can go on without. */
int bmr_screen_watch(struct bmr_screen *s, const struct bmr_restore_progress *p, uint64_t file_size,
                     uint64_t disk_size, struct bmr_err *e);
void bmr_screen_unwatch(struct bmr_screen *s);

/* The last word: a panel shows it in a box that can be photographed, others line by line.
 * `lines` is newline-separated text. */
void bmr_screen_result(struct bmr_screen *s, bool good, const char *title, const char *lines);

#endif
