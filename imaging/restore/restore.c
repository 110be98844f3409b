/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/restore/restore.h"

#include <inttypes.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "imaging/restore/body.h"
#include "imaging/restore/chunked.h"
#include "imaging/table/cut.h"
#include "imaging/image.h"
#include "imaging/bmr/manifest.h"
#include "imaging/stage.h"
#include "imaging/restore/steps.h"
#include "imaging/table/table.h"
#include "imaging/disk/target.h"
#include "imaging/verify.h"
#include "transport/source.h"

struct run {
	const struct bmr_restore *r;
	struct bmr_steps steps;
	struct bmr_body *body;
};

static int too_small(const struct bmr_image *image, const struct bmr_target_info *target,
                     uint64_t size, struct bmr_err *e)
{
	bmr_err_set(e, BMR_E_REFUSED, 0,
	            "'%s' is too small: it has %" PRIu64 " bytes and the image needs %" PRIu64
	            ", %" PRIu64 " more",
	            target->path, target->size, size, size - target->size);
	if (image->layout.used_end == 0)
		return -1;
	return bmr_err_while(e,
	                     "making room for partitions, of which the last ends at byte %" PRIu64,
	                     image->layout.used_end);
}

int bmr_restore_check(const struct bmr_image *image, const struct bmr_target_info *target,
                      struct bmr_err *e)
{
	const struct bmr_manifest *m = image->manifest;
	uint64_t size = bmr_cut_least(image);
	/* A file that was captured has sectors of 512 bytes, whatever the table in it was made for. */
	unsigned sector = image->layout.sector || !m ? image->layout.sector : m->head.sector;

	if (!target->is_new && size > target->size)
		return too_small(image, target, size, e);
	if (m && bmr_image_check_sectors(m->head.disk_size, target->sector, e) < 0)
		return -1;
	if (!target->is_file && sector != 0 && sector != target->sector)
		return bmr_err_set(
			e, BMR_E_REFUSED, 0,
			"'%s' has %u-byte sectors and the image is of a disk with %u-byte "
			"sectors: it would not boot",
			target->path, target->sector, sector);
	return 0;
}

/* --- step 4: is it right? --- */

/* While a file is open its replacement cannot be seen.  A server that has gone since is no reason
 * to throw away what came whole. */
static int check_unchanged(const struct bmr_restore *r, struct bmr_chunked *chunked,
                           struct bmr_err *e)
{
	if (r->sha256)
		return 0;
	if (chunked ? bmr_chunked_check_unchanged(chunked, e) == 0
	            : bmr_source_check_unchanged(r->source, e) == 0)
		return 0;
	if (e->code == BMR_E_DATA || e->code == BMR_E_STOPPED)
		return -1;
	bmr_log_say(r->log, BMR_LOG_NOTICE, "cannot ask whether the image is still the same: %s",
	            e->msg);
	return 0;
}

/* Step 3 ends: the image has `size` bytes, and all of them are on the disk. */
static int settle(const struct bmr_restore *r, struct bmr_steps *steps, uint64_t size,
                  struct bmr_err *e)
{
	uint64_t since;
	int rc;

	if (bmr_steps_wipe_tail(steps, size, e) < 0)
		return -1;
	since = bmr_clock_ns();
	rc = bmr_target_flush(steps->target, e);
	bmr_lap(&r->progress->stages, BMR_STAGE_FLUSH, &since);
	return rc;
}

/* --- an image without a manifest: one stream --- */

static int finish_body(struct run *run, uint64_t size, struct bmr_err *e)
{
	struct bmr_table_fit fit;
	size_t len;
	const uint8_t *first = bmr_body_first(run->body, &len);
	int rc = bmr_steps_fit(run->r, first, len, size, &fit, e);

	if (rc == 0)
		rc = bmr_steps_finish(&run->steps, first, len, &fit, e);
	bmr_table_fit_clear(&fit);
	return rc;
}

static int restore_body(struct run *run, struct bmr_restore_result *result, struct bmr_err *e)
{
	const struct bmr_restore *r = run->r;
	struct bmr_steps *steps = &run->steps;
	struct bmr_pipe_result pipe;

	bmr_restore_enter(r, BMR_PHASE_WRITE);
	/* A new file gets a size at once: killed half way, it can be restored to again. */
	if (bmr_steps_begin(steps, e) < 0 ||
	    bmr_target_set_size(steps->target, r->image->at_least, e) < 0 ||
	    bmr_body_write(run->body, steps->target, &pipe, e) < 0 ||
	    bmr_image_check_size(r->image, pipe.size, r->target->sector, e) < 0 ||
	    bmr_digest_expect(&pipe.sha256, r->sha256, e) < 0 ||
	    bmr_target_set_size(steps->target, pipe.size, e) < 0 ||
	    settle(r, steps, pipe.size, e) < 0)
		return -1;
	if (r->read_back && bmr_body_read_back(run->body, &pipe, &result->rewritten, e) < 0)
		return -1;
	if (check_unchanged(r, NULL, e) < 0 || finish_body(run, pipe.size, e) < 0)
		return -1;
	result->size = pipe.size;
	result->has_sha256 = true;
	result->sha256 = pipe.sha256;
	result->rewritten += steps->checked.rewritten;
	return 0;
}

static int write_and_prove(const struct bmr_restore *r, struct bmr_restore_result *result,
                           struct bmr_err *e)
{
	struct run run = {.r = r};
	int rc;

	rc = bmr_body_open(r, &run.body, e);
	if (rc == 0)
		rc = bmr_steps_open(&run.steps, r, e);
	if (rc < 0)
		bmr_steps_not_written(r, "opening the target", e);
	else
		rc = bmr_steps_close(&run.steps, restore_body(&run, result, e), e);
	bmr_body_close(run.body);
	return rc;
}

/* A disk that is too small must be refused before it is touched.  Where nothing says for certain
 * how large the image is, and what is likely does not fit, it is unpacked once.  Without even that,
 * where a partition table says how much there is at least, only if the disk is not much larger. */
static bool must_measure(const struct bmr_image *image, const struct bmr_target_info *target)
{
	if (image->exact)
		return false;
	if (image->likely >= image->at_least && image->likely > 0)
		return image->likely > target->size;
	return image->layout.table == BMR_TABLE_NONE || target->size / 2 < image->at_least;
}

/* Why the whole image is to be read before the disk is touched; NULL if it need not be.  A new file
 * holds nothing that could be lost. */
static const char *why_read_first(const struct bmr_restore *r, const struct bmr_image *image)
{
	if (r->target->is_new)
		return NULL;
	if (r->sha256)
		return "reading the image once, so that a wrong SHA-256 leaves the disk as it is";
	if (must_measure(image, r->target))
		return "the image does not say how large it is: reading it once to know";
	return NULL;
}

static int read_first(const struct bmr_restore *r, struct bmr_image *image, const char *why,
                      struct bmr_err *e)
{
	struct bmr_pipe pipe = {
		.source = r->source,
		.format = image->format,
		.progress = &r->progress->pipe,
		.stop = r->stop,
	};
	struct bmr_pipe_result result;

	bmr_log_say(r->log, BMR_LOG_NOTICE, "%s", why);
	bmr_restore_enter(r, BMR_PHASE_MEASURE);
	if (bmr_pipe_run(&pipe, &result, e) < 0 ||
	    bmr_image_check_size(image, result.size, r->target->sector, e) < 0 ||
	    bmr_digest_expect(&result.sha256, r->sha256, e) < 0)
		return -1;
	image->size = image->at_least = result.size;
	image->exact = true;
	return 0;
}

/* *same: the disk holds the image already. */
static int compare_first(const struct bmr_restore *r, struct bmr_restore_result *result, bool *same,
                         struct bmr_err *e)
{
	struct bmr_verify verify = {
		.source = r->source,
		.image = r->image,
		.target = r->target,
		.first_difference_ends = true,
		.fitted = r->fit_table,
		.progress = r->progress,
		.stop = r->stop,
	};
	struct bmr_verify_result found;

	bmr_restore_enter(r, BMR_PHASE_COMPARE);
	if (bmr_verify_run(&verify, &found, e) < 0)
		return -1;
	*same = found.differing == 0;
	if (!*same)
		return 0;
	if (bmr_digest_expect(&found.sha256, r->sha256, e) < 0)
		return -1;
	result->size = found.size;
	result->has_sha256 = true;
	result->sha256 = found.sha256;
	result->already = true;
	return 0;
}

/* Step 1: all that can be found out by reading alone. */
static int prepare_stream(const struct bmr_restore *r, struct bmr_image *image,
                          struct bmr_restore_result *result, bool *same, struct bmr_err *e)
{
	const char *why = why_read_first(r, image);

	if (why && read_first(r, image, why, e) < 0)
		return bmr_steps_not_written(r, "reading the image", e);
	if (why && bmr_restore_check(image, r->target, e) < 0)
		return bmr_steps_not_written(r, "checking", e);
	if (r->compare && !r->target->is_new && compare_first(r, result, same, e) < 0)
		return bmr_steps_not_written(r, "comparing", e);
	if (!*same && bmr_restore_stopped(r)) {
		bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
		return bmr_steps_not_written(r, "preparing", e);
	}
	return 0;
}

/* What is not in the file stands nowhere in a stream: without the manifest nobody knows where. */
static int check_whole(const struct bmr_restore *r, struct bmr_err *e)
{
	if (!r->image->is_bmr || !r->image->head.has_base)
		return 0;
	bmr_err_set(e, BMR_E_DATA, 0,
	            "the image is incremental, and its server sends no byte ranges: have a sidecar "
	            "beside it (bmr capture --sidecar=yes), or use bmr merge");
	return bmr_steps_not_written(r, "checking", e);
}

static int restore_stream(const struct bmr_restore *restore, struct bmr_restore_result *result,
                          struct bmr_err *e)
{
	struct bmr_restore r = *restore;
	struct bmr_image image = *restore->image; /* measuring adds to what is known of it */
	bool same = false;

	r.image = &image;
	if (check_whole(&r, e) < 0 || prepare_stream(&r, &image, result, &same, e) < 0)
		return -1;
	return same ? 0 : write_and_prove(&r, result, e);
}

/* --- an image with a manifest --- */

struct chunked_run {
	const struct bmr_restore *r;
	struct bmr_steps steps; /* .target is NULL until something is to be written */
	struct bmr_chunked *chunked;
};

static int begin(void *ctx, struct bmr_target **target, struct bmr_err *e)
{
	struct chunked_run *run = ctx;

	bmr_restore_enter(run->r, BMR_PHASE_WRITE);
	if (bmr_steps_open(&run->steps, run->r, e) < 0 || bmr_steps_begin(&run->steps, e) < 0 ||
	    bmr_target_set_size(run->steps.target, run->r->image->manifest->head.disk_size, e) < 0)
		return -1;
	*target = run->steps.target;
	return 0;
}

/* Steps 4 to 7; nothing of them if the disk held the image. */
static int end(struct chunked_run *run, struct bmr_restore_result *result, struct bmr_err *e)
{
	const struct bmr_restore *r = run->r;
	struct bmr_steps *steps = &run->steps;
	size_t len;
	const uint8_t *first = bmr_chunked_first(run->chunked, &len);

	result->already = !steps->target;
	if (!result->already && settle(r, steps, r->image->manifest->head.disk_size, e) < 0)
		return -1;
	if (r->read_back || r->sha256)
		bmr_restore_enter(r, BMR_PHASE_READBACK);
	if (bmr_chunked_prove(run->chunked, e) < 0 || check_unchanged(r, run->chunked, e) < 0)
		return -1;
	if (!result->already &&
	    bmr_steps_finish(steps, first, len, bmr_chunked_fit(run->chunked), e) < 0)
		return -1;
	result->rewritten = bmr_chunked_rewritten(run->chunked) + steps->checked.rewritten;
	return 0;
}

/* The manifest's word is asked first: it may say that this is another image. */
static int check_manifest(const struct bmr_restore *r, struct bmr_image *image, struct bmr_err *e)
{
	const struct bmr_manifest *m = image->manifest;

	if (!r->sha256)
		return 0;
	if (m->has_sha256)
		return bmr_digest_expect(&m->sha256, r->sha256, e);
	if (r->target->is_new || m->head.has_base)
		return 0; /* known when it is written, before it could boot */
	return read_first(r, image, why_read_first(r, image), e);
}

static int restore_opened(struct chunked_run *run, struct bmr_restore_result *result,
                          struct bmr_err *e)
{
	const struct bmr_restore *r = run->r;
	const struct bmr_manifest *m = r->image->manifest;
	int rc;

	if (r->compare && !r->target->is_new)
		bmr_restore_enter(r, BMR_PHASE_COMPARE);
	rc = bmr_chunked_run(run->chunked, begin, run, e);
	if (rc == 0)
		rc = end(run, result, e);
	if (run->steps.target)
		rc = bmr_steps_close(&run->steps, rc, e);
	else if (rc < 0)
		bmr_steps_not_written(r, "comparing", e);
	result->size = m->head.disk_size;
	result->has_sha256 = r->sha256 || m->has_sha256;
	result->sha256 = r->sha256 ? *r->sha256 : m->sha256;
	return rc;
}

/* On a disk that is smaller than the image's, what no partition uses is left out. */
static void cut_image(const struct bmr_restore *r, struct bmr_image *image,
                      struct bmr_manifest *cut, struct bmr_restore_result *result)
{
	uint64_t size = image->manifest->head.disk_size;

	if (r->target->is_new || r->target->size >= size)
		return;
	bmr_cut_manifest(image, r->target->size, cut);
	result->left_out = size - cut->head.disk_size;
	bmr_log_say(r->log, BMR_LOG_NOTICE,
	            "'%s' is smaller than the image's disk: the last %" PRIu64 " of %" PRIu64
	            " bytes, which no partition uses, are left out",
	            r->target->path, result->left_out, size);
	image->manifest = cut;
}

static int restore_chunked(const struct bmr_restore *restore, struct bmr_restore_result *result,
                           struct bmr_err *e)
{
	struct bmr_restore r = *restore;
	struct bmr_image image = *restore->image;
	struct chunked_run run = {.r = &r};
	struct bmr_manifest cut;
	int rc;

	r.image = &image;
	if (check_manifest(&r, &image, e) < 0)
		return bmr_steps_not_written(&r, "reading the image", e);
	cut_image(&r, &image, &cut, result);
	if (result->left_out) {
		r.sha256 = NULL; /* it was checked, by reading all of the image or its manifest */
		r.fit_table = true;
	}
	if (bmr_chunked_open(&r, &run.chunked, e) < 0)
		return bmr_steps_not_written(&r, "preparing", e);
	rc = restore_opened(&run, result, e);
	bmr_chunked_close(run.chunked);
	return rc;
}

int bmr_restore_run(const struct bmr_restore *r, struct bmr_restore_result *result,
                    struct bmr_err *e)
{
	memset(result, 0, sizeof *result);
	bmr_restore_enter(r, BMR_PHASE_PREPARE);
	if (bmr_restore_check(r->image, r->target, e) < 0)
		return bmr_steps_not_written(r, "checking", e);
	if ((r->image->manifest ? restore_chunked : restore_stream)(r, result, e) < 0)
		return -1;
	result->proven = r->read_back || result->already;
	bmr_restore_enter(r, BMR_PHASE_DONE);
	return 0;
}
