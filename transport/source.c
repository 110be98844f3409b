/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transport/source.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/size.h"
#include "transport/beside.h"
#include "transport/http_setup.h"
#include "transport/pin.h"
#include "transport/retry.h"
#include "transport/source_ops.h"
#include "transport/stop.h"
#include "transport/url.h"

#define LANES_MAX 5
#define LAST_TRY_MS 1000

static const struct bmr_source_ops *const backends[] = {
	[BMR_URL_FILE] = &bmr_local_ops,   [BMR_URL_DISK] = &bmr_medium_ops,
	[BMR_URL_CDROM] = &bmr_medium_ops, [BMR_URL_HTTP] = &bmr_http_ops,
	[BMR_URL_HTTPS] = &bmr_http_ops,   [BMR_URL_FTP] = &bmr_http_ops,
	[BMR_URL_NFS] = &bmr_nfs_ops,      [BMR_URL_SMB] = &bmr_smb_ops,
};

/* A connection and who has it. */
struct lane {
	struct bmr_place place; /* the source's, with the patience of the try under way */
	struct bmr_conn *conn;  /* owned by the thread that set busy; NULL: to be opened */
	bool busy;              /* under the source's lock */
};

struct bmr_source {
	const struct bmr_source_ops *ops;
	struct bmr_source_options options;
	struct bmr_url url;
	struct bmr_place place;
	struct bmr_stop stop;

	/* As the first connection found them; every later one must agree. */
	uint64_t size;
	bool seekable;
	dev_t device;
	char identity[BMR_IDENTITY_SIZE];

	pthread_mutex_t lock; /* guards lanes[].busy, given_up, why and pace_at */
	pthread_cond_t lane_free;
	struct lane lanes[LANES_MAX];
	unsigned given_up;   /* reads that had no answer in time */
	struct bmr_err why;  /* of the last of them */
	struct bmr_pin *pin; /* what its bytes must be; NULL: not known; does not change any more */
	uint64_t pace_at;    /* rate limit: no read begins before (microseconds of the clock) */
};

static unsigned lane_count(const struct bmr_source *s)
{
	unsigned depth = s->seekable ? s->ops->depth : 1;

	return depth < LANES_MAX ? depth : LANES_MAX;
}

static int is_changed(const struct bmr_source *s, const struct bmr_conn *conn, struct bmr_err *e)
{
	if (conn->size == s->size && strcmp(conn->identity, s->identity) == 0)
		return 0;
	return bmr_err_set(e, BMR_E_DATA, 0, "the image '%s' changed on the server: was %s, is %s",
	                   s->url.safe, s->identity, conn->identity);
}

static void close_lane(struct lane *lane)
{
	if (lane->conn)
		lane->conn->ops->close(lane->conn);
	lane->conn = NULL;
}

static bool is_fresh(const struct bmr_conn *conn)
{
	return conn->idle_ms == 0 || bmr_clock_ms() - conn->used < conn->idle_ms;
}

/* The last try must not go on long after the time to give up. */
static void set_patience(const struct bmr_source *s, struct lane *lane,
                         const struct bmr_retry *retry)
{
	unsigned left_ms = bmr_retry_left_ms(retry);

	lane->place = s->place;
	if (left_ms < lane->place.stall_ms)
		lane->place.stall_ms = left_ms > LAST_TRY_MS ? left_ms : LAST_TRY_MS;
	if (lane->place.stall_ms > s->place.stall_ms)
		lane->place.stall_ms = s->place.stall_ms;
}

/* One try to have a connection to the same image. */
static int connect_lane(struct bmr_source *s, struct lane *lane, uint64_t off, struct bmr_err *e)
{
	if (lane->conn && is_fresh(lane->conn))
		return 0;
	close_lane(lane);
	if (bmr_retry_stopped(s->place.stop_fd))
		return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
	if (s->ops->open(&lane->place, off, &lane->conn, e) < 0)
		return -1;
	lane->conn->ops = s->ops;
	lane->conn->used = bmr_clock_ms();
	if (is_changed(s, lane->conn, e) == 0)
		return 0;
	close_lane(lane);
	return -1;
}

/* One that is connected is better than one that is not; NULL: all are busy. */
static struct lane *free_lane(struct bmr_source *s)
{
	struct lane *lane = NULL;

	for (unsigned i = 0; i < lane_count(s); i++)
		if (!s->lanes[i].busy && (!lane || (!lane->conn && s->lanes[i].conn)))
			lane = &s->lanes[i];
	return lane;
}

/* Who waits while another one gives the server up gives it up too: the same wait, begun once more for
 * each lane that others had, would last for several times the time-out. */
static struct lane *claim_lane(struct bmr_source *s, struct bmr_err *e)
{
	struct lane *lane = NULL;
	unsigned given_up;

	pthread_mutex_lock(&s->lock);
	given_up = s->given_up;
	while (s->given_up == given_up && !(lane = free_lane(s)))
		pthread_cond_wait(&s->lane_free, &s->lock);
	if (lane)
		lane->busy = true;
	else
		*e = s->why;
	pthread_mutex_unlock(&s->lock);
	return lane;
}

/* given_up: why its reader did; else NULL. */
static void release_lane(struct bmr_source *s, struct lane *lane, const struct bmr_err *given_up)
{
	pthread_mutex_lock(&s->lock);
	lane->busy = false;
	if (given_up) {
		s->given_up++;
		s->why = *given_up;
		pthread_cond_broadcast(&s->lane_free);
	} else {
		pthread_cond_signal(&s->lane_free);
	}
	pthread_mutex_unlock(&s->lock);
}

/* Keep to the rate: each read moves the time when the next may begin by what it costs. */
static int pace(struct bmr_source *s, size_t len, struct bmr_err *e)
{
	uint64_t now = bmr_clock_ms() * 1000;
	uint64_t begin;

	if (s->options.rate == 0)
		return 0;
	pthread_mutex_lock(&s->lock);
	begin = s->pace_at > now ? s->pace_at : now;
	s->pace_at = begin + (uint64_t)((double)len * 1e6 / (double)s->options.rate);
	pthread_mutex_unlock(&s->lock);
	if (begin == now || bmr_retry_sleep(s->place.stop_fd, (unsigned)((begin - now) / 1000)))
		return 0;
	return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
}

/* One try to get what is still missing; *done grows also if it fails. */
static int read_once(struct bmr_source *s, struct lane *lane, char *buf, size_t len, uint64_t off,
                     size_t *done, bool *ended, struct bmr_err *e)
{
	size_t got = 0;
	int rc;

	if (connect_lane(s, lane, off + *done, e) < 0)
		return -1;
	rc = lane->conn->ops->read(lane->conn, buf + *done, len - *done, off + *done, &got, e);
	lane->conn->used = bmr_clock_ms();
	*done += got;
	if (rc < 0)
		return -1;
	*ended = *done < len;
	if (!*ended || s->size == BMR_SOURCE_SIZE_UNKNOWN)
		return 0;
	return bmr_err_set(e, BMR_E_DATA, 0,
	                   "the image '%s' ends at byte %" PRIu64 " and not at %" PRIu64
	                   ": it shrank on the server",
	                   s->url.safe, off + *done, s->size);
}

/* After a failed try: what of it was progress?  The connection is of no use any more. */
static void note_progress(struct bmr_retry *retry, struct lane *lane, bool progress)
{
	if (progress)
		bmr_retry_progress(retry);
	else if (lane->conn && lane->conn->received > 0)
		bmr_retry_alive(retry);
	close_lane(lane);
}

static int read_with_retry(struct bmr_source *s, struct lane *lane, char *buf, size_t len,
                           uint64_t off, size_t *done, struct bmr_err *e)
{
	struct bmr_retry retry;
	bool ended = false;

	bmr_retry_begin(&retry, s->options.log, s->options.timeout_ms, s->options.retries,
	                s->place.stop_fd);
	while (*done < len && !ended) {
		size_t before = *done;

		if (bmr_retry_stopped(s->place.stop_fd))
			return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
		set_patience(s, lane, &retry);
		if (read_once(s, lane, buf, len, off, done, &ended, e) == 0)
			break;
		note_progress(&retry, lane, *done > before);
		if (bmr_retry_again(&retry, e) < 0)
			return bmr_err_while(e, "reading at byte %" PRIu64, off + *done);
	}
	return 0;
}

/* As they come from the server. */
static int read_plain(struct bmr_source *s, void *buf, size_t len, uint64_t off, size_t *got,
                      struct bmr_err *e)
{
	struct lane *lane;
	int rc;

	if (pace(s, len, e) < 0)
		return -1;
	lane = claim_lane(s, e);
	if (!lane)
		return -1;
	rc = read_with_retry(s, lane, buf, len, off, got, e);
	release_lane(s, lane, rc < 0 && e->code == BMR_E_NET ? e : NULL);
	return rc;
}

static int read_for_pin(void *ctx, void *buf, size_t len, uint64_t off, struct bmr_err *e)
{
	size_t got = 0; /* the size is known: all, or an error */

	return read_plain(ctx, buf, len, off, &got, e);
}

int bmr_source_pin(struct bmr_source *s,
                   int (*see)(void *ctx, const void *data, size_t len, struct bmr_err *e),
                   void *ctx, struct bmr_err *e)
{
	if (!s->seekable || s->size == BMR_SOURCE_SIZE_UNKNOWN)
		return bmr_err_set(e, BMR_E_REFUSED, 0,
		                   "'%s' cannot be checked before it is used: its server cannot "
		                   "send a part of it",
		                   s->url.safe);
	return bmr_pin_make(s->size, read_for_pin, s, see, ctx, &s->pin, e);
}

int bmr_source_read(struct bmr_source *s, void *buf, size_t len, uint64_t off, size_t *got,
                    struct bmr_err *e)
{
	*got = 0;
	if (s->size != BMR_SOURCE_SIZE_UNKNOWN && off > s->size)
		return bmr_err_set(e, BMR_E_DATA, 0,
		                   "the image '%s' ends at byte %" PRIu64 ", before byte %" PRIu64,
		                   s->url.safe, s->size, off);
	if (s->size != BMR_SOURCE_SIZE_UNKNOWN)
		len = (size_t)bmr_size_min(len, s->size - off);
	if (len == 0)
		return 0;
	if (!s->pin)
		return read_plain(s, buf, len, off, got, e);
	if (bmr_pin_read(s->pin, read_for_pin, s, buf, len, off, e) < 0)
		return bmr_err_while(e, "reading '%s'", s->url.safe);
	*got = len;
	return 0;
}

/* A fresh connection, with retries. */
static int connect_with_retry(const struct bmr_source *s, struct lane *lane, struct bmr_err *e)
{
	struct bmr_retry retry;

	bmr_retry_begin(&retry, s->options.log, s->options.timeout_ms, s->options.retries,
	                s->place.stop_fd);
	do {
		set_patience(s, lane, &retry);
		if (s->ops->open(&lane->place, 0, &lane->conn, e) == 0) {
			lane->conn->ops = s->ops;
			lane->conn->used = bmr_clock_ms();
			return 0;
		}
	} while (bmr_retry_again(&retry, e) == 0);
	return -1;
}

int bmr_source_check_unchanged(struct bmr_source *s, struct bmr_err *e)
{
	struct lane lane = {0};
	int rc;

	if (connect_with_retry(s, &lane, e) < 0)
		return bmr_err_while(e, "asking whether the image is still the same");
	rc = is_changed(s, lane.conn, e);
	close_lane(&lane);
	return rc;
}

static int connect_first(struct bmr_source *s, struct bmr_err *e)
{
	const struct bmr_conn *conn;

	if (connect_with_retry(s, &s->lanes[0], e) < 0)
		return -1;
	conn = s->lanes[0].conn;
	s->size = conn->size;
	s->seekable = conn->seekable;
	s->device = conn->device;
	memcpy(s->identity, conn->identity, sizeof s->identity);
	return 0;
}

static struct bmr_source *new_source(const struct bmr_source_ops *ops)
{
	struct bmr_source *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->ops = ops;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->lane_free, NULL);
	return s;
}

static int begin(struct bmr_source *s, struct bmr_err *e)
{
	if (bmr_stop_open(&s->stop, s->options.stop_fd, e) < 0)
		return -1;
	s->place.stop_fd = s->stop.fd;
	return connect_first(s, e);
}

/* Takes the contents of *url over, also if it fails. */
static int open_url(const struct bmr_source_ops *ops, struct bmr_url *url,
                    const struct bmr_source_options *options, struct bmr_source **out,
                    struct bmr_err *e)
{
	struct bmr_source *s = new_source(ops);

	if (!s) {
		bmr_url_clear(url);
		return bmr_err_nomem(e, "a source");
	}
	s->url = *url;
	memset(url, 0, sizeof *url);
	bmr_place_fill(&s->place, &s->url, options, &s->options);
	if (begin(s, e) < 0) {
		bmr_source_close(s);
		return -1;
	}
	*out = s;
	return 0;
}

int bmr_source_open_ops(const struct bmr_source_ops *ops, const char *url,
                        const struct bmr_source_options *options, struct bmr_source **out,
                        struct bmr_err *e)
{
	struct bmr_url parsed;

	if (bmr_url_parse(url, &parsed, e) < 0) {
		bmr_url_clear(&parsed);
		return -1;
	}
	return open_url(ops ? ops : backends[parsed.scheme], &parsed, options, out, e);
}

int bmr_source_open(const char *url, const struct bmr_source_options *options,
                    struct bmr_source **out, struct bmr_err *e)
{
	return bmr_source_open_ops(NULL, url, options, out, e);
}

/* As who opened s, unless the options say who; with its query. */
static int open_like(const struct bmr_source *s, const char *url,
                     const struct bmr_source_options *options, struct bmr_source **out,
                     struct bmr_err *e)
{
	struct bmr_source_options own = {0};
	bool http = s->url.scheme == BMR_URL_HTTP || s->url.scheme == BMR_URL_HTTPS;
	AUTO_FREE char *with_query = NULL;

	/* It is a secret as often as not, and so is not in url.safe. */
	if (http && s->url.query && *s->url.query) {
		if (asprintf(&with_query, "%s?%s", url, s->url.query) < 0) {
			with_query = NULL;
			return bmr_err_nomem(e, "a URL");
		}
		url = with_query;
	}
	if (options)
		own = *options;
	if (!own.credentials.user && !own.credentials.password)
		own.credentials = s->place.credentials;
	return bmr_source_open(url, &own, out, e);
}

int bmr_source_open_beside(const struct bmr_source *s, const char *name,
                           const struct bmr_source_options *options, struct bmr_source **out,
                           struct bmr_err *e)
{
	AUTO_FREE char *url = NULL;

	if (bmr_beside_url(s->url.safe, name, &url, e) < 0)
		return -1;
	return open_like(s, url, options, out, e);
}

int bmr_source_open_suffix(const struct bmr_source *s, const char *suffix,
                           const struct bmr_source_options *options, struct bmr_source **out,
                           struct bmr_err *e)
{
	AUTO_FREE char *url = NULL;

	if (bmr_beside_suffix(s->url.safe, suffix, &url, e) < 0)
		return -1;
	return open_like(s, url, options, out, e);
}

static int check_url(const char *text, const struct bmr_source_options *options, struct bmr_err *e)
{
	struct bmr_url url;
	int rc = bmr_url_parse(text, &url, e);

	if (rc == 0)
		rc = bmr_http_check_proxy(url.scheme, options->proxy, e);
	bmr_url_clear(&url);
	return rc;
}

int bmr_source_check_urls(const char *urls, const struct bmr_source_options *options,
                          struct bmr_err *e)
{
	if (bmr_url_check_login(urls, e) < 0)
		return -1;
	for (;;) {
		size_t len = strcspn(urls, ",");
		AUTO_FREE char *url = strndup(urls, len);

		if (!url)
			return bmr_err_nomem(e, "a URL");
		if (check_url(url, options, e) == 0)
			return 0;
		if (urls[len] == '\0')
			return -1;
		urls += len + 1;
	}
}

int bmr_source_open_any(const char *urls, const struct bmr_source_options *options,
                        struct bmr_source **out, struct bmr_err *e)
{
	struct bmr_log *log = options ? options->log : NULL;

	if (bmr_url_check_login(urls, e) < 0)
		return -1;
	for (;;) {
		size_t len = strcspn(urls, ",");
		AUTO_FREE char *url = strndup(urls, len);

		if (!url)
			return bmr_err_nomem(e, "a URL");
		if (bmr_source_open(url, options, out, e) == 0)
			return 0;
		if (urls[len] == '\0' || e->code == BMR_E_STOPPED)
			return -1;
		bmr_log_say(log, BMR_LOG_NOTICE, "%s; trying the next mirror", e->msg);
		urls += len + 1;
	}
}

void bmr_source_stop(struct bmr_source *s)
{
	bmr_stop_now(&s->stop);
}

uint64_t bmr_source_size(const struct bmr_source *s)
{
	return s->size;
}

bool bmr_source_seekable(const struct bmr_source *s)
{
	return s->seekable;
}

size_t bmr_source_block(const struct bmr_source *s)
{
	return s->ops->block;
}

unsigned bmr_source_depth(const struct bmr_source *s)
{
	return lane_count(s);
}

const char *bmr_source_identity(const struct bmr_source *s)
{
	return s->identity;
}

const char *bmr_source_name(const struct bmr_source *s)
{
	return s->url.safe;
}

dev_t bmr_source_device(const struct bmr_source *s)
{
	return s->device;
}

void bmr_source_close(struct bmr_source *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < LANES_MAX; i++)
		close_lane(&s->lanes[i]);
	bmr_stop_close(&s->stop);
	pthread_cond_destroy(&s->lane_free);
	pthread_mutex_destroy(&s->lock);
	bmr_url_clear(&s->url);
	bmr_pin_free(s->pin);
	free(s);
}
