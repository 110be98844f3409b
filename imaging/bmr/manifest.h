/* SPDX-License-Identifier: GPL-3.0-or-later */
/* manifest.h - what a bmr image says of itself: for each chunk of the disk where it lies in the
 * file, how long it is there, and the SHA-256 of its content; and what disk that was.
 *
 * docs/image-format.md gives the bytes.  A manifest is built by a capture, in disk order, or read
 * from hostile bytes; after that it does not change and any thread may read it.
 *
 * The disk is cut into chunks of chunk_size bytes, the last one shorter.  Entries stand for one data
 * chunk or a run of zero or unused chunks, without gaps, in disk order.  Each entry but those of
 * kind BASE is one stretch of the file and one line of its seek table; a run is at most
 * BMR_RUN_MOST bytes of the disk, so that its size fits there.
 *
 * Sources: manifest.c (building, looking up), manifest_facts.c, manifest_encode.c, manifest_decode.c.
 */
#ifndef BMR_IMAGING_BMR_MANIFEST_H
#define BMR_IMAGING_BMR_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"

struct bmr_err;

#define BMR_ID_SIZE 16 /* a version 4 UUID, RFC 4122 */
#define BMR_ID_TEXT_SIZE 37

#define BMR_CHUNK_SIZE_LEAST ((uint32_t)1 << 20)
#define BMR_CHUNK_SIZE_MOST ((uint32_t)1 << 22)

/* Limits of a reader; more is refused before anything is allocated. */
#define BMR_DISK_SIZE_MOST ((uint64_t)1 << 60) /* and at most 2^32 - 1 chunks */
#define BMR_ENTRIES_MOST ((uint32_t)1 << 26)   /* so that the manifest fits into one frame */
#define BMR_RUN_MOST ((uint64_t)1 << 30)       /* bytes of the disk in one run */
/* The most bytes in the file for len bytes of the disk. */
#define BMR_STORED_MOST(len) ((len) + (len) / 8 + 1024)
#define BMR_HEAD_MOST 65536 /* bytes of the head's payload */
#define BMR_FACTS_MOST 4096
#define BMR_FACT_NAME_MOST 64
#define BMR_FACT_VALUE_MOST 1024
#define BMR_BAD_MOST 65536 /* ranges of the disk that could not be read */

enum bmr_chunk_kind { /* the numbers of the file format */
	BMR_CHUNK_DATA = 1,
	BMR_CHUNK_ZERO = 2,   /* must read back as zeros */
	BMR_CHUNK_UNUSED = 3, /* belongs to nothing; what it reads as does not matter */
	BMR_CHUNK_BASE = 4,   /* stands in the base image, at the same place of the disk */
};

enum bmr_codec_id {        /* of the frames; the numbers of the file format */
	BMR_PACK_ZSTD = 1, /* one frame a chunk, with its content size */
	BMR_PACK_GZIP = 2, /* one member a chunk */
	BMR_PACK_LZ4 = 3,  /* one frame a chunk */
	BMR_PACK_NONE = 4, /* the bytes themselves */
};

struct bmr_manifest_entry {
	uint64_t offset; /* bytes into the image file; 0 if kind is BASE */
	uint32_t first;  /* number of the (first) chunk */
	uint32_t count;  /* chunks; 1 if kind is DATA or BASE */
	uint32_t stored; /* bytes in the file, of a chunk's frame or of what a run is stored as (a
			    frame of zeros; lz4, gzip, none: the packed zeros); 0 if kind is BASE */
	uint32_t kind;   /* enum bmr_chunk_kind */
	struct bmr_digest_value digest; /* of the content, if kind is DATA or BASE */
};

struct bmr_bad_range { /* of the disk, in bytes; its content in the image is zeros */
	uint64_t offset;
	uint64_t length;
};

struct bmr_fact {
	char *name; /* "disk.model", "partition.1.fs" ...: docs/image-format.md lists them */
	char *value;
};

/* What stands in the head, the first frame of the file, and is known when a capture begins. */
struct bmr_head {
	uint8_t id[BMR_ID_SIZE];
	uint64_t disk_size; /* bytes */
	uint32_t sector;    /* logical sector size */
	uint32_t physical;  /* physical sector size */
	uint32_t chunk_size;
	enum bmr_codec_id pack;
	int64_t created; /* seconds since 1970 */
	bool has_base;
	uint8_t base_id[BMR_ID_SIZE];
	struct bmr_digest_value base_root; /* .root of the base's manifest */
};

struct bmr_manifest {
	struct bmr_head head;
	struct bmr_digest_value root; /* over kind, place and digest of every chunk */
	bool has_sha256;
	struct bmr_digest_value sha256; /* of the raw disk, unused chunks as zeros */
	uint64_t data_start; /* bytes of the file before the first entry's: head, guard */
	uint64_t data_end;   /* and up to the end of the last entry's */
	struct bmr_manifest_entry *entries;
	uint32_t entry_count;
	struct bmr_bad_range *bad; /* in order, apart from each other */
	uint32_t bad_count;
	struct bmr_fact *facts; /* in order of their names (strcmp) */
	uint32_t fact_count;
	bool sealed;
	size_t entry_room, bad_room, fact_room; /* of the builder */
};

/* --- building, one thread --- */

/* A manifest without entries; .data_start and .data_end are where the first one belongs.  *out is
 * freed by bmr_manifest_free.
 * Errors: BMR_E_USAGE (what the format does not allow: sizes; a base with gzip or none, which could
 * not be kept from being unpacked alone), BMR_E_NOMEM. */
int bmr_manifest_new(const struct bmr_head *head, struct bmr_manifest **out, struct bmr_err *e);
void bmr_manifest_free(struct bmr_manifest *m);

/* The next entry: .first is the chunk after the last one, .offset is .data_end (0 for BASE), which
 * then moves by .stored.  A run of more than BMR_RUN_MOST is several entries.
 * Errors: BMR_E_BUG (anything that a reader would refuse), BMR_E_USAGE (BMR_ENTRIES_MOST), BMR_E_NOMEM. */
int bmr_manifest_add(struct bmr_manifest *m, const struct bmr_manifest_entry *entry,
                     struct bmr_err *e);
/* In any order; ranges that touch are joined, and past BMR_BAD_MOST a neighbour grows instead.
 * Errors: BMR_E_BUG (not inside the disk), BMR_E_NOMEM. */
int bmr_manifest_add_bad(struct bmr_manifest *m, uint64_t offset, uint64_t length,
                         struct bmr_err *e);
/* A name that is there already gets the new value; both are copied; bytes that are not printable
 * UTF-8 come out as '?', and what is too long is cut.  NULL or "" values are left out, and so is
 * what is over BMR_FACTS_MOST.  Errors: BMR_E_NOMEM. */
int bmr_manifest_fact(struct bmr_manifest *m, const char *name, const char *value,
                      struct bmr_err *e);

/* All chunks have their entry: compute root.  It names the content alone: a chunk of the base counts
 * like one of data, and where runs are cut does not matter, so a merged image has the root of the
 * incremental one.  Errors: BMR_E_BUG (some are missing), BMR_E_NOMEM. */
int bmr_manifest_seal(struct bmr_manifest *m, struct bmr_err *e);

/* --- reading, any thread --- */

uint32_t bmr_manifest_chunks(const struct bmr_manifest *m);
/* Bytes of chunk number `chunk`: chunk_size, less in the last one. */
uint32_t bmr_manifest_chunk_len(const struct bmr_manifest *m, uint32_t chunk);
/* Bytes of the disk that an entry stands for. */
uint64_t bmr_manifest_entry_bytes(const struct bmr_manifest *m,
                                  const struct bmr_manifest_entry *entry);
/* The entry that has this chunk; never NULL for a chunk of the disk. */
const struct bmr_manifest_entry *bmr_manifest_at(const struct bmr_manifest *m, uint32_t chunk);
/* NULL if there is none. */
const char *bmr_manifest_get(const struct bmr_manifest *m, const char *name);
/* Bytes of the disk in chunks of a kind. */
uint64_t bmr_manifest_bytes(const struct bmr_manifest *m, enum bmr_chunk_kind kind);
/* "zstd", "gzip", "lz4", "none". */
const char *bmr_pack_name(enum bmr_codec_id pack);
/* A new random id (RFC 9562, version 4).  Errors: BMR_E_NOMEM (the kernel gives no random bytes). */
int bmr_id_new(uint8_t id[BMR_ID_SIZE], struct bmr_err *e);
char *bmr_id_text(const uint8_t id[BMR_ID_SIZE], char text[BMR_ID_TEXT_SIZE]);

/* --- bytes --- */

/* The payload of the head's and of the manifest's frame.  *out is freed by the caller.
 * Errors: BMR_E_BUG (not sealed), BMR_E_NOMEM. */
int bmr_head_encode(const struct bmr_head *head, uint8_t **out, size_t *len, struct bmr_err *e);
int bmr_manifest_encode(const struct bmr_manifest *m, uint8_t **out, size_t *len,
                        struct bmr_err *e);

/* The reverse, for hostile bytes: everything is checked, among it that entries cover the disk
 * without gap or overlap, lie in the file one behind the other, and that root is right.
 * *out is freed by bmr_manifest_free.  Errors: BMR_E_DATA with what is wrong, BMR_E_NOMEM. */
int bmr_head_decode(const uint8_t *data, size_t len, struct bmr_head *head, struct bmr_err *e);
int bmr_manifest_decode(const uint8_t *head, size_t head_len, const uint8_t *data, size_t len,
                        struct bmr_manifest **out, struct bmr_err *e);

#endif
