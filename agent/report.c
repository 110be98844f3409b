/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/report.h"

#include <curl/curl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "transport/resolve.h"
#include "transport/url.h"

#define QUEUE_MAX 1000
#define POST_TIMEOUT_MS 5000
#define RETRY_MS 1000
#define SYSLOG_PORT "514"
/* RFC 5424: facility 1 (user), severity 6 (informational). */
#define SYSLOG_PRIORITY 14

struct line {
	struct line *next;
	char text[];
};

struct bmr_report {
	char *url; /* read-only while the thread runs, as is all down to lock */
	char *ca_file;
	char *host; /* syslog: where to */
	char *port;
	struct bmr_log *log;
	int stop_fd; /* readable once give_up is set */
	pthread_t thread;

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	struct line *first;
	struct line **last;
	unsigned count;
	bool closing; /* no more lines will come; end when the queue is empty */
	bool give_up; /* end now */
	bool ended;   /* the thread does nothing more */
	bool complained;
};

/* --- carrying one line --- */

static size_t discard(char *data, size_t size, size_t n, void *ctx)
{
	(void)data;
	(void)ctx;
	return size * n;
}

static int aborted(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct bmr_report *r = ctx;
	bool give_up;

	(void)a;
	(void)b;
	(void)c;
	(void)d;
	pthread_mutex_lock(&r->lock);
	give_up = r->give_up;
	pthread_mutex_unlock(&r->lock);
	return give_up;
}

static void set_options(CURL *c, struct bmr_report *r, struct curl_slist *headers, const char *text)
{
	curl_easy_setopt(c, CURLOPT_URL, r->url);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c, CURLOPT_POSTFIELDS, text);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)POST_TIMEOUT_MS);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, discard);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, aborted);
	curl_easy_setopt(c, CURLOPT_XFERINFODATA, r);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	/* A name server that is dead must not hold us longer than the time-out. */
	curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);
	if (r->ca_file) {
		curl_easy_setopt(c, CURLOPT_CAINFO, r->ca_file);
		curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
	}
}

static bool post(struct bmr_report *r, const char *text, char *reason, size_t len)
{
	CURL *c = curl_easy_init();
	struct curl_slist *headers = NULL;
	CURLcode rc = CURLE_OUT_OF_MEMORY;
	char detail[CURL_ERROR_SIZE] = "";

	headers = curl_slist_append(headers, "Content-Type: application/x-ndjson");
	if (c && headers) {
		set_options(c, r, headers, text);
		curl_easy_setopt(c, CURLOPT_ERRORBUFFER, detail);
		rc = curl_easy_perform(c);
	}
	snprintf(reason, len, "%.*s", (int)len - 1, *detail ? detail : curl_easy_strerror(rc));
	curl_slist_free_all(headers);
	curl_easy_cleanup(c);
	return rc == CURLE_OK;
}

/* The host's address; its name is looked up in bounded time. */
static struct addrinfo *find_address(struct bmr_report *r, char *reason, size_t len)
{
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM,
	                         .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	char address[NI_MAXHOST];
	struct bmr_err err;
	int rc;

	if (bmr_resolve(r->host, bmr_clock_ms() + POST_TIMEOUT_MS, r->stop_fd, address, &err) < 0) {
		snprintf(reason, len, "%.*s", (int)len - 1, err.msg);
		return NULL;
	}
	rc = getaddrinfo(address, r->port, &hints, &found);
	if (rc != 0)
		snprintf(reason, len, "%s", gai_strerror(rc));
	return rc == 0 ? found : NULL;
}

static bool send_datagram(struct bmr_report *r, const char *text, char *reason, size_t len)
{
	AUTO_FREE char *message = NULL;
	struct addrinfo *to = find_address(r, reason, len);
	bool sent = false;
	int n;

	if (!to)
		return false;
	n = asprintf(&message, "<%d>1 - - bmr - - - %s", SYSLOG_PRIORITY, text);
	if (n >= 0) {
		AUTO_FD int fd = socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		sent = fd >= 0 &&
		       sendto(fd, message, (size_t)n, 0, to->ai_addr, to->ai_addrlen) == n;
	}
	freeaddrinfo(to);
	snprintf(reason, len, "cannot send to %s port %s", r->host, r->port);
	return sent;
}

static bool carry(struct bmr_report *r, const char *text, char *reason, size_t len)
{
	return r->host ? send_datagram(r, text, reason, len) : post(r, text, reason, len);
}

/* --- the thread --- */

/* Take the first line off the queue; NULL when the thread is to end. */
static struct line *take(struct bmr_report *r)
{
	struct line *l = NULL;

	pthread_mutex_lock(&r->lock);
	while (!r->first && !r->closing && !r->give_up)
		pthread_cond_wait(&r->changed, &r->lock);
	if (r->first && !r->give_up) {
		l = r->first;
		r->first = l->next;
		r->count--;
		if (!r->first)
			r->last = &r->first;
	}
	pthread_mutex_unlock(&r->lock);
	return l;
}

static bool give_up_or_wait(struct bmr_report *r)
{
	bool give_up;

	pthread_mutex_lock(&r->lock);
	if (!r->give_up)
		bmr_cond_wait_ms(&r->changed, &r->lock, RETRY_MS);
	give_up = r->give_up;
	pthread_mutex_unlock(&r->lock);
	return give_up;
}

static void *carrier_main(void *arg)
{
	struct bmr_report *r = arg;
	struct line *l;

	while ((l = take(r)) != NULL) {
		char reason[160];
		bool give_up = false;

		while (!give_up && !carry(r, l->text, reason, sizeof reason)) {
			if (!r->complained)
				bmr_log_say(r->log, BMR_LOG_NOTICE,
				            "cannot deliver reports (%s); going on without",
				            reason);
			r->complained = true;
			give_up = give_up_or_wait(r);
		}
		free(l);
	}
	pthread_mutex_lock(&r->lock);
	r->ended = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* --- public --- */

static void free_report(struct bmr_report *r)
{
	while (r->first) {
		struct line *l = r->first;

		r->first = l->next;
		free(l);
	}
	free(r->url);
	free(r->ca_file);
	free(r->host);
	free(r->port);
	if (r->stop_fd >= 0)
		close(r->stop_fd);
	free(r);
}

/* "syslog://host[:port]", IPv6 in brackets. */
static bool parse_syslog(struct bmr_report *r, const char *rest)
{
	const char *host = *rest == '[' ? rest + 1 : rest;
	const char *end = *rest == '[' ? strchr(host, ']') : host + strcspn(host, ":/");
	const char *after;

	if (!end || end == host)
		return false;
	r->host = strndup(host, (size_t)(end - host));
	after = *end == ']' ? end + 1 : end;
	if (*after == ':')
		r->port = strndup(after + 1, strcspn(after + 1, "/"));
	else if (*after == '\0' || *after == '/')
		r->port = strdup(SYSLOG_PORT);
	return r->host && r->port && *r->port && strspn(r->port, "0123456789") == strlen(r->port);
}

static bool parse_url(struct bmr_report *r, const char *url)
{
	if (strncmp(url, "syslog://", 9) == 0)
		return parse_syslog(r, url + 9);
	return (strncmp(url, "http://", 7) == 0 && url[7]) ||
	       (strncmp(url, "https://", 8) == 0 && url[8]);
}

static int read_url(struct bmr_report *r, const char *url, struct bmr_err *e)
{
	if (bmr_url_check_login(url, e) < 0)
		return -1;
	if (parse_url(r, url))
		return 0;
	return bmr_err_set(e, BMR_E_USAGE, 0,
	                   "'%s' is no place for reports: they go to http://, https:// or "
	                   "syslog://host[:port]",
	                   url);
}

int bmr_report_check(const char *url, struct bmr_err *e)
{
	struct bmr_report *r = calloc(1, sizeof *r);
	int rc;

	if (!r)
		return bmr_err_nomem(e, "reports");
	r->stop_fd = -1;
	rc = read_url(r, url, e);
	free_report(r);
	return rc;
}

int bmr_report_open(const char *url, const char *ca_file, struct bmr_log *log,
                    struct bmr_report **out, struct bmr_err *e)
{
	struct bmr_report *r = calloc(1, sizeof *r);
	int rc;

	if (!r)
		return bmr_err_nomem(e, "reports");
	r->last = &r->first;
	r->log = log;
	r->stop_fd = eventfd(0, EFD_CLOEXEC);
	r->url = strdup(url);
	r->ca_file = ca_file ? strdup(ca_file) : NULL;
	if (r->stop_fd < 0 || !r->url || (ca_file && !r->ca_file)) {
		free_report(r);
		return bmr_err_nomem(e, "reports");
	}
	if (read_url(r, url, e) < 0) {
		free_report(r);
		return -1;
	}
	pthread_mutex_init(&r->lock, NULL);
	bmr_cond_init(&r->changed);
	rc = pthread_create(&r->thread, NULL, carrier_main, r);
	if (rc != 0) {
		free_report(r);
		return bmr_err_set(e, BMR_E_NOMEM, rc, "cannot start the thread for reports");
	}
	*out = r;
	return 0;
}

static void drop_oldest(struct bmr_report *r)
{
	struct line *l = r->first;

	r->first = l->next;
	if (!r->first)
		r->last = &r->first;
	r->count--;
	free(l);
}

void bmr_report_send(struct bmr_report *r, const char *line)
{
	size_t len = strlen(line);
	struct line *l;

	if (!r)
		return;
	l = malloc(sizeof *l + len + 2);
	if (!l)
		return; /* a report that is lost changes nothing */
	memcpy(l->text, line, len);
	memcpy(l->text + len, r->host ? "" : "\n", r->host ? 1 : 2);
	l->next = NULL;
	pthread_mutex_lock(&r->lock);
	if (r->count >= QUEUE_MAX)
		drop_oldest(r);
	*r->last = l;
	r->last = &l->next;
	r->count++;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

bool bmr_report_takes_long(const struct bmr_report *r)
{
	return r && !r->host;
}

void bmr_report_close(struct bmr_report *r, unsigned wait)
{
	uint64_t until = bmr_clock_ms() + wait;

	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->closing = true;
	pthread_cond_broadcast(&r->changed);
	while (!r->ended && bmr_clock_left(until) > 0)
		bmr_cond_wait_ms(&r->changed, &r->lock, (unsigned)bmr_clock_left(until));
	r->give_up = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	eventfd_write(r->stop_fd, 1);
	pthread_join(r->thread, NULL);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free_report(r);
}
