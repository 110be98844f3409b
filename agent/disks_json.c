/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/disks_json.h"

#include "imaging/disk/disk.h"
#include "imaging/disk/select.h"

#include <inttypes.h>
#include <stdbool.h>

static const char *kind_word(enum bmr_disk_kind kind)
{
	static const char *const words[] = {
		[BMR_DISK_DISK] = "disk",     [BMR_DISK_OPTICAL] = "optical",
		[BMR_DISK_LOOP] = "loop",     [BMR_DISK_RAM] = "ram",
		[BMR_DISK_MAPPED] = "mapped", [BMR_DISK_MMC_BOOT] = "mmc-boot",
		[BMR_DISK_OTHER] = "other",
	};

	return words[kind];
}

static const char *verdict_word(enum bmr_verdict verdict)
{
	static const char *const words[] = {
		[BMR_VERDICT_OK] = "candidate",       [BMR_VERDICT_NEVER] = "never",
		[BMR_VERDICT_HINT] = "no-match",      [BMR_VERDICT_UNFIT] = "unfit",
		[BMR_VERDICT_CONSENT] = "no-consent",
	};

	return words[verdict];
}

/* Bytes beyond ASCII can only come from a hint, in an unknown encoding. */
static void put_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < ' ' || c >= 0x7f)
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static void put_text(FILE *out, const char *key, const char *value)
{
	fprintf(out, "\"%s\":", key);
	put_string(out, value);
	fputc(',', out);
}

static void put_number(FILE *out, const char *key, uint64_t value)
{
	fprintf(out, "\"%s\":%" PRIu64 ",", key, value);
}

static void put_bool(FILE *out, const char *key, bool value)
{
	fprintf(out, "\"%s\":%s,", key, value ? "true" : "false");
}

static void put_contents(FILE *out, const struct bmr_disk *disk)
{
	fprintf(out, "\"contents\":[");
	for (size_t i = 0; i < disk->content_count; i++) {
		const struct bmr_disk_content *content = &disk->contents[i];

		fprintf(out, "%s{", i > 0 ? "," : "");
		put_number(out, "number", content->number);
		put_number(out, "start", content->start);
		put_text(out, "type", content->type);
		put_text(out, "label", content->label);
		fprintf(out, "\"size\":%" PRIu64 "}", content->size);
	}
	fprintf(out, "],");
}

static void put_health(FILE *out, const struct bmr_health *health)
{
	static const char *const words[] = {
		[BMR_HEALTH_UNKNOWN] = "null",
		[BMR_HEALTH_GOOD] = "\"good\"",
		[BMR_HEALTH_FAILING] = "\"failing\"",
	};

	fprintf(out, "\"health\":%s,", words[health->verdict]);
	put_text(out, "health_text", health->text);
}

static void put_disk(FILE *out, const struct bmr_disk *disk, const struct bmr_judgement *judgement)
{
	fputc('{', out);
	put_text(out, "name", disk->name);
	put_text(out, "path", disk->path);
	put_text(out, "by_path", disk->by_path);
	put_text(out, "kind", kind_word(disk->kind));
	put_text(out, "bus", disk->bus);
	put_text(out, "vendor", disk->vendor);
	put_text(out, "model", disk->model);
	put_text(out, "serial", disk->serial);
	put_text(out, "wwn", disk->wwn);
	put_number(out, "size", disk->size);
	put_number(out, "logical_sector", disk->logical_sector);
	put_number(out, "physical_sector", disk->physical_sector);
	put_bool(out, "rotational", disk->rotational);
	put_bool(out, "removable", disk->removable);
	put_bool(out, "read_only", disk->read_only);
	put_bool(out, "medium", disk->medium);
	put_text(out, "used_by", disk->used_by);
	put_text(out, "table", disk->table);
	put_text(out, "table_uuid", disk->table_uuid);
	put_bool(out, "holds_something", disk->holds_something);
	put_text(out, "probe_error", disk->probe_error);
	put_contents(out, disk);
	put_health(out, &disk->health);
	put_text(out, "verdict", verdict_word(judgement->verdict));
	fprintf(out, "\"reason\":");
	put_string(out, judgement->reason);
	fputc('}', out);
}

void bmr_disks_json(FILE *out, const struct bmr_disk_list *list,
                    const struct bmr_judgement *judgements)
{
	fprintf(out, "{\"disks\":[");
	for (size_t i = 0; i < list->count; i++) {
		fprintf(out, "%s\n", i > 0 ? "," : "");
		put_disk(out, &list->disks[i], &judgements[i]);
	}
	fprintf(out, "\n]}\n");
}
