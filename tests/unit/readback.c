/* SPDX-License-Identifier: GPL-3.0-or-later */
/* readback: a disk in a file that differs from its proof in places chosen here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/err.h"
#include "imaging/restore/pipe.h"
#include "imaging/restore/proof.h"
#include "imaging/restore/readback.h"
#include "imaging/disk/target.h"
#include "tests/fixtures/packed.h"

#define CHUNKS 6 /* the last one is short */
#define SIZE ((CHUNKS - 1) * BMR_CHUNK_SIZE + 1536)
#define GROUPS_MAX 8

struct setup {
	char path[64];
	struct bytes disk;
	bool bad[GROUPS_MAX];
	struct bmr_readback rb;
	_Atomic uint64_t progress;
	atomic_bool stop;
	uint64_t bad_groups;
	uint64_t first_bad;
	struct bmr_err err;
};

static void enter_checksums(struct setup *s, struct bmr_proof *proof)
{
	for (size_t i = 1; i < CHUNKS; i++) {
		size_t len = i == CHUNKS - 1 ? SIZE % BMR_CHUNK_SIZE : BMR_CHUNK_SIZE;
		struct bmr_checksum sum = bmr_checksum_of(s->disk.data + i * BMR_CHUNK_SIZE, len);

		assert_int_equal(bmr_proof_add(proof, i, &sum, &s->err), 0);
	}
}

/* A disk that agrees with its proof, which is made for `room` bytes. */
static void prepare(struct setup *s, uint64_t room)
{
	const char *tmp = getenv("TMPDIR");
	struct bmr_target_info info;
	int fd;

	memset(s, 0, sizeof *s);
	snprintf(s->path, sizeof s->path, "%.40s/readback-XXXXXX", tmp ? tmp : "/tmp");
	s->disk = bytes_random(SIZE, 4);
	memset(s->disk.data + 2 * BMR_CHUNK_SIZE, 0, BMR_CHUNK_SIZE);
	fd = mkstemp(s->path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, s->disk.data, SIZE), SIZE);
	close(fd);
	assert_int_equal(bmr_target_look(s->path, &info, &s->err), 0);
	assert_int_equal(bmr_target_open(&info, &s->rb.target, &s->err), 0);
	assert_int_equal(bmr_proof_open(room, &s->rb.proof, &s->err), 0);
	enter_checksums(s, s->rb.proof);
	s->rb.size = SIZE;
	s->rb.workers = 2;
	s->rb.bad = s->bad;
	s->rb.progress = &s->progress;
	s->rb.stop = &s->stop;
}

static void clear(struct setup *s)
{
	assert_int_equal(bmr_target_close(s->rb.target, &s->err), 0);
	bmr_proof_close(s->rb.proof);
	unlink(s->path);
	free(s->disk.data);
}

static void damage(struct setup *s, uint64_t at)
{
	uint8_t byte = s->disk.data[at] ^ 1;
	int fd = open(s->path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
	close(fd);
}

static void repair(struct setup *s, uint64_t at)
{
	int fd = open(s->path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, s->disk.data + at, 1, (off_t)at), 1);
	close(fd);
}

/* bad: a character a group, '#' bad and '.' good. */
static void expect(struct setup *s, const char *bad)
{
	char have[GROUPS_MAX + 1] = "";
	size_t count = 0;

	if (bmr_readback_run(&s->rb, &s->bad_groups, &s->first_bad, &s->err) < 0)
		fail_msg("%s", s->err.msg);
	for (size_t i = 0; i < strlen(bad); i++) {
		have[i] = s->bad[i] ? '#' : '.';
		count += s->bad[i];
	}
	assert_string_equal(have, bad);
	assert_int_equal(s->bad_groups, count);
}

static void test_all_good(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, SIZE);
	memset(s.bad, true, CHUNKS); /* what stood there before does not matter */
	expect(&s, "......");
	assert_int_equal(s.progress, SIZE - BMR_CHUNK_SIZE);
	s.rb.workers = BMR_WORKERS_MAX; /* more than there are groups */
	expect(&s, "......");
	clear(&s);
}

static void test_bad_ones_are_listed(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, SIZE);
	damage(&s, SIZE - 1);
	expect(&s, ".....#");
	assert_int_equal(s.first_bad, 5 * BMR_CHUNK_SIZE);
	damage(&s, 2 * BMR_CHUNK_SIZE + 77); /* among zeros */
	damage(&s, BMR_CHUNK_SIZE);
	expect(&s, ".##..#");
	assert_int_equal(s.first_bad, BMR_CHUNK_SIZE);
	clear(&s);
}

/* Only those that were bad are read again, and one that is still bad stays so. */
static void test_only_bad(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, SIZE);
	damage(&s, BMR_CHUNK_SIZE);
	damage(&s, 3 * BMR_CHUNK_SIZE);
	expect(&s, ".#.#..");
	repair(&s, BMR_CHUNK_SIZE);
	damage(&s, 4 * BMR_CHUNK_SIZE); /* nobody looks there */
	s.rb.only_bad = true;
	s.progress = 0;
	expect(&s, "...#..");
	assert_int_equal(s.progress, 2 * BMR_CHUNK_SIZE);
	assert_int_equal(s.first_bad, 3 * BMR_CHUNK_SIZE);
	repair(&s, 3 * BMR_CHUNK_SIZE);
	expect(&s, "......");
	s.progress = 0;
	expect(&s, "......");
	assert_int_equal(s.progress, 0);
	clear(&s);
}

static void test_first_chunk_is_left_out(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, SIZE);
	damage(&s, 0);
	damage(&s, BMR_CHUNK_SIZE - 1);
	expect(&s, "......");
	clear(&s);
}

/* On a disk of over 1 TiB chunks share a sum: here three. */
static void test_groups(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, (uint64_t)2 << 40);
	assert_int_equal(bmr_proof_group(s.rb.proof), 3);
	expect(&s, "..");
	assert_int_equal(s.progress, SIZE - BMR_CHUNK_SIZE);
	damage(&s, 4 * BMR_CHUNK_SIZE);
	expect(&s, ".#");
	assert_int_equal(s.first_bad, 3 * BMR_CHUNK_SIZE);
	damage(&s, 2 * BMR_CHUNK_SIZE);
	expect(&s, "##");
	assert_int_equal(s.first_bad, 0);
	clear(&s);
}

static void test_read_error(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, SIZE);
	assert_int_equal(truncate(s.path, 4 * BMR_CHUNK_SIZE), 0);
	assert_int_equal(bmr_readback_run(&s.rb, &s.bad_groups, &s.first_bad, &s.err), -1);
	assert_int_equal(s.err.code, BMR_E_TARGET);
	/* Both last chunks fail, in any order: the first one is named. */
	if (!strstr(s.err.msg, s.path) || !strstr(s.err.msg, "at byte 4194304 (sector 8192)"))
		fail_msg("%s", s.err.msg);
	clear(&s);
}

static void test_stop(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, SIZE);
	atomic_store(&s.stop, true);
	assert_int_equal(bmr_readback_run(&s.rb, &s.bad_groups, &s.first_bad, &s.err), -1);
	assert_int_equal(s.err.code, BMR_E_STOPPED);
	assert_int_equal(s.progress, 0);
	s.rb.stop = NULL; /* nobody stops it */
	expect(&s, "......");
	clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_good), cmocka_unit_test(test_bad_ones_are_listed),
		cmocka_unit_test(test_only_bad), cmocka_unit_test(test_first_chunk_is_left_out),
		cmocka_unit_test(test_groups),   cmocka_unit_test(test_read_error),
		cmocka_unit_test(test_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
