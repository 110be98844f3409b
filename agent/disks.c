/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/disks.h"

#include "agent/disks_json.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "imaging/disk/disk.h"
#include "imaging/disk/select.h"

#include <errno.h>
#include <string.h>

#define LINE_COLUMNS 80
#define SIZE_COLUMNS 8
#define BUS_COLUMNS 6
#define SECTOR_COLUMNS 6
#define CONTENT_COLUMNS 12
#define SERIAL_MAX 24

struct widths {
	int name, model, serial;
};

static int longer(int width, const char *text, int most)
{
	int len = (int)strlen(text);

	len = len > most ? most : len;
	return len > width ? len : width;
}

/* Names and serials are typed again by hand, so they get the room they need; models what is
 * left. */
static struct widths measure(const struct bmr_disk_list *list)
{
	struct widths w = {.name = 4, .serial = 6};

	for (size_t i = 0; i < list->count; i++) {
		w.name = longer(w.name, list->disks[i].name, 12);
		w.serial = longer(w.serial, list->disks[i].serial, SERIAL_MAX);
	}
	w.model = LINE_COLUMNS - 6 - w.name - SIZE_COLUMNS - BUS_COLUMNS - w.serial -
	          SECTOR_COLUMNS - CONTENT_COLUMNS;
	return w;
}

/* A text cut to its column ends in '~'. */
static void print_cell(FILE *out, const char *text, int width)
{
	if (*text == '\0')
		text = "-";
	if ((int)strlen(text) > width)
		fprintf(out, "%.*s~ ", width - 1, text);
	else
		fprintf(out, "%-*s ", width, text);
}

static void content_text(const struct bmr_disk *disk, char *text, size_t size)
{
	size_t parts = 0;

	for (size_t i = 0; i < disk->content_count; i++)
		parts += disk->contents[i].number != 0;
	if (disk->size == 0)
		snprintf(text, size, "no medium");
	else if (disk->probe_error[0] != '\0')
		snprintf(text, size, "unreadable");
	else if (disk->table[0] != '\0')
		snprintf(text, size, "%s, %zu part%s", disk->table, parts, parts == 1 ? "" : "s");
	else if (disk->content_count > 0)
		snprintf(text, size, "%s", disk->contents[0].type);
	else
		snprintf(text, size, "%s", disk->holds_something ? "something" : "blank");
}

/* One word; it may be of a hint, and so whatever the command line holds. */
static void print_word(FILE *out, const char *word, int len)
{
	for (int i = 0; i < len; i++)
		fputc(word[i] > ' ' && word[i] < 0x7f ? word[i] : '?', out);
}

/* An indented paragraph no wider than the table. */
static void print_wrapped(FILE *out, const char *first, const char *text)
{
	int column = fprintf(out, "  %s", first);

	while (*(text += strspn(text, " ")) != '\0') {
		int len = (int)strcspn(text, " ");

		if (column + 1 + len > LINE_COLUMNS)
			column = fprintf(out, "\n     ") - 1;
		fputc(' ', out);
		print_word(out, text, len);
		column += 1 + len;
		text += len;
	}
	fputc('\n', out);
}

static void print_reason(FILE *out, const struct bmr_judgement *judgement)
{
	static const char *const first[] = {
		[BMR_VERDICT_OK] = "candidate",
		[BMR_VERDICT_NEVER] = "no:",
		[BMR_VERDICT_HINT] = "no:",
		[BMR_VERDICT_UNFIT] = "no:",
		[BMR_VERDICT_CONSENT] = "needs consent:",
	};

	print_wrapped(out, first[judgement->verdict], judgement->reason);
}

static void print_health(FILE *out, const struct bmr_health *health)
{
	if (health->verdict == BMR_HEALTH_FAILING)
		print_wrapped(out, "health: FAILING:", health->text);
	else if (health->text[0] != '\0')
		print_wrapped(out, "health: good, but:", health->text);
}

static void print_disk(FILE *out, const struct bmr_disk *disk,
                       const struct bmr_judgement *judgement, const struct widths *w)
{
	char size[16];
	char sector[16];
	char content[64];

	bmr_size_text(disk->size, size, sizeof size);
	snprintf(sector, sizeof sector, "%u", disk->logical_sector);
	content_text(disk, content, sizeof content);
	print_cell(out, disk->name, w->name);
	fprintf(out, "%*s ", SIZE_COLUMNS, disk->size > 0 ? size : "-");
	print_cell(out, disk->bus, BUS_COLUMNS);
	print_cell(out, disk->model, w->model);
	print_cell(out, disk->serial, w->serial);
	fprintf(out, "%*s %.*s\n", SECTOR_COLUMNS, sector, CONTENT_COLUMNS, content);
	if (strlen(disk->serial) > SERIAL_MAX)
		fprintf(out, "  serial: %s\n", disk->serial);
	if (disk->by_path[0] != '\0')
		fprintf(out, "  path: %s\n", disk->by_path);
	print_health(out, &disk->health);
	print_reason(out, judgement);
}

static void print_table(FILE *out, const struct bmr_disk_list *list,
                        const struct bmr_judgement *judgements)
{
	const struct widths w = measure(list);

	if (list->count == 0) {
		fprintf(out, "no disks: none is connected, or its driver is missing\n");
		return;
	}
	fprintf(out, "%-*s %*s %-*s %-*s %-*s %*s %s\n", w.name, "NAME", SIZE_COLUMNS, "SIZE",
	        BUS_COLUMNS, "BUS", w.model, "MODEL", w.serial, "SERIAL", SECTOR_COLUMNS, "SECTOR",
	        "CONTENT");
	for (size_t i = 0; i < list->count; i++)
		print_disk(out, &list->disks[i], &judgements[i], &w);
}

int bmr_disks_print(FILE *out, const struct bmr_disk_list *list,
                    const struct bmr_judgement *judgements, bool json)
{
	errno = 0;
	if (json)
		bmr_disks_json(out, list, judgements);
	else
		print_table(out, list, judgements);
	return fflush(out) != 0 || ferror(out) ? -1 : 0;
}

static int judge_and_print(const struct bmr_disk_list *list, const struct bmr_hints *hints,
                           bool json, FILE *out, struct bmr_err *e)
{
	const struct bmr_select_rules rules = {.hints = hints};
	AUTO_FREE struct bmr_judgement *judgements = calloc(list->count + 1, sizeof *judgements);

	if (!judgements)
		return bmr_err_nomem(e, "the table of disks");
	bmr_select_judge_all(&rules, list, judgements);
	if (bmr_disks_print(out, list, judgements, json) < 0)
		return bmr_err_set(e, BMR_E_TARGET, errno, "cannot print the table of disks");
	return 0;
}

int bmr_disks_command(const struct bmr_disk_env *env, const char *target_hints, bool json,
                      FILE *out, struct bmr_err *e)
{
	struct bmr_disk_list list;
	struct bmr_hints hints = {0};
	int rc;

	if (target_hints && bmr_hints_parse(target_hints, &hints, e) < 0)
		return -1;
	rc = bmr_disk_list_read(env, &list, e);
	for (size_t i = 0; rc == 0 && i < list.count; i++)
		bmr_health_ask(&list.disks[i]);
	if (rc == 0)
		rc = judge_and_print(&list, target_hints ? &hints : NULL, json, out, e);
	bmr_disk_list_clear(&list);
	bmr_hints_clear(&hints);
	return rc;
}
