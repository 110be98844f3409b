/* SPDX-License-Identifier: GPL-3.0-or-later */
/* check.c - the finished image is read back, from where it was written to. */
#include "agent/capture/task.h"

#include <inttypes.h>

#include "agent/job.h"
#include "agent/session.h"
#include "base/err.h"
#include "imaging/bmr/chain.h"
#include "imaging/bmr/load.h"
#include "imaging/restore/pipe.h"
#include "imaging/verify_chunks.h"

static int count_work(void *ctx, const struct bmr_chunk *chunk, unsigned worker, struct bmr_err *e)
{
	struct bmr_capture_task *t = ctx;

	(void)worker;
	(void)e;
	atomic_fetch_add(&t->progress.verified, chunk->len);
	return 0;
}

/* As any tool would unpack it: every byte, in order. */
static int unpack_all(struct bmr_capture_task *t, struct bmr_source *source, struct bmr_err *e)
{
	static const enum bmr_format formats[] = {
		[BMR_PACK_ZSTD] = BMR_FORMAT_ZSTD,
		[BMR_PACK_GZIP] = BMR_FORMAT_GZIP,
		[BMR_PACK_LZ4] = BMR_FORMAT_LZ4,
		[BMR_PACK_NONE] = BMR_FORMAT_RAW,
	};
	struct bmr_pipe pipe = {
		.source = source,
		.format = formats[t->pack],
		.workers = 1,
		.work = count_work,
		.ctx = t,
		.stop = &t->session->stop,
	};
	struct bmr_pipe_result out;

	atomic_store(&t->progress.to_verify, t->info.size);
	if (bmr_pipe_run(&pipe, &out, e) < 0)
		return -1;
	if (out.size != t->info.size ||
	    (t->manifest->has_sha256 && !bmr_digest_equal(&out.sha256, &t->manifest->sha256)))
		return bmr_err_set(e, BMR_E_DATA, 0, "the image does not unpack to what was read");
	return 0;
}

/* Each chunk by its own digest; also those of the images it is based on. */
static int check_chunks(struct bmr_capture_task *t, struct bmr_source *source,
                        const struct bmr_manifest *manifest, struct bmr_err *e)
{
	struct bmr_verify_chunks verify = {
		.progress = &t->progress,
		.stop = &t->session->stop,
	};
	struct bmr_verify_chunks_result found;
	int rc;

	if (bmr_chain_open(source, manifest, t->params->base, &t->options, NULL, &verify.chain, e) <
	    0)
		return -1;
	rc = bmr_verify_chunks_run(&verify, &found, e);
	bmr_chain_close(verify.chain);
	if (rc == 0 && found.bad.count > 0)
		rc = bmr_err_set(e, BMR_E_DATA, 0, "%" PRIu64 " chunks are damaged: %s",
		                 found.bad.count, found.bad.chunks[0].reason);
	return rc;
}

static int check_image(struct bmr_capture_task *t, struct bmr_source *source, struct bmr_err *e)
{
	struct bmr_manifest *manifest = NULL;
	int rc = 0;

	if (t->manifest->data_start > 0 && bmr_source_seekable(source)) {
		rc = bmr_load_manifest(source, &manifest, e);
		if (rc == 0 && !bmr_digest_equal(&manifest->root, &t->manifest->root))
			rc = bmr_err_set(e, BMR_E_DATA, 0, "it is another image");
	}
	if (rc == 0)
		rc = manifest && (t->base || !t->manifest->has_sha256)
		             ? check_chunks(t, source, manifest, e)
		             : unpack_all(t, source, e);
	bmr_manifest_free(manifest);
	return rc;
}

int bmr_capture_read_back(struct bmr_capture_task *t, struct bmr_err *e)
{
	struct bmr_source *source;
	struct bmr_err ignored; /* as above */
	int rc;

	bmr_capture_enter(t, BMR_PHASE_READBACK);
	if (bmr_source_open(t->url, &t->options, &source, e) < 0)
		return bmr_err_while(e, "reading back the image, which is there");
	bmr_screen_watch(t->session->screen, &t->progress, UINT64_MAX, t->info.size, &ignored);
	rc = check_image(t, source, e);
	bmr_screen_unwatch(t->session->screen);
	bmr_source_close(source);
	return rc < 0 ? bmr_err_while(e, "reading back the image, which is there: do not trust it")
	              : 0;
}
