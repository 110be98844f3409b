/* SPDX-License-Identifier: GPL-3.0-or-later */
/* options: what is taken, and what is named as wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "agent/options.h"
#include "base/err.h"

static const struct bmr_option_rules restore = {'R', "ep", "IMAGE DISK", 2, 2};

#define WORDS_MAX 8

/* o->arguments points into argv, which has room for all words. */
static int read_words(struct bmr_options *o, struct bmr_err *e, char *argv[WORDS_MAX],
                      const char *const *words)
{
	int count = 0;

	for (; words[count]; count++)
		argv[count] =
			(char *)(uintptr_t)words[count]; /* getopt moves, but does not write */
	argv[count] = NULL;
	return bmr_options_read(&restore, count, argv, o, e);
}

#define WORDS(...) ((const char *const[]){"restore", __VA_ARGS__, NULL})

static void test_taken(void **state)
{
	char *argv[WORDS_MAX];
	struct bmr_options o;
	struct bmr_err e;

	(void)state;
	for (int i = 0; i < 2; i++) { /* twice: getopt has a memory */
		assert_int_equal(read_words(&o, &e, argv,
		                            WORDS("a.img", "--events=ev", "--compare", "hash",
		                                  "disk", "--plan")),
		                 0);
		assert_int_equal(o.argument_count, 2);
		assert_string_equal(o.arguments[0], "a.img");
		assert_string_equal(o.arguments[1], "disk");
		assert_string_equal(o.events, "ev");
		assert_true(o.plan && !o.json && !o.help);
		assert_int_equal(o.params.compare, BMR_COMPARE_HASH);
		assert_int_equal(o.params.verify, BMR_VERIFY_DEFAULT);
		bmr_options_clear(&o);
	}
	assert_int_equal(read_words(&o, &e, argv, WORDS("--", "--plan", "--json")), 0);
	assert_false(o.plan);
	assert_string_equal(o.arguments[1], "--json");
	bmr_options_clear(&o);
	assert_int_equal(read_words(&o, &e, argv, WORDS("--help")), 0); /* arguments or not */
	assert_true(o.help);
	bmr_options_clear(&o);
}

static void test_refused(void **state)
{
	static const struct {
		const char *words[6];
		const char *says;
	} cases[] = {
		{{"restore", NULL}, "IMAGE and DISK are needed"},
		{{"restore", "a", NULL}, "IMAGE and DISK are needed"},
		{{"restore", "a", "b", "c", NULL}, "'c' is one argument too many"},
		{{"restore", "-", "b", NULL}, "cannot come or go by a pipe"},
		{{"restore", "a", "-", NULL}, "cannot come or go by a pipe"},
		{{"restore", "--frob", "a", "b", NULL}, "'--frob'"},
		{{"restore", "a", "b", "-x", NULL}, "'-x'"},
		{{"restore", "a", "--nope", "b", NULL}, "'--nope'"},
		{{"restore", "a", "--plan=x", "b", NULL}, "'--plan=...'"},
		{{"restore", "a", "b", "--password=hush", NULL}, "'--password=...'"},
		{{"restore", "a", "b", "http://u:hush@h/x", NULL}, "'http://u:***@h/x'"},
		{{"restore", "a", "b", "http://u:hu/sh@h/x", NULL}, "'http://u:***@h/x'"},
		{{"restore", "a", "b", "--events", NULL}, "'--events' needs a value"},
		{{"restore", "a", "b", "--json", NULL}, "'--json'"}, /* info's, not restore's */
		{{"restore", "a", "b", "--verify=maybe", NULL}, "verify"},
		{{"restore", "a", "b", "--sha256=12", NULL}, "sha256"},
		{{"restore", "a", "b", "--retries=many", NULL}, "retries"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *argv[WORDS_MAX];
		struct bmr_options o;
		struct bmr_err e = {0};

		assert_int_equal(read_words(&o, &e, argv, cases[i].words), -1);
		assert_int_equal(e.code, BMR_E_USAGE);
		if (!strstr(e.msg, cases[i].says))
			fail_msg("%s; expected %s", e.msg, cases[i].says);
		bmr_options_clear(&o);
	}
}

static void test_usage(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	bmr_options_usage("restore", &restore, out);
	fclose(out);
	assert_non_null(strstr(text, "usage: bmr restore [options] IMAGE DISK\n"));
	assert_non_null(strstr(text, "--events=FILE"));
	assert_non_null(strstr(text, "--compare="));
	assert_null(strstr(text, "--cmdline"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_usage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
