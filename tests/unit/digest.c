/* SPDX-License-Identifier: GPL-3.0-or-later */
/* digest: the values of FIPS 180-4, and texts of digests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/digest.h"
#include "base/err.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void test_values(void **state)
{
	struct bmr_digest_value value;
	char text[BMR_DIGEST_TEXT_SIZE];
	struct bmr_digest *d;
	struct bmr_err e;

	(void)state;
	assert_int_equal(bmr_digest_open(&d, &e), 0);
	assert_int_equal(bmr_digest_finish(d, &value, &e), 0);
	assert_string_equal(bmr_digest_text(&value, text), EMPTY);
	/* It starts anew after each. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(bmr_digest_add(d, "a", 1, &e), 0);
		assert_int_equal(bmr_digest_add(d, "", 0, &e), 0);
		assert_int_equal(bmr_digest_of(d, "bc", 2, &value, &e), 0);
		assert_string_equal(bmr_digest_text(&value, text), ABC);
	}
	bmr_digest_close(d);
	bmr_digest_close(NULL);
}

static void test_texts(void **state)
{
	struct bmr_digest_value value;
	struct bmr_digest_value upper;
	char text[BMR_DIGEST_TEXT_SIZE + 1] = ABC;

	(void)state;
	assert_true(bmr_digest_parse(ABC, &value));
	for (size_t i = 0; text[i]; i++)
		text[i] = (char)(text[i] >= 'a' ? text[i] - 32 : text[i]);
	assert_true(bmr_digest_parse(text, &upper));
	assert_true(bmr_digest_equal(&value, &upper));
	upper.bytes[31] ^= 1;
	assert_false(bmr_digest_equal(&value, &upper));
	for (size_t i = 0; i < 64; i++) {
		char good = text[i];

		text[i] = " gx-+"[i % 5];
		assert_false(bmr_digest_parse(text, &value));
		text[i] = good;
	}
	strcat(text, "0");
	assert_false(bmr_digest_parse(text, &value));
	text[63] = '\0';
	assert_false(bmr_digest_parse(text, &value));
	assert_false(bmr_digest_parse("", &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
