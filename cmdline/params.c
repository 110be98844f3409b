/* SPDX-License-Identifier: GPL-3.0-or-later */
/* params.c - the table, and setting one parameter of it. */
#include "cmdline/params.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "cmdline/ip.h"
#include "cmdline/params_internal.h"
#include "cmdline/refuse.h"

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])
#define NAME_SHOWN 64
#define DIGEST_DIGITS 64
#define RETRIES_MOST 1000000
#define SECONDS_MOST 86400

enum kind {
	TEXT,
	SECRET,
	CHOICE,
	COUNT,
	SECONDS,
	RATE,
	DIGEST
};

#define WORDS_TEXT(field) NULL
#define WORDS_SECRET(field) NULL
#define WORDS_COUNT(field) NULL
#define WORDS_SECONDS(field) NULL
#define WORDS_RATE(field) NULL
#define WORDS_DIGEST(field) NULL
#define WORDS_CHOICE(field) WORDS_##field
#define WORDS_action "restore|capture|verify|menu|plan|shell"
#define WORDS_finish "reboot|poweroff|halt|hold|kexec"
#define WORDS_onfail "hold|reboot|poweroff"
#define WORDS_compare "auto|none|hash"
#define WORDS_verify "full|none"
#define WORDS_unused "discard|zero"
#define WORDS_level "sizes|manifest|full"
#define WORDS_blocks "used|all"
#define WORDS_live "no|yes"
#define WORDS_replace "no|yes"
#define WORDS_duplicates "refuse|allow"
#define WORDS_grow "no|table|last"
#define WORDS_identity "keep|new"
#define WORDS_bootentry "auto|yes|no"
#define WORDS_bootnext "no|disk|efi|ipmi"
#define WORDS_sidecar "auto|no|yes"

static const struct bmr_param_info table[] = {
#define BMR_PARAM(field, kind, def, scope, argument, help)                                         \
	{#field, #kind, def, scope, argument, help, WORDS_##kind(field)},
#include "cmdline/params.def"
#undef BMR_PARAM
};

_Static_assert(LENGTH(table) <= 8 * sizeof(bmr_params_seen), "a bit for each parameter");

static const struct {
	enum kind kind;
	size_t offset;
} members[] = {
#define BMR_PARAM(field, kind, def, scope, argument, help)                                         \
	{kind, offsetof(struct bmr_params, field)},
#include "cmdline/params.def"
#undef BMR_PARAM
};

/* What the words above stand for. */
static const struct {
	const char *field;
	const char *word;
	int value;
} choices[] = {
	{"action", "restore", BMR_ACTION_RESTORE},
	{"action", "capture", BMR_ACTION_CAPTURE},
	{"action", "verify", BMR_ACTION_VERIFY},
	{"action", "menu", BMR_ACTION_MENU},
	{"action", "plan", BMR_ACTION_PLAN},
	{"action", "shell", BMR_ACTION_SHELL},
	{"finish", "reboot", BMR_FINISH_REBOOT},
	{"finish", "poweroff", BMR_FINISH_POWEROFF},
	{"finish", "halt", BMR_FINISH_HALT},
	{"finish", "hold", BMR_FINISH_HOLD},
	{"finish", "kexec", BMR_FINISH_KEXEC},
	{"onfail", "hold", BMR_FINISH_HOLD},
	{"onfail", "reboot", BMR_FINISH_REBOOT},
	{"onfail", "poweroff", BMR_FINISH_POWEROFF},
	{"compare", "auto", BMR_COMPARE_AUTO},
	{"compare", "none", BMR_COMPARE_NONE},
	{"compare", "hash", BMR_COMPARE_HASH},
	{"verify", "full", BMR_VERIFY_FULL},
	{"verify", "none", BMR_VERIFY_NONE},
	{"unused", "discard", BMR_UNUSED_DISCARD},
	{"unused", "zero", BMR_UNUSED_ZERO},
	{"level", "sizes", BMR_LEVEL_SIZES},
	{"level", "manifest", BMR_LEVEL_MANIFEST},
	{"level", "full", BMR_LEVEL_FULL},
	{"blocks", "used", BMR_BLOCKS_USED},
	{"blocks", "all", BMR_BLOCKS_ALL},
	{"live", "no", BMR_SWITCH_NO},
	{"live", "yes", BMR_SWITCH_YES},
	{"replace", "no", BMR_SWITCH_NO},
	{"replace", "yes", BMR_SWITCH_YES},
	{"sidecar", "auto", BMR_SWITCH_AUTO},
	{"sidecar", "no", BMR_SWITCH_NO},
	{"sidecar", "yes", BMR_SWITCH_YES},
	{"duplicates", "refuse", BMR_DUPLICATES_REFUSE},
	{"duplicates", "allow", BMR_DUPLICATES_ALLOW},
	{"grow", "no", BMR_GROW_NO},
	{"grow", "table", BMR_GROW_TABLE},
	{"grow", "last", BMR_GROW_LAST},
	{"identity", "keep", BMR_IDENTITY_KEEP},
	{"identity", "new", BMR_IDENTITY_NEW},
	{"bootentry", "auto", BMR_SWITCH_AUTO},
	{"bootentry", "yes", BMR_SWITCH_YES},
	{"bootentry", "no", BMR_SWITCH_NO},
	{"bootnext", "no", BMR_BOOTNEXT_NO},
	{"bootnext", "disk", BMR_BOOTNEXT_DISK},
	{"bootnext", "efi", BMR_BOOTNEXT_EFI},
	{"bootnext", "ipmi", BMR_BOOTNEXT_IPMI},
};

const struct bmr_param_info *bmr_params_table(size_t *count)
{
	*count = LENGTH(table);
	return table;
}

int bmr_params_find(const char *name)
{
	for (size_t i = 0; i < LENGTH(table); i++)
		if (strcmp(table[i].name, name) == 0)
			return (int)i;
	return -1;
}

void *bmr_params_member(const struct bmr_params *p, size_t i)
{
	return (char *)(uintptr_t)p + members[i].offset;
}

const char *bmr_params_choice_name(const char *field, int value)
{
	for (size_t i = 0; i < LENGTH(choices); i++)
		if (choices[i].value == value && strcmp(choices[i].field, field) == 0)
			return choices[i].word;
	return NULL;
}

/* Restricted to names of this many characters, so that its cost is bounded. */
#define DISTANCE_MOST 24

static size_t least(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Levenshtein's distance: how many characters must be added, removed or replaced. */
static size_t distance(const char *a, const char *b)
{
	size_t row[DISTANCE_MOST + 1];
	size_t columns = strnlen(b, DISTANCE_MOST);

	for (size_t j = 0; j <= columns; j++)
		row[j] = j;
	for (size_t i = 0; i < DISTANCE_MOST && a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < columns; j++) {
			size_t above = row[j + 1];

			row[j + 1] = least(row[j] + 1, above + 1, diagonal + (a[i] != b[j]));
			diagonal = above;
		}
	}
	return row[columns];
}

int bmr_params_shown(const char *name)
{
	size_t len = strcspn(name, ":@/ \t");

	return len < NAME_SHOWN ? (int)len : NAME_SHOWN;
}

int bmr_params_unknown(const char *name, struct bmr_err *e)
{
	size_t best = 0;
	size_t best_distance = SIZE_MAX;

	for (size_t i = 0; i < LENGTH(table); i++) {
		size_t d = distance(name, table[i].name);

		if (d < best_distance) {
			best_distance = d;
			best = i;
		}
	}
	return bmr_err_set(e, BMR_E_USAGE, 0,
	                   "unknown parameter 'bmr.%.*s'; the nearest known one is 'bmr.%s'",
	                   bmr_params_shown(name), name, table[best].name);
}

static int refuse(size_t i, const char *value, const char *expected, struct bmr_err *e)
{
	char name[NAME_SHOWN];

	snprintf(name, sizeof name, "bmr.%s", table[i].name);
	return bmr_param_refuse(e, name, value, "it is %s", expected);
}

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

static void wipe(char **text)
{
	if (!*text)
		return;
	explicit_bzero(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

/* An empty value takes the parameter away. */
static int assign_text(size_t i, char **field, const char *value, struct bmr_err *e)
{
	char *copy = NULL;

	if (!is_printable(value))
		return bmr_err_set(e, BMR_E_USAGE, 0, "'bmr.%s' holds control characters",
		                   table[i].name);
	if (*value) {
		copy = strdup(value);
		if (!copy)
			return bmr_err_nomem(e, "a parameter");
	}
	wipe(field);
	*field = copy;
	return 0;
}

static int assign_digest(size_t i, char **field, const char *value, struct bmr_err *e)
{
	if (*value && (strlen(value) != DIGEST_DIGITS ||
	               strspn(value, "0123456789abcdefABCDEF") != DIGEST_DIGITS))
		return refuse(i, value, "64 hexadecimal digits", e);
	if (assign_text(i, field, value, e) < 0)
		return -1;
	for (char *c = *field; c && *c; c++)
		if (*c >= 'A' && *c <= 'F')
			*c = (char)(*c | 0x20);
	return 0;
}

static int assign_choice(size_t i, int *field, const char *value, struct bmr_err *e)
{
	char expected[128];

	for (size_t c = 0; c < LENGTH(choices); c++)
		if (strcmp(choices[c].field, table[i].name) == 0 &&
		    strcmp(choices[c].word, value) == 0) {
			*field = choices[c].value;
			return 0;
		}
	snprintf(expected, sizeof expected, "one of %s", table[i].choices);
	return refuse(i, value, expected, e);
}

int bmr_params_assign(struct bmr_params *p, size_t i, const char *value, struct bmr_err *e)
{
	void *field = bmr_params_member(p, i);

	switch (members[i].kind) {
	case TEXT:
	case SECRET:
		return assign_text(i, field, value, e);
	case DIGEST:
		return assign_digest(i, field, value, e);
	case CHOICE:
		return assign_choice(i, field, value, e);
	case COUNT:
		if (!bmr_ip_number(value, 0, RETRIES_MOST, field))
			return refuse(i, value, "a number from 0 to 1000000", e);
		return 0;
	case SECONDS:
		if (!bmr_ip_number(value, 1, SECONDS_MOST, field))
			return refuse(i, value, "a number of seconds from 1 to 86400", e);
		return 0;
	case RATE:
		if (!bmr_size_parse(value, field))
			return refuse(i, value, "bytes a second, such as 100M, or 0", e);
		return 0;
	}
	return bmr_err_set(e, BMR_E_BUG, 0, "parameter %zu has no kind", i);
}

int bmr_params_fill(struct bmr_params *p, bmr_params_seen seen, const char *name, const char *value,
                    struct bmr_err *e)
{
	int i = bmr_params_find(name);

	if (seen >> i & 1)
		return 0;
	return bmr_params_assign(p, (size_t)i, value, e);
}

int bmr_params_set(struct bmr_params *p, const char *name, const char *value, struct bmr_err *e)
{
	int i = bmr_params_find(name);

	if (i < 0)
		return bmr_params_unknown(name, e);
	if (!value)
		return bmr_err_set(e, BMR_E_USAGE, 0, "'bmr.%s' needs a value: bmr.%s=%s", name,
		                   name, table[i].argument);
	return bmr_params_assign(p, (size_t)i, value, e);
}

void bmr_params_init(struct bmr_params *p)
{
	*p = (struct bmr_params){0};
	bmr_net_init(&p->net);
	for (size_t i = 0; i < LENGTH(table); i++) {
		struct bmr_err never;

		/* Texts default to NULL; the others' defaults are valid and need no memory. */
		if (*table[i].def)
			bmr_params_assign(p, i, table[i].def, &never);
	}
}

void bmr_params_clear(struct bmr_params *p)
{
	for (size_t i = 0; i < LENGTH(table); i++)
		if (members[i].kind == TEXT || members[i].kind == SECRET ||
		    members[i].kind == DIGEST)
			wipe(bmr_params_member(p, i));
	for (size_t i = 0; i < p->notice_count; i++)
		free(p->notices[i]);
	free(p->notices);
	p->notices = NULL;
	p->notice_count = 0;
}

enum bmr_action bmr_params_action(const struct bmr_params *p)
{
	if (p->action != BMR_ACTION_NONE)
		return (enum bmr_action)p->action;
	return p->image ? BMR_ACTION_RESTORE : BMR_ACTION_MENU;
}

static bool has_notice(const struct bmr_params *p, const char *text)
{
	for (size_t i = 0; i < p->notice_count; i++)
		if (strcmp(p->notices[i], text) == 0)
			return true;
	return false;
}

int bmr_params_notice(struct bmr_params *p, struct bmr_err *e, const char *fmt, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0) {
		text = NULL; /* vasprintf(3) leaves it undefined */
		return bmr_err_nomem(e, "a notice");
	}
	if (p->notice_count == BMR_PARAMS_NOTICES || has_notice(p, text))
		return 0;
	if (!p->notices) {
		p->notices = calloc(BMR_PARAMS_NOTICES, sizeof p->notices[0]);
		if (!p->notices)
			return bmr_err_nomem(e, "notices");
	}
	p->notices[p->notice_count++] = take_ptr(&text);
	return 0;
}
