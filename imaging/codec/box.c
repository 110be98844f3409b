/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/codec/box.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/err.h"

/* The slowest library on the slowest machine unpacks a slot in less than a second. */
#define SILENCE_MS 60000

/* By whom, and not by the image: the kernel when memory is short, or a person. */
static bool was_killed(int signal)
{
	return signal == SIGKILL || signal == SIGTERM || signal == SIGINT || signal == SIGHUP;
}

static int died(struct bmr_box *b, struct bmr_err *e)
{
	int status = bmr_coprocess_end(&b->process);

	if (!WIFSIGNALED(status))
		return bmr_err_set(e, BMR_E_DATA, 0,
		                   "the image made the %s decoder end (exit status %d)", b->codec,
		                   WEXITSTATUS(status));
	if (was_killed(WTERMSIG(status)))
		return bmr_err_set(
			e, BMR_E_NOMEM, 0,
			"the %s decoder's process was killed (signal %d); is memory short?",
			b->codec, WTERMSIG(status));
	if (WTERMSIG(status) == SIGSYS)
		return bmr_err_set(
			e, BMR_E_DATA, 0,
			"the image made the %s decoder try what it may not; it was killed",
			b->codec);
	return bmr_err_set(e, BMR_E_DATA, 0, "the image made the %s decoder crash (signal %d)",
	                   b->codec, WTERMSIG(status));
}

int bmr_box_nonsense(struct bmr_box *b, struct bmr_err *e)
{
	bmr_coprocess_end(&b->process); /* what else it says would be taken for its next answer */
	return bmr_err_set(e, BMR_E_DATA, 0,
	                   "the image made the %s decoder say what makes no sense", b->codec);
}

static int failed(struct bmr_box *b, struct bmr_err *e)
{
	enum bmr_errc code = (enum bmr_errc)b->reply.code;

	if (code != BMR_E_DATA && code != BMR_E_NOMEM && code != BMR_E_BUG)
		return bmr_box_nonsense(b, e);
	b->reply.why[sizeof b->reply.why - 1] = '\0';
	/* Whatever it holds for a fault of ours, it was led there by the image. */
	return bmr_err_set(e, code == BMR_E_NOMEM ? code : BMR_E_DATA, 0, "%s", b->reply.why);
}

uint8_t *bmr_box_memory(const struct bmr_box *b, struct bmr_err *e)
{
	if (!b->process.memory)
		bmr_err_set(e, BMR_E_DATA, 0, "the %s decoder's process has ended", b->codec);
	return b->process.memory;
}

void bmr_box_tell(struct bmr_box *b, const struct box_order *order)
{
	ssize_t sent = send(b->process.socket, order, sizeof *order, MSG_NOSIGNAL | MSG_DONTWAIT);

	/* The order is lost; it would be waited for. */
	if (sent < 0 && errno != EPIPE && errno != ECONNRESET && b->process.pid > 0)
		kill(b->process.pid, SIGKILL);
}

int bmr_box_await(struct bmr_box *b, struct bmr_err *e)
{
	switch (bmr_coprocess_await(&b->process, &b->reply, sizeof b->reply, -1, SILENCE_MS)) {
	case BMR_COPROCESS_ANSWERED:
		return b->reply.word == BOX_FAILED ? failed(b, e) : 0;
	case BMR_COPROCESS_SILENT:
		bmr_coprocess_end(&b->process);
		return bmr_err_set(e, BMR_E_DATA, 0,
		                   "the image made the %s decoder hang (nothing for %d s)",
		                   b->codec, SILENCE_MS / 1000);
	case BMR_COPROCESS_GARBLED:
		return bmr_box_nonsense(b, e);
	case BMR_COPROCESS_STOPPED:
	case BMR_COPROCESS_DIED:
		break;
	}
	return died(b, e);
}

/* It has seen nothing of the image yet. */
static int await_ready(struct bmr_box *b, struct bmr_err *e)
{
	enum bmr_coprocess_answer answer =
		bmr_coprocess_await(&b->process, &b->reply, sizeof b->reply, -1, SILENCE_MS);

	if (answer == BMR_COPROCESS_ANSWERED && b->reply.word == BOX_READY)
		return 0;
	if (answer == BMR_COPROCESS_ANSWERED && b->reply.word == BOX_FAILED)
		return failed(b, e);
	bmr_coprocess_end(&b->process);
	return bmr_err_set(e, BMR_E_NOMEM, 0, "the %s decoder's process does not start", b->codec);
}

int bmr_box_open(struct bmr_box *b, const struct box_order *first, const char *codec, size_t memory,
                 struct bmr_err *e)
{
	struct bmr_coprocess_order order = {.task = "unpacking", .memory_size = memory};

	b->codec = codec;
	bmr_box_program(&order);
	if (bmr_coprocess_start(&b->process, &order, e) < 0 || await_ready(b, e) < 0)
		return -1;
	bmr_box_tell(b, first);
	return 0;
}

void bmr_box_close(struct bmr_box *b)
{
	bmr_coprocess_end(&b->process);
}
