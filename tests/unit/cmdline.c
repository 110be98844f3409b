/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmdline.c - words of a command line: the quoting of each boot loader, and writing them back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cmdline/words.h"

struct expected {
	const char *name;
	const char *value;
};

static void check(const char *line, const struct expected *expected, size_t count)
{
	char *copy = strdup(line);
	char *rest = copy;
	struct bmr_word word;

	for (size_t i = 0; i < count; i++) {
		assert_true(bmr_words_next(&rest, &word));
		assert_string_equal(word.name, expected[i].name);
		assert_false(word.open);
		if (!expected[i].value)
			assert_null(word.value);
		else
			assert_string_equal(word.value, expected[i].value);
	}
	assert_false(bmr_words_next(&rest, &word));
	free(copy);
}

#define CHECK(line, ...)                                                                           \
	check(line, (struct expected[]){__VA_ARGS__},                                              \
	      sizeof((struct expected[]){__VA_ARGS__}) / sizeof(struct expected))

static void four_forms(void **state)
{
	(void)state;
	CHECK("x=\"a b\" y=1", {"x", "a b"}, {"y", "1"});
	CHECK("\"x=a b\" y=1", {"x", "a b"}, {"y", "1"});
	CHECK("x=\\\"a b\\\" y=1", {"x", "a b"}, {"y", "1"});
	CHECK("x=dhclient y=1", {"x", "dhclient"}, {"y", "1"});
}

static void details(void **state)
{
	(void)state;
	CHECK("x=\"\" y=\"a b\"", {"x", ""}, {"y", "a b"});
	CHECK("x=\\\"\\\" \"y=a b\"", {"x", ""}, {"y", "a b"});
	CHECK("  quiet\tro \n", {"quiet", NULL}, {"ro", NULL});
	CHECK("x=a=b=c", {"x", "a=b=c"});
	CHECK("x=", {"x", ""});
	CHECK("=v", {"", "v"});
	CHECK("User=DOMAIN\\user", {"User", "DOMAIN\\user"});
	CHECK("x=it's", {"x", "it's"});
	CHECK("x=@,[];|$>^*", {"x", "@,[];|$>^*"});
	CHECK("x=\"say \\\"hi\\\"\"", {"x", "say \"hi\""});
	CHECK("x=\\\"say \"hi\" \\\"", {"x", "say \"hi\" "});
	CHECK("x=a\" \"b", {"x", "a b"});
}

static void open_quote(void **state)
{
	char text[] = "a=1 x=\"a b";
	char *rest = text;
	struct bmr_word word;

	(void)state;
	assert_true(bmr_words_next(&rest, &word));
	assert_false(word.open);
	assert_true(bmr_words_next(&rest, &word));
	assert_true(word.open);
	assert_string_equal(word.value, "a b");
}

static void check_written(const char *value)
{
	char text[256];
	char *rest = text;
	struct bmr_word word;

	bmr_words_write("x", value, text, sizeof text);
	assert_true(bmr_words_next(&rest, &word));
	assert_false(word.open);
	assert_string_equal(word.name, "x");
	assert_string_equal(word.value, value);
	assert_false(bmr_words_next(&rest, &word));
}

/* Every text of up to six of the characters that have a meaning. */
static void written_is_read(void **state)
{
	static const char alphabet[] = "a \\\"=";

	(void)state;
	for (unsigned n = 0; n < 5 * 5 * 5 * 5 * 5 * 5; n++) {
		char value[7] = "";
		unsigned left = n;

		for (size_t i = 0; i < 6; i++, left /= 5)
			value[i] = alphabet[left % 5];
		/* A backslash before an unquoted quote would be form three: the writer quotes. */
		check_written(value);
		value[3] = '\0';
		check_written(value);
	}
	check_written("");
}

static void written_is_cut(void **state)
{
	char text[8];

	(void)state;
	bmr_words_write("name", "a long value", text, sizeof text);
	assert_int_equal(strlen(text), sizeof text - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(four_forms),     cmocka_unit_test(details),
		cmocka_unit_test(open_quote),     cmocka_unit_test(written_is_read),
		cmocka_unit_test(written_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
