/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/bmr/writer.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "imaging/bmr/container.h"
#include "imaging/codec/frame.h"
#include "transport/sink.h"

struct bmr_writer {
	struct bmr_sink *sink;
	struct bmr_manifest *manifest;
	struct bmr_seek_table *seek; /* NULL: the codec has no room for one */
	uint64_t bytes;
	uint32_t next; /* chunk */

	/* A run that goes on as long as chunks of its kind come; then it is written as one. */
	enum bmr_chunk_kind run_kind;
	uint32_t run_count;

	/* Zeros: for zstd room for one frame of any length; else a packed chunk of them, and what the
	 * last one, which is shorter, is made from. */
	uint8_t *zeros; /* chunk_size bytes */
	uint8_t *frame;
	size_t frame_room;
	size_t frame_len;
	struct bmr_packer *packer;
};

static int put(struct bmr_writer *w, const void *data, size_t len, struct bmr_err *e)
{
	if (bmr_sink_write(w->sink, data, len, e) < 0)
		return -1;
	w->bytes += len;
	return 0;
}

static int add_line(struct bmr_writer *w, uint64_t stored, uint64_t content, struct bmr_err *e)
{
	if (!w->seek)
		return 0;
	return bmr_seek_table_add(w->seek, (uint32_t)stored, (uint32_t)content, e);
}

/* --- frames that hold no chunk --- */

static int put_skippable(struct bmr_writer *w, const uint8_t *payload, size_t len,
                         struct bmr_err *e)
{
	uint8_t header[BMR_SKIPPABLE_HEADER];

	bmr_skippable_put(header, BMR_SKIPPABLE_MAGIC, (uint32_t)len);
	if (put(w, header, sizeof header, e) < 0 || put(w, payload, len, e) < 0)
		return -1;
	return add_line(w, sizeof header + len, 0, e);
}

static int put_head(struct bmr_writer *w, struct bmr_err *e)
{
	AUTO_FREE uint8_t *payload = NULL;
	size_t len;

	if (bmr_head_encode(&w->manifest->head, &payload, &len, e) < 0)
		return -1;
	return put_skippable(w, payload, len, e);
}

static int put_manifest(struct bmr_writer *w, struct bmr_err *e)
{
	AUTO_FREE uint8_t *payload = NULL;
	size_t len;

	if (bmr_manifest_encode(w->manifest, &payload, &len, e) < 0)
		return -1;
	return put_skippable(w, payload, len, e);
}

static int put_guard(struct bmr_writer *w, struct bmr_err *e)
{
	uint8_t guard[BMR_GUARD_FRAME_MOST];
	size_t len = bmr_guard_frame(guard);

	if (put(w, guard, len, e) < 0)
		return -1;
	return add_line(w, len, 0, e);
}

static int put_start(struct bmr_writer *w, struct bmr_err *e)
{
	if (!w->seek)
		return 0;
	if (put_head(w, e) < 0)
		return -1;
	return w->manifest->head.has_base ? put_guard(w, e) : 0;
}

/* --- zeros --- */

static int pack_zeros(struct bmr_writer *w, size_t len, struct bmr_err *e)
{
	return bmr_packer_run(w->packer, w->zeros, len, w->frame, w->frame_room, &w->frame_len, e);
}

static int prepare_zeros(struct bmr_writer *w, struct bmr_err *e)
{
	const struct bmr_head *head = &w->manifest->head;
	enum bmr_codec_id pack;
	int level;

	w->frame_room = head->pack == BMR_PACK_ZSTD ? bmr_zero_frame(BMR_RUN_MOST, NULL, 0)
	                                            : bmr_pack_bound(head->pack, head->chunk_size);
	w->frame = malloc(w->frame_room);
	if (!w->frame)
		return bmr_err_nomem(e, "a frame of zeros");
	if (head->pack == BMR_PACK_ZSTD)
		return 0;
	w->zeros = calloc(1, head->chunk_size);
	if (!w->zeros)
		return bmr_err_nomem(e, "a frame of zeros");
	if (bmr_pack_parse(bmr_pack_name(head->pack), &pack, &level, e) < 0 ||
	    bmr_packer_open(pack, level, head->chunk_size, &w->packer, e) < 0)
		return -1;
	return pack_zeros(w, head->chunk_size, e);
}

static int put_zero_frame(struct bmr_writer *w, uint64_t bytes, struct bmr_err *e)
{
	return put(w, w->frame, bmr_zero_frame(bytes, w->frame, w->frame_room), e);
}

static int put_zero_chunks(struct bmr_writer *w, uint64_t bytes, struct bmr_err *e)
{
	uint32_t chunk_size = w->manifest->head.chunk_size;

	for (; bytes >= chunk_size; bytes -= chunk_size)
		if (put(w, w->frame, w->frame_len, e) < 0)
			return -1;
	/* Only the last chunk of the disk is short: the packed one is not needed again. */
	if (bytes > 0 &&
	    (pack_zeros(w, (size_t)bytes, e) < 0 || put(w, w->frame, w->frame_len, e) < 0))
		return -1;
	return 0;
}

static int put_run(struct bmr_writer *w, uint32_t count, struct bmr_err *e)
{
	struct bmr_manifest_entry entry = {
		.offset = w->bytes,
		.first = w->next,
		.count = count,
		.kind = w->run_kind,
	};
	uint64_t bytes = bmr_manifest_entry_bytes(w->manifest, &entry);
	int rc = w->manifest->head.pack == BMR_PACK_ZSTD ? put_zero_frame(w, bytes, e)
	                                                 : put_zero_chunks(w, bytes, e);

	if (rc < 0)
		return -1;
	entry.stored = (uint32_t)(w->bytes - entry.offset);
	w->next += count;
	if (bmr_manifest_add(w->manifest, &entry, e) < 0)
		return -1;
	return add_line(w, entry.stored, bytes, e);
}

static int end_run(struct bmr_writer *w, struct bmr_err *e)
{
	uint32_t most = (uint32_t)(BMR_RUN_MOST / w->manifest->head.chunk_size);

	while (w->run_count > 0) {
		uint32_t count = w->run_count < most ? w->run_count : most;

		if (put_run(w, count, e) < 0)
			return -1;
		w->run_count -= count;
	}
	return 0;
}

/* --- public --- */

int bmr_writer_open(struct bmr_sink *sink, struct bmr_manifest *manifest, struct bmr_writer **out,
                    struct bmr_err *e)
{
	struct bmr_writer *w = calloc(1, sizeof *w);
	bool framed = manifest->data_start > 0;

	if (!w)
		return bmr_err_nomem(e, "a writer");
	w->sink = sink;
	w->manifest = manifest;
	if ((framed && bmr_seek_table_new(&w->seek, e) < 0) || prepare_zeros(w, e) < 0 ||
	    put_start(w, e) < 0) {
		bmr_writer_close(w);
		return -1;
	}
	*out = w;
	return 0;
}

void bmr_writer_close(struct bmr_writer *w)
{
	if (!w)
		return;
	bmr_seek_table_free(w->seek);
	bmr_packer_close(w->packer);
	free(w->zeros);
	free(w->frame);
	free(w);
}

int bmr_writer_chunk(struct bmr_writer *w, const struct bmr_digest_value *digest, const void *frame,
                     size_t stored, struct bmr_err *e)
{
	struct bmr_manifest_entry entry = {
		.count = 1,
		.stored = (uint32_t)stored,
		.kind = BMR_CHUNK_DATA,
		.digest = *digest,
	};

	if (end_run(w, e) < 0)
		return -1;
	entry.offset = w->bytes;
	entry.first = w->next++;
	if (put(w, frame, stored, e) < 0 || bmr_manifest_add(w->manifest, &entry, e) < 0)
		return -1;
	return add_line(w, stored, bmr_manifest_entry_bytes(w->manifest, &entry), e);
}

int bmr_writer_run(struct bmr_writer *w, enum bmr_chunk_kind kind, uint32_t count,
                   struct bmr_err *e)
{
	if (kind != w->run_kind && end_run(w, e) < 0)
		return -1;
	w->run_kind = kind;
	w->run_count += count;
	return 0;
}

int bmr_writer_base(struct bmr_writer *w, const struct bmr_digest_value *digest, struct bmr_err *e)
{
	struct bmr_manifest_entry entry = {.count = 1, .kind = BMR_CHUNK_BASE, .digest = *digest};

	if (end_run(w, e) < 0)
		return -1;
	entry.first = w->next++;
	return bmr_manifest_add(w->manifest, &entry, e);
}

static int put_seek_table(struct bmr_writer *w, struct bmr_err *e)
{
	AUTO_FREE uint8_t *frame = NULL;
	size_t len;

	if (bmr_seek_table_encode(w->seek, &frame, &len, e) < 0)
		return -1;
	return put(w, frame, len, e);
}

int bmr_writer_finish(struct bmr_writer *w, struct bmr_err *e)
{
	if (end_run(w, e) < 0 || bmr_manifest_seal(w->manifest, e) < 0)
		return -1;
	if (!w->seek)
		return 0;
	return put_manifest(w, e) < 0 ? -1 : put_seek_table(w, e);
}

uint64_t bmr_writer_bytes(const struct bmr_writer *w)
{
	return w->bytes;
}

int bmr_writer_sidecar(struct bmr_sink *sink, const struct bmr_manifest *manifest,
                       struct bmr_err *e)
{
	/* The manifest is only read: without a seek table nothing is noted of what is written. */
	struct bmr_writer w = {.sink = sink,
	                       .manifest = (struct bmr_manifest *)(uintptr_t)manifest};

	return put_head(&w, e) < 0 ? -1 : put_manifest(&w, e);
}
