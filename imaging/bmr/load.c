/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/bmr/load.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "imaging/bmr/container.h"
#include "imaging/bmr/manifest.h"
#include "imaging/bmr/manifest_internal.h"
#include "transport/source.h"

#define MAGIC_END (BMR_SKIPPABLE_HEADER + PAYLOAD_MAGIC_SIZE)
#define PIECE_LINES 8192 /* of the seek table at a time: 64 KiB */
#define LINES_LEAST 2    /* head and manifest */
#define EXTRA_FRAMES_MOST 4
#define END_BYTES 65536 /* read at once: all that is wanted of an image of 1,500 chunks */

struct file {
	struct bmr_source *source;
	uint64_t size;
	uint8_t *end; /* its last bytes, from end_at on */
	uint64_t end_at;
};

struct tail {              /* where things are in the file, by its seek table */
	uint64_t seek;     /* first byte of the seek table's frame */
	uint32_t lines;    /* frames that it lists */
	uint32_t manifest; /* which of them is the manifest's ... */
	uint64_t manifest_offset;
	uint32_t manifest_stored; /* ... with its header */
};

static int cut(struct bmr_err *e)
{
	return bmr_err_set(e, BMR_E_DATA, 0,
	                   "the image ends before its manifest: it was cut, or the capture was not "
	                   "finished");
}

static int disagree(const char *what, struct bmr_err *e)
{
	return bmr_err_set(e, BMR_E_DATA, 0, "the image is damaged: %s", what);
}

static int read_source(struct bmr_source *source, void *buf, size_t len, uint64_t off,
                       struct bmr_err *e)
{
	size_t got;

	if (bmr_source_read(source, buf, len, off, &got, e) < 0)
		return -1;
	return got == len ? 0 : cut(e);
}

/* Most of what is looked for lies at the end, in small pieces: over a network one request. */
static int open_file(struct file *f, struct bmr_source *source, struct bmr_err *e)
{
	size_t len;

	f->source = source;
	f->size = bmr_source_size(source);
	len = (size_t)bmr_size_min(f->size, END_BYTES);
	f->end_at = f->size - len;
	f->end = malloc(END_BYTES);
	if (!f->end)
		return bmr_err_nomem(e, "the image's seek table");
	return read_source(source, f->end, len, f->end_at, e);
}

/* Exactly len bytes. */
static int read_at(const struct file *f, void *buf, size_t len, uint64_t off, struct bmr_err *e)
{
	if (off < f->end_at || !bmr_size_inside(off, len, f->size))
		return read_source(f->source, buf, len, off, e);
	memcpy(buf, f->end + (off - f->end_at), len);
	return 0;
}

bool bmr_load_is_bmr(const uint8_t *head, size_t len)
{
	uint32_t payload;

	return len >= MAGIC_END && bmr_skippable_get(head, BMR_SKIPPABLE_MAGIC, &payload) &&
	       memcmp(head + BMR_SKIPPABLE_HEADER, HEAD_MAGIC, PAYLOAD_MAGIC_SIZE) == 0;
}

/* A frame of ours that takes `stored` bytes at off, with its header. */
static int read_frame(const struct file *f, uint64_t off, uint64_t stored, uint8_t **out,
                      struct bmr_err *e)
{
	uint8_t header[BMR_SKIPPABLE_HEADER];
	AUTO_FREE uint8_t *frame = NULL;
	uint32_t size;

	if (stored <= sizeof header)
		return disagree("a frame of its seek table is too short", e);
	if (read_at(f, header, sizeof header, off, e) < 0)
		return -1;
	if (!bmr_skippable_get(header, BMR_SKIPPABLE_MAGIC, &size) ||
	    size != stored - sizeof header)
		return disagree("its seek table leads to what is not a part of it", e);
	frame = malloc(stored);
	if (!frame)
		return bmr_err_nomem(e, "the image's manifest");
	memcpy(frame, header, sizeof header);
	if (read_at(f, frame + sizeof header, size, off + sizeof header, e) < 0)
		return -1;
	*out = take_ptr(&frame);
	return 0;
}

/* --- the seek table --- */

/* Is the second frame a manifest, it is the file that lies beside an image. */
static int no_seek_table(const struct file *f, struct bmr_err *e)
{
	uint8_t begin[MAGIC_END];
	uint32_t head;

	if (f->size < 2 * sizeof begin)
		return cut(e);
	if (read_at(f, begin, BMR_SKIPPABLE_HEADER, 0, e) < 0)
		return -1;
	if (!bmr_skippable_get(begin, BMR_SKIPPABLE_MAGIC, &head) ||
	    !bmr_size_inside(BMR_SKIPPABLE_HEADER + (uint64_t)head, sizeof begin, f->size))
		return cut(e);
	if (read_at(f, begin, sizeof begin, BMR_SKIPPABLE_HEADER + (uint64_t)head, e) < 0)
		return -1;
	if (memcmp(begin + BMR_SKIPPABLE_HEADER, MANIFEST_MAGIC, PAYLOAD_MAGIC_SIZE) != 0)
		return cut(e);
	return bmr_err_set(e, BMR_E_DATA, 0,
	                   "this is only the manifest of an image: name the image itself");
}

static int find_seek_table(const struct file *f, struct tail *t, struct bmr_err *e)
{
	uint8_t footer[BMR_SEEK_FOOTER];
	uint8_t header[BMR_SKIPPABLE_HEADER];
	uint64_t len;
	uint32_t payload;

	if (f->size < sizeof footer)
		return cut(e);
	if (read_at(f, footer, sizeof footer, f->size - sizeof footer, e) < 0)
		return -1;
	if (!bmr_seek_footer_get(footer, &t->lines, &len))
		return no_seek_table(f, e);
	if (len > f->size || t->lines < LINES_LEAST)
		return disagree("its seek table is longer than the file, or empty", e);
	t->seek = f->size - len;
	if (read_at(f, header, sizeof header, t->seek, e) < 0)
		return -1;
	if (!bmr_skippable_get(header, BMR_SEEK_MAGIC, &payload) || payload != len - sizeof header)
		return disagree("its seek table does not begin where its end says", e);
	return 0;
}

static uint64_t line_offset(const struct tail *t, uint32_t line)
{
	return t->seek + BMR_SKIPPABLE_HEADER + (uint64_t)line * BMR_SEEK_ENTRY;
}

/* The manifest is the last frame, or is followed by a few that a later format may add (a signature):
 * step back from the seek table until one of ours begins as a manifest. */
static int find_manifest(const struct file *f, struct tail *t, struct bmr_err *e)
{
	uint64_t offset = t->seek;

	for (uint32_t back = 1; back <= EXTRA_FRAMES_MOST + 1 && back < t->lines; back++) {
		uint8_t line[BMR_SEEK_ENTRY];
		uint8_t begin[MAGIC_END];
		uint32_t stored;
		uint32_t content;

		if (read_at(f, line, sizeof line, line_offset(t, t->lines - back), e) < 0)
			return -1;
		bmr_seek_entry_get(line, &stored, &content);
		if (stored < sizeof begin || stored > offset || content != 0)
			break;
		offset -= stored;
		if (read_at(f, begin, sizeof begin, offset, e) < 0)
			return -1;
		if (memcmp(begin + BMR_SKIPPABLE_HEADER, MANIFEST_MAGIC, PAYLOAD_MAGIC_SIZE) == 0) {
			t->manifest = t->lines - back;
			t->manifest_offset = offset;
			t->manifest_stored = stored;
			return 0;
		}
	}
	return disagree("its seek table does not lead to a manifest", e);
}

/* The lines that head, guard and chunks must have, one by one. */
struct expected {
	const struct bmr_manifest *m;
	uint64_t head; /* bytes of its frame */
	uint32_t line;
	uint32_t entry;
	uint64_t offset; /* of the next frame */
};

static void expect_next(struct expected *x, uint64_t *stored, uint64_t *content)
{
	const struct bmr_manifest *m = x->m;
	const struct bmr_manifest_entry *entry;

	*content = 0;
	if (x->line == 0) {
		*stored = x->head;
		return;
	}
	if (x->line == 1 && m->head.has_base) {
		*stored = m->data_start - x->head;
		return;
	}
	while (x->entry < m->entry_count && m->entries[x->entry].kind == BMR_CHUNK_BASE)
		x->entry++;
	*stored = 0; /* no frame is: more lines than chunks */
	if (x->entry == m->entry_count)
		return;
	entry = &m->entries[x->entry++];
	*stored = entry->stored;
	*content = bmr_manifest_entry_bytes(m, entry);
}

static bool lines_agree(struct expected *x, const uint8_t *lines, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t stored;
		uint32_t content;
		uint64_t want_stored;
		uint64_t want_content;

		bmr_seek_entry_get(lines + (size_t)i * BMR_SEEK_ENTRY, &stored, &content);
		expect_next(x, &want_stored, &want_content);
		if (stored != want_stored || content != want_content)
			return false;
		x->offset += stored;
		x->line++;
	}
	return true;
}

/* Frame by frame; behind the last chunk the manifest must begin. */
static int compare_seek_table(const struct file *f, const struct tail *t, uint64_t head,
                              const struct bmr_manifest *m, struct bmr_err *e)
{
	static const char differ[] = "its manifest and its seek table do not agree";
	AUTO_FREE uint8_t *lines = malloc((size_t)PIECE_LINES * BMR_SEEK_ENTRY);
	struct expected x = {.m = m, .head = head};

	if (!lines)
		return bmr_err_nomem(e, "the image's seek table");
	while (x.line < t->manifest) {
		uint32_t count = (uint32_t)bmr_size_min(PIECE_LINES, t->manifest - x.line);

		if (read_at(f, lines, (size_t)count * BMR_SEEK_ENTRY, line_offset(t, x.line), e) <
		    0)
			return -1;
		if (!lines_agree(&x, lines, count))
			return disagree(differ, e);
	}
	/* Too few lines do not reach that far; bytes that no line speaks of move the manifest. */
	if (x.offset != m->data_end || t->manifest_offset != m->data_end)
		return disagree(differ, e);
	return 0;
}

/* --- from the file --- */

/* The head's frame is the first of the seek table, and must be what the file begins with. */
static int load_head(const struct file *f, uint8_t **out, size_t *len, struct bmr_err *e)
{
	uint8_t header[BMR_SKIPPABLE_HEADER];
	uint32_t size;

	if (read_at(f, header, sizeof header, 0, e) < 0)
		return -1;
	if (!bmr_skippable_get(header, BMR_SKIPPABLE_MAGIC, &size) || size > BMR_HEAD_MOST ||
	    size > f->size - sizeof header)
		return disagree("it does not begin with a head", e);
	*len = sizeof header + (size_t)size;
	return read_frame(f, 0, *len, out, e);
}

static int decode(const struct bmr_load_piece frames[2], struct bmr_manifest **out,
                  struct bmr_err *e)
{
	return bmr_manifest_decode(frames[0].data + BMR_SKIPPABLE_HEADER,
	                           frames[0].len - BMR_SKIPPABLE_HEADER,
	                           frames[1].data + BMR_SKIPPABLE_HEADER,
	                           frames[1].len - BMR_SKIPPABLE_HEADER, out, e);
}

static int load(const struct file *f, bmr_load_judge *judge, void *ctx, struct bmr_manifest **out,
                struct bmr_err *e)
{
	AUTO_FREE uint8_t *head = NULL;
	AUTO_FREE uint8_t *data = NULL;
	struct bmr_load_piece frames[2];
	struct bmr_manifest *m;
	struct tail t = {0};
	size_t head_len = 0;

	if (find_seek_table(f, &t, e) < 0 || load_head(f, &head, &head_len, e) < 0 ||
	    find_manifest(f, &t, e) < 0 ||
	    read_frame(f, t.manifest_offset, t.manifest_stored, &data, e) < 0)
		return -1;
	frames[0] = (struct bmr_load_piece){head, head_len};
	frames[1] = (struct bmr_load_piece){data, t.manifest_stored};
	if ((judge && judge(ctx, frames, e) < 0) || decode(frames, &m, e) < 0)
		return -1;
	if (compare_seek_table(f, &t, head_len, m, e) < 0) {
		bmr_manifest_free(m);
		return -1;
	}
	*out = m;
	return 0;
}

int bmr_load_judged(struct bmr_source *source, bmr_load_judge *judge, void *ctx,
                    struct bmr_manifest **out, struct bmr_err *e)
{
	struct file f = {0};
	int rc;

	if (!bmr_source_seekable(source) || bmr_source_size(source) == BMR_SOURCE_SIZE_UNKNOWN)
		return bmr_err_set(e, BMR_E_SOURCE, 0,
		                   "'%s': a manifest is read from the end of its image, and this "
		                   "server does not send parts of a file",
		                   bmr_source_name(source));
	rc = open_file(&f, source, e);
	if (rc == 0)
		rc = load(&f, judge, ctx, out, e);
	free(f.end);
	if (rc < 0)
		return bmr_err_while(e, "reading the manifest of '%s'", bmr_source_name(source));
	return 0;
}

int bmr_load_manifest(struct bmr_source *source, struct bmr_manifest **out, struct bmr_err *e)
{
	return bmr_load_judged(source, NULL, NULL, out, e);
}

/* --- from a sidecar --- */

/* Exactly len bytes; a source whose size is known must not be asked for more. */
static int read_beside(struct bmr_source *source, void *buf, size_t len, uint64_t off,
                       struct bmr_err *e)
{
	size_t got = 0;

	if (off <= bmr_source_size(source) && bmr_source_read(source, buf, len, off, &got, e) < 0)
		return -1;
	if (got == len)
		return 0;
	return bmr_err_set(e, BMR_E_DATA, 0, "the manifest of the image was cut at byte %" PRIu64,
	                   off + got);
}

/* The next frame of a stream whose end may be unknown: memory grows as bytes come, never by what a
 * header promises. */
static int read_stream(struct bmr_source *source, uint64_t off, size_t len, uint8_t **out,
                       struct bmr_err *e)
{
	AUTO_FREE uint8_t *data = NULL;
	size_t room = 0;
	size_t have = 0;

	while (have < len) {
		size_t step = (size_t)bmr_size_min(len - have, have + BMR_HEAD_MOST);
		uint8_t *larger = realloc(data, room + step);

		if (!larger)
			return bmr_err_nomem(e, "the image's manifest");
		data = larger;
		room += step;
		if (read_beside(source, data + have, step, off + have, e) < 0)
			return -1;
		have += step;
	}
	*out = take_ptr(&data);
	return 0;
}

static int next_frame(struct bmr_source *source, uint64_t *off, uint32_t most, uint8_t **out,
                      size_t *len, struct bmr_err *e)
{
	uint8_t header[BMR_SKIPPABLE_HEADER];
	uint32_t size;

	if (read_beside(source, header, sizeof header, *off, e) < 0)
		return -1;
	if (!bmr_skippable_get(header, BMR_SKIPPABLE_MAGIC, &size) || size == 0 || size > most)
		return disagree("this is not the manifest of an image", e);
	if (read_stream(source, *off + sizeof header, size, out, e) < 0)
		return -1;
	*len = size;
	*off += sizeof header + (uint64_t)size;
	return 0;
}

/* With frames, something must follow the chunks: manifest and seek table. */
static int check_fits(const struct bmr_manifest *m, uint64_t image_size, struct bmr_err *e)
{
	bool fits = bmr_pack_has_frames(m->head.pack) ? image_size > m->data_end
	                                              : image_size == m->data_end;

	if (fits || image_size == BMR_SOURCE_SIZE_UNKNOWN)
		return 0;
	return bmr_err_set(e, BMR_E_DATA, 0,
	                   "the image has %" PRIu64 " bytes and not the %" PRIu64
	                   " that its manifest speaks of: it was cut, or the manifest is that of "
	                   "another image",
	                   image_size, m->data_end);
}

static int load_sidecar(struct bmr_source *sidecar, uint64_t image_size, struct bmr_manifest **out,
                        struct bmr_err *e)
{
	AUTO_FREE uint8_t *head = NULL;
	AUTO_FREE uint8_t *data = NULL;
	struct bmr_manifest *m;
	uint64_t off = 0;
	size_t head_len = 0;
	size_t len;
	size_t more;
	uint8_t byte;

	if (next_frame(sidecar, &off, BMR_HEAD_MOST, &head, &head_len, e) < 0 ||
	    next_frame(sidecar, &off, UINT32_MAX, &data, &len, e) < 0)
		return -1;
	/* At its known end a read would be an error. */
	if (off != bmr_source_size(sidecar)) {
		if (bmr_source_read(sidecar, &byte, 1, off, &more, e) < 0)
			return -1;
		if (more != 0)
			return disagree("its manifest's file goes on after the manifest", e);
	}
	if (bmr_manifest_decode(head, head_len, data, len, &m, e) < 0)
		return -1;
	if (check_fits(m, image_size, e) < 0) {
		bmr_manifest_free(m);
		return -1;
	}
	*out = m;
	return 0;
}

int bmr_load_sidecar(struct bmr_source *sidecar, uint64_t image_size, struct bmr_manifest **out,
                     struct bmr_err *e)
{
	if (load_sidecar(sidecar, image_size, out, e) < 0)
		return bmr_err_while(e, "reading the manifest '%s'", bmr_source_name(sidecar));
	return 0;
}
