/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transport/retry.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

void bmr_retry_begin(struct bmr_retry *r, struct bmr_log *log, unsigned timeout_ms,
                     unsigned retries, int stop_fd)
{
	*r = (struct bmr_retry){
		.log = log,
		.timeout_ms = timeout_ms,
		.retries = retries,
		.stop_fd = stop_fd,
	};
	bmr_retry_progress(r);
}

void bmr_retry_progress(struct bmr_retry *r)
{
	r->attempts = 0;
	r->delay_ms = BMR_RETRY_FIRST_MS;
	bmr_retry_alive(r);
}

void bmr_retry_alive(struct bmr_retry *r)
{
	r->since = bmr_clock_ms();
}

unsigned bmr_retry_left_ms(const struct bmr_retry *r)
{
	uint64_t passed = bmr_clock_ms() - r->since;

	return passed < r->timeout_ms ? r->timeout_ms - (unsigned)passed : 0;
}

bool bmr_retry_sleep(int stop_fd, unsigned ms)
{
	struct pollfd stop = {.fd = stop_fd, .events = POLLIN};
	uint64_t deadline = bmr_clock_ms() + ms;

	do {
		if (poll(&stop, 1, bmr_clock_left(deadline)) > 0)
			return false;
	} while (bmr_clock_left(deadline) > 0);
	return true;
}

bool bmr_retry_stopped(int stop_fd)
{
	struct pollfd stop = {.fd = stop_fd, .events = POLLIN};

	return poll(&stop, 1, 0) > 0;
}

/* Wait, but not past the end, so that the last try comes just before it. */
static int wait_before_next(struct bmr_retry *r, unsigned left_ms, struct bmr_err *e)
{
	unsigned delay = r->delay_ms < left_ms ? r->delay_ms : left_ms;

	r->delay_ms = r->delay_ms * 2 < BMR_RETRY_LONGEST_MS ? r->delay_ms * 2
	                                                     : BMR_RETRY_LONGEST_MS;
	if (bmr_retry_sleep(r->stop_fd, delay))
		return 0;
	return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped while waiting for the image's server");
}

int bmr_retry_again(struct bmr_retry *r, struct bmr_err *e)
{
	uint64_t passed = bmr_clock_ms() - r->since;
	unsigned left_ms;

	if (e->code != BMR_E_NET)
		return -1;
	r->attempts++;
	if (passed >= r->timeout_ms || r->attempts > r->retries) {
		size_t used = strlen(e->msg);

		snprintf(e->msg + used, sizeof e->msg - used, "; gave up after %u %s in %u s",
		         r->attempts, r->attempts == 1 ? "try" : "tries",
		         (unsigned)(passed / 1000));
		return -1;
	}
	left_ms = r->timeout_ms - (unsigned)passed;
	bmr_log_say(r->log, BMR_LOG_NOTICE, "%s; trying again, attempt %u, giving up in %u s",
	            e->msg, r->attempts + 1, (left_ms + 999) / 1000);
	return wait_before_next(r, left_ms, e);
}
