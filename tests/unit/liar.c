/* SPDX-License-Identifier: GPL-3.0-or-later */
/* liar: a box that was taken over says what it likes.  It is refused in one line, and at once.
 * In the place of the program that unpacks stands this one once more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "imaging/codec/box.h"
#include "imaging/codec/frame.h"
#include "imaging/gzip_end.h"
#include "tests/fixtures/fake_source.h"

static const char *lie; /* for the next box */

void bmr_box_program(struct bmr_coprocess_order *order)
{
	order->argument = lie;
}

/* --- the liar --- */

static void say(const struct box_reply *reply, size_t len)
{
	if (send(BMR_COPROCESS_SOCKET, reply, len, 0) < 0)
		_exit(0);
}

static void wait_for_orders(unsigned count)
{
	struct box_order order;

	while (count-- > 0)
		if (recv(BMR_COPROCESS_SOCKET, &order, sizeof order, 0) <= 0)
			_exit(0);
}

static const struct {
	const char *name;
	struct box_reply reply;
	const char *words; /* of the error; NULL: "makes no sense" */
} lies[] = {
	{"long output", {.word = BOX_OUTPUT, .len = BOX_SLOT + 1}, NULL},
	{"longest output", {.word = BOX_OUTPUT, .len = UINT32_MAX}, NULL},
	{"more used than given", {.word = BOX_OUTPUT, .len = BOX_SLOT, .consumed = 101}, NULL},
	{"done", {.word = BOX_DONE}, NULL},
	{"ready again", {.word = BOX_READY}, NULL},
	{"no word", {.word = 4711}, NULL},
	{"no code", {.word = BOX_FAILED, .code = 4711}, NULL},
	{"code of a disk", {.word = BOX_FAILED, .code = BMR_E_TARGET}, NULL},
	{"a bug", {.word = BOX_FAILED, .code = BMR_E_BUG, .why = "ours"}, "ours"},
	{"no error", {.word = BOX_FAILED, .code = BMR_E_NONE}, NULL},
	{"text", {.word = BOX_FAILED, .code = BMR_E_DATA, .why = "a\033[2J\nb"}, "a?[2J?b"},
};

#define LIES (sizeof lies / sizeof *lies)

static int work(const char *what)
{
	struct box_reply reply = {.word = BOX_READY};

	if (strcmp(what, "ends") == 0)
		return 3;
	if (strcmp(what, "not ready") == 0)
		reply.word = BOX_DONE;
	say(&reply, sizeof reply);
	wait_for_orders(2); /* what it is for; the first input or frame */
	if (strcmp(what, "ends later") == 0)
		return 3;
	if (strcmp(what, "short") == 0)
		say(&reply, 4);
	if (strcmp(what, "no memory") == 0) {
		reply = (struct box_reply){.word = BOX_FAILED, .code = BMR_E_NOMEM, .why = "short"};
		say(&reply, sizeof reply);
	}
	if (strcmp(what, "endless text") == 0) {
		reply = (struct box_reply){.word = BOX_FAILED, .code = BMR_E_DATA};
		memset(reply.why, 'x', sizeof reply.why);
		say(&reply, sizeof reply);
	}
	if (strcmp(what, "taken twice") == 0) {
		reply.word = BOX_TAKEN;
		for (int i = 0; i < 9; i++)
			say(&reply, sizeof reply);
	}
	for (size_t i = 0; i < LIES; i++)
		if (strcmp(what, lies[i].name) == 0)
			say(&lies[i].reply, sizeof lies[i].reply);
	wait_for_orders(1000);
	return 0;
}

/* --- the tests --- */

static int hundred_bytes(void *ctx, const uint8_t **data, size_t *len, struct bmr_err *e)
{
	static const uint8_t bytes[100];
	unsigned *left = ctx;

	(void)e;
	*data = bytes;
	*len = *left > 0 ? sizeof bytes : 0;
	*left -= *left > 0;
	return 0;
}

static void expect(int rc, const struct bmr_err *err, enum bmr_errc code, const char *words,
                   uint64_t since)
{
	if (rc == 0 || err->code != code || !strstr(err->msg, words))
		fail_msg("'%s': rc %d, code %d: %s", lie, rc, (int)err->code, rc ? err->msg : "");
	assert_true(bmr_clock_ms() - since < 20000);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void try_stream(const char *what, enum bmr_errc code, const char *words)
{
	static uint8_t out[2 * BOX_SLOT];
	unsigned left = 1;
	struct bmr_input input = {hundred_bytes, &left};
	uint64_t since = bmr_clock_ms();
	struct bmr_decoder *d;
	struct bmr_err err = {0};
	size_t got;
	int rc;

	lie = what;
	rc = bmr_decoder_open(BMR_FORMAT_GZIP, &input, &d, &err);
	if (rc == 0) {
		rc = bmr_decoder_read(d, out, sizeof out, &got, &err);
		bmr_decoder_close(d);
	}
	expect(rc, &err, code, words, since);
}

static void try_chunk(const char *what, enum bmr_errc code, const char *words)
{
	uint8_t out[1000];
	uint64_t since = bmr_clock_ms();
	struct bmr_unpacker *u;
	struct bmr_err err = {0};
	int rc;

	lie = what;
	rc = bmr_unpacker_open(BMR_PACK_LZ4, &u, &err);
	if (rc == 0) {
		rc = bmr_unpacker_run(u, out, 10, out, sizeof out, &err);
		bmr_unpacker_close(u);
	}
	expect(rc, &err, code, words, since);
}

#define NONSENSE "decoder say what makes no sense"

static void test_a_stream(void **state)
{
	(void)state;
	try_stream("ends", BMR_E_NOMEM, "does not start");
	try_stream("not ready", BMR_E_NOMEM, "does not start");
	try_stream("ends later", BMR_E_DATA, "decoder end (exit status 3)");
	try_stream("short", BMR_E_DATA, NONSENSE);
	try_stream("taken twice", BMR_E_DATA, NONSENSE);
	try_stream("endless text", BMR_E_DATA, "xxxxxxxx");
	for (size_t i = 0; i < LIES; i++)
		try_stream(lies[i].name, BMR_E_DATA, lies[i].words ? lies[i].words : NONSENSE);
}

static void test_chunks(void **state)
{
	(void)state;
	try_chunk("ends", BMR_E_NOMEM, "does not start");
	try_chunk("not ready", BMR_E_NOMEM, "does not start");
	try_chunk("ends later", BMR_E_DATA, "decoder end (exit status 3)");
	try_chunk("short", BMR_E_DATA, NONSENSE);
	try_chunk("long output", BMR_E_DATA, NONSENSE);
	try_chunk("no code", BMR_E_DATA, NONSENSE);
	try_chunk("text", BMR_E_DATA, "a?[2J?b");
}

/* What keeps a member from being looked at says nothing of the file. */
static void test_gzip_end(void **state)
{
	/* What looks like two members. */
	static uint8_t file[2048] = {0x1f, 0x8b, 8, [1024] = 0x1f, 0x8b, 8};
	struct fake_image image = {.data = file, .size = sizeof file};
	struct bmr_source *source;
	struct bmr_err err = {0};
	bool small = false;

	(void)state;
	assert_int_equal(fake_image_source(&image, 65536, 1, &source, &err), 0);
	lie = "no memory";
	assert_int_equal(bmr_gzip_end_is_small(source, sizeof file, 4096, &small, &err), -1);
	assert_int_equal(err.code, BMR_E_NOMEM);
	lie = "text"; /* damage */
	assert_int_equal(bmr_gzip_end_is_small(source, sizeof file, 4096, &small, &err), 0);
	assert_false(small);
	bmr_source_close(source);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_stream),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_gzip_end),
	};

	if (argc > 1)
		return work(argv[1]);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
