/* SPDX-License-Identifier: GPL-3.0-or-later */
/* regions: played through by one thread that finishes jobs in any order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "imaging/restore/regions.h"

#define CHUNKS_MOST 2000
#define JOBS_MOST 16

struct job {
	enum bmr_region_job kind;
	uint32_t chunk;
	uint32_t count;
};

struct play {
	struct bmr_regions regions;
	struct job jobs[JOBS_MOST]; /* under way */
	unsigned job_count;
	bool written[CHUNKS_MOST];
	bool finished[CHUNKS_MOST];
	bool flushed[CHUNKS_MOST]; /* since it was finished */
	unsigned begun[CHUNKS_MOST];
	unsigned read[CHUNKS_MOST];
	uint32_t random;
};

static uint32_t next_random(struct play *p)
{
	p->random = p->random * 1664525 + 1013904223;
	return p->random >> 8;
}

static void begin_chunks(struct play *p, struct job *job, uint32_t most)
{
	job->count = 1 + next_random(p) % 9;
	if (job->count > most)
		job->count = most;
	bmr_regions_begin(&p->regions, job->count);
	for (uint32_t i = 0; i < job->count; i++)
		p->begun[job->chunk + i]++;
}

static void end_chunks(struct play *p, const struct job *job)
{
	for (uint32_t i = job->chunk; i < job->chunk + job->count; i++) {
		p->written[i] = next_random(p) % 4 > 0;
		p->finished[i] = true;
		bmr_regions_finish(&p->regions, i, p->written[i]);
	}
}

static void end_flush(struct play *p, const struct job *job)
{
	for (uint32_t i = job->chunk; i < p->regions.chunks; i++) {
		if (i / BMR_REGION_CHUNKS != job->chunk / BMR_REGION_CHUNKS)
			break;
		assert_true(p->finished[i]);
		p->flushed[i] = true;
	}
	bmr_regions_flushed(&p->regions, job->chunk);
}

static void end_one(struct play *p)
{
	unsigned i = next_random(p) % p->job_count;
	struct job job = p->jobs[i];

	p->jobs[i] = p->jobs[--p->job_count];
	if (job.kind == BMR_JOB_CHUNKS) {
		end_chunks(p, &job);
	} else if (job.kind == BMR_JOB_FLUSH) {
		end_flush(p, &job);
	} else {
		assert_true(p->flushed[job.chunk] && p->written[job.chunk]);
		p->read[job.chunk]++;
		bmr_regions_read(&p->regions, job.chunk);
	}
}

/* Any order of begin and end; returns how many jobs there were at most. */
static unsigned play(struct play *p, uint32_t chunks, bool read_back, uint32_t seed)
{
	unsigned most_jobs = 0;

	memset(p, 0, sizeof *p);
	p->random = seed;
	bmr_regions_init(&p->regions, chunks, read_back);
	for (;;) {
		struct job job = {.kind = BMR_JOB_WAIT};
		uint32_t most = 0;

		if (p->job_count < JOBS_MOST)
			job.kind = bmr_regions_next(&p->regions, next_random(p) % 8 > 0, &job.chunk,
			                            &most);
		if (job.kind == BMR_JOB_END)
			break;
		if (job.kind == BMR_JOB_CHUNKS)
			begin_chunks(p, &job, most);
		if (job.kind != BMR_JOB_WAIT)
			p->jobs[p->job_count++] = job;
		if (p->job_count > most_jobs)
			most_jobs = p->job_count;
		if (p->job_count > 0 && (job.kind == BMR_JOB_WAIT || next_random(p) % 2))
			end_one(p);
	}
	assert_int_equal(p->job_count, 0);
	return most_jobs;
}

static void test_all_orders(void **state)
{
	static const uint32_t sizes[] = {1, 2, 127, 128, 129, 256, 1000, CHUNKS_MOST};
	static struct play p;

	(void)state;
	for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
		for (uint32_t seed = 1; seed <= 20; seed++) {
			bool read_back = seed % 4 > 0;

			play(&p, sizes[s], read_back, seed);
			for (uint32_t i = 0; i < sizes[s]; i++) {
				assert_int_equal(p.begun[i], 1);
				assert_int_equal(p.read[i], read_back && p.written[i]);
			}
		}
}

/* No more regions are begun than there is room for, and reading back comes before that. */
static void test_room(void **state)
{
	struct bmr_regions r;
	uint32_t chunk = 0;
	uint32_t most = 0;

	(void)state;
	bmr_regions_init(&r, 100 * BMR_REGION_CHUNKS, true);
	for (unsigned i = 0; i < BMR_REGIONS; i++) {
		assert_int_equal(bmr_regions_next(&r, true, &chunk, &most), BMR_JOB_CHUNKS);
		assert_int_equal(chunk, i * BMR_REGION_CHUNKS);
		assert_int_equal(most, BMR_REGION_CHUNKS);
		bmr_regions_begin(&r, most);
	}
	assert_int_equal(bmr_regions_next(&r, true, &chunk, &most), BMR_JOB_WAIT);
	for (uint32_t i = 0; i < BMR_REGION_CHUNKS; i++)
		bmr_regions_finish(&r, i, i == 5);
	assert_int_equal(bmr_regions_next(&r, true, &chunk, &most), BMR_JOB_FLUSH);
	assert_int_equal(bmr_regions_next(&r, true, &chunk, &most), BMR_JOB_WAIT);
	bmr_regions_flushed(&r, 0);
	assert_int_equal(bmr_regions_next(&r, true, &chunk, &most), BMR_JOB_READ);
	assert_int_equal(chunk, 5);
	assert_int_equal(bmr_regions_next(&r, true, &chunk, &most), BMR_JOB_WAIT);
	bmr_regions_read(&r, 5);
	assert_int_equal(bmr_regions_next(&r, false, &chunk, &most), BMR_JOB_WAIT);
	assert_int_equal(bmr_regions_next(&r, true, &chunk, &most), BMR_JOB_CHUNKS);
	assert_int_equal(chunk, BMR_REGIONS * BMR_REGION_CHUNKS);
}

/* A sum stays with its chunk, and a region that is begun anew has none. */
static void test_sums(void **state)
{
	uint32_t far = BMR_REGIONS * BMR_REGION_CHUNKS + 5; /* takes the place of chunk 5 */
	struct bmr_checksum sum;
	struct bmr_regions r;
	uint32_t chunk = 0;
	uint32_t most = 0;

	(void)state;
	bmr_regions_init(&r, far + 1, true);
	for (uint32_t i = 0; i < 2; i++) {
		bmr_regions_next(&r, true, &chunk, &most);
		bmr_regions_begin(&r, most);
	}
	for (uint32_t i = 0; i < 2 * BMR_REGION_CHUNKS; i++)
		bmr_regions_keep(&r, i, &(struct bmr_checksum){{i, ~(uint64_t)i}});
	for (uint32_t i = 0; i < 2 * BMR_REGION_CHUNKS; i++) {
		sum = bmr_regions_sum(&r, i);
		assert_true(sum.words[0] == i && sum.words[1] == ~(uint64_t)i);
	}
	for (uint32_t i = 0; i < 2 * BMR_REGION_CHUNKS; i++)
		bmr_regions_finish(&r, i, false);
	while (bmr_regions_next(&r, true, &chunk, &most) == BMR_JOB_CHUNKS && chunk + most <= far)
		bmr_regions_begin(&r, most);
	sum = bmr_regions_sum(&r, far);
	assert_true(sum.words[0] == 0 && sum.words[1] == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_orders),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_sums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
