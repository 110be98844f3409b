/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/image.h"

#include <inttypes.h>
#include <lz4frame.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "imaging/bmr/chain.h"
#include "imaging/bmr/chunk_reader.h"
#include "imaging/bmr/container.h"
#include "imaging/bmr/load.h"
#include "imaging/codec/decode.h"
#include "imaging/gzip_end.h"
#include "imaging/sign/signed.h"
#include "transport/source.h"

#define PIECE ((size_t)256 * 1024) /* of compressed input, for the first MiB */
#define XZ_INDEX_MAX ((size_t)4 * 1024 * 1024)
#define XZ_INDEX_MEMORY ((uint64_t)32 * 1024 * 1024)

/* Reads a source from its start in small pieces: the first MiB is not worth a read-ahead. */
struct head_input {
	struct bmr_source *source;
	uint64_t off;
	uint8_t *buffer;
};

static int head_next(void *ctx, const uint8_t **data, size_t *len, struct bmr_err *e)
{
	struct head_input *h = ctx;

	if (bmr_source_read(h->source, h->buffer, PIECE, h->off, len, e) < 0)
		return -1;
	*data = h->buffer;
	h->off += *len;
	return 0;
}

/* Unpack the first bytes of the disk. */
static int read_head(struct bmr_source *source, enum bmr_format format, uint8_t *head, size_t *len,
                     struct bmr_err *e)
{
	AUTO_FREE uint8_t *buffer = malloc(PIECE);
	struct head_input h = {source, 0, buffer};
	struct bmr_input input = {head_next, &h};
	struct bmr_decoder *d;
	int rc;

	if (!buffer)
		return bmr_err_nomem(e, "the image's first bytes");
	if (bmr_decoder_open(format, &input, &d, e) < 0)
		return -1;
	rc = bmr_decoder_read(d, head, BMR_LAYOUT_HEAD, len, e);
	bmr_decoder_close(d);
	if (rc == 0 && *len == 0)
		return bmr_err_set(e, BMR_E_DATA, 0, "the image holds nothing (0 bytes unpacked)");
	return rc;
}

static bool can_jump(const struct bmr_source *source, const struct bmr_image *image)
{
	return bmr_source_seekable(source) && image->file_size != BMR_SOURCE_SIZE_UNKNOWN;
}

/* RFC 1952: the last four bytes are the size of the last member, modulo 2^32.  Of a file that was
 * cut they are any four bytes, so this is a hint and no more. */
static int gzip_size(struct bmr_source *source, struct bmr_image *image, struct bmr_err *e)
{
	uint8_t tail[4];
	size_t got;

	if (image->file_size < 18) /* header and trailer */
		return 0;
	if (bmr_source_read(source, tail, sizeof tail, image->file_size - 4, &got, e) < 0)
		return -1;
	image->likely = (uint32_t)tail[0] | (uint32_t)tail[1] << 8 | (uint32_t)tail[2] << 16 |
	                (uint32_t)tail[3] << 24;
	return 0;
}

/* The least size that agrees with a size modulo 2^32 and holds what the partition table names. */
static uint64_t complete_gzip_size(uint64_t modulo, uint64_t needed)
{
	uint64_t size = (needed & ~(uint64_t)UINT32_MAX) | modulo;

	return size >= needed ? size : size + UINT32_MAX + 1;
}

/* Is the disk larger than the table on it knows?  The four bytes say so, but not of a cut file, of
 * which they are whole sectors once in 512 times, nor of one of many members. */
static int passes_table(struct bmr_source *source, const struct bmr_image *image, uint64_t modulo,
                        bool *passes, struct bmr_err *e)
{
	uint64_t needed = image->layout.needed;
	bool small;

	*passes = false;
	if (image->is_bmr || image->format != BMR_FORMAT_GZIP ||
	    image->layout.table != BMR_TABLE_GPT || !can_jump(source, image) || modulo % 512 != 0 ||
	    complete_gzip_size(modulo, needed) == needed)
		return 0;
	if (bmr_gzip_end_is_small(source, image->file_size, modulo, &small, e) < 0)
		return -1;
	*passes = !small;
	return 0;
}

/* The .xz format ends with an index of its blocks and a footer that tells the index's size. */
static int xz_size(struct bmr_source *source, struct bmr_image *image, struct bmr_err *e)
{
	uint8_t footer[LZMA_STREAM_HEADER_SIZE];
	AUTO_FREE uint8_t *buffer = NULL;
	lzma_stream_flags flags;
	lzma_index *index = NULL;
	uint64_t memory = XZ_INDEX_MEMORY;
	uint64_t end = image->file_size - sizeof footer;
	size_t pos = 0;
	size_t got;

	if (image->file_size < 2 * sizeof footer)
		return 0;
	if (bmr_source_read(source, footer, sizeof footer, end, &got, e) < 0)
		return -1;
	/* Padding or damage: the decoder will say so; only the early size is not to be had. */
	if (lzma_stream_footer_decode(&flags, footer) != LZMA_OK ||
	    flags.backward_size > XZ_INDEX_MAX || flags.backward_size > end)
		return 0;
	buffer = malloc(flags.backward_size);
	if (!buffer)
		return bmr_err_nomem(e, "the xz index");
	if (bmr_source_read(source, buffer, flags.backward_size, end - flags.backward_size, &got,
	                    e) < 0)
		return -1;
	if (lzma_index_buffer_decode(&index, &memory, NULL, buffer, &pos, got) != LZMA_OK)
		return 0;
	image->at_least = lzma_index_uncompressed_size(index);
	/* Of one stream only: there may be others before it. */
	image->exact = lzma_index_file_size(index) == image->file_size;
	lzma_index_end(index, NULL);
	return 0;
}

static void zstd_facts(const uint8_t *file, size_t len, struct bmr_image *image)
{
	unsigned long long size = ZSTD_getFrameContentSize(file, len);

	if (len < 5 || file[0] != 0x28) /* a skippable frame comes first: it tells nothing */
		return;
	/* RFC 8878, 3.1.1.1.1: bit 2 of the descriptor, which follows the magic. */
	image->has_checksum = file[4] & 4;
	/* Of the first frame. */
	if (size != ZSTD_CONTENTSIZE_ERROR && size != ZSTD_CONTENTSIZE_UNKNOWN)
		image->at_least = image->likely = size;
}

static void lz4_facts(const uint8_t *file, size_t len, struct bmr_image *image)
{
	LZ4F_dctx *z;
	LZ4F_frameInfo_t info = LZ4F_INIT_FRAMEINFO;

	if (LZ4F_isError(LZ4F_createDecompressionContext(&z, LZ4F_VERSION)))
		return;
	if (!LZ4F_isError(LZ4F_getFrameInfo(z, &info, file, &len))) {
		image->has_checksum = info.contentChecksumFlag == LZ4F_contentChecksumEnabled;
		image->at_least = image->likely = info.contentSize;
	}
	LZ4F_freeDecompressionContext(z);
}

/* --- bmr images --- */

/* From the file's first byte: a stream has it too. */
static int read_bmr_head(struct bmr_source *source, const uint8_t *file, struct bmr_head *head,
                         struct bmr_err *e)
{
	AUTO_FREE uint8_t *data = NULL;
	uint32_t len = 0;
	size_t got;

	if (!bmr_skippable_get(file, BMR_SKIPPABLE_MAGIC, &len) || len > BMR_HEAD_MOST)
		return bmr_err_set(e, BMR_E_DATA, 0,
		                   "the image's head is damaged: it cannot be so long");
	data = malloc(BMR_SKIPPABLE_HEADER + (size_t)len);
	if (!data)
		return bmr_err_nomem(e, "the head of an image");
	if (bmr_source_read(source, data, BMR_SKIPPABLE_HEADER + (size_t)len, 0, &got, e) < 0)
		return -1;
	if (got != BMR_SKIPPABLE_HEADER + (size_t)len)
		return bmr_err_set(e, BMR_E_DATA, 0, "the image is cut: it ends in its head");
	return bmr_head_decode(data + BMR_SKIPPABLE_HEADER, len, head, e);
}

static int bmr_format_of(const struct bmr_head *head, enum bmr_format *format, struct bmr_err *e)
{
	switch (head->pack) {
	case BMR_PACK_ZSTD:
		*format = BMR_FORMAT_ZSTD;
		return 0;
	case BMR_PACK_LZ4:
		*format = BMR_FORMAT_LZ4;
		return 0;
	default: /* those have no head: it is the file beside them */
		return bmr_err_set(e, BMR_E_DATA, 0,
		                   "this is only the manifest of an image: name the image itself");
	}
}

/* A manifest that is there already was signed, and its head is. */
static int read_bmr(struct bmr_source *source, const uint8_t *file, bool can_jump,
                    struct bmr_image *image, struct bmr_err *e)
{
	if (image->manifest)
		image->head = image->manifest->head;
	else if (read_bmr_head(source, file, &image->head, e) < 0)
		return -1;
	if (bmr_format_of(&image->head, &image->format, e) < 0 ||
	    (can_jump && !image->manifest && bmr_load_manifest(source, &image->manifest, e) < 0))
		return -1;
	image->is_bmr = true;
	image->has_checksum = true;
	image->size = image->at_least = image->likely = image->head.disk_size;
	image->exact = true;
	return 0;
}

/* What a capture found where nothing can be unpacked to look for it. */
static void layout_from_facts(const struct bmr_manifest *m, struct bmr_layout *layout)
{
	const char *type = bmr_manifest_get(m, "table.type");
	const char *uuid = bmr_manifest_get(m, "table.uuid");

	if (type && strcmp(type, "gpt") == 0)
		layout->table = BMR_TABLE_GPT;
	else if (type && strcmp(type, "dos") == 0)
		layout->table = BMR_TABLE_DOS;
	else
		return;
	layout->needed = m->head.disk_size;
	snprintf(layout->uuid, sizeof layout->uuid, "%s", uuid ? uuid : "");
	for (uint32_t i = 0; i < m->fact_count; i++) {
		const char *name = m->facts[i].name;
		size_t len = strlen(name);

		layout->partitions += strncmp(name, "partition.", 10) == 0 && len > 16 &&
		                      strcmp(name + len - 6, ".start") == 0;
	}
}

/* --- all images --- */

/* What the file itself says about the disk's size. */
static int read_declared_size(struct bmr_source *source, const uint8_t *file, size_t len,
                              struct bmr_image *image, struct bmr_err *e)
{
	bool jumps = can_jump(source, image);

	if (bmr_load_is_bmr(file, len))
		return read_bmr(source, file, jumps, image, e);
	switch (image->format) {
	case BMR_FORMAT_RAW:
		image->exact = image->file_size != BMR_SOURCE_SIZE_UNKNOWN;
		if (image->exact)
			image->size = image->at_least = image->file_size;
		return 0;
	case BMR_FORMAT_ZSTD:
		zstd_facts(file, len, image);
		return 0;
	case BMR_FORMAT_LZ4:
		lz4_facts(file, len, image);
		return 0;
	case BMR_FORMAT_XZ:
		image->has_checksum = true;
		return jumps ? xz_size(source, image, e) : 0;
	case BMR_FORMAT_GZIP:
		image->has_checksum = true;
		return jumps ? gzip_size(source, image, e) : 0;
	case BMR_FORMAT_BZIP2:
		image->has_checksum = true;
		return 0;
	}
	return 0;
}

/* A tar archive, a qcow2 image or a second layer of compression, packed: restored as it is, it would
 * not boot either. */
static int check_inside(const struct bmr_image *image, const uint8_t *head, size_t len,
                        struct bmr_err *e)
{
	enum bmr_format inside = BMR_FORMAT_RAW;

	/* What a bmr image holds was read from a disk. */
	if (image->format == BMR_FORMAT_RAW || image->is_bmr)
		return 0;
	if (bmr_format_detect(head, len, &inside, e) < 0)
		return bmr_err_while(e, "looking into the %s data", bmr_format_name(image->format));
	if (inside == BMR_FORMAT_RAW)
		return 0;
	return bmr_err_set(e, BMR_E_DATA, 0,
	                   "this is not an image bmr can restore: it is %s data within %s data; "
	                   "unpack it once",
	                   bmr_format_name(inside), bmr_format_name(image->format));
}

/* The beginning of the disk by the manifest: its one frame is fetched and no more.  *len is 0 where
 * that holds zeros only. */
static int read_first_chunk(struct bmr_source *source, const struct bmr_manifest *m, uint8_t *head,
                            size_t *len, struct bmr_err *e)
{
	const struct bmr_manifest_entry *first = &m->entries[0];
	struct bmr_chain_place place = {
		.kind = first->kind,
		.source = source,
		.offset = first->offset,
		.stored = first->stored,
		.pack = m->head.pack,
		.digest = &first->digest,
	};
	struct bmr_chunk_reader *reader;
	const uint8_t *data;
	int rc;

	*len = 0;
	if (first->kind != BMR_CHUNK_DATA)
		return 0;
	if (bmr_chunk_reader_open(m->head.chunk_size, NULL, &reader, e) < 0)
		return -1;
	rc = bmr_chunk_reader_get(reader, &place, bmr_manifest_chunk_len(m, 0), &data, NULL, e);
	if (rc == 0) {
		*len = (size_t)bmr_size_min(bmr_manifest_chunk_len(m, 0), BMR_LAYOUT_HEAD);
		memcpy(head, data, *len);
	}
	bmr_chunk_reader_close(reader);
	return rc;
}

static int read_beginning(struct bmr_source *source, const struct bmr_image *image, uint8_t *head,
                          size_t *len, struct bmr_err *e)
{
	if (image->manifest)
		return read_first_chunk(source, image->manifest, head, len, e);
	return read_head(source, image->format, head, len, e);
}

/* The partition table, which an incremental image may not hold. */
static int read_layout(struct bmr_source *source, struct bmr_image *image, struct bmr_err *e)
{
	AUTO_FREE uint8_t *head = NULL;
	size_t len;

	if (image->is_bmr && image->head.has_base) {
		if (image->manifest)
			layout_from_facts(image->manifest, &image->layout);
	} else {
		head = malloc(BMR_LAYOUT_HEAD);
		if (!head)
			return bmr_err_nomem(e, "the image's first bytes");
		if (read_beginning(source, image, head, &len, e) < 0 ||
		    check_inside(image, head, len, e) < 0)
			return -1;
		bmr_layout_read(head, len, &image->layout);
	}
	/* A disk image in a file may be of other sectors than the file's: the table knows. */
	if (image->is_bmr && image->layout.sector == 0)
		image->layout.sector = image->head.sector;
	return 0;
}

static int inspect(struct bmr_source *source, struct bmr_image *image, struct bmr_err *e)
{
	uint8_t file[BMR_FORMAT_HEAD];
	size_t file_len;
	bool longer; /* than its table says */

	if (bmr_source_read(source, file, sizeof file, 0, &file_len, e) < 0)
		return -1;
	if (image->manifest && !bmr_load_is_bmr(file, file_len))
		return bmr_err_set(e, BMR_E_DATA, 0,
		                   "it is not the image any more whose signature was right");
	if (bmr_format_detect(file, file_len, &image->format, e) < 0 ||
	    read_declared_size(source, file, file_len, image, e) < 0 ||
	    read_layout(source, image, e) < 0)
		return -1;
	if (image->size > 0 && bmr_image_check_size(image, image->size, 512, e) < 0)
		return -1;
	if (image->layout.needed > image->at_least)
		image->at_least = image->layout.needed;
	if (passes_table(source, image, image->likely, &longer, e) < 0)
		return -1;
	if (image->format == BMR_FORMAT_GZIP && image->likely > 0)
		image->likely = complete_gzip_size(image->likely, image->at_least);
	/* Less than the compressed file itself (data that does not compress grows a little): it is
	 * the size of one stream of many. */
	if (image->file_size != BMR_SOURCE_SIZE_UNKNOWN &&
	    image->likely < image->file_size - image->file_size / 16)
		image->likely = 0;
	/* The backup of a GPT is in the last sector of its disk. */
	image->exact |= image->layout.table == BMR_TABLE_GPT && !longer;
	return 0;
}

static int open_image(struct bmr_source *source, struct bmr_manifest *signed_manifest,
                      struct bmr_image *image, struct bmr_err *e)
{
	memset(image, 0, sizeof *image);
	image->manifest = signed_manifest;
	image->file_size = bmr_source_size(source);
	if (inspect(source, image, e) == 0)
		return 0;
	bmr_image_clear(image);
	return bmr_err_while(e, "looking at '%s'", bmr_source_name(source));
}

int bmr_image_inspect(struct bmr_source *source, struct bmr_image *image, struct bmr_err *e)
{
	return open_image(source, NULL, image, e);
}

/* What its first bytes say decides only which signature is asked for.  A manifest that was signed is
 * not loaded again, and a file that was signed cannot change. */
int bmr_image_inspect_signed(struct bmr_source *source, const struct bmr_trust *trust,
                             const struct bmr_source_options *options, struct bmr_signer *signer,
                             struct bmr_image *image, struct bmr_err *e)
{
	struct bmr_manifest *manifest = NULL;
	uint8_t file[BMR_FORMAT_HEAD];
	size_t len;
	int rc;

	memset(image, 0, sizeof *image);
	if (!bmr_source_seekable(source) || bmr_source_size(source) == BMR_SOURCE_SIZE_UNKNOWN)
		return bmr_err_set(e, BMR_E_REFUSED, 0,
		                   "'%s' cannot be checked before it is used: its server does not "
		                   "send parts of a file; only signed images are restored here",
		                   bmr_source_name(source));
	if (bmr_source_read(source, file, sizeof file, 0, &len, e) < 0)
		return -1;
	rc = bmr_load_is_bmr(file, len)
	             ? bmr_signed_manifest(source, trust, options, true, signer, &manifest, e)
	             : bmr_signed_file(source, trust, options, signer, e);
	return rc < 0 ? -1 : open_image(source, manifest, image, e);
}

void bmr_image_clear(struct bmr_image *image)
{
	bmr_manifest_free(image->manifest);
	image->manifest = NULL;
}

int bmr_image_check_size(const struct bmr_image *image, uint64_t size, unsigned sector,
                         struct bmr_err *e)
{
	if (image->is_bmr && size != image->head.disk_size)
		return bmr_err_set(e, BMR_E_DATA, 0,
		                   "the image is damaged: it holds %" PRIu64
		                   " bytes, and its head says %" PRIu64,
		                   size, image->head.disk_size);
	if (image->layout.needed > size)
		return bmr_err_set(e, BMR_E_DATA, 0,
		                   "the image is truncated: it holds %" PRIu64
		                   " bytes, but its partition table needs %" PRIu64,
		                   size, image->layout.needed);
	return bmr_image_check_sectors(size, sector, e);
}

int bmr_image_check_sectors(uint64_t size, unsigned sector, struct bmr_err *e)
{
	if (size % sector == 0)
		return 0;
	return bmr_err_set(e, BMR_E_DATA, 0,
	                   "the image is not that of a disk with %u-byte sectors: it holds %" PRIu64
	                   " bytes, %" PRIu64 " too many for whole sectors",
	                   sector, size, size % sector);
}
