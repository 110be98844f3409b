/* SPDX-License-Identifier: GPL-3.0-or-later */
/* stop.h - how a source that waits for its server is told to end; private to transport/.
 *
 * There is one descriptor to wait for, an epoll(7) one: it becomes readable when the source itself is
 * stopped, or all that its user does.
 */
#ifndef BMR_TRANSPORT_STOP_H
#define BMR_TRANSPORT_STOP_H

struct bmr_err;

struct bmr_stop {
	int own; /* eventfd(2), written to by bmr_stop_now */
	int fd;  /* readable from then on, or once the user's is */
};

/* outer: the user's descriptor, which must outlive *s; 0: none.  *s is to be closed also after a
 * failure.  Errors: BMR_E_NOMEM. */
int bmr_stop_open(struct bmr_stop *s, int outer, struct bmr_err *e);

/* Any thread. */
void bmr_stop_now(const struct bmr_stop *s);

void bmr_stop_close(struct bmr_stop *s);

#endif
