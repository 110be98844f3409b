/* SPDX-License-Identifier: GPL-3.0-or-later */
/* box: every format through the process that unpacks, how it is confined, every way in which it may
 * end or lie, and that nothing of it is left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "imaging/codec/decode.h"
#include "imaging/codec/frame.h"
#include "tests/fixtures/packed.h"

static const enum bmr_format formats[] = {BMR_FORMAT_GZIP, BMR_FORMAT_ZSTD, BMR_FORMAT_XZ,
                                          BMR_FORMAT_LZ4, BMR_FORMAT_BZIP2};

#define FORMATS (sizeof formats / sizeof *formats)

struct feed {
	const uint8_t *data;
	size_t len;
	size_t piece;
	size_t at;
	bool fails; /* at the end, instead of ending */
};

static int feed_next(void *ctx, const uint8_t **data, size_t *len, struct bmr_err *e)
{
	struct feed *f = ctx;

	*len = f->len - f->at < f->piece ? f->len - f->at : f->piece;
	*data = f->data + f->at;
	f->at += *len;
	return *len == 0 && f->fails ? bmr_err_set(e, BMR_E_NET, 0, "the feed broke") : 0;
}

static unsigned count_open(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void expect_no_child(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* Our only child. */
static pid_t child(void)
{
	char path[64];
	int pid = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	fclose(f);
	return pid;
}

static struct bmr_decoder *open_decoder(enum bmr_format format, struct feed *feed)
{
	struct bmr_input input = {feed_next, feed};
	struct bmr_decoder *d;
	struct bmr_err err;

	if (bmr_decoder_open(format, &input, &d, &err) < 0)
		fail_msg("%s: %s", bmr_format_name(format), err.msg);
	return d;
}

static void there_and_back(enum bmr_format format, struct bytes plain, size_t piece, size_t step)
{
	struct bytes file = pack(format, plain.data, plain.len);
	struct feed feed = {.data = file.data, .len = file.len, .piece = piece};
	struct bmr_decoder *d = open_decoder(format, &feed);
	uint8_t *out = malloc(plain.len + step);
	struct bmr_err err = {0};
	size_t all = 0;
	size_t got = step;

	while (got == step) {
		if (bmr_decoder_read(d, out + all, step, &got, &err) < 0)
			fail_msg("%s: %s", bmr_format_name(format), err.msg);
		all += got;
		assert_true(all <= plain.len);
	}
	assert_int_equal(all, plain.len);
	assert_memory_equal(out, plain.data, all);
	assert_int_equal(bmr_decoder_read(d, out, 1, &got, &err), 0); /* the end stays the end */
	assert_int_equal(got, 0);
	assert_int_equal(bmr_decoder_consumed(d), file.len);
	bmr_decoder_close(d);
	free(out);
	free(file.data);
}

/* Shorter than a slot, exactly slots, and more of them than there are; so the packed bytes. */
static void test_every_format(void **state)
{
	static const size_t lengths[] = {0, 1, 300000, 1 << 20, 2 << 20, (3 << 20) + 5};
	static const size_t pieces[] = {1000, 1 << 20, 5 << 20};
	unsigned before = count_open();

	(void)state;
	for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
		struct bytes plain = bytes_random(lengths[l], 1);

		for (size_t i = 0; i < FORMATS; i++) {
			there_and_back(formats[i], plain, pieces[(l + i) % 3], 1 << 20);
			there_and_back(formats[i], plain, pieces[(l + i + 1) % 3], 65537);
		}
		free(plain.data);
	}
	assert_int_equal(count_open(), before);
	expect_no_child();
}

/* All that is asked for, no more of the input than it takes to know. */
static void test_only_the_beginning(void **state)
{
	struct bytes plain = bytes_random(20 << 20, 2);
	struct bytes file = pack(BMR_FORMAT_GZIP, plain.data, plain.len);
	struct feed feed = {.data = file.data, .len = file.len, .piece = 256 * 1024};
	struct bmr_decoder *d = open_decoder(BMR_FORMAT_GZIP, &feed);
	uint8_t *out = malloc(1 << 20);
	struct bmr_err err;
	size_t got;

	(void)state;
	assert_int_equal(bmr_decoder_read(d, out, 1 << 20, &got, &err), 0);
	assert_int_equal(got, 1 << 20);
	assert_memory_equal(out, plain.data, got);
	assert_true(feed.at <= 2 << 20);
	bmr_decoder_close(d);
	expect_no_child();
	free(out);
	free(file.data);
	free(plain.data);
}

static void expect_error(struct bmr_decoder *d, size_t len, enum bmr_errc code, const char *words)
{
	struct bmr_err err = {0};
	uint8_t *out = malloc(len);
	size_t got = len;
	int rc = 0;

	while (rc == 0 && got == len)
		rc = bmr_decoder_read(d, out, len, &got, &err);
	if (rc == 0 || err.code != code || !strstr(err.msg, words))
		fail_msg("rc %d, code %d: %s", rc, (int)err.code, err.msg);
	free(out);
}

static void test_damage_and_broken_inputs(void **state)
{
	struct bytes plain = bytes_random(3 << 20, 3);

	(void)state;
	for (size_t i = 0; i < FORMATS; i++) {
		struct bytes file = pack(formats[i], plain.data, plain.len);
		struct feed cut = {.data = file.data, .len = file.len - 1, .piece = 1 << 20};
		struct feed broken = {
			.data = file.data, .len = 1 << 20, .piece = 99999, .fails = true};
		struct bmr_decoder *d = open_decoder(formats[i], &cut);

		expect_error(d, 1 << 20, BMR_E_DATA,
		             "the image file is truncated: it ends at byte");
		bmr_decoder_close(d);
		d = open_decoder(formats[i], &broken);
		expect_error(d, 1 << 20, BMR_E_NET, "the feed broke");
		bmr_decoder_close(d);
		file.data[file.len / 2] ^= 0x10;
		d = open_decoder(
			formats[i],
			&(struct feed){.data = file.data, .len = file.len, .piece = 1 << 20});
		expect_error(d, 1 << 20, BMR_E_DATA, "the image");
		bmr_decoder_close(d);
		free(file.data);
	}
	free(plain.data);
	expect_no_child();
}

/* --- confined --- */

static void status_line(pid_t pid, const char *name, char *line, size_t size)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, (int)size, f))
		if (strncmp(line, name, strlen(name)) == 0)
			break;
	fclose(f);
}

static void expect_file(const char *path, const char *content)
{
	char read[64] = "";
	FILE *f = fopen(path, "re");

	assert_non_null(f);
	assert_non_null(fgets(read, sizeof read, f));
	fclose(f);
	assert_string_equal(read, content);
}

static void test_confined(void **state)
{
	struct bytes plain = bytes_random(1000, 4);
	struct bytes file = pack(BMR_FORMAT_ZSTD, plain.data, plain.len);
	struct feed feed = {.data = file.data, .len = file.len, .piece = 1000};
	struct bmr_decoder *d = open_decoder(BMR_FORMAT_ZSTD, &feed);
	pid_t pid = child();
	unsigned open_there = 0;
	char line[256];
	DIR *dir;

	(void)state;
	snprintf(line, sizeof line, "/proc/%d/comm", (int)pid);
	expect_file(line, "bmr-unpack\n");
	snprintf(line, sizeof line, "/proc/%d/oom_score_adj", (int)pid);
	expect_file(line, "1000\n");
	status_line(pid, "Seccomp:", line, sizeof line);
	assert_string_equal(line, "Seccomp:\t2\n");
	status_line(pid, "NoNewPrivs:", line, sizeof line);
	assert_string_equal(line, "NoNewPrivs:\t1\n");
	if (geteuid() == 0) {
		status_line(pid, "Uid:", line, sizeof line);
		assert_string_equal(line, "Uid:\t65534\t65534\t65534\t65534\n");
		status_line(pid, "Gid:", line, sizeof line);
		assert_string_equal(line, "Gid:\t65534\t65534\t65534\t65534\n");
		status_line(pid, "Groups:", line, sizeof line);
		assert_string_equal(line, "Groups:\t \n");
		status_line(pid, "CapEff:", line, sizeof line);
		assert_string_equal(line, "CapEff:\t0000000000000000\n");
		snprintf(line, sizeof line, "/proc/%d/fd", (int)pid);
		dir = opendir(line);
		assert_non_null(dir);
		for (const struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
			open_there += entry->d_name[0] != '.';
		closedir(dir);
		assert_int_equal(open_there, 2);
	}
	bmr_decoder_close(d);
	free(file.data);
	free(plain.data);
}

/* --- its end --- */

static void killed_by(int signal, enum bmr_errc code, const char *words)
{
	struct bytes plain = bytes_random(20 << 20, 5);
	struct bytes file = pack(BMR_FORMAT_GZIP, plain.data, plain.len);
	struct feed feed = {.data = file.data, .len = file.len, .piece = 1 << 20};
	struct bmr_decoder *d = open_decoder(BMR_FORMAT_GZIP, &feed);
	struct bmr_err err;
	uint8_t first[4096];
	size_t got;

	assert_int_equal(bmr_decoder_read(d, first, sizeof first, &got, &err), 0);
	assert_int_equal(kill(child(), signal), 0);
	expect_error(d, 1 << 20, code, words);
	expect_error(d, 1 << 20, BMR_E_DATA, "has ended");
	bmr_decoder_close(d);
	expect_no_child();
	free(file.data);
	free(plain.data);
}

static void test_dies_in_the_middle(void **state)
{
	(void)state;
	killed_by(SIGSEGV, BMR_E_DATA, "the image made the gzip decoder crash (signal 11)");
	killed_by(SIGABRT, BMR_E_DATA, "the image made the gzip decoder crash (signal 6)");
	killed_by(SIGSYS, BMR_E_DATA, "the image made the gzip decoder try what it may not");
	killed_by(SIGKILL, BMR_E_NOMEM, "the gzip decoder's process was killed (signal 9)");
}

/* The chunk after one that brought the box down is unpacked by another box. */
static void test_chunks(void **state)
{
	struct bytes plain = bytes_random(1 << 20, 6);
	struct bytes frame = pack(BMR_FORMAT_GZIP, plain.data, plain.len);
	uint8_t *out = malloc(plain.len);
	struct bmr_unpacker *u;
	struct bmr_err err;

	(void)state;
	assert_int_equal(bmr_unpacker_open(BMR_PACK_GZIP, &u, &err), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(bmr_unpacker_run(u, frame.data, frame.len, out, plain.len, &err),
		                 0);
	assert_memory_equal(out, plain.data, plain.len);
	/* Damage is an answer; the box goes on. */
	assert_int_equal(bmr_unpacker_run(u, frame.data, frame.len - 1, out, plain.len, &err), -1);
	assert_int_equal(err.code, BMR_E_DATA);
	assert_int_equal(bmr_unpacker_run(u, frame.data, frame.len, out, plain.len, &err), 0);
	assert_int_equal(bmr_unpacker_run(u, frame.data, frame.len, out, (size_t)1 << 30, &err),
	                 -1);
	assert_int_equal(err.code, BMR_E_DATA);
	assert_int_equal(kill(child(), SIGSEGV), 0);
	assert_int_equal(bmr_unpacker_run(u, frame.data, frame.len, out, plain.len, &err), -1);
	assert_int_equal(err.code, BMR_E_DATA);
	assert_int_equal(bmr_unpacker_run(u, frame.data, frame.len, out, plain.len, &err), 0);
	bmr_unpacker_close(u);
	expect_no_child();
	free(out);
	free(frame.data);
	free(plain.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_format),
		cmocka_unit_test(test_only_the_beginning),
		cmocka_unit_test(test_damage_and_broken_inputs),
		cmocka_unit_test(test_confined),
		cmocka_unit_test(test_dies_in_the_middle),
		cmocka_unit_test(test_chunks),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
