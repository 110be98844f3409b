/* SPDX-License-Identifier: GPL-3.0-or-later */
/* btrfs keeps several copies of what it holds: in chunks of the profile DUP twice on one device, of
 * which partclone maps one.  The other is taken chunk by chunk, as the chunk tree has them. */
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "imaging/used/internal.h"

#define BLANKS " \t\n(|)"
#define SUPER_SIZE 4096

static const char *const incompatible_known[] = {"MIXED_BACKREF",
                                                 "DEFAULT_SUBVOL",
                                                 "MIXED_GROUPS",
                                                 "COMPRESS_LZO",
                                                 "COMPRESS_ZSTD",
                                                 "BIG_METADATA",
                                                 "EXTENDED_IREF",
                                                 "NO_HOLES",
                                                 "METADATA_UUID",
                                                 "SKINNY_METADATA",
                                                 NULL};
static const char *const read_only_known[] = {"FREE_SPACE_TREE", "FREE_SPACE_TREE_VALID", "VERITY",
                                              NULL};

/* "NAME  0x341\n" and, in lines that begin with a blank, their names */
static int judge_flags(const char *text, const char *name, const char *const *known,
                       struct bmr_err *e)
{
	const char *flags = bmr_used_after(text, name);
	const char *end;
	char stranger[BMR_USED_WORD_SIZE];

	flags = flags ? strchr(flags, '\n') : NULL;
	if (!flags)
		return bmr_err_set(e, BMR_E_DATA, 0, "btrfs does not tell its features");
	for (end = flags + 1; *end == '\t' || *end == ' '; end++) {
		end = strchrnul(end, '\n');
		if (!*end)
			break;
	}
	if (!bmr_used_all_known(flags, (size_t)(end - flags), BLANKS, known, stranger))
		return bmr_err_set(e, BMR_E_DATA, 0, "it has the feature '%s'", stranger);
	return 0;
}

struct device_facts {
	unsigned long long id;
	uint64_t size; /* of the block device */
};

static int judge_super(const char *text, void *ctx, struct bmr_err *e)
{
	struct device_facts *facts = ctx;
	const char *log = bmr_used_after(text, "log_root\t");
	const char *devices = bmr_used_after(text, "num_devices\t");
	const char *id = bmr_used_after(text, "dev_item.devid\t");
	const char *checksum = bmr_used_after(text, "csum\t");

	if (!log || !devices || !id || !checksum || sscanf(id, "%llu", &facts->id) != 1)
		return bmr_err_set(e, BMR_E_DATA, 0, "btrfs does not tell what it is");
	checksum += strcspn(checksum, " \n");
	if (!bmr_used_line_is(checksum, " [match]"))
		return bmr_err_set(e, BMR_E_DATA, 0, "its superblock is damaged");
	if (!bmr_used_line_is(log, "0"))
		return bmr_err_set(e, BMR_E_DATA, 0, "it is not clean");
	if (!bmr_used_line_is(devices, "1"))
		return bmr_err_set(e, BMR_E_DATA, 0, "it has more devices than this one");
	if (judge_flags(text, "incompat_flags\t", incompatible_known, e) < 0)
		return -1;
	return judge_flags(text, "compat_ro_flags\t", read_only_known, e);
}

/* --- chunks --- */

struct chunk {
	unsigned long long length;
	char type[64];
	unsigned stripes; /* that are still to come */
	bool twice;
};

struct chunks {
	const struct device_facts *device;
	struct bmr_used_list *map;
	struct chunk chunk;
	bool open; /* between the head of an item and its last stripe */
	unsigned count;
};

static int unclear(struct bmr_err *e)
{
	return bmr_err_set(e, BMR_E_DATA, 0, "its chunks cannot be read");
}

/* "DATA|single", "METADATA|DUP" ... */
static int judge_profile(struct chunk *chunk, unsigned stripes, struct bmr_err *e)
{
	const char *profile = strrchr(chunk->type, '|');

	chunk->stripes = stripes;
	chunk->twice = profile && strcmp(profile, "|DUP") == 0 && stripes == 2;
	if (chunk->twice || (profile && strcmp(profile, "|single") == 0 && stripes == 1))
		return 0;
	return bmr_err_set(e, BMR_E_DATA, 0, "it has chunks of the kind '%s'", chunk->type);
}

static int take_stripe(struct chunks *c, unsigned long long device, unsigned long long offset,
                       struct bmr_err *e)
{
	if (c->chunk.stripes == 0 || device != c->device->id ||
	    !bmr_size_inside(offset, c->chunk.length, c->device->size))
		return unclear(e);
	c->chunk.stripes--;
	c->open = c->chunk.stripes > 0;
	return c->chunk.twice ? bmr_used_list_add(c->map, offset, c->chunk.length, e) : 0;
}

static int read_line(struct chunks *c, const char *line, struct bmr_err *e)
{
	unsigned long long a;
	unsigned long long b;
	unsigned stripes;

	if (strncmp(line, "\titem ", 6) == 0) {
		if (c->open)
			return unclear(e);
		c->open = strstr(line, " CHUNK_ITEM ") != NULL;
		c->count += c->open;
		c->chunk = (struct chunk){0};
	} else if (!c->open) {
		return 0;
	} else if (strncmp(line, "\t\tlength ", 9) == 0) {
		if (sscanf(line, "\t\tlength %llu owner %*u stripe_len %*u type %63s",
		           &c->chunk.length, c->chunk.type) != 2)
			return unclear(e);
	} else if (sscanf(line, "\t\tnum_stripes %u ", &stripes) == 1) {
		return judge_profile(&c->chunk, stripes, e);
	} else if (sscanf(line, "\t\t\tstripe %*u devid %llu offset %llu", &a, &b) == 2) {
		return take_stripe(c, a, b, e);
	}
	return 0;
}

static int judge_chunks(const char *text, void *ctx, struct bmr_err *e)
{
	struct chunks *c = ctx;
	char line[256];

	while (*text) {
		size_t len = strcspn(text, "\n");

		snprintf(line, sizeof line, "%.*s", (int)len, text);
		if (read_line(c, line, e) < 0)
			return -1;
		text += len + (text[len] != '\0');
	}
	return c->open || c->count == 0 ? unclear(e) : 0;
}

/* Copies of the superblock stand outside of all chunks. */
static int take_supers(const struct device_facts *device, struct bmr_used_list *map,
                       struct bmr_err *e)
{
	static const uint64_t places[] = {64 * BMR_KIB, 64 * BMR_MIB, 256 * BMR_GIB};

	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		if (bmr_size_inside(places[i], SUPER_SIZE, device->size) &&
		    bmr_used_list_add(map, places[i], SUPER_SIZE, e) < 0)
			return -1;
	return 0;
}

int bmr_used_doubt_btrfs(const struct bmr_used_look *look, const struct bmr_used_device *device,
                         uint64_t size, struct bmr_used_list *map, struct bmr_err *e)
{
	struct device_facts facts = {.size = size};
	struct chunks chunks = {.device = &facts, .map = map};

	if (BMR_USED_ASK(look, size, judge_super, 0, &facts, e, "btrfs", "inspect-internal",
	                 "dump-super", device->path) < 0 ||
	    BMR_USED_ASK(look, size, judge_chunks, 0, &chunks, e, "btrfs", "inspect-internal",
	                 "dump-tree", "-t", "chunk", device->path) < 0)
		return -1;
	return take_supers(&facts, map, e);
}
