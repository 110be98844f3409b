/* SPDX-License-Identifier: GPL-3.0-or-later */
/* target: what is looked at, opened and refused, on files. */
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

#include "base/err.h"
#include "imaging/restore/pipe.h"
#include "imaging/disk/target.h"

static void temp_path(char path[64])
{
	const char *tmp = getenv("TMPDIR");
	int fd;

	snprintf(path, 64, "%.40s/target-XXXXXX", tmp ? tmp : "/tmp");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
}

static void test_look(void **state)
{
	struct bmr_target_info info;
	struct bmr_err e;
	char path[64];

	(void)state;
	temp_path(path);
	assert_int_equal(bmr_target_look(path, &info, &e), 0);
	assert_true(info.is_file && info.is_new && info.sector == 512);
	assert_int_equal(truncate(path, 12345), 0);
	assert_int_equal(bmr_target_look(path, &info, &e), 0);
	assert_true(!info.is_new && info.size == 12345);
	unlink(path);
	assert_int_equal(bmr_target_look(path, &info, &e), 0);
	assert_true(info.is_new);
	assert_int_not_equal(access(path, F_OK), 0); /* looking makes nothing */
	assert_int_equal(bmr_target_look("/dev/null", &info, &e), -1);
	assert_int_equal(e.code, BMR_E_REFUSED);
	assert_int_equal(bmr_target_look("/dev/no-such-disk", &info, &e), -1);
	assert_int_equal(e.code, BMR_E_REFUSED);
	assert_int_equal(mkfifo(path, 0600), 0); /* does not hang */
	assert_int_equal(bmr_target_look(path, &info, &e), -1);
	unlink(path);
}

static void test_write_zero_read(void **state)
{
	uint8_t *data = aligned_alloc(BMR_CHUNK_ALIGN, 8192);
	uint8_t *back = aligned_alloc(BMR_CHUNK_ALIGN, 8192);
	struct bmr_target_info info;
	struct bmr_target *t;
	struct bmr_err e;
	char path[64];

	(void)state;
	temp_path(path);
	memset(data, 0x5a, 8192);
	assert_int_equal(bmr_target_look(path, &info, &e), 0);
	assert_int_equal(bmr_target_open(&info, &t, &e), 0);
	assert_int_equal(bmr_target_set_size(t, 16384, &e), 0);
	assert_int_equal(bmr_target_write(t, data, 8192, 4096, &e), 0);
	assert_int_equal(bmr_target_zero(t, 8192, 4096, &e), 0);
	assert_int_equal(bmr_target_write(t, data, 512, 512, &e), 0); /* less than a page */
	assert_int_equal(bmr_target_flush(t, &e), 0);
	assert_int_equal(bmr_target_drop_cache(t, &e), 0);
	assert_int_equal(bmr_target_read(t, back, 8192, 4096, &e), 0);
	assert_memory_equal(back, data, 4096);
	for (size_t i = 4096; i < 8192; i++)
		assert_int_equal(back[i], 0);
	assert_int_equal(bmr_target_read(t, back, 512, 512, &e), 0);
	assert_memory_equal(back, data, 512);
	/* Past the end: an error that names the place. */
	assert_int_equal(bmr_target_read(t, back, 4096, 16384, &e), -1);
	assert_int_equal(e.code, BMR_E_TARGET);
	assert_non_null(strstr(e.msg, "at byte 16384 (sector 32)"));
	assert_int_equal(bmr_target_check_same(t, &e), 0);
	assert_int_equal(bmr_target_close(t, &e), 0);
	assert_int_equal(bmr_target_close(NULL, &e), 0);
	unlink(path);
	free(data);
	free(back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_look),
		cmocka_unit_test(test_write_zero_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
