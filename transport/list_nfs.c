/* SPDX-License-Identifier: GPL-3.0-or-later */
/* list_nfs.c - the exports of an NFS server (RFC 1813, appendix I) and the folders in them. */
#include <nfsc/libnfs.h>
#include <nfsc/libnfs-raw.h>
#include <nfsc/libnfs-raw-mount.h>
#include <poll.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "transport/list_ops.h"
#include "transport/nfs_client.h"
#include "transport/resolve.h"

#define LONGEST_POLL_MS 100

/* --- exports --- */

struct asking {
	struct bmr_list *list;
	bool done;
	bool connected;
	bool answered;
};

static void connected(struct rpc_context *rpc, int status, void *data, void *ctx)
{
	struct asking *a = ctx;

	(void)rpc;
	(void)data;
	a->connected = status == RPC_STATUS_SUCCESS;
	a->done = true;
}

static void answered(struct rpc_context *rpc, int status, void *data, void *ctx)
{
	struct asking *a = ctx;

	(void)rpc;
	a->done = true;
	if (status != RPC_STATUS_SUCCESS)
		return;
	a->answered = true;
	for (const exports *export = data; *export; export = &(*export)->ex_next)
		bmr_list_add(a->list, (*export)->ex_dir + strspn((*export)->ex_dir, "/"), true, 0,
		             0);
}

static bool wait_for(struct rpc_context *rpc, struct asking *a, uint64_t deadline)
{
	while (!a->done && bmr_clock_left(deadline) > 0) {
		struct pollfd fd = {.fd = rpc_get_fd(rpc), .events = (short)rpc_which_events(rpc)};
		int left = bmr_clock_left(deadline);

		poll(&fd, 1, left < LONGEST_POLL_MS ? left : LONGEST_POLL_MS);
		if (fd.revents && rpc_service(rpc, fd.revents) < 0)
			break;
	}
	return a->done;
}

static bool ask(struct rpc_context *rpc, const char *address, long port, struct asking *a,
                uint64_t deadline)
{
	int started = port ? rpc_connect_port_async(rpc, address, (int)port, MOUNT_PROGRAM,
	                                            MOUNT_V3, connected, a)
	                   : rpc_connect_program_async(rpc, address, MOUNT_PROGRAM, MOUNT_V3,
	                                               connected, a);

	if (started < 0 || !wait_for(rpc, a, deadline) || !a->connected)
		return false;
	a->done = false;
	return rpc_mount3_export_async(rpc, answered, a) >= 0 && wait_for(rpc, a, deadline) &&
	       a->answered;
}

static int list_exports(const struct bmr_place *place, long port, struct bmr_list *list,
                        struct bmr_err *e)
{
	uint64_t deadline = bmr_clock_ms() + place->stall_ms;
	struct asking a = {.list = list};
	char address[NI_MAXHOST];
	struct rpc_context *rpc;
	bool ok;

	if (bmr_resolve(place->url->host, deadline, -1, address, e) < 0)
		return -1;
	rpc = rpc_init_context();
	if (!rpc)
		return bmr_err_nomem(e, "NFS");
	ok = ask(rpc, address, port, &a, deadline);
	rpc_destroy_context(rpc); /* calls back for what is still under way */
	return ok ? 0
	          : bmr_err_set(e, BMR_E_NET, 0, "'%s' does not say what it exports",
	                        place->url->host);
}

/* --- folders --- */

static void take(struct nfs_client *c, struct nfsdir *folder, struct bmr_list *list)
{
	struct nfsdirent *entry;

	while (!list->cut && (entry = nfs_readdir(c->ctx, folder)))
		if (entry->type == NF3DIR || entry->type == NF3REG)
			bmr_list_add(list, entry->name, entry->type == NF3DIR, entry->size,
			             entry->mtime.tv_sec);
	nfs_closedir(c->ctx, folder);
}

static int read_folder(struct nfs_client *c, uint64_t deadline, struct bmr_list *list,
                       struct bmr_err *e)
{
	AUTO_FREE char *path = strdup(c->path);
	size_t len = path ? strlen(path) : 0;
	int started;

	if (!path)
		return bmr_err_nomem(e, "a path");
	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
	c->call.done = false;
	started = nfs_opendir_async(c->ctx, path, bmr_nfs_done, &c->call);
	if (bmr_nfs_finish(c, started, "list", deadline, e) < 0)
		return -1;
	take(c, c->call.data, list);
	return 0;
}

static int list_version(const struct bmr_place *place, int version, struct bmr_list *list,
                        struct bmr_err *e)
{
	uint64_t deadline = bmr_clock_ms() + place->stall_ms;
	struct nfs_client c = {0};
	int rc = bmr_nfs_mount(&c, place, version, deadline, e);

	if (rc == 0)
		rc = read_folder(&c, deadline, list, e);
	bmr_nfs_close(&c);
	return rc;
}

int bmr_list_nfs(const struct bmr_place *place, struct bmr_list *list, struct bmr_err *e)
{
	struct nfs_query query;
	struct bmr_err first = {0};
	int rc;

	bmr_nfs_query(place->url, &query);
	if (query.version == NFS_V4)
		return list_version(place, NFS_V4, list, e);
	rc = strcmp(place->url->path, "/") == 0
	             ? list_exports(place, query.mount_port, list, &first)
	             : list_version(place, NFS_V3, list, &first);
	if (rc == 0)
		return 0;
	if (query.version == NFS_V3) {
		*e = first;
		return -1;
	}
	bmr_list_clear(list);
	rc = list_version(place, NFS_V4, list, e);
	if (rc < 0 && e->code != BMR_E_SOURCE)
		*e = first;
	return rc;
}
