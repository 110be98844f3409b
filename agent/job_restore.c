/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/job.h"

#include <stdio.h>

#include "agent/duplicates.h"
#include "agent/job_internal.h"
#include "agent/ready/ready.h"
#include "agent/session.h"
#include "agent/stats.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/size.h"
#include "imaging/restore/chunked.h"

/* --- what is to be done --- */

static void phase_event(void *ctx, enum bmr_phase phase)
{
	struct bmr_session *s = ctx;

	bmr_events_text(s->events, "phase", "phase", bmr_phase_name(phase));
}

/* compare=auto: reading first pays where a good part of the disk is right, which a look at a few
 * chunks tells.  *similar: nobody asked for it, and it does. */
static int choose_compare(struct bmr_job *job, struct bmr_restore *r, bool *similar,
                          struct bmr_err *e)
{
	int wanted = job->session->options->params.compare;

	*similar = false;
	r->compare = wanted == BMR_COMPARE_HASH;
	if (wanted != BMR_COMPARE_AUTO || !job->image.manifest)
		return 0;
	if (bmr_chunked_resembles(r, similar, e) < 0)
		return -1;
	r->compare = *similar;
	return 0;
}

static int make_order(struct bmr_job *job, const struct bmr_target_info *target,
                      struct bmr_restore *r, bool *similar, struct bmr_err *e)
{
	struct bmr_session *s = job->session;
	const struct bmr_params *p = &s->options->params;

	*r = (struct bmr_restore){
		.source = job->source,
		.image = &job->image,
		.target = target,
		.sha256 = job->has_sha256 ? &job->sha256 : NULL,
		.read_back = p->verify != BMR_VERIFY_NONE,
		.fit_table = p->grow != BMR_GROW_NO,
		.zero_unused = p->unused == BMR_UNUSED_ZERO,
		.base = p->base,
		.source_options = &job->source_options,
		.trust = job->trust,
		.progress = &job->progress,
		.stop = &s->stop,
		.log = s->log,
		.phase = phase_event,
		.ctx = s,
	};
	return choose_compare(job, r, similar, e);
}

static void add_target(void *ctx, struct bmr_json *j)
{
	const struct bmr_restore *r = ctx;

	bmr_json_text(j, "target", r->target->path);
	bmr_json_number(j, "target_bytes", r->target->size);
	bmr_json_number(j, "sector", r->target->sector);
	bmr_json_bool(j, "manifest", r->image->manifest != NULL);
	bmr_json_text(j, "compare", r->compare ? "hash" : "none");
}

static void say_unused(struct bmr_screen *screen, const struct bmr_restore *r)
{
	uint64_t unused = bmr_manifest_bytes(r->image->manifest, BMR_CHUNK_UNUSED);
	char size[16];
	char line[80];

	if (unused == 0)
		return;
	snprintf(line, sizeof line, "      unused=%s: %s that no file system uses %s.",
	         r->zero_unused ? "zero" : "discard", bmr_size_text(unused, size, sizeof size),
	         r->zero_unused ? "become zeros" : "are discarded");
	bmr_screen_say(screen, line);
}

static const char *read_back_words(const struct bmr_restore *r)
{
	if (!r->read_back)
		return "      3 flush (verify=none: nothing is read back);";
	return r->image->manifest ? "      3 meanwhile flush, read back and compare;"
	                          : "      3 flush, read everything back and compare;";
}

static void say_plan(struct bmr_screen *screen, const struct bmr_restore *r, bool similar)
{
	bmr_screen_say(screen, "plan: 1 zero LBA 0, flush; 2 write all but the first MiB;");
	bmr_screen_say(screen, read_back_words(r));
	bmr_screen_say(screen, "      4 write the first MiB but LBA 0; 5 write LBA 0.");
	if (similar)
		bmr_screen_say(screen, "      The disk looks like a former restore of this image:");
	if (r->compare)
		bmr_screen_say(screen,
		               "      compare=hash: what the disk holds already is not written.");
	if (r->image->manifest)
		say_unused(screen, r);
	bmr_screen_say(screen, "plan: nothing was written");
}

int bmr_job_plan(struct bmr_job *job, const struct bmr_target_info *target, struct bmr_err *e)
{
	struct bmr_restore r;
	bool similar;

	bmr_job_show_target(job, target);
	if (bmr_ready_check(job->session, e) < 0 || bmr_duplicates_check(job, target, e) < 0 ||
	    make_order(job, target, &r, &similar, e) < 0)
		return -1;
	say_plan(job->session->screen, &r, similar);
	bmr_events_send(job->session->events, "planned", add_target, &r);
	return 0;
}

/* --- doing it --- */

struct outcome { /* for the last event and the last words */
	const struct bmr_job *job;
	const char *target;
	const struct bmr_restore_result *result;
	struct bmr_stats stats;
	unsigned not_ready; /* steps after the proof that were ordered and failed */
};

static void add_outcome(void *ctx, struct bmr_json *j)
{
	const struct outcome *o = ctx;
	char digest[BMR_DIGEST_TEXT_SIZE];

	bmr_json_text(j, "image", bmr_source_name(o->job->source));
	bmr_json_text(j, "target", o->target);
	bmr_json_number(j, "bytes", o->result->size);
	if (o->result->left_out)
		bmr_json_number(j, "left_out", o->result->left_out);
	if (o->result->has_sha256)
		bmr_json_text(j, "sha256", bmr_digest_text(&o->result->sha256, digest));
	bmr_json_bool(j, "proven", o->result->proven);
	bmr_json_bool(j, "already", o->result->already);
	bmr_json_number(j, "rewritten", o->result->rewritten);
	bmr_stats_add(&o->stats, j);
	bmr_json_number(j, "not_ready", o->not_ready);
	bmr_json_number(j, "exit", o->not_ready ? BMR_EXIT_NOT_READY : 0);
}

static const char *restored_words(const struct bmr_restore_result *result)
{
	if (result->already)
		return "held the image already; nothing was written";
	return result->proven ? "read back and right" : "NOT read back, as ordered by verify=none";
}

static void say_restored(const struct outcome *o)
{
	char next[64];
	char memory[16];
	char bytes[BMR_BYTES_TEXT_SIZE];
	char digest[BMR_DIGEST_TEXT_SIZE] = "not known";
	char lines[512];
	char title[320];

	if (o->result->has_sha256)
		bmr_digest_text(&o->result->sha256, digest);
	snprintf(title, sizeof title, "bmr: restored %s%s", o->target,
	         o->not_ready ? ", but NOT all that was ordered after it" : "");
	snprintf(lines, sizeof lines, "bmr: %s, %s, %.1f s, memory %s\nbmr: sha256 %s%s",
	         bmr_job_bytes_text(o->result->size, bytes, sizeof bytes),
	         restored_words(o->result), o->stats.seconds,
	         bmr_size_text(bmr_stats_peak_memory(), memory, sizeof memory), digest,
	         bmr_job_next_text(o->job->session, o->not_ready == 0, next, sizeof next));
	bmr_screen_result(o->job->session->screen, o->not_ready == 0, title, lines);
}

int bmr_job_restore(struct bmr_job *job, const struct bmr_target_info *target, struct bmr_err *e)
{
	struct bmr_session *s = job->session;
	double begun = bmr_clock_s();
	struct bmr_restore restore;
	struct bmr_restore_result result;
	struct outcome outcome;
	bool similar;
	int rc;

	bmr_job_show_target(job, target);
	if (bmr_ready_check(s, e) < 0)
		return bmr_err_while(e, "reading the orders; '%s' was not written", target->path);
	if (bmr_duplicates_check(job, target, e) < 0)
		return -1;
	if (make_order(job, target, &restore, &similar, e) < 0)
		return bmr_err_while(e, "looking at the target; '%s' was not written",
		                     target->path);
	if (similar)
		bmr_log_say(s->log, BMR_LOG_NOTICE,
		            "'%s' looks like a former restore of this image: it is read first, and "
		            "only what differs is written (compare=none: do not)",
		            target->path);
	bmr_job_watch(job);
	rc = bmr_restore_run(&restore, &result, e);
	bmr_screen_unwatch(s->screen);
	if (rc < 0)
		return -1;
	outcome = (struct outcome){job,
	                           target->path,
	                           &result,
	                           {"restored", &job->progress, result.size, bmr_clock_s() - begun},
	                           0};
	bmr_duplicates_say(s, target);
	outcome.not_ready = bmr_ready_run(s, target, result.size + result.left_out);
	bmr_events_send(s->events, "restored", add_outcome, &outcome);
	say_restored(&outcome);
	bmr_stats_print(&outcome.stats, s->options, stdout);
	return outcome.not_ready ? BMR_EXIT_NOT_READY : 0;
}
