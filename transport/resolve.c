/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transport/resolve.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"

/* Belongs to the look-up's thread and to the one that waits; the last to leave frees it. */
struct lookup {
	atomic_int users;
	int done_fd;      /* readable when done */
	atomic_bool done; /* the fields below are filled */
	int rc;           /* of getaddrinfo */
	char address[NI_MAXHOST];
	char host[];
};

static void leave(struct lookup *l)
{
	if (atomic_fetch_sub(&l->users, 1) > 1)
		return;
	close(l->done_fd);
	free(l);
}

static void *look_up(void *arg)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct lookup *l = arg;
	struct addrinfo *found = NULL;

	l->rc = getaddrinfo(l->host, NULL, &hints, &found);
	if (l->rc == 0)
		l->rc = getnameinfo(found->ai_addr, found->ai_addrlen, l->address,
		                    sizeof l->address, NULL, 0, NI_NUMERICHOST);
	if (found)
		freeaddrinfo(found);
	atomic_store(&l->done, true);
	eventfd_write(l->done_fd, 1);
	leave(l);
	return NULL;
}

static int start_thread(struct lookup *l)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rc = pthread_create(&thread, &attr, look_up, l);
	pthread_attr_destroy(&attr);
	return rc;
}

static int await(struct lookup *l, uint64_t deadline, int stop_fd, char *address, struct bmr_err *e)
{
	struct pollfd fds[] = {
		{.fd = l->done_fd, .events = POLLIN},
		{.fd = stop_fd, .events = POLLIN},
	};
	int n;

	do {
		n = poll(fds, 2, bmr_clock_left(deadline));
	} while (n < 0 && errno == EINTR);
	if (fds[1].revents)
		return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
	if (!atomic_load(&l->done))
		return bmr_err_set(e, BMR_E_NET, 0, "no name server answers for host '%s'",
		                   l->host);
	if (l->rc != 0)
		return bmr_err_set(e, BMR_E_NET, 0, "cannot find the address of host '%s': %s",
		                   l->host, gai_strerror(l->rc));
	memcpy(address, l->address, NI_MAXHOST);
	return 0;
}

int bmr_resolve(const char *host, uint64_t deadline, int stop_fd, char address[NI_MAXHOST],
                struct bmr_err *e)
{
	size_t size = strlen(host) + 1;
	struct lookup *l = calloc(1, sizeof *l + size);
	int rc;

	if (!l)
		return bmr_err_nomem(e, "a host name");
	memcpy(l->host, host, size);
	atomic_init(&l->users, 2);
	l->done_fd = eventfd(0, EFD_CLOEXEC);
	if (l->done_fd < 0 || start_thread(l) != 0) {
		atomic_store(&l->users, 1);
		leave(l);
		return bmr_err_set(e, BMR_E_NOMEM, 0, "no thread to look up host '%s'", host);
	}
	rc = await(l, deadline, stop_fd, address, e);
	leave(l);
	return rc;
}
