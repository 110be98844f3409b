/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/disk/select.h"

#include "base/err.h"
#include "base/size.h"
#include "imaging/disk/disk.h"
#include "imaging/disk/select_match.h"
#include "imaging/disk/select_text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Why a disk can never be meant. */
enum bar {
	BAR_NONE,
	BAR_KIND, /* or empty, read-only, removable: not a disk to restore to */
	BAR_MEDIUM,
	BAR_SOURCE,
	BAR_USED,
};

static const char *kind_reason(const struct bmr_select_rules *rules, enum bmr_disk_kind kind)
{
	switch (kind) {
	case BMR_DISK_DISK:
		return NULL;
	case BMR_DISK_OPTICAL:
		return "is an optical drive";
	case BMR_DISK_MMC_BOOT:
		return "is the boot area of a flash chip, not a disk";
	case BMR_DISK_LOOP:
		return rules->named ? NULL : "is a loop device";
	case BMR_DISK_RAM:
		return rules->named ? NULL : "is in memory";
	case BMR_DISK_MAPPED:
		return rules->named ? NULL : "is mapped onto other disks";
	case BMR_DISK_OTHER:
		break;
	}
	return rules->named ? NULL : "is not a kind of disk that is restored to";
}

static bool is_source(const struct bmr_select_rules *rules, const struct bmr_disk *disk)
{
	for (size_t i = 0; i < rules->source_disk_count; i++)
		if (rules->source_disks[i] == disk->dev)
			return true;
	return false;
}

/* A pattern matches also what nobody had in mind; a stick is only meant where all of its serial
 * was written down. */
static bool has_whole_serial(const struct bmr_hints *hints, const struct bmr_disk *disk)
{
	return hints && hints->serial && disk->serial[0] != '\0' &&
	       strcasecmp(hints->serial, disk->serial) == 0;
}

static bool is_portable(const struct bmr_select_rules *rules, const struct bmr_disk *disk,
                        struct bmr_judgement *judgement)
{
	bool usb = strcmp(disk->bus, "usb") == 0;

	if ((!usb && !disk->removable) || rules->named || has_whole_serial(rules->hints, disk))
		return false;
	snprintf(judgement->reason, sizeof judgement->reason,
	         disk->serial[0] ? "is %s: it is only taken if named by serial=%s"
	                         : "is %s and has no serial%s that could name it",
	         usb ? "on USB" : "removable", disk->serial);
	return true;
}

static enum bar find_bar(const struct bmr_select_rules *rules, const struct bmr_disk *disk,
                         struct bmr_judgement *judgement)
{
	const char *kind = kind_reason(rules, disk->kind);
	enum bar bar = BAR_KIND;
	const char *reason = "";

	if (disk->medium) {
		bar = BAR_MEDIUM;
		reason = "is the boot medium";
	} else if (is_source(rules, disk)) {
		bar = BAR_SOURCE;
		reason = "holds the image";
	} else if (kind) {
		reason = kind;
	} else if (disk->size == 0) {
		reason = "has no medium in it";
	} else if (disk->read_only) {
		reason = "is read-only";
	} else if (is_portable(rules, disk, judgement)) {
		return BAR_KIND;
	} else if (disk->used_by[0] != '\0') {
		snprintf(judgement->reason, sizeof judgement->reason, "is in use: %s",
		         disk->used_by);
		return BAR_USED;
	} else {
		return BAR_NONE;
	}
	snprintf(judgement->reason, sizeof judgement->reason, "%s", reason);
	return bar;
}

/* The name of a disk depends on which driver was faster. */
static bool name_is_enough(const struct bmr_select_rules *rules, const struct bmr_disk *disk,
                           struct bmr_judgement *judgement)
{
	const struct bmr_hints *h = rules->hints;

	if (!rules->unattended || !h || !h->dev || h->serial || h->wwn || h->path || h->model ||
	    h->bus || h->size_low != 0 || h->size_high != UINT64_MAX)
		return true;
	if (disk->serial[0] != '\0')
		snprintf(judgement->reason, sizeof judgement->reason,
		         "dev= alone may be another disk at the next boot; add serial= "
		         "(this disk's is %s)",
		         disk->serial);
	else
		snprintf(judgement->reason, sizeof judgement->reason,
		         "dev= alone may be another disk at the next boot; add path= "
		         "(this disk's is %.100s; it has no serial)",
		         disk->by_path[0] ? disk->by_path : "unknown");
	return false;
}

static bool fits(const struct bmr_select_rules *rules, const struct bmr_disk *disk,
                 struct bmr_judgement *judgement)
{
	char has[BMR_SELECT_FIGURE];
	char needs[BMR_SELECT_FIGURE];
	char lacks[BMR_SELECT_FIGURE];

	if (disk->size < rules->image_size) {
		snprintf(judgement->reason, sizeof judgement->reason,
		         "has %s bytes, the image needs %s: %s too few",
		         bmr_select_text_figure(disk->size, has),
		         bmr_select_text_figure(rules->image_size, needs),
		         bmr_select_text_figure(rules->image_size - disk->size, lacks));
		return false;
	}
	if (rules->image_sector != 0 && rules->image_sector != disk->logical_sector) {
		snprintf(judgement->reason, sizeof judgement->reason,
		         "has sectors of %u bytes, the image was made for sectors of %u",
		         disk->logical_sector, rules->image_sector);
		return false;
	}
	return true;
}

static bool names_disk(const char *id, const struct bmr_disk *disk)
{
	return *id != '\0' &&
	       (strcasecmp(id, disk->serial) == 0 || strcasecmp(id, disk->table_uuid) == 0);
}

static bool has_consent(const struct bmr_select_rules *rules, const struct bmr_disk *disk,
                        struct bmr_judgement *judgement)
{
	/* What the operator believes to be there must be there, even where nothing is lost. */
	if (rules->confirm && !names_disk(rules->confirm, disk)) {
		bmr_select_text_unconfirmed(rules->confirm, disk, judgement);
		return false;
	}
	if (rules->confirm || (!disk->holds_something && disk->probe_error[0] == '\0'))
		return true;
	if (rules->overwrite &&
	    (strcmp(rules->overwrite, "any") == 0 || names_disk(rules->overwrite, disk)))
		return true;
	bmr_select_text_no_consent(rules->overwrite, disk, judgement);
	return false;
}

void bmr_select_judge(const struct bmr_select_rules *rules, const struct bmr_disk *disk,
                      struct bmr_judgement *judgement)
{
	struct bmr_judgement unused;

	judgement->meant = rules->hints && !rules->hints->automatic &&
	                   bmr_select_match(rules->hints, disk, &unused);
	judgement->reason[0] = '\0';
	if (find_bar(rules, disk, judgement) != BAR_NONE)
		judgement->verdict = BMR_VERDICT_NEVER;
	else if (!bmr_select_match(rules->hints, disk, judgement) ||
	         !name_is_enough(rules, disk, judgement))
		judgement->verdict = BMR_VERDICT_HINT;
	else if (!fits(rules, disk, judgement))
		judgement->verdict = BMR_VERDICT_UNFIT;
	else if (!has_consent(rules, disk, judgement))
		judgement->verdict = BMR_VERDICT_CONSENT;
	else
		judgement->verdict = BMR_VERDICT_OK;
}

static bool same_disk(const struct bmr_disk *a, const struct bmr_disk *b)
{
	if (a == b || a->size != b->size)
		return false;
	if (a->wwn[0] != '\0' && b->wwn[0] != '\0')
		return strcasecmp(a->wwn, b->wwn) == 0;
	return a->serial[0] != '\0' && strcasecmp(a->serial, b->serial) == 0;
}

/* Two cables to one disk show it twice, and only one of the two is in use. */
static void bar_twin(const struct bmr_select_rules *rules, const struct bmr_disk_list *list,
                     const struct bmr_disk *disk, struct bmr_judgement *judgement)
{
	struct bmr_judgement other;

	if (judgement->verdict == BMR_VERDICT_NEVER)
		return;
	for (size_t i = 0; i < list->count; i++) {
		const struct bmr_disk *twin = &list->disks[i];

		if (!same_disk(disk, twin) || find_bar(rules, twin, &other) < BAR_MEDIUM)
			continue;
		judgement->verdict = BMR_VERDICT_NEVER;
		snprintf(judgement->reason, sizeof judgement->reason,
		         "seems to be the same disk as '%s', which %.120s", twin->name,
		         other.reason);
		return;
	}
}

void bmr_select_judge_all(const struct bmr_select_rules *rules, const struct bmr_disk_list *list,
                          struct bmr_judgement *judgements)
{
	for (size_t i = 0; i < list->count; i++) {
		bmr_select_judge(rules, &list->disks[i], &judgements[i]);
		bar_twin(rules, list, &list->disks[i], &judgements[i]);
	}
}

/* Is this one of the disks among which one must be found?  *in_question: it is meant, but a bar
 * or a hint too weak keeps it out; worth to be told. */
static bool is_candidate(const struct bmr_select_rules *rules, const struct bmr_disk *disk,
                         const struct bmr_judgement *judgement, bool *in_question)
{
	struct bmr_judgement unused;

	*in_question = false;
	if (judgement->verdict != BMR_VERDICT_NEVER && judgement->verdict != BMR_VERDICT_HINT)
		return true;
	*in_question = rules->hints->automatic ? find_bar(rules, disk, &unused) == BAR_USED
	                                       : judgement->meant;
	return false;
}

static int refuse_several(const struct bmr_select_rules *rules, const char *names,
                          struct bmr_err *e)
{
	return bmr_err_set(e, BMR_E_REFUSED, 0,
	                   rules->hints->automatic
	                           ? "target=auto needs exactly one fixed disk, there are several: "
	                             "%s; name one by serial="
	                           : "several disks match the target hints: %s; add a hint that "
	                             "only one of them matches",
	                   names);
}

static int refuse_none(const struct bmr_select_rules *rules, const struct bmr_disk_list *list,
                       const char *kept_out, struct bmr_err *e)
{
	if (*kept_out != '\0')
		return bmr_err_set(e, BMR_E_REFUSED, 0, "no disk may be written: %s", kept_out);
	if (rules->hints->automatic)
		return bmr_err_set(e, BMR_E_REFUSED, 0,
		                   "target=auto needs exactly one fixed disk, there is none");
	return bmr_err_set(e, BMR_E_REFUSED, 0,
	                   "none of the %zu disks matches the target hints; 'bmr disks' shows why",
	                   list->count);
}

static int accept(const struct bmr_disk *found, const struct bmr_judgement *judgement,
                  const struct bmr_disk **disk, struct bmr_err *e)
{
	if (judgement->verdict != BMR_VERDICT_OK)
		return bmr_err_set(e, BMR_E_REFUSED, 0, "disk '%s' %s", found->name,
		                   judgement->reason);
	*disk = found;
	return 0;
}

int bmr_select_pick(const struct bmr_select_rules *rules, const struct bmr_disk_list *list,
                    struct bmr_judgement *judgements, const struct bmr_disk **disk,
                    struct bmr_err *e)
{
	char candidates[300] = "";
	char kept_out[400] = "";
	size_t count = 0;
	size_t busy = 0;
	size_t last = 0;

	bmr_select_judge_all(rules, list, judgements);
	if (!rules->hints)
		return bmr_err_set(e, BMR_E_REFUSED, 0,
		                   "no disk is named; give target=serial=..., or target=auto");
	for (size_t i = 0; i < list->count; i++) {
		bool in_question;

		if (is_candidate(rules, &list->disks[i], &judgements[i], &in_question)) {
			bmr_select_text_add_disk(candidates, sizeof candidates, &list->disks[i]);
			last = i;
			count++;
		} else if (in_question) {
			bmr_select_text_add_reason(kept_out, sizeof kept_out, &list->disks[i],
			                           &judgements[i]);
			busy++;
		}
	}
	if (count == 0)
		return refuse_none(rules, list, kept_out, e);
	if (count == 1 && rules->hints->automatic && busy > 0)
		bmr_select_text_add(candidates, sizeof candidates, kept_out);
	if (count > 1 || (rules->hints->automatic && busy > 0))
		return refuse_several(rules, candidates, e);
	return accept(&list->disks[last], &judgements[last], disk, e);
}
