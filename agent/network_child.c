/* SPDX-License-Identifier: GPL-3.0-or-later */
/* network_child.c - programs with a deadline.  Never a shell: arguments are vectors. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/network_internal.h"
#include "base/cleanup.h"

extern char **environ;

#define RUN_LIMIT_MS 10000
#define KILL_LIMIT_MS 2000
#define TICK_MS 10
#define VARIABLES_MOST 128

int64_t bmr_net_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void tick(void)
{
	nanosleep(&(struct timespec){.tv_nsec = TICK_MS * 1000000L}, NULL);
}

/* The environment with more variables in front: the first of two equal names counts. */
static void join_environment(const char *const *variables, char *joined[VARIABLES_MOST + 1])
{
	size_t count = 0;

	for (; variables && *variables && count < VARIABLES_MOST; variables++)
		joined[count++] = (char *)(uintptr_t)*variables;
	for (char **v = environ; v && *v && count < VARIABLES_MOST; v++)
		joined[count++] = *v;
	joined[count] = NULL;
}

static pid_t spawn(const struct bmr_network_env *env, const char *const *args,
                   const char *const *variables, posix_spawn_file_actions_t *actions)
{
	char *argv[BMR_NET_ARGS + 2] = {(char *)(uintptr_t)env->busybox};
	char *environment[VARIABLES_MOST + 1];
	posix_spawnattr_t attributes;
	sigset_t none;
	pid_t pid;
	int rc;

	for (size_t i = 0; i < BMR_NET_ARGS && args[i]; i++)
		argv[i + 1] = (char *)(uintptr_t)args[i];
	join_environment(variables, environment);
	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	/* Its own process group, so that its script ends with it. */
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
	rc = posix_spawn(&pid, env->busybox, actions, &attributes, argv, environment);
	posix_spawnattr_destroy(&attributes);
	if (rc == 0)
		return pid;
	errno = rc;
	return -1;
}

pid_t bmr_net_start(const struct bmr_network_env *env, const char *const *args,
                    const char *const *variables, const char *output)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, output ? output : "/dev/null",
	                                 O_WRONLY | O_CREAT | O_TRUNC, 0600);
	posix_spawn_file_actions_adddup2(&actions, 1, 2);
	pid = spawn(env, args, variables, &actions);
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

bool bmr_net_ended(pid_t child, int *status)
{
	int raw;
	pid_t rc = waitpid(child, &raw, WNOHANG);

	if (rc == 0)
		return false;
	if (rc < 0)
		*status = 128; /* somebody else waited for it */
	else
		*status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
	return true;
}

void bmr_net_kill(pid_t child)
{
	int64_t deadline = bmr_net_now_ms() + KILL_LIMIT_MS;
	int status;

	kill(-child, SIGKILL);
	while (!bmr_net_ended(child, &status) && bmr_net_now_ms() < deadline)
		tick();
}

/* Its first line, as the reason; all of it is read, so that the child never waits for us. */
static void keep_output(char reason[BMR_NET_REASON], size_t *used, const char *text, size_t len)
{
	for (size_t i = 0; i < len && *used < BMR_NET_REASON - 1; i++)
		reason[(*used)++] = text[i];
	reason[*used] = '\0';
}

static bool wait_for_child(pid_t child, int output, char reason[BMR_NET_REASON], int *status)
{
	int64_t deadline = bmr_net_now_ms() + RUN_LIMIT_MS;
	size_t used = 0;

	reason[0] = '\0';
	while (bmr_net_now_ms() < deadline) {
		struct pollfd p = {.fd = output, .events = POLLIN};
		bool ended = bmr_net_ended(child, status);
		char text[256];

		while (poll(&p, 1, ended ? 0 : TICK_MS) > 0) {
			ssize_t len = read(output, text, sizeof text);

			if (len <= 0)
				break;
			keep_output(reason, &used, text, (size_t)len);
		}
		if (ended)
			return true;
		if (p.revents & POLLHUP)
			tick();
	}
	return false;
}

bool bmr_net_run(const struct bmr_network_env *env, char reason[BMR_NET_REASON],
                 const char *const *args)
{
	posix_spawn_file_actions_t actions;
	AUTO_FD int reader = -1;
	int ends[2];
	pid_t child;
	int status;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		snprintf(reason, BMR_NET_REASON, "cannot make a pipe: %s", strerror(errno));
		return false;
	}
	reader = ends[0];
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
	child = spawn(env, args, NULL, &actions);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (child < 0) {
		snprintf(reason, BMR_NET_REASON, "cannot run '%.100s': %s", env->busybox,
		         strerror(errno));
		return false;
	}
	if (!wait_for_child(child, reader, reason, &status)) {
		bmr_net_kill(child);
		snprintf(reason, BMR_NET_REASON, "'%s' took more than %d s", args[0],
		         RUN_LIMIT_MS / 1000);
		return false;
	}
	reason[strcspn(reason, "\n")] = '\0';
	if (status != 0 && !*reason)
		snprintf(reason, BMR_NET_REASON, "'%s' ended with status %d", args[0], status);
	return status == 0;
}
