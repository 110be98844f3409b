/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/info_bmr.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/info.h"
#include "agent/json.h"
#include "base/size.h"
#include "imaging/bmr/manifest.h"

#define BAD_SHOWN 16
#define PARTITION "partition."
#define PARTITION_LAST 100000 /* more is no number of a partition */

struct kind {
	uint64_t chunks;
	uint64_t bytes;  /* of the disk */
	uint64_t stored; /* bytes of the file */
};

static const struct {
	enum bmr_chunk_kind kind;
	const char *name;
} kinds[] = {
	{BMR_CHUNK_DATA, "data"},
	{BMR_CHUNK_ZERO, "zero"},
	{BMR_CHUNK_UNUSED, "unused"},
	{BMR_CHUNK_BASE, "base"},
};

#define KINDS (sizeof kinds / sizeof *kinds)

static struct kind count_kind(const struct bmr_manifest *m, enum bmr_chunk_kind kind)
{
	struct kind k = {0};

	for (uint32_t i = 0; i < m->entry_count; i++) {
		if (m->entries[i].kind != kind)
			continue;
		k.chunks += m->entries[i].count;
		k.bytes += bmr_manifest_entry_bytes(m, &m->entries[i]);
		k.stored += m->entries[i].stored;
	}
	return k;
}

/* Bytes of the disk that the file holds, for each of its own; 0 if it holds none. */
static double ratio(const struct bmr_manifest *m)
{
	struct kind data = count_kind(m, BMR_CHUNK_DATA);

	return data.stored > 0 ? (double)data.bytes / (double)data.stored : 0;
}

static char *time_text(int64_t seconds, char *buf, size_t len)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || strftime(buf, len, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(buf, len, "%" PRId64 " s since 1970", seconds);
	return buf;
}

/* --- partitions: facts "partition.NUMBER.MEMBER" --- */

/* Its number; 0 if the fact is of no partition. */
static unsigned partition_of(const char *fact)
{
	char *end;
	unsigned long number;

	if (strncmp(fact, PARTITION, strlen(PARTITION)) != 0)
		return 0;
	number = strtoul(fact + strlen(PARTITION), &end, 10);
	return *end == '.' && number <= PARTITION_LAST ? (unsigned)number : 0;
}

/* The lowest number after this one; 0: there is none. */
static unsigned next_partition(const struct bmr_manifest *m, unsigned after)
{
	unsigned next = 0;

	for (uint32_t i = 0; i < m->fact_count; i++) {
		unsigned number = partition_of(m->facts[i].name);

		if (number > after && (next == 0 || number < next))
			next = number;
	}
	return next;
}

/* NULL if it is not known. */
static const char *partition_fact(const struct bmr_manifest *m, unsigned number, const char *member)
{
	char name[64];

	snprintf(name, sizeof name, PARTITION "%u.%s", number, member);
	return bmr_manifest_get(m, name);
}

static uint64_t partition_number(const struct bmr_manifest *m, unsigned number, const char *member)
{
	const char *value = partition_fact(m, number, member);

	return value ? strtoull(value, NULL, 10) : 0;
}

/* --- text --- */

static void line(FILE *out, const char *name, const char *value)
{
	if (value && *value)
		fprintf(out, "%-10s %s\n", name, value);
}

static void print_kinds(const struct bmr_manifest *m, FILE *out)
{
	char size[16];
	char stored[16];

	for (size_t i = 0; i < KINDS; i++) {
		struct kind k = count_kind(m, kinds[i].kind);

		if (k.chunks == 0)
			continue;
		fprintf(out, "%-10s %" PRIu64 " chunks, %s of the disk", kinds[i].name, k.chunks,
		        bmr_size_text(k.bytes, size, sizeof size));
		if (k.stored > 0)
			fprintf(out, ", %s in the file",
			        bmr_size_text(k.stored, stored, sizeof stored));
		if (kinds[i].kind == BMR_CHUNK_DATA && k.stored > 0)
			fprintf(out, " (%.2f : 1)", ratio(m));
		fputc('\n', out);
	}
}

static void print_base(const struct bmr_manifest *m, FILE *out)
{
	const char *name = bmr_manifest_get(m, "base.name");
	char id[BMR_ID_TEXT_SIZE];
	char root[BMR_DIGEST_TEXT_SIZE];

	if (!m->head.has_base)
		return;
	fprintf(out, "based on   %s%simage %s\n", name ? name : "", name ? ", " : "",
	        bmr_id_text(m->head.base_id, id));
	fprintf(out, "           root %s\n", bmr_digest_text(&m->head.base_root, root));
}

static void print_partition(const struct bmr_manifest *m, unsigned number, FILE *out)
{
	const char *fs = partition_fact(m, number, "fs");
	const char *label = partition_fact(m, number, "label");
	const char *capture = partition_fact(m, number, "capture");
	char name[24];
	char size[16];

	snprintf(name, sizeof name, "part. %u", number);
	fprintf(out, "%-10s %s from sector %" PRIu64, name,
	        bmr_size_text(partition_number(m, number, "size"), size, sizeof size),
	        partition_number(m, number, "start") / m->head.sector);
	fprintf(out, ", %s", fs ? fs : "content unknown");
	if (label)
		fprintf(out, " '%s'", label);
	fputc('\n', out);
	if (capture)
		fprintf(out, "           captured: %s\n", capture);
}

static void print_joined(const struct bmr_manifest *m, const char *name, const char *const *facts,
                         FILE *out)
{
	bool any = false;

	for (; *facts; facts++) {
		const char *value = bmr_manifest_get(m, *facts);

		if (!value)
			continue;
		if (any)
			fprintf(out, ", %s", value);
		else
			fprintf(out, "%-10s %s", name, value);
		any = true;
	}
	if (any)
		fputc('\n', out);
}

static void print_bad(const struct bmr_manifest *m, FILE *out)
{
	for (uint32_t i = 0; i < m->bad_count && i < BAD_SHOWN; i++)
		fprintf(out, "unreadable sectors %" PRIu64 "-%" PRIu64 " (zeros in the image)\n",
		        m->bad[i].offset / m->head.sector,
		        (m->bad[i].offset + m->bad[i].length - 1) / m->head.sector);
	if (m->bad_count > BAD_SHOWN)
		fprintf(out, "unreadable and %" PRIu32 " more places\n", m->bad_count - BAD_SHOWN);
}

/* What has a line of its own above is left out. */
static bool is_shown(const char *fact)
{
	static const char *const shown[] = {"machine.", "disk.", "base.name", "bmr.version",
	                                    "table."};

	for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
		if (strncmp(fact, shown[i], strlen(shown[i])) == 0)
			return true;
	return partition_of(fact) > 0;
}

void bmr_info_bmr_text(const struct bmr_manifest *m, FILE *out)
{
	static const char *const machine[] = {"machine.vendor",   "machine.product",
	                                      "machine.serial",   "machine.uuid",
	                                      "machine.firmware", NULL};
	static const char *const disk[] = {"disk.name", "disk.vendor", "disk.model", "disk.serial",
	                                   "disk.wwn",  "disk.bus",    NULL};
	char text[BMR_DIGEST_TEXT_SIZE];
	char size[16];

	line(out, "id", bmr_id_text(m->head.id, text));
	line(out, "created", time_text(m->head.created, text, sizeof text));
	line(out, "by bmr", bmr_manifest_get(m, "bmr.version"));
	fprintf(out,
	        "of a disk  %" PRIu64 " bytes (%s), sectors of %" PRIu32 " (physical %" PRIu32
	        ")\n",
	        m->head.disk_size, bmr_size_text(m->head.disk_size, size, sizeof size),
	        m->head.sector, m->head.physical);
	fprintf(out, "chunks     of %s, packed by %s\n",
	        bmr_size_text(m->head.chunk_size, size, sizeof size), bmr_pack_name(m->head.pack));
	print_kinds(m, out);
	line(out, "root", bmr_digest_text(&m->root, text));
	line(out, "sha256", m->has_sha256 ? bmr_digest_text(&m->sha256, text) : "not known");
	print_base(m, out);
	print_joined(m, "machine", machine, out);
	print_joined(m, "its disk", disk, out);
	for (unsigned n = next_partition(m, 0); n > 0; n = next_partition(m, n))
		print_partition(m, n, out);
	for (uint32_t i = 0; i < m->fact_count; i++)
		if (!is_shown(m->facts[i].name))
			fprintf(out, "%-10s %s\n", m->facts[i].name, m->facts[i].value);
	print_bad(m, out);
}

/* --- JSON --- */

void bmr_info_kinds(const struct bmr_manifest *m, struct bmr_json *j)
{
	bmr_json_open(j, "kinds", '{');
	for (size_t i = 0; i < KINDS; i++) {
		struct kind k = count_kind(m, kinds[i].kind);

		bmr_json_open(j, kinds[i].name, '{');
		bmr_json_number(j, "chunks", k.chunks);
		bmr_json_number(j, "bytes", k.bytes);
		bmr_json_number(j, "stored_bytes", k.stored);
		bmr_json_close(j, '}');
	}
	bmr_json_close(j, '}');
}

static void add_base(const struct bmr_manifest *m, struct bmr_json *j)
{
	const char *name = bmr_manifest_get(m, "base.name");
	char id[BMR_ID_TEXT_SIZE];
	char root[BMR_DIGEST_TEXT_SIZE];

	if (!m->head.has_base)
		return;
	bmr_json_open(j, "base", '{');
	bmr_json_text(j, "id", bmr_id_text(m->head.base_id, id));
	bmr_json_text(j, "root", bmr_digest_text(&m->head.base_root, root));
	if (name)
		bmr_json_text(j, "name", name);
	bmr_json_close(j, '}');
}

static void add_partition(const struct bmr_manifest *m, unsigned number, struct bmr_json *j)
{
	static const char *const numbers[] = {"start", "size", "used"};
	static const char *const texts[] = {"type",  "name",    "uuid",   "fs",
	                                    "label", "fs_uuid", "capture"};

	bmr_json_open(j, NULL, '{');
	bmr_json_number(j, "number", number);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (partition_fact(m, number, numbers[i]))
			bmr_json_number(j, numbers[i], partition_number(m, number, numbers[i]));
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (partition_fact(m, number, texts[i]))
			bmr_json_text(j, texts[i], partition_fact(m, number, texts[i]));
	bmr_json_close(j, '}');
}

static void add_lists(const struct bmr_manifest *m, struct bmr_json *j)
{
	bmr_json_open(j, "partition_list", '[');
	for (unsigned n = next_partition(m, 0); n > 0; n = next_partition(m, n))
		add_partition(m, n, j);
	bmr_json_close(j, ']');
	bmr_json_open(j, "facts", '{');
	for (uint32_t i = 0; i < m->fact_count; i++)
		bmr_json_text(j, m->facts[i].name, m->facts[i].value);
	bmr_json_close(j, '}');
	bmr_json_open(j, "bad", '[');
	for (uint32_t i = 0; i < m->bad_count; i++) {
		bmr_json_open(j, NULL, '{');
		bmr_json_number(j, "byte", m->bad[i].offset);
		bmr_json_number(j, "bytes", m->bad[i].length);
		bmr_json_close(j, '}');
	}
	bmr_json_close(j, ']');
}

void bmr_info_bmr_json(const struct bmr_manifest *m, struct bmr_json *j)
{
	char text[BMR_DIGEST_TEXT_SIZE];

	bmr_json_text(j, "id", bmr_id_text(m->head.id, text));
	bmr_json_number(j, "created", m->head.created > 0 ? (uint64_t)m->head.created : 0);
	bmr_json_number(j, "disk_size", m->head.disk_size);
	bmr_json_number(j, "logical_sector", m->head.sector);
	bmr_json_number(j, "physical_sector", m->head.physical);
	bmr_json_number(j, "chunk_bytes", m->head.chunk_size);
	bmr_json_text(j, "codec", bmr_pack_name(m->head.pack));
	bmr_info_kinds(m, j);
	bmr_json_seconds(j, "ratio", ratio(m));
	bmr_json_text(j, "root", bmr_digest_text(&m->root, text));
	if (m->has_sha256)
		bmr_json_text(j, "sha256", bmr_digest_text(&m->sha256, text));
	add_base(m, j);
	add_lists(m, j);
}
