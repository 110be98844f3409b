/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Volume groups.  LVM's own program tells which extents of the physical volumes are whose: it is shown
 * read-only devices of ours and nothing else, and never activates anything.  What is plainly linear
 * and all here is looked into; everything else that is allocated is used. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/size.h"
#include "base/text.h"
#include "imaging/used/internal.h"

#define PVS_MOST 256
#define DEVICES_SIZE ((size_t)PVS_MOST * 72)
#define FIELDS 14

static const char field_names[] =
	"pv_name,pe_start,pv_pe_count,vg_extent_size,pvseg_start,pvseg_size,segtype,vg_uuid,"
	"vg_name,lv_name,lv_size,lv_layout,lv_role,seg_start_pe";

/* No file of this machine counts or is written: neither its list of devices, nor hints, nor copies of
 * what was found. */
static const char config[] =
	"devices{use_devicesfile=0 hints=\"none\" external_device_info_source=\"none\" "
	"obtain_device_list_from_udev=0 scan=[\"/dev\"] filter=[\"a/.*/\"] "
	"global_filter=[\"a/.*/\"]} "
	"backup{backup=0 archive=0}";

struct segment { /* of a physical volume; its texts stand in the program's output */
	size_t pv;
	uint64_t pe_start; /* bytes */
	uint64_t pe_count;
	uint64_t extent; /* bytes */
	uint64_t first;  /* extent */
	uint64_t count;  /* extents */
	const char *type;
	const char *vg_uuid;
	const char *vg;
	const char *lv;
	uint64_t lv_size;
	const char *layout;
	const char *role;
	uint64_t at; /* extent of the volume */
	bool done;
};

struct groups {
	struct bmr_used_look *look;
	struct bmr_used_device *devices; /* of each physical volume */
	struct segment *segments;
	size_t count;
	bool *known; /* of each physical volume: are all its extents told? */
};

/* --- the report --- */

static bool read_number(const char *text, uint64_t *number)
{
	char *end;

	*number = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && *end == '\0' && *number <= (uint64_t)1 << 62;
}

/* The index of a physical volume by its device; false: one that is not here. */
static bool find_pv(const struct groups *g, const char *path, size_t *pv)
{
	for (*pv = 0; *pv < g->look->pv_count; (*pv)++)
		if (strcmp(g->devices[*pv].path, path) == 0)
			return true;
	return false;
}

/* Cut a line at '|'; false: not as many fields as were asked for. */
static bool split(char *line, char *fields[FIELDS])
{
	for (size_t i = 0; i < FIELDS; i++) {
		fields[i] = line;
		line = line ? strchr(line, '|') : NULL;
		if ((line == NULL) != (i == FIELDS - 1))
			return false;
		if (line)
			*line++ = '\0';
	}
	return true;
}

/* Is the segment inside its physical volume? */
static bool is_inside(const struct groups *g, const struct segment *s)
{
	uint64_t bytes;

	return s->extent > 0 && s->count > 0 && bmr_size_inside(s->first, s->count, s->pe_count) &&
	       bmr_size_mul(s->pe_count, s->extent, &bytes) &&
	       bmr_size_inside(s->pe_start, bytes, g->look->pvs[s->pv].size);
}

/* false: a line that is not understood, as is that of a volume that is on another disk. */
static bool read_segment(const struct groups *g, char *line, struct segment *s)
{
	char *f[FIELDS];

	if (!split(line + strspn(line, " "), f))
		return false;
	*s = (struct segment){.type = f[6],
	                      .vg_uuid = f[7],
	                      .vg = f[8],
	                      .lv = f[9],
	                      .layout = f[11],
	                      .role = f[12]};
	return find_pv(g, f[0], &s->pv) && read_number(f[1], &s->pe_start) &&
	       read_number(f[2], &s->pe_count) && read_number(f[3], &s->extent) &&
	       read_number(f[4], &s->first) && read_number(f[5], &s->count) &&
	       (!*s->lv || (read_number(f[10], &s->lv_size) && read_number(f[13], &s->at))) &&
	       is_inside(g, s);
}

static int by_place(const void *a, const void *b)
{
	const struct segment *x = a;
	const struct segment *y = b;

	if (x->pv != y->pv)
		return x->pv < y->pv ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

static int read_report(struct groups *g, char *text, struct bmr_err *e)
{
	size_t lines = 0;

	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	g->segments = calloc(lines + 1, sizeof *g->segments);
	if (!g->segments)
		return bmr_err_nomem(e, "a volume group");
	while (*text && g->count <= lines) {
		char *line = text;

		text += strcspn(text, "\n");
		if (*text)
			*text++ = '\0';
		if (read_segment(g, line, &g->segments[g->count]))
			g->count++;
	}
	qsort(g->segments, g->count, sizeof *g->segments, by_place);
	return 0;
}

/* All extents from the first to the last, each once. */
static bool is_known(const struct groups *g, size_t pv)
{
	uint64_t next = 0;
	uint64_t all = 0;

	for (size_t i = 0; i < g->count; i++) {
		const struct segment *s = &g->segments[i];

		if (s->pv != pv)
			continue;
		if (s->first != next || (all && all != s->pe_count))
			return false;
		all = s->pe_count;
		next += s->count;
	}
	return all > 0 && next == all;
}

/* --- what is whose --- */

static struct bmr_used_piece piece_of(const struct groups *g, const struct segment *s)
{
	return (struct bmr_used_piece){
		.at = s->at * s->extent,
		.offset = g->look->pvs[s->pv].offset + s->pe_start + s->first * s->extent,
		.length = s->count * s->extent,
	};
}

static bool same_volume(const struct segment *a, const struct segment *b)
{
	return strcmp(a->vg_uuid, b->vg_uuid) == 0 && strcmp(a->lv, b->lv) == 0;
}

static const char *why_not(const struct groups *g, const struct segment *s)
{
	if (!g->known[s->pv])
		return "LVM does not tell all of its extents";
	if (strcmp(s->type, "linear") != 0 || strcmp(s->layout, "linear") != 0 ||
	    strcmp(s->role, "public") != 0)
		return "it is no plain linear volume";
	return NULL;
}

static int by_at(const void *a, const void *b)
{
	const struct bmr_used_piece *x = a;
	const struct bmr_used_piece *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

/* The pieces of the volume of segment number `first`, as they lie on the disk. */
static size_t gather(struct groups *g, size_t first, struct bmr_used_piece *pieces,
                     const char **why)
{
	size_t count = 0;

	for (size_t i = first; i < g->count; i++) {
		struct segment *s = &g->segments[i];

		if (s->done || !same_volume(&g->segments[first], s))
			continue;
		s->done = true;
		if (!*why)
			*why = why_not(g, s);
		pieces[count++] = piece_of(g, s);
	}
	qsort(pieces, count, sizeof *pieces, by_at);
	return count;
}

/* In order and without gaps; neighbours on the disk are one piece. */
static void join(struct bmr_used_place *place, struct bmr_used_piece *pieces, size_t count,
                 uint64_t size, const char **why)
{
	for (size_t i = 0; i < count; i++) {
		struct bmr_used_piece *last = &pieces[place->count - (place->count > 0)];

		if (pieces[i].at != place->size && !*why)
			*why = "a part of it is on another disk";
		if (place->count > 0 && last->offset + last->length == pieces[i].offset) {
			last->length += pieces[i].length;
		} else {
			pieces[place->count] = pieces[i];
			pieces[place->count++].at = place->size;
		}
		place->size += pieces[i].length;
	}
	if (place->size != size && !*why)
		*why = "a part of it is on another disk";
}

static int take_volume(struct groups *g, size_t first, struct bmr_err *e)
{
	const struct segment *s = &g->segments[first];
	AUTO_FREE struct bmr_used_piece *pieces = calloc(g->count, sizeof *pieces);
	struct bmr_used_place place = {.pieces = pieces};
	const char *why = NULL;
	char name[300];
	char fact[300];

	if (!pieces)
		return bmr_err_nomem(e, "a volume");
	snprintf(name, sizeof name, "volume '%s/%s'", s->vg, s->lv);
	snprintf(fact, sizeof fact, "lvm.%s/%s", s->vg, s->lv);
	place.name = name;
	place.fact = fact;
	join(&place, pieces, gather(g, first, pieces, &why), s->lv_size, &why);
	if (bmr_used_fact(g->look, fact, "size", e, "%llu", (unsigned long long)s->lv_size) < 0)
		return -1;
	return why ? bmr_used_whole(g->look, &place, why, e)
	           : bmr_used_content(g->look, &place, false, e);
}

/* A physical volume's own: its label and metadata at the start, and what is behind its extents. */
static int take_pv(struct groups *g, size_t number, struct bmr_err *e)
{
	const struct bmr_used_pv *pv = &g->look->pvs[number];
	struct bmr_used_piece piece = {.offset = pv->offset, .length = pv->size};
	struct bmr_used_place place = {
		.name = pv->name, .fact = pv->fact, .pieces = &piece, .count = 1, .size = pv->size};
	const struct segment *s = g->segments;
	uint64_t end;

	if (!g->known[number])
		return bmr_used_whole(g->look, &place, "LVM does not tell what is in it", e);
	while (s->pv != number)
		s++;
	end = s->pe_start + s->pe_count * s->extent;
	if (bmr_used_take(g->look, &place, 0, s->pe_start, e) < 0 ||
	    bmr_used_take(g->look, &place, end, pv->size - end, e) < 0 ||
	    bmr_used_fact(g->look, pv->fact, "vg", e, "%s", s->vg) < 0)
		return -1;
	return bmr_used_fact(g->look, pv->fact, "capture", e, "used extents");
}

static int take_groups(struct groups *g, struct bmr_err *e)
{
	for (size_t i = 0; i < g->look->pv_count; i++) {
		g->known[i] = is_known(g, i);
		if (take_pv(g, i, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < g->count; i++)
		if (!g->segments[i].done && g->segments[i].lv[0] && take_volume(g, i, e) < 0)
			return -1;
	return 0;
}

/* --- asking --- */

static int ask(struct groups *g, struct bmr_child_result *result, struct bmr_err *e)
{
	AUTO_FREE char *devices = malloc(DEVICES_SIZE);
	const char *const args[] = {
		"pvs",        "--segments",     "--devices", devices,       "--config",
		config,       "--driverloaded", "n",         "--readonly",  "--noheadings",
		"--nosuffix", "--units",        "b",         "--separator", "|",
		"--options",  field_names,      NULL};
	struct bmr_child_order order = bmr_used_order(g->look, 0, args);
	struct bmr_text list;

	if (!devices)
		return bmr_err_nomem(e, "a volume group");
	list = bmr_text_in(devices, DEVICES_SIZE);
	for (size_t i = 0; i < g->look->pv_count; i++)
		bmr_text_add(&list, "%s%s", i ? "," : "", g->devices[i].path);
	return bmr_child_run(&order, result, e);
}

static int open_devices(struct groups *g, struct bmr_err *e)
{
	for (size_t i = 0; i < g->look->pv_count; i++) {
		const struct bmr_used_pv *pv = &g->look->pvs[i];
		struct bmr_used_piece piece = {.offset = pv->offset, .length = pv->size};
		struct bmr_used_place place = {.pieces = &piece, .count = 1, .size = pv->size};

		if (bmr_used_device_open(g->look, &place, &g->devices[i], e) < 0)
			return -1;
	}
	return 0;
}

/* Nothing of it fails but by what is fatal: volumes that nobody tells about are whole. */
static int find_groups(struct groups *g, struct bmr_child_result *result, struct bmr_err *e)
{
	int rc = 0;

	if (g->look->pv_count > PVS_MOST)
		return 0;
	if (open_devices(g, e) < 0 || ask(g, result, e) < 0)
		rc = -1;
	if (rc == 0)
		return read_report(g, result->output, e);
	return bmr_used_is_fatal(e) ? -1 : 0;
}

int bmr_used_lvm(struct bmr_used_look *look, struct bmr_err *e)
{
	AUTO_FREE struct bmr_used_device *devices = calloc(look->pv_count + 1, sizeof *devices);
	AUTO_FREE bool *known = calloc(look->pv_count + 1, sizeof *known);
	struct groups g = {.look = look, .devices = devices, .known = known};
	struct bmr_child_result result = {.status = -1};
	int rc;

	if (look->pv_count == 0)
		return 0;
	if (!devices || !known)
		return bmr_err_nomem(e, "a volume group");
	for (size_t i = 0; i < look->pv_count; i++)
		devices[i].fd = -1;
	rc = find_groups(&g, &result, e);
	for (size_t i = 0; i < look->pv_count; i++)
		bmr_used_device_close(&devices[i]);
	if (rc == 0)
		rc = take_groups(&g, e);
	free(g.segments);
	bmr_child_clear(&result);
	return rc;
}
