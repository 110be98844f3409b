/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

extern char **environ;

#define PATH_SIZE 1024
#define STOP_LOOK_MS 100 /* how soon a stop is seen */
#define READ_SIZE 4096
#define READS_MOST                                                                                 \
	32 /* more than a pipe holds; one that never pauses does not keep us from the clock */
#define KILL_LIMIT_MS 2000
#define TICK_MS 10

/* --- finding it --- */

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* In a list of folders as $PATH has it.  An empty one would be the folder that we happen to be in. */
static bool find_in(const char *folders, const char *name, char path[PATH_SIZE])
{
	while (folders && *folders) {
		size_t len = strcspn(folders, ":");

		if (len > 0 && len < PATH_SIZE &&
		    snprintf(path, PATH_SIZE, "%.*s/%s", (int)len, folders, name) < PATH_SIZE &&
		    is_program(path))
			return true;
		folders += len + (folders[len] == ':');
	}
	return false;
}

static int find_program(const char *name, char path[PATH_SIZE], struct bmr_err *e)
{
	bool found;

	if (strchr(name, '/'))
		found = snprintf(path, PATH_SIZE, "%s", name) < PATH_SIZE && is_program(path);
	else
		found = find_in(getenv("PATH"), name, path) ||
		        find_in("/usr/sbin:/sbin", name, path);
	return found ? 0 : bmr_err_set(e, BMR_E_SOURCE, 0, "'%s' is not installed", name);
}

/* --- starting it --- */

static size_t count_of(const char *const *list)
{
	size_t count = 0;

	while (list && list[count])
		count++;
	return count;
}

/* One list, ended by NULL, of pointers to what stays the caller's. */
static char **copy_of(const char *const *list)
{
	size_t count = count_of(list);
	char **copy = calloc(count + 1, sizeof *copy);

	for (size_t i = 0; copy && i < count; i++)
		copy[i] = (char *)(uintptr_t)list[i];
	return copy;
}

static bool is_named(const char *const *variables, const char *variable)
{
	size_t len = strcspn(variable, "=") + 1;

	for (; variables && *variables; variables++)
		if (strncmp(*variables, variable, len) == 0)
			return true;
	return false;
}

/* The environment with some variables in place of what it says.  A shell and getenv() do not agree on
 * which of two equal names counts. */
static char **environment(const char *const *variables)
{
	size_t count = count_of(variables);
	char **joined = calloc(count + count_of((const char *const *)environ) + 1, sizeof *joined);

	if (!joined)
		return NULL;
	for (size_t i = 0; i < count; i++)
		joined[i] = (char *)(uintptr_t)variables[i];
	for (char **v = environ; v && *v; v++)
		if (!is_named(variables, *v))
			joined[count++] = *v;
	return joined;
}

/* What the child does before it becomes the program.  After a fork of a process with threads only
 * the kernel may be called. */
static void become(const char *path, char **argv, char **variables, int output, int errors,
                   pid_t parent)
{
	struct sigaction standard = {.sa_handler = SIG_DFL};
	sigset_t none;
	int null = open("/dev/null", O_RDWR);

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it ended before the line above */
		_exit(127);
	/* Handlers go with exec, what is ignored stays so. */
	for (int signal = 1; signal < NSIG; signal++)
		sigaction(signal, &standard, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (null < 0 || dup2(output < 0 ? null : output, 1) < 0 ||
	    dup2(errors < 0 ? null : errors, 2) < 0 || dup2(null, 0) < 0)
		_exit(127);
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	execve(path, argv, variables);
	_exit(127);
}

int bmr_child_start(const struct bmr_child_order *order, int output, int errors, pid_t *child,
                    struct bmr_err *e)
{
	char path[PATH_SIZE];
	AUTO_FREE char **argv = NULL;
	AUTO_FREE char **variables = NULL;
	pid_t parent = getpid();
	pid_t pid;

	if (find_program(order->args[0], path, e) < 0)
		return -1;
	argv = copy_of(order->args);
	variables = environment(order->variables);
	if (!argv || !variables)
		return bmr_err_nomem(e, "a program's arguments");
	pid = fork();
	if (pid < 0)
		return bmr_err_set(e, BMR_E_NOMEM, errno, "cannot start '%s'", order->args[0]);
	if (pid == 0)
		become(path, argv, variables, output, errors, parent);
	setpgid(pid, pid); /* whoever is first */
	*child = pid;
	return 0;
}

/* --- ending it --- */

/* A child that has ended keeps its number, and so its group's, until it is waited for. */
static int reap(pid_t child)
{
	int raw = 0;

	kill(-child, SIGKILL);
	while (waitpid(child, &raw, 0) < 0)
		if (errno != EINTR)
			return 128; /* somebody else waited for it */
	return WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
}

bool bmr_child_ended(pid_t child, int *status)
{
	siginfo_t info = {0};

	if (waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0)
		return false;
	*status = reap(child);
	return true;
}

void bmr_child_kill(pid_t child)
{
	uint64_t deadline = bmr_clock_ms() + KILL_LIMIT_MS;
	int status;

	kill(-child, SIGKILL);
	/* One that waits for a dead disk does not even hear that. */
	while (!bmr_child_ended(child, &status) && bmr_clock_ms() < deadline)
		nanosleep(&(struct timespec){.tv_nsec = TICK_MS * 1000000L}, NULL);
}

/* --- running it --- */

struct run {
	const struct bmr_child_order *order;
	struct bmr_child_result *result;
	pid_t child;
	int ended;  /* readable when the child has ended */
	int output; /* -1 at its end */
	int errors; /* -1 at its end */
	size_t room;
};

static int make_room(struct run *r, size_t len, struct bmr_err *e)
{
	size_t room = 2 * (r->result->output_len + len) + 1;
	char *more;

	if (r->result->output_len + len < r->room)
		return 0;
	more = realloc(r->result->output, room);
	if (!more)
		return bmr_err_nomem(e, "a program's output");
	r->result->output = more;
	r->room = room;
	return 0;
}

static int keep_output(struct run *r, const char *text, size_t len, struct bmr_err *e)
{
	struct bmr_child_result *result = r->result;
	size_t left = r->order->output_most - result->output_len;
	size_t kept = len < left ? len : left;

	if (make_room(r, kept, e) < 0)
		return -1;
	memcpy(result->output + result->output_len, text, kept);
	result->output_len += kept;
	result->output[result->output_len] = '\0';
	if (kept == len)
		return 0;
	return bmr_err_set(e, BMR_E_SOURCE, 0, "'%s' wrote more than %zu bytes", r->order->args[0],
	                   r->order->output_most);
}

/* The end of it: that is where programs say why they stop. */
static void keep_errors(struct bmr_child_result *result, const char *text, size_t len)
{
	size_t most = sizeof result->errors - 1;
	size_t old = strlen(result->errors);

	if (len > most) {
		text += len - most;
		len = most;
	}
	if (old + len > most) {
		memmove(result->errors, result->errors + old + len - most, most - len);
		old = most - len;
	}
	for (size_t i = 0; i < len; i++)
		result->errors[old + i] = text[i] ? text[i] : ' ';
	result->errors[old + len] = '\0';
}

static int keep(struct run *r, const int *fd, const char *text, size_t len, struct bmr_err *e)
{
	if (fd == &r->errors)
		keep_errors(r->result, text, len);
	if (fd == &r->output || r->order->joined)
		return keep_output(r, text, len, e);
	return 0;
}

/* Take what there is, without waiting. */
static int drain(struct run *r, int *fd, struct bmr_err *e)
{
	char text[READ_SIZE];

	for (unsigned i = 0; *fd >= 0 && i < READS_MOST; i++) {
		ssize_t len = read(*fd, text, sizeof text);

		if (len < 0)
			return 0; /* nothing more for now */
		if (len == 0)
			*fd = -1; /* poll() leaves it out; its owner closes it */
		else if (keep(r, fd, text, (size_t)len, e) < 0)
			return -1;
	}
	return 0;
}

/* Until it has ended: 0. */
static int attend(struct run *r, struct bmr_err *e)
{
	uint64_t deadline = bmr_clock_ms() + r->order->limit_ms;

	for (;;) {
		int left = bmr_clock_left(deadline);
		struct pollfd p[] = {{.fd = r->ended, .events = POLLIN},
		                     {.fd = r->output, .events = POLLIN},
		                     {.fd = r->errors, .events = POLLIN}};

		if (r->order->stop && atomic_load(r->order->stop))
			return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
		if (left == 0)
			return bmr_err_set(e, BMR_E_NET, 0, "'%s' took more than %u s",
			                   r->order->args[0], r->order->limit_ms / 1000);
		if (poll(p, 3, left < STOP_LOOK_MS ? left : STOP_LOOK_MS) < 0)
			continue; /* EINTR */
		if (drain(r, &r->output, e) < 0 || drain(r, &r->errors, e) < 0)
			return -1;
		if (p[0].revents) /* what it wrote before was there before */
			return 0;
	}
}

/* The last line that says something. */
static void last_line(const char *text, char *line, size_t size)
{
	size_t end = strlen(text);
	size_t start;

	while (end > 0 && (unsigned char)text[end - 1] <= ' ')
		end--;
	start = end;
	while (start > 0 && text[start - 1] != '\n' && text[start - 1] != '\r')
		start--;
	snprintf(line, size, "%.*s", (int)(end - start), text + start);
}

static int judge(const struct run *r, struct bmr_err *e)
{
	char why[200];

	if (r->result->status == 0)
		return 0;
	last_line(r->result->errors, why, sizeof why);
	return bmr_err_set(e, BMR_E_SOURCE, 0, "'%s' ended with status %d%s%s", r->order->args[0],
	                   r->result->status, why[0] ? ": " : "", why);
}

/* With the pipes' far ends, which the child alone is to hold once it runs. */
static int start(struct run *r, int *output, int *errors, struct bmr_err *e)
{
	int rc = bmr_child_start(r->order, *output, *errors, &r->child, e);

	close(take_fd(output));
	close(take_fd(errors));
	if (rc < 0)
		return -1;
	r->ended = pidfd_open(r->child, 0);
	if (r->ended < 0) {
		bmr_err_set(e, BMR_E_NOMEM, errno, "cannot watch '%s'", r->order->args[0]);
		bmr_child_kill(r->child);
		return -1;
	}
	return 0;
}

int bmr_child_run(const struct bmr_child_order *order, struct bmr_child_result *result,
                  struct bmr_err *e)
{
	struct run r = {.order = order, .result = result};
	int out[2] = {-1, -1};
	int err[2] = {-1, -1};
	int rc = pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0 ? -1 : 0;
	AUTO_FD int out_reader = out[0];
	AUTO_FD int out_writer = out[1];
	AUTO_FD int err_reader = err[0];
	AUTO_FD int err_writer = err[1];

	*result = (struct bmr_child_result){.status = -1};
	if (rc < 0 || fcntl(out_reader, F_SETFL, O_NONBLOCK) < 0 ||
	    fcntl(err_reader, F_SETFL, O_NONBLOCK) < 0)
		return bmr_err_set(e, BMR_E_NOMEM, errno, "cannot make a pipe");
	r.output = out_reader;
	r.errors = err_reader;
	if (make_room(&r, 0, e) < 0)
		return -1;
	result->output[0] = '\0';
	if (start(&r, &out_writer, &err_writer, e) < 0) {
		bmr_child_clear(result);
		return -1;
	}
	rc = attend(&r, e);
	close(r.ended);
	if (rc < 0) {
		bmr_child_kill(r.child);
		return -1;
	}
	result->status = reap(r.child);
	return judge(&r, e);
}

void bmr_child_clear(struct bmr_child_result *result)
{
	free(result->output);
	*result = (struct bmr_child_result){.status = -1};
}
