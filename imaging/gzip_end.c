/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/gzip_end.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "imaging/bmr/manifest.h"
#include "imaging/codec/frame.h"
#include "transport/source.h"

#define HEADER_MOST 512 /* with a file's name, or the fields of bgzip */
#define MEMBER_LEAST 18 /* header and trailer */
#define TRIES 16        /* in packed data a beginning is met by chance once in 64 MiB */

/* RFC 1952: magic, deflate, and no flag that is reserved. */
static bool is_beginning(const uint8_t *at)
{
	return at[0] == 0x1f && at[1] == 0x8b && at[2] == 8 && (at[3] & 0xe0) == 0;
}

/* Does `end` end with one member of `size` bytes, which begins at byte `from` or later? */
static int find_member(struct bmr_unpacker *u, const uint8_t *end, size_t len, size_t from,
                       uint8_t *out, size_t size, bool *found, struct bmr_err *e)
{
	unsigned tries = 0;

	/* From the end: others, as small as of a run of zeros, may stand before it. */
	for (size_t i = len < MEMBER_LEAST ? 0 : len - MEMBER_LEAST + 1;
	     i-- > from && tries < TRIES;) {
		if (!is_beginning(end + i))
			continue;
		*found = bmr_unpacker_run(u, end + i, len - i, out, size, e) == 0;
		if (*found)
			return 0;
		if (e->code != BMR_E_DATA)
			return -1;
		tries++;
	}
	return 0;
}

int bmr_gzip_end_is_small(struct bmr_source *source, uint64_t file_size, uint64_t size, bool *small,
                          struct bmr_err *e)
{
	AUTO_FREE uint8_t *end = NULL;
	AUTO_FREE uint8_t *out = NULL;
	struct bmr_unpacker *u;
	size_t len;
	int rc;

	*small = false;
	if (size > BMR_CHUNK_SIZE_MOST)
		return 0;
	len = (size_t)bmr_size_min(file_size, bmr_pack_bound(BMR_PACK_GZIP, size) + HEADER_MOST);
	end = malloc(len);
	out = malloc(size + 1);
	if (!end || !out)
		return bmr_err_nomem(e, "the end of a gzip file");
	if (bmr_source_read(source, end, len, file_size - len, &len, e) < 0 ||
	    bmr_unpacker_open(BMR_PACK_GZIP, &u, e) < 0)
		return -1;
	/* From the file's first byte on it is the only member. */
	rc = find_member(u, end, len, len == file_size, out, size, small, e);
	bmr_unpacker_close(u);
	return rc;
}
