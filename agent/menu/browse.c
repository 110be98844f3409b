/* SPDX-License-Identifier: GPL-3.0-or-later */
/* browse.c - folders and the images in them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/job.h"
#include "agent/menu/internal.h"
#include "agent/session.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/size.h"
#include "imaging/codec/format.h"
#include "imaging/bmr/load.h"
#include "transport/list.h"
#include "transport/source.h"

#define ROW_SIZE 512
#define LIST_TIMEOUT_MS 24000 /* a person waits: a server that is slow is not worth a minute */
#define LOOK_TIMEOUT_MS 3000  /* for one file's first bytes */
#define LOOK_MS 4000          /* for those of all files of a folder */
#define ABOVE 2               /* rows before the entries: ".." and "here" */

struct folder {
	struct bmr_list list;
	char (*rows)[ROW_SIZE];
	const char **items;
	size_t count; /* of items */
	size_t first; /* item of list.entries[0] */
};

/* --- what each file is --- */

static const char *look_at(struct bmr_source *source)
{
	uint8_t head[BMR_FORMAT_HEAD];
	enum bmr_format format;
	struct bmr_err ignored; /* a file that cannot be read is said when it is chosen */
	size_t got;

	if (bmr_source_read(source, head, sizeof head, 0, &got, &ignored) < 0)
		return "?";
	if (bmr_load_is_bmr(head, got))
		return "bmr image";
	if (bmr_format_detect(head, got, &format, &ignored) < 0)
		return "no image";
	return bmr_format_name(format);
}

static const char *kind_of(struct bmr_menu *m, const char *folder, const char *name)
{
	struct bmr_source_options options;
	struct bmr_source *source = NULL;
	struct bmr_err ignored;
	AUTO_FREE char *url = NULL;
	const char *kind = "?";

	bmr_job_source_options(m->session, &options);
	bmr_source_options_look(&options, LOOK_TIMEOUT_MS);
	options.rate = 0;
	if (bmr_list_join(folder, name, false, &url, &ignored) == 0 &&
	    bmr_source_open(url, &options, &source, &ignored) == 0)
		kind = look_at(source);
	bmr_source_close(source);
	return kind;
}

/* --- rows --- */

static void date_text(int64_t seconds, char *text, size_t len)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (seconds <= 0 || !gmtime_r(&t, &tm) || strftime(text, len, "%F %H:%M", &tm) == 0)
		snprintf(text, len, "-");
}

/* The name first and cut, so that what follows stays in its columns. */
static void make_row(char *row, const struct bmr_list_entry *entry, const char *kind)
{
	char name[ROW_SIZE / 2];
	char size[16] = "folder";
	char date[24];
	size_t columns = bmr_menu_ui_width() - 44;
	size_t width;

	bmr_menu_clean(entry->name, name, sizeof name, columns);
	width = bmr_menu_columns(name);
	if (!entry->folder)
		bmr_size_text(entry->size, size, sizeof size);
	date_text(entry->modified, date, sizeof date);
	snprintf(row, ROW_SIZE, "%s%*s  %9s  %-16s  %s", name, (int)(columns - width), "", size,
	         date, kind);
}

static void fill(struct bmr_menu *m, const char *url, bool place, struct folder *f)
{
	uint64_t deadline = bmr_clock_ms() + LOOK_MS;

	for (size_t i = 0; i < f->list.count; i++) {
		const struct bmr_list_entry *entry = &f->list.entries[i];
		const char *kind = "";

		if (!place && !entry->folder && bmr_clock_left(deadline) > 0)
			kind = kind_of(m, url, entry->name);
		make_row(f->rows[i], entry, kind);
		f->items[f->count++] = f->rows[i];
	}
}

static int read_folder(struct bmr_menu *m, const char *url, bool place, struct folder *f,
                       struct bmr_err *e)
{
	struct bmr_source_options options;

	*f = (struct folder){0};
	bmr_job_source_options(m->session, &options);
	options.timeout_ms = LIST_TIMEOUT_MS;
	if (bmr_list_read(url, &options, &f->list, e) < 0)
		return -1;
	f->rows = calloc(f->list.count + 1, sizeof *f->rows);
	f->items = calloc(f->list.count + ABOVE, sizeof *f->items);
	if (!f->rows || !f->items)
		return bmr_err_nomem(e, "a list");
	f->items[f->count++] = "..";
	if (place)
		f->items[f->count++] = "This folder";
	f->first = f->count;
	fill(m, url, place, f);
	return 0;
}

static void clear_folder(struct folder *f)
{
	bmr_list_clear(&f->list);
	free(f->rows);
	free(f->items);
}

/* --- going through them --- */

static void replace(char *url, char *with)
{
	snprintf(url, BMR_MENU_URL_SIZE, "%s", with);
	free(with);
}

/* false: there is nothing above. */
static bool go_up(char *url)
{
	struct bmr_err ignored;
	char *parent;

	if (bmr_list_parent(url, &parent, &ignored) < 0 || !parent)
		return false;
	replace(url, parent);
	return true;
}

enum step {
	STEP_ON,   /* another folder */
	STEP_TAKE, /* url is it */
	STEP_BACK,
};

static enum step take(const struct folder *f, size_t chosen, char *url)
{
	const struct bmr_list_entry *entry;
	struct bmr_err ignored;
	char *joined;

	if (chosen == 0)
		return go_up(url) ? STEP_ON : STEP_BACK;
	if (chosen < f->first)
		return STEP_TAKE;
	entry = &f->list.entries[chosen - f->first];
	if (bmr_list_join(url, entry->name, entry->folder, &joined, &ignored) < 0)
		return STEP_BACK;
	if (strlen(joined) >= BMR_MENU_URL_SIZE) {
		free(joined);
		return STEP_ON;
	}
	replace(url, joined);
	return entry->folder ? STEP_ON : STEP_TAKE;
}

static enum step show_folder(struct bmr_menu *m, const struct folder *f, char *url, bool place)
{
	size_t chosen = f->list.count > 0 || place ? 1 : 0;
	char intro[BMR_MENU_URL_SIZE + 64];

	snprintf(intro, sizeof intro, "%s%s%s", url, f->list.count == 0 ? "\nNothing is here." : "",
	         f->list.cut ? "\nToo many names: not all are shown." : "");
	bmr_log_redact(m->session->log, intro, sizeof intro);
	if (!bmr_menu_ok(m, bmr_menu_ui_list(place ? "Folder of the new image" : "Choose an image",
	                                     intro, f->items, f->count, &chosen)))
		return STEP_BACK;
	/* In a place's list files are shown, so that one sees what is there. */
	if (place && chosen >= f->first && !f->list.entries[chosen - f->first].folder)
		return STEP_ON;
	return take(f, chosen, url);
}

bool bmr_menu_browse(struct bmr_menu *m, char *url, bool place)
{
	enum step step = STEP_ON;

	while (step == STEP_ON) {
		struct bmr_err err = {0};
		struct folder f;
		int rc;

		bmr_menu_ui_busy("Asking for the list...");
		rc = read_folder(m, url, place, &f, &err);
		bmr_menu_ui_busy_end();
		if (rc == 0)
			step = show_folder(m, &f, url, place);
		else
			bmr_menu_error(m, "No list", &err);
		clear_folder(&f);
		if (rc < 0)
			return false;
	}
	return step == STEP_TAKE;
}
