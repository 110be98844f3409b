/* SPDX-License-Identifier: GPL-3.0-or-later */
/* session.h - one run of bmr: its parameters, log, screen, events, and how it is stopped.
 *
 * Lower layers get the log; what they say there appears on the screen, in the log file and as
 * "notice" events, without secrets.
 */
#ifndef BMR_AGENT_SESSION_H
#define BMR_AGENT_SESSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "agent/events.h"
#include "agent/options.h"
#include "agent/screen.h"
#include "agent/tail.h"

struct bmr_err;
struct bmr_log;

struct bmr_session {
	struct bmr_options *options; /* borrowed; params inside are the orders */
	bool live;                   /* the live system's: what follows a success is said with it */
	struct bmr_log *log;
	struct bmr_screen *screen;
	struct bmr_events *events;
	FILE *log_file; /* NULL: none */
	struct bmr_tail tail;
	atomic_bool stop; /* set by SIGINT, SIGTERM, SIGHUP; a second one ends at once */
	int stop_fd;      /* readable from then on: every source and sink is opened with it */
	pthread_t signals;
};

/* Start: log, screen on standard error (quiet: none), events as ordered by options, signals.
 * Must be called before any other thread is started.  Errors: BMR_E_NOMEM, BMR_E_USAGE. */
int bmr_session_open(struct bmr_options *options, bool on_stderr, struct bmr_session *s,
                     struct bmr_err *e);

/* Send what is left of reports (10 s at most) and free all. */
void bmr_session_close(struct bmr_session *s);

/* Keep every line said in this file too; a file that cannot be written is left out. */
void bmr_session_log_to(struct bmr_session *s, const char *path);

/* Say a failure on the screen, in the log and as the last event; a report server gets the end of the
 * log before it.  Returns the exit code. */
int bmr_session_failed(struct bmr_session *s, const struct bmr_err *err);

#endif
