/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tail.h - the last lines of the log, for a report of a failure. */
#ifndef BMR_AGENT_TAIL_H
#define BMR_AGENT_TAIL_H

#include <pthread.h>
#include <stddef.h>

#define BMR_TAIL_SIZE (64 << 10)

/* Zeroed and then opened; any thread may add. */
struct bmr_tail {
	pthread_mutex_t lock; /* guards both */
	char *text;           /* BMR_TAIL_SIZE bytes, or NULL: nothing was added yet */
	size_t len;
};

void bmr_tail_open(struct bmr_tail *tail);
void bmr_tail_close(struct bmr_tail *tail);

/* Add one line (without its newline); whole lines at the beginning go to make room for it.  A line of
 * BMR_TAIL_SIZE bytes or more, and one for which there is no memory, is left out. */
void bmr_tail_add(struct bmr_tail *tail, const char *line);

/* What there is: whole lines, each with its newline.  Owned by the caller; NULL: nothing, or no
 * memory. */
char *bmr_tail_copy(struct bmr_tail *tail);

#endif
