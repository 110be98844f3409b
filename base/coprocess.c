/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/coprocess.h"

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
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

/* Debian 12's headers are older. */
#ifndef MFD_EXEC
#define MFD_NOEXEC_SEAL 0x8U
#define MFD_EXEC 0x10U
#endif

/* Where the program is while it is started; the started one finds it open and may close it. */
#define PROGRAM (BMR_COPROCESS_MEMORY + 1)
#define HIGH (PROGRAM + 1)

struct descriptors {
	int socket;
	int life;
	int memory;
	int program; /* -1: the one that runs */
};

/* 0 or what errno would be, as of spawn. */
static int set_actions(posix_spawn_file_actions_t *actions, const struct descriptors *theirs)
{
	int first_unused = theirs->program < 0 ? PROGRAM : HIGH;

	if (posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDWR, 0) != 0 ||
	    posix_spawn_file_actions_adddup2(actions, 0, 1) != 0 ||
	    posix_spawn_file_actions_adddup2(actions, 0, 2) != 0 ||
	    posix_spawn_file_actions_adddup2(actions, theirs->socket, BMR_COPROCESS_SOCKET) != 0 ||
	    posix_spawn_file_actions_adddup2(actions, theirs->life, BMR_COPROCESS_LIFE) != 0 ||
	    posix_spawn_file_actions_adddup2(actions, theirs->memory, BMR_COPROCESS_MEMORY) != 0 ||
	    (theirs->program >= 0 &&
	     posix_spawn_file_actions_adddup2(actions, theirs->program, PROGRAM) != 0) ||
	    posix_spawn_file_actions_addclosefrom_np(actions, first_unused) != 0)
		return ENOMEM;
	return 0;
}

static int spawn(const struct descriptors *theirs, const char *argument, pid_t *pid)
{
	char name[] = "bmr";
	char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *argv[] = {name, (char *)(uintptr_t)argument, NULL};
	char *envp[] = {path, NULL};
	char program[32] = "/proc/self/exe";
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int rc;

	if (theirs->program >= 0)
		snprintf(program, sizeof program, "/proc/self/fd/%d", PROGRAM);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
	rc = set_actions(&actions, theirs);
	if (rc == 0)
		rc = posix_spawn(pid, program, &actions, &attr, argv, envp);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

/* Above those that it will have, so that no dup2 overwrites a source of the next. */
static int move_up(int *fd)
{
	int high = fcntl(*fd, F_DUPFD_CLOEXEC, HIGH);

	if (high < 0)
		return -1;
	close(*fd);
	*fd = high;
	return 0;
}

/* A file that exists for as long as somebody has it open.  Since Linux 6.3 it has to be said whether
 * it may be run; who does not say it may find that it may not (vm.memfd_noexec). */
static int create_file(const char *name, unsigned may_run)
{
	int fd = memfd_create(name, MFD_CLOEXEC | may_run);

	return fd < 0 && errno == EINVAL ? memfd_create(name, MFD_CLOEXEC) : fd;
}

static int put_program(const struct bmr_coprocess_order *order)
{
	AUTO_FD int fd = create_file("program", MFD_EXEC);
	const char *data = order->program;
	size_t done = 0;

	while (fd >= 0 && done < order->program_size) {
		ssize_t n = write(fd, data + done, order->program_size - done);

		if (n <= 0)
			return -1;
		done += (size_t)n;
	}
	return fd < 0 || move_up(&fd) < 0 ? -1 : take_fd(&fd);
}

static int map_memory(struct bmr_coprocess *c, int memory)
{
	void *map = MAP_FAILED;

	if (ftruncate(memory, (off_t)c->memory_size) == 0)
		map = mmap(NULL, c->memory_size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (map == MAP_FAILED)
		return -1;
	c->memory = map;
	return 0;
}

/* Ours are in *c, theirs are to be closed in any case. */
static int make_channels(struct bmr_coprocess *c, const struct bmr_coprocess_order *order,
                         struct descriptors *theirs)
{
	int ends[2];

	theirs->memory = create_file(order->task, MFD_NOEXEC_SEAL);
	if (theirs->memory < 0 || map_memory(c, theirs->memory) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	c->socket = ends[0];
	theirs->socket = ends[1];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	theirs->life = ends[0];
	c->life = ends[1];
	if (order->program && (theirs->program = put_program(order)) < 0)
		return -1;
	return move_up(&theirs->memory) < 0 || move_up(&theirs->socket) < 0 ||
	                       move_up(&theirs->life) < 0
	               ? -1
	               : 0;
}

static void close_theirs(const struct descriptors *theirs)
{
	bmr_cleanup_fd(&theirs->socket);
	bmr_cleanup_fd(&theirs->life);
	bmr_cleanup_fd(&theirs->memory);
	bmr_cleanup_fd(&theirs->program);
}

static const char *what_it_needs(int why)
{
	if (why == ENOENT)
		return " (it needs /proc and /dev)";
	if (why == EACCES)
		return " (programs in memory may be forbidden: vm.memfd_noexec=2)";
	return "";
}

int bmr_coprocess_start(struct bmr_coprocess *c, const struct bmr_coprocess_order *order,
                        struct bmr_err *e)
{
	struct descriptors theirs = {-1, -1, -1, -1};
	int why = 0;
	int rc;

	*c = (struct bmr_coprocess){.socket = -1, .life = -1, .memory_size = order->memory_size};
	rc = make_channels(c, order, &theirs);
	if (rc < 0) {
		why = errno;
	} else {
		why = spawn(&theirs, order->argument, &c->pid);
		rc = why;
	}
	close_theirs(&theirs);
	if (rc == 0)
		return 0;
	c->pid = 0;
	return bmr_err_set(e, BMR_E_NOMEM, why, "cannot start a process for %s%s", order->task,
	                   what_it_needs(why));
}

enum bmr_coprocess_answer bmr_coprocess_await(struct bmr_coprocess *c, void *message, size_t len,
                                              int stop_fd, unsigned limit_ms)
{
	struct pollfd fds[] = {
		{.fd = c->socket, .events = POLLIN},
		{.fd = stop_fd, .events = POLLIN},
	};
	uint64_t deadline = bmr_clock_ms() + limit_ms;
	ssize_t got;
	int n;

	do {
		n = poll(fds, 2, bmr_clock_left(deadline));
	} while (n < 0 && errno == EINTR);
	if (fds[1].revents)
		return BMR_COPROCESS_STOPPED;
	if (n == 0)
		return BMR_COPROCESS_SILENT;
	got = recv(c->socket, message, len, MSG_DONTWAIT | MSG_TRUNC);
	if (got <= 0)
		return BMR_COPROCESS_DIED;
	return got == (ssize_t)len ? BMR_COPROCESS_ANSWERED : BMR_COPROCESS_GARBLED;
}

/* One that ends already keeps the status that it has: the signal comes too late. */
int bmr_coprocess_end(struct bmr_coprocess *c)
{
	int status = 0;

	if (c->pid > 0) {
		kill(c->pid, SIGKILL);
		while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	if (c->socket >= 0) {
		close(c->socket);
		bmr_cleanup_fd(&c->life);
	}
	if (c->memory)
		munmap(c->memory, c->memory_size);
	*c = (struct bmr_coprocess){.socket = -1};
	return status;
}
