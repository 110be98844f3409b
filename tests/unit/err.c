/* SPDX-License-Identifier: GPL-3.0-or-later */
/* err: what a message becomes, also a long one and a hostile one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

static void test_set(void **state)
{
	struct bmr_err e;

	(void)state;
	assert_int_equal(bmr_err_set(&e, BMR_E_TARGET, EIO, "cannot write '%s'", "/dev/x"), -1);
	assert_int_equal(e.code, BMR_E_TARGET);
	assert_int_equal(e.sys, EIO);
	assert_string_equal(e.msg, "cannot write '/dev/x': Input/output error");
	assert_int_equal(bmr_err_while(&e, "writing chunk %d", 3), -1);
	assert_string_equal(e.msg,
	                    "cannot write '/dev/x': Input/output error; while writing chunk 3");
	bmr_err_set(&e, BMR_E_DATA, 0, "anew");
	assert_string_equal(e.msg, "anew");
	assert_int_equal(e.sys, 0);
	bmr_err_nomem(&e, "a thing");
	assert_string_equal(e.msg, "out of memory for a thing");
	assert_int_equal(e.code, BMR_E_NOMEM);
}

static void test_control_characters(void **state)
{
	struct bmr_err e;

	(void)state;
	bmr_err_set(&e, BMR_E_SOURCE, 0, "server said '%s'", "\x1b[2J\r\nok\x7f");
	assert_string_equal(e.msg, "server said '?[2J??ok?'");
	bmr_err_while(&e, "reading '%s'", "\a");
	assert_non_null(strstr(e.msg, "reading '?'"));
}

static void test_passwords(void **state)
{
	char url[2 * sizeof(((struct bmr_err *)0)->msg)]; /* its '@' is cut off */
	struct bmr_err e;

	(void)state;
	bmr_err_set(&e, BMR_E_USAGE, ENOENT, "cannot read '%s'", "http://u:se/cret@h/x");
	assert_string_equal(e.msg, "cannot read 'http://u:***@h/x': No such file or directory");
	bmr_err_while(&e, "reading '%s'", "smb:/u:secret@h/x");
	assert_non_null(
		strstr(e.msg, "h/x': No such file or directory; while reading 'smb:/u:***@h/x'"));
	snprintf(url, sizeof url, "http://u:%0*d@h/x", (int)sizeof url - 16, 0);
	bmr_err_set(&e, BMR_E_USAGE, 0, "no: '%s'", url);
	assert_string_equal(e.msg, "no: 'http://u:***@h/x'");
	bmr_err_while(&e, "reading '%s'", url);
	assert_string_equal(e.msg, "no: 'http://u:***@h/x'; while reading 'http://u:***@h/x'");
}

static void test_too_long(void **state)
{
	char name[2 * sizeof(((struct bmr_err *)0)->msg)];
	struct bmr_err e;

	(void)state;
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	bmr_err_set(&e, BMR_E_SOURCE, EIO, "cannot open '%s'", name);
	assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
	assert_int_equal(strncmp(e.msg, "cannot open", 11), 0);
	bmr_err_while(&e, "more"); /* outer context is lost, the cause is not */
	assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
	for (size_t len = sizeof e.msg - 20; len < sizeof e.msg + 2; len++) {
		bmr_err_set(&e, BMR_E_SOURCE, 0, "%.*s", (int)len, name);
		bmr_err_while(&e, "%s", name);
		assert_true(strlen(e.msg) < sizeof e.msg);
	}
}

static void test_codes(void **state)
{
	static const struct {
		enum bmr_errc code;
		int exit_code;
		const char *name;
	} cases[] = {
		{BMR_E_NONE, 0, "none"},        {BMR_E_USAGE, 64, "usage"},
		{BMR_E_DATA, 65, "data"},       {BMR_E_NET, 69, "net"},
		{BMR_E_SOURCE, 69, "source"},   {BMR_E_BUG, 70, "bug"},
		{BMR_E_NOMEM, 71, "resource"},  {BMR_E_TARGET, 74, "target"},
		{BMR_E_REFUSED, 77, "refused"}, {BMR_E_STOPPED, 75, "stopped"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(bmr_err_exit_code(cases[i].code), cases[i].exit_code);
		assert_string_equal(bmr_err_name(cases[i].code), cases[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),       cmocka_unit_test(test_control_characters),
		cmocka_unit_test(test_passwords), cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
