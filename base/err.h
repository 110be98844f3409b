/* SPDX-License-Identifier: GPL-3.0-or-later */
/* err.h - how a function says why it failed.
 *
 * A function that can fail takes a struct bmr_err and returns -1 after filling it.  The code says
 * how the caller may react, the message says what happened, cause first:
 *
 *	cannot write '/dev/sda': Input/output error; while writing chunk 333 of 500
 *
 * The struct lives on a stack and holds its text, so it works when memory has run out.  Nothing
 * below agent/ prints one.
 */
#ifndef BMR_BASE_ERR_H
#define BMR_BASE_ERR_H

#include <stdarg.h>

enum bmr_errc { /* one for each different reaction */
	BMR_E_NONE = 0,
	BMR_E_USAGE,   /* the order is wrong; a person must change it		exit 64 */
	BMR_E_DATA,    /* the image is damaged, changed or lies; no retry	exit 65 */
	BMR_E_NET,     /* the source did not answer; a retry may help		exit 69 */
	BMR_E_SOURCE,  /* the source answered: no; a retry is useless		exit 69 */
	BMR_E_BUG,     /* an invariant does not hold				exit 70 */
	BMR_E_NOMEM,   /* out of memory, threads or descriptors		exit 71 */
	BMR_E_TARGET,  /* the disk failed					exit 74 */
	BMR_E_REFUSED, /* a rule that protects a disk says no			exit 77 */
	BMR_E_STOPPED, /* asked to stop, or another thread failed first	exit 75 */
};

struct bmr_err {
	enum bmr_errc code;
	int sys;       /* errno of the cause, 0 if there is none */
	char msg[512]; /* one line, no capital, no full stop, names in quotes */
};

/* Fill *e, replacing what it held.  If sys is not 0, ": strerror(sys)" is added.  Control
 * characters of the arguments (names from servers, disks) come out as '?', passwords of URLs
 * (login.h) as "***".  Returns -1. */
int bmr_err_set(struct bmr_err *e, enum bmr_errc code, int sys, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The same for a va_list. */
int bmr_err_vset(struct bmr_err *e, enum bmr_errc code, int sys, const char *fmt, va_list ap)
	__attribute__((format(printf, 4, 0)));

/* Add "; while ..." to what *e says; a full message loses outer context, never the cause.
 * Returns -1. */
int bmr_err_while(struct bmr_err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Out of memory while allocating `what`.  Returns -1. */
int bmr_err_nomem(struct bmr_err *e, const char *what);

/* The exit code of a program that stops because of this: see the table above and bmr(8). */
int bmr_err_exit_code(enum bmr_errc code);

/* A stable short word for events and scripts: "usage", "data", "net", ... */
const char *bmr_err_name(enum bmr_errc code);

#endif
