/* SPDX-License-Identifier: GPL-3.0-or-later */
/* manifest_internal.h - what manifest*.c share: the numbers of the file format, and reading and
 * writing little-endian bytes.  Nobody else includes it, but for tests. */
#ifndef BMR_IMAGING_BMR_MANIFEST_INTERNAL_H
#define BMR_IMAGING_BMR_MANIFEST_INTERNAL_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "imaging/bmr/manifest.h"

struct bmr_err;

/* A payload: magic, major, minor, records, SHA-256 of all that. */
#define PAYLOAD_MAGIC_SIZE 8
#define HEAD_MAGIC "bmr-head"
#define MANIFEST_MAGIC "bmr-mani"
#define FORMAT_MAJOR 1 /* a reader refuses a higher one */
#define FORMAT_MINOR 0 /* and does not look at this */
#define PAYLOAD_HEADER (PAYLOAD_MAGIC_SIZE + 2 + 2)

/* A record: type, flags, length, value.  In ascending order of type, each type once at most. */
#define RECORD_HEADER (2 + 2 + 8)
#define RECORD_MUST_KNOW 1 /* flag: a reader that does not know the type must refuse */

enum bmr_record {
	BMR_RECORD_ID = 1,
	BMR_RECORD_DISK = 2,
	BMR_RECORD_MADE = 3,
	BMR_RECORD_BASE = 4,
	BMR_RECORD_HEAD = 16,
	BMR_RECORD_ROOT = 17,
	BMR_RECORD_SHA256 = 18,
	BMR_RECORD_ENTRIES = 19,
	BMR_RECORD_BAD = 20,
	BMR_RECORD_FACTS = 21,
};

#define ENTRIES_HEADER (8 + 4)
#define DATA_ENTRY_SIZE (1 + 4 + BMR_DIGEST_SIZE)
#define BASE_ENTRY_SIZE (1 + BMR_DIGEST_SIZE)
#define RUN_ENTRY_SIZE (1 + 4 + 4) /* the smallest */
#define BAD_RANGE_SIZE (8 + 8)
#define FACT_HEADER (1 + 2)
#define FACT_SIZE_LEAST (FACT_HEADER + 1 + 1)

/* Before its data a file has the head and, for the codecs that skip it, a guard. */
bool bmr_pack_has_frames(enum bmr_codec_id pack);

/* What the format does not allow; NULL: all is well. */
const char *bmr_head_wrong(const struct bmr_head *head);

/* bmr_manifest_add once there is room, for builder and reader: what is wrong with the entry. */
const char *bmr_manifest_append(struct bmr_manifest *m, const struct bmr_manifest_entry *entry);

/* Errors: BMR_E_BUG, BMR_E_NOMEM. */
int bmr_manifest_root(const struct bmr_manifest *m, struct bmr_digest_value *root,
                      struct bmr_err *e);

/* Copy text to out (room bytes with the NUL): cut, and what is not printable replaced.  Returns its
 * length. */
size_t bmr_fact_clean(const char *text, size_t len, char *out, size_t room);
/* Is text what bmr_fact_clean would leave alone? */
bool bmr_fact_is_clean(const char *text, size_t len);

/* --- bytes --- */

static inline uint8_t *put_bytes(uint8_t *to, const void *data, size_t len)
{
	memcpy(to, data, len);
	return to + len;
}

static inline uint8_t *put_u8(uint8_t *to, uint8_t value)
{
	*to = value;
	return to + 1;
}

static inline uint8_t *put_u16(uint8_t *to, uint16_t value)
{
	value = htole16(value);
	return put_bytes(to, &value, sizeof value);
}

static inline uint8_t *put_u32(uint8_t *to, uint32_t value)
{
	value = htole32(value);
	return put_bytes(to, &value, sizeof value);
}

static inline uint8_t *put_u64(uint8_t *to, uint64_t value)
{
	value = htole64(value);
	return put_bytes(to, &value, sizeof value);
}

/* Hostile bytes: what is read past their end is zero, and `bad` remembers it. */
struct bytes_in {
	const uint8_t *at;
	size_t left;
	bool bad;
};

/* NULL if there are less. */
static inline const uint8_t *get_bytes(struct bytes_in *in, size_t len)
{
	const uint8_t *here = in->at;

	if (len > in->left) {
		in->bad = true;
		return NULL;
	}
	in->at += len;
	in->left -= len;
	return here;
}

static inline void get_copy(struct bytes_in *in, void *to, size_t len)
{
	const uint8_t *from = get_bytes(in, len);

	if (from)
		memcpy(to, from, len);
	else
		memset(to, 0, len);
}

static inline uint8_t get_u8(struct bytes_in *in)
{
	uint8_t value;

	get_copy(in, &value, sizeof value);
	return value;
}

static inline uint16_t get_u16(struct bytes_in *in)
{
	uint16_t value;

	get_copy(in, &value, sizeof value);
	return le16toh(value);
}

static inline uint32_t get_u32(struct bytes_in *in)
{
	uint32_t value;

	get_copy(in, &value, sizeof value);
	return le32toh(value);
}

static inline uint64_t get_u64(struct bytes_in *in)
{
	uint64_t value;

	get_copy(in, &value, sizeof value);
	return le64toh(value);
}

#endif
