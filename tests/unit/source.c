/* SPDX-License-Identifier: GPL-3.0-or-later */
/* source: reconnecting, resuming, the identity, ranges, lanes; with a backend that fails to order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "transport/source.h"
#include "transport/source_ops.h"

#define SIZE 100000

/* The script of the backend.  It travels as the CA file's name: a backend has no other argument. */
struct plan {
	unsigned fail_opens; /* so many at first */
	unsigned cut_reads;  /* so many reads give `cut_at` bytes and then an error */
	size_t cut_at;
	unsigned changed_after; /* opens; 0: never */
	enum bmr_errc code;     /* of all failures */
	uint64_t size;          /* as told */
	uint64_t really;        /* as read */
	bool stream;
	int stop_fd;      /* of the options */
	unsigned retries; /* likewise; 0: 3 */
	const char *url;  /* NULL: of http */

	atomic_uint opens;
	atomic_uint closes;
	atomic_uint reads;
	atomic_uint inside; /* reads at this moment */
	atomic_uint most;   /* of them */
};

struct fake {
	struct bmr_conn conn;
	struct plan *plan;
	atomic_bool used;
};

static struct plan *plan_of(const struct bmr_place *place)
{
	struct plan *plan;

	assert_int_equal(sscanf(place->options->ca_file, "%p", (void **)&plan), 1);
	return plan;
}

static unsigned char byte_at(uint64_t off)
{
	return (unsigned char)(off * 31 + off / 251);
}

static int fake_open(const struct bmr_place *place, uint64_t off, struct bmr_conn **out,
                     struct bmr_err *e)
{
	struct plan *plan = plan_of(place);
	unsigned number = atomic_fetch_add(&plan->opens, 1) + 1;
	struct fake *f;

	(void)off;
	if (number <= plan->fail_opens)
		return bmr_err_set(e, plan->code, 0, "the fake does not open");
	f = calloc(1, sizeof *f);
	f->plan = plan;
	f->conn.size = plan->size;
	f->conn.seekable = !plan->stream;
	snprintf(f->conn.identity, sizeof f->conn.identity, "%s",
	         plan->changed_after && number > plan->changed_after ? "new" : "old");
	*out = &f->conn;
	return 0;
}

static void count_in(struct plan *plan)
{
	unsigned inside = atomic_fetch_add(&plan->inside, 1) + 1;
	unsigned most = atomic_load(&plan->most);

	while (inside > most && !atomic_compare_exchange_weak(&plan->most, &most, inside))
		;
}

static int fake_read(struct bmr_conn *conn, void *buf, size_t len, uint64_t off, size_t *got,
                     struct bmr_err *e)
{
	struct fake *f = (struct fake *)conn;
	unsigned number = atomic_fetch_add(&f->plan->reads, 1) + 1;
	bool cut = number <= f->plan->cut_reads;
	const struct timespec moment = {.tv_nsec = 300000};

	assert_false(atomic_exchange(&f->used, true)); /* one thread at a time */
	count_in(f->plan);
	nanosleep(&moment, NULL);
	*got = off + len > f->plan->really ? (size_t)(f->plan->really - off) : len;
	if (cut && *got > f->plan->cut_at)
		*got = f->plan->cut_at;
	for (size_t i = 0; i < *got; i++)
		((unsigned char *)buf)[i] = byte_at(off + i);
	conn->received += *got;
	atomic_fetch_sub(&f->plan->inside, 1);
	atomic_store(&f->used, false);
	return cut ? bmr_err_set(e, f->plan->code, 0, "the fake was cut") : 0;
}

static void fake_close(struct bmr_conn *conn)
{
	struct fake *f = (struct fake *)conn;

	atomic_fetch_add(&f->plan->closes, 1);
	free(f);
}

static const struct bmr_source_ops fake_ops = {
	.block = 1000, .depth = 3, .open = fake_open, .read = fake_read, .close = fake_close};

static int open_fake(struct plan *plan, struct bmr_source **out, struct bmr_err *e)
{
	/* They must outlive the source; each test has one at a time. */
	static char name[32];
	struct bmr_source_options options = {.ca_file = name,
	                                     .timeout_ms = 1500,
	                                     .retries = plan->retries ? plan->retries : 3,
	                                     .stop_fd = plan->stop_fd};

	if (plan->code == BMR_E_NONE)
		plan->code = BMR_E_NET;
	if (plan->size == 0)
		plan->size = SIZE;
	if (plan->really == 0)
		plan->really = plan->size;
	snprintf(name, sizeof name, "%p", (void *)plan);
	return bmr_source_open_ops(&fake_ops, plan->url ? plan->url : "http://h/x", &options, out,
	                           e);
}

static void expect_bytes(const unsigned char *buf, size_t len, uint64_t off)
{
	for (size_t i = 0; i < len; i++)
		assert_int_equal(buf[i], byte_at(off + i));
}

static void close_and_count(struct bmr_source *s, struct plan *plan)
{
	bmr_source_close(s);
	assert_int_equal(plan->closes + plan->fail_opens, plan->opens);
}

static void test_ranges(void **state)
{
	struct plan plan = {0};
	unsigned char buf[3000];
	struct bmr_source *s;
	struct bmr_err e;
	size_t got;

	(void)state;
	assert_int_equal(open_fake(&plan, &s, &e), 0);
	assert_int_equal(bmr_source_size(s), SIZE);
	assert_int_equal(bmr_source_read(s, buf, sizeof buf, 77, &got, &e), 0);
	assert_int_equal(got, sizeof buf);
	expect_bytes(buf, got, 77);
	assert_int_equal(bmr_source_read(s, buf, sizeof buf, SIZE - 10, &got, &e), 0);
	assert_int_equal(got, 10);
	assert_int_equal(bmr_source_read(s, buf, sizeof buf, SIZE, &got, &e), 0);
	assert_int_equal(got, 0);
	assert_int_equal(bmr_source_read(s, buf, 1, SIZE + 1, &got, &e), -1);
	assert_int_equal(e.code, BMR_E_DATA);
	assert_int_equal(bmr_source_read(s, buf, 1, UINT64_MAX, &got, &e), -1);
	assert_int_equal(e.code, BMR_E_DATA);
	close_and_count(s, &plan);
}

static void test_opening_is_tried_again(void **state)
{
	struct plan plan = {.fail_opens = 2};
	struct bmr_source *s;
	struct bmr_err e;

	(void)state;
	assert_int_equal(open_fake(&plan, &s, &e), 0);
	assert_int_equal(plan.opens, 3);
	close_and_count(s, &plan);
}

/* So many tries come after the first one, and there is a way to say none. */
static void test_number_of_tries(void **state)
{
	static const struct {
		unsigned retries;
		unsigned opens;
	} tries[] = {{1, 2}, {2, 3}, {BMR_SOURCE_NO_RETRIES, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
		struct plan plan = {.fail_opens = 100, .retries = tries[i].retries};
		struct bmr_source *s;
		struct bmr_err e;

		assert_int_equal(open_fake(&plan, &s, &e), -1);
		assert_int_equal(e.code, BMR_E_NET);
		assert_int_equal(plan.opens, tries[i].opens);
	}
}

/* A disk that appears late is waited for, also where no connection is to be tried again. */
static void test_a_disk_is_waited_for(void **state)
{
	static const char *const urls[] = {"disk:UUID=1/x", "cdrom:/x"};
	static const unsigned retries[] = {BMR_SOURCE_NO_RETRIES, 1};

	(void)state;
	for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
		struct plan plan = {.fail_opens = 2, .retries = retries[i], .url = urls[i]};
		struct bmr_source *s;
		struct bmr_err e;

		assert_int_equal(open_fake(&plan, &s, &e), 0);
		assert_int_equal(plan.opens, 3);
		close_and_count(s, &plan);
	}
}

static void test_a_no_is_not_tried_again(void **state)
{
	struct plan plan = {.fail_opens = 1, .code = BMR_E_SOURCE};
	struct bmr_source *s;
	struct bmr_err e;

	(void)state;
	assert_int_equal(open_fake(&plan, &s, &e), -1);
	assert_int_equal(e.code, BMR_E_SOURCE);
	assert_int_equal(plan.opens, 1);
}

static void test_a_look(void **state)
{
	static const struct bmr_source_options given[] = {
		{.timeout_ms = 0, .retries = 0},
		{.timeout_ms = 2999, .retries = BMR_SOURCE_NO_RETRIES},
		{.timeout_ms = 3001, .retries = 7},
	};
	static const struct bmr_source_options wanted[] = {
		{.timeout_ms = 3000, .retries = 1},
		{.timeout_ms = 2999, .retries = BMR_SOURCE_NO_RETRIES},
		{.timeout_ms = 3000, .retries = 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
		struct bmr_source_options options = given[i];

		options.log = (struct bmr_log *)&options;
		bmr_source_options_look(&options, 3000);
		assert_null(options.log);
		assert_int_equal(options.timeout_ms, wanted[i].timeout_ms);
		assert_int_equal(options.retries, wanted[i].retries);
	}
}

/* Four failures with three retries: each of them brought bytes. */
static void test_resumes_where_it_was_cut(void **state)
{
	struct plan plan = {.cut_reads = 4, .cut_at = 100};
	unsigned char buf[3000];
	struct bmr_source *s;
	struct bmr_err e;
	size_t got;

	(void)state;
	assert_int_equal(open_fake(&plan, &s, &e), 0);
	assert_int_equal(bmr_source_read(s, buf, sizeof buf, 5, &got, &e), 0);
	assert_int_equal(got, sizeof buf);
	expect_bytes(buf, got, 5);
	assert_int_equal(plan.opens, 5);
	close_and_count(s, &plan);
}

static void test_gives_up_without_progress(void **state)
{
	struct plan plan = {.cut_reads = 100, .cut_at = 0};
	unsigned char buf[100];
	struct bmr_source *s;
	struct bmr_err e;
	size_t got;

	(void)state;
	assert_int_equal(open_fake(&plan, &s, &e), 0);
	assert_int_equal(bmr_source_read(s, buf, sizeof buf, 5, &got, &e), -1);
	assert_int_equal(e.code, BMR_E_NET);
	assert_int_equal(plan.reads, 4);
	assert_non_null(strstr(e.msg, "while reading at byte 5"));
	close_and_count(s, &plan);
}

static void test_refuses_another_image(void **state)
{
	struct plan plan = {.cut_reads = 1, .cut_at = 10, .changed_after = 1};
	unsigned char buf[100];
	struct bmr_source *s;
	struct bmr_err e;
	size_t got;

	(void)state;
	assert_int_equal(open_fake(&plan, &s, &e), 0);
	assert_int_equal(bmr_source_read(s, buf, sizeof buf, 0, &got, &e), -1);
	assert_int_equal(e.code, BMR_E_DATA);
	assert_non_null(strstr(e.msg, "changed on the server: was old, is new"));
	assert_int_equal(bmr_source_check_unchanged(s, &e), -1);
	assert_int_equal(e.code, BMR_E_DATA);
	close_and_count(s, &plan);
}

static void test_an_unchanged_one_is_fine(void **state)
{
	struct plan plan = {0};
	struct bmr_source *s;
	struct bmr_err e;

	(void)state;
	assert_int_equal(open_fake(&plan, &s, &e), 0);
	assert_int_equal(bmr_source_check_unchanged(s, &e), 0);
	close_and_count(s, &plan);
}

/* A reader that tried that again would live for ever. */
static void test_an_early_end_is_final(void **state)
{
	struct plan plan = {.really = 500};
	unsigned char buf[1000];
	struct bmr_source *s;
	struct bmr_err e;
	size_t got;

	(void)state;
	assert_int_equal(open_fake(&plan, &s, &e), 0);
	assert_int_equal(bmr_source_read(s, buf, sizeof buf, 0, &got, &e), -1);
	assert_int_equal(e.code, BMR_E_DATA);
	assert_non_null(strstr(e.msg, "ends at byte 500"));
	close_and_count(s, &plan);
}

static void test_a_stream_of_unknown_size(void **state)
{
	struct plan plan = {.stream = true, .size = BMR_SOURCE_SIZE_UNKNOWN, .really = 1500};
	unsigned char buf[1000];
	struct bmr_source *s;
	struct bmr_err e;
	size_t got;

	(void)state;
	assert_int_equal(open_fake(&plan, &s, &e), 0);
	assert_false(bmr_source_seekable(s));
	assert_int_equal(bmr_source_depth(s), 1);
	assert_int_equal(bmr_source_read(s, buf, sizeof buf, 0, &got, &e), 0);
	assert_int_equal(got, 1000);
	assert_int_equal(bmr_source_read(s, buf, sizeof buf, 1000, &got, &e), 0);
	assert_int_equal(got, 500);
	expect_bytes(buf, got, 1000);
	close_and_count(s, &plan);
}

static void test_stop(void **state)
{
	struct plan plan = {0};
	unsigned char buf[10];
	struct bmr_source *s;
	struct bmr_err e;
	size_t got;

	(void)state;
	assert_int_equal(open_fake(&plan, &s, &e), 0);
	bmr_source_stop(s);
	assert_int_equal(bmr_source_read(s, buf, sizeof buf, 0, &got, &e), -1);
	assert_int_equal(e.code, BMR_E_STOPPED);
	assert_int_equal(plan.reads, 0);
	close_and_count(s, &plan);
}

/* Its user stops all that he has open, and all that he is about to open. */
static void test_stopped_by_its_user(void **state)
{
	struct plan plan = {.stop_fd = eventfd(0, EFD_CLOEXEC)};
	struct plan unopened = {.fail_opens = 100, .stop_fd = plan.stop_fd};
	unsigned char buf[10];
	struct bmr_source *s, *none;
	struct bmr_err e;
	size_t got;

	(void)state;
	assert_int_equal(open_fake(&plan, &s, &e), 0);
	assert_int_equal(bmr_source_read(s, buf, sizeof buf, 0, &got, &e), 0);
	eventfd_write(plan.stop_fd, 1);
	assert_int_equal(bmr_source_read(s, buf, sizeof buf, 0, &got, &e), -1);
	assert_int_equal(e.code, BMR_E_STOPPED);
	assert_int_equal(plan.reads, 1);
	close_and_count(s, &plan);
	assert_int_equal(open_fake(&unopened, &none, &e), -1);
	assert_int_equal(e.code, BMR_E_STOPPED);
	assert_int_equal(unopened.opens, 1);
	close(plan.stop_fd);
}

/* That one source is stopped is no matter of its user's others. */
static void test_stops_alone(void **state)
{
	struct plan plan = {.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	eventfd_t value;
	struct bmr_source *s;
	struct bmr_err e;

	(void)state;
	assert_int_equal(open_fake(&plan, &s, &e), 0);
	bmr_source_stop(s);
	assert_int_equal(eventfd_read(plan.stop_fd, &value), -1);
	close_and_count(s, &plan);
	close(plan.stop_fd);
}

static void *read_parts(void *arg)
{
	struct bmr_source *s = arg;
	unsigned char buf[700];

	for (uint64_t off = 0; off + sizeof buf < SIZE; off += 2 * sizeof buf) {
		struct bmr_err e;
		size_t got;

		assert_int_equal(bmr_source_read(s, buf, sizeof buf, off, &got, &e), 0);
		expect_bytes(buf, got, off);
	}
	return NULL;
}

static void test_many_threads(void **state)
{
	struct plan plan = {.cut_reads = 20, .cut_at = 50};
	pthread_t threads[8];
	struct bmr_source *s;
	struct bmr_err e;

	(void)state;
	assert_int_equal(open_fake(&plan, &s, &e), 0);
	assert_int_equal(bmr_source_depth(s), 3);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_parts, s), 0);
	for (size_t i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_in_range(plan.most, 2, 3);
	close_and_count(s, &plan);
}

struct vain {
	struct bmr_source *source;
	pthread_barrier_t all_here;
};

static void *read_in_vain(void *arg)
{
	struct vain *vain = arg;
	unsigned char byte;
	struct bmr_err e;
	size_t got;

	pthread_barrier_wait(&vain->all_here);
	assert_int_equal(bmr_source_read(vain->source, &byte, 1, 0, &got, &e), -1);
	assert_int_equal(e.code, BMR_E_NET);
	return NULL;
}

/* Those that wait for a lane do not begin the wait again that those before them have given up. */
static void test_all_give_up_at_once(void **state)
{
	struct plan plan = {.cut_reads = UINT_MAX, .retries = 2};
	unsigned tries = 3 * (plan.retries + 1); /* of the three lanes */
	pthread_t threads[8];
	struct vain vain;
	struct bmr_err e;
	size_t got;

	(void)state;
	assert_int_equal(open_fake(&plan, &vain.source, &e), 0);
	pthread_barrier_init(&vain.all_here, NULL, 8);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_in_vain, &vain), 0);
	for (size_t i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(plan.reads, tries);
	/* A new one tries for itself. */
	assert_int_equal(bmr_source_read(vain.source, &(unsigned char){0}, 1, 0, &got, &e), -1);
	assert_int_equal(plan.reads, tries + plan.retries + 1);
	pthread_barrier_destroy(&vain.all_here);
	close_and_count(vain.source, &plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_opening_is_tried_again),
		cmocka_unit_test(test_number_of_tries),
		cmocka_unit_test(test_a_disk_is_waited_for),
		cmocka_unit_test(test_a_look),
		cmocka_unit_test(test_a_no_is_not_tried_again),
		cmocka_unit_test(test_resumes_where_it_was_cut),
		cmocka_unit_test(test_gives_up_without_progress),
		cmocka_unit_test(test_refuses_another_image),
		cmocka_unit_test(test_an_unchanged_one_is_fine),
		cmocka_unit_test(test_an_early_end_is_final),
		cmocka_unit_test(test_a_stream_of_unknown_size),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_stopped_by_its_user),
		cmocka_unit_test(test_stops_alone),
		cmocka_unit_test(test_many_threads),
		cmocka_unit_test(test_all_give_up_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
