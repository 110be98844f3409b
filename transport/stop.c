/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transport/stop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"

int bmr_stop_open(struct bmr_stop *s, int outer, struct bmr_err *e)
{
	struct epoll_event readable = {.events = EPOLLIN};

	s->own = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->own < 0 || s->fd < 0 || epoll_ctl(s->fd, EPOLL_CTL_ADD, s->own, &readable) < 0 ||
	    (outer && epoll_ctl(s->fd, EPOLL_CTL_ADD, outer, &readable) < 0))
		return bmr_err_set(e, BMR_E_NOMEM, errno, "cannot make an eventfd");
	return 0;
}

void bmr_stop_now(const struct bmr_stop *s)
{
	/* Fails only if the counter is full: then it is readable already. */
	eventfd_write(s->own, 1);
}

void bmr_stop_close(struct bmr_stop *s)
{
	if (s->fd >= 0)
		close(s->fd);
	if (s->own >= 0)
		close(s->own);
}
