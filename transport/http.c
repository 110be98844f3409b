/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http.c - an image on a web or FTP server, by libcurl.
 *
 * A transfer runs as long as reads come in order; between reads it stands still and TCP holds the
 * server back.  A read elsewhere starts another transfer, on the same connection if nothing of the
 * last one is left.  So that a restore of what differs is not sent what it does not want, a request
 * by HTTP is for no more than the read; only when one read follows another does it grow.
 *
 * Every answer's ETag, date and length are compared before a byte of it is used.  That is why
 * If-Range is not needed: it would also let a server leave the date out of the answer (RFC 9110,
 * 15.3.7).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <curl/curl.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/size.h"
#include "transport/http_answer.h"
#include "transport/http_setup.h"
#include "transport/source_ops.h"

/* libcurl gives at most this much in one call of receive(). */
#define SPILL_SIZE (BMR_HTTP_BUFFER_SIZE + CURL_MAX_WRITE_SIZE)
/* A gap that is cheaper to read over than to ask anew. */
#define SKIP_MAX (256 * BMR_KIB)
/* What is asked for before it is known how much is wanted, and at least. */
#define WINDOW_LEAST (16 * BMR_KIB)
/* So many reads in a row are one request each; each read after them makes the next request four
 * times as large, up to 4 ^ WINDOW_GROWTH reads: over a long way every request is a pause. */
#define STEADY_READS 4
#define WINDOW_GROWTH 8
/* Long enough for any loaded machine to notice bmr_source_stop in time. */
#define POLL_MS 1000

struct http {
	struct bmr_conn conn;
	const struct bmr_place *place;
	CURLM *multi;
	CURL *easy;
	bool ftp;
	struct bmr_http_detail detail;

	/* The transfer under way. */
	bool attached; /* easy is in multi */
	bool asking;   /* FTP: for size and date; what comes is not the image */
	bool body;     /* its first byte is there */
	bool paused;
	bool done;
	CURLcode result; /* once done */
	uint64_t pos;    /* offset in the image of the next byte */
	uint64_t end; /* offset behind the last byte that this answer has; UINT64_MAX: not known */
	unsigned streak; /* reads, each of which began where the one before ended */
	uint64_t last_ms;

	/* Where receive() puts bytes. */
	char *dst;     /* NULL: they are not wanted */
	uint64_t room; /* how many are */
	char *spill;   /* those that came with the last wanted one */
	size_t spill_at;
	size_t spill_end;
};

/* CURLOPT_WRITEFUNCTION */
static size_t receive(char *data, size_t one, size_t n, void *arg)
{
	struct http *h = arg;
	size_t take = (size_t)bmr_size_min(n, h->room);

	(void)one;
	if (h->asking)
		return n;
	h->body = true;
	if (h->room == 0) {
		h->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	if (n - take > SPILL_SIZE)
		return 0;
	if (h->dst) {
		memcpy(h->dst, data, take);
		h->dst += take;
	}
	h->room -= take;
	h->spill_at = 0;
	h->spill_end = n - take;
	memcpy(h->spill, data + take, n - take);
	h->conn.received += n;
	h->last_ms = bmr_clock_ms();
	return n;
}

static int fault(struct http *h, struct bmr_err *e)
{
	return bmr_http_fault(h->easy, h->result, h->place, &h->detail, e);
}

/* Let libcurl do what it can without waiting. */
static void perform(struct http *h)
{
	CURLMsg *message;
	int n;

	curl_multi_perform(h->multi, &n);
	while ((message = curl_multi_info_read(h->multi, &n)) != NULL) {
		if (message->msg != CURLMSG_DONE)
			continue;
		h->done = true;
		h->result = message->data.result;
	}
}

static int wait_for_server(struct http *h, struct bmr_err *e)
{
	struct curl_waitfd stop = {.fd = h->place->stop_fd, .events = CURL_WAIT_POLLIN};
	int left = bmr_clock_left(h->last_ms + h->place->stall_ms);

	if (left == 0)
		return bmr_err_set(e, BMR_E_NET, 0, "'%s' %s (nothing for %u.%u s)",
		                   h->place->url->safe,
		                   h->body ? "stopped sending" : "does not answer",
		                   h->place->stall_ms / 1000, h->place->stall_ms / 100 % 10);
	curl_multi_poll(h->multi, &stop, 1, left < POLL_MS ? left : POLL_MS, NULL);
	if (stop.revents)
		return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
	return 0;
}

static bool begun(const struct http *h)
{
	return h->body || h->done;
}

static bool full(const struct http *h)
{
	return h->room == 0 || h->done;
}

/* Work and wait until enough(h). */
static int drive(struct http *h, bool (*enough)(const struct http *), struct bmr_err *e)
{
	h->last_ms = bmr_clock_ms();
	while (!enough(h)) {
		perform(h);
		if (enough(h))
			break;
		if (wait_for_server(h, e) < 0)
			return -1;
	}
	return 0;
}

static void end_transfer(struct http *h)
{
	if (h->attached)
		curl_multi_remove_handle(h->multi, h->easy);
	h->attached = false;
	h->body = false;
	h->paused = false;
	h->done = false;
	h->room = 0;
	h->spill_at = 0;
	h->spill_end = 0;
}

static int prepare(struct http *h, struct bmr_err *e)
{
	if (bmr_http_prepare(&h->easy, h->place, "", &h->detail, e) < 0)
		return -1;
	curl_easy_setopt(h->easy, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(h->easy, CURLOPT_WRITEDATA, h);
	return 0;
}

/* Send the request and wait for the head of the answer. */
static int request(struct http *h, struct bmr_err *e)
{
	if (curl_multi_add_handle(h->multi, h->easy) != CURLM_OK)
		return bmr_err_nomem(e, "a transfer");
	h->attached = true;
	if (drive(h, begun, e) < 0)
		return -1;
	if (h->done && h->result != CURLE_OK)
		return fault(h, e);
	return 0;
}

/* FTP: size and date by SIZE and MDTM (RFC 3659), before the bytes. */
static int ask_ftp(struct http *h, struct http_answer *a, struct bmr_err *e)
{
	curl_off_t size = -1;
	curl_off_t date = -1;
	int rc;

	if (prepare(h, e) < 0)
		return -1;
	curl_easy_setopt(h->easy, CURLOPT_NOBODY, 1L);
	h->asking = true;
	rc = request(h, e);
	h->asking = false;
	curl_easy_getinfo(h->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &size);
	curl_easy_getinfo(h->easy, CURLINFO_FILETIME_T, &date);
	end_transfer(h);
	if (rc < 0)
		return -1;
	if (size < 0)
		return bmr_err_set(e, BMR_E_SOURCE, 0,
		                   "'%s': no such file on the server, or no regular one (SIZE is "
		                   "refused)",
		                   h->place->url->safe);
	*a = (struct http_answer){.end = UINT64_MAX};
	a->total = (uint64_t)size;
	a->partial = true;
	snprintf(a->identity, sizeof a->identity, "%" PRIu64 " bytes, modified %lld", a->total,
	         (long long)date);
	return 0;
}

static int start_ftp(struct http *h, uint64_t off, struct http_answer *a, struct bmr_err *e)
{
	if (ask_ftp(h, a, e) < 0)
		return -1;
	a->first = off;
	if (off >= a->total) /* nothing to transfer, and REST to the end is an error to libcurl */
		return 0;
	if (prepare(h, e) < 0)
		return -1;
	curl_easy_setopt(h->easy, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)off);
	return request(h, e);
}

/* How many bytes to ask for when len are wanted. */
static uint64_t window(const struct http *h, size_t len)
{
	unsigned growth = h->streak < STEADY_READS ? 0 : h->streak - STEADY_READS;

	if (len < WINDOW_LEAST)
		len = WINDOW_LEAST;
	return (uint64_t)len << 2 * (growth < WINDOW_GROWTH ? growth : WINDOW_GROWTH);
}

static int start_http(struct http *h, uint64_t off, size_t len, struct http_answer *a,
                      struct bmr_err *e)
{
	char range[48];

	if (prepare(h, e) < 0)
		return -1;
	snprintf(range, sizeof range, "%" PRIu64 "-%" PRIu64, off, off + window(h, len) - 1);
	curl_easy_setopt(h->easy, CURLOPT_RANGE, range);
	if (request(h, e) < 0)
		return -1;
	return bmr_http_answer_read(h->easy, h->place->url->safe, off, a, e);
}

/* Nothing of the answer is left. */
static bool spent(const struct http *h)
{
	return h->pos >= h->end;
}

/* Have a transfer that begins at off, or at 0 if the server cannot do that; len bytes are wanted. */
static int start(struct http *h, uint64_t off, size_t len, struct http_answer *a, struct bmr_err *e)
{
	int rc;

	/* A transfer that is taken away before libcurl has seen its end costs the connection. */
	if (h->attached && spent(h) && !h->done)
		perform(h);
	end_transfer(h);
	rc = h->ftp ? start_ftp(h, off, a, e) : start_http(h, off, len, a, e);
	h->pos = a->first;
	h->end = a->end;
	return rc;
}

/* Is the answer about an image of this size and identity?  code: of the error if not. */
static int check_same(const struct http *h, const struct http_answer *a, uint64_t size,
                      const char *identity, enum bmr_errc code, struct bmr_err *e)
{
	if (a->total == size && strcmp(a->identity, identity) == 0)
		return 0;
	return bmr_err_set(e, code, 0, "the image '%s' changed on the server: was %s, is %s",
	                   h->place->url->safe, identity, a->identity);
}

static int restart(struct http *h, uint64_t off, size_t len, struct bmr_err *e)
{
	struct http_answer a = {.end = UINT64_MAX};

	if (start(h, off, len, &a, e) < 0)
		return -1;
	return check_same(h, &a, h->conn.size, h->conn.identity, BMR_E_DATA, e);
}

/* The next n bytes, or fewer at the end of the transfer.  dst NULL: skip them. */
static int pull(struct http *h, char *dst, uint64_t n, uint64_t *got, struct bmr_err *e)
{
	size_t take = (size_t)bmr_size_min(n, h->spill_end - h->spill_at);
	int rc = 0;

	if (dst) {
		memcpy(dst, h->spill + h->spill_at, take);
		dst += take;
	}
	h->spill_at += take;
	h->dst = dst;
	h->room = n - take;
	if (h->room > 0 && h->paused) {
		h->paused = false;
		/* Its failure comes back as the transfer's. */
		curl_easy_pause(h->easy, CURLPAUSE_CONT);
	}
	rc = drive(h, full, e);
	*got = n - h->room;
	h->pos += *got;
	h->dst = NULL;
	if (rc == 0 && h->room > 0 && h->result != CURLE_OK)
		rc = fault(h, e);
	h->room = 0;
	return rc;
}

/* Bring the transfer to off, where len bytes are wanted. */
static int seek(struct http *h, uint64_t off, size_t len, struct bmr_err *e)
{
	bool near = off >= h->pos && (off - h->pos <= SKIP_MAX || !h->conn.seekable);
	uint64_t skipped = 0;

	h->streak = near ? h->streak + 1 : 0;
	if ((!h->attached || !near || off >= h->end) && restart(h, off, len, e) < 0)
		return -1;
	if (off == h->pos)
		return 0;
	if (off < h->pos)
		return bmr_err_set(e, BMR_E_BUG, 0, "a transfer begins behind what was asked for");
	if (pull(h, NULL, off - h->pos, &skipped, e) < 0)
		return -1;
	if (h->pos == off)
		return 0;
	return bmr_err_set(e, BMR_E_DATA, 0, "'%s' ends at byte %" PRIu64 ", before byte %" PRIu64,
	                   h->place->url->safe, h->pos, off);
}

/* A server may answer with fewer bytes than were asked for, so one transfer need not suffice. */
static int http_read(struct bmr_conn *conn, void *buf, size_t len, uint64_t off, size_t *got,
                     struct bmr_err *e)
{
	struct http *h = (struct http *)conn;

	*got = 0;
	if (seek(h, off, len, e) < 0)
		return -1;
	while (*got < len) {
		uint64_t n = 0;
		int rc = pull(h, (char *)buf + *got, len - *got, &n, e);

		*got += (size_t)n;
		if (rc < 0)
			return -1;
		if (*got == len || (h->conn.seekable && h->pos == h->conn.size) ||
		    !h->conn.seekable)
			break;
		if (n == 0 && !spent(h))
			return bmr_err_set(e, BMR_E_NET, 0, "'%s' was cut off at byte %" PRIu64,
			                   h->place->url->safe, h->pos);
		if (restart(h, h->pos, len - *got, e) < 0)
			return -1;
	}
	return 0;
}

static void http_close(struct bmr_conn *conn)
{
	struct http *h = (struct http *)conn;

	if (h->attached)
		curl_multi_remove_handle(h->multi, h->easy);
	curl_easy_cleanup(h->easy);
	curl_multi_cleanup(h->multi);
	free(h->spill);
	free(h);
}

static struct http *new_http(const struct bmr_place *place)
{
	struct http *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	h->conn.ops = &bmr_http_ops;
	h->place = place;
	h->ftp = place->url->scheme == BMR_URL_FTP;
	h->spill = malloc(SPILL_SIZE);
	h->multi = curl_multi_init();
	if (h->spill && h->multi)
		return h;
	http_close(&h->conn);
	return NULL;
}

/* A 200 to "bytes=0-" need not mean that a server cannot do ranges: this was all of it.  Ask again
 * in a way that leaves no choice. */
static int probe_ranges(struct http *h, struct http_answer *a, struct bmr_err *e)
{
	struct http_answer second = {.end = UINT64_MAX};

	if (a->partial || !a->ranges || a->total == BMR_SOURCE_SIZE_UNKNOWN || a->total < 2)
		return 0;
	if (start(h, 1, WINDOW_LEAST, &second, e) < 0)
		return -1;
	a->partial = second.partial;
	/* Nothing of it was used yet: another try will do. */
	return check_same(h, &second, a->total, a->identity, BMR_E_NET, e);
}

static int learn(struct http *h, uint64_t off, struct bmr_err *e)
{
	struct http_answer a = {.end = UINT64_MAX};

	if (start(h, off, WINDOW_LEAST, &a, e) < 0)
		return -1;
	if (off == 0 && probe_ranges(h, &a, e) < 0)
		return -1;
	h->conn.size = a.total;
	h->conn.seekable = a.partial;
	memcpy(h->conn.identity, a.identity, sizeof a.identity);
	return 0;
}

static int http_open(const struct bmr_place *place, uint64_t off, struct bmr_conn **out,
                     struct bmr_err *e)
{
	struct http *h = new_http(place);

	if (!h)
		return bmr_err_nomem(e, "a connection");
	if (learn(h, off, e) < 0) {
		http_close(&h->conn);
		return -1;
	}
	*out = &h->conn;
	return 0;
}

const struct bmr_source_ops bmr_http_ops = {
	.block = BMR_MIB,
	.depth = 1,
	.open = http_open,
	.read = http_read,
	.close = http_close,
};
