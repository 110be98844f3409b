/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sink_curl.c - a captured image on a web server (PUT, RFC 9110, 9.3.4) or an FTP server.
 *
 * HTTP has no rename: the bytes go to the final name in chunks, and without the last chunk a server
 * has no complete request to act upon.  FTP takes them under the other name and renames.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <curl/curl.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "transport/http_answer.h"
#include "transport/http_setup.h"
#include "transport/sink_ops.h"

#define POLL_MS 1000
#define DELETE_MS 3000

struct curl_drain {
	struct bmr_drain drain;
	const struct bmr_place *place;
	struct bmr_place impatient; /* while the end is tidied up */
	CURLM *multi;
	CURL *easy;
	struct curl_slist *lines; /* headers, or commands behind the transfer */
	bool ftp;
	bool replace;
	bool attached;
	struct bmr_http_detail detail;

	/* What libcurl may take. */
	const char *data;
	size_t left;
	bool ended; /* there will be no more */
	bool paused;
	bool done;
	CURLcode result;
	uint64_t last_ms;
};

/* CURLOPT_READFUNCTION */
static size_t give(char *to, size_t one, size_t room, void *arg)
{
	struct curl_drain *d = arg;
	size_t n = d->left < room ? d->left : room;

	(void)one;
	if (n == 0 && !d->ended) {
		d->paused = true;
		return CURL_READFUNC_PAUSE;
	}
	if (n > 0)
		memcpy(to, d->data, n);
	d->data += n;
	d->left -= n;
	d->last_ms = bmr_clock_ms();
	return n;
}

/* CURLOPT_WRITEFUNCTION: what a server says about a PUT is for people who read pages. */
static size_t drop(char *data, size_t one, size_t n, void *arg)
{
	(void)data;
	(void)one;
	(void)arg;
	return n;
}

static void perform(struct curl_drain *d)
{
	CURLMsg *message;
	int n;

	curl_multi_perform(d->multi, &n);
	while ((message = curl_multi_info_read(d->multi, &n)) != NULL) {
		if (message->msg != CURLMSG_DONE)
			continue;
		d->done = true;
		d->result = message->data.result;
	}
}

static int wait_for_server(struct curl_drain *d, struct bmr_err *e)
{
	struct curl_waitfd stop = {.fd = d->place->stop_fd, .events = CURL_WAIT_POLLIN};
	int left = bmr_clock_left(d->last_ms + d->place->stall_ms);

	if (left == 0)
		return bmr_err_set(e, BMR_E_NET, 0, "'%s' takes nothing (for %u.%u s)",
		                   d->place->url->safe, d->place->stall_ms / 1000,
		                   d->place->stall_ms / 100 % 10);
	curl_multi_poll(d->multi, &stop, 1, left < POLL_MS ? left : POLL_MS, NULL);
	if (stop.revents)
		return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
	return 0;
}

/* Until all that was given is taken, or the transfer is over. */
static int drive(struct curl_drain *d, struct bmr_err *e)
{
	d->last_ms = bmr_clock_ms();
	if (d->paused) {
		d->paused = false;
		curl_easy_pause(d->easy, CURLPAUSE_CONT); /* a failure comes as the result */
	}
	for (;;) {
		perform(d);
		if (d->done || (d->paused && d->left == 0))
			break;
		if (wait_for_server(d, e) < 0)
			return -1;
	}
	if (d->done && d->result != CURLE_OK)
		return bmr_http_fault(d->easy, d->result, d->place, &d->detail, e);
	return 0;
}

static void end_transfer(struct curl_drain *d)
{
	if (d->attached)
		curl_multi_remove_handle(d->multi, d->easy);
	d->attached = false;
	curl_slist_free_all(d->lines);
	d->lines = NULL;
	d->done = false;
	d->paused = false;
	d->result = CURLE_OK;
}

static int begin_transfer(struct curl_drain *d, const char *suffix, struct bmr_err *e)
{
	end_transfer(d);
	if (bmr_http_prepare(&d->easy, d->place, suffix, &d->detail, e) < 0)
		return -1;
	curl_easy_setopt(d->easy, CURLOPT_WRITEFUNCTION, drop);
	return 0;
}

static int add_line(struct curl_drain *d, const char *line, struct bmr_err *e)
{
	struct curl_slist *longer = curl_slist_append(d->lines, line);

	if (!longer)
		return bmr_err_nomem(e, "a request");
	d->lines = longer;
	return 0;
}

static int attach(struct curl_drain *d, struct bmr_err *e)
{
	if (curl_multi_add_handle(d->multi, d->easy) != CURLM_OK)
		return bmr_err_nomem(e, "a transfer");
	d->attached = true;
	return 0;
}

/* Did the transfer fail because there is no such file? */
static bool is_missing(struct curl_drain *d)
{
	long status = 0;

	curl_easy_getinfo(d->easy, CURLINFO_RESPONSE_CODE, &status);
	if (d->ftp)
		return d->done && d->result == CURLE_REMOTE_FILE_NOT_FOUND;
	return d->done && (status == 404 || status == 410);
}

/* How long is it?  -1: it is not there, or (FTP) the server does not say. */
static int ask_length(struct curl_drain *d, curl_off_t *length, struct bmr_err *e)
{
	*length = -1;
	if (begin_transfer(d, "", e) < 0)
		return -1;
	curl_easy_setopt(d->easy, CURLOPT_NOBODY, 1L);
	if (attach(d, e) < 0)
		return -1;
	if (drive(d, e) < 0)
		return is_missing(d) ? 0 : -1;
	curl_easy_getinfo(d->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, length);
	if (!d->ftp && *length < 0)
		*length = 0; /* there, and made as it is asked for */
	return 0;
}

static int check_absent(struct curl_drain *d, struct bmr_err *e)
{
	curl_off_t length;

	if (d->replace)
		return 0;
	if (ask_length(d, &length, e) < 0)
		return -1;
	return length < 0 ? 0 : bmr_sink_exists(d->place, e);
}

static const char *base_name(const char *path)
{
	return strrchr(path, '/') + 1;
}

/* libcurl has gone to the file's directory then, so that the names are plain ones. */
static int plan_rename(struct curl_drain *d, struct bmr_err *e)
{
	const char *name = base_name(d->place->url->path);
	AUTO_FREE char *from = NULL;
	AUTO_FREE char *to = NULL;

	if (asprintf(&from, "RNFR %s" BMR_SINK_PART, name) < 0)
		from = NULL;
	if (asprintf(&to, "RNTO %s", name) < 0)
		to = NULL;
	if (!from || !to)
		return bmr_err_nomem(e, "a request");
	if (add_line(d, from, e) < 0 || add_line(d, to, e) < 0)
		return -1;
	curl_easy_setopt(d->easy, CURLOPT_POSTQUOTE, d->lines);
	return 0;
}

static int plan_put(struct curl_drain *d, struct bmr_err *e)
{
	if (add_line(d, "Transfer-Encoding: chunked", e) < 0 ||
	    (!d->replace && add_line(d, "If-None-Match: *", e) < 0))
		return -1;
	curl_easy_setopt(d->easy, CURLOPT_HTTPHEADER, d->lines);
	return 0;
}

static int start_upload(struct curl_drain *d, struct bmr_err *e)
{
	if (begin_transfer(d, d->ftp ? BMR_SINK_PART : "", e) < 0 ||
	    (d->ftp ? plan_rename(d, e) : plan_put(d, e)) < 0)
		return -1;
	curl_easy_setopt(d->easy, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(d->easy, CURLOPT_READFUNCTION, give);
	curl_easy_setopt(d->easy, CURLOPT_READDATA, d);
	if (attach(d, e) < 0 || drive(d, e) < 0)
		return -1;
	if (d->done)
		return bmr_err_set(e, BMR_E_SOURCE, 0, "'%s': the server wants no bytes",
		                   d->place->url->safe);
	return 0;
}

static int curl_write(struct bmr_drain *drain, const void *data, size_t len, uint64_t off,
                      struct bmr_err *e)
{
	struct curl_drain *d = (struct curl_drain *)drain;

	(void)off;
	d->data = data;
	d->left = len;
	if (drive(d, e) < 0)
		return -1;
	if (d->left > 0)
		return bmr_err_set(e, BMR_E_NET, 0, "'%s': the server ended the transfer early",
		                   d->place->url->safe);
	return 0;
}

static int check_status(struct curl_drain *d, struct bmr_err *e)
{
	long status = 0;

	curl_easy_getinfo(d->easy, CURLINFO_RESPONSE_CODE, &status);
	if (d->ftp || status == 200 || status == 201 || status == 204)
		return 0;
	return bmr_err_set(e, BMR_E_SOURCE, 0, "'%s': the server answers PUT with HTTP status %ld",
	                   d->place->url->safe, status);
}

static int curl_commit(struct bmr_drain *drain, uint64_t size, struct bmr_err *e)
{
	struct curl_drain *d = (struct curl_drain *)drain;
	curl_off_t length = -1;

	d->ended = true;
	if (drive(d, e) < 0 || check_status(d, e) < 0)
		return -1;
	if (ask_length(d, &length, e) < 0)
		return -1;
	if (length < 0 || (uint64_t)length != size)
		return bmr_sink_wrong_length(d->place, length < 0 ? 0 : (uint64_t)length, size, e);
	return 0;
}

/* With nothing of the transfer left; the server may be as dead as it was before. */
static void remove_part(struct curl_drain *d)
{
	AUTO_FREE char *command = NULL;
	struct bmr_err ignored;

	d->impatient = *d->place;
	if (d->impatient.stall_ms > DELETE_MS)
		d->impatient.stall_ms = DELETE_MS;
	d->place = &d->impatient;
	if (asprintf(&command, "DELE %s" BMR_SINK_PART, base_name(d->place->url->path)) < 0) {
		command = NULL;
		return;
	}
	if (begin_transfer(d, BMR_SINK_PART, &ignored) < 0 || add_line(d, command, &ignored) < 0)
		return;
	curl_easy_setopt(d->easy, CURLOPT_NOBODY, 1L);
	curl_easy_setopt(d->easy, CURLOPT_POSTQUOTE, d->lines);
	if (attach(d, &ignored) == 0)
		drive(d, &ignored);
}

static void curl_close(struct bmr_drain *drain)
{
	struct curl_drain *d = (struct curl_drain *)drain;
	bool uploading = d->attached && d->ftp && !d->drain.committed;

	end_transfer(d);
	if (uploading)
		remove_part(d);
	if (d->attached)
		curl_multi_remove_handle(d->multi, d->easy);
	curl_slist_free_all(d->lines);
	curl_easy_cleanup(d->easy);
	curl_multi_cleanup(d->multi);
	free(d);
}

/* A name with a line's end in it would be a second FTP command. */
static int check_name(const struct bmr_place *place, struct bmr_err *e)
{
	const char *path = place->url->path;

	for (const char *c = path; *c; c++)
		if ((unsigned char)*c < 0x20)
			return bmr_err_set(e, BMR_E_USAGE, 0,
			                   "the path of the URL has a control character");
	if (*base_name(path) == '\0')
		return bmr_err_set(e, BMR_E_USAGE, 0, "'%s' names no file", place->url->safe);
	return 0;
}

static int curl_open(const struct bmr_place *place, bool replace, struct bmr_drain **out,
                     struct bmr_err *e)
{
	struct curl_drain *d;

	if (check_name(place, e) < 0)
		return -1;
	d = calloc(1, sizeof *d);
	if (!d)
		return bmr_err_nomem(e, "a connection");
	d->place = place;
	d->ftp = place->url->scheme == BMR_URL_FTP;
	d->replace = replace;
	d->multi = curl_multi_init();
	if (!d->multi)
		bmr_err_nomem(e, "a connection");
	else if (check_absent(d, e) == 0 && start_upload(d, e) == 0) {
		*out = &d->drain;
		return 0;
	}
	curl_close(&d->drain);
	return -1;
}

const struct bmr_sink_ops bmr_sink_curl_ops = {
	.open = curl_open,
	.write = curl_write,
	.commit = curl_commit,
	.close = curl_close,
};
