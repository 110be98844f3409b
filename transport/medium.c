/* SPDX-License-Identifier: GPL-3.0-or-later */
/* medium.c - an image in a file on a disk of this machine (disk:), or on what it was booted from
 * (cdrom:). */
#include "transport/medium.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "transport/local.h"
#include "transport/source_ops.h"

#define ID_SIZE 80

/* What is looked for, and what was found. */
struct wanted {
	const char *id_path; /* cdrom: the file that the medium holds */
	int root;            /* cdrom: of the medium found */
	bool found;
	struct medium medium;
};

/* UUIDs are told in either case; labels are not. */
static bool is_value(const char *tag, const char *a, const char *b)
{
	return strstr(tag, "UUID") ? strcasecmp(a, b) == 0 : strcmp(a, b) == 0;
}

struct tag_search {
	const struct bmr_url *url;
	struct wanted *wanted;
};

static int visit_tag(void *ctx, const struct medium *m, const char *value, struct bmr_err *e)
{
	struct tag_search *s = ctx;
	struct wanted *w = s->wanted;

	if (!value || !is_value(s->url->tag_name, value, s->url->tag_value))
		return 0;
	if (w->found)
		return bmr_err_set(e, BMR_E_SOURCE, 0, "both '%s' and '%s' have %s=%s",
		                   w->medium.device, m->device, s->url->tag_name,
		                   s->url->tag_value);
	w->found = true;
	w->medium = *m;
	return 0;
}

/* A disk may appear late: USB takes seconds.  Hence BMR_E_NET, which is tried again until the
 * time-out, whatever the number of retries (place.c). */
static int find_disk(const struct bmr_place *place, struct wanted *w, struct bmr_err *e)
{
	struct tag_search search = {.url = place->url, .wanted = w};

	if (bmr_medium_each(place->options->sysfs, place->url->tag_name, visit_tag, &search, e) < 0)
		return -1;
	if (!w->found)
		return bmr_err_set(e, BMR_E_NET, 0, "no disk of this machine has %s=%s",
		                   place->url->tag_name, place->url->tag_value);
	return bmr_medium_mount(&w->medium, &w->root, e);
}

static int visit_medium(void *ctx, const struct medium *m, const char *value, struct bmr_err *e)
{
	struct wanted *w = ctx;
	AUTO_FD int root = -1;

	(void)value;
	if (strcmp(m->type, "iso9660") != 0)
		return 0;
	/* Not the one if it cannot be mounted; what cannot be found is said in the end. */
	if (bmr_medium_mount(m, &root, e) < 0 || faccessat(root, w->id_path, F_OK, 0) < 0)
		return 0;
	w->found = true;
	w->medium = *m;
	w->root = take_fd(&root);
	return 1;
}

static int read_id(const char *file, char id[ID_SIZE], struct bmr_err *e)
{
	AUTO_FILE FILE *f = fopen(file, "re");
	size_t len;

	if (!f)
		return bmr_err_set(e, BMR_E_SOURCE, errno,
		                   "this system does not know the medium it was booted from: '%s'",
		                   file);
	if (!fgets(id, ID_SIZE, f))
		id[0] = '\0';
	len = strcspn(id, "\r\n");
	id[len] = '\0';
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)id[i]) && !strchr("-_.", id[i]))
			len = 0;
	if (len == 0)
		return bmr_err_set(e, BMR_E_SOURCE, 0, "'%s' does not hold the id of a medium",
		                   file);
	return 0;
}

static int find_boot_medium(const struct bmr_place *place, struct wanted *w, struct bmr_err *e)
{
	char id[ID_SIZE];
	char path[ID_SIZE + 16];

	if (read_id(place->options->medium_id_file, id, e) < 0)
		return -1;
	snprintf(path, sizeof path, "bmr/%s.id", id);
	w->id_path = path;
	if (bmr_medium_each(place->options->sysfs, "UUID", visit_medium, w, e) < 0)
		return -1;
	w->id_path = NULL;
	if (w->found)
		return 0;
	return bmr_err_set(e, BMR_E_NET, 0,
	                   "the medium that was booted (%s) is in no drive of this machine", id);
}

int bmr_medium_find(const struct bmr_place *place, struct medium *m, int *root, struct bmr_err *e)
{
	struct wanted w = {.root = -1};
	int rc = place->url->scheme == BMR_URL_DISK ? find_disk(place, &w, e)
	                                            : find_boot_medium(place, &w, e);

	*m = w.medium;
	*root = w.root;
	return rc;
}

static int medium_open(const struct bmr_place *place, uint64_t off, struct bmr_conn **out,
                       struct bmr_err *e)
{
	AUTO_FD int root = -1;
	AUTO_FD int fd = -1;
	struct medium m;

	(void)off;
	if (bmr_medium_find(place, &m, &root, e) < 0)
		return -1;
	/* The open file keeps the file system mounted. */
	fd = bmr_medium_open_file(root, place->url->path);
	if (fd < 0)
		return bmr_err_set(e, BMR_E_SOURCE, errno, "cannot open '%s' on '%s'",
		                   place->url->safe, m.device);
	if (bmr_local_take(take_fd(&fd), place->url->safe, out, e) < 0)
		return -1;
	(*out)->device = m.number;
	return 0;
}

const struct bmr_source_ops bmr_medium_ops = {
	.block = BMR_MIB,
	.depth = 1,
	.open = medium_open,
	.read = bmr_local_read,
	.close = bmr_local_close,
};
