/* SPDX-License-Identifier: GPL-3.0-or-later */
/* choose: on the disks of the machine that runs this, none of which is meant.  What is picked among
 * disks is in select.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/choose.h"
#include "agent/job.h"
#include "agent/session.h"
#include "base/err.h"
#include "base/log.h"

#define NOBODY "serial=bmr-no-such-disk"

struct setup {
	char path[64]; /* events */
	struct bmr_options options;
	struct bmr_session session;
	struct bmr_job job;
	struct bmr_target_info target;
	unsigned waiting; /* lines that said so */
	struct bmr_err err;
};

static void count_waiting(void *ctx, enum bmr_log_level level, const char *line)
{
	struct setup *s = ctx;

	(void)level;
	s->waiting += strstr(line, "waiting up to") != NULL;
}

static void prepare(struct setup *s, const char *target)
{
	const char *tmp = getenv("TMPDIR");
	int fd;

	memset(s, 0, sizeof *s);
	bmr_params_init(&s->options.params);
	assert_int_equal(bmr_params_set(&s->options.params, "target", target, &s->err), 0);
	s->session.options = &s->options;
	s->job.session = &s->session;
	snprintf(s->path, sizeof s->path, "%.40s/choose-XXXXXX", tmp ? tmp : "/tmp");
	fd = mkstemp(s->path);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(bmr_log_open(count_waiting, s, &s->session.log, &s->err), 0);
	assert_int_equal(bmr_screen_open(&s->session.screen, &s->err), 0);
	assert_int_equal(bmr_events_open(s->session.log, &s->session.events, &s->err), 0);
	assert_int_equal(bmr_events_to_file(s->session.events, s->path, &s->err), 0);
}

static void clear(struct setup *s)
{
	bmr_events_close(s->session.events);
	bmr_screen_close(s->session.screen);
	bmr_log_close(s->session.log);
	bmr_params_clear(&s->options.params);
	unlink(s->path);
}

static double choose(struct setup *s, unsigned wait_s, enum bmr_errc want)
{
	struct timespec a;
	struct timespec b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(bmr_choose_target(&s->job, wait_s, &s->target, &s->err), -1);
	clock_gettime(CLOCK_MONOTONIC, &b);
	if (s->err.code != want)
		fail_msg("code %d: %s; expected %d", s->err.code, s->err.msg, want);
	return (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
}

/* The event "disks" was sent so many times. */
static void expect_shown(struct setup *s, unsigned times)
{
	FILE *f = fopen(s->path, "r");
	char *line = NULL;
	size_t size = 0;
	unsigned seen = 0;

	assert_non_null(f);
	while (getline(&line, &size, f) > 0)
		seen += strstr(line, "\"event\":\"disks\"") != NULL;
	free(line);
	fclose(f);
	assert_int_equal(seen, times);
}

/* It may still appear: that is waited for, people are told, and it ends.  Then all is shown. */
static void test_waits_for_a_disk(void **state)
{
	struct setup s;
	double took;

	(void)state;
	prepare(&s, NOBODY);
	took = choose(&s, 3, BMR_E_REFUSED);
	assert_true(took >= 2.9 && took < 20);
	assert_int_equal(s.waiting, 1);
	expect_shown(&s, 1);
	clear(&s);
}

static void test_no_wait(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, NOBODY);
	assert_true(choose(&s, 0, BMR_E_REFUSED) < 2);
	assert_int_equal(s.waiting, 0);
	expect_shown(&s, 1);
	clear(&s);
}

static void test_stopped(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, NOBODY);
	atomic_store(&s.session.stop, true);
	assert_true(choose(&s, 60, BMR_E_STOPPED) < 10);
	expect_shown(&s, 0);
	clear(&s);
}

/* An order that cannot be understood is not waited for. */
static void test_bad_hints(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, "nonsense=1");
	assert_true(choose(&s, 60, BMR_E_USAGE) < 10);
	expect_shown(&s, 0);
	clear(&s);
}

static void test_source_disks(void **state)
{
	struct bmr_job job = {0};
	dev_t disks[4];
	size_t count = 9;
	struct bmr_err e;

	(void)state;
	assert_int_equal(bmr_choose_source_disks(&job, disks, 4, &count, &e), 0);
	assert_int_equal(count, 0); /* no source */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits_for_a_disk), cmocka_unit_test(test_no_wait),
		cmocka_unit_test(test_stopped),          cmocka_unit_test(test_bad_hints),
		cmocka_unit_test(test_source_disks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
