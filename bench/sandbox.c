/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sandbox - what it costs to unpack an image where nothing but unpacking is allowed.
 *
 *	sandbox FILE [ROUNDS]
 *
 * FILE, packed in any format that bmr reads, goes through a reader, the decoder and a SHA-256, with rings
 * of buffers in shared memory between them.  The decoder is a thread; or a process that may take 96 MiB
 * more and, by a seccomp filter, only wait, ask for memory and end.  Rounds are interleaved.  Prints the
 * medians of seconds and of CPU seconds, and the process's as parts of the thread's.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/err.h"
#include "imaging/codec/decode.h"

#define SLOTS 8
#define SLOT ((size_t)1 << 20)
#define ROUNDS_MOST 99
#define MEMORY ((rlim_t)96 << 20)

enum way {
	THREAD,
	PROCESS,
	WAYS
};
static const char *const names[] = {"a thread", "a process with a filter"};

struct ring {
	sem_t full, empty;
	size_t len[SLOTS]; /* 0: the end */
	unsigned in, out;
	uint8_t data[SLOTS][SLOT];
};

struct run {
	struct ring *packed, *content;
	FILE *file;
	enum bmr_format format;
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

/* --- rings --- */

static struct ring *new_ring(void)
{
	struct ring *r = mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE,
	                      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (r == MAP_FAILED || sem_init(&r->full, 1, 0) < 0 || sem_init(&r->empty, 1, SLOTS) < 0)
		die("a ring");
	return r;
}

static uint8_t *ring_room(struct ring *r)
{
	while (sem_wait(&r->empty) < 0)
		;
	return r->data[r->in];
}

static void ring_put(struct ring *r, size_t len)
{
	r->len[r->in] = len;
	r->in = (r->in + 1) % SLOTS;
	sem_post(&r->full);
}

static size_t ring_get(struct ring *r, const uint8_t **data)
{
	while (sem_wait(&r->full) < 0)
		;
	*data = r->data[r->out];
	return r->len[r->out];
}

static void ring_free(struct ring *r)
{
	r->out = (r->out + 1) % SLOTS;
	sem_post(&r->empty);
}

/* --- the three stages --- */

static void *read_file(void *arg)
{
	struct run *run = arg;
	size_t got = SLOT;

	while (got > 0) {
		got = fread(ring_room(run->packed), 1, SLOT, run->file);
		ring_put(run->packed, got);
	}
	return NULL;
}

struct feed {
	struct ring *ring;
	bool held, ended;
};

static int next_piece(void *ctx, const uint8_t **data, size_t *len, struct bmr_err *e)
{
	struct feed *f = ctx;

	(void)e;
	if (f->held)
		ring_free(f->ring);
	*len = f->ended ? 0 : ring_get(f->ring, data);
	f->held = *len > 0;
	f->ended = !f->held;
	return 0;
}

static void *decode(void *arg)
{
	struct run *run = arg;
	struct feed feed = {.ring = run->packed};
	struct bmr_input input = {.next = next_piece, .ctx = &feed};
	struct bmr_decoder *d;
	struct bmr_err e;
	size_t got = SLOT;

	if (bmr_decoder_open(run->format, &input, &d, &e) < 0)
		die("the decoder");
	while (got > 0) {
		if (bmr_decoder_read(d, ring_room(run->content), SLOT, &got, &e) < 0)
			die("the content");
		ring_put(run->content, got);
	}
	bmr_decoder_close(d);
	return NULL;
}

static void hash(struct run *run, struct result *result)
{
	struct bmr_digest *sha;
	const uint8_t *data;
	struct bmr_err e;
	size_t len;

	if (bmr_digest_open(&sha, &e) < 0)
		die("SHA-256");
	for (result->bytes = 0; (len = ring_get(run->content, &data)) > 0; result->bytes += len) {
		bmr_digest_add(sha, data, len, &e);
		ring_free(run->content);
	}
	bmr_digest_finish(sha, &result->digest, &e);
	bmr_digest_close(sha);
}

/* --- the process --- */

/* Whatever else it asks for ends it. */
static void lock_up(void)
{
	static const uint32_t allowed[] = {SYS_futex, SYS_mmap, SYS_munmap,    SYS_mremap,
	                                   SYS_brk,   SYS_exit, SYS_exit_group};
	enum {
		COUNT = sizeof allowed / sizeof *allowed
	};
	struct sock_filter code[COUNT + 6];
	struct sock_fprog program = {.len = COUNT + 6, .filter = code};
	struct rlimit memory = {MEMORY, MEMORY};
	long pages = 0;
	unsigned n = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f || fscanf(f, "%ld", &pages) != 1)
		die("/proc/self/statm");
	fclose(f);
	memory.rlim_cur += (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
	memory.rlim_max = memory.rlim_cur;
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	                                         offsetof(struct seccomp_data, arch));
	code[n++] =
		(struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	                                         offsetof(struct seccomp_data, nr));
	for (unsigned i = 0; i < COUNT; i++)
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i],
		                                         (uint8_t)(COUNT - i), 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	if (setrlimit(RLIMIT_AS, &memory) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		die("the filter");
}

static pid_t start_process(struct run *run)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	lock_up();
	decode(run);
	_exit(0);
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
	struct result result = {0};
	pthread_t reader, decoder;
	int status = 0;
	pid_t pid = 0;
	double cpu, wall;

	rewind(run->file);
	run->packed = new_ring();
	run->content = new_ring();
	cpu = cpu_seconds();
	wall = bmr_clock_s();
	if (way == PROCESS && (pid = start_process(run)) < 0)
		die("fork");
	pthread_create(&reader, NULL, read_file, run);
	if (way == THREAD)
		pthread_create(&decoder, NULL, decode, run);
	hash(run, &result);
	pthread_join(reader, NULL);
	if (way == THREAD)
		pthread_join(decoder, NULL);
	else if (waitpid(pid, &status, 0) < 0 || status != 0)
		die("the decoder's process");
	result.wall = bmr_clock_s() - wall;
	result.cpu = cpu_seconds() - cpu;
	munmap(run->packed, sizeof *run->packed);
	munmap(run->content, sizeof *run->content);
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
	struct run run = {0};
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
	for (enum way way = THREAD; way < WAYS; way++) {
		double seconds = median(wall[way], rounds);
		double busy = median(cpu[way], rounds);

		/* The thread's are in order by then. */
		printf("%-24s %6.2f s (%.3f)  CPU %6.2f s (%.3f)\n", names[way], seconds,
		       seconds / wall[THREAD][rounds / 2], busy, busy / cpu[THREAD][rounds / 2]);
	}
	return 0;
}
