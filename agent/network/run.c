/* SPDX-License-Identifier: GPL-3.0-or-later */
/* run.c - programs of the network set-up, each with a deadline (base/child.h). */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "agent/network/internal.h"
#include "base/child.h"
#include "base/cleanup.h"

#define RUN_LIMIT_MS 10000
#define OUTPUT_MOST (1 << 20) /* far more than `ip` says */

bool bmr_net_run(const struct bmr_network_env *env, char reason[BMR_NET_REASON],
                 const char *const *args)
{
	const char *all[BMR_NET_ARGS + 2] = {env->busybox};
	struct bmr_child_order order = {
		.args = all, .joined = true, .limit_ms = RUN_LIMIT_MS, .output_most = OUTPUT_MOST};
	struct bmr_child_result result;
	struct bmr_err e = {0};
	int rc;

	for (size_t i = 0; i < BMR_NET_ARGS && args[i]; i++)
		all[i + 1] = args[i];
	rc = bmr_child_run(&order, &result, &e);
	/* What it says itself is better than how it ended. */
	if (rc < 0 && result.status > 0 && result.output_len > 0)
		snprintf(reason, BMR_NET_REASON, "%.*s", (int)strcspn(result.output, "\n"),
		         result.output);
	else if (rc < 0 && result.status > 0)
		snprintf(reason, BMR_NET_REASON, "'%s' ended with status %d", args[0],
		         result.status);
	else
		snprintf(reason, BMR_NET_REASON, "%.150s", e.msg);
	bmr_child_clear(&result);
	return rc == 0;
}

int bmr_net_start(const char *const *args, const char *const *variables, const char *output,
                  pid_t *child, struct bmr_err *e)
{
	struct bmr_child_order order = {.args = args, .variables = variables};
	AUTO_FD int log = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	/* Without a place for what it says it can still do its work. */
	return bmr_child_start(&order, log, log, child, e);
}
