/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/capture/task.h"

#include <inttypes.h>
#include <stdio.h>

#include "agent/finish.h"
#include "agent/session.h"
#include "agent/stats.h"
#include "base/clock.h"
#include "base/size.h"

static void add_source(void *ctx, struct bmr_json *j)
{
	const struct bmr_capture_task *t = ctx;

	bmr_json_text(j, "disk", t->info.path);
	bmr_json_number(j, "disk_bytes", t->info.size);
	bmr_json_number(j, "used_bytes", t->used.bytes);
	bmr_json_number(j, "sector", t->info.sector);
	if (!t->info.is_file) {
		bmr_json_text(j, "model", t->disk.model);
		bmr_json_text(j, "serial", t->disk.serial);
	}
	bmr_json_text(j, "compress", t->params->compress);
	bmr_json_bool(j, "live", t->written);
}

void bmr_capture_announce(struct bmr_capture_task *t)
{
	char used[16];
	char size[16];
	char text[400];

	snprintf(text, sizeof text, "%s  %s, %s of it used", t->info.path,
	         bmr_size_text(t->info.size, size, sizeof size),
	         bmr_size_text(t->used.bytes, used, sizeof used));
	bmr_screen_fact(t->session->screen, "disk", text);
	bmr_events_send(t->session->events, "source", add_source, t);
}

static void add_plan(void *ctx, struct bmr_json *j)
{
	const struct bmr_capture_task *t = ctx;

	bmr_json_text(j, "target", t->info.path);
	bmr_json_number(j, "target_bytes", t->info.size);
	bmr_json_number(j, "sector", t->info.sector);
}

void bmr_capture_plan(struct bmr_capture_task *t)
{
	char text[400];

	snprintf(text, sizeof text, "plan: read %" PRIu64 " of %" PRIu64 " bytes, write %s image%s",
	         t->used.bytes, t->info.size, bmr_pack_name(t->pack),
	         t->base ? ", only what differs from the base" : "");
	bmr_screen_say(t->session->screen, text);
	bmr_screen_say(t->session->screen, "plan: nothing was written");
	bmr_events_send(t->session->events, "planned", add_plan, t);
}

static uint64_t bad_sectors(const struct bmr_capture_task *t)
{
	return t->result.bad / t->info.sector;
}

static struct bmr_stats stats_of(const struct bmr_capture_task *t)
{
	return (struct bmr_stats){"captured", &t->progress, t->info.size, bmr_clock_s() - t->start};
}

static void add_outcome(void *ctx, struct bmr_json *j)
{
	const struct bmr_capture_task *t = ctx;
	const struct bmr_capture_result *r = &t->result;
	struct bmr_stats stats = stats_of(t);
	char digest[BMR_DIGEST_TEXT_SIZE];
	char id[BMR_ID_TEXT_SIZE];

	bmr_json_text(j, "disk", t->info.path);
	bmr_json_text(j, "id", bmr_id_text(t->manifest->head.id, id));
	bmr_json_number(j, "bytes", t->info.size);
	bmr_json_number(j, "used", r->used);
	bmr_json_number(j, "data", r->data);
	bmr_json_number(j, "base", r->base);
	bmr_json_number(j, "zero", r->zero);
	bmr_json_number(j, "unused", r->unused);
	bmr_json_number(j, "stored", r->stored);
	bmr_json_number(j, "bad_sectors", bad_sectors(t));
	bmr_json_text(j, "root", bmr_digest_text(&t->manifest->root, digest));
	if (t->manifest->has_sha256)
		bmr_json_text(j, "sha256", bmr_digest_text(&t->manifest->sha256, digest));
	bmr_json_bool(j, "verified", t->params->verify == BMR_VERIFY_FULL);
	bmr_json_seconds(j, "duration", bmr_clock_s() - t->start);
	bmr_json_number(j, "peak_memory", bmr_stats_peak_memory());
	/* Of their own: "verified" is another thing above. */
	bmr_json_open(j, "figures", '{');
	bmr_stats_add(&stats, j);
	bmr_json_close(j, '}');
	bmr_json_number(j, "exit", r->bad > 0 ? BMR_CAPTURE_EXIT_BAD : 0);
}

void bmr_capture_say(struct bmr_capture_task *t, const char *image)
{
	const struct bmr_capture_result *r = &t->result;
	struct bmr_stats stats = stats_of(t);
	char digest[BMR_DIGEST_TEXT_SIZE];
	char memory[16];
	char stored[16];
	char used[16];
	char next[64] = "";
	char bad[120] = "";
	char lines[600];
	char title[400];

	bmr_events_send(t->session->events, "captured", add_outcome, t);
	bmr_stats_print(&stats, t->session->options, stdout);
	snprintf(title, sizeof title, "bmr: captured %s", t->info.path);
	if (r->bad > 0)
		snprintf(bad, sizeof bad,
		         "\nbmr: captured, but %" PRIu64
		         " sectors could not be read; see 'bmr info'",
		         bad_sectors(t));
	if (t->session->live)
		snprintf(next, sizeof next, "\nbmr: next: %s",
		         bmr_finish_text((enum bmr_finish)(r->bad > 0 ? t->params->onfail
		                                                      : t->params->finish)));
	snprintf(
		lines, sizeof lines,
		"bmr: %s\nbmr: %s used, %s stored, %.1f s, memory %s\nbmr: %s %s%s%s", image,
		bmr_size_text(r->used, used, sizeof used),
		bmr_size_text(r->stored, stored, sizeof stored), bmr_clock_s() - t->start,
		bmr_size_text(bmr_stats_peak_memory(), memory, sizeof memory),
		t->manifest->has_sha256 ? "sha256" : "root",
		bmr_digest_text(t->manifest->has_sha256 ? &t->manifest->sha256 : &t->manifest->root,
	                        digest),
		bad, next);
	bmr_screen_result(t->session->screen, r->bad == 0, title, lines);
}
