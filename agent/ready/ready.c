/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/ready/ready.h"

#include <stdio.h>

#include "agent/ready/internal.h"
#include "agent/session.h"
#include "base/err.h"
#include "base/log.h"

static bool table_ordered(const struct bmr_params *p)
{
	return p->grow != BMR_GROW_NO;
}

static bool grow_ordered(const struct bmr_params *p)
{
	return p->grow == BMR_GROW_LAST;
}

static bool identity_ordered(const struct bmr_params *p)
{
	return p->hostname || p->seed || p->identity != BMR_IDENTITY_KEEP;
}

static bool boot_entry_ordered(const struct bmr_params *p)
{
	return p->bootentry == BMR_SWITCH_YES;
}

static bool boot_next_ordered(const struct bmr_params *p)
{
	return p->bootnext != BMR_BOOTNEXT_NO;
}

/* In this order: a file system grows into its grown partition, and is mounted after that. */
static const struct step {
	const char *name; /* stable: in events */
	bmr_ready_step *run;
	bool (*ordered)(const struct bmr_params *p); /* or of its own accord: then it may fail */
} steps[] = {
	{"table", bmr_ready_table, table_ordered},
	{"grow", bmr_ready_grow, grow_ordered},
	{"identity", bmr_ready_identity, identity_ordered},
	{"boot-entry", bmr_ready_boot_entry, boot_entry_ordered},
	{"boot-next", bmr_ready_boot_next, boot_next_ordered},
};

struct report {
	const struct step *step;
	const char *result; /* "done" or "failed" */
	const char *text;
};

static void add_report(void *ctx, struct bmr_json *j)
{
	const struct report *r = ctx;

	bmr_json_text(j, "step", r->step->name);
	bmr_json_text(j, "result", r->result);
	bmr_json_text(j, "text", r->text);
}

/* Whether it is well: false only for an ordered step that failed. */
static bool run_step(const struct bmr_ready *r, const struct step *step)
{
	struct bmr_session *s = r->session;
	struct bmr_err err = {0};
	char text[256] = "";
	bool did = false;
	bool good = step->run(r, &did, text, sizeof text, &err) == 0;
	struct report report = {step, good ? "done" : "failed", good ? text : err.msg};

	if (good && !did)
		return true;
	bmr_log_say(s->log, BMR_LOG_NOTICE, "%s: %s%s", step->name,
	            good ? "" : "FAILED: ", report.text);
	bmr_events_send(s->events, "step", add_report, &report);
	return good || !step->ordered(&s->options->params);
}

int bmr_ready_check(struct bmr_session *s, struct bmr_err *e)
{
	return bmr_ready_check_identity(s, e);
}

unsigned bmr_ready_run(struct bmr_session *s, const struct bmr_target_info *target,
                       uint64_t image_size)
{
	struct bmr_ready ready = {s, target, image_size};
	unsigned failed = 0;

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		failed += !run_step(&ready, &steps[i]);
	return failed;
}
