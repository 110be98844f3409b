/* SPDX-License-Identifier: GPL-3.0-or-later */
/* console: which are opened, where Enter is pressed, and which is taken.  Pseudo-terminals stand for serial ports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/console.h"
#include "tests/fixtures/fake_machine.h"

#define ACTIVE "sys/class/tty/console/active"

struct terminal {
	int keyboard;  /* the other end */
	char name[32]; /* below /dev */
};

static struct terminal terminal_new(void)
{
	struct terminal t = {.keyboard = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)};
	char path[64];

	if (t.keyboard < 0)
		skip();
	assert_int_equal(grantpt(t.keyboard), 0);
	assert_int_equal(unlockpt(t.keyboard), 0);
	assert_int_equal(ptsname_r(t.keyboard, path, sizeof path), 0);
	snprintf(t.name, sizeof t.name, "%.30s", path + strlen("/dev/"));
	return t;
}

/* tty1 is opened where this machine has one. */
static unsigned open_consoles(struct fake *m, struct bmr_consoles *c)
{
	bmr_consoles_open(m->sysfs, c);
	return c->count - c->first_is_vga;
}

static void test_nothing_named(void **state)
{
	struct fake *m = fake_open();
	struct bmr_consoles c;

	(void)state;
	assert_int_equal(open_consoles(m, &c), 0);
	bmr_consoles_close(&c);
	assert_int_equal(c.count, 0);
	fake_close(m);
}

static void test_kernel_consoles(void **state)
{
	struct terminal a = terminal_new();
	struct terminal b = terminal_new();
	struct fake *m = fake_open();
	struct bmr_consoles c;
	char text[160];

	(void)state;
	snprintf(text, sizeof text, "tty0 %s bmr-not-there %s %s\n", a.name, b.name, a.name);
	fake_text(m, ACTIVE, text);
	assert_int_equal(open_consoles(m, &c), 2); /* each once */
	bmr_consoles_close(&c);
	close(a.keyboard);
	close(b.keyboard);
	fake_close(m);
}

static void test_too_many(void **state)
{
	struct terminal t[BMR_CONSOLES_MAX + 2];
	struct fake *m = fake_open();
	struct bmr_consoles c;
	char text[200] = "";

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		t[i] = terminal_new();
		strcat(text, i > 0 ? " " : "");
		strcat(text, t[i].name);
	}
	fake_text(m, ACTIVE, text);
	bmr_consoles_open(m->sysfs, &c);
	assert_int_equal(c.count, BMR_CONSOLES_MAX);
	bmr_consoles_close(&c);
	for (size_t i = 0; i < sizeof t / sizeof *t; i++)
		close(t[i].keyboard);
	fake_close(m);
}

/* A port that the kernel lists although there is no chip is type 0. */
static void test_serial_ports(void **state)
{
	int fd = open("/dev/ttyS0", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	struct fake *m;
	struct bmr_consoles c;

	(void)state;
	if (fd < 0)
		skip();
	close(fd);
	m = fake_open();
	fake_text(m, "sys/class/tty/ttyS0/type", "0\n");
	assert_int_equal(open_consoles(m, &c), 0);
	bmr_consoles_close(&c);
	fake_text(m, "sys/class/tty/ttyS0/type", "4\n");
	assert_int_equal(open_consoles(m, &c), 1);
	bmr_consoles_close(&c);
	fake_text(m, ACTIVE, "ttyS0\n");
	assert_int_equal(open_consoles(m, &c), 1); /* once, although it is both */
	bmr_consoles_close(&c);
	fake_close(m);
}

static void type(const struct terminal *t, const char *text)
{
	assert_int_equal(write(t->keyboard, text, strlen(text)), strlen(text));
}

static int open_end(const struct terminal *t)
{
	char path[64];
	int fd;

	snprintf(path, sizeof path, "/dev/%s", t->name);
	fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void test_wait(void **state)
{
	struct terminal a = terminal_new();
	struct terminal b = terminal_new();
	struct bmr_consoles c = {.fds = {open_end(&a), open_end(&b)}, .count = 2};

	(void)state;
	alarm(30); /* if it waits for what does not come */
	type(&b, "\n");
	assert_int_equal(bmr_consoles_wait(&c), 1);
	type(&a, "noise\n");
	assert_int_equal(bmr_consoles_wait(&c), 0);
	close(a.keyboard); /* one is unplugged: the other goes on */
	type(&b, "\n");
	assert_int_equal(bmr_consoles_wait(&c), 1);
	close(b.keyboard);
	assert_int_equal(bmr_consoles_wait(&c), -1);
	alarm(0);
	bmr_consoles_close(&c);
	assert_int_equal(bmr_consoles_wait(&c), -1);
}

/* It becomes standard input and output, and blocks although it was opened not to. */
static void test_take(void **state)
{
	struct terminal t = terminal_new();
	struct bmr_consoles c = {.fds = {open_end(&t)}, .count = 1};
	int in = dup(STDIN_FILENO);
	int out = dup(STDOUT_FILENO);
	char path[64] = "";
	int taken, flags, named;

	(void)state;
	taken = bmr_consoles_take(&c, 0);
	flags = fcntl(STDIN_FILENO, F_GETFL);
	named = ttyname_r(STDOUT_FILENO, path, sizeof path);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	assert_int_equal(taken, 0);
	assert_int_equal(named, 0);
	assert_false(flags & O_NONBLOCK);
	assert_string_equal(path + strlen("/dev/"), t.name);
	assert_string_equal(getenv("TERM"), "vt100");
	close(in);
	close(out);
	close(t.keyboard);
	bmr_consoles_close(&c);
	c = (struct bmr_consoles){.fds = {STDIN_FILENO}, .count = 1};
	c.fds[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(bmr_consoles_take(&c, 0), -1);
	bmr_consoles_close(&c);
}

static void test_kind(void **state)
{
	struct terminal t = terminal_new();
	char path[48];
	int ends[2];
	int fd;

	(void)state;
	snprintf(path, sizeof path, "/dev/%s", t.name);
	fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_int_equal(bmr_console_kind(fd), BMR_SCREEN_REDRAW);
	close(fd);
	close(t.keyboard);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(bmr_console_kind(ends[1]), BMR_SCREEN_LINES);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kind),
		cmocka_unit_test(test_nothing_named),
		cmocka_unit_test(test_kernel_consoles),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_serial_ports),
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
