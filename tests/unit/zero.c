/* SPDX-License-Identifier: GPL-3.0-or-later */
/* zero: every length, every alignment, every place of the one byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "imaging/zero.h"

static void test_all(void **state)
{
	(void)state;
	for (size_t shift = 0; shift < 16; shift++)
		for (size_t len = 0; len < 70; len++) {
			unsigned char *block = malloc(shift + len + 2);

			memset(block, 0xff, shift + len + 2);
			memset(block + shift, 0, len);
			assert_true(bmr_zero_is(block + shift, len));
			for (size_t at = 0; at < len; at++) {
				block[shift + at] = 1;
				assert_false(bmr_zero_is(block + shift, len));
				block[shift + at] = 0;
			}
			free(block);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_all)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
