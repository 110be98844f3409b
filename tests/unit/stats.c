/* SPDX-License-Identifier: GPL-3.0-or-later */
/* stats: every figure of a run is in JSON and in CSV under its name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "agent/json.h"
#include "agent/options.h"
#include "agent/stats.h"
#include "imaging/phase.h"

static struct bmr_restore_progress progress;

static int prepare(void **state)
{
	(void)state;
	atomic_store(&progress.pipe.fetched, 101);
	atomic_store(&progress.pipe.decoded, 102);
	atomic_store(&progress.compared, 103);
	atomic_store(&progress.skipped, 104);
	atomic_store(&progress.zeroed, 105);
	atomic_store(&progress.discarded, 106);
	atomic_store(&progress.written, 107);
	atomic_store(&progress.verified, 108);
	atomic_store(&progress.rewritten, 109);
	atomic_store(&progress.workers, 3);
	for (unsigned i = 0; i < BMR_STAGES; i++)
		atomic_store(&progress.stages.ns[i], (i + 1) * 1500000000ull);
	return 0;
}

/* What --stats prints; to be freed. */
static char *printed(enum bmr_stats_format format)
{
	const struct bmr_stats stats = {"restored", &progress, 5000, 2.5};
	struct bmr_options o = {.stats = format};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	bmr_stats_print(&stats, &o, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void test_none(void **state)
{
	char *text = printed(BMR_STATS_NONE);

	(void)state;
	assert_string_equal(text, "");
	free(text);
}

static void test_json(void **state)
{
	static const char *const members[] = {
		"{\"event\":\"restored\",\"bytes\":5000,\"duration\":2.500,\"rate\":2000,\"cpu\":",
		"\"peak_memory\":",
		"\"fetched\":101,\"decoded\":102,\"compared\":103,\"skipped\":104,\"zeroed\":105,"
		"\"discarded\":106,\"written\":107,\"verified\":108,\"rewritten_bytes\":109,"
		"\"workers\":3,",
		"\"stages\":{\"fetch\":1.500,\"unpack\":3.000,\"hash\":4.500,\"pack\":6.000,"
		"\"write\":7.500,"
		"\"read\":9.000,\"flush\":10.500,\"wait\":12.000}}\n",
	};
	char *text = printed(BMR_STATS_JSON);

	(void)state;
	for (size_t i = 0; i < sizeof members / sizeof *members; i++)
		if (!strstr(text, members[i]))
			fail_msg("%s is not in %s", members[i], text);
	free(text);
}

static unsigned count(const char *line, char c)
{
	unsigned n = 0;

	for (; *line && *line != '\n'; line++)
		n += *line == c;
	return n;
}

static void test_csv(void **state)
{
	char *text = printed(BMR_STATS_CSV);
	const char *second = strchr(text, '\n') + 1;

	(void)state;
	assert_int_equal(strncmp(text, "event,bytes,duration,rate,cpu,peak_memory,fetched,", 50),
	                 0);
	assert_non_null(strstr(text, ",stage_flush,stage_wait\n"));
	assert_int_equal(strncmp(second, "restored,5000,2.500,2000,", 25), 0);
	assert_non_null(strstr(second, ",10.500,12.000\n"));
	assert_int_equal(count(text, ','), count(second, ','));
	assert_int_equal(count(second, '\0'), 0);
	assert_string_equal(strchr(second, '\n'), "\n");
	free(text);
}

/* A run that took no time that can be measured has no rate. */
static void test_no_time(void **state)
{
	const struct bmr_stats stats = {"merged", &progress, 5000, 0};
	struct bmr_json j = {.comma = false};
	char *text = NULL;
	size_t len;

	(void)state;
	j.out = open_memstream(&text, &len);
	bmr_json_open(&j, NULL, '{');
	bmr_stats_add(&stats, &j);
	bmr_json_close(&j, '}');
	fclose(j.out);
	assert_non_null(strstr(text, "\"rate\":0,"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_csv),
		cmocka_unit_test(test_no_time),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
