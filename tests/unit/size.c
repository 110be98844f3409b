/* SPDX-License-Identifier: GPL-3.0-or-later */
/* size: arithmetic that cannot overflow, and texts that are sizes or are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/size.h"

static void test_arithmetic(void **state)
{
	uint64_t out = 7;

	(void)state;
	assert_true(bmr_size_add(UINT64_MAX, 0, &out) && out == UINT64_MAX);
	out = 7;
	assert_false(bmr_size_add(UINT64_MAX, 1, &out));
	assert_false(bmr_size_mul(UINT64_MAX / 2, 3, &out));
	assert_int_equal(out, 7);
	assert_true(bmr_size_mul(1ull << 40, 1 << 20, &out) && out == 1ull << 60);
	assert_true(bmr_size_inside(0, 0, 0));
	assert_true(bmr_size_inside(5, 5, 10));
	assert_false(bmr_size_inside(5, 6, 10));
	assert_false(bmr_size_inside(11, 0, 10));
	assert_false(bmr_size_inside(5, UINT64_MAX, 10));
	assert_false(bmr_size_inside(UINT64_MAX, 1, UINT64_MAX));
}

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{"0", 0},
		{"4096", 4096},
		{"4096B", 4096},
		{"100M", 100 * BMR_MIB},
		{"100m", 100 * BMR_MIB},
		{"1.5GiB", 3 * BMR_GIB / 2},
		{"500GB", 500000000000},
		{"1Ki", 1024},
		{"0.5K", 512},
		{"2T", 2048 * BMR_GIB},
		{"15E", 15ull << 60},
		{"18446744073709551615", UINT64_MAX},
	};
	static const char *const bad[] = {
		"",
		"-1",
		"+1",
		" 1",
		"1 ",
		"1.5",
		"1.",
		".5K",
		"x",
		"1X",
		"1KK",
		"1KiBx",
		"0x10",
		"1e3",
		"18446744073709551616",
		"16E",
		"99999999999999999999999",
		"1.5.5K",
		"1,5K",
	};
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		if (!bmr_size_parse(good[i].text, &bytes))
			fail_msg("'%s' is refused", good[i].text);
		assert_int_equal(bytes, good[i].bytes);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (bmr_size_parse(bad[i], &bytes))
			fail_msg("'%s' is taken", bad[i]);
}

static void test_text(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{0, "0 B"},
		{999, "999 B"},
		{1024, "1.00 KiB"},
		{1536 * BMR_KIB, "1.50 MiB"},
		{20 * BMR_GIB, "20.0 GiB"},
		{500 * BMR_GIB, "500 GiB"},
		{1023 * BMR_MIB, "1.00 GiB"},
		{UINT64_MAX, "16.0 EiB"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char buf[16];

		assert_string_equal(bmr_size_text(cases[i].bytes, buf, sizeof buf), cases[i].text);
	}
	/* 16 bytes do, for every size. */
	for (int bit = 0; bit < 64; bit++) {
		char buf[16];

		assert_non_null(strstr(bmr_size_text((1ull << bit) - 1, buf, sizeof buf), "B"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arithmetic),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
