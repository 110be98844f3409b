/* SPDX-License-Identifier: GPL-3.0-or-later */
/* chunked: bmr images in memory, from a source that fails to order, onto files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "imaging/restore/chunked.h"
#include "imaging/image.h"
#include "imaging/restore/restore.h"
#include "imaging/disk/target.h"
#include "tests/fixtures/bmr_file.h"
#include "tests/fixtures/fake_source.h"
#include "tests/fixtures/packed.h"

#define MIB ((size_t)1 << 20)
#define KINDS "ddzzduudddzddddduz" /* of chunks of 1 MiB; the last one is short */
#define CHUNKS (sizeof KINDS - 1)
#define SIZE ((CHUNKS - 1) * MIB + 1536)
#define OLD 0xaa

struct setup {
	char folder[64];
	char path[80];
	const char *kinds;
	size_t chunk;      /* bytes */
	struct bytes disk; /* what is to be restored; unused chunks are zero */
	struct bmr_file file;
	struct fake_image fake;
	struct bmr_source *source;
	struct bmr_image image;
	struct bmr_target_info target;
	struct bmr_restore_progress progress;
	struct bmr_restore restore;
	struct bmr_restore_result result;
	struct bmr_err err;
	atomic_bool stop;
	unsigned phases; /* bits of those entered */
	enum bmr_phase stop_in;
};

static void on_phase(void *ctx, enum bmr_phase phase)
{
	struct setup *s = ctx;

	s->phases |= 1u << phase;
	if (s->stop_in == phase && phase != BMR_PHASE_PREPARE)
		atomic_store(&s->stop, true);
}

static bool is_old(const uint8_t *data, size_t len)
{
	return len == 0 || (data[0] == OLD && memcmp(data, data + 1, len - 1) == 0);
}

static void put_file(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static struct bytes get_file(const char *path)
{
	struct stat st;
	struct bytes b;
	FILE *f = fopen(path, "rb");

	assert_non_null(f);
	assert_int_equal(fstat(fileno(f), &st), 0);
	b = bytes_new((size_t)st.st_size);
	assert_int_equal(fread(b.data, 1, b.len, f), b.len);
	fclose(f);
	return b;
}

/* An old disk of `size` bytes in a file; 0: none. */
static void old_disk(struct setup *s, size_t size)
{
	struct bytes old = bytes_new(size);

	memset(old.data, OLD, size);
	unlink(s->path);
	if (size > 0)
		put_file(s->path, old.data, size);
	free(old.data);
	assert_int_equal(bmr_target_look(s->path, &s->target, &s->err), 0);
}

/* Every image has the same bytes: made once, for the race detector makes that slow. */
static struct bytes content(size_t size)
{
	static struct bytes random;

	if (random.len == 0)
		random = bytes_random(SIZE, 9);
	return size <= random.len ? bytes_copy(random.data, size)
	                          : (struct bytes){calloc(1, size), size};
}

static void make_disk(struct setup *s, size_t size)
{
	s->disk = content(size);
	assert_non_null(s->disk.data);
	for (size_t i = 0; s->kinds[i]; i++) {
		size_t from = i * s->chunk;

		if (s->kinds[i] != 'd')
			memset(s->disk.data + from, 0,
			       size - from < s->chunk ? size - from : s->chunk);
	}
}

/* The source anew, as a stream or not, and the manifest as the image's own. */
static void open_source(struct setup *s, bool stream, unsigned depth)
{
	bmr_source_close(s->source);
	s->fake.stream = stream;
	assert_int_equal(fake_image_source(&s->fake, 65536, depth, &s->source, &s->err), 0);
	s->restore.source = s->source;
	s->image.file_size = bmr_source_size(s->source);
	s->image.manifest = s->file.manifest_of;
	s->image.is_bmr = true;
	s->image.head = s->file.manifest_of->head;
	s->image.format = s->image.head.pack == BMR_PACK_ZSTD ? BMR_FORMAT_ZSTD : BMR_FORMAT_LZ4;
	s->image.size = s->image.at_least = s->disk.len;
	s->image.exact = true;
}

static void prepare_as(struct setup *s, struct bmr_head head, const char *kinds, size_t target_size)
{
	const char *tmp = getenv("TMPDIR");

	memset(s, 0, sizeof *s);
	s->kinds = kinds;
	s->chunk = head.chunk_size;
	snprintf(s->folder, sizeof s->folder, "%.40s/chunked-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(s->folder));
	snprintf(s->path, sizeof s->path, "%s/disk", s->folder);
	make_disk(s, head.disk_size);
	s->file = bmr_file_make(&head, s->disk.data, kinds);
	s->fake.data = s->file.file.data;
	s->fake.size = s->file.file.len;
	old_disk(s, target_size);
	s->restore = (struct bmr_restore){.image = &s->image,
	                                  .target = &s->target,
	                                  .read_back = true,
	                                  .zero_unused = true,
	                                  .progress = &s->progress,
	                                  .stop = &s->stop,
	                                  .phase = on_phase,
	                                  .ctx = s};
	open_source(s, false, 4);
}

static void prepare(struct setup *s, size_t target_size)
{
	prepare_as(s, bmr_file_head(SIZE, BMR_PACK_ZSTD), KINDS, target_size);
}

static void clear(struct setup *s)
{
	bmr_source_close(s->source);
	free(s->disk.data);
	bmr_file_free(&s->file);
	unlink(s->path);
	rmdir(s->folder);
}

static int run(struct setup *s)
{
	s->phases = 0;
	memset(&s->progress, 0, sizeof s->progress);
	return bmr_restore_run(&s->restore, &s->result, &s->err);
}

static void must_run(struct setup *s)
{
	if (run(s) < 0)
		fail_msg("%s", s->err.msg);
}

static void expect_error(struct setup *s, enum bmr_errc code, const char *words, const char *more)
{
	assert_int_equal(run(s), -1);
	if (s->err.code != code || !strstr(s->err.msg, words) || !strstr(s->err.msg, more))
		fail_msg("code %d: %s; expected %d, %s, %s", s->err.code, s->err.msg, code, words,
		         more);
}

/* Each chunk is `right`, and what lies behind the image is old. */
static void expect_held(struct setup *s, size_t whole)
{
	struct bytes have = get_file(s->path);

	assert_int_equal(have.len, whole);
	for (size_t i = 0; s->kinds[i]; i++) {
		size_t from = i * s->chunk;
		size_t len = s->disk.len - from < s->chunk ? s->disk.len - from : s->chunk;

		if (s->restore.zero_unused || s->kinds[i] != 'u')
			assert_int_equal(memcmp(have.data + from, s->disk.data + from, len), 0);
	}
	assert_true(is_old(have.data + s->disk.len, whole - s->disk.len));
	free(have.data);
}

/* Whatever went wrong: a chunk is right, or what it was. */
static void expect_nothing_wrong(struct setup *s)
{
	struct bytes have = get_file(s->path);
	for (size_t i = 1; s->kinds[i]; i++) {
		size_t from = i * s->chunk;
		size_t len = s->disk.len - from < s->chunk ? s->disk.len - from : s->chunk;

		if (!is_old(have.data + from, len))
			assert_int_equal(memcmp(have.data + from, s->disk.data + from, len), 0);
	}
	free(have.data);
}

static void expect_untouched(struct setup *s)
{
	struct bytes have = get_file(s->path);

	assert_true(is_old(have.data, have.len));
	free(have.data);
}

static void expect_lba0_zero(struct setup *s)
{
	struct bytes have = get_file(s->path);

	for (size_t i = 0; i < 512; i++)
		assert_int_equal(have.data[i], 0);
	free(have.data);
}

static void change(struct setup *s, size_t at)
{
	int fd = open(s->path, O_RDWR | O_CLOEXEC);
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
	close(fd);
}

/* Of the frame of a chunk. */
static uint64_t frame_at(struct setup *s, uint32_t chunk)
{
	return bmr_manifest_at(s->file.manifest_of, chunk)->offset;
}

static uint32_t stored(struct setup *s, uint32_t chunk)
{
	return bmr_manifest_at(s->file.manifest_of, chunk)->stored;
}

static uint64_t bytes_of(struct setup *s, const char *kinds)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; s->kinds[i]; i++)
		if (strchr(kinds, s->kinds[i]))
			sum += bmr_manifest_chunk_len(s->file.manifest_of, i);
	return sum;
}

/* --- the tests --- */

static void test_every_way(void **state)
{
	static const size_t sizes[] = {0, SIZE, SIZE + 512, 2 * SIZE};

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		size_t size = sizes[i % 4];
		enum bmr_codec_id codec = i < 3 ? BMR_PACK_LZ4 : BMR_PACK_ZSTD;
		unsigned way = i % 3;
		struct setup s;

		prepare_as(&s, bmr_file_head(SIZE, codec), KINDS, size);
		/* Several connections, one, or one that cannot jump. */
		open_source(&s, way == 2, way == 0 ? 4 : 1);
		must_run(&s);
		assert_true(s.result.proven && !s.result.already);
		assert_int_equal(s.result.size, SIZE);
		assert_int_equal(s.progress.pipe.decoded, SIZE);
		assert_int_equal(s.progress.zeroed, bytes_of(&s, "zu"));
		assert_int_equal(s.progress.written, bytes_of(&s, "d") - MIB);
		/* And a sample of the only region. */
		assert_int_equal(s.progress.verified, SIZE + MIB);
		expect_held(&s, size ? size : SIZE);
		clear(&s);
	}
}

/* The first MiB is less than chunk 0, and the disk less than one chunk. */
static void test_large_chunks(void **state)
{
	static const struct {
		uint64_t size;
		const char *kinds;
	} cases[] = {
		{9 * MIB + 512, "ddd"}, {9 * MIB, "zdu"}, {9 * MIB, "udz"},
		{4 * MIB, "d"},         {3 * MIB, "d"},   {MIB + 512, "d"},
		{MIB - 512, "d"},       {512, "d"},       {8 * MIB, "dd"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (int old = 0; old < 2; old++) {
			struct bmr_head head = bmr_file_head(cases[i].size, BMR_PACK_ZSTD);
			struct setup s;

			head.chunk_size = 4 * MIB;
			prepare_as(&s, head, cases[i].kinds, old ? 10 * MIB : 0);
			must_run(&s);
			expect_held(&s, old ? 10 * MIB : cases[i].size);
			s.restore.compare = true;
			assert_int_equal(bmr_target_look(s.path, &s.target, &s.err), 0);
			must_run(&s);
			assert_true(s.result.already);
			clear(&s);
		}
}

/* More regions than are kept at a time, nearly all of zeros. */
static void test_many_regions(void **state)
{
	enum {
		MANY = 900
	};
	char kinds[MANY + 1] = "";
	struct setup s;

	(void)state;
	memset(kinds, 'z', MANY);
	for (int i = 0; i < MANY; i += 100)
		kinds[i] = 'd';
	prepare_as(&s, bmr_file_head(MANY * MIB, BMR_PACK_ZSTD), kinds, 0);
	must_run(&s);
	assert_int_equal(s.progress.verified, (MANY + 8) * MIB);
	expect_held(&s, MANY * MIB);
	clear(&s);
}

static void test_unused(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, SIZE);
	s.restore.zero_unused = false;
	must_run(&s);
	assert_int_equal(s.progress.zeroed, bytes_of(&s, "z"));
	assert_int_equal(s.progress.verified, bytes_of(&s, "dz") + MIB);
	assert_int_equal(s.progress.discarded, bytes_of(&s, "u"));
	expect_held(&s, SIZE);
	/* What they hold is nothing to a comparison, unless they are to be zeros. */
	change(&s, 5 * MIB + 7);
	s.restore.compare = true;
	must_run(&s);
	assert_true(s.result.already);
	s.restore.zero_unused = true;
	must_run(&s);
	assert_false(s.result.already);
	assert_int_equal(s.progress.zeroed, MIB);
	expect_held(&s, SIZE);
	clear(&s);
}

static void test_compare(void **state)
{
	struct stat before;
	struct stat after;
	struct setup s;

	(void)state;
	prepare(&s, SIZE);
	s.restore.compare = true;
	must_run(&s);
	assert_false(s.result.already);
	expect_held(&s, SIZE);
	assert_int_equal(stat(s.path, &before), 0);
	must_run(&s);
	assert_true(s.result.already && s.result.proven);
	assert_int_equal(s.phases & (1u << BMR_PHASE_WRITE), 0);
	assert_int_equal(s.progress.skipped, SIZE);
	assert_int_equal(s.progress.pipe.fetched, stored(&s, 0)); /* what is kept for the end */
	assert_int_equal(stat(s.path, &after), 0);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	/* Data, zeros, and the last byte. */
	change(&s, 8 * MIB + 100);
	change(&s, 2 * MIB + 5);
	change(&s, SIZE - 1);
	must_run(&s);
	assert_int_equal(s.progress.written, MIB);
	assert_int_equal(s.progress.zeroed, MIB + 1536);
	assert_int_equal(s.progress.skipped, SIZE - 2 * MIB - 1536);
	assert_int_equal(s.progress.compared, SIZE); /* each chunk once */
	assert_int_equal(s.progress.pipe.fetched, stored(&s, 0) + stored(&s, 8));
	expect_held(&s, SIZE);
	/* Only the first sector: nothing of the body is written. */
	change(&s, 3);
	must_run(&s);
	assert_false(s.result.already);
	assert_int_equal(s.progress.written + s.progress.zeroed, 0);
	expect_held(&s, SIZE);
	clear(&s);
}

static void test_compare_with_a_stream(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, SIZE);
	open_source(&s, true, 1);
	s.restore.compare = true;
	must_run(&s);
	expect_held(&s, SIZE);
	must_run(&s);
	assert_true(s.result.already);
	change(&s, 12 * MIB);
	must_run(&s);
	assert_int_equal(s.progress.written, MIB);
	expect_held(&s, SIZE);
	clear(&s);
}

static void lie_about(struct bmr_manifest *m, uint32_t chunk)
{
	for (uint32_t i = 0; i < m->entry_count; i++)
		if (m->entries[i].first == chunk)
			m->entries[i].digest.bytes[0] ^= 1;
}

/* A frame that does not unpack, one that unpacks to something else, and one that never was right. */
static void test_damage(void **state)
{
	static const char *const words[] = {"unpacking the frame at byte", "another SHA-256",
	                                    "another SHA-256"};

	(void)state;
	for (int way = 0; way < 6; way++) {
		bool stream = way % 2;
		struct setup s;

		prepare(&s, SIZE);
		open_source(&s, stream, 1);
		s.restore.read_back = false;
		if (way < 2)
			s.file.file.data[frame_at(&s, 8)] ^= 1;
		else if (way < 4)
			s.file.file.data[frame_at(&s, 8) + stored(&s, 8) / 2] ^= 1;
		else
			lie_about(s.file.manifest_of, 8);
		expect_error(&s, BMR_E_DATA, words[way / 2], "is incomplete and does not boot");
		expect_lba0_zero(&s);
		expect_nothing_wrong(&s);
		clear(&s);
	}
}

static void test_damage_at_the_start(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, SIZE);
	s.file.file.data[frame_at(&s, 0) + 100] ^= 1;
	expect_error(&s, BMR_E_DATA, "at byte", "was not written");
	expect_untouched(&s);
	clear(&s);
}

/* Of two that are damaged the first one is named, whoever comes first. */
static void test_the_lowest_error(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct setup s;
		char words[48];

		prepare(&s, SIZE);
		s.file.file.data[frame_at(&s, 7) + 9] ^= 1;
		s.file.file.data[frame_at(&s, 9) + 9] ^= 1; /* another worker's */
		snprintf(words, sizeof words, "at byte %ju", (uintmax_t)frame_at(&s, 7));
		expect_error(&s, BMR_E_DATA, words, "");
		clear(&s);
	}
}

static void test_the_source_fails(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, SIZE);
	s.fake.code = BMR_E_SOURCE;
	s.fake.fails_at = frame_at(&s, 13);
	expect_error(&s, BMR_E_SOURCE, "the fake fails", "is incomplete and does not boot");
	expect_lba0_zero(&s);
	expect_nothing_wrong(&s);
	s.fake.fails_at = 0;
	s.restore.compare = true;
	must_run(&s);
	expect_held(&s, SIZE);
	/* A new file is empty again, so that it is new for the next try. */
	old_disk(&s, 0);
	s.fake.fails_at = frame_at(&s, 13);
	expect_error(&s, BMR_E_SOURCE, "the fake fails", "incomplete");
	assert_int_equal(bmr_target_look(s.path, &s.target, &s.err), 0);
	assert_true(s.target.is_new);
	clear(&s);
}

/* Shorter than its manifest says. */
static void test_truncated(void **state)
{
	struct setup s;

	(void)state;
	for (int stream = 0; stream < 2; stream++) {
		prepare(&s, SIZE);
		s.fake.size = frame_at(&s, 12) + 100;
		open_source(&s, stream, 1);
		expect_error(&s, BMR_E_DATA, stream ? "truncated" : "", "does not boot");
		expect_nothing_wrong(&s);
		clear(&s);
	}
}

static void test_the_image_is_exchanged(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, SIZE);
	open_source(&s, false, 1);
	s.fake.changes_after = s.fake.opens;
	expect_error(&s, BMR_E_DATA, "chang", "is incomplete and does not boot");
	expect_lba0_zero(&s);
	clear(&s);
}

static void expect_stopped_in(enum bmr_phase phase, const char *words, bool untouched)
{
	struct setup s;

	prepare(&s, SIZE);
	s.restore.compare = true;
	s.stop_in = phase;
	expect_error(&s, BMR_E_STOPPED, "stopped", words);
	if (untouched)
		expect_untouched(&s);
	else
		expect_lba0_zero(&s);
	clear(&s);
}

static void test_stopped(void **state)
{
	(void)state;
	expect_stopped_in(BMR_PHASE_COMPARE, "was not written", true);
	expect_stopped_in(BMR_PHASE_WRITE, "does not boot", false);
	expect_stopped_in(BMR_PHASE_READBACK, "does not boot", false);
}

static void test_not_read_back(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, SIZE);
	s.restore.read_back = false;
	must_run(&s);
	assert_false(s.result.proven);
	assert_int_equal(s.progress.verified, 0);
	expect_held(&s, SIZE);
	clear(&s);
}

static void raw_digest(struct setup *s, struct bmr_digest_value *value)
{
	struct bmr_digest *d;

	assert_int_equal(bmr_digest_open(&d, &s->err), 0);
	assert_int_equal(bmr_digest_of(d, s->disk.data, s->disk.len, value, &s->err), 0);
	bmr_digest_close(d);
}

static void test_sha256(void **state)
{
	struct bmr_digest_value right;
	struct bmr_digest_value wrong;
	struct bmr_manifest *m;
	struct setup s;

	(void)state;
	prepare(&s, SIZE);
	m = s.file.manifest_of;
	raw_digest(&s, &right);
	wrong = right;
	wrong.bytes[31] ^= 1;
	/* The manifest says another one. */
	m->has_sha256 = true;
	m->sha256 = right;
	s.restore.sha256 = &wrong;
	expect_error(&s, BMR_E_DATA, "not the expected", "was not written");
	expect_untouched(&s);
	/* It lies. */
	m->sha256 = wrong;
	expect_error(&s, BMR_E_DATA, "not the expected", "does not boot");
	expect_lba0_zero(&s);
	/* It says nothing: the image is read before anything is written. */
	m->has_sha256 = false;
	old_disk(&s, SIZE);
	expect_error(&s, BMR_E_DATA, "not the expected", "was not written");
	expect_untouched(&s);
	s.restore.sha256 = &right;
	s.restore.zero_unused = false;
	must_run(&s);
	assert_true(s.result.has_sha256 && bmr_digest_equal(&s.result.sha256, &right));
	expect_held(&s, SIZE);
	/* A disk that holds the image is proven, too. */
	m->has_sha256 = true;
	m->sha256 = wrong;
	s.restore.sha256 = &wrong;
	s.restore.compare = true;
	expect_error(&s, BMR_E_DATA, "not the expected", "was not written");
	expect_held(&s, SIZE);
	clear(&s);
}

static void test_too_small(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, SIZE - 512);
	expect_error(&s, BMR_E_REFUSED, "512 more", "was not written");
	expect_untouched(&s);
	clear(&s);
}

static bool resembles(struct setup *s)
{
	bool does;

	assert_int_equal(bmr_target_look(s->path, &s->target, &s->err), 0);
	assert_int_equal(bmr_chunked_resembles(&s->restore, &does, &s->err), 0);
	return does;
}

static void test_resembles(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, 0);
	assert_false(resembles(&s));
	old_disk(&s, SIZE);
	assert_false(resembles(&s));
	must_run(&s);
	assert_true(resembles(&s));
	/* Cut off early: one chunk is there, and the first sector is not. */
	old_disk(&s, SIZE);
	{
		int fd = open(s.path, O_RDWR | O_CLOEXEC);

		assert_int_equal(pwrite(fd, s.disk.data, MIB, 0), MIB);
		assert_false(resembles(&s));
		assert_int_equal(pwrite(fd, s.disk.data + 9 * MIB, MIB, 9 * MIB), MIB);
		close(fd);
	}
	assert_true(resembles(&s));
	/* A disk that ends early. */
	assert_int_equal(truncate(s.path, 3 * MIB), 0);
	assert_false(resembles(&s));
	clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_way),
		cmocka_unit_test(test_large_chunks),
		cmocka_unit_test(test_many_regions),
		cmocka_unit_test(test_unused),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_compare_with_a_stream),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_damage_at_the_start),
		cmocka_unit_test(test_the_lowest_error),
		cmocka_unit_test(test_the_source_fails),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_the_image_is_exchanged),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_not_read_back),
		cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_too_small),
		cmocka_unit_test(test_resembles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
