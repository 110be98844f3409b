/* SPDX-License-Identifier: GPL-3.0-or-later */
/* writer.h - a bmr image as one pure stream into a sink: head, chunks in disk order, manifest, seek
 * table.  With gzip and none, which have no room for a manifest, only the chunks; the manifest can
 * then stand in a second file (the sidecar: head and manifest frame, as in the image).
 *
 * Zero and unused runs become frames of zeros, so that zstd -dc gives the whole disk; in gzip and
 * none they are written out.  Chunks of a base image are not in the file.
 */
#ifndef BMR_IMAGING_BMR_WRITER_H
#define BMR_IMAGING_BMR_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "imaging/bmr/manifest.h"

struct bmr_err;
struct bmr_sink;
struct bmr_writer;

/* Write the head.  sink and manifest are borrowed; the manifest is new and gets its entries here.
 * Errors: the sink's, BMR_E_NOMEM. */
int bmr_writer_open(struct bmr_sink *sink, struct bmr_manifest *manifest, struct bmr_writer **out,
                    struct bmr_err *e);
void bmr_writer_close(struct bmr_writer *w);

/* The next chunk, packed by a packer of the manifest's codec.  One thread.  Errors: the sink's. */
int bmr_writer_chunk(struct bmr_writer *w, const struct bmr_digest_value *digest, const void *frame,
                     size_t stored, struct bmr_err *e);
/* The next `count` chunks are zeros or unused.  The same errors. */
int bmr_writer_run(struct bmr_writer *w, enum bmr_chunk_kind kind, uint32_t count,
                   struct bmr_err *e);
/* The next chunk is in the base image.  The same errors. */
int bmr_writer_base(struct bmr_writer *w, const struct bmr_digest_value *digest, struct bmr_err *e);

/* All chunks are written: seal the manifest, write it and the seek table.  bmr_sink_commit is the
 * caller's.  The same errors. */
int bmr_writer_finish(struct bmr_writer *w, struct bmr_err *e);

/* Bytes written so far. */
uint64_t bmr_writer_bytes(const struct bmr_writer *w);

/* Write a sealed manifest alone, as a sidecar.  The same errors. */
int bmr_writer_sidecar(struct bmr_sink *sink, const struct bmr_manifest *manifest,
                       struct bmr_err *e);

#endif
