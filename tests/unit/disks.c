/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `bmr disks`: the table fits a screen, the JSON is JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/disks.h"
#include "base/err.h"
#include "imaging/disk/disk.h"
#include "imaging/disk/select.h"
#include "tests/fixtures/fake_machine.h"

#include <errno.h>

static char *command(const struct bmr_disk_env *env, const char *hints, bool json)
{
	struct bmr_err e = {0};
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	if (bmr_disks_command(env, hints, json, out, &e) != 0)
		fail_msg("%s", e.msg);
	fclose(out);
	return text;
}

static struct fake *machine(void)
{
	struct fake *m = fake_open();

	fake_disk(m, FAKE_ATA1, "sda", "8:0", FAKE_GIB);
	fake_scsi_serial(m, "sda", "A\"\\1");
	fake_attr(m, "sda", "device/model", "A model of thirty and more letters\n");
	fake_mbr(m, "sda", 100000);
	fake_disk(m, FAKE_NVME, "nvme0n1", "259:0", 2 * FAKE_GIB);
	fake_attr(m, "nvme0n1", "device/serial",
	          "a-serial-that-does-not-fit-its-column-but-must-be-typed\n");
	return m;
}

static void test_table(void **state)
{
	struct fake *m = machine();
	char *text = command(&m->env, NULL, false);

	(void)state;
	assert_non_null(strstr(text, "NAME"));
	assert_non_null(strstr(text, "dos, 1 part\n"));
	assert_non_null(strstr(text, "  needs consent: holds a dos partition table with 1 "));
	assert_non_null(strstr(text, "  candidate\n"));
	assert_non_null(strstr(
		text, "  serial: a-serial-that-does-not-fit-its-column-but-must-be-typed\n"));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (strlen(line) > 80)
			fail_msg("%zu columns: %s", strlen(line), line);
	free(text);
	fake_close(m);
}

static void test_table_with_hints(void **state)
{
	struct fake *m = machine();
	char *text = command(&m->env, "bus=sa\033ta", false);

	(void)state;
	assert_non_null(strstr(text, "  no: bus 'nvme' is not 'sa?ta'\n"));
	free(text);
	fake_close(m);
}

static void test_no_disks(void **state)
{
	struct fake *m = fake_open();
	char *text = command(&m->env, NULL, false);

	(void)state;
	assert_non_null(strstr(text, "no disks"));
	free(text);
	text = command(&m->env, NULL, true);
	assert_string_equal(text, "{\"disks\":[\n]}\n");
	free(text);
	fake_close(m);
}

static void test_json(void **state)
{
	struct fake *m = machine();
	char *text = command(&m->env, "bus=s\xc3\xa4\033\"\\", true);

	(void)state;
	assert_non_null(strstr(text, "\"serial\":\"A\\\"\\\\1\","));
	assert_non_null(strstr(text, "\"size\":1073741824,"));
	assert_non_null(strstr(text, "\"table_uuid\":\"1234abcd\","));
	assert_non_null(strstr(text, "\"contents\":[{\"number\":1,\"start\":1048576,"));
	assert_non_null(strstr(text, "\"verdict\":\"no-match\","));
	assert_non_null(
		strstr(text, "\"reason\":\"bus 'nvme' is not 's\\u00c3\\u00a4\\u001b\\\"\\\\'\"}"));
	for (const char *c = text; *c != '\0'; c++)
		assert_true(*c == '\n' || (*c >= ' ' && *c < 0x7f));
	free(text);
	fake_close(m);
}

static char *print_health(enum bmr_health_verdict verdict, const char *why, bool json)
{
	struct bmr_disk disk = {.name = "sda", .health.verdict = verdict};
	const struct bmr_disk_list list = {&disk, 1};
	const struct bmr_judgement judgement = {.verdict = BMR_VERDICT_OK};
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	snprintf(disk.health.text, sizeof disk.health.text, "%s", why);
	assert_int_equal(bmr_disks_print(out, &list, &judgement, json), 0);
	fclose(out);
	return text;
}

static void expect_health(enum bmr_health_verdict verdict, const char *why, const char *line,
                          const char *members)
{
	char *table = print_health(verdict, why, false);
	char *json = print_health(verdict, why, true);

	if (*line)
		assert_non_null(strstr(table, line));
	else
		assert_null(strstr(table, "health"));
	assert_non_null(strstr(json, members));
	free(table);
	free(json);
}

static void test_health(void **state)
{
	(void)state;
	expect_health(BMR_HEALTH_UNKNOWN, "", "", "\"health\":null,\"health_text\":\"\",");
	expect_health(BMR_HEALTH_GOOD, "", "", "\"health\":\"good\",\"health_text\":\"\",");
	expect_health(BMR_HEALTH_GOOD, "too hot", "\n  health: good, but: too hot\n",
	              "\"health\":\"good\",\"health_text\":\"too hot\",");
	expect_health(BMR_HEALTH_FAILING, "few spares", "\n  health: FAILING: few spares\n",
	              "\"health\":\"failing\",\"health_text\":\"few spares\",");
}

static void test_wrong_hints(void **state)
{
	struct fake *m = machine();
	struct bmr_err e = {0};

	(void)state;
	assert_int_equal(bmr_disks_command(&m->env, "sda", false, stdout, &e), -1);
	assert_int_equal(e.code, BMR_E_USAGE);
	fake_close(m);
}

static void test_full_output(void **state)
{
	struct fake *m = machine();
	struct bmr_err e = {0};
	FILE *out = fopen("/dev/full", "we");

	(void)state;
	assert_non_null(out);
	assert_int_equal(bmr_disks_command(&m->env, NULL, false, out, &e), -1);
	assert_int_equal(e.code, BMR_E_TARGET);
	assert_int_equal(e.sys, ENOSPC);
	fclose(out);
	fake_close(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),       cmocka_unit_test(test_table_with_hints),
		cmocka_unit_test(test_no_disks),    cmocka_unit_test(test_json),
		cmocka_unit_test(test_wrong_hints), cmocka_unit_test(test_full_output),
		cmocka_unit_test(test_health),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
