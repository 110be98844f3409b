/* SPDX-License-Identifier: GPL-3.0-or-later */
/* target.c - which disk; and the word without which nothing is written to it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/menu/internal.h"
#include "agent/session.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "base/text.h"
#include "imaging/disk/disk.h"
#include "imaging/disk/select.h"
#include "transport/url.h"

#define ROW_SIZE 256
#define TYPED_SIZE 128

static const char *known(const char *text, const char *otherwise)
{
	return *text ? text : otherwise;
}

/* --- which --- */

static const char *holds(const struct bmr_disk *d)
{
	return d->holds_something ? "holds data" : "nothing known";
}

static void make_row(char *row, const struct bmr_disk *d, const struct bmr_judgement *j)
{
	char size[16];
	bool ok = j->verdict == BMR_VERDICT_OK;

	snprintf(row, ROW_SIZE, "%-9.9s %9s  %-18.18s %-14.14s %s%s", d->name,
	         bmr_size_text(d->size, size, sizeof size), known(d->model, d->bus),
	         known(d->serial, "-"), ok ? "" : "NO: ", ok ? holds(d) : j->reason);
}

/* What only speaks against writing. */
static void allow_reading(struct bmr_disk_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		list->disks[i].read_only = false;
		list->disks[i].used_by[0] = '\0';
	}
}

static void add_disk(struct bmr_text *t, const struct bmr_disk *d)
{
	char size[16];

	bmr_text_add(t, "%s: %s %s, serial %s, %s (%" PRIu64 " bytes)\n", d->path,
	             known(d->vendor, d->bus), known(d->model, "disk"), known(d->serial, "none"),
	             bmr_size_text(d->size, size, sizeof size), d->size);
	for (size_t i = 0; i < d->content_count; i++) {
		const struct bmr_disk_content *c = &d->contents[i];

		if (c->number)
			bmr_text_add(t, "  partition %-3u", c->number);
		else
			bmr_text_add(t, "  whole disk   ");
		bmr_text_add(t, " %9s  %-12s %s\n", bmr_size_text(c->size, size, sizeof size),
		             known(c->type, "unknown"), c->label);
	}
}

static void tell_why_not(struct bmr_menu *m, const struct bmr_disk *d,
                         const struct bmr_judgement *j)
{
	char buf[4096];
	struct bmr_text t = bmr_text_in(buf, sizeof buf);

	bmr_text_add(&t, "This disk cannot be taken: %s\n\n", j->reason);
	add_disk(&t, d);
	bmr_menu_ok(m, bmr_menu_ui_page("Not this one", buf));
}

static bool take_disk(struct bmr_menu *m, const struct bmr_disk *chosen, struct bmr_disk *disk,
                      struct bmr_target_info *target)
{
	struct bmr_err err = {0};

	/* The list is freed: the disk is read again, and must be the same one. */
	if (bmr_target_look_disk(chosen, target, &err) < 0 ||
	    bmr_disk_read(NULL, target->dev, disk, &err) < 0) {
		bmr_menu_error(m, "This disk cannot be taken", &err);
		return false;
	}
	if (strcmp(disk->serial, chosen->serial) == 0)
		return true;
	bmr_disk_clear(disk);
	bmr_err_set(&err, BMR_E_REFUSED, 0, "'%s' was exchanged in the meantime", chosen->path);
	bmr_menu_error(m, "Another disk", &err);
	return false;
}

static bool ask_file(struct bmr_menu *m, bool reading, struct bmr_target_info *target)
{
	char path[sizeof target->path] = "";
	struct bmr_menu_field field = {"Path", path, sizeof path, false};
	struct bmr_err err = {0};

	if (!bmr_menu_ok(m, bmr_menu_ui_fields("A file",
	                                       reading ? "A file that holds a disk."
	                                               : "A file that is to hold the disk; a new "
	                                                 "one gets the image's size.",
	                                       &field, 1)) ||
	    !*path)
		return false;
	if (bmr_target_look(path, target, &err) == 0 && !target->is_file)
		bmr_err_set(&err, BMR_E_REFUSED, 0, "'%s' is no file: choose disks from the list",
		            path);
	else if (err.code == BMR_E_NONE && reading && target->is_new)
		bmr_err_set(&err, BMR_E_TARGET, 0, "'%s' does not exist or is empty", path);
	if (err.code == BMR_E_NONE)
		return true;
	bmr_menu_error(m, "Not this file", &err);
	return false;
}

/* The bar starts there, and not at the live system's own loop device. */
static size_t first_taken(const struct bmr_judgement *judgements, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (judgements[i].verdict == BMR_VERDICT_OK)
			return i;
	return 0;
}

/* One look at the list.  0: taken; 1: look again; -1: back. */
static int show_disks(struct bmr_menu *m, const char *title, const struct bmr_disk_list *list,
                      const struct bmr_judgement *judgements, bool reading, bool file,
                      struct bmr_disk *disk, struct bmr_target_info *target)
{
	AUTO_FREE char(*rows)[ROW_SIZE] = calloc(list->count + 1, sizeof *rows);
	AUTO_FREE const char **items = calloc(list->count + 2, sizeof *items);
	size_t count = list->count;
	size_t chosen = first_taken(judgements, count);

	if (!rows || !items)
		return -1;
	for (size_t i = 0; i < count; i++) {
		make_row(rows[i], &list->disks[i], &judgements[i]);
		items[i] = rows[i];
	}
	if (file)
		items[count++] = "A file: type its path";
	items[count++] = "Look again";
	if (!bmr_menu_ok(m, bmr_menu_ui_list(title,
	                                     "Name, size, model, serial, what it holds. "
	                                     "NO: Enter says the reason.",
	                                     items, count, &chosen)))
		return -1;
	if (chosen == count - 1)
		return 1;
	if (chosen == list->count)
		return ask_file(m, reading, target) ? 0 : 1;
	if (judgements[chosen].verdict == BMR_VERDICT_OK)
		return take_disk(m, &list->disks[chosen], disk, target) ? 0 : 1;
	tell_why_not(m, &list->disks[chosen], &judgements[chosen]);
	return 1;
}

bool bmr_menu_choose_disk(struct bmr_menu *m, const char *title,
                          const struct bmr_select_rules *rules, bool reading, bool file,
                          struct bmr_disk *disk, struct bmr_target_info *target)
{
	int step = 1;

	memset(disk, 0, sizeof *disk);
	while (step == 1 && !m->lost) {
		AUTO_FREE struct bmr_judgement *judgements = NULL;
		struct bmr_disk_list list;
		struct bmr_err err = {0};

		step = -1;
		bmr_menu_ui_busy("Looking at the disks...");
		if (bmr_disk_list_read(NULL, &list, &err) == 0)
			judgements = calloc(list.count + 1, sizeof *judgements);
		bmr_menu_ui_busy_end();
		if (judgements) {
			if (reading)
				allow_reading(&list);
			bmr_select_judge_all(rules, &list, judgements);
			step = show_disks(m, title, &list, judgements, reading, file, disk, target);
		} else {
			bmr_menu_error(m, title, &err);
		}
		bmr_disk_list_clear(&list);
	}
	return step == 0;
}

/* --- the word --- */

static void describe(struct bmr_text *t, struct bmr_menu *m, const struct bmr_disk *disk,
                     const struct bmr_target_info *target)
{
	char line[BMR_MENU_LINE_SIZE];
	struct bmr_url url;
	struct bmr_err ignored;

	if (bmr_url_parse(m->session->options->params.image, &url, &ignored) == 0)
		bmr_text_add(t, "Image: %s\n", url.safe);
	bmr_url_clear(&url);
	if (*disk->path)
		add_disk(t, disk);
	else
		bmr_text_add(t, "%s: a file of %" PRIu64 " bytes\n", target->path, target->size);
	if (*disk->path)
		bmr_text_add(t, "The same without questions:\n%s\n",
		             bmr_menu_unattended(m, "restore", disk, disk->holds_something, line));
	if (disk->health.verdict == BMR_HEALTH_FAILING)
		bmr_text_add(t, "THE DISK SAYS THAT IT IS FAILING: %s.\n", disk->health.text);
	bmr_text_add(t, "%s\n",
	             !*disk->path || disk->holds_something
	                     ? "EVERYTHING ON IT WILL BE LOST."
	                     : "No partition table and no file system was found on it.");
}

bool bmr_menu_confirm(struct bmr_menu *m, const struct bmr_disk *disk,
                      const struct bmr_target_info *target)
{
	char buf[6144];
	char typed[TYPED_SIZE];
	struct bmr_text t = bmr_text_in(buf, sizeof buf);
	struct bmr_menu_word word = {0};
	struct bmr_menu_field field = {"", typed, sizeof typed, false};

	if (target->is_new)
		return bmr_menu_ok(m, bmr_menu_ui_page("A new file", target->path));
	if (*disk->path)
		bmr_menu_word_of(disk, &word);
	else
		bmr_menu_word_of_size(target->size, &word);
	describe(&t, m, disk, target);
	bmr_text_add(&t, "%s", word.question);
	for (;;) {
		typed[0] = '\0';
		if (!bmr_menu_ok(m, bmr_menu_ui_fields("Overwrite this disk?", buf, &field, 1)))
			return false;
		if (bmr_menu_word_is(&word, typed))
			return true;
		if (!bmr_menu_ok(m, bmr_menu_ui_page("Not overwritten",
		                                     "That is not it. Nothing was written.")))
			return false;
	}
}
