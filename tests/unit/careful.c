/* SPDX-License-Identifier: GPL-3.0-or-later */
/* careful: a file as a disk whose sectors fail to order, by a pread of this test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "imaging/capture/careful.h"
#include "imaging/bmr/manifest.h"
#include "imaging/disk/target.h"
#include "tests/fixtures/packed.h"

#define SIZE ((size_t)256 * 1024)
#define SECTOR 512
#define BAD_MOST 4

static struct {
	uint64_t bad[BAD_MOST]; /* bytes whose sector cannot be read */
	unsigned count;
	int error;
	unsigned times; /* so often; 0: ever */
	unsigned fails;
	unsigned calls;
} fault;

ssize_t pread(int fd, void *data, size_t len, off_t off)
{
	fault.calls++;
	for (unsigned i = 0; i < fault.count; i++) {
		bool hit = fault.bad[i] >= (uint64_t)off && fault.bad[i] < (uint64_t)off + len;

		if (hit && (fault.times == 0 || fault.fails < fault.times)) {
			fault.fails++;
			errno = fault.error;
			return -1;
		}
	}
	return syscall(SYS_pread64, fd, data, len, off);
}

struct setup {
	char path[64];
	struct bytes content;
	struct bmr_target *disk;
	struct bmr_bad_list bad;
	atomic_bool stop;
	uint8_t *data;
	struct bmr_err err;
};

static void prepare(struct setup *s)
{
	const char *tmp = getenv("TMPDIR");
	struct bmr_target_info info;
	int fd;

	memset(s, 0, sizeof *s);
	memset(&fault, 0, sizeof fault);
	fault.error = EIO;
	snprintf(s->path, sizeof s->path, "%.40s/careful-XXXXXX", tmp ? tmp : "/tmp");
	s->content = bytes_random(SIZE, 3);
	fd = mkstemp(s->path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, s->content.data, SIZE), SIZE);
	close(fd);
	assert_int_equal(bmr_target_look(s->path, &info, &s->err), 0);
	assert_int_equal(bmr_target_open_readonly(&info, &s->disk, &s->err), 0);
	s->data = aligned_alloc(4096, SIZE);
	memset(s->data, 0xaa, SIZE);
}

static void clear(struct setup *s)
{
	assert_int_equal(bmr_target_close(s->disk, &s->err), 0);
	bmr_bad_list_clear(&s->bad);
	unlink(s->path);
	free(s->content.data);
	free(s->data);
}

static int run(struct setup *s)
{
	return bmr_careful_read(s->disk, s->data, SIZE, 0, &s->stop, &s->bad, &s->err);
}

static void break_at(uint64_t byte)
{
	fault.bad[fault.count++] = byte;
}

/* Zeros where a sector is bad, what the disk holds elsewhere. */
static void expect_data(struct setup *s)
{
	for (unsigned i = 0; i < fault.count; i++)
		memset(s->content.data + fault.bad[i] / SECTOR * SECTOR, 0, SECTOR);
	assert_memory_equal(s->data, s->content.data, SIZE);
}

static void test_a_good_disk(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s);
	assert_int_equal(run(&s), 0);
	assert_int_equal(s.bad.count, 0);
	expect_data(&s);
	clear(&s);
}

static void test_bad_sectors_are_zeros_and_listed(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s);
	break_at(0);
	break_at(100000);
	break_at(100000 + SECTOR);
	break_at(SIZE - 1);
	assert_int_equal(run(&s), 0);
	expect_data(&s);
	assert_int_equal(s.bad.count, 3);
	assert_int_equal(s.bad.ranges[0].offset, 0);
	assert_int_equal(s.bad.ranges[0].length, SECTOR);
	assert_int_equal(s.bad.ranges[1].offset, 100000 / SECTOR * SECTOR);
	assert_int_equal(s.bad.ranges[1].length, 2 * SECTOR);
	assert_int_equal(s.bad.ranges[2].offset, SIZE - SECTOR);
	clear(&s);
}

static void test_a_second_try_may_help(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s);
	break_at(5000);
	fault.times = BMR_CAREFUL_TRIES - 1;
	assert_int_equal(run(&s), 0);
	assert_int_equal(fault.calls, BMR_CAREFUL_TRIES); /* all of the whole piece */
	assert_int_equal(s.bad.count, 0);
	fault.count = 0;
	expect_data(&s);
	clear(&s);
}

static void test_a_disk_that_is_gone(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s);
	break_at(5000);
	fault.error = ENODEV;
	assert_int_equal(run(&s), -1);
	assert_int_equal(s.err.code, BMR_E_TARGET);
	assert_int_equal(fault.fails, 1);
	assert_int_equal(s.bad.count, 0);
	clear(&s);
}

static void test_a_search_can_be_stopped(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s);
	break_at(5000);
	atomic_store(&s.stop, true);
	assert_int_equal(run(&s), -1);
	assert_int_equal(s.err.code, BMR_E_STOPPED);
	clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_good_disk),
		cmocka_unit_test(test_bad_sectors_are_zeros_and_listed),
		cmocka_unit_test(test_a_second_try_may_help),
		cmocka_unit_test(test_a_disk_that_is_gone),
		cmocka_unit_test(test_a_search_can_be_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
