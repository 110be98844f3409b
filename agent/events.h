/* SPDX-License-Identifier: GPL-3.0-or-later */
/* events.h - what happens, for programs: one JSON object a line (NDJSON), with stable names.
 *
 * Every object has "event", "time" (seconds since 1970), "seconds" (since the start) and "host"
 * (machine UUID, MAC or host name, whichever is known).  docs/events.md lists the events and their
 * members.  The last one is "restored", "captured", "verified", "planned" or "failed".
 *
 * Events go to a file or descriptor, and by a thread of its own to a report URL (report.h); none of
 * them ever changes the result of a restore.  Any thread may send.
 */
#ifndef BMR_AGENT_EVENTS_H
#define BMR_AGENT_EVENTS_H

#include "agent/json.h"

struct bmr_err;
struct bmr_events;
struct bmr_log;
struct bmr_report;

/* `log` takes the secrets out.  Errors: BMR_E_NOMEM. */
int bmr_events_open(struct bmr_log *log, struct bmr_events **out, struct bmr_err *e);

/* Free; reports that are still under way are waited for, 10 s at most.  NULL is allowed. */
void bmr_events_close(struct bmr_events *ev);

/* Append the lines to a file, "-" is standard output.  Errors: BMR_E_USAGE (cannot be opened). */
int bmr_events_to_file(struct bmr_events *ev, const char *path, struct bmr_err *e);

/* Send them to a report URL: see report.h.  The same errors. */
int bmr_events_to_url(struct bmr_events *ev, const char *url, const char *ca_file,
                      struct bmr_err *e);

/* Who says so; copied. */
void bmr_events_host(struct bmr_events *ev, const char *host);

/* One event: add() writes its further members, and may be NULL.  ev may be NULL: nothing is sent. */
void bmr_events_send(struct bmr_events *ev, const char *name,
                     void (*add)(void *ctx, struct bmr_json *j), void *ctx);

/* One event with one text member. */
void bmr_events_text(struct bmr_events *ev, const char *name, const char *member,
                     const char *value);

/* The event "log" with `text`, to a report URL that takes lines of any length and to nothing else:
 * a file of events lies on the machine where the log is. */
void bmr_events_log(struct bmr_events *ev, const char *text);

#endif
