/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pipe: every chunk once, the right digest, and of several errors always the same one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/digest.h"
#include "imaging/restore/pipe.h"
#include "tests/fixtures/fake_source.h"
#include "tests/fixtures/packed.h"

#define CHUNKS_MAX 64

struct work {
	const struct bytes *plain;
	atomic_uint seen[CHUNKS_MAX];
	atomic_uint busy[BMR_WORKERS_MAX];
	uint64_t bad_from; /* chunks from here on fail */
	bool slow_first;   /* the first that fails is the last to say so */
	atomic_bool *stop_at_5;
};

static int do_work(void *ctx, const struct bmr_chunk *c, unsigned worker, struct bmr_err *e)
{
	struct work *w = ctx;
	const struct timespec moment = {.tv_nsec = 20000000};

	assert_true(worker < BMR_WORKERS_MAX);
	assert_int_equal(atomic_fetch_add(&w->busy[worker], 1), 0); /* a number is one thread's */
	assert_int_equal(c->offset, c->index * BMR_CHUNK_SIZE);
	assert_int_equal((uintptr_t)c->data % BMR_CHUNK_ALIGN, 0);
	assert_memory_equal(c->data, w->plain->data + c->offset, c->len);
	atomic_fetch_add(&w->seen[c->index], 1);
	if (w->stop_at_5 && c->index == 5)
		atomic_store(w->stop_at_5, true);
	if (w->slow_first && c->index == w->bad_from)
		nanosleep(&moment, NULL);
	atomic_fetch_sub(&w->busy[worker], 1);
	if (c->index >= w->bad_from)
		return bmr_err_set(e, BMR_E_TARGET, 0, "chunk %u", (unsigned)c->index);
	return 0;
}

struct setup {
	struct bytes plain;
	struct bytes file;
	struct fake_image image;
	struct bmr_source *source;
	struct work work;
	struct bmr_pipe pipe;
	struct bmr_pipe_progress progress;
};

static void prepare(struct setup *s, enum bmr_format format, size_t size, unsigned workers)
{
	struct bmr_err e;

	memset(s, 0, sizeof *s);
	s->plain = bytes_random(size, 5);
	s->file = pack_many(format, s->plain.data, size, size > 1000 ? 3 : 1);
	s->image.data = s->file.data;
	s->image.size = s->file.len;
	s->work.plain = &s->plain;
	s->work.bad_from = UINT64_MAX;
	s->pipe = (struct bmr_pipe){.format = format,
	                            .workers = workers,
	                            .work = workers ? do_work : NULL,
	                            .ctx = &s->work,
	                            .progress = &s->progress};
	assert_int_equal(fake_image_source(&s->image, 100000, 3, &s->source, &e), 0);
	s->pipe.source = s->source;
}

static void clear(struct setup *s)
{
	bmr_source_close(s->source);
	free(s->plain.data);
	free(s->file.data);
}

static void expect_whole(struct setup *s)
{
	struct bmr_pipe_result result;
	struct bmr_digest_value want;
	struct bmr_digest *d;
	struct bmr_err e;
	size_t chunks = (s->plain.len + BMR_CHUNK_SIZE - 1) / BMR_CHUNK_SIZE;

	if (bmr_pipe_run(&s->pipe, &result, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(result.size, s->plain.len);
	assert_int_equal(bmr_digest_open(&d, &e), 0);
	assert_int_equal(bmr_digest_of(d, s->plain.data, s->plain.len, &want, &e), 0);
	bmr_digest_close(d);
	assert_true(bmr_digest_equal(&want, &result.sha256));
	for (size_t i = 0; i < CHUNKS_MAX && s->pipe.work; i++)
		assert_int_equal(s->work.seen[i], i < chunks ? 1 : 0);
	assert_int_equal(atomic_load(&s->progress.decoded), s->plain.len);
}

static void test_whole(void **state)
{
	static const size_t sizes[] = {512, BMR_CHUNK_SIZE, BMR_CHUNK_SIZE + 512,
	                               40 * BMR_CHUNK_SIZE - 512};
	static const unsigned workers[] = {0, 1, 2, BMR_WORKERS_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (size_t k = 0; k < sizeof workers / sizeof *workers; k++) {
			struct setup s;

			prepare(&s, BMR_FORMAT_LZ4, sizes[i], workers[k]);
			expect_whole(&s);
			clear(&s);
		}
}

static void test_every_format(void **state)
{
	(void)state;
	for (enum bmr_format f = BMR_FORMAT_RAW; f <= BMR_FORMAT_BZIP2; f++) {
		struct setup s;

		prepare(&s, f, 3 * BMR_CHUNK_SIZE + 512, 2);
		expect_whole(&s);
		clear(&s);
	}
}

static void expect_error(struct setup *s, enum bmr_errc code, const char *words)
{
	struct bmr_pipe_result result;
	struct bmr_err e = {0};

	assert_int_equal(bmr_pipe_run(&s->pipe, &result, &e), -1);
	if (e.code != code || !strstr(e.msg, words))
		fail_msg("code %d: %s; expected %d, %s", e.code, e.msg, code, words);
}

/* All chunks from one on fail: always its error is the one that is told. */
static void test_the_lowest_chunk_wins(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		struct setup s;
		char words[32];

		prepare(&s, BMR_FORMAT_RAW, 24 * BMR_CHUNK_SIZE, 4);
		s.work.bad_from = i;
		s.work.slow_first = i % 2;
		snprintf(words, sizeof words, "chunk %u", i);
		expect_error(&s, BMR_E_TARGET, words);
		clear(&s);
	}
}

/* The image breaks at its end while a chunk before that fails too, but later in time. */
static void test_work_before_damage_wins(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		struct setup s;

		prepare(&s, BMR_FORMAT_LZ4, 4 * BMR_CHUNK_SIZE, 1);
		s.image.size -= 3;
		s.file.len -= 3;
		bmr_source_close(s.source);
		struct bmr_err e;

		assert_int_equal(fake_image_source(&s.image, 100000, 3, &s.source, &e), 0);
		s.pipe.source = s.source;
		s.work.bad_from = 2;
		s.work.slow_first = true;
		expect_error(&s, BMR_E_TARGET, "chunk 2");
		s.work.bad_from = UINT64_MAX;
		memset(s.work.seen, 0, sizeof s.work.seen);
		expect_error(&s, BMR_E_DATA, "truncated");
		clear(&s);
	}
}

static void test_the_source_fails(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, BMR_FORMAT_RAW, 10 * BMR_CHUNK_SIZE, 2);
	s.image.fails_at = 5 * BMR_CHUNK_SIZE;
	s.image.code = BMR_E_SOURCE;
	expect_error(&s, BMR_E_SOURCE, "the fake fails at byte");
	for (size_t i = 6; i < CHUNKS_MAX; i++)
		assert_int_equal(s.work.seen[i], 0);
	clear(&s);
}

/* Only who has no use for it later has a silent source stopped. */
static void test_a_silent_source(void **state)
{
	struct setup s;

	(void)state;
	for (int stops = 0; stops < 2; stops++) {
		uint8_t byte;
		struct bmr_err e;
		size_t got;

		prepare(&s, BMR_FORMAT_RAW, 10 * BMR_CHUNK_SIZE, 2);
		s.pipe.stop_source = stops == 1;
		s.image.fails_at = 5 * BMR_CHUNK_SIZE;
		s.image.code = BMR_E_NET;
		expect_error(&s, BMR_E_NET, "the fake fails at byte");
		assert_int_equal(bmr_source_read(s.source, &byte, 1, 0, &got, &e), -stops);
		assert_int_equal(stops ? e.code : BMR_E_STOPPED, BMR_E_STOPPED);
		clear(&s);
	}
}

static void test_stop(void **state)
{
	struct setup s;
	atomic_bool stop = false;

	(void)state;
	prepare(&s, BMR_FORMAT_RAW, 60 * BMR_CHUNK_SIZE, 2);
	s.pipe.stop = &stop;
	s.work.stop_at_5 = &stop;
	expect_error(&s, BMR_E_STOPPED, "stopped");
	assert_int_equal(s.work.seen[50], 0);
	clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_every_format),
		cmocka_unit_test(test_the_lowest_chunk_wins),
		cmocka_unit_test(test_work_before_damage_wins),
		cmocka_unit_test(test_the_source_fails),
		cmocka_unit_test(test_a_silent_source),
		cmocka_unit_test(test_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
