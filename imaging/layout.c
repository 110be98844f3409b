/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/layout.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/size.h"

#define MBR_SIZE 512
#define MBR_ENTRIES 446
#define MBR_PROTECTIVE 0xee
#define GPT_HEADER_MIN 92
#define GPT_ENTRY_MIN 128

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t le64(const uint8_t *p)
{
	return le32(p) | (uint64_t)le32(p + 4) << 32;
}

/* *end = the greater of itself and (lba * sector); what does not fit a disk's size counts as the
 * greatest size there is, which no disk has. */
static void reach(uint64_t *end, uint64_t lba, unsigned sector)
{
	uint64_t bytes = UINT64_MAX;

	if (!bmr_size_mul(lba, sector, &bytes))
		bytes = UINT64_MAX;
	if (bytes > *end)
		*end = bytes;
}

static bool header_checksum_right(const uint8_t *header, size_t room)
{
	uint8_t copy[512];
	uint32_t size = le32(header + 12);

	if (size < GPT_HEADER_MIN || size > sizeof copy || size > room)
		return false;
	memcpy(copy, header, size);
	memset(copy + 16, 0, 4); /* the checksum itself counts as zero */
	return crc32(0, copy, size) == le32(header + 16);
}

/* UEFI GUIDs store their first three fields little-endian. */
static void guid_text(const uint8_t *g, char text[37])
{
	snprintf(text, 37, "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", le32(g),
	         g[4] | g[5] << 8, g[6] | g[7] << 8, g[8], g[9], g[10], g[11], g[12], g[13], g[14],
	         g[15]);
}

static void read_gpt_entries(const uint8_t *head, size_t len, const uint8_t *header,
                             struct bmr_layout *l)
{
	static const uint8_t unused[16];
	uint64_t first = le64(header + 72);
	uint32_t count = le32(header + 80);
	uint32_t size = le32(header + 84);
	uint64_t start;

	if (size < GPT_ENTRY_MIN || size > 4096 || !bmr_size_mul(first, l->sector, &start))
		return;
	for (uint32_t i = 0; i < count && bmr_size_inside(start, size, len); i++, start += size) {
		const uint8_t *entry = head + start;
		uint64_t last = le64(entry + 40);

		if (memcmp(entry, unused, sizeof unused) == 0)
			continue;
		l->partitions++;
		reach(&l->used_end, last == UINT64_MAX ? last : last + 1, l->sector);
	}
}

/* Is there a GPT for disks of this sector size? */
static bool read_gpt(const uint8_t *head, size_t len, unsigned sector, struct bmr_layout *l)
{
	const uint8_t *header = head + sector;
	uint64_t backup;

	if (len < (size_t)sector + 512 || memcmp(header, "EFI PART", 8) != 0)
		return false;
	if (!header_checksum_right(header, len - sector)) {
		l->damaged = true;
		return false;
	}
	l->table = BMR_TABLE_GPT;
	l->sector = sector;
	guid_text(header + 56, l->uuid);
	backup = le64(header + 32);
	reach(&l->backup_end, backup == UINT64_MAX ? backup : backup + 1, sector);
	read_gpt_entries(head, len, header, l);
	l->needed = l->used_end > l->backup_end ? l->used_end : l->backup_end;
	return true;
}

/* An MBR has no mark of its own beside 55AA, which boot sectors of file systems have too: only
 * entries that make sense count as a table. */
static void read_mbr(const uint8_t *head, size_t len, struct bmr_layout *l)
{
	uint64_t end = 0;
	unsigned used = 0;

	if (len < MBR_SIZE || head[510] != 0x55 || head[511] != 0xaa)
		return;
	for (unsigned i = 0; i < 4; i++) {
		const uint8_t *entry = head + MBR_ENTRIES + (size_t)16 * i;

		if ((entry[0] & 0x7f) != 0)
			return;
		if (entry[4] == 0 || le32(entry + 12) == 0)
			continue;
		if (entry[4] == MBR_PROTECTIVE) {
			l->damaged = true; /* read_gpt has found none */
			return;
		}
		used++;
		reach(&end, (uint64_t)le32(entry + 8) + le32(entry + 12), MBR_SIZE);
	}
	if (used == 0)
		return;
	l->table = BMR_TABLE_DOS;
	l->sector = MBR_SIZE;
	l->partitions = used;
	l->needed = l->used_end = end;
	snprintf(l->uuid, sizeof l->uuid, "%08x", le32(head + 440));
}

void bmr_layout_read(const uint8_t *head, size_t len, struct bmr_layout *layout)
{
	memset(layout, 0, sizeof *layout);
	if (read_gpt(head, len, 512, layout) || read_gpt(head, len, 4096, layout)) {
		layout->damaged = false;
		return;
	}
	read_mbr(head, len, layout);
}

char *bmr_layout_text(const struct bmr_layout *layout, char *buf, size_t len)
{
	if (layout->table == BMR_TABLE_NONE)
		snprintf(buf, len, layout->damaged ? "a damaged GPT" : "no partition table");
	else
		snprintf(buf, len, "%s, %u-byte sectors, %u partition%s",
		         layout->table == BMR_TABLE_GPT ? "GPT" : "MBR", layout->sector,
		         layout->partitions, layout->partitions == 1 ? "" : "s");
	return buf;
}
