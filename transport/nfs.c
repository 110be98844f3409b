/* SPDX-License-Identifier: GPL-3.0-or-later */
/* nfs.c - an image on an NFS server, version 3 or 4.
 *
 * A read sends all its requests at once: 512 KiB each, which every server takes (libnfs's version 4
 * loses the connection above 1 MiB) and four of which, on each of four connections, fill a network with some delay.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/size.h"
#include "transport/nfs_client.h"
#include "transport/source_ops.h"

#define REQUEST_SIZE (512 * BMR_KIB)
#define REQUESTS 4
#define CLOSE_MS 1000
/* libnfs never renews its lease (RFC 7530, 9.5), which servers keep for 90 s or so. */
#define V4_IDLE_MS 30000

struct nfs;

/* One READ of a batch. */
struct request {
	struct nfs *nfs;
	char *dst;
	size_t want;
	size_t got;
	uint64_t off;
	bool busy;
	bool ended;
	int status; /* negative: it failed */
};

struct nfs {
	struct bmr_conn conn;
	struct nfs_client client;
	struct nfsfh *file;
	bool failed; /* only to be destroyed */
	struct request requests[REQUESTS];
	uint64_t deadline; /* of the batch; moved by every answer */
};

static void read_done(int status, struct nfs_context *ctx, void *data, void *arg)
{
	struct request *r = arg;

	(void)ctx;
	r->busy = false;
	if (r->nfs->failed)
		return; /* called while all is destroyed: dst may be gone */
	if (status < 0 || (size_t)status > r->want - r->got) {
		r->status = status < 0 ? status : -EIO;
		return;
	}
	memcpy(r->dst + r->got, data, (size_t)status);
	r->got += (size_t)status;
	r->ended = status == 0;
	r->nfs->conn.received += (uint64_t)status;
	r->nfs->deadline = bmr_clock_ms() + r->nfs->client.place->stall_ms;
}

/* Servers may answer with less than was asked for: ask for the rest. */
static bool unfinished(const struct request *r)
{
	return r->got < r->want && !r->ended;
}

static int send_request(struct nfs *n, struct request *r, struct bmr_err *e)
{
	if (r->busy || !unfinished(r))
		return 0;
	r->busy = nfs_pread_async(n->client.ctx, n->file, r->off + r->got, r->want - r->got,
	                          read_done, r) == 0;
	return r->busy ? 0 : bmr_nfs_fault(&n->client, -EIO, "read", e);
}

static int step_batch(struct nfs *n, bool *more, struct bmr_err *e)
{
	*more = false;
	for (unsigned i = 0; i < REQUESTS; i++) {
		struct request *r = &n->requests[i];

		if (r->status < 0)
			return bmr_nfs_fault(&n->client, r->status, "read", e);
		if (send_request(n, r, e) < 0)
			return -1;
		*more |= r->busy;
	}
	return *more ? bmr_nfs_service(&n->client, n->deadline, e) : 0;
}

static size_t plan_batch(struct nfs *n, char *buf, size_t len, uint64_t off)
{
	size_t planned = 0;

	for (unsigned i = 0; i < REQUESTS; i++) {
		size_t want = (size_t)bmr_size_min(len - planned, REQUEST_SIZE);

		n->requests[i] = (struct request){
			.nfs = n, .dst = buf + planned, .want = want, .off = off + planned};
		planned += want;
	}
	return planned;
}

/* The bytes that are right: up to the first hole. */
static size_t batch_prefix(const struct nfs *n)
{
	size_t got = 0;

	for (unsigned i = 0; i < REQUESTS; i++) {
		got += n->requests[i].got;
		if (n->requests[i].got < n->requests[i].want)
			break;
	}
	return got;
}

static int run_batch(struct nfs *n, size_t *got, struct bmr_err *e)
{
	bool more = true;
	int rc = 0;

	n->deadline = bmr_clock_ms() + n->client.place->stall_ms;
	while (more && rc == 0)
		rc = step_batch(n, &more, e);
	n->failed = rc < 0;
	*got = batch_prefix(n);
	return rc;
}

static int nfs_source_read(struct bmr_conn *conn, void *buf, size_t len, uint64_t off, size_t *got,
                           struct bmr_err *e)
{
	struct nfs *n = (struct nfs *)conn;

	*got = 0;
	while (*got < len) {
		size_t planned = plan_batch(n, (char *)buf + *got, len - *got, off + *got);
		size_t came = 0;
		int rc = run_batch(n, &came, e);

		*got += came;
		if (rc < 0)
			return -1;
		if (came < planned)
			break;
	}
	return 0;
}

/* Version 4 tells the server, which would keep the file open until the lease ends.  After a failure
 * nothing of libnfs may be touched but the context itself (it once crashed), so a handle of some
 * hundred bytes is lost. */
static void close_file(struct nfs *n)
{
	struct nfs_client *c = &n->client;
	struct bmr_err ignored;

	if (!n->file || n->failed)
		return;
	c->call.done = false;
	if (nfs_close_async(c->ctx, n->file, bmr_nfs_done, &c->call) == 0)
		bmr_nfs_wait(c, &c->call.done, bmr_clock_ms() + CLOSE_MS, &ignored);
}

static void nfs_source_close(struct bmr_conn *conn)
{
	struct nfs *n = (struct nfs *)conn;

	close_file(n);
	n->failed = true;
	bmr_nfs_close(&n->client);
	free(n);
}

/* By path, before opening: version 3 opens a directory without a word. */
static int check_regular(struct nfs *n, uint64_t deadline, struct bmr_err *e)
{
	struct nfs_client *c = &n->client;
	int started;

	c->call.done = false;
	started = nfs_stat64_async(c->ctx, c->path, bmr_nfs_done_stat, &c->call);
	if (bmr_nfs_finish(c, started, "find", deadline, e) < 0)
		return -1;
	if (S_ISREG(c->call.stat.nfs_mode))
		return 0;
	return bmr_err_set(e, BMR_E_SOURCE, 0, "'%s' is not a regular file", c->place->url->safe);
}

static int open_file(struct nfs *n, uint64_t deadline, struct bmr_err *e)
{
	struct nfs_client *c = &n->client;
	int started;

	c->call.done = false;
	started = nfs_open_async(c->ctx, c->path, O_RDONLY, bmr_nfs_done, &c->call);
	if (bmr_nfs_finish(c, started, "open", deadline, e) < 0)
		return -1;
	n->file = c->call.data;
	c->call.done = false;
	started = nfs_fstat64_async(c->ctx, n->file, bmr_nfs_done_stat, &c->call);
	return bmr_nfs_finish(c, started, "examine", deadline, e);
}

static void learn(struct nfs *n)
{
	const struct nfs_stat_64 *st = &n->client.call.stat;

	n->conn.size = st->nfs_size;
	n->conn.seekable = true;
	n->conn.idle_ms = n->client.version == NFS_V4 ? V4_IDLE_MS : 0;
	snprintf(n->conn.identity, sizeof n->conn.identity,
	         "%" PRIu64 " bytes, inode %" PRIu64 ", modified %" PRIu64 ".%09" PRIu64
	         ", changed %" PRIu64 ".%09" PRIu64,
	         st->nfs_size, st->nfs_ino, st->nfs_mtime, st->nfs_mtime_nsec, st->nfs_ctime,
	         st->nfs_ctime_nsec);
}

static int open_version(const struct bmr_place *place, int version, unsigned limit_ms,
                        struct bmr_conn **out, struct bmr_err *e)
{
	uint64_t deadline = bmr_clock_ms() + limit_ms;
	struct nfs *n = calloc(1, sizeof *n);

	if (!n)
		return bmr_err_nomem(e, "NFS");
	n->conn.ops = &bmr_nfs_ops;
	if (bmr_nfs_mount(&n->client, place, version, deadline, e) < 0 ||
	    check_regular(n, deadline, e) < 0 || open_file(n, deadline, e) < 0) {
		n->failed = true;
		nfs_source_close(&n->conn);
		return -1;
	}
	learn(n);
	*out = &n->conn;
	return 0;
}

/* Version 3 is the faster one with libnfs; a server may have only version 4, and a firewall may
 * swallow what version 3 asks its port mapper: hence half of the time for each. */
static int open_either(const struct bmr_place *place, struct bmr_conn **out, struct bmr_err *e)
{
	struct bmr_err first = {0};

	if (open_version(place, NFS_V3, place->stall_ms / 2, out, &first) == 0)
		return 0;
	if (first.code != BMR_E_NET && first.code != BMR_E_SOURCE) {
		*e = first;
		return -1;
	}
	if (open_version(place, NFS_V4, place->stall_ms / 2, out, e) == 0)
		return 0;
	/* A server that says no is better news than one that says nothing. */
	if (e->code == BMR_E_NET && first.code == BMR_E_SOURCE)
		*e = first;
	return -1;
}

static int nfs_source_open(const struct bmr_place *place, uint64_t off, struct bmr_conn **out,
                           struct bmr_err *e)
{
	struct nfs_query query;

	(void)off;
	bmr_nfs_query(place->url, &query);
	if (query.version)
		return open_version(place, (int)query.version, place->stall_ms, out, e);
	return open_either(place, out, e);
}

const struct bmr_source_ops bmr_nfs_ops = {
	.block = REQUESTS * REQUEST_SIZE,
	.depth = 4,
	.open = nfs_source_open,
	.read = nfs_source_read,
	.close = nfs_source_close,
};
