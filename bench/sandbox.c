/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sandbox - what it costs to unpack an image in a process that can do nothing else.
 *
 *	sandbox FILE [ROUNDS]
 *
 * FILE, packed in any format that bmr reads, goes through the decoder and a SHA-256: the libraries in this
 * process, or in the box (imaging/codec/box.h).  Rounds are interleaved.  Prints the medians of seconds and
 * of CPU seconds, and the box's as parts of the other's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/err.h"
#include "imaging/codec/codec.h"
#include "imaging/codec/decode.h"

#define PIECE ((size_t)1 << 20)
#define ROUNDS_MOST 99

enum way {
	HERE,
	BOX,
	WAYS
};
static const char *const names[] = {"in this process", "in the box"};

struct run {
	FILE *file;
	enum bmr_format format;
	uint8_t packed[PIECE];
	uint8_t content[PIECE];
};

struct result {
	double wall, cpu;
	uint64_t bytes;
	struct bmr_digest_value digest;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int next_piece(void *ctx, const uint8_t **data, size_t *len, struct bmr_err *e)
{
	struct run *run = ctx;

	(void)e;
	*data = run->packed;
	*len = fread(run->packed, 1, PIECE, run->file);
	return 0;
}

static void unpack(struct run *run, struct bmr_decoder *d, struct result *result)
{
	struct bmr_digest *sha;
	struct bmr_err e;
	size_t got = PIECE;

	if (bmr_digest_open(&sha, &e) < 0)
		die("SHA-256");
	for (result->bytes = 0; got == PIECE; result->bytes += got) {
		if (bmr_decoder_read(d, run->content, PIECE, &got, &e) < 0)
			die(e.msg);
		bmr_digest_add(sha, run->content, got, &e);
	}
	bmr_digest_finish(sha, &result->digest, &e);
	bmr_digest_close(sha);
}

/* --- rounds --- */

static double cpu_seconds(void)
{
	double sum = 0;

	for (int who = RUSAGE_CHILDREN; who <= RUSAGE_SELF; who++) {
		struct rusage u;

		getrusage(who, &u);
		sum += (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
		       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
	}
	return sum;
}

static struct result once(struct run *run, enum way way)
{
	struct bmr_input input = {.next = next_piece, .ctx = run};
	struct result result = {0};
	struct bmr_decoder *d;
	struct bmr_err e;
	double cpu = cpu_seconds();
	double wall = bmr_clock_s();

	rewind(run->file);
	if ((way == BOX ? bmr_decoder_open(run->format, &input, &d, &e)
	                : bmr_decoder_open_codec(bmr_codec_find(run->format), &input, &d, &e)) < 0)
		die(e.msg);
	unpack(run, d, &result);
	bmr_decoder_close(d);
	result.wall = bmr_clock_s() - wall;
	result.cpu = cpu_seconds() - cpu;
	return result;
}

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median(double *values, unsigned count)
{
	qsort(values, count, sizeof *values, by_size);
	return values[count / 2];
}

int main(int argc, char **argv)
{
	double wall[WAYS][ROUNDS_MOST], cpu[WAYS][ROUNDS_MOST];
	unsigned rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 5;
	struct result first = {0}, result;
	uint8_t head[BMR_FORMAT_HEAD];
	static struct run run;
	struct bmr_err e;

	if (argc < 2 || rounds < 1 || rounds > ROUNDS_MOST || !(run.file = fopen(argv[1], "re"))) {
		fprintf(stderr, "usage: sandbox FILE [ROUNDS]\n");
		return 64;
	}
	if (bmr_format_detect(head, fread(head, 1, sizeof head, run.file), &run.format, &e) < 0)
		die(e.msg);
	for (unsigned i = 0; i < rounds * WAYS; i++) {
		result = once(&run, i % WAYS);
		if (i == 0)
			first = result;
		if (result.bytes == 0 || !bmr_digest_equal(&result.digest, &first.digest))
			die("not the same content");
		wall[i % WAYS][i / WAYS] = result.wall;
		cpu[i % WAYS][i / WAYS] = result.cpu;
	}
	printf("%s, %.1f MiB of content, %u rounds\n", bmr_format_name(run.format),
	       (double)first.bytes / (1 << 20), rounds);
	for (enum way way = HERE; way < WAYS; way++) {
		double seconds = median(wall[way], rounds);
		double busy = median(cpu[way], rounds);

		/* Those of this process are in order by then. */
		printf("%-24s %6.2f s (%.3f)  CPU %6.2f s (%.3f)\n", names[way], seconds,
		       seconds / wall[HERE][rounds / 2], busy, busy / cpu[HERE][rounds / 2]);
	}
	return 0;
}
