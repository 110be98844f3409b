/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/events.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/report.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"

#define REPORT_WAIT_MS 10000

struct bmr_events {
	struct bmr_log *log;
	double start;
	pthread_mutex_t lock; /* guards all below */
	char host[64];
	int fd; /* -1: no file */
	struct bmr_report *report;
};

static double clock_s(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int bmr_events_open(struct bmr_log *log, struct bmr_events **out, struct bmr_err *e)
{
	struct bmr_events *ev = calloc(1, sizeof *ev);

	if (!ev)
		return bmr_err_nomem(e, "events");
	ev->log = log;
	ev->fd = -1;
	ev->start = clock_s(CLOCK_MONOTONIC);
	pthread_mutex_init(&ev->lock, NULL);
	*out = ev;
	return 0;
}

void bmr_events_close(struct bmr_events *ev)
{
	if (!ev)
		return;
	bmr_report_close(ev->report, REPORT_WAIT_MS);
	if (ev->fd > STDERR_FILENO)
		close(ev->fd);
	pthread_mutex_destroy(&ev->lock);
	free(ev);
}

int bmr_events_to_file(struct bmr_events *ev, const char *path, struct bmr_err *e)
{
	int fd = STDOUT_FILENO;

	if (strcmp(path, "-") != 0)
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0)
		return bmr_err_set(e, BMR_E_USAGE, errno, "cannot write events to '%s'", path);
	ev->fd = fd;
	return 0;
}

int bmr_events_to_url(struct bmr_events *ev, const char *url, const char *ca_file,
                      struct bmr_err *e)
{
	return bmr_report_open(url, ca_file, ev->log, &ev->report, e);
}

void bmr_events_host(struct bmr_events *ev, const char *host)
{
	pthread_mutex_lock(&ev->lock);
	snprintf(ev->host, sizeof ev->host, "%s", host);
	pthread_mutex_unlock(&ev->lock);
}

/* A full disk or a closed pipe loses events and nothing else. */
static void write_line(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

static char *build(struct bmr_events *ev, const char *name,
                   void (*add)(void *ctx, struct bmr_json *j), void *ctx, size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);
	struct bmr_json j = {.out = out};

	if (!out)
		return NULL;
	bmr_json_open(&j, NULL, '{');
	bmr_json_text(&j, "event", name); /* ours, whatever the secrets are */
	j.log = ev->log;
	bmr_json_seconds(&j, "time", clock_s(CLOCK_REALTIME));
	bmr_json_seconds(&j, "seconds", clock_s(CLOCK_MONOTONIC) - ev->start);
	bmr_json_text(&j, "host", ev->host);
	if (add)
		add(ctx, &j);
	bmr_json_close(&j, '}');
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

void bmr_events_send(struct bmr_events *ev, const char *name,
                     void (*add)(void *ctx, struct bmr_json *j), void *ctx)
{
	AUTO_FREE char *text = NULL;
	size_t len;

	if (!ev)
		return;
	pthread_mutex_lock(&ev->lock);
	text = build(ev, name, add, ctx, &len);
	if (text) {
		if (ev->fd >= 0) {
			write_line(ev->fd, text, len);
			write_line(ev->fd, "\n", 1);
		}
		bmr_report_send(ev->report, text);
	}
	pthread_mutex_unlock(&ev->lock);
}

struct member {
	const char *name;
	const char *value;
};

static void add_member(void *ctx, struct bmr_json *j)
{
	const struct member *m = ctx;

	bmr_json_text(j, m->name, m->value);
}

void bmr_events_text(struct bmr_events *ev, const char *name, const char *member, const char *value)
{
	struct member m = {member, value};

	bmr_events_send(ev, name, add_member, &m);
}

void bmr_events_log(struct bmr_events *ev, const char *text)
{
	struct member m = {"text", text};
	AUTO_FREE char *line = NULL;
	size_t len;

	if (!ev)
		return;
	pthread_mutex_lock(&ev->lock);
	if (bmr_report_takes_long(ev->report))
		line = build(ev, "log", add_member, &m, &len);
	if (line)
		bmr_report_send(ev->report, line);
	pthread_mutex_unlock(&ev->lock);
}
