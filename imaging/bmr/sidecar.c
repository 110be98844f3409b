/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/bmr/sidecar.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "imaging/image.h"
#include "imaging/bmr/load.h"
#include "transport/source.h"

#define PATIENCE_MS 5000

static bool may_have_one(const struct bmr_image *image)
{
	return !image->manifest && (image->is_bmr || image->format == BMR_FORMAT_GZIP ||
	                            image->format == BMR_FORMAT_RAW);
}

static bool packed_as(const struct bmr_manifest *m, enum bmr_format format)
{
	switch (m->head.pack) {
	case BMR_PACK_ZSTD:
		return format == BMR_FORMAT_ZSTD;
	case BMR_PACK_GZIP:
		return format == BMR_FORMAT_GZIP;
	case BMR_PACK_LZ4:
		return format == BMR_FORMAT_LZ4;
	case BMR_PACK_NONE:
		return format == BMR_FORMAT_RAW;
	}
	return false;
}

/* Of this image, as far as can be told before its chunks are read; they have their own hashes. */
static int check_fits(const struct bmr_manifest *m, const struct bmr_image *image,
                      struct bmr_err *e)
{
	if (!packed_as(m, image->format))
		return bmr_err_set(e, BMR_E_DATA, 0, "it is that of an image packed as %s",
		                   bmr_pack_name(m->head.pack));
	if (image->is_bmr && memcmp(m->head.id, image->head.id, BMR_ID_SIZE) != 0)
		return bmr_err_set(e, BMR_E_DATA, 0, "it is that of another image");
	if (m->head.disk_size < image->layout.needed)
		return bmr_err_set(e, BMR_E_DATA, 0, "it is that of a smaller disk");
	return 0;
}

static int load(const struct bmr_source *of, const struct bmr_source_options *options,
                const struct bmr_image *image, struct bmr_manifest **out, struct bmr_err *e)
{
	struct bmr_source_options quiet = *options;
	struct bmr_source *source;
	int rc;

	bmr_source_options_look(&quiet, PATIENCE_MS);
	if (bmr_source_open_suffix(of, ".manifest", &quiet, &source, e) < 0)
		return e->code == BMR_E_NOMEM || e->code == BMR_E_STOPPED ? -1 : 0;
	rc = bmr_load_sidecar(source, image->file_size, out, e);
	if (rc == 0 && check_fits(*out, image, e) < 0) {
		bmr_manifest_free(*out);
		*out = NULL;
		rc = -1;
	}
	if (rc < 0 && e->code != BMR_E_NOMEM && e->code != BMR_E_STOPPED) {
		bmr_log_say(options->log, BMR_LOG_NOTICE, "'%s' is left aside: %s",
		            bmr_source_name(source), e->msg);
		rc = 0;
	}
	bmr_source_close(source);
	return rc;
}

int bmr_sidecar_find(struct bmr_source *source, const struct bmr_source_options *options,
                     struct bmr_image *image, struct bmr_err *e)
{
	struct bmr_manifest *found = NULL;

	if (!may_have_one(image))
		return 0;
	if (load(source, options, image, &found, e) < 0)
		return -1;
	if (!found)
		return 0;
	image->manifest = found;
	image->head = found->head;
	image->size = image->at_least = found->head.disk_size;
	image->exact = true;
	return 0;
}
