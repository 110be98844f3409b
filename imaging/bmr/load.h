/* SPDX-License-Identifier: GPL-3.0-or-later */
/* load.h - fetch the manifest of a bmr image: from the tail of its file, or from a sidecar. */
#ifndef BMR_IMAGING_BMR_LOAD_H
#define BMR_IMAGING_BMR_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bmr_err;
struct bmr_manifest;
struct bmr_source;

/* Is this the beginning (BMR_FORMAT_HEAD bytes) of a bmr image or of a sidecar? */
bool bmr_load_is_bmr(const uint8_t *head, size_t len);

/* From the file itself, which must be seekable and have a known size: footer, seek table, manifest,
 * head; manifest and seek table must agree on every frame and cover the file to its last byte.
 * *out is freed by bmr_manifest_free.
 * Errors: the source's; BMR_E_DATA (no manifest: cut; damaged; they do not agree). */
int bmr_load_manifest(struct bmr_source *source, struct bmr_manifest **out, struct bmr_err *e);

/* The same, but judge() is asked before anything of head and manifest is looked into: frames are
 * their bytes in the file, with the frames' headers (2 pieces; what IMAGE.manifest holds).
 * Errors: also judge's. */
struct bmr_load_piece {
	const uint8_t *data;
	size_t len;
};
typedef int bmr_load_judge(void *ctx, const struct bmr_load_piece frames[2], struct bmr_err *e);
int bmr_load_judged(struct bmr_source *source, bmr_load_judge *judge, void *ctx,
                    struct bmr_manifest **out, struct bmr_err *e);

/* From a sidecar, read from its start to its end; image_size is that of the image's file
 * (BMR_SOURCE_SIZE_UNKNOWN allowed), which must fit.  The same errors. */
int bmr_load_sidecar(struct bmr_source *sidecar, uint64_t image_size, struct bmr_manifest **out,
                     struct bmr_err *e);

#endif
