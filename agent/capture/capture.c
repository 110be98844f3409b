/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/capture/capture.h"

#include <stdio.h>
#include <string.h>

#include "agent/capture/task.h"
#include "agent/session.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/size.h"
#include "imaging/bmr/chain.h"
#include "imaging/bmr/writer.h"
#include "transport/beside.h"
#include "transport/sink.h"

#define SHA256_ALWAYS (8 * BMR_GIB)

void bmr_capture_enter(struct bmr_capture_task *t, enum bmr_phase phase)
{
	atomic_store(&t->progress.phase, phase);
	bmr_events_text(t->session->events, "phase", "phase", bmr_phase_name(phase));
}

/* --- the image --- */

static bool base_digest(const void *ctx, uint32_t chunk, struct bmr_digest_value *digest)
{
	const struct bmr_capture_task *t = ctx;
	struct bmr_chain_place place;

	if (chunk >= bmr_manifest_chunks(t->base_manifest))
		return false;
	bmr_chain_find(t->base, chunk, &place);
	if (place.kind != BMR_CHUNK_DATA)
		return false;
	*digest = *place.digest;
	return true;
}

/* The SHA-256 of a whole disk cannot skip what is empty: of a large disk with little on it, it would
 * take many times as long as all the rest. */
static bool worth_sha256(struct bmr_capture_task *t)
{
	/* Nothing else could prove what is read back of gzip and none. */
	bool needed = t->params->verify == BMR_VERIFY_FULL && t->manifest->data_start == 0;

	if (needed || t->info.size <= SHA256_ALWAYS || t->info.size / 4 <= t->used.bytes)
		return true;
	bmr_log_say(t->session->log, BMR_LOG_INFO,
	            "the disk is mostly empty: the image says the SHA-256 of every chunk, not "
	            "that of the whole disk");
	return false;
}

static int capture_to(struct bmr_capture_task *t, struct bmr_target *disk, struct bmr_sink *sink,
                      struct bmr_err *e)
{
	struct bmr_capture capture = {
		.disk = disk,
		.used = &t->used,
		.manifest = t->manifest,
		.sink = sink,
		.level = t->level,
		.sha256 = worth_sha256(t),
		.rate = t->params->rate,
		.base = t->base ? base_digest : NULL,
		.ctx = t,
		.progress = &t->progress,
		.stop = &t->session->stop,
		.log = t->session->log,
	};

	return bmr_capture_run(&capture, &t->result, e);
}

/* *sink stays open, its file without its name. */
static int write_image(struct bmr_capture_task *t, struct bmr_target *disk, struct bmr_sink **sink,
                       struct bmr_err *e)
{
	struct bmr_err ignored; /* a capture that nobody sees is still a capture */
	int rc;

	if (bmr_sink_open(t->url, &t->options, t->params->replace == BMR_SWITCH_YES, sink, e) < 0)
		return -1;
	bmr_screen_fact(t->session->screen, "image", bmr_sink_name(*sink));
	bmr_capture_enter(t, BMR_PHASE_CAPTURE);
	bmr_screen_watch(t->session->screen, &t->progress, UINT64_MAX, t->used.bytes, &ignored);
	rc = capture_to(t, disk, *sink, e);
	bmr_screen_unwatch(t->session->screen);
	return rc < 0 ? -1 : bmr_sink_commit(*sink, e);
}

/* --- the manifest beside it --- */

static int write_sidecar(struct bmr_capture_task *t, struct bmr_err *e)
{
	bool wanted = t->params->sidecar == BMR_SWITCH_YES ||
	              (t->params->sidecar == BMR_SWITCH_AUTO && t->manifest->data_start == 0);
	AUTO_FREE char *url = NULL;
	struct bmr_sink *sink;
	int rc = -1;

	if (!wanted)
		return 0;
	if (bmr_beside_sidecar(t->url, &url, e) < 0 ||
	    bmr_sink_open(url, &t->options, t->params->replace == BMR_SWITCH_YES, &sink, e) < 0)
		return -1;
	if (bmr_writer_sidecar(sink, t->manifest, e) == 0)
		rc = bmr_sink_commit(sink, e);
	bmr_sink_close(sink);
	return rc;
}

/* --- from beginning to end --- */

static int run_opened(struct bmr_capture_task *t, struct bmr_target *disk, char *image, size_t len,
                      struct bmr_err *e)
{
	struct bmr_sink *sink = NULL;
	int rc = write_image(t, disk, &sink, e);

	if (rc == 0)
		snprintf(image, len, "%s", bmr_sink_name(sink));
	bmr_sink_close(sink);
	if (rc == 0 && write_sidecar(t, e) < 0)
		rc = bmr_err_while(e, "writing the manifest beside the image, which is there");
	return rc;
}

static int run(struct bmr_capture_task *t, struct bmr_err *e)
{
	struct bmr_target *disk = NULL;
	struct bmr_err ignored; /* it was only read */
	char image[400] = "";
	int rc;

	if (bmr_target_open_readonly(&t->info, &disk, e) < 0)
		return -1;
	rc = run_opened(t, disk, image, sizeof image, e);
	bmr_target_close(disk, &ignored);
	if (rc < 0 || (t->params->verify == BMR_VERIFY_FULL && bmr_capture_read_back(t, e) < 0))
		return -1;
	bmr_capture_say(t, image);
	return t->result.bad > 0 ? BMR_CAPTURE_EXIT_BAD : 0;
}

static int plan(struct bmr_capture_task *t, struct bmr_err *e)
{
	if (bmr_sink_check(t->url, &t->options, t->params->replace == BMR_SWITCH_YES, e) < 0)
		return -1;
	bmr_capture_plan(t);
	return 0;
}

int bmr_capture_disk(struct bmr_session *session, const char *disk, const char *url,
                     struct bmr_err *e)
{
	struct bmr_capture_task t = {
		.session = session,
		.params = &session->options->params,
		.url = url,
		.start = bmr_clock_s(),
	};
	int rc = bmr_capture_prepare(&t, disk, e);

	if (rc == 0 && session->options->plan)
		rc = plan(&t, e);
	else if (rc == 0)
		rc = run(&t, e);
	bmr_used_clear(&t.used);
	bmr_manifest_free(t.manifest);
	bmr_capture_close_base(&t);
	bmr_disk_clear(&t.disk);
	return rc;
}
