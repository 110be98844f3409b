/* SPDX-License-Identifier: GPL-3.0-or-later */
/* retry: when it tries again, how long it waits, when it gives up, what it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "transport/retry.h"

struct notes {
	unsigned count;
	char last[600];
};

static void note(void *ctx, enum bmr_log_level level, const char *line)
{
	struct notes *n = ctx;

	assert_int_equal(level, BMR_LOG_NOTICE);
	n->count++;
	snprintf(n->last, sizeof n->last, "%s", line);
}

static int fail_with(struct bmr_retry *r, enum bmr_errc code, struct bmr_err *e)
{
	bmr_err_set(e, code, 0, "'x' does not answer");
	return bmr_retry_again(r, e);
}

static void test_waits_longer_each_time(void **state)
{
	struct bmr_retry r;
	struct bmr_err e;
	uint64_t begun = bmr_clock_ms();

	(void)state;
	bmr_retry_begin(&r, NULL, 60000, 100, -1);
	assert_int_equal(fail_with(&r, BMR_E_NET, &e), 0);
	assert_int_equal(fail_with(&r, BMR_E_NET, &e), 0);
	assert_in_range(bmr_clock_ms() - begun, 750, 1500);
	assert_int_equal(r.delay_ms, 1000);
	r.delay_ms = 3000;
	r.stop_fd = eventfd(1, 0);
	fail_with(&r, BMR_E_NET, &e);
	assert_int_equal(r.delay_ms, BMR_RETRY_LONGEST_MS);
	close(r.stop_fd);
}

static void test_says_what_it_does(void **state)
{
	struct notes notes = {0};
	struct bmr_log *log;
	struct bmr_retry r;
	struct bmr_err e;

	(void)state;
	assert_int_equal(bmr_log_open(note, &notes, &log, &e), 0);
	bmr_retry_begin(&r, log, 43000, 100, -1);
	assert_int_equal(fail_with(&r, BMR_E_NET, &e), 0);
	assert_int_equal(notes.count, 1);
	assert_string_equal(notes.last,
	                    "'x' does not answer; trying again, attempt 2, giving up in 43 s");
	bmr_log_close(log);
}

static void test_only_the_network_is_tried_again(void **state)
{
	static const enum bmr_errc final[] = {BMR_E_USAGE, BMR_E_DATA,  BMR_E_SOURCE,
	                                      BMR_E_BUG,   BMR_E_NOMEM, BMR_E_STOPPED};

	(void)state;
	for (size_t i = 0; i < sizeof final / sizeof *final; i++) {
		struct bmr_retry r;
		struct bmr_err e;

		bmr_retry_begin(&r, NULL, 60000, 100, -1);
		assert_int_equal(fail_with(&r, final[i], &e), -1);
		assert_int_equal(e.code, final[i]);
		assert_string_equal(e.msg, "'x' does not answer");
	}
}

static void test_gives_up_after_the_tries(void **state)
{
	struct bmr_retry r;
	struct bmr_err e;

	(void)state;
	bmr_retry_begin(&r, NULL, 60000, 1, -1);
	assert_int_equal(fail_with(&r, BMR_E_NET, &e), 0);
	bmr_retry_progress(&r);
	assert_int_equal(fail_with(&r, BMR_E_NET, &e), 0);
	bmr_retry_alive(&r);
	assert_int_equal(fail_with(&r, BMR_E_NET, &e), -1);
	assert_int_equal(e.code, BMR_E_NET);
	assert_non_null(strstr(e.msg, "gave up after 2 tries"));
}

static void test_gives_up_after_the_time(void **state)
{
	uint64_t begun = bmr_clock_ms();
	struct bmr_retry r;
	struct bmr_err e;
	unsigned tries = 0;

	(void)state;
	bmr_retry_begin(&r, NULL, 400, 100, -1);
	while (fail_with(&r, BMR_E_NET, &e) == 0)
		tries++;
	assert_int_equal(tries, 2); /* after 250 ms and at 400 */
	assert_in_range(bmr_clock_ms() - begun, 400, 1500);
	assert_non_null(strstr(e.msg, "gave up"));
}

static void test_progress_starts_the_clock_anew(void **state)
{
	struct bmr_retry r;
	struct bmr_err e;

	(void)state;
	bmr_retry_begin(&r, NULL, 300, 100, -1);
	bmr_retry_sleep(-1, 310);
	bmr_retry_progress(&r);
	assert_int_equal(fail_with(&r, BMR_E_NET, &e), 0);
	bmr_retry_sleep(-1, 310);
	assert_int_equal(fail_with(&r, BMR_E_NET, &e), -1);
}

static void test_stops_while_it_waits(void **state)
{
	int stop = eventfd(1, 0);
	uint64_t begun = bmr_clock_ms();
	struct bmr_retry r;
	struct bmr_err e;

	(void)state;
	bmr_retry_begin(&r, NULL, 60000, 100, stop);
	r.delay_ms = 4000;
	assert_true(bmr_retry_stopped(stop));
	assert_int_equal(fail_with(&r, BMR_E_NET, &e), -1);
	assert_int_equal(e.code, BMR_E_STOPPED);
	assert_in_range(bmr_clock_ms() - begun, 0, 1000);
	close(stop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits_longer_each_time),
		cmocka_unit_test(test_says_what_it_does),
		cmocka_unit_test(test_only_the_network_is_tried_again),
		cmocka_unit_test(test_gives_up_after_the_tries),
		cmocka_unit_test(test_gives_up_after_the_time),
		cmocka_unit_test(test_progress_starts_the_clock_anew),
		cmocka_unit_test(test_stops_while_it_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
