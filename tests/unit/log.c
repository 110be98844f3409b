/* SPDX-License-Identifier: GPL-3.0-or-later */
/* log: secrets stay inside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"

struct said {
	char text[1100];
	enum bmr_log_level level;
	unsigned lines;
};

static void write_line(void *ctx, enum bmr_log_level level, const char *line)
{
	struct said *said = ctx;

	snprintf(said->text, sizeof said->text, "%s", line);
	said->level = level;
	said->lines++;
}

static void test_lines(void **state)
{
	struct said said = {0};
	struct bmr_log *log;
	struct bmr_err e;

	(void)state;
	assert_int_equal(bmr_log_open(write_line, &said, &log, &e), 0);
	bmr_log_say(log, BMR_LOG_NOTICE, "retry %d of '%s'", 3, "a\nb\x1b");
	assert_string_equal(said.text, "retry 3 of 'a?b?'");
	assert_int_equal(said.level, BMR_LOG_NOTICE);
	bmr_log_close(log);
	bmr_log_say(NULL, BMR_LOG_INFO, "nobody listens");
	assert_int_equal(said.lines, 1);
	bmr_log_close(NULL);
}

static void test_secrets(void **state)
{
	static const struct {
		const char *text;
		const char *becomes;
	} cases[] = {
		{"the password is s3cr%t/x", "the password is ***"},
		{"s3cr%t/xs3cr%t/x", "******"},
		{"as3cr%t/xb", "a***b"},
		{"escaped: s3cr%25t%2Fx.", "escaped: ***."},
		{"escaped: s3cr%25t%2fx.", "escaped: ***."},
		{"longer: s3cr%t/xtail", "longer: ***"},
		{"s3cr%t/", "s3cr%t/"},
		{"a short one: ab, but not in cabs, _ab or ab1",
	         "a short one: ***, but not in cabs, "
	         "_ab or ab1"},
		{"ab", "***"},
		{"", ""},
	};
	struct said said = {0};
	struct bmr_log *log;
	struct bmr_err e;

	(void)state;
	assert_int_equal(bmr_log_open(write_line, &said, &log, &e), 0);
	assert_int_equal(bmr_log_add_secret(log, "s3cr%t/xtail", &e), 0);
	assert_int_equal(bmr_log_add_secret(log, "s3cr%t/x", &e), 0);
	assert_int_equal(bmr_log_add_secret(log, "ab", &e), 0);
	assert_int_equal(bmr_log_add_secret(log, "", &e), 0); /* would be everywhere */
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[200];

		snprintf(text, sizeof text, "%s", cases[i].text);
		bmr_log_redact(log, text, sizeof text);
		assert_string_equal(text, cases[i].becomes);
		bmr_log_say(log, BMR_LOG_INFO, "%s", cases[i].text);
		assert_string_equal(said.text, cases[i].becomes);
		bmr_log_redact(NULL, text, sizeof text);
		assert_string_equal(text, cases[i].becomes);
	}
	bmr_log_close(log);
}

/* A line that is cut in the middle of a secret does not end with the half of it; a secret with a
 * control character is known before that becomes a question mark. */
static void test_cut(void **state)
{
	struct said said = {0};
	struct bmr_log *log;
	struct bmr_err e;
	char text[16];

	(void)state;
	assert_int_equal(bmr_log_open(write_line, &said, &log, &e), 0);
	assert_int_equal(bmr_log_add_secret(log, "swordfish", &e), 0);
	assert_int_equal(bmr_log_add_secret(log, "a\tb", &e), 0);
	snprintf(text, sizeof text, "the word swordf");
	bmr_log_redact(log, text, sizeof text);
	assert_string_equal(text, "the word ***");
	snprintf(text, sizeof text, "a word: swordf");
	bmr_log_redact(log, text, sizeof text);
	assert_string_equal(text, "a word: swordf"); /* it was not cut */
	bmr_log_say(log, BMR_LOG_INFO, "%1017sswordfish", "");
	assert_string_equal(said.text + 1016, " ***");
	bmr_log_say(log, BMR_LOG_INFO, "it is a\tb");
	assert_string_equal(said.text, "it is ***");
	bmr_log_close(log);
}

/* Stars may be longer than the secret: the buffer is never overrun, and the secret never stays. */
static void test_room(void **state)
{
	struct said said = {0};
	struct bmr_log *log;
	struct bmr_err e;

	(void)state;
	assert_int_equal(bmr_log_open(write_line, &said, &log, &e), 0);
	assert_int_equal(bmr_log_add_secret(log, "x", &e), 0);
	for (size_t size = 1; size < 20; size++) {
		char text[32];

		memset(text, '#', sizeof text);
		for (size_t i = 0; i + 1 < size; i++)
			text[i] = i % 2 ? ' ' : 'x';
		text[size - 1] = '\0';
		bmr_log_redact(log, text, size);
		assert_true(strlen(text) < size);
		assert_null(strchr(text, 'x'));
		for (size_t i = size; i < sizeof text; i++)
			assert_int_equal(text[i], '#');
	}
	bmr_log_close(log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
