/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sink_smb.c - a captured image on an SMB server, by the worker process of smb_link.h. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/size.h"
#include "transport/sink_ops.h"
#include "transport/smb_link.h"

#define UNLINK_MS 3000

struct smb_drain {
	struct bmr_drain drain;
	struct smb_link link;
	bool replace;
	bool created;
	char *part;
};

static int call(struct smb_drain *d, enum smb_wire_op op, const char *path, struct bmr_err *e)
{
	struct smb_link *l = &d->link;

	l->request.op = op;
	l->request.len = 0;
	if (path && bmr_smb_link_url(l, path, l->request.url, e) < 0)
		return -1;
	return bmr_smb_link_call(l, l->place->stall_ms, e);
}

/* Only "there is none" may go on. */
static int check_absent(struct smb_drain *d, struct bmr_err *e)
{
	struct bmr_err answer = {0};

	if (d->replace)
		return 0;
	if (call(d, SMB_WIRE_EXISTS, d->link.place->url->path, &answer) == 0)
		return bmr_sink_exists(d->link.place, e);
	if (d->link.reply.absent)
		return 0;
	*e = answer;
	return -1;
}

static int smb_write(struct bmr_drain *drain, const void *data, size_t len, uint64_t off,
                     struct bmr_err *e)
{
	struct smb_drain *d = (struct smb_drain *)drain;
	struct smb_link *l = &d->link;

	for (size_t done = 0; done < len;) {
		size_t part = (size_t)bmr_size_min(len - done, SMB_WIRE_BLOCK);

		memcpy(l->memory, (const char *)data + done, part);
		l->request.op = SMB_WIRE_WRITE;
		l->request.off = off + done;
		l->request.len = (uint32_t)part;
		if (bmr_smb_link_call(l, l->place->stall_ms, e) < 0)
			return -1;
		done += part;
	}
	return 0;
}

static int smb_commit(struct bmr_drain *drain, uint64_t size, struct bmr_err *e)
{
	struct smb_drain *d = (struct smb_drain *)drain;
	struct smb_link *l = &d->link;

	if (call(d, SMB_WIRE_CLOSE, NULL, e) < 0 || call(d, SMB_WIRE_OPEN, d->part, e) < 0)
		return -1;
	if (l->reply.size != size)
		return bmr_sink_wrong_length(l->place, l->reply.size, size, e);
	if (call(d, SMB_WIRE_CLOSE, NULL, e) < 0 || check_absent(d, e) < 0 ||
	    bmr_smb_link_url(l, l->place->url->path, l->request.other, e) < 0)
		return -1;
	return call(d, SMB_WIRE_RENAME, d->part, e);
}

static void smb_close(struct bmr_drain *drain)
{
	struct smb_drain *d = (struct smb_drain *)drain;
	struct smb_link *l = &d->link;
	struct bmr_err ignored;

	if (d->created && !d->drain.committed) {
		l->request.op = SMB_WIRE_CLOSE;
		if (bmr_smb_link_call(l, UNLINK_MS, &ignored) == 0 &&
		    bmr_smb_link_url(l, d->part, l->request.url, &ignored) == 0) {
			l->request.op = SMB_WIRE_UNLINK;
			bmr_smb_link_call(l, UNLINK_MS, &ignored);
		}
	}
	bmr_smb_link_close(l);
	free(d->part);
	free(d);
}

static int prepare(struct smb_drain *d, const struct bmr_place *place, struct bmr_err *e)
{
	if (bmr_sink_part_name(place->url->path, &d->part, e) < 0 ||
	    bmr_smb_link_open(&d->link, place, e) < 0 || check_absent(d, e) < 0 ||
	    call(d, SMB_WIRE_CREATE, d->part, e) < 0)
		return -1;
	d->created = true;
	return 0;
}

static int smb_open(const struct bmr_place *place, bool replace, struct bmr_drain **out,
                    struct bmr_err *e)
{
	struct smb_drain *d = calloc(1, sizeof *d);

	if (!d)
		return bmr_err_nomem(e, "smb");
	d->replace = replace;
	d->link.worker.socket = -1;
	if (prepare(d, place, e) < 0) {
		smb_close(&d->drain);
		return -1;
	}
	*out = &d->drain;
	return 0;
}

const struct bmr_sink_ops bmr_sink_smb_ops = {
	.open = smb_open,
	.write = smb_write,
	.commit = smb_commit,
	.close = smb_close,
};
