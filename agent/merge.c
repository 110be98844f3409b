/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/merge.h"

#include <inttypes.h>
#include <stdio.h>

#include "agent/credentials.h"
#include "agent/job.h"
#include "agent/job_internal.h"
#include "agent/session.h"
#include "agent/stats.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/size.h"
#include "imaging/bmr/chain.h"
#include "imaging/codec/frame.h"
#include "imaging/bmr/merge.h"
#include "imaging/bmr/writer.h"
#include "transport/beside.h"
#include "transport/sink.h"

struct outcome { /* for the last event and the last words */
	struct bmr_job *job;
	char out[320]; /* name of the new image, without secrets */
	uint32_t images;
	struct bmr_merge_result result;
	double seconds;
};

/* --- what is said of it --- */

static struct bmr_stats stats_of(const struct outcome *o)
{
	return (struct bmr_stats){"merged", &o->job->progress, o->result.manifest->head.disk_size,
	                          o->seconds};
}

static void add_outcome(void *ctx, struct bmr_json *j)
{
	const struct outcome *o = ctx;
	const struct bmr_manifest *m = o->result.manifest;
	struct bmr_stats stats = stats_of(o);
	char text[BMR_DIGEST_TEXT_SIZE];

	bmr_json_text(j, "image", bmr_source_name(o->job->source));
	bmr_json_text(j, "target", o->out);
	bmr_json_number(j, "images", o->images);
	bmr_json_number(j, "bytes", m->head.disk_size);
	bmr_json_number(j, "stored", o->result.bytes);
	bmr_json_number(j, "copied", o->result.copied);
	bmr_json_number(j, "repacked", o->result.repacked);
	bmr_json_text(j, "id", bmr_id_text(m->head.id, text));
	bmr_json_text(j, "root", bmr_digest_text(&m->root, text));
	if (m->has_sha256)
		bmr_json_text(j, "sha256", bmr_digest_text(&m->sha256, text));
	bmr_stats_add(&stats, j);
	bmr_json_number(j, "exit", 0);
}

static void say_merged(struct outcome *o)
{
	struct bmr_session *s = o->job->session;
	struct bmr_stats stats = stats_of(o);
	char bytes[BMR_BYTES_TEXT_SIZE];
	char stored[16];
	char lines[512];
	char title[400];

	bmr_events_send(s->events, "merged", add_outcome, o);
	bmr_stats_print(&stats, s->options, stdout);
	snprintf(title, sizeof title, "bmr: merged %" PRIu32 " images into %s", o->images, o->out);
	snprintf(lines, sizeof lines,
	         "bmr: a disk of %s in %s\nbmr: %" PRIu64 " chunks copied, %" PRIu64
	         " packed anew, %.1f s",
	         bmr_job_bytes_text(o->result.manifest->head.disk_size, bytes, sizeof bytes),
	         bmr_size_text(o->result.bytes, stored, sizeof stored), o->result.copied,
	         o->result.repacked, o->seconds);
	bmr_screen_result(s->screen, true, title, lines);
}

/* --- doing it --- */

/* A sink whose file gets its name only if write() succeeds. */
static int with_sink(struct bmr_job *job, const char *url,
                     int (*write)(void *ctx, struct bmr_sink *sink, struct bmr_err *e), void *ctx,
                     struct bmr_err *e)
{
	struct bmr_session *s = job->session;
	bool replace = s->options->params.replace == BMR_SWITCH_YES;
	struct bmr_sink *sink;
	int rc;

	if (bmr_sink_open(url, &job->source_options, replace, &sink, e) < 0)
		return -1;
	rc = write(ctx, sink, e);
	if (rc == 0)
		rc = bmr_sink_commit(sink, e);
	bmr_sink_close(sink);
	return rc;
}

struct work {
	struct bmr_merge merge;
	struct outcome *outcome;
};

static int write_image(void *ctx, struct bmr_sink *sink, struct bmr_err *e)
{
	struct work *w = ctx;
	struct bmr_job *job = w->outcome->job;
	int rc;

	w->merge.sink = sink;
	snprintf(w->outcome->out, sizeof w->outcome->out, "%s", bmr_sink_name(sink));
	bmr_screen_fact(job->session->screen, "target", bmr_sink_name(sink));
	atomic_store(&job->progress.phase, BMR_PHASE_WRITE);
	bmr_job_watch_chain(job, w->merge.chain);
	rc = bmr_merge_run(&w->merge, &w->outcome->result, e);
	bmr_screen_unwatch(job->session->screen);
	return rc;
}

static int write_sidecar(void *ctx, struct bmr_sink *sink, struct bmr_err *e)
{
	const struct work *w = ctx;

	return bmr_writer_sidecar(sink, w->outcome->result.manifest, e);
}

static int write_both(struct work *w, const char *out, struct bmr_err *e)
{
	struct bmr_job *job = w->outcome->job;
	int sidecar = job->session->options->params.sidecar;
	AUTO_FREE char *url = NULL;

	if (with_sink(job, out, write_image, w, e) < 0)
		return -1;
	if (sidecar == BMR_SWITCH_NO ||
	    (sidecar == BMR_SWITCH_AUTO && w->outcome->result.manifest->data_start > 0))
		return 0;
	if (bmr_beside_sidecar(out, &url, e) < 0)
		return -1;
	return with_sink(job, url, write_sidecar, w, e);
}

static int merge_chain(struct bmr_job *job, struct bmr_chain *chain, const char *out,
                       struct bmr_err *e)
{
	struct outcome outcome = {.job = job, .images = bmr_chain_count(chain)};
	struct work w = {
		.merge = {.chain = chain, .progress = &job->progress, .stop = &job->session->stop},
		.outcome = &outcome};
	double start = bmr_clock_s();
	int rc;

	if (bmr_pack_parse(job->session->options->params.compress, &w.merge.pack, &w.merge.level,
	                   e) < 0)
		return -1;
	rc = write_both(&w, out, e);
	outcome.seconds = bmr_clock_s() - start;
	if (rc == 0)
		say_merged(&outcome);
	bmr_manifest_free(outcome.result.manifest);
	return rc;
}

static int merge_job(struct bmr_job *job, const char *out, struct bmr_err *e)
{
	struct bmr_chain *chain;
	int rc;

	if (!job->image.manifest)
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "'%s' is not a bmr image that can be read at random: there is "
		                   "nothing to merge",
		                   bmr_source_name(job->source));
	if (bmr_chain_open(job->source, job->image.manifest, job->session->options->params.base,
	                   &job->source_options, job->trust, &chain, e) < 0)
		return -1;
	rc = merge_chain(job, chain, out, e);
	bmr_chain_close(chain);
	return rc;
}

int bmr_merge_image(struct bmr_session *session, const char *images, const char *out,
                    struct bmr_err *e)
{
	struct bmr_job job;
	int rc = bmr_job_open(session, images, &job, e);

	if (rc == 0)
		rc = bmr_credentials_hide(out, session->log, e);
	if (rc == 0)
		rc = merge_job(&job, out, e);
	bmr_job_close(&job);
	return rc;
}
