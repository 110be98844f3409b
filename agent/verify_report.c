/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/verify_report.h"

#include <inttypes.h>
#include <stdio.h>

#include "agent/info.h"
#include "agent/job.h"
#include "agent/job_internal.h"
#include "agent/json.h"
#include "agent/screen.h"
#include "agent/stats.h"
#include "base/err.h"
#include "base/size.h"

static uint64_t chunk_count(const struct bmr_verify_report *r)
{
	return (r->size + r->chunk_size - 1) / r->chunk_size;
}

static void say_list(const struct bmr_verify_report *r, const struct bmr_verify_list *list,
                     const char *what, struct bmr_screen *screen)
{
	char line[320];

	for (unsigned i = 0; i < list->named; i++) {
		const struct bmr_wrong_chunk *w = &list->chunks[i];
		uint64_t start = (uint64_t)w->chunk * r->chunk_size;
		uint64_t end = bmr_size_min(start + r->chunk_size, r->size);

		snprintf(line, sizeof line,
		         "%s: chunk %" PRIu32 ", sectors %" PRIu64 "-%" PRIu64
		         ", wrong from %" PRIu64 ": %s",
		         what, w->chunk, start / r->sector, (end - 1) / r->sector,
		         w->offset / r->sector, w->reason);
		bmr_screen_say(screen, line);
	}
	if (list->count > list->named) {
		snprintf(line, sizeof line, "%s: and %" PRIu64 " more chunks", what,
		         list->count - list->named);
		bmr_screen_say(screen, line);
	}
}

void bmr_verify_report_say(const struct bmr_verify_report *r, struct bmr_screen *screen)
{
	if (r->job->image.manifest) {
		say_list(r, &r->found.bad, "image", screen);
		say_list(r, &r->found.differing, "disk", screen);
	}
}

bool bmr_verify_report_disk_is_short(const struct bmr_verify_report *r)
{
	return r->target && r->target->size < r->size;
}

int bmr_verify_report_judge(const struct bmr_verify_report *r, struct bmr_err *e)
{
	const struct bmr_verify_list *bad = &r->found.bad;
	const struct bmr_verify_list *differing = &r->found.differing;

	if (bad->count > 0)
		return bmr_err_set(e, BMR_E_DATA, 0,
		                   "the image is damaged: %" PRIu64 " of %" PRIu64
		                   " chunks, the first at byte %" PRIu64 " (sector %" PRIu64
		                   ") of the disk",
		                   bad->count, chunk_count(r), bad->chunks[0].offset,
		                   bad->chunks[0].offset / r->sector);
	if (bmr_verify_report_disk_is_short(r))
		return bmr_err_set(e, BMR_E_TARGET, 0,
		                   "'%s' does not hold the image: it has %" PRIu64
		                   " bytes, and the image %" PRIu64,
		                   r->target->path, r->target->size, r->size);
	if (differing->count > 0)
		return bmr_err_set(e, BMR_E_TARGET, 0,
		                   "'%s' does not hold the image: %" PRIu64 " of %" PRIu64
		                   " %s differ, the first at byte %" PRIu64 " (sector %" PRIu64 ")",
		                   r->target->path, differing->count, chunk_count(r),
		                   r->chunk_size == BMR_MIB ? "MiB" : "chunks",
		                   differing->chunks[0].offset,
		                   differing->chunks[0].offset / r->sector);
	return 0;
}

static void add_list(const struct bmr_verify_report *r, const char *name,
                     const struct bmr_verify_list *list, struct bmr_json *j)
{
	bmr_json_open(j, name, '{');
	bmr_json_number(j, "count", list->count);
	bmr_json_open(j, "chunks", '[');
	for (unsigned i = 0; i < list->named; i++) {
		bmr_json_open(j, NULL, '{');
		bmr_json_number(j, "chunk", list->chunks[i].chunk);
		bmr_json_number(j, "byte", list->chunks[i].offset);
		bmr_json_number(j, "sector", list->chunks[i].offset / r->sector);
		bmr_json_text(j, "reason", list->chunks[i].reason);
		bmr_json_close(j, '}');
	}
	bmr_json_close(j, ']');
	bmr_json_close(j, '}');
}

static const char *result_name(const struct bmr_verify_report *r, enum bmr_errc code)
{
	switch (code) {
	case BMR_E_NONE:
		return r->target || bmr_job_can_tell(r->job) ? "good" : "no checksum";
	case BMR_E_TARGET:
		return "disk differs";
	default:
		return "image bad";
	}
}

void bmr_verify_report_failed(const struct bmr_err *err, struct bmr_log *log, FILE *out)
{
	struct bmr_json j = {.out = out};

	bmr_json_open(&j, NULL, '{');
	bmr_json_text(&j, "result", err->code == BMR_E_DATA ? "image bad" : "failed");
	j.log = log; /* the result is ours, whatever the secrets are */
	bmr_json_number(&j, "exit", (uint64_t)bmr_err_exit_code(err->code));
	bmr_json_text(&j, "reason", err->msg);
	bmr_json_close(&j, '}');
	fputc('\n', out);
	fflush(out);
}

void bmr_verify_report_json(const struct bmr_verify_report *r, const struct bmr_err *verdict,
                            const struct bmr_stats *stats, FILE *out)
{
	struct bmr_json j = {.out = out};
	char digest[BMR_DIGEST_TEXT_SIZE];

	bmr_json_open(&j, NULL, '{');
	bmr_json_text(&j, "result", result_name(r, verdict->code));
	bmr_json_number(&j, "exit", verdict->code ? (uint64_t)bmr_err_exit_code(verdict->code) : 0);
	if (verdict->code)
		bmr_json_text(&j, "reason", verdict->msg);
	bmr_json_text(&j, "image", bmr_source_name(r->job->source));
	if (r->target)
		bmr_json_text(&j, "target", r->target->path);
	bmr_json_text(&j, "format",
	              r->job->image.is_bmr ? "bmr" : bmr_format_name(r->job->image.format));
	bmr_json_text(&j, "level", r->level);
	bmr_json_number(&j, "bytes", r->size);
	if (r->sha256)
		bmr_json_text(&j, "sha256", bmr_digest_text(r->sha256, digest));
	bmr_json_number(&j, "chunk_bytes", r->chunk_size);
	if (r->job->image.manifest)
		bmr_info_kinds(r->job->image.manifest, &j);
	bmr_json_number(&j, "checked_bytes", r->found.checked);
	bmr_json_number(&j, "unused_bytes", r->found.unused);
	add_list(r, "bad", &r->found.bad, &j);
	add_list(r, "differing", &r->found.differing, &j);
	bmr_stats_add(stats, &j);
	bmr_json_close(&j, '}');
	fputc('\n', out);
	fflush(out);
}
