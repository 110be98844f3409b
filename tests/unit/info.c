/* SPDX-License-Identifier: GPL-3.0-or-later */
/* info: what a manifest says, for people and for programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "agent/info_bmr.h"
#include "agent/json.h"
#include "base/err.h"
#include "imaging/bmr/container.h"
#include "imaging/bmr/manifest.h"

static const char *const facts[][2] = {
	{"partition.1.start", "1048576"},
	{"partition.1.size", "2097152"},
	{"partition.1.fs", "ext4"},
	{"partition.1.label", "r\"oot"},
	{"partition.1.capture", "whole: unclean"},
	{"partition.10.start", "9437184"},
	{"partition.10.size", "512"},
	{"partition.2.start", "4194304"},
	{"partition.2.size", "4096"},
	{"partition.2.fs", "swap"},
	{"partition.x.size", "7"},
	{"disk.model", "Model T"},
	{"disk.serial", "S1"},
	{"machine.uuid", "U-1"},
	{"lvm.vg.name", "vg0"},
	{"base.name", "old.zst"},
};

static struct bmr_manifest *manifest(bool has_base)
{
	struct bmr_head head = {.id = {1, 2},
	                        .disk_size = 10 * BMR_CHUNK_SIZE_LEAST,
	                        .sector = 512,
	                        .physical = 4096,
	                        .chunk_size = BMR_CHUNK_SIZE_LEAST,
	                        .pack = BMR_PACK_ZSTD,
	                        .created = 86400,
	                        .has_base = has_base,
	                        .base_id = {has_base}};
	uint32_t zeros = (uint32_t)bmr_zero_frame(4 * BMR_CHUNK_SIZE_LEAST, NULL, 0);
	struct bmr_manifest_entry entries[] = {
		{.first = 0, .count = 1, .kind = BMR_CHUNK_DATA, .stored = 1 << 18},
		{.first = 1, .count = 4, .kind = BMR_CHUNK_ZERO, .stored = zeros},
		{.first = 5, .count = 4, .kind = BMR_CHUNK_UNUSED, .stored = zeros},
		{.first = 9,
	         .count = 1,
	         .kind = has_base ? BMR_CHUNK_BASE : BMR_CHUNK_DATA,
	         .stored = has_base ? 0 : 1 << 18},
	};
	struct bmr_manifest *m;
	struct bmr_err e;

	assert_int_equal(bmr_manifest_new(&head, &m, &e), 0);
	for (size_t i = 0; i < 4; i++) {
		entries[i].offset = entries[i].kind == BMR_CHUNK_BASE ? 0 : m->data_end;
		if (bmr_manifest_add(m, &entries[i], &e) < 0)
			fail_msg("%s", e.msg);
	}
	for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
		assert_int_equal(bmr_manifest_fact(m, facts[i][0], facts[i][1], &e), 0);
	for (uint64_t i = 0; i < 18; i++)
		assert_int_equal(bmr_manifest_add_bad(m, 1024 + 4096 * i, 1024, &e), 0);
	assert_int_equal(bmr_manifest_seal(m, &e), 0);
	return m;
}

static char *text_of(bool has_base, bool json)
{
	struct bmr_manifest *m = manifest(has_base);
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	struct bmr_json j = {.out = out};

	if (json) {
		bmr_json_open(&j, NULL, '{');
		bmr_info_bmr_json(m, &j);
		bmr_json_close(&j, '}');
	} else {
		bmr_info_bmr_text(m, out);
	}
	fclose(out);
	bmr_manifest_free(m);
	return text;
}

static void expect_words(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (!strstr(text, *words))
			fail_msg("'%s' is not in:\n%s", *words, text);
}

static void test_text(void **state)
{
	static const char *const words[] = {
		"id         01020000-0000-0000-0000-000000000000\n",
		"created    1970-01-02T00:00:00Z\n",
		"data       2 chunks, 2.00 MiB of the disk, 512 KiB in the file (4.00 : 1)\n",
		"zero       4 chunks, 4.00 MiB of the disk, 1",
		"unused     4 chunks, 4.00 MiB",
		"sha256     not known\n",
		"machine    U-1\n",
		"its disk   Model T, S1\n",
		"part. 1    2.00 MiB from sector 2048, ext4 'r\"oot'\n"
		"           captured: whole: unclean\n"
		"part. 2    4.00 KiB from sector 8192, swap\n"
		"part. 10   512 B from sector 18432, content unknown\n",
		"lvm.vg.name vg0\n",
		"partition.x.size 7\n",
		"unreadable sectors 2-3 (zeros in the image)\n",
		"unreadable and 2 more places\n",
		NULL,
	};
	char *text = text_of(false, false);

	(void)state;
	expect_words(text, words);
	assert_null(strstr(text, "based on"));
	assert_null(strstr(text, "base.name"));
	for (const char *line = text; *line; line = strchr(line, '\n') + 1)
		assert_true(strcspn(line, "\n") <= 80);
	free(text);
}

static void test_base(void **state)
{
	static const char *const words[] = {
		"data       1 chunks",
		"base       1 chunks, 1.00 MiB of the disk\n",
		"based on   old.zst, image 01000000-0000-0000-0000-000000000000\n           root "
		"0000",
		NULL,
	};
	static const char *const members[] = {
		"\"base\":{\"chunks\":1,\"bytes\":1048576,\"stored_bytes\":0}",
		"\"base\":{\"id\":\"01000000-0000-0000-0000-000000000000\",\"root\":\"0000",
		"\"name\":\"old.zst\"}",
		NULL,
	};
	char *text = text_of(true, false);

	(void)state;
	expect_words(text, words);
	free(text);
	text = text_of(true, true);
	expect_words(text, members);
	free(text);
}

static void test_json(void **state)
{
	static const char *const members[] = {
		"\"id\":\"01020000-0000-0000-0000-000000000000\",\"created\":86400,",
		"\"disk_size\":10485760,\"logical_sector\":512,\"physical_sector\":4096,"
		"\"chunk_bytes\":1048576,\"codec\":\"zstd\"",
		"\"data\":{\"chunks\":2,\"bytes\":2097152,\"stored_bytes\":524288}",
		"\"ratio\":4.000",
		"\"partition_list\":[{\"number\":1,\"start\":1048576,\"size\":2097152,"
		"\"fs\":\"ext4\",\"label\":\"r\\\"oot\",\"capture\":\"whole: unclean\"},"
		"{\"number\":2,",
		"\"facts\":{\"base.name\":\"old.zst\",\"disk.model\":\"Model T\"",
		"\"bad\":[{\"byte\":1024,\"bytes\":1024},",
		NULL,
	};
	char *text = text_of(false, true);

	(void)state;
	expect_words(text, members);
	assert_null(strstr(text, "\"sha256\""));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_base),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
