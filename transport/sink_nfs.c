/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sink_nfs.c - a captured image on an NFS server, version 3: libnfs 4.0.0 cannot write by version 4.
 *
 * libnfs does not compare the write verifier (RFC 1813, 3.3.21), which would tell that a server was
 * restarted and lost what it had not yet flushed.  A restart breaks the connection, and that ends
 * the capture; see sink.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/size.h"
#include "transport/nfs_client.h"
#include "transport/sink_ops.h"

#define REQUEST_SIZE (512 * BMR_KIB)
#define REQUESTS 8
#define UNLINK_MS 3000

/* One WRITE under way. */
struct request {
	struct nfs_drain *owner;
	const char *data;
	size_t left;
	uint64_t off;
	bool busy;
	int status;
};

struct nfs_drain {
	struct bmr_drain drain;
	struct nfs_client client;
	struct nfsfh *file;
	bool replace;
	bool dying;
	char *part;
	struct request requests[REQUESTS];
	uint64_t deadline; /* of the writes under way; moved by every answer */
};

static uint64_t soon(const struct nfs_drain *d)
{
	return bmr_clock_ms() + d->client.place->stall_ms;
}

static void write_done(int status, struct nfs_context *ctx, void *data, void *arg)
{
	struct request *r = arg;

	(void)ctx;
	(void)data;
	r->busy = false;
	if (r->owner->dying)
		return;
	if (status <= 0 || (size_t)status > r->left) {
		r->status = status < 0 ? status : -EIO;
		return;
	}
	r->data += status;
	r->off += (uint64_t)status;
	r->left -= (size_t)status;
	r->owner->deadline = soon(r->owner);
}

static int send_request(struct nfs_drain *d, struct request *r, struct bmr_err *e)
{
	if (r->status < 0)
		return bmr_nfs_fault(&d->client, r->status, "write", e);
	if (r->busy || r->left == 0)
		return 0;
	/* libnfs's prototype lacks the const; it only reads. */
	r->busy = nfs_pwrite_async(d->client.ctx, d->file, r->off, r->left,
	                           (void *)(uintptr_t)r->data, write_done, r) == 0;
	return r->busy ? 0 : bmr_nfs_fault(&d->client, -EIO, "write", e);
}

static int run_requests(struct nfs_drain *d, struct bmr_err *e)
{
	bool more = true;

	d->deadline = soon(d);
	while (more) {
		more = false;
		for (unsigned i = 0; i < REQUESTS; i++) {
			if (send_request(d, &d->requests[i], e) < 0)
				return -1;
			more |= d->requests[i].busy;
		}
		if (more && bmr_nfs_service(&d->client, d->deadline, e) < 0)
			return -1;
	}
	return 0;
}

static int nfs_drain_write(struct bmr_drain *drain, const void *data, size_t len, uint64_t off,
                           struct bmr_err *e)
{
	struct nfs_drain *d = (struct nfs_drain *)drain;
	size_t planned = 0;

	while (planned < len) {
		for (unsigned i = 0; i < REQUESTS; i++) {
			size_t part = (size_t)bmr_size_min(len - planned, REQUEST_SIZE);

			d->requests[i] = (struct request){.owner = d,
			                                  .data = (const char *)data + planned,
			                                  .left = part,
			                                  .off = off + planned};
			planned += part;
		}
		if (run_requests(d, e) < 0)
			return -1;
	}
	return 0;
}

static int finish(struct nfs_drain *d, int started, const char *what, struct bmr_err *e)
{
	return bmr_nfs_finish(&d->client, started, what, soon(d), e);
}

/* Only "there is none" may go on. */
static int check_absent(struct nfs_drain *d, struct bmr_err *e)
{
	struct nfs_client *c = &d->client;

	if (d->replace)
		return 0;
	c->call.done = false;
	if (finish(d, nfs_stat64_async(c->ctx, c->path, bmr_nfs_done_stat, &c->call), "find", e) ==
	    0)
		return bmr_sink_exists(c->place, e);
	return c->call.done && c->call.status == -ENOENT ? 0 : -1;
}

static int flush(struct nfs_drain *d, uint64_t size, struct bmr_err *e)
{
	struct nfs_client *c = &d->client;

	c->call.done = false;
	if (finish(d, nfs_fsync_async(c->ctx, d->file, bmr_nfs_done, &c->call), "flush", e) < 0)
		return -1;
	c->call.done = false;
	if (finish(d, nfs_fstat64_async(c->ctx, d->file, bmr_nfs_done_stat, &c->call), "examine",
	           e) < 0)
		return -1;
	if (c->call.stat.nfs_size != size)
		return bmr_sink_wrong_length(c->place, c->call.stat.nfs_size, size, e);
	return 0;
}

static int nfs_drain_commit(struct bmr_drain *drain, uint64_t size, struct bmr_err *e)
{
	struct nfs_drain *d = (struct nfs_drain *)drain;
	struct nfs_client *c = &d->client;

	if (flush(d, size, e) < 0 || check_absent(d, e) < 0)
		return -1;
	c->call.done = false;
	return finish(d, nfs_rename_async(c->ctx, d->part, c->path, bmr_nfs_done, &c->call),
	              "rename", e);
}

/* After a failure the context can only be destroyed: the part file is removed by a new one. */
static void remove_part(struct nfs_drain *d)
{
	const struct bmr_place *place = d->client.place;
	uint64_t deadline = bmr_clock_ms() + UNLINK_MS;
	struct nfs_client c = {0};
	struct bmr_err ignored;

	if (bmr_nfs_mount(&c, place, NFS_V3, deadline, &ignored) == 0) {
		c.call.done = false;
		bmr_nfs_finish(&c, nfs_unlink_async(c.ctx, d->part, bmr_nfs_done, &c.call),
		               "remove", deadline, &ignored);
	}
	bmr_nfs_close(&c);
}

static void nfs_drain_close(struct bmr_drain *drain)
{
	struct nfs_drain *d = (struct nfs_drain *)drain;
	struct nfs_client *c = &d->client;
	bool created = d->file != NULL;
	struct bmr_err ignored;

	if (d->file && d->drain.committed) {
		c->call.done = false;
		bmr_nfs_finish(c, nfs_close_async(c->ctx, d->file, bmr_nfs_done, &c->call), "close",
		               bmr_clock_ms() + UNLINK_MS, &ignored);
	}
	d->dying = true;
	bmr_nfs_close(c);
	if (created && !d->drain.committed)
		remove_part(d);
	free(d->part);
	free(d);
}

/* One that a killed capture left: libnfs's creat would not shorten it. */
static int remove_old_part(struct nfs_drain *d, struct bmr_err *e)
{
	struct nfs_client *c = &d->client;

	c->call.done = false;
	if (finish(d, nfs_unlink_async(c->ctx, d->part, bmr_nfs_done, &c->call), "remove", e) == 0)
		return 0;
	return c->call.done && c->call.status == -ENOENT ? 0 : -1;
}

static int prepare(struct nfs_drain *d, const struct bmr_place *place, struct bmr_err *e)
{
	struct nfs_client *c = &d->client;
	struct nfs_query query;

	bmr_nfs_query(place->url, &query);
	if (query.version == NFS_V4)
		return bmr_err_set(e, BMR_E_USAGE, 0, "'%s': images are written by version=3 only",
		                   place->url->safe);
	if (bmr_nfs_mount(c, place, NFS_V3, bmr_clock_ms() + place->stall_ms, e) < 0 ||
	    bmr_sink_part_name(c->path, &d->part, e) < 0 || check_absent(d, e) < 0 ||
	    remove_old_part(d, e) < 0)
		return -1;
	c->call.done = false;
	if (finish(d, nfs_creat_async(c->ctx, d->part, 0600, bmr_nfs_done, &c->call), "create", e) <
	    0)
		return -1;
	d->file = c->call.data;
	return 0;
}

static int nfs_drain_open(const struct bmr_place *place, bool replace, struct bmr_drain **out,
                          struct bmr_err *e)
{
	struct nfs_drain *d = calloc(1, sizeof *d);

	if (!d)
		return bmr_err_nomem(e, "NFS");
	d->replace = replace;
	if (prepare(d, place, e) < 0) {
		nfs_drain_close(&d->drain);
		return -1;
	}
	*out = &d->drain;
	return 0;
}

const struct bmr_sink_ops bmr_sink_nfs_ops = {
	.open = nfs_drain_open,
	.write = nfs_drain_write,
	.commit = nfs_drain_commit,
	.close = nfs_drain_close,
};
