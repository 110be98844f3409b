/* SPDX-License-Identifier: GPL-3.0-or-later */
/* json: one line that any parser takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "agent/json.h"
#include "base/err.h"
#include "base/log.h"

struct text {
	char *data;
	size_t len;
	struct bmr_json j;
};

static void start(struct text *t)
{
	memset(t, 0, sizeof *t);
	t->j.out = open_memstream(&t->data, &t->len);
	assert_non_null(t->j.out);
}

static void expect(struct text *t, const char *want)
{
	fclose(t->j.out);
	assert_string_equal(t->data, want);
	free(t->data);
}

static void test_members(void **state)
{
	struct text t;

	(void)state;
	start(&t);
	bmr_json_open(&t.j, NULL, '{');
	bmr_json_text(&t.j, "a", "b");
	bmr_json_number(&t.j, "n", UINT64_MAX);
	bmr_json_seconds(&t.j, "s", 1.5);
	bmr_json_open(&t.j, "list", '[');
	bmr_json_bool(&t.j, NULL, true);
	bmr_json_open(&t.j, NULL, '{');
	bmr_json_close(&t.j, '}');
	bmr_json_bool(&t.j, NULL, false);
	bmr_json_close(&t.j, ']');
	bmr_json_text(&t.j, "z", "");
	bmr_json_close(&t.j, '}');
	expect(&t, "{\"a\":\"b\",\"n\":18446744073709551615,\"s\":1.500,"
	           "\"list\":[true,{},false],\"z\":\"\"}");
}

static void test_texts(void **state)
{
	static const struct {
		const char *value;
		const char *json;
	} cases[] = {
		{"\"\\/", "\"\\\"\\\\/\""},
		{"\n\t\x1b\x7f", "\"\\u000a\\u0009\\u001b\\u007f\""},
		{"gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\""},
		{"\xf0\x9f\x92\xbe", "\"\xf0\x9f\x92\xbe\""},
		{"\xff\xfe", "\"??\""},
		{"\xc0\xaf", "\"??\""},           /* overlong */
		{"\xed\xa0\x80", "\"???\""},      /* a surrogate */
		{"\xf4\x90\x80\x80", "\"????\""}, /* past U+10FFFF */
		{"\xe2\x82", "\"??\""},           /* cut */
		{"a\xc3", "\"a?\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct text t;

		start(&t);
		bmr_json_text(&t.j, NULL, cases[i].value);
		expect(&t, cases[i].json);
	}
}

static void ignore_line(void *ctx, enum bmr_log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	(void)line;
}

/* Secrets with quotes, and such that look like the rest of the line. */
static void test_secrets(void **state)
{
	struct bmr_log *log;
	struct bmr_err e;
	struct text t;

	(void)state;
	assert_int_equal(bmr_log_open(ignore_line, NULL, &log, &e), 0);
	assert_int_equal(bmr_log_add_secret(log, "pass\"w\\d", &e), 0);
	assert_int_equal(bmr_log_add_secret(log, "7", &e), 0);
	assert_int_equal(bmr_log_add_secret(log, "text", &e), 0);
	start(&t);
	t.j.log = log;
	bmr_json_open(&t.j, NULL, '{');
	bmr_json_text(&t.j, "text", "it is pass\"w\\d, 7");
	bmr_json_number(&t.j, "exit", 7);
	bmr_json_close(&t.j, '}');
	expect(&t, "{\"text\":\"it is ***, ***\",\"exit\":7}");
	bmr_log_close(log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
