/* SPDX-License-Identifier: GPL-3.0-or-later */
/* credentials: a private file, what wins, and that nothing of it is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/credentials.h"
#include "base/err.h"
#include "base/log.h"
#include "cmdline/params.h"

struct setup {
	char path[64];
	struct bmr_params params;
	struct bmr_log *log;
	struct bmr_err err;
};

static void ignore_line(void *ctx, enum bmr_log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	(void)line;
}

static void prepare(struct setup *s, const char *content, mode_t mode)
{
	const char *tmp = getenv("TMPDIR");
	int fd;

	memset(s, 0, sizeof *s);
	snprintf(s->path, sizeof s->path, "%.40s/cred-XXXXXX", tmp ? tmp : "/tmp");
	fd = mkstemp(s->path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	bmr_params_init(&s->params);
	assert_int_equal(bmr_params_set(&s->params, "credentials", s->path, &s->err), 0);
	assert_int_equal(bmr_log_open(ignore_line, NULL, &s->log, &s->err), 0);
}

static void clear(struct setup *s)
{
	bmr_params_clear(&s->params);
	bmr_log_close(s->log);
	unlink(s->path);
}

static void expect_hidden(struct setup *s, const char *secret)
{
	char text[100];

	snprintf(text, sizeof text, "it is %s!", secret);
	bmr_log_redact(s->log, text, sizeof text);
	assert_string_equal(text, "it is ***!");
}

static void test_file(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, "# ours\n\nusername=joe\r\npassword=p=a ss\ndomain=D\n", 0600);
	assert_int_equal(bmr_credentials_load(&s.params, s.log, &s.err), 0);
	assert_string_equal(s.params.user, "joe");
	assert_string_equal(s.params.password, "p=a ss");
	assert_string_equal(s.params.domain, "D");
	expect_hidden(&s, "p=a ss");
	expect_hidden(&s, "p%3Da%20ss");
	clear(&s);
}

static void test_parameters_win(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, "user=joe\npassword=fromfile\n", 0400);
	assert_int_equal(bmr_params_set(&s.params, "password", "fromline", &s.err), 0);
	assert_int_equal(bmr_credentials_load(&s.params, s.log, &s.err), 0);
	assert_string_equal(s.params.user, "joe");
	assert_string_equal(s.params.password, "fromline");
	clear(&s);
}

static void test_secrets_in_urls(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, "", 0600);
	assert_int_equal(bmr_params_set(&s.params, "image",
	                                "smb://u:first%2Fone@h/s/i,http://u:second@h/i", &s.err),
	                 0);
	assert_int_equal(bmr_credentials_load(&s.params, s.log, &s.err), 0);
	expect_hidden(&s, "first/one");
	expect_hidden(&s, "second");
	clear(&s);
	prepare(&s, "", 0600);
	assert_int_equal(bmr_params_set(&s.params, "image",
	                                "http://u:with/slash@h/i,smb://u:with,comma@h/s/i", &s.err),
	                 0);
	assert_int_equal(bmr_credentials_load(&s.params, s.log, &s.err), 0);
	expect_hidden(&s, "with/slash");
	expect_hidden(&s, "with,comma");
	clear(&s);
	/* Whatever else is wrong: what says so must not show them. */
	prepare(&s, "nothing\n", 0600);
	assert_int_equal(bmr_params_set(&s.params, "config", "http://u:con%66ig@h/c", &s.err), 0);
	assert_int_equal(bmr_params_set(&s.params, "base", "ftp://u:basis@h/c", &s.err), 0);
	assert_int_equal(bmr_params_set(&s.params, "seed", "nfs://u:seeds@h/s/c", &s.err), 0);
	assert_int_equal(bmr_params_set(&s.params, "report", "gopher://u:gop@er@h", &s.err), 0);
	assert_int_equal(bmr_params_set(&s.params, "password", "typed", &s.err), 0);
	assert_int_equal(bmr_credentials_load(&s.params, s.log, &s.err), -1);
	expect_hidden(&s, "config");
	expect_hidden(&s, "con%66ig");
	expect_hidden(&s, "basis");
	expect_hidden(&s, "seeds");
	expect_hidden(&s, "gop@er");
	expect_hidden(&s, "typed");
	clear(&s);
}

static void expect_refused(const char *content, mode_t mode, const char *words)
{
	struct setup s;

	prepare(&s, content, mode);
	assert_int_equal(bmr_credentials_load(&s.params, s.log, &s.err), -1);
	assert_int_equal(s.err.code, BMR_E_USAGE);
	if (!strstr(s.err.msg, words) || strstr(s.err.msg, "s3cret"))
		fail_msg("%s; expected: %s", s.err.msg, words);
	clear(&s);
}

static void test_refused(void **state)
{
	struct setup s;

	(void)state;
	expect_refused("user=a\n", 0644, "chmod 600");
	expect_refused("user=a\n", 0640, "chmod 600");
	expect_refused("user=a\npasword=s3cret\n", 0600, "line 2 of");
	expect_refused("user=a\ns3cret==\n", 0600, "is not user, password or domain");
	expect_refused("s3cret\n", 0600, "has no '='");
	prepare(&s, "", 0600);
	unlink(s.path);
	assert_int_equal(bmr_credentials_load(&s.params, s.log, &s.err), -1);
	assert_non_null(strstr(s.err.msg, "No such file"));
	clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_parameters_win),
		cmocka_unit_test(test_secrets_in_urls),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
