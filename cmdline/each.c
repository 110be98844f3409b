/* SPDX-License-Identifier: GPL-3.0-or-later */
/* each.c - the parameters as text again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/login.h"
#include "base/size.h"
#include "cmdline/params_internal.h"
#include "cmdline/words.h"

/* Enough for each text that fits a command line, all of it escaped. */
#define VALUE_SIZE (BMR_PARAMS_TEXT_MAX + 1)
#define LINE_SIZE (2 * BMR_PARAMS_TEXT_MAX + 64)

struct out {
	void (*line)(void *ctx, const char *text);
	void *ctx;
	char value[VALUE_SIZE];
	char text[LINE_SIZE];
};

static bool is_kind(const struct bmr_param_info *info, const char *kind)
{
	return strcmp(info->kind, kind) == 0;
}

/* The value as text in o->value; false if the parameter has its default. */
static bool value_text(const struct bmr_params *p, size_t i, const struct bmr_param_info *info,
                       struct out *o)
{
	const void *member = bmr_params_member(p, i);

	if (is_kind(info, "CHOICE")) {
		const char *word = bmr_params_choice_name(info->name, *(const int *)member);

		if (!word)
			return false;
		snprintf(o->value, sizeof o->value, "%s", word);
	} else if (is_kind(info, "COUNT") || is_kind(info, "SECONDS")) {
		snprintf(o->value, sizeof o->value, "%u", *(const unsigned *)member);
	} else if (is_kind(info, "RATE")) {
		snprintf(o->value, sizeof o->value, "%" PRIu64, *(const uint64_t *)member);
	} else {
		const char *text = *(char *const *)member;

		if (!text)
			return false;
		if (is_kind(info, "SECRET"))
			snprintf(o->value, sizeof o->value, "***");
		else
			bmr_login_hide(text, o->value, sizeof o->value);
	}
	return strcmp(o->value, info->def) != 0;
}

void bmr_params_each(const struct bmr_params *p, void (*line)(void *ctx, const char *text),
                     void *ctx)
{
	AUTO_FREE struct out *o = malloc(sizeof *o);
	size_t count;
	const struct bmr_param_info *table = bmr_params_table(&count);

	if (!o)
		return;
	o->line = line;
	o->ctx = ctx;
	for (size_t i = 0; i < count; i++) {
		char name[64];

		if (!value_text(p, i, &table[i], o))
			continue;
		snprintf(name, sizeof name, "bmr.%s", table[i].name);
		bmr_words_write(name, o->value, o->text, sizeof o->text);
		line(ctx, o->text);
	}
	if (p->restore_only)
		line(ctx, "Restore_Only=Y");
	bmr_net_each(&p->net, line, ctx);
}
