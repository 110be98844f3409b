/* SPDX-License-Identifier: GPL-3.0-or-later */
/* readhash - read pieces of a disk past the cache and hash each by SHA-256, on all cores: the least
 * that telling whether a disk holds an image can take.
 *
 *	readhash DISK <RANGES		"offset length" a line, multiples of the sector size
 *
 * Prints the bytes read.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CHUNK ((size_t)1 << 20)
#define THREADS 4
#define RANGES_MOST 100000

struct range {
	uint64_t offset, length;
};

struct work {
	int fd;
	struct range *ranges;
	size_t count;
	pthread_mutex_t lock; /* guards what follows */
	size_t range;
	uint64_t done; /* of the range */
	uint64_t bytes;
};

static size_t claim(struct work *work, uint64_t *offset)
{
	size_t len = 0;

	pthread_mutex_lock(&work->lock);
	if (work->range < work->count) {
		const struct range *range = &work->ranges[work->range];
		uint64_t left = range->length - work->done;

		len = left < CHUNK ? (size_t)left : CHUNK;
		*offset = range->offset + work->done;
		work->done += len;
		work->bytes += len;
		if (work->done == range->length) {
			work->range++;
			work->done = 0;
		}
	}
	pthread_mutex_unlock(&work->lock);
	return len;
}

static void *reader(void *arg)
{
	struct work *work = arg;
	unsigned char digest[EVP_MAX_MD_SIZE];
	char *buf = aligned_alloc(4096, CHUNK);
	uint64_t offset;
	size_t len;

	if (!buf)
		exit(71);
	while ((len = claim(work, &offset)) > 0)
		if (pread(work->fd, buf, len, (off_t)offset) != (ssize_t)len ||
		    !EVP_Digest(buf, len, digest, NULL, EVP_sha256(), NULL)) {
			perror("readhash");
			exit(74);
		}
	free(buf);
	return NULL;
}

static bool read_ranges(struct work *work)
{
	struct range range;

	work->ranges = calloc(RANGES_MOST, sizeof *work->ranges);
	while (work->ranges && work->count < RANGES_MOST &&
	       scanf("%" SCNu64 " %" SCNu64, &range.offset, &range.length) == 2)
		if (range.length > 0)
			work->ranges[work->count++] = range;
	return work->ranges && feof(stdin);
}

int main(int argc, char **argv)
{
	struct work work = {.lock = PTHREAD_MUTEX_INITIALIZER};
	pthread_t threads[THREADS];

	if (argc != 2 || !read_ranges(&work)) {
		fprintf(stderr, "usage: readhash DISK <RANGES\n");
		return 64;
	}
	work.fd = open(argv[1], O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (work.fd < 0) {
		perror(argv[1]);
		return 74;
	}
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, reader, &work) != 0)
			return 71;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("%" PRIu64 "\n", work.bytes);
	free(work.ranges);
	close(work.fd);
	return 0;
}
