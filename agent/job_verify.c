/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/job.h"
#include "agent/job_internal.h"
#include "agent/session.h"
#include "agent/stats.h"
#include "base/err.h"
#include "base/size.h"
#include "imaging/verify.h"

struct outcome { /* for the last event and the last words */
	struct bmr_job *job;
	const struct bmr_target_info *target; /* NULL: the image alone */
	uint64_t size;
	const struct bmr_digest_value *sha256; /* NULL: not known */
	double seconds;
};

static struct bmr_stats stats_of(const struct outcome *o)
{
	return (struct bmr_stats){"verified", &o->job->progress, o->size, o->seconds};
}

static void add_outcome(void *ctx, struct bmr_json *j)
{
	const struct outcome *o = ctx;
	struct bmr_stats stats = stats_of(o);
	char digest[BMR_DIGEST_TEXT_SIZE];

	bmr_json_text(j, "image", bmr_source_name(o->job->source));
	if (o->target)
		bmr_json_text(j, "target", o->target->path);
	bmr_json_number(j, "bytes", o->size);
	if (o->sha256)
		bmr_json_text(j, "sha256", bmr_digest_text(o->sha256, digest));
	bmr_stats_add(&stats, j);
	bmr_json_number(j, "exit", 0);
}

static void say_verified(const struct outcome *o)
{
	char next[64];
	char bytes[BMR_BYTES_TEXT_SIZE];
	char digest[BMR_DIGEST_TEXT_SIZE] = "not known";
	char lines[512];
	char title[320];

	if (o->sha256)
		bmr_digest_text(o->sha256, digest);
	snprintf(title, sizeof title,
	         o->target ? "bmr: verified: %s holds the image"
	                   : "bmr: verified: the image is whole",
	         o->target ? o->target->path : "");
	snprintf(lines, sizeof lines, "bmr: %s, %.1f s\nbmr: sha256 %s%s",
	         bmr_job_bytes_text(o->size, bytes, sizeof bytes), o->seconds, digest,
	         bmr_job_next_text(o->job->session, next, sizeof next));
	bmr_screen_result(o->job->session->screen, true, title, lines);
}

/* --- an image that is one stream --- */

static int judge_stream(struct bmr_job *job, const struct bmr_target_info *target,
                        const struct bmr_verify_result *result, struct bmr_err *e)
{
	if (result->differing > 0)
		return bmr_err_set(
			e, BMR_E_TARGET, 0,
			"'%s' does not hold the image: %" PRIu64 " of %" PRIu64
			" MiB differ, the first at byte %" PRIu64 " (sector %" PRIu64 ")",
			target->path, result->differing, (result->size + BMR_MIB - 1) / BMR_MIB,
			result->first_difference, result->first_difference / target->sector);
	if (job->has_sha256 && !bmr_digest_equal(&job->sha256, &result->sha256))
		return bmr_err_set(e, BMR_E_DATA, 0, "the image's SHA-256 is not the expected one");
	return 0;
}

int bmr_job_verify(struct bmr_job *job, const struct bmr_target_info *target, struct bmr_err *e)
{
	struct bmr_session *s = job->session;
	struct bmr_verify verify = {
		.source = job->source,
		.image = &job->image,
		.target = target,
		.progress = &job->progress,
		.stop = &s->stop,
	};
	struct bmr_verify_result result;
	struct outcome outcome = {job, target, 0, &result.sha256, bmr_job_now()};
	int rc;

	if (target)
		bmr_job_show_target(job, target);
	atomic_store(&job->progress.phase, BMR_PHASE_COMPARE);
	bmr_job_watch(job);
	rc = bmr_verify_run(&verify, &result, e);
	bmr_screen_unwatch(s->screen);
	if (rc < 0 || judge_stream(job, target, &result, e) < 0)
		return -1;
	outcome.size = result.size;
	outcome.seconds = bmr_job_now() - outcome.seconds;
	bmr_events_send(s->events, "verified", add_outcome, &outcome);
	say_verified(&outcome);
	return 0;
}
