/* SPDX-License-Identifier: GPL-3.0-or-later */
/* spans: what is read of a chunk, and what becomes zeros, against a byte map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "imaging/capture/spans.h"
#include "imaging/used/used.h"

#define KIB ((uint64_t)1024)
#define SIZE (1024 * KIB)

static struct bmr_used_range ranges[] = {
	{0, 4 * KIB},           {8 * KIB, 4 * KIB},               /* 4 KiB between them */
	{300 * KIB, 100 * KIB}, {400 * KIB + 512, 512},           /* 512 bytes between them */
	{600 * KIB, 200 * KIB}, {928 * KIB + 512, 96 * KIB - 512} /* 128 KiB + 512 */
};
static const struct bmr_used used = {ranges, sizeof ranges / sizeof *ranges, 0};

static void test_first_used(void **state)
{
	const struct bmr_used nothing = {NULL, 0, 0};

	(void)state;
	assert_int_equal(bmr_spans_first_used(&used, 0), 0);
	assert_int_equal(bmr_spans_first_used(&used, 4 * KIB - 1), 4 * KIB - 1);
	assert_int_equal(bmr_spans_first_used(&used, 4 * KIB), 8 * KIB);
	assert_int_equal(bmr_spans_first_used(&used, 500 * KIB), 600 * KIB);
	assert_int_equal(bmr_spans_first_used(&used, SIZE - 1), SIZE - 1);
	assert_true(bmr_spans_first_used(&used, SIZE) == UINT64_MAX);
	assert_true(bmr_spans_first_used(&nothing, 0) == UINT64_MAX);
}

static void expect_next(uint64_t start, uint64_t end, uint64_t from, uint64_t to)
{
	uint64_t have_from;
	uint64_t have_to;

	assert_true(bmr_spans_next(&used, start, end, &have_from, &have_to));
	assert_int_equal(have_from, from);
	assert_int_equal(have_to, to);
}

static void test_small_gaps_are_read_through(void **state)
{
	uint64_t from;
	uint64_t to;

	(void)state;
	expect_next(0, SIZE, 0, 12 * KIB);
	expect_next(12 * KIB, SIZE, 300 * KIB, 401 * KIB);
	expect_next(401 * KIB, SIZE, 600 * KIB, 800 * KIB);
	expect_next(800 * KIB, SIZE, 928 * KIB + 512, SIZE);
	assert_false(bmr_spans_next(&used, SIZE, SIZE + 1, &from, &to));
	assert_false(bmr_spans_next(&used, 12 * KIB, 300 * KIB, &from, &to));
}

static void test_a_part_of_a_range(void **state)
{
	(void)state;
	expect_next(350 * KIB, 360 * KIB, 350 * KIB, 360 * KIB);
	expect_next(350 * KIB, 450 * KIB, 350 * KIB, 401 * KIB);
	expect_next(2 * KIB, 10 * KIB, 2 * KIB, 10 * KIB);
}

static bool is_used(uint64_t at)
{
	for (size_t i = 0; i < used.count; i++)
		if (at >= ranges[i].offset && at < ranges[i].offset + ranges[i].length)
			return true;
	return false;
}

static void expect_cleared(uint64_t start, size_t len)
{
	uint8_t *data = malloc(len);
	uint64_t count = 0;
	uint64_t said;

	memset(data, 0xaa, len);
	said = bmr_spans_clear_unused(&used, data, start, len);
	for (size_t i = 0; i < len; i++) {
		assert_int_equal(data[i], is_used(start + i) ? 0xaa : 0);
		count += is_used(start + i);
	}
	assert_int_equal(said, count);
	free(data);
}

static void test_clear(void **state)
{
	(void)state;
	expect_cleared(0, SIZE);
	expect_cleared(2 * KIB, 8 * KIB);
	expect_cleared(12 * KIB, 100 * KIB);
	expect_cleared(350 * KIB, 10 * KIB);
	expect_cleared(SIZE - 4 * KIB, 4 * KIB);
	expect_cleared(SIZE, 4 * KIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_used),
		cmocka_unit_test(test_small_gaps_are_read_through),
		cmocka_unit_test(test_a_part_of_a_range),
		cmocka_unit_test(test_clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
