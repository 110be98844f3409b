/* SPDX-License-Identifier: GPL-3.0-or-later */
/* progress: figures that never pass 100 and lines that fit a console. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "agent/progress.h"
#include "base/size.h"

static void test_writing(void **state)
{
	struct bmr_restore_progress p = {.phase = BMR_PHASE_WRITE};
	struct bmr_progress_view v;
	struct bmr_meter m = {0};

	(void)state;
	for (unsigned s = 0; s <= 10; s++) {
		p.pipe.fetched = s * 10 * BMR_MIB;
		p.pipe.decoded = s * 40 * BMR_MIB;
		bmr_progress_look(&p, 200 * BMR_MIB, 800 * BMR_MIB, 1000 + s, &m, &v);
	}
	assert_int_equal(v.done, 400 * BMR_MIB);
	assert_int_equal(v.total, 800 * BMR_MIB);
	assert_true(v.fraction > 0.499 && v.fraction < 0.501);
	assert_true(v.rate_mean > 39.9 * BMR_MIB && v.rate_mean < 40.1 * BMR_MIB);
	assert_true(v.rate_now > 39.9 * BMR_MIB && v.rate_now < 40.1 * BMR_MIB);
	assert_true(v.seconds_left > 9.9 && v.seconds_left < 10.1);
	/* More than was thought: not over 100. */
	p.pipe.fetched = 300 * BMR_MIB;
	p.pipe.decoded = 900 * BMR_MIB;
	bmr_progress_look(&p, 200 * BMR_MIB, 800 * BMR_MIB, 1011, &m, &v);
	assert_true(v.fraction == 1);
}

static double fraction_at(uint64_t fetched, uint64_t decoded)
{
	struct bmr_restore_progress p = {.phase = BMR_PHASE_WRITE};
	struct bmr_progress_view v;
	struct bmr_meter m = {0};

	p.pipe.fetched = fetched;
	p.pipe.decoded = decoded;
	bmr_progress_look(&p, 200, 800, 1, &m, &v);
	return v.fraction;
}

/* All is read, and free space is still written; or the other way round. */
static void test_the_smaller_share(void **state)
{
	(void)state;
	assert_true(fraction_at(200, 400) == 0.5);
	assert_true(fraction_at(50, 800) == 0.25);
	assert_true(fraction_at(200, 800) == 1);
}

static void test_unknown_totals(void **state)
{
	struct bmr_restore_progress p = {.phase = BMR_PHASE_WRITE};
	struct bmr_progress_view v;
	struct bmr_meter m = {0};
	char line[100];

	(void)state;
	p.pipe.fetched = p.pipe.decoded = BMR_MIB;
	bmr_progress_look(&p, UINT64_MAX, 0, 5, &m, &v);
	assert_true(v.fraction < 0 && v.seconds_left < 0);
	assert_null(strchr(bmr_progress_text(&v, line, sizeof line), '%'));
	/* The disk's size helps where the file's is unknown. */
	bmr_progress_look(&p, UINT64_MAX, 4 * BMR_MIB, 6, &m, &v);
	assert_true(v.fraction > 0.24 && v.fraction < 0.26);
}

static void test_a_line_fits(void **state)
{
	static const uint64_t bytes[] = {0, 1, 999, 1023 * BMR_KIB, 1000 * BMR_GIB, UINT64_MAX / 4};
	char line[200];

	(void)state;
	for (int phase = BMR_PHASE_PREPARE; phase <= BMR_PHASE_DONE; phase++)
		for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
			struct bmr_progress_view v = {.phase = (enum bmr_phase)phase,
			                              .done = bytes[i],
			                              .total = bytes[i],
			                              .fraction = 1,
			                              .rate_now = (double)bytes[i],
			                              .rate_mean = (double)bytes[i],
			                              .seconds_left = 359999};

			assert_true(strlen(bmr_progress_text(&v, line, sizeof line)) <= 99);
		}
	struct bmr_progress_view usual = {.phase = BMR_PHASE_READBACK,
	                                  .done = 1000 * BMR_GIB,
	                                  .total = 1000 * BMR_GIB,
	                                  .fraction = 0.431,
	                                  .rate_now = 412e6,
	                                  .rate_mean = 398e6,
	                                  .seconds_left = 5};

	bmr_progress_text(&usual, line, sizeof line);
	assert_string_equal(line, "reading back  43 %  0.98 TiB of 0.98 TiB  393 MiB/s, mean "
	                          "380 MiB/s, 0:05 left");
	assert_true(strlen(line) <= 79);
}

static void test_a_phase_starts_anew(void **state)
{
	struct bmr_restore_progress p = {.phase = BMR_PHASE_WRITE};
	struct bmr_progress_view v;
	struct bmr_meter m = {0};

	(void)state;
	p.pipe.decoded = 1000 * BMR_MIB;
	bmr_progress_look(&p, UINT64_MAX, 1000 * BMR_MIB, 0, &m, &v);
	bmr_progress_look(&p, UINT64_MAX, 1000 * BMR_MIB, 100, &m, &v);
	p.phase = BMR_PHASE_READBACK;
	p.to_verify = 1000 * BMR_MIB;
	p.verified = 0;
	bmr_progress_look(&p, UINT64_MAX, 1000 * BMR_MIB, 101, &m, &v);
	p.verified = 100 * BMR_MIB;
	bmr_progress_look(&p, UINT64_MAX, 1000 * BMR_MIB, 102, &m, &v);
	assert_true(v.fraction > 0.09 && v.fraction < 0.11);
	assert_true(v.rate_mean > 99 * BMR_MIB && v.rate_mean < 101 * BMR_MIB);
	assert_true(v.seconds_left > 8.9 && v.seconds_left < 9.1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writing),
		cmocka_unit_test(test_the_smaller_share),
		cmocka_unit_test(test_unknown_totals),
		cmocka_unit_test(test_a_line_fits),
		cmocka_unit_test(test_a_phase_starts_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
