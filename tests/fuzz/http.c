/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http - any bytes as what an HTTP server answers: an image with the size that it said, or an error.
 *
 * The first byte is where reading begins, in units of 512 bytes; the rest are answers, one for each
 * connection, parted by the two bytes 0 and 255.  When there are no more, connections are closed. */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "transport/source_ops.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define READS_MOST 64 /* a small answer may stand for a very large image */
#define WAIT_MS 300

static int listener;
static char url_text[64];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const uint8_t *answers; /* of this run, what has not been sent; under the lock */
static size_t left;

static void check(int good)
{
	if (!good)
		abort();
}

static size_t take_answer(uint8_t *answer)
{
	size_t len = 0;
	size_t skip = 0;
	const uint8_t *end;

	pthread_mutex_lock(&lock);
	if (left > 0) {
		end = memmem(answers, left, "\0\377", 2);
		len = end ? (size_t)(end - answers) : left;
		skip = end ? len + 2 : len;
		memcpy(answer, answers, len);
		answers += skip;
		left -= skip;
	}
	pthread_mutex_unlock(&lock);
	return len;
}

static void wait_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	poll(&p, 1, WAIT_MS);
}

static void serve(int fd)
{
	static uint8_t answer[1 << 16];
	char request[4096];
	size_t len;

	wait_readable(fd);
	if (recv(fd, request, sizeof request, MSG_DONTWAIT) <= 0)
		return;
	len = take_answer(answer);
	if (send(fd, answer, len, MSG_NOSIGNAL) < 0)
		return;
	/* A close with unread bytes would throw the answer away. */
	shutdown(fd, SHUT_WR);
	wait_readable(fd);
	while (recv(fd, request, sizeof request, MSG_DONTWAIT) > 0)
		wait_readable(fd);
}

static void *serve_all(void *ctx)
{
	(void)ctx;
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			continue;
		serve(fd);
		close(fd);
	}
	return NULL;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof address;
	pthread_t thread;

	(void)argc;
	(void)argv;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	check(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 &&
	      listen(listener, 16) == 0);
	getsockname(listener, (struct sockaddr *)&address, &len);
	snprintf(url_text, sizeof url_text, "http://127.0.0.1:%u/x", ntohs(address.sin_port));
	check(pthread_create(&thread, NULL, serve_all, NULL) == 0);
	return 0;
}

static void check_error(const struct bmr_err *e)
{
	check(e->code == BMR_E_NET || e->code == BMR_E_SOURCE || e->code == BMR_E_DATA ||
	      e->code == BMR_E_NOMEM);
	check(*e->msg);
}

/* From off to the end, or to as much as has been enough. */
static void read_all(struct bmr_conn *conn, uint64_t off)
{
	static uint8_t buf[1 << 16];
	struct bmr_err e = {0};
	size_t got = sizeof buf;

	for (int i = 0; i < READS_MOST && got == sizeof buf; i++) {
		bool known = conn->size != BMR_SOURCE_SIZE_UNKNOWN;
		size_t len = sizeof buf;

		if (known && off >= conn->size)
			return;
		if (known && conn->size - off < len)
			len = (size_t)(conn->size - off);
		if (bmr_http_ops.read(conn, buf, len, off, &got, &e) < 0) {
			check_error(&e);
			return;
		}
		check(got <= len && (!known || got == len));
		off += got;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bmr_source_options options = {.timeout_ms = 3 * WAIT_MS, .retries = 1};
	struct bmr_source_options own = {0};
	struct bmr_place place = {.stop_fd = -1};
	struct bmr_conn *conn = NULL;
	struct bmr_err e = {0};
	struct bmr_url url;
	uint64_t off;

	if (size < 1 || size > 1 << 16)
		return 0;
	off = (uint64_t)data[0] * 512;
	pthread_mutex_lock(&lock);
	answers = data + 1;
	left = size - 1;
	pthread_mutex_unlock(&lock);
	check(bmr_url_parse(url_text, &url, &e) == 0);
	bmr_place_fill(&place, &url, &options, &own);
	if (bmr_http_ops.open(&place, off, &conn, &e) == 0) {
		read_all(conn, off);
		bmr_http_ops.close(conn);
	} else {
		check_error(&e);
	}
	bmr_url_clear(&url);
	pthread_mutex_lock(&lock);
	left = 0;
	pthread_mutex_unlock(&lock);
	return 0;
}
