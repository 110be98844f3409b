/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transport/smb_link.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/err.h"
#include "transport/resolve.h"
#include "transport/smb_worker.h"

static int start_worker(struct smb_link *l, struct bmr_err *e)
{
	const struct bmr_coprocess_order order = {
		.task = "smb",
		.argument = BMR_SMB_WORKER_ARGUMENT,
		.memory_size = SMB_WIRE_BLOCK,
	};

	if (bmr_coprocess_start(&l->worker, &order, e) < 0)
		return -1;
	l->memory = l->worker.memory;
	return 0;
}

static int await_reply(struct smb_link *l, unsigned limit_ms, struct bmr_err *e)
{
	switch (bmr_coprocess_await(&l->worker, &l->reply, sizeof l->reply, l->place->stop_fd,
	                            limit_ms)) {
	case BMR_COPROCESS_ANSWERED:
		return 0;
	case BMR_COPROCESS_STOPPED:
		return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
	case BMR_COPROCESS_SILENT:
		return bmr_err_set(e, BMR_E_NET, 0, "'%s' does not answer (nothing for %u.%u s)",
		                   l->place->url->safe, limit_ms / 1000, limit_ms / 100 % 10);
	case BMR_COPROCESS_GARBLED:
	case BMR_COPROCESS_DIED:
		break;
	}
	return bmr_err_set(e, BMR_E_NET, 0, "the smb worker for '%s' died", l->place->url->safe);
}

/* Only what the operation needs: a READ has no use for 64 kB of names. */
static size_t request_size(enum smb_wire_op op)
{
	bool bare = op == SMB_WIRE_READ || op == SMB_WIRE_WRITE || op == SMB_WIRE_CLOSE;

	return bare ? SMB_WIRE_BARE : sizeof(struct smb_wire_request);
}

int bmr_smb_link_call(struct smb_link *l, unsigned limit_ms, struct bmr_err *e)
{
	l->reply.len = 0;
	if (send(l->worker.socket, &l->request, request_size(l->request.op), MSG_NOSIGNAL) < 0)
		return bmr_err_set(e, BMR_E_NET, errno, "the smb worker for '%s' died",
		                   l->place->url->safe);
	if (await_reply(l, limit_ms, e) < 0) {
		l->reply.len = 0; /* what it wrote into the memory may be half of something */
		return -1;
	}
	if (l->reply.code == BMR_E_NONE)
		return 0;
	return bmr_err_set(e, l->reply.code, l->reply.sys, "'%s': %s", l->place->url->safe,
	                   l->reply.why);
}

static int copy_name(char to[SMB_WIRE_NAME], const char *from, const char *what, struct bmr_err *e)
{
	if (!from)
		from = "";
	if (strlen(from) >= SMB_WIRE_NAME)
		return bmr_err_set(e, BMR_E_USAGE, 0, "the smb %s is too long", what);
	strcpy(to, from);
	return 0;
}

static int fill_login(const struct bmr_place *place, struct smb_wire_login *login,
                      struct bmr_err *e)
{
	const struct bmr_credentials *c = &place->credentials;
	bool by_name = c->user && strcasecmp(c->user, "guest") == 0;

	memset(login, 0, sizeof *login);
	login->guest = c->guest || by_name;
	login->timeout_ms = place->stall_ms;
	if (!c->user && !login->guest)
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "'%s' needs a user name and a password; user 'guest' asks for a "
		                   "session without protection",
		                   place->url->safe);
	if (copy_name(login->user, c->user ? c->user : "guest", "user name", e) < 0 ||
	    copy_name(login->password, c->password, "password", e) < 0 ||
	    copy_name(login->domain, c->domain, "domain", e) < 0)
		return -1;
	return 0;
}

int bmr_smb_link_open(struct smb_link *l, const struct bmr_place *place, struct bmr_err *e)
{
	char address[NI_MAXHOST];
	int rc;

	l->place = place;
	l->worker.socket = -1;
	/* Only to say it clearly: to libsmbclient a name without an address is an invalid argument. */
	if (bmr_resolve(place->url->host, bmr_clock_ms() + place->stall_ms, place->stop_fd, address,
	                e) < 0)
		return -1;
	l->request.op = SMB_WIRE_CONNECT;
	if (fill_login(place, &l->request.login, e) < 0 || start_worker(l, e) < 0)
		return -1;
	rc = bmr_smb_link_call(l, place->stall_ms, e);
	explicit_bzero(&l->request.login, sizeof l->request.login);
	return rc;
}

static bool is_plain(unsigned char c)
{
	return isalnum(c) || strchr("-._~/", c);
}

int bmr_smb_link_url(const struct smb_link *l, const char *path, char url[SMB_WIRE_URL],
                     struct bmr_err *e)
{
	const struct bmr_url *u = l->place->url;
	bool v6 = strchr(u->host, ':') != NULL;
	char port[8] = "";
	int used;

	if (u->port)
		snprintf(port, sizeof port, ":%u", u->port);
	used = snprintf(url, SMB_WIRE_URL, "smb://%s%s%s%s", v6 ? "[" : "", u->host, v6 ? "]" : "",
	                port);
	for (; *path && used + 4 < SMB_WIRE_URL; path++) {
		unsigned char c = (unsigned char)*path;

		used += snprintf(url + used, 4, is_plain(c) ? "%c" : "%%%02X", c);
	}
	return *path ? bmr_err_set(e, BMR_E_USAGE, 0, "the path '%s' is too long", path) : 0;
}

void bmr_smb_link_close(struct smb_link *l)
{
	bmr_coprocess_end(&l->worker);
	memset(l, 0, sizeof *l);
	l->worker.socket = -1;
}
