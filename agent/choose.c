/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/choose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/disks.h"
#include "agent/job.h"
#include "agent/session.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "imaging/table/cut.h"
#include "imaging/disk/select.h"

#define LOOK_EVERY_S 1

struct dev_list {
	dev_t *devs;
	size_t most;
	size_t count;
};

static void add_dev(void *ctx, dev_t dev)
{
	struct dev_list *list = ctx;

	if (list->count < list->most)
		list->devs[list->count++] = dev;
}

int bmr_choose_source_disks(struct bmr_job *job, dev_t *disks, size_t most, size_t *count,
                            struct bmr_err *e)
{
	struct dev_list list = {disks, most, 0};
	dev_t source = job->source ? bmr_source_device(job->source) : 0;

	if (source && bmr_disk_of(NULL, source, add_dev, &list, e) < 0)
		return -1;
	*count = list.count;
	return 0;
}

/* --- showing --- */

static void say_lines(struct bmr_session *s, char *text)
{
	char *rest = NULL;

	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		bmr_screen_say(s->screen, line);
}

static char *print_disks(const struct bmr_disk_list *list, const struct bmr_judgement *judgements,
                         bool json)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	bmr_disks_print(out, list, judgements, json);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static void show(struct bmr_session *s, const struct bmr_disk_list *list,
                 const struct bmr_judgement *judgements)
{
	AUTO_FREE char *table = print_disks(list, judgements, false);
	AUTO_FREE char *json = print_disks(list, judgements, true);

	if (table)
		say_lines(s, table);
	if (json) {
		for (char *c = json; *c; c++)
			*c = *c == '\n' ? ' ' : *c;
		bmr_events_text(s->events, "disks", "json", json);
	}
}

void bmr_choose_show(struct bmr_session *session, const struct bmr_select_rules *rules,
                     const struct bmr_disk_list *list)
{
	AUTO_FREE struct bmr_judgement *judgements = calloc(list->count + 1, sizeof *judgements);

	if (!judgements)
		return;
	bmr_select_judge_all(rules, list, judgements);
	show(session, list, judgements);
}

/* --- choosing --- */

/* Two looks that list the same disks, by name, serial, size and sequence. */
static bool same_disks(const struct bmr_disk_list *a, const struct bmr_disk_list *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->disks[i].name, b->disks[i].name) != 0 ||
		    strcmp(a->disks[i].serial, b->disks[i].serial) != 0 ||
		    a->disks[i].size != b->disks[i].size ||
		    a->disks[i].sequence != b->disks[i].sequence)
			return false;
	return true;
}

/* Is any disk meant, fit or not?  Then more waiting changes nothing. */
static bool any_meant(const struct bmr_disk_list *list, const struct bmr_judgement *judgements)
{
	for (size_t i = 0; i < list->count; i++)
		if (judgements[i].meant || (judgements[i].verdict != BMR_VERDICT_HINT &&
		                            judgements[i].verdict != BMR_VERDICT_NEVER))
			return true;
	return false;
}

struct look {
	struct bmr_disk_list list;
	struct bmr_judgement *judgements;
	const struct bmr_disk *disk; /* picked, NULL none */
	struct bmr_err err;          /* why none */
};

static void look_clear(struct look *l)
{
	bmr_disk_list_clear(&l->list);
	free(l->judgements);
	memset(l, 0, sizeof *l);
}

/* What only speaks against writing. */
static void allow_reading(struct bmr_disk_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		list->disks[i].read_only = false;
		list->disks[i].used_by[0] = '\0';
	}
}

static int look(const struct bmr_select_rules *rules, bool reading, struct look *l,
                struct bmr_err *e)
{
	memset(l, 0, sizeof *l);
	if (bmr_disk_list_read(NULL, &l->list, e) < 0)
		return -1;
	if (reading)
		allow_reading(&l->list);
	l->judgements = calloc(l->list.count + 1, sizeof *l->judgements);
	if (!l->judgements)
		return bmr_err_nomem(e, "the disks");
	if (bmr_select_pick(rules, &l->list, l->judgements, &l->disk, &l->err) < 0)
		l->disk = NULL;
	return 0;
}

static unsigned seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned)(now.tv_sec - start->tv_sec);
}

/* Look until two looks agree and a disk is meant, or time is up. */
static int settle(struct bmr_session *s, const struct bmr_select_rules *rules, bool reading,
                  unsigned wait_s, struct look *now, struct bmr_err *e)
{
	struct look before = {0};
	struct timespec start;
	int rc;

	clock_gettime(CLOCK_MONOTONIC, &start);
	rc = look(rules, reading, now, e);
	for (unsigned looks = 1; rc == 0; looks++) {
		bool agree = looks > 1 && same_disks(&before.list, &now->list);

		if ((agree && any_meant(&now->list, now->judgements)) ||
		    seconds_since(&start) >= wait_s)
			break;
		if (looks == 3)
			bmr_log_say(s->log, BMR_LOG_INFO, "waiting up to %u s for the disk",
			            wait_s);
		if (atomic_load(&s->stop)) {
			rc = bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
			break;
		}
		look_clear(&before);
		before = *now;
		sleep(LOOK_EVERY_S);
		rc = look(rules, reading, now, e);
	}
	look_clear(&before);
	return rc;
}

static void announce(struct bmr_session *s, const struct bmr_disk *d, bool reading)
{
	const char *fate = d->holds_something ? "to be overwritten" : "empty";

	bmr_log_say(s->log, BMR_LOG_INFO, "the %s is %s: %s %s, serial %s, %s",
	            reading ? "disk" : "target", d->path, *d->vendor ? d->vendor : d->bus,
	            *d->model ? d->model : "disk", *d->serial ? d->serial : "none",
	            reading ? "to be captured" : fate);
}

static int choose(struct bmr_session *s, const struct bmr_select_rules *rules, bool reading,
                  unsigned wait_s, struct bmr_target_info *target, struct bmr_err *e)
{
	struct look found;
	int rc = settle(s, rules, reading, wait_s, &found, e);

	if (rc == 0 && !found.disk) {
		show(s, &found.list, found.judgements);
		*e = found.err;
		rc = -1;
	}
	if (rc == 0) {
		announce(s, found.disk, reading);
		rc = bmr_target_look_disk(found.disk, target, e);
	}
	look_clear(&found);
	return rc;
}

int bmr_choose_target(struct bmr_job *job, unsigned wait_s, struct bmr_target_info *target,
                      struct bmr_err *e)
{
	const struct bmr_params *p = &job->session->options->params;
	struct bmr_hints hints = {0};
	dev_t sources[16];
	struct bmr_select_rules rules = {
		.hints = &hints,
		.unattended = true,
		.source_disks = sources,
		.image_size = bmr_cut_least(&job->image),
		.image_sector = job->image.layout.sector,
		.overwrite = p->overwrite,
		.confirm = p->confirm,
	};
	int rc = -1;

	if (bmr_hints_parse(p->target, &hints, e) == 0 &&
	    bmr_choose_source_disks(job, sources, sizeof sources / sizeof *sources,
	                            &rules.source_disk_count, e) == 0)
		rc = choose(job->session, &rules, false, wait_s, target, e);
	bmr_hints_clear(&hints);
	return rc;
}

int bmr_choose_source(struct bmr_session *session, unsigned wait_s, struct bmr_target_info *disk,
                      struct bmr_err *e)
{
	struct bmr_hints hints = {0};
	struct bmr_select_rules rules = {
		.hints = &hints, .unattended = true, .overwrite = "any", /* nothing is */
	};
	int rc = -1;

	if (bmr_hints_parse(session->options->params.target, &hints, e) == 0)
		rc = choose(session, &rules, true, wait_s, disk, e);
	bmr_hints_clear(&hints);
	return rc;
}
