/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tail: whole lines, the last ones, and never more than there is room for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/tail.h"

static void test_few(void **state)
{
	struct bmr_tail tail;
	char *text;

	(void)state;
	bmr_tail_open(&tail);
	assert_null(bmr_tail_copy(&tail));
	bmr_tail_add(&tail, "one");
	bmr_tail_add(&tail, "");
	bmr_tail_add(&tail, "two");
	text = bmr_tail_copy(&tail);
	assert_string_equal(text, "one\n\ntwo\n");
	free(text);
	bmr_tail_close(&tail);
}

/* Lines of all lengths: the last is always there, and the first is a whole one. */
static void test_many(void **state)
{
	struct bmr_tail tail;
	char line[1024];

	(void)state;
	bmr_tail_open(&tail);
	for (int i = 0; i < 2000; i++) {
		char *text;

		snprintf(line, sizeof line, "<%d%*s>", i, i % 1000, "");
		bmr_tail_add(&tail, line);
		text = bmr_tail_copy(&tail);
		assert_int_equal(text[0], '<');
		assert_true(strlen(text) <= BMR_TAIL_SIZE);
		assert_true(strlen(text) >= BMR_TAIL_SIZE / 2 - sizeof line || i < 300);
		assert_memory_equal(text + strlen(text) - strlen(line) - 1, line, strlen(line));
		free(text);
	}
	bmr_tail_close(&tail);
}

static void test_long(void **state)
{
	char *line = malloc(BMR_TAIL_SIZE + 1);
	struct bmr_tail tail;
	char *text;

	(void)state;
	bmr_tail_open(&tail);
	bmr_tail_add(&tail, "short");
	memset(line, 'x', BMR_TAIL_SIZE);
	line[BMR_TAIL_SIZE] = '\0';
	bmr_tail_add(&tail, line);
	text = bmr_tail_copy(&tail);
	assert_string_equal(text, "short\n"); /* it was left out */
	free(text);
	bmr_tail_add(&tail, line + 1);
	text = bmr_tail_copy(&tail);
	assert_int_equal(strlen(text), BMR_TAIL_SIZE);
	free(text);
	bmr_tail_close(&tail);
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
