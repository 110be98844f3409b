/* SPDX-License-Identifier: GPL-3.0-or-later */
/* nfs_client.h - one NFS mount by libnfs (RFC 1813, RFC 7530), every wait with a clock; private to
 * transport/.
 *
 * libnfs is used by its asynchronous calls only: the loop that waits is ours.  After any error the
 * client can only be closed.  One thread at a time.
 */
#ifndef BMR_TRANSPORT_NFS_CLIENT_H
#define BMR_TRANSPORT_NFS_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <nfsc/libnfs.h>
#include <nfsc/libnfs-raw-nfs.h>
#include <nfsc/libnfs-raw-nfs4.h>

#include "transport/source_ops.h"

/* How one call ended.  Part of the client, because libnfs may still call back while it is
 * destroyed. */
struct nfs_call {
	bool done;
	int status; /* negative errno, or a count */
	void *data;
	struct nfs_stat_64 stat;
};

struct nfs_client {
	const struct bmr_place *place;
	struct nfs_context *ctx;
	struct nfs_call call;
	int version;
	const char *path; /* of the file, below what is mounted; points into place->url->path */
};

/* What the URL's query asks for; 0 or -1 (uid, gid): nothing. */
struct nfs_query {
	long version;
	long nfs_port;
	long mount_port;
	long uid; /* up to 2^32 - 2 */
	long gid;
};

void bmr_nfs_query(const struct bmr_url *url, struct nfs_query *query);

/* Mount the server's export that holds url->path.  *c must be zero, and be closed also after a
 * failure.  Version 3 looks for the export from the longest directory to the shortest; version 4
 * has one tree.  Errors: BMR_E_NET, BMR_E_SOURCE, BMR_E_STOPPED, BMR_E_NOMEM. */
int bmr_nfs_mount(struct nfs_client *c, const struct bmr_place *place, int version,
                  uint64_t deadline, struct bmr_err *e);

/* Wait until *done, or the deadline (bmr_clock_ms). */
int bmr_nfs_wait(struct nfs_client *c, const bool *done, uint64_t deadline, struct bmr_err *e);

/* Let libnfs work once: returns after something happened, or after a short time. */
int bmr_nfs_service(struct nfs_client *c, uint64_t deadline, struct bmr_err *e);

/* The call that was started with bmr_nfs_done and &c->call: wait for it.  `what` follows "cannot"
 * in the message.  started: what the libnfs function returned. */
int bmr_nfs_finish(struct nfs_client *c, int started, const char *what, uint64_t deadline,
                   struct bmr_err *e);

/* The callbacks for it. */
void bmr_nfs_done(int status, struct nfs_context *ctx, void *data, void *call);
void bmr_nfs_done_stat(int status, struct nfs_context *ctx, void *data, void *call);

/* What a negative status means.  Returns -1. */
int bmr_nfs_fault(struct nfs_client *c, int status, const char *what, struct bmr_err *e);

/* Never waits. */
void bmr_nfs_close(struct nfs_client *c);

#endif
