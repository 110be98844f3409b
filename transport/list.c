/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transport/list.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "transport/list_ops.h"

/* A URL must name a file, and of smb a share too.  So a name that stands for one is added before it
 * is read, and taken away again. */
#define PROBE "_/_"

static bmr_list_fn *const backends[] = {
	[BMR_URL_FILE] = bmr_list_local,   [BMR_URL_DISK] = bmr_list_medium,
	[BMR_URL_CDROM] = bmr_list_medium, [BMR_URL_NFS] = bmr_list_nfs,
	[BMR_URL_SMB] = bmr_list_smb,
};

bool bmr_list_add(struct bmr_list *list, const char *name, bool folder, uint64_t size,
                  int64_t modified)
{
	struct bmr_list_entry *entry;

	if (*name == '\0' || *name == '.')
		return true;
	if (list->count == BMR_LIST_MAX) {
		list->cut = true;
		return false;
	}
	if (!list->entries)
		list->entries = calloc(BMR_LIST_MAX, sizeof *list->entries);
	entry = list->entries ? &list->entries[list->count] : NULL;
	if (!entry || !(entry->name = strdup(name))) {
		list->cut = true;
		return false;
	}
	entry->folder = folder;
	entry->size = folder ? 0 : size;
	entry->modified = modified;
	list->count++;
	return true;
}

static int by_name(const void *a, const void *b)
{
	const struct bmr_list_entry *x = a;
	const struct bmr_list_entry *y = b;

	if (x->folder != y->folder)
		return x->folder ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* Where the query begins, or the end.  Only servers' URLs have one. */
static size_t query_at(const char *url)
{
	return strstr(url, "://") ? strcspn(url, "?#") : strlen(url);
}

static void take_probe_away(char *text)
{
	char *last = NULL;

	for (char *at = strstr(text, PROBE); at; at = strstr(at + 1, PROBE))
		last = at;
	if (last)
		memmove(last, last + strlen(PROBE), strlen(last + strlen(PROBE)) + 1);
}

static int parse_folder(const char *text, struct bmr_url *url, struct bmr_err *e)
{
	size_t len = query_at(text);
	AUTO_FREE char *probe = NULL;

	memset(url, 0, sizeof *url);
	if (len == 0 || text[len - 1] != '/')
		return bmr_err_set(e, BMR_E_USAGE, 0, "the URL of a folder ends with a slash");
	if (asprintf(&probe, "%.*s" PROBE "%s", (int)len, text, text + len) < 0) {
		probe = NULL;
		return bmr_err_nomem(e, "a URL");
	}
	if (bmr_url_parse(probe, url, e) < 0)
		return -1;
	take_probe_away(url->path);
	take_probe_away(url->safe);
	return 0;
}

static int read_folder(const struct bmr_url *url, const struct bmr_source_options *options,
                       struct bmr_list *list, struct bmr_err *e)
{
	bmr_list_fn *read_list =
		url->scheme < sizeof backends / sizeof *backends ? backends[url->scheme] : NULL;
	struct bmr_source_options own = {0};
	struct bmr_place place;

	if (!read_list)
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "%s servers have no list of files that is to be relied on: "
		                   "type the whole URL",
		                   bmr_url_scheme_name(url->scheme));
	bmr_place_fill(&place, url, options, &own);
	return read_list(&place, list, e);
}

int bmr_list_read(const char *text, const struct bmr_source_options *options, struct bmr_list *list,
                  struct bmr_err *e)
{
	struct bmr_url url;
	int rc;

	*list = (struct bmr_list){0};
	rc = parse_folder(text, &url, e);
	if (rc == 0)
		rc = read_folder(&url, options, list, e);
	bmr_url_clear(&url);
	if (rc < 0)
		bmr_list_clear(list);
	else if (list->count > 1)
		qsort(list->entries, list->count, sizeof *list->entries, by_name);
	return rc;
}

void bmr_list_clear(struct bmr_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->entries[i].name);
	free(list->entries);
	*list = (struct bmr_list){0};
}

int bmr_list_join(const char *folder, const char *name, bool is_folder, char **out,
                  struct bmr_err *e)
{
	size_t len = query_at(folder);
	char *url = malloc(strlen(folder) + 3 * strlen(name) + 2);
	char *at = url;

	if (!url)
		return bmr_err_nomem(e, "a URL");
	at += sprintf(at, "%.*s", (int)len, folder);
	for (; *name; name++) {
		unsigned char c = (unsigned char)*name;

		if (isalnum(c) || strchr("-._~/+", c))
			*at++ = (char)c;
		else
			at += sprintf(at, "%%%02X", c);
	}
	sprintf(at, "%s%s", is_folder ? "/" : "", folder + len);
	*out = url;
	return 0;
}

/* The slash that ends the authority, the tag of a disk, or "file://". */
static size_t root_at(const char *url)
{
	const char *authority = strstr(url, "://");

	if (authority)
		return (size_t)(authority + 3 - url) + strcspn(authority + 3, "/");
	return strcspn(url, "/");
}

int bmr_list_parent(const char *url, char **out, struct bmr_err *e)
{
	size_t root = root_at(url);
	size_t len = query_at(url);
	size_t cut = len;

	*out = NULL;
	if (len <= root + 1)
		return 0;
	do
		cut--;
	while (cut > root && url[cut - 1] != '/');
	if (asprintf(out, "%.*s%s", (int)cut, url, url + len) < 0) {
		*out = NULL;
		return bmr_err_nomem(e, "a URL");
	}
	return 0;
}
