/* SPDX-License-Identifier: GPL-3.0-or-later */
/* text: pieces at the end of a buffer, and what does not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/text.h"

static void test_added(void **state)
{
	char buf[32] = "what was here";
	struct bmr_text t = bmr_text_in(buf, sizeof buf);

	(void)state;
	assert_string_equal(buf, "");
	bmr_text_add(&t, "%s, %d", "one", 2);
	bmr_text_add(&t, "%s", "");
	bmr_text_add(&t, "; three");
	assert_string_equal(buf, "one, 2; three");
	assert_int_equal(t.used, strlen(buf));
}

/* Whatever comes after it is full stays inside. */
static void test_cut(void **state)
{
	char buf[12];
	struct bmr_text t = bmr_text_in(buf, 8);

	(void)state;
	memset(buf + 8, 'x', 4);
	for (int i = 0; i < 3; i++)
		bmr_text_add(&t, "%s", "abcde");
	assert_string_equal(buf, "abcdeab");
	assert_int_equal(t.used, 7);
	assert_memory_equal(buf + 8, "xxxx", 4);
}

static void test_exact(void **state)
{
	char buf[4];
	struct bmr_text t = bmr_text_in(buf, sizeof buf);

	(void)state;
	bmr_text_add(&t, "abc");
	assert_string_equal(buf, "abc");
	bmr_text_add(&t, "d");
	assert_string_equal(buf, "abc");
}

static void test_clean(void **state)
{
	char text[] = "a\x1b[31m\n\x7f\xc2\x9b\xc2\xa0\xc3\xa9\xc2";
	char empty[] = "";

	(void)state;
	bmr_text_clean(text);
	assert_string_equal(text, "a?[31m????\xc2\xa0\xc3\xa9\xc2");
	bmr_text_clean(empty);
	assert_string_equal(empty, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_added),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
