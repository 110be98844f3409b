/* SPDX-License-Identifier: GPL-3.0-or-later */
/* checksum: it is XXH3 of 128 bits, and every bit counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/checksum.h"

/* What xxh128sum prints of nothing and of "bmr\n". */
static void test_known(void **state)
{
	struct bmr_checksum nothing = bmr_checksum_of("", 0);
	struct bmr_checksum line = bmr_checksum_of("bmr\n", 4);

	(void)state;
	assert_true(nothing.words[1] == 0x99aa06d3014798d8 &&
	            nothing.words[0] == 0x6001c324468d497f);
	assert_true(line.words[1] == 0xdf27ad1e61386ec6 && line.words[0] == 0xe067e533e17e220c);
}

static void test_every_bit(void **state)
{
	uint8_t data[1000] = {1, 2, 3};
	struct bmr_checksum right = bmr_checksum_of(data, sizeof data);

	(void)state;
	for (size_t i = 0; i < 8 * sizeof data; i++) {
		struct bmr_checksum other;

		data[i / 8] ^= (uint8_t)(1u << i % 8);
		other = bmr_checksum_of(data, sizeof data);
		assert_false(bmr_checksum_equal(&right, &other));
		data[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	for (unsigned word = 0; word < 2; word++) {
		struct bmr_checksum other = right;

		other.words[word] ^= 1;
		assert_false(bmr_checksum_equal(&right, &other));
	}
	assert_true(bmr_checksum_equal(&right, &right));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_every_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
