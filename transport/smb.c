/* SPDX-License-Identifier: GPL-3.0-or-later */
/* smb.c - an image on an SMB 2 or 3 server (MS-SMB2), by libsmbclient in a worker process. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/size.h"
#include "transport/smb_link.h"
#include "transport/source_ops.h"

struct smb {
	struct bmr_conn conn;
	struct smb_link link;
};

static int smb_read(struct bmr_conn *conn, void *buf, size_t len, uint64_t off, size_t *got,
                    struct bmr_err *e)
{
	struct smb *s = (struct smb *)conn;
	struct smb_link *l = &s->link;

	*got = 0;
	while (*got < len) {
		int rc;

		l->request.op = SMB_WIRE_READ;
		l->request.off = off + *got;
		l->request.len = (uint32_t)bmr_size_min(len - *got, SMB_WIRE_BLOCK);
		rc = bmr_smb_link_call(l, l->place->stall_ms, e);
		/* Also of a request that failed later on, but never more than was asked for. */
		if (l->reply.len > l->request.len)
			return bmr_err_set(e, BMR_E_BUG, 0, "a wrong count from the smb worker");
		memcpy((char *)buf + *got, l->memory, l->reply.len);
		*got += l->reply.len;
		s->conn.received += l->reply.len;
		if (rc < 0)
			return -1;
		if (l->reply.len < l->request.len)
			break;
	}
	return 0;
}

static void smb_close(struct bmr_conn *conn)
{
	struct smb *s = (struct smb *)conn;

	bmr_smb_link_close(&s->link);
	free(s);
}

static int learn(struct smb *s, struct bmr_err *e)
{
	const struct smb_wire_reply *r = &s->link.reply;

	if (!S_ISREG(r->mode))
		return bmr_err_set(e, BMR_E_SOURCE, 0, "'%s' is not a regular file",
		                   s->link.place->url->safe);
	s->conn.size = r->size;
	s->conn.seekable = true;
	snprintf(s->conn.identity, sizeof s->conn.identity,
	         "%" PRIu64 " bytes, inode %" PRIu64 ", modified %" PRId64 ".%09" PRId64, r->size,
	         r->inode, r->seconds, r->nanoseconds);
	return 0;
}

static int connect_and_open(struct smb *s, const struct bmr_place *place, struct bmr_err *e)
{
	struct smb_link *l = &s->link;

	if (bmr_smb_link_open(l, place, e) < 0)
		return -1;
	l->request.op = SMB_WIRE_OPEN;
	if (bmr_smb_link_url(l, place->url->path, l->request.url, e) < 0 ||
	    bmr_smb_link_call(l, place->stall_ms, e) < 0)
		return -1;
	return learn(s, e);
}

static int smb_open(const struct bmr_place *place, uint64_t off, struct bmr_conn **out,
                    struct bmr_err *e)
{
	struct smb *s = calloc(1, sizeof *s);

	(void)off;
	if (!s)
		return bmr_err_nomem(e, "smb");
	s->conn.ops = &bmr_smb_ops;
	if (connect_and_open(s, place, e) < 0) {
		smb_close(&s->conn);
		return -1;
	}
	*out = &s->conn;
	return 0;
}

const struct bmr_source_ops bmr_smb_ops = {
	.block = SMB_WIRE_BLOCK,
	.depth = 5,
	.open = smb_open,
	.read = smb_read,
	.close = smb_close,
};
