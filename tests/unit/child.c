/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Other programs: what they say, how they end, and that none outlives its time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/child.h"
#include "base/cleanup.h"
#include "base/err.h"

#define PLENTY 1000000

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What is tried here is the program's business; ours is that no shell gets between. */
static int shell(const char *script, unsigned limit_ms, struct bmr_child_result *result,
                 struct bmr_err *e)
{
	const char *const args[] = {"sh", "-c", script, NULL};
	struct bmr_child_order order = {.args = args, .limit_ms = limit_ms, .output_most = PLENTY};

	return bmr_child_run(&order, result, e);
}

static bool is_gone(pid_t pid)
{
	for (int i = 0; i < 200; i++) {
		if (kill(pid, 0) != 0 && errno == ESRCH)
			return true;
		usleep(10000);
	}
	return false;
}

static void test_output(void **state)
{
	static const char *const args[] = {"printf", "%s|", "$HOME `id` 'a b'", "", "*", NULL};
	struct bmr_child_order order = {.args = args, .limit_ms = 20000, .output_most = 100};
	struct bmr_child_result result;
	struct bmr_err e = {0};

	(void)state;
	assert_int_equal(bmr_child_run(&order, &result, &e), 0);
	assert_string_equal(result.output, "$HOME `id` 'a b'||*|");
	assert_int_equal(result.output_len, 20);
	assert_int_equal(result.status, 0);
	bmr_child_clear(&result);
	assert_null(result.output);
}

static void test_silence(void **state)
{
	struct bmr_child_result result;
	struct bmr_err e = {0};

	(void)state;
	assert_int_equal(shell("read x || :", 20000, &result, &e), 0);
	assert_string_equal(result.output, "");
	assert_string_equal(result.errors, "");
	bmr_child_clear(&result);
}

static void test_status(void **state)
{
	struct bmr_child_result result;
	struct bmr_err e = {0};

	(void)state;
	assert_int_equal(shell("echo out; echo first >&2; echo 'no luck  ' >&2; echo >&2; exit 3",
	                       20000, &result, &e),
	                 -1);
	assert_int_equal(e.code, BMR_E_SOURCE);
	assert_string_equal(e.msg, "'sh' ended with status 3: no luck");
	assert_string_equal(result.output, "out\n");
	assert_string_equal(result.errors, "first\nno luck  \n\n");
	assert_int_equal(result.status, 3);
	bmr_child_clear(&result);
	assert_int_equal(shell("kill -TERM $$", 20000, &result, &e), -1);
	assert_string_equal(e.msg, "'sh' ended with status 143");
	bmr_child_clear(&result);
}

static void test_joined(void **state)
{
	static const char *const args[] = {"sh", "-c", "echo first; sleep 1; echo second >&2",
	                                   NULL};
	struct bmr_child_order order = {
		.args = args, .joined = true, .limit_ms = 20000, .output_most = 13};
	struct bmr_child_result result;
	struct bmr_err e = {0};

	(void)state;
	assert_int_equal(bmr_child_run(&order, &result, &e), 0);
	assert_string_equal(result.output, "first\nsecond\n");
	assert_string_equal(result.errors, "second\n");
	bmr_child_clear(&result);
	order.output_most--;
	assert_int_equal(bmr_child_run(&order, &result, &e), -1);
	bmr_child_clear(&result);
}

/* The end of many errors, whatever the pieces in which they come. */
static void test_many_errors(void **state)
{
	struct bmr_child_result result;
	struct bmr_err e = {0};

	(void)state;
	assert_int_equal(shell("i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done; "
	                       "exit 1",
	                       20000, &result, &e),
	                 -1);
	assert_string_equal(e.msg, "'sh' ended with status 1: line 2999");
	assert_int_equal(strlen(result.errors), BMR_CHILD_ERRORS_SIZE - 1);
	assert_non_null(strstr(result.errors, "line 2950\nline 2951\n"));
	bmr_child_clear(&result);
}

static void test_much_output(void **state)
{
	static const char *const args[] = {"head", "-c", "300000", "/dev/zero", NULL};
	struct bmr_child_order order = {.args = args, .limit_ms = 20000, .output_most = 300000};
	struct bmr_child_result result;
	struct bmr_err e = {0};

	(void)state;
	assert_int_equal(bmr_child_run(&order, &result, &e), 0);
	assert_int_equal(result.output_len, 300000);
	bmr_child_clear(&result);
	order.output_most--;
	assert_int_equal(bmr_child_run(&order, &result, &e), -1);
	assert_int_equal(e.code, BMR_E_SOURCE);
	assert_string_equal(e.msg, "'head' wrote more than 299999 bytes");
	assert_int_equal(result.status, -1);
	assert_int_equal(result.output_len, 299999); /* what there was before */
	bmr_child_clear(&result);
}

static void test_missing(void **state)
{
	static const char *const wanted[] = {"no-such-program", "/etc/passwd", "/", ""};
	struct bmr_child_result result;
	struct bmr_err e = {0};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		const char *const args[] = {wanted[i], NULL};
		struct bmr_child_order order = {.args = args, .limit_ms = 1000};

		assert_int_equal(bmr_child_run(&order, &result, &e), -1);
		assert_int_equal(e.code, BMR_E_SOURCE);
		bmr_child_clear(&result);
	}
	assert_string_equal(e.msg, "'' is not installed");
}

/* A program here is not one that was meant, and what root calls stands in sbin. */
static void test_path(void **state)
{
	AUTO_FREE char *old = strdup(getenv("PATH"));
	struct bmr_child_result result;
	struct bmr_err e = {0};
	static const char *const args[] = {"child-here", NULL};
	static const char *const losetup[] = {"losetup", "--version", NULL};
	struct bmr_child_order order = {.args = args, .limit_ms = 20000, .output_most = PLENTY};
	char folder[] = "/tmp/bmr-child.XXXXXX";
	AUTO_FREE char *back = getcwd(NULL, 0);
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	fd = open("child-here", O_CREAT | O_WRONLY, 0755);
	dprintf(fd, "#!/bin/sh\necho here\n");
	close(fd);
	setenv("PATH", "::/bin", 1);
	assert_int_equal(bmr_child_run(&order, &result, &e), -1);
	bmr_child_clear(&result);
	setenv("PATH", folder, 1);
	assert_int_equal(bmr_child_run(&order, &result, &e), 0);
	assert_string_equal(result.output, "here\n");
	bmr_child_clear(&result);
	order.args = losetup;
	assert_int_equal(bmr_child_run(&order, &result, &e), 0);
	bmr_child_clear(&result);
	setenv("PATH", old, 1);
	unlink("child-here");
	assert_int_equal(chdir(back), 0);
	rmdir(folder);
}

static void test_variables(void **state)
{
	static const char *const args[] = {"sh", "-c", "echo $LC_ALL $BMR_CHILD_TEST", NULL};
	static const char *const variables[] = {"LC_ALL=C", NULL};
	struct bmr_child_order order = {
		.args = args, .variables = variables, .limit_ms = 20000, .output_most = PLENTY};
	struct bmr_child_result result;
	struct bmr_err e = {0};

	(void)state;
	setenv("LC_ALL", "tlh", 1);
	setenv("BMR_CHILD_TEST", "kept", 1);
	assert_int_equal(bmr_child_run(&order, &result, &e), 0);
	assert_string_equal(result.output, "C kept\n");
	bmr_child_clear(&result);
	unsetenv("LC_ALL");
}

/* Neither what it starts itself, nor an open pipe, makes it last longer. */
static void test_deadline(void **state)
{
	struct bmr_child_result result;
	struct bmr_err e = {0};
	double start = seconds();
	pid_t inner;

	(void)state;
	assert_int_equal(shell("sleep 100 & echo $!; sleep 100", 1000, &result, &e), -1);
	assert_true(seconds() - start < 20);
	assert_int_equal(e.code, BMR_E_NET);
	assert_string_equal(e.msg, "'sh' took more than 1 s");
	inner = atoi(result.output);
	assert_true(inner > 1 && is_gone(inner));
	bmr_child_clear(&result);
}

/* Errors without end do not keep the clock from being looked at. */
static void test_babble(void **state)
{
	struct bmr_child_result result;
	struct bmr_err e = {0};
	double start = seconds();

	(void)state;
	assert_int_equal(shell("exec cat /dev/zero >&2", 500, &result, &e), -1);
	assert_true(seconds() - start < 20);
	assert_int_equal(e.code, BMR_E_NET);
	bmr_child_clear(&result);
}

static void test_leftover(void **state)
{
	struct bmr_child_result result;
	struct bmr_err e = {0};
	double start = seconds();
	pid_t inner;

	(void)state;
	assert_int_equal(shell("sleep 100 & echo $!", 60000, &result, &e), 0);
	assert_true(seconds() - start < 20);
	inner = atoi(result.output);
	assert_true(inner > 1 && is_gone(inner));
	bmr_child_clear(&result);
}

static void *stop_soon(void *flag)
{
	usleep(200000);
	atomic_store((atomic_bool *)flag, true);
	return NULL;
}

static void test_stop(void **state)
{
	static const char *const args[] = {"sleep", "100", NULL};
	atomic_bool stop = false;
	struct bmr_child_order order = {.args = args, .limit_ms = 60000, .stop = &stop};
	struct bmr_child_result result;
	struct bmr_err e = {0};
	double start = seconds();
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, stop_soon, &stop), 0);
	assert_int_equal(bmr_child_run(&order, &result, &e), -1);
	assert_int_equal(e.code, BMR_E_STOPPED);
	assert_true(seconds() - start < 20);
	pthread_join(thread, NULL);
	bmr_child_clear(&result);
}

/* Signals 32 and 33 are the C library's, which hands them on as it got them. */
#define LIBC_SIGNALS (UINT64_C(3) << 31)

/* Nothing of ours: no descriptor, no blocked or ignored signal. */
static void test_bare(void **state)
{
	AUTO_FD int open_fd = open("/dev/null", O_RDONLY); /* without O_CLOEXEC */
	struct bmr_child_result result;
	struct bmr_err e = {0};
	sigset_t blocked;
	sigset_t old;
	uint64_t blocks;
	uint64_t ignores;
	int fds;

	(void)state;
	assert_true(open_fd > 2);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &old);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(shell("ls /proc/self/fd | wc -l; grep -E 'Sig(Blk|Ign)' /proc/self/status",
	                       20000, &result, &e),
	                 0);
	assert_int_equal(sscanf(result.output, "%d SigBlk: %" SCNx64 " SigIgn: %" SCNx64, &fds,
	                        &blocks, &ignores),
	                 3);
	assert_int_equal(fds, 4); /* 0, 1, 2, and the one of ls */
	assert_int_equal(blocks & ~LIBC_SIGNALS, 0);
	assert_int_equal(ignores & ~LIBC_SIGNALS, 0);
	bmr_child_clear(&result);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

/* The long-running kind, with its output in a file. */
static void test_start(void **state)
{
	static const char *const args[] = {"sh", "-c", "echo said; exec sleep 100", NULL};
	struct bmr_child_order order = {.args = args};
	char path[] = "/tmp/bmr-child.XXXXXX";
	AUTO_FD int fd = mkstemp(path);
	struct bmr_err e = {0};
	struct stat st = {0};
	int status = -1;
	pid_t child;

	(void)state;
	assert_int_equal(bmr_child_start(&order, fd, -1, &child, &e), 0);
	for (int i = 0; i < 1000 && st.st_size != 5; i++) {
		usleep(10000);
		fstat(fd, &st);
	}
	assert_int_equal(st.st_size, 5);
	assert_false(bmr_child_ended(child, &status));
	bmr_child_kill(child);
	assert_true(is_gone(child));
	assert_true(bmr_child_ended(child, &status));
	assert_int_equal(status, 128);
	unlink(path);
}

/* A bmr that is killed takes its children along. */
static void test_orphan(void **state)
{
	int ends[2];
	pid_t parent;
	pid_t child = 0;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	parent = fork();
	if (parent == 0) {
		static const char *const args[] = {"sleep", "100", NULL};
		struct bmr_child_order order = {.args = args};
		struct bmr_err e;

		if (bmr_child_start(&order, -1, -1, &child, &e) < 0 ||
		    write(ends[1], &child, sizeof child) != sizeof child)
			_exit(1);
		pause();
	}
	assert_int_equal(read(ends[0], &child, sizeof child), sizeof child);
	assert_int_equal(kill(child, 0), 0);
	kill(parent, SIGKILL);
	waitpid(parent, NULL, 0);
	assert_true(is_gone(child));
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output),      cmocka_unit_test(test_silence),
		cmocka_unit_test(test_status),      cmocka_unit_test(test_joined),
		cmocka_unit_test(test_many_errors), cmocka_unit_test(test_much_output),
		cmocka_unit_test(test_missing),     cmocka_unit_test(test_path),
		cmocka_unit_test(test_variables),   cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_babble),      cmocka_unit_test(test_leftover),
		cmocka_unit_test(test_stop),        cmocka_unit_test(test_bare),
		cmocka_unit_test(test_start),       cmocka_unit_test(test_orphan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
