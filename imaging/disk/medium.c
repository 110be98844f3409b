/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which disk was this system booted from?  The build puts a file on the medium whose name has the
 * build's id in it, in the root directory of its ISO 9660 file system or one level below.
 * Mounting every disk to look for a file would ask the kernel to trust each of them; the few
 * fields of ECMA-119 that lead to a directory are safer read here. */
#include "imaging/disk/internal.h"

#include "base/cleanup.h"

#include <endian.h>
#include <fcntl.h>
#include <string.h>

#define BLOCK 2048u
/* A hostile disk may claim any number of any length; ours is a few blocks. */
#define DIRECTORY_MAX (64u * 1024)
#define SUBDIRECTORIES_MAX 32
#define ID_MIN 8 /* a shorter id would be found by chance */

struct extent {
	uint64_t start; /* bytes on the medium */
	uint32_t size;  /* bytes */
};

struct search {
	int fd;
	uint64_t start;
	char id[64];
};

/* A directory record (ECMA-119, 9.1) holds the extent at 2 and its length at 10, little-endian. */
static struct extent record_extent(const unsigned char *record)
{
	uint32_t block;
	uint32_t size;

	memcpy(&block, record + 2, sizeof block);
	memcpy(&size, record + 10, sizeof size);
	return (struct extent){.start = (uint64_t)le32toh(block) * BLOCK, .size = le32toh(size)};
}

/* A directory below another: not one of the first two records, which are itself and its parent. */
static bool is_subdirectory(const unsigned char *record)
{
	return record[0] >= 34 && (record[25] & 2) != 0 && !(record[32] == 1 && record[33] <= 1);
}

static bool directory_names(const struct search *s, struct extent at, bool descend);

static bool subdirectories_name(const struct search *s, const unsigned char *data, size_t len)
{
	unsigned left = SUBDIRECTORIES_MAX;
	size_t off = 0;

	while (off + 34 <= len && left > 0) {
		const unsigned char *record = data + off;

		if (record[0] == 0) { /* the rest of a block is empty: records do not cross it */
			off = (off / BLOCK + 1) * BLOCK;
			continue;
		}
		if (is_subdirectory(record)) {
			if (directory_names(s, record_extent(record), false))
				return true;
			left--;
		}
		off += record[0];
	}
	return false;
}

/* The names of Rock Ridge are plain text within the records, so the id is just looked for. */
static bool directory_names(const struct search *s, struct extent at, bool descend)
{
	size_t size = at.size < DIRECTORY_MAX ? at.size : DIRECTORY_MAX;
	AUTO_FREE unsigned char *data = malloc(size + 1);
	ssize_t got;

	if (!data || size == 0)
		return false;
	got = pread(s->fd, data, size, (off_t)(s->start + at.start));
	if (got <= 0)
		return false;
	if (memmem(data, (size_t)got, s->id, strlen(s->id)))
		return true;
	return descend && subdirectories_name(s, data, (size_t)got);
}

/* The file holds the id, or a path whose last part is it. */
static bool read_id(const char *id_file, char *id, size_t size)
{
	char raw[256];
	char text[sizeof raw];
	const char *last;
	ssize_t len;

	AUTO_FD int fd = open(id_file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	len = read(fd, raw, sizeof raw);
	if (len <= 0)
		return false;
	bmr_disk_attr_clean(text, sizeof text, raw, (size_t)len);
	last = strrchr(text, '/');
	last = last ? last + 1 : text;
	if (strlen(last) < ID_MIN || strlen(last) >= size)
		return false;
	memcpy(id, last, strlen(last) + 1);
	return true;
}

bool bmr_disk_medium(int fd, uint64_t start, const char *id_file)
{
	struct search s = {.fd = fd, .start = start};
	unsigned char volume[BLOCK];

	if (!read_id(id_file, s.id, sizeof s.id))
		return false;
	if (pread(fd, volume, sizeof volume, (off_t)(start + 16 * BLOCK)) != sizeof volume ||
	    volume[0] != 1 || memcmp(volume + 1, "CD001", 5) != 0)
		return false;
	return directory_names(&s, record_extent(volume + 156), true);
}
