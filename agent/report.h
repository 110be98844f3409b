/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report.h - carries event lines to a server, from a thread of its own.
 *
 *	http://host[:port]/path, https://...	one POST an event, Content-Type application/x-ndjson
 *	syslog://host[:port]			one UDP datagram an event, RFC 5424 over RFC 5426
 *
 * A line that cannot be delivered is tried again until it is, or until bmr_report_close gives up;
 * at most 1,000 lines wait, then the oldest are dropped.  What a server answers is not read.
 */
#ifndef BMR_AGENT_REPORT_H
#define BMR_AGENT_REPORT_H

#include <stdbool.h>

struct bmr_err;
struct bmr_log;
struct bmr_report;

/* Is url one that reports can go to?  Errors: BMR_E_USAGE, BMR_E_NOMEM. */
int bmr_report_check(const char *url, struct bmr_err *e);

/* Start; nothing is connected yet.  The first failure to deliver is said in the log.
 * Errors: BMR_E_USAGE (not such a URL), BMR_E_NOMEM. */
int bmr_report_open(const char *url, const char *ca_file, struct bmr_log *log,
                    struct bmr_report **out, struct bmr_err *e);

/* Queue one line, which is copied.  Never blocks.  r may be NULL. */
void bmr_report_send(struct bmr_report *r, const char *line);

/* Can a line be longer than a datagram?  false if r is NULL. */
bool bmr_report_takes_long(const struct bmr_report *r);

/* Wait at most wait_ms (by a clock that is never set) for the queue to be delivered, then end the
 * thread, which takes up to a second more.  NULL is allowed. */
void bmr_report_close(struct bmr_report *r, unsigned wait_ms);

#endif
