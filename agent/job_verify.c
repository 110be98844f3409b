/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/job.h"
#include "agent/job_internal.h"
#include "agent/session.h"
#include "agent/stats.h"
#include "agent/verify_report.h"
#include "base/clock.h"
#include "base/err.h"
#include "imaging/bmr/chain.h"
#include "imaging/verify.h"
#include "imaging/verify_chunks.h"

struct outcome { /* for the last event and the last words */
	struct bmr_job *job;
	const struct bmr_verify_report *report;
	double seconds;
};

static struct bmr_stats stats_of(const struct outcome *o)
{
	return (struct bmr_stats){"verified", &o->job->progress, o->report->size, o->seconds};
}

static void add_outcome(void *ctx, struct bmr_json *j)
{
	const struct outcome *o = ctx;
	const struct bmr_verify_report *r = o->report;
	struct bmr_stats stats = stats_of(o);
	char digest[BMR_DIGEST_TEXT_SIZE];

	bmr_json_text(j, "image", bmr_source_name(o->job->source));
	if (r->target)
		bmr_json_text(j, "target", r->target->path);
	bmr_json_text(j, "level", r->level);
	bmr_json_number(j, "bytes", r->size);
	bmr_json_number(j, "checked_bytes", r->found.checked);
	bmr_json_number(j, "unused_bytes", r->found.unused);
	if (r->sha256)
		bmr_json_text(j, "sha256", bmr_digest_text(r->sha256, digest));
	bmr_stats_add(&stats, j);
	bmr_json_number(j, "exit", 0);
}

/* What was not looked at, or has nothing to be looked at by, is not called whole. */
static void title_of(const struct bmr_job *job, const struct bmr_verify_report *r, char *buf,
                     size_t len)
{
	bool full = strcmp(r->level, "full") == 0;

	if (!full)
		snprintf(buf, len, "bmr: verified: the image's %s are right",
		         strcmp(r->level, "sizes") == 0 ? "sizes" : "manifest and bases");
	else if (r->target)
		snprintf(buf, len, "bmr: verified: %s holds the image", r->target->path);
	else if (bmr_job_can_tell(job))
		snprintf(buf, len, "bmr: verified: the image is whole");
	else
		snprintf(buf, len,
		         "bmr: verified: the image was read to its end; it has no checksum");
}

static void say_verified(const struct outcome *o)
{
	const struct bmr_verify_report *r = o->report;
	char next[64];
	char bytes[BMR_BYTES_TEXT_SIZE];
	char digest[BMR_DIGEST_TEXT_SIZE] = "not known";
	char lines[512];
	char title[320];

	if (r->sha256)
		bmr_digest_text(r->sha256, digest);
	title_of(o->job, r, title, sizeof title);
	snprintf(lines, sizeof lines, "bmr: %s, %.1f s\nbmr: sha256 %s%s",
	         bmr_job_bytes_text(r->size, bytes, sizeof bytes), o->seconds, digest,
	         bmr_job_next_text(o->job->session, true, next, sizeof next));
	bmr_screen_result(o->job->session->screen, true, title, lines);
}

/* --- an image that is one stream --- */

/* As a list of wrong chunks of 1 MiB, of which the first is known. */
static void take_stream(const struct bmr_verify_result *result, struct bmr_verify_report *r)
{
	struct bmr_verify_list *list = &r->found.differing;

	r->size = r->found.checked = result->size;
	r->sha256 = &result->sha256;
	list->count = result->differing;
	if (result->differing == 0)
		return;
	list->named = 1;
	list->chunks[0].offset = result->first_difference;
	list->chunks[0].chunk = (uint32_t)(result->first_difference / BMR_CHUNK_SIZE);
	snprintf(list->chunks[0].reason, sizeof list->chunks[0].reason, "its content is another");
}

static int verify_stream(struct bmr_job *job, struct bmr_verify_result *result,
                         struct bmr_verify_report *r, struct bmr_err *e)
{
	struct bmr_verify verify = {
		.source = job->source,
		.image = &job->image,
		.target = r->target,
		.progress = &job->progress,
		.stop = &job->session->stop,
	};

	r->level = "full";
	r->chunk_size = BMR_CHUNK_SIZE;
	atomic_store(&job->progress.phase, BMR_PHASE_COMPARE);
	bmr_job_watch(job);
	if (bmr_verify_run(&verify, result, e) < 0)
		return -1;
	if (job->has_sha256 && result->differing == 0 &&
	    bmr_digest_expect(&result->sha256, &job->sha256, e) < 0)
		return -1;
	take_stream(result, r);
	return 0;
}

/* --- a bmr image --- */

void bmr_job_watch_chain(struct bmr_job *job, const struct bmr_chain *chain)
{
	const struct bmr_manifest *m = bmr_chain_manifest(chain);
	uint64_t stored = 0, content = 0;
	struct bmr_err ignored; /* work that nobody sees is still done */

	for (uint32_t i = 0; i < bmr_manifest_chunks(m); i++) {
		struct bmr_chain_place place;

		bmr_chain_find(chain, i, &place);
		if (place.kind != BMR_CHUNK_DATA)
			continue;
		stored += place.stored;
		content += bmr_manifest_chunk_len(m, i);
	}
	bmr_screen_watch(job->session->screen, &job->progress, stored, content, &ignored);
}

static int verify_chunks(struct bmr_job *job, struct bmr_chain *chain, struct bmr_verify_report *r,
                         struct bmr_err *e)
{
	const struct bmr_manifest *m = job->image.manifest;
	struct bmr_verify_chunks verify = {
		.chain = chain,
		.target = r->target,
		.progress = &job->progress,
		.stop = &job->session->stop,
	};

	atomic_store(&job->progress.phase, r->target ? BMR_PHASE_READBACK : BMR_PHASE_COMPARE);
	atomic_store(&job->progress.to_verify,
	             m->head.disk_size - bmr_manifest_bytes(m, BMR_CHUNK_UNUSED));
	bmr_job_watch_chain(job, chain);
	if (bmr_verify_chunks_run(&verify, &r->found, e) < 0)
		return -1;
	return bmr_chain_check_unchanged(chain, e);
}

static int verify_chain(struct bmr_job *job, struct bmr_verify_report *r, struct bmr_err *e)
{
	const struct bmr_params *p = &job->session->options->params;
	struct bmr_chain *chain;
	int rc;

	if (bmr_chain_open(job->source, job->image.manifest, p->base, &job->source_options,
	                   job->trust, &chain, e) < 0)
		return -1;
	rc = p->level == BMR_LEVEL_FULL ? verify_chunks(job, chain, r, e) : 0;
	bmr_chain_close(chain);
	return rc;
}

/* A disk that is too small differs from where it ends: what comes before need not be read. */
static bool disk_ends(const struct bmr_manifest *m, struct bmr_verify_report *r)
{
	struct bmr_verify_list *list = &r->found.differing;
	struct bmr_wrong_chunk *first = &list->chunks[0];

	if (!bmr_verify_report_disk_is_short(r))
		return false;
	first->chunk = (uint32_t)(r->target->size / r->chunk_size);
	first->offset = r->target->size;
	snprintf(first->reason, sizeof first->reason, "the disk ends at byte %" PRIu64,
	         r->target->size);
	list->named = 1;
	list->count = bmr_manifest_chunks(m) - first->chunk;
	return true;
}

/* The manifest's word for it: what it says of the chunks is proven, of all together it is not. */
static int check_sha256(const struct bmr_job *job, struct bmr_err *e)
{
	const struct bmr_manifest *m = job->image.manifest;

	if (!job->has_sha256)
		return 0;
	if (!m->has_sha256)
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "the image carries no SHA-256 of the whole disk: sha256= cannot "
		                   "be compared");
	return bmr_digest_expect(&m->sha256, &job->sha256, e);
}

/* What bmr_load_manifest checks is proven since the image was opened. */
static int verify_bmr(struct bmr_job *job, struct bmr_verify_report *r, struct bmr_err *e)
{
	static const char *const levels[] = {
		[BMR_LEVEL_SIZES] = "sizes",
		[BMR_LEVEL_MANIFEST] = "manifest",
		[BMR_LEVEL_FULL] = "full",
	};
	const struct bmr_manifest *m = job->image.manifest;
	int level = job->session->options->params.level;

	r->level = levels[level];
	r->size = m->head.disk_size;
	r->chunk_size = m->head.chunk_size;
	r->sha256 = m->has_sha256 ? &m->sha256 : NULL;
	if (check_sha256(job, e) < 0)
		return -1;
	return disk_ends(m, r) || level == BMR_LEVEL_SIZES ? 0 : verify_chain(job, r, e);
}

/* --- both --- */

/* Say what was found; an error it is at the very end. */
static int conclude(struct bmr_job *job, const struct bmr_verify_report *r, double seconds,
                    struct bmr_err *e)
{
	struct bmr_session *s = job->session;
	struct outcome outcome = {job, r, seconds};
	struct bmr_stats stats = stats_of(&outcome);
	struct bmr_err verdict = {0};

	bmr_verify_report_say(r, s->screen);
	bmr_verify_report_judge(r, &verdict);
	if (s->options->json)
		bmr_verify_report_json(r, &verdict, &stats, stdout);
	bmr_stats_print(&stats, s->options, stdout);
	if (verdict.code) {
		*e = verdict;
		return -1;
	}
	bmr_events_send(s->events, "verified", add_outcome, &outcome);
	say_verified(&outcome);
	return 0;
}

int bmr_job_verify(struct bmr_job *job, const struct bmr_target_info *target, struct bmr_err *e)
{
	struct bmr_verify_report report = {.job = job, .target = target};
	struct bmr_verify_result stream;
	double start = bmr_clock_s();
	int rc;

	report.sector = target                ? target->sector
	                : job->image.manifest ? job->image.manifest->head.sector
	                                      : 512;
	if (target)
		bmr_job_show_target(job, target);
	/* The manifest beside an image does not make its server able to jump. */
	rc = job->image.manifest && bmr_source_seekable(job->source)
	             ? verify_bmr(job, &report, e)
	             : verify_stream(job, &stream, &report, e);
	bmr_screen_unwatch(job->session->screen);
	if (rc < 0 && job->session->options->json)
		bmr_verify_report_failed(e, job->session->log, stdout);
	if (rc < 0)
		return -1;
	return conclude(job, &report, bmr_clock_s() - start, e);
}
