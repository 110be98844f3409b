/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/manual.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/choose.h"
#include "agent/config.h"
#include "agent/console.h"
#include "agent/job.h"
#include "agent/session.h"
#include "base/err.h"
#include "base/size.h"
#include "imaging/disk.h"
#include "imaging/select.h"

#define ANSWER_SIZE 1024
#define SERIAL_TAIL 4
#define SOURCE_DISKS_MAX 16

struct manual {
	struct bmr_session *session;
	const struct bmr_consoles *consoles;
	int (*network)(void *ctx, struct bmr_err *e);
	void *ctx;
	bool network_up;
};

enum step {
	STEP_AGAIN,
	STEP_DONE,
	STEP_FAILED
};

static void say(const struct manual *m, const char *line)
{
	bmr_screen_say(m->session->screen, line);
}

static int ask(const struct manual *m, const char *question, char *answer, struct bmr_err *e)
{
	say(m, question);
	if (!bmr_consoles_read_line(m->consoles, answer, ANSWER_SIZE))
		return bmr_err_set(e, BMR_E_USAGE, 0, "there is no console to ask at");
	return 0;
}

static void say_error(const struct manual *m, const struct bmr_err *err)
{
	char line[sizeof err->msg + 16];

	snprintf(line, sizeof line, "no: %s", err->msg);
	say(m, line);
}

/* What must be typed to overwrite a disk: the last four of its serial, or, if it tells none, its
 * size in bytes. */
static void secret_word(const struct bmr_disk *d, char *word, size_t size, char *question,
                        size_t question_size)
{
	size_t len = strlen(d->serial);

	if (len >= SERIAL_TAIL) {
		snprintf(word, size, "%s", d->serial + len - SERIAL_TAIL);
		snprintf(question, question_size,
		         "Type the last four characters of its serial to overwrite it:");
		return;
	}
	snprintf(word, size, "%" PRIu64, d->size);
	snprintf(question, question_size,
	         "It has no serial. Type its size in bytes to overwrite it:");
}

static void describe(const struct manual *m, const struct bmr_disk *d)
{
	char size[16];
	char line[400];

	snprintf(line, sizeof line, "%s: %s %s, serial %s, %s (%" PRIu64 " bytes), %s", d->path,
	         *d->vendor ? d->vendor : d->bus, *d->model ? d->model : "disk",
	         *d->serial ? d->serial : "none", bmr_size_text(d->size, size, sizeof size),
	         d->size, d->holds_something ? "EVERYTHING ON IT WILL BE LOST" : "empty");
	say(m, line);
	for (size_t i = 0; i < d->content_count; i++) {
		const struct bmr_disk_content *c = &d->contents[i];

		snprintf(line, sizeof line, "  partition %u: %s %s, %s", c->number,
		         *c->type ? c->type : "unknown", c->label,
		         bmr_size_text(c->size, size, sizeof size));
		say(m, line);
	}
}

static enum step restore_to(const struct manual *m, struct bmr_job *job, const struct bmr_disk *d,
                            struct bmr_err *e)
{
	struct bmr_target_info target;
	char word[64];
	char question[96];
	char answer[ANSWER_SIZE];

	describe(m, d);
	secret_word(d, word, sizeof word, question, sizeof question);
	if (ask(m, question, answer, e) < 0)
		return STEP_FAILED;
	if (strcasecmp(answer, word) != 0) {
		say(m, "That is not it. Nothing was written.");
		return STEP_AGAIN;
	}
	if (bmr_target_look(d->path, &target, e) < 0)
		return STEP_FAILED;
	if (target.dev != d->dev || target.sequence != d->sequence) {
		say(m, "This disk was exchanged in the meantime. Nothing was written.");
		return STEP_AGAIN;
	}
	return bmr_job_restore(job, &target, e) < 0 ? STEP_FAILED : STEP_DONE;
}

/* Every rule but consent, which is what the question is for. */
static enum step judge_and_restore(const struct manual *m, struct bmr_job *job,
                                   const struct bmr_select_rules *rules,
                                   const struct bmr_disk_list *list, const char *name,
                                   struct bmr_err *e)
{
	const char *plain = strncmp(name, "/dev/", 5) == 0 ? name + 5 : name;

	for (size_t i = 0; i < list->count; i++) {
		struct bmr_judgement j;

		if (strcmp(list->disks[i].name, plain) != 0)
			continue;
		bmr_select_judge(rules, &list->disks[i], &j);
		if (j.verdict == BMR_VERDICT_OK)
			return restore_to(m, job, &list->disks[i], e);
		bmr_err_set(e, BMR_E_REFUSED, 0, "%s %s", name, j.reason);
		say_error(m, e);
		return STEP_AGAIN;
	}
	bmr_err_set(e, BMR_E_REFUSED, 0, "there is no disk '%s'", name);
	say_error(m, e);
	return STEP_AGAIN;
}

static enum step ask_disk(const struct manual *m, struct bmr_job *job, struct bmr_err *e)
{
	dev_t sources[SOURCE_DISKS_MAX];
	struct bmr_select_rules rules = {
		.source_disks = sources,
		.image_size = job->image.at_least,
		.image_sector = job->image.layout.sector,
		.overwrite = "any",
	};
	struct bmr_disk_list list;
	char answer[ANSWER_SIZE];
	enum step step = STEP_FAILED;

	if (bmr_choose_source_disks(job, sources, SOURCE_DISKS_MAX, &rules.source_disk_count, e) <
	    0)
		return STEP_FAILED;
	if (bmr_disk_list_read(NULL, &list, e) == 0) {
		bmr_choose_show(m->session, &rules, &list);
		if (ask(m, "Disk to overwrite (its NAME; empty: another image):", answer, e) == 0)
			step = *answer ? judge_and_restore(m, job, &rules, &list, answer, e)
			               : STEP_AGAIN;
	}
	bmr_disk_list_clear(&list);
	return step;
}

static int prepare_image(struct manual *m, const char *url, struct bmr_err *e)
{
	struct bmr_params *p = &m->session->options->params;

	if (bmr_params_set(p, "image", url, e) < 0 ||
	    bmr_config_expand(m->session, &p->image, e) < 0)
		return -1;
	if (m->network_up || strncmp(url, "disk:", 5) == 0 || strncmp(url, "cdrom:", 6) == 0 ||
	    strncmp(url, "file:", 5) == 0 || *url == '/')
		return 0;
	if (m->network(m->ctx, e) < 0)
		return -1;
	m->network_up = true;
	return 0;
}

static enum step restore_from(struct manual *m, const char *url, struct bmr_err *e)
{
	struct bmr_job job = {.session = m->session};
	enum step step = STEP_AGAIN;

	if (prepare_image(m, url, e) < 0) {
		say_error(m, e);
		return STEP_AGAIN;
	}
	if (bmr_job_open(m->session, m->session->options->params.image, &job, e) < 0)
		say_error(m, e);
	else
		step = ask_disk(m, &job, e);
	bmr_job_close(&job);
	return step;
}

int bmr_manual_run(struct bmr_session *session, const struct bmr_consoles *consoles,
                   int (*network)(void *ctx, struct bmr_err *e), void *ctx, struct bmr_err *e)
{
	struct manual m = {session, consoles, network, ctx, false};
	char answer[ANSWER_SIZE];
	enum step step = STEP_AGAIN;

	say(&m, "Manual restore.");
	while (step == STEP_AGAIN) {
		say(&m, "");
		say(&m, "Image to restore: nfs://host/path smb://user@host/share/path http://...");
		say(&m, "  ftp://... disk:LABEL=name/path cdrom:/path     (empty: power off)");
		if (ask(&m, "Image:", answer, e) < 0)
			return -1;
		if (*answer == '\0') {
			session->options->params.finish = BMR_FINISH_POWEROFF;
			return 0;
		}
		step = restore_from(&m, answer, e);
	}
	return step == STEP_DONE ? 0 : -1;
}
