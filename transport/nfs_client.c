/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transport/nfs_client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "transport/resolve.h"

/* While libnfs goes from one port to the next it has no descriptor to wait for. */
#define BETWEEN_PORTS_MS 20
#define LONGEST_POLL_MS 500
/* SYN packets sent again; the deadline ends it anyway. */
#define SYN_RETRIES 2

void bmr_nfs_query(const struct bmr_url *url, struct nfs_query *query)
{
	const struct {
		const char *name;
		long *value;
	} known[] = {
		{"version=", &query->version},
		{"nfsport=", &query->nfs_port},
		{"mountport=", &query->mount_port},
		{"uid=", &query->uid},
		{"gid=", &query->gid},
	};

	*query = (struct nfs_query){.nfs_port = url->port, .uid = -1, .gid = -1};
	for (const char *text = url->query; text && *text; text += strspn(text, "&")) {
		for (size_t i = 0; i < sizeof known / sizeof *known; i++)
			if (strncmp(text, known[i].name, strlen(known[i].name)) == 0)
				*known[i].value = strtol(text + strlen(known[i].name), NULL, 10);
		text += strcspn(text, "&");
	}
}

int bmr_nfs_fault(struct nfs_client *c, int status, const char *what, struct bmr_err *e)
{
	const char *name = c->place->url->safe;
	const char *detail;

	switch (-status) {
	case ENOENT:
	case ENOTDIR:
	case EACCES:
	case EPERM:
	case EISDIR:
	case ELOOP:
	case EROFS:
	case ENOSPC:
	case EDQUOT:
	case EEXIST:
	case ENAMETOOLONG:
		return bmr_err_set(e, BMR_E_SOURCE, -status, "cannot %s '%s'", what, name);
	case ENOMEM:
		return bmr_err_nomem(e, "NFS");
	default:
		/* libnfs's numbers for a lost connection are as good as random; its text helps. */
		detail = nfs_get_error(c->ctx);
		return bmr_err_set(e, BMR_E_NET, 0, "'%s' does not answer (cannot %s: %s)", name,
		                   what, detail && *detail ? detail : "the connection was lost");
	}
}

void bmr_nfs_done(int status, struct nfs_context *ctx, void *data, void *call)
{
	struct nfs_call *c = call;

	(void)ctx;
	c->status = status;
	c->data = data;
	c->done = true;
}

void bmr_nfs_done_stat(int status, struct nfs_context *ctx, void *data, void *call)
{
	struct nfs_call *c = call;

	if (status >= 0 && data)
		memcpy(&c->stat, data, sizeof c->stat);
	bmr_nfs_done(status, ctx, NULL, call);
}

int bmr_nfs_service(struct nfs_client *c, uint64_t deadline, struct bmr_err *e)
{
	struct pollfd fds[] = {
		{.fd = nfs_get_fd(c->ctx), .events = (short)nfs_which_events(c->ctx)},
		{.fd = c->place->stop_fd, .events = POLLIN},
	};
	int longest = fds[0].fd < 0 ? BETWEEN_PORTS_MS : LONGEST_POLL_MS;
	int left = bmr_clock_left(deadline);

	if (left == 0)
		return bmr_err_set(e, BMR_E_NET, 0, "'%s' does not answer (nothing came in time)",
		                   c->place->url->safe);
	poll(fds, 2, left < longest ? left : longest);
	if (fds[1].revents)
		return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
	if (fds[0].revents && nfs_service(c->ctx, fds[0].revents) < 0)
		return bmr_nfs_fault(c, -EIO, "talk to", e);
	return 0;
}

int bmr_nfs_wait(struct nfs_client *c, const bool *done, uint64_t deadline, struct bmr_err *e)
{
	while (!*done) {
		int rc = bmr_nfs_service(c, deadline, e);

		/* The call's own answer says more than the loss of the connection behind it. */
		if (rc < 0 && !*done)
			return -1;
	}
	return 0;
}

int bmr_nfs_finish(struct nfs_client *c, int started, const char *what, uint64_t deadline,
                   struct bmr_err *e)
{
	if (started < 0)
		return bmr_nfs_fault(c, -EIO, what, e);
	if (bmr_nfs_wait(c, &c->call.done, deadline, e) < 0)
		return bmr_err_while(e, "trying to %s it", what);
	if (c->call.status < 0)
		return bmr_nfs_fault(c, c->call.status, what, e);
	return 0;
}

/* Two clients of one name would take each other's state away (RFC 7530, 9.1.1). */
static void name_client(struct nfs_context *ctx)
{
	unsigned char noise[8] = {0};
	char name[4 + 2 * sizeof noise + 1] = "bmr-";

	if (getrandom(noise, sizeof noise, 0) != (ssize_t)sizeof noise)
		memcpy(noise, &ctx, sizeof noise);
	for (size_t i = 0; i < sizeof noise; i++)
		snprintf(name + 4 + 2 * i, 3, "%02x", noise[i]);
	nfs4_set_client_name(ctx, name);
}

/* libnfs takes these only in a URL of its own. */
static int set_arguments(struct nfs_context *ctx, const struct nfs_query *q)
{
	char text[128] = "nfs://localhost/x?autoreconnect=0&auto-traverse-mounts=0";
	size_t used = strlen(text);
	struct nfs_url *parsed;

	if (q->nfs_port)
		used += (size_t)snprintf(text + used, sizeof text - used, "&nfsport=%ld",
		                         q->nfs_port);
	if (q->mount_port)
		snprintf(text + used, sizeof text - used, "&mountport=%ld", q->mount_port);
	parsed = nfs_parse_url_dir(ctx, text);
	if (!parsed)
		return -1;
	nfs_destroy_url(parsed);
	return 0;
}

static int new_context(struct nfs_client *c, const struct nfs_query *q, struct bmr_err *e)
{
	if (c->ctx)
		nfs_destroy_context(c->ctx);
	memset(&c->call, 0, sizeof c->call);
	c->ctx = nfs_init_context();
	if (!c->ctx || set_arguments(c->ctx, q) < 0 || nfs_set_version(c->ctx, c->version) < 0)
		return bmr_err_nomem(e, "NFS");
	nfs_set_autoreconnect(c->ctx, 0);
	nfs_set_tcp_syncnt(c->ctx, SYN_RETRIES);
	if (q->uid >= 0)
		nfs_set_uid(c->ctx, (int)q->uid);
	if (q->gid >= 0)
		nfs_set_gid(c->ctx, (int)q->gid);
	if (c->version == NFS_V4)
		name_client(c->ctx);
	return 0;
}

static int mount_one(struct nfs_client *c, const struct nfs_query *q, const char *address,
                     const char *export, uint64_t deadline, struct bmr_err *e)
{
	int started;

	if (new_context(c, q, e) < 0)
		return -1;
	started = nfs_mount_async(c->ctx, address, export, bmr_nfs_done, &c->call);
	return bmr_nfs_finish(c, started, "mount", deadline, e);
}

/* Cut the last name off a directory; false if there is none. */
static bool go_up(char *directory)
{
	char *slash = strrchr(directory, '/');

	if (!slash || strcmp(directory, "/") == 0)
		return false;
	slash[slash == directory] = '\0';
	return true;
}

static int find_export(struct nfs_client *c, const struct nfs_query *q, const char *address,
                       uint64_t deadline, struct bmr_err *e)
{
	const char *path = c->place->url->path;
	AUTO_FREE char *export = strdup(path);

	if (!export)
		return bmr_err_nomem(e, "a path");
	while (go_up(export)) {
		size_t len = strlen(export);

		if (mount_one(c, q, address, export, deadline, e) == 0) {
			c->path = path + (len > 1 ? len : 0);
			return 0;
		}
		if (e->code != BMR_E_SOURCE)
			return -1;
	}
	return -1;
}

/* libnfs leaves Nagle's algorithm on: of several requests at once all but the first would wait for
 * the answer to the first. */
static void send_at_once(const struct nfs_client *c)
{
	int on = 1;

	setsockopt(nfs_get_fd(c->ctx), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static int mount_by_version(struct nfs_client *c, const struct nfs_query *q, const char *address,
                            uint64_t deadline, struct bmr_err *e)
{
	if (c->version == NFS_V4)
		return mount_one(c, q, address, "/", deadline, e);
	return find_export(c, q, address, deadline, e);
}

int bmr_nfs_mount(struct nfs_client *c, const struct bmr_place *place, int version,
                  uint64_t deadline, struct bmr_err *e)
{
	struct nfs_query query;
	char address[NI_MAXHOST];

	c->place = place;
	c->version = version;
	c->path = place->url->path;
	bmr_nfs_query(place->url, &query);
	if (bmr_resolve(place->url->host, deadline, place->stop_fd, address, e) < 0 ||
	    mount_by_version(c, &query, address, deadline, e) < 0)
		return -1;
	send_at_once(c);
	return 0;
}

void bmr_nfs_close(struct nfs_client *c)
{
	if (c->ctx)
		nfs_destroy_context(c->ctx);
	c->ctx = NULL;
}
