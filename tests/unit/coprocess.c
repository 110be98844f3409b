/* SPDX-License-Identifier: GPL-3.0-or-later */
/* coprocess: what it begins with, what it says, how it ends, and that nothing of it is left.  The
 * process is this program once more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/coprocess.h"
#include "base/err.h"

#define MEMORY 4096

/* --- the process --- */

static int count_open(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* 'c': how many descriptors are open; 'e': one letter of the environment; 'm': add 1 to the memory;
 * 's': say nothing; 'l': say too much; 'k': die by a signal; 'x': end with 7. */
static int work(void)
{
	char *memory =
		mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, BMR_COPROCESS_MEMORY, 0);
	char order;

	while (recv(BMR_COPROCESS_SOCKET, &order, 1, 0) == 1) {
		int reply[2] = {0};

		switch (order) {
		case 'c':
			reply[0] = count_open();
			break;
		case 'e':
			reply[0] = getenv("COPROCESS_SECRET") != NULL;
			break;
		case 'm':
			memory[0]++;
			break;
		case 's':
			continue;
		case 'k':
			raise(SIGSYS); /* which no sanitizer catches */
			break;
		case 'x':
			return 7;
		}
		send(BMR_COPROCESS_SOCKET, reply, order == 'l' ? sizeof reply : sizeof *reply, 0);
	}
	return 0;
}

/* --- the tests --- */

static void start(struct bmr_coprocess *c)
{
	struct bmr_coprocess_order order = {
		.task = "a test", .argument = "work", .memory_size = MEMORY};
	struct bmr_err err;

	assert_int_equal(bmr_coprocess_start(c, &order, &err), 0);
}

static enum bmr_coprocess_answer ask(struct bmr_coprocess *c, char order, int *reply)
{
	assert_int_equal(send(c->socket, &order, 1, MSG_NOSIGNAL), 1);
	return bmr_coprocess_await(c, reply, sizeof *reply, -1, order == 's' ? 50 : 20000);
}

static void test_begins_with_little(void **state)
{
	struct bmr_coprocess c;
	int reply;
	int before = count_open();

	(void)state;
	assert_int_equal(setenv("COPROCESS_SECRET", "x", 1), 0);
	start(&c);
	assert_int_equal(ask(&c, 'c', &reply), BMR_COPROCESS_ANSWERED);
	assert_int_equal(reply, 6);
	assert_int_equal(ask(&c, 'e', &reply), BMR_COPROCESS_ANSWERED);
	assert_int_equal(reply, 0);
	assert_true(getpgid(c.pid) != getpgid(0));
	bmr_coprocess_end(&c);
	assert_int_equal(count_open(), before);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void test_memory_is_shared(void **state)
{
	struct bmr_coprocess c;
	int reply;

	(void)state;
	start(&c);
	((char *)c.memory)[0] = 'a';
	assert_int_equal(ask(&c, 'm', &reply), BMR_COPROCESS_ANSWERED);
	assert_int_equal(((char *)c.memory)[0], 'b');
	bmr_coprocess_end(&c);
}

static void test_every_answer(void **state)
{
	struct bmr_coprocess c;
	int reply;
	int stop[2];

	(void)state;
	start(&c);
	assert_int_equal(ask(&c, 's', &reply), BMR_COPROCESS_SILENT);
	assert_int_equal(ask(&c, 'l', &reply), BMR_COPROCESS_GARBLED);
	assert_int_equal(pipe(stop), 0);
	assert_int_equal(write(stop[1], "", 1), 1);
	assert_int_equal(bmr_coprocess_await(&c, &reply, sizeof reply, stop[0], 20000),
	                 BMR_COPROCESS_STOPPED);
	assert_int_equal(ask(&c, 'x', &reply), BMR_COPROCESS_DIED);
	assert_int_equal(WEXITSTATUS(bmr_coprocess_end(&c)), 7);
	start(&c);
	assert_int_equal(ask(&c, 'k', &reply), BMR_COPROCESS_DIED);
	assert_int_equal(WTERMSIG(bmr_coprocess_end(&c)), SIGSYS);
	close(stop[0]);
	close(stop[1]);
}

/* The program comes from memory, not from a file. */
static void test_a_program_in_memory(void **state)
{
	struct bmr_coprocess_order order = {
		.task = "a test", .argument = "work", .memory_size = MEMORY};
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct bmr_coprocess c;
	struct bmr_err err;
	struct stat st;
	int reply;

	(void)state;
	assert_int_equal(fstat(fd, &st), 0);
	order.program_size = (size_t)st.st_size;
	order.program = mmap(NULL, order.program_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	assert_true(order.program != MAP_FAILED);
	assert_int_equal(bmr_coprocess_start(&c, &order, &err), 0);
	assert_int_equal(ask(&c, 'c', &reply), BMR_COPROCESS_ANSWERED);
	assert_int_equal(reply, 7);
	bmr_coprocess_end(&c);
	order.program_size = 3; /* is none */
	assert_int_equal(bmr_coprocess_start(&c, &order, &err), -1);
	assert_int_equal(err.code, BMR_E_NOMEM);
	bmr_coprocess_end(&c);
}

static void test_ends_at_once(void **state)
{
	struct bmr_coprocess c;
	uint64_t since;

	(void)state;
	start(&c);
	kill(c.pid, SIGSTOP);
	since = bmr_clock_ms();
	assert_int_equal(WTERMSIG(bmr_coprocess_end(&c)), SIGKILL);
	assert_true(bmr_clock_ms() - since < 10000);
	bmr_coprocess_end(&c);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begins_with_little),
		cmocka_unit_test(test_memory_is_shared),
		cmocka_unit_test(test_every_answer),
		cmocka_unit_test(test_a_program_in_memory),
		cmocka_unit_test(test_ends_at_once),
	};

	if (argc > 1 && strcmp(argv[1], "work") == 0)
		return work();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
