/* SPDX-License-Identifier: GPL-3.0-or-later */
/* jail: what a process can still do, and what kills it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "unpacker/jail.h"

#define MEMORY ((size_t)88 << 20)
#define KEEP 3
#define HIGH 64
/* What a sanitizer maps is more than the limit; the program itself is never built with one. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SHADOW true
#else
#define HAS_SHADOW false
#endif

static int map(size_t len, int prot, int flags)
{
	return mmap(NULL, len, prot, flags | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? 1 : 0;
}

static int try_nothing(void)
{
	return 0;
}

static int try_forever(void)
{
	volatile bool more = true; /* to the compiler it may end */

	while (more)
		;
	return 0;
}

static int try_memory(void)
{
	return map(1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE);
}

static int try_much_memory(void)
{
	return map(MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE);
}

static int try_keep(void)
{
	return write(KEEP, "x", 1) == 1 ? 0 : 1;
}

static int try_open(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static int try_other_descriptor(void)
{
	return (int)write(STDERR_FILENO, "x", 1);
}

static int try_socket(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int try_fork(void)
{
	return (int)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static int try_program(void)
{
	char *const argv[] = {NULL};

	return execve("/bin/true", argv, argv);
}

static int try_signal(void)
{
	return kill(getppid(), 0);
}

static int try_parents_memory(void)
{
	return (int)ptrace(PTRACE_ATTACH, 1, NULL, NULL);
}

static int try_code(void)
{
	return map(4096, PROT_READ | PROT_EXEC, MAP_PRIVATE);
}

static int try_to_make_code(void)
{
	static char page[2 * 4096];
	uintptr_t at = ((uintptr_t)page + 4095) & ~(uintptr_t)4095;

	return mprotect((void *)at, 4096, PROT_READ | PROT_EXEC);
}

static int try_shared_memory(void)
{
	return map(1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED);
}

static int try_limit(void)
{
	const struct rlimit more = {RLIM_INFINITY, RLIM_INFINITY};

	return setrlimit(RLIMIT_DATA, &more);
}

static int try_root(void)
{
	return setresuid(0, 0, 0);
}

static int try_growing_stack(void)
{
	return map(2 * MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_GROWSDOWN);
}

/* Of which only the tables take memory. */
static int try_what_cannot_be_written(void)
{
	return map((size_t)1 << 40, PROT_READ, MAP_PRIVATE);
}

/* What root may do is not asked here. */
static bool limited_by_another(void)
{
	const struct rlimit least = {(rlim_t)64 << 20, (rlim_t)64 << 20};

	return setrlimit(RLIMIT_DATA, &least) == 0 && (geteuid() != 0 || setuid(1) == 0);
}

static bool as_it_was(void)
{
	return true;
}

/* A process that enters the jail and tries it; what is written to *life nobody reads. */
static pid_t start(bool (*before)(void), int (*what)(void), int *life)
{
	int ends[2];
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = open("/dev/null", O_RDWR);
		struct bmr_err err;

		if (close(ends[1]) < 0 || (fd = fcntl(fd, F_DUPFD, HIGH)) < 0 ||
		    (ends[0] = fcntl(ends[0], F_DUPFD, HIGH)) < 0 || dup2(fd, KEEP) < 0 ||
		    dup2(ends[0], KEEP + 1) < 0 || !before() ||
		    bmr_jail_enter(KEEP, MEMORY, &err) < 0)
			_exit(99);
		_exit(what());
	}
	close(ends[0]);
	*life = ends[1];
	return pid;
}

/* How it ends. */
static int status_after(bool (*before)(void), int (*what)(void))
{
	int status = 0;
	int life;
	pid_t pid = start(before, what, &life);

	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(life);
	return status;
}

static int status_of(int (*what)(void))
{
	return status_after(as_it_was, what);
}

static void test_what_is_left(void **state)
{
	(void)state;
	if (HAS_SHADOW)
		skip();
	assert_int_equal(status_of(try_nothing), 0);
	assert_int_equal(status_of(try_keep), 0);
	assert_int_equal(WEXITSTATUS(status_of(try_much_memory)), 1);
	assert_int_equal(status_of(try_memory), 0);
	assert_int_equal(status_after(limited_by_another, try_memory), 0);
}

static void test_what_kills(void **state)
{
	static int (*const calls[])(void) = {
		try_open,           try_other_descriptor,
		try_socket,         try_fork,
		try_program,        try_signal,
		try_parents_memory, try_code,
		try_root,           try_to_make_code,
		try_shared_memory,  try_limit,
		try_growing_stack,  try_what_cannot_be_written,
	};

	(void)state;
	if (HAS_SHADOW)
		skip();
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		int status = status_of(calls[i]);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("call %zu ends with %#x", i, (unsigned)status);
	}
}

/* One that asks for nothing any more is killed when the other end of its pipe is gone. */
static void test_ends_with_its_owner(void **state)
{
	uint64_t deadline = bmr_clock_ms() + 10000;
	int status = 0;
	pid_t ended;
	int life;
	pid_t pid;

	(void)state;
	if (HAS_SHADOW)
		skip();
	pid = start(as_it_was, try_forever, &life);
	usleep(50000);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	close(life);
	do {
		ended = waitpid(pid, &status, WNOHANG);
	} while (ended == 0 && bmr_clock_ms() < deadline);
	kill(pid, SIGKILL);
	assert_int_equal(ended, pid);
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_left),
		cmocka_unit_test(test_what_kills),
		cmocka_unit_test(test_ends_with_its_owner),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
