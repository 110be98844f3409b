/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transport/smb_link.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "transport/resolve.h"
#include "transport/smb_worker.h"

static int set_actions(posix_spawn_file_actions_t *actions, int socket, int memory)
{
	if (posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDWR, 0) != 0 ||
	    posix_spawn_file_actions_adddup2(actions, 0, 1) != 0 ||
	    posix_spawn_file_actions_adddup2(actions, 0, 2) != 0 ||
	    posix_spawn_file_actions_adddup2(actions, socket, SMB_WIRE_SOCKET) != 0 ||
	    posix_spawn_file_actions_adddup2(actions, memory, SMB_WIRE_MEMORY) != 0 ||
	    posix_spawn_file_actions_addclosefrom_np(actions, SMB_WIRE_MEMORY + 1) != 0)
		return -1;
	return 0;
}

/* In a group of its own: ^C and the signals of a terminal are for us to handle.  Without our
 * environment: nothing in it concerns the worker. */
static int spawn(int socket, int memory, pid_t *pid)
{
	char program[] = "bmr";
	char argument[] = BMR_SMB_WORKER_ARGUMENT;
	char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *argv[] = {program, argument, NULL};
	char *envp[] = {path, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int rc;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
	rc = set_actions(&actions, socket, memory);
	if (rc == 0)
		rc = posix_spawn(pid, "/proc/self/exe", &actions, &attr, argv, envp);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

/* Above those that the worker will have, so that no dup2 overwrites a source of the next. */
static int move_up(int *fd)
{
	int high = fcntl(*fd, F_DUPFD_CLOEXEC, SMB_WIRE_MEMORY + 1);

	if (high < 0)
		return -1;
	close(*fd);
	*fd = high;
	return 0;
}

static int start_worker(struct smb_link *l, struct bmr_err *e)
{
	AUTO_FD int memory = memfd_create("smb", MFD_CLOEXEC);
	AUTO_FD int theirs = -1;
	int pair[2];
	void *map;

	if (memory < 0 || ftruncate(memory, SMB_WIRE_BLOCK) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return bmr_err_set(e, BMR_E_NOMEM, errno, "cannot prepare a worker for smb");
	l->socket = pair[0];
	theirs = pair[1];
	map = mmap(NULL, SMB_WIRE_BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (map == MAP_FAILED || move_up(&memory) < 0 || move_up(&theirs) < 0)
		return bmr_err_set(e, BMR_E_NOMEM, errno, "cannot prepare a worker for smb");
	l->memory = map;
	if (spawn(theirs, memory, &l->pid) != 0) {
		l->pid = 0;
		return bmr_err_set(e, BMR_E_NOMEM, 0, "cannot start a worker for smb");
	}
	return 0;
}

static int await_reply(struct smb_link *l, unsigned limit_ms, struct bmr_err *e)
{
	struct pollfd fds[] = {
		{.fd = l->socket, .events = POLLIN},
		{.fd = l->place->stop_fd, .events = POLLIN},
	};
	uint64_t deadline = bmr_clock_ms() + limit_ms;
	int n;

	do {
		n = poll(fds, 2, bmr_clock_left(deadline));
	} while (n < 0 && errno == EINTR);
	if (fds[1].revents)
		return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
	if (n == 0)
		return bmr_err_set(e, BMR_E_NET, 0, "'%s' does not answer (nothing for %u.%u s)",
		                   l->place->url->safe, limit_ms / 1000, limit_ms / 100 % 10);
	if (recv(l->socket, &l->reply, sizeof l->reply, MSG_DONTWAIT) != (ssize_t)sizeof l->reply)
		return bmr_err_set(e, BMR_E_NET, 0, "the smb worker for '%s' died",
		                   l->place->url->safe);
	return 0;
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
	if (send(l->socket, &l->request, request_size(l->request.op), MSG_NOSIGNAL) < 0)
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
	l->socket = -1;
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
	if (l->pid > 0) {
		kill(l->pid, SIGKILL);
		while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (l->socket >= 0)
		close(l->socket);
	if (l->memory)
		munmap(l->memory, SMB_WIRE_BLOCK);
	memset(l, 0, sizeof *l);
	l->socket = -1;
}
