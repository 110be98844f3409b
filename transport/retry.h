/* SPDX-License-Identifier: GPL-3.0-or-later */
/* retry.h - when to try again, how long to wait before, and when to give up.
 *
 * One struct bmr_retry stands for one piece of work (open, one read).  Only progress starts its
 * count and its clock anew.
 */
#ifndef BMR_TRANSPORT_RETRY_H
#define BMR_TRANSPORT_RETRY_H

#include <stdbool.h>
#include <stdint.h>

struct bmr_err;
struct bmr_log;

#define BMR_RETRY_FIRST_MS 250
#define BMR_RETRY_LONGEST_MS 4000

struct bmr_retry {
	struct bmr_log *log;
	unsigned timeout_ms;
	unsigned retries;
	int stop_fd;

	uint64_t since;    /* bmr_clock_ms of the start or of the last progress */
	unsigned attempts; /* failed in a row */
	unsigned delay_ms; /* before the next try */
};

/* Start the clock.  retries: tries after the first failed one, also 0; log may be NULL; stop_fd may be
 * -1. */
void bmr_retry_begin(struct bmr_retry *r, struct bmr_log *log, unsigned timeout_ms,
                     unsigned retries, int stop_fd);

/* Bytes came: what failed before no longer counts. */
void bmr_retry_progress(struct bmr_retry *r);

/* Bytes came that do not bring the work forward (they had been seen before): the server lives, so
 * its clock starts anew, but the number of tries does not. */
void bmr_retry_alive(struct bmr_retry *r);

/* A try failed with *e.  0: the wait is over, try again; a notice was said.  -1: give up with *e,
 * because the error is none that a retry cures, or a limit is reached (*e then says so), or the
 * work was stopped (BMR_E_STOPPED). */
int bmr_retry_again(struct bmr_retry *r, struct bmr_err *e);

/* Milliseconds until it will give up. */
unsigned bmr_retry_left_ms(const struct bmr_retry *r);

/* Wait for ms milliseconds.  false: stop_fd became readable. */
bool bmr_retry_sleep(int stop_fd, unsigned ms);

/* Has stop_fd become readable? */
bool bmr_retry_stopped(int stop_fd);

#endif
