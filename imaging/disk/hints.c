/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The text of bmr.target= into struct bmr_hints (imaging/disk/select.h). */
#include "imaging/disk/select.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/login.h"
#include "base/size.h"

#include <stdio.h>
#include <string.h>

#define KNOWN "serial=, wwn=, path=, model=, size=, bus=, dev=, or auto alone"

/* Where a hint that is a plain text goes; NULL: it is none. */
static char **text_of(struct bmr_hints *hints, const char *key)
{
	const struct {
		const char *key;
		char **text;
	} texts[] = {
		{"serial", &hints->serial}, {"wwn", &hints->wwn}, {"path", &hints->path},
		{"model", &hints->model},   {"bus", &hints->bus}, {"dev", &hints->dev},
	};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (strcmp(texts[i].key, key) == 0)
			return texts[i].text;
	return NULL;
}

/* Cut blanks off both ends, in place. */
static char *trim(char *text)
{
	size_t len;

	text += strspn(text, " \t");
	len = strlen(text);
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		text[--len] = '\0';
	return text;
}

/* "/dev/sda" is kept as "sda".  Links below /dev are made by udev, which the live system lacks. */
static int dev_name(const char **value, struct bmr_err *e)
{
	if (strncmp(*value, "/dev/", 5) == 0)
		*value += 5;
	if (**value != '\0' && !strchr(*value, '/'))
		return 0;
	return bmr_err_set(e, BMR_E_USAGE, 0,
	                   "target hint 'dev=%s' is not the name of a disk such as sda; for a "
	                   "lasting name use serial=, wwn= or path=",
	                   *value);
}

static int parse_text(char **text, const char *key, const char *value, struct bmr_err *e)
{
	if (*text)
		return bmr_err_set(e, BMR_E_USAGE, 0, "target hint '%s=' is given twice", key);
	if (strcmp(key, "dev") == 0 && dev_name(&value, e) < 0)
		return -1;
	*text = strdup(value);
	return *text ? 0 : bmr_err_nomem(e, "a target hint");
}

static bool parse_bound(const char *text, uint64_t absent, uint64_t *bytes)
{
	if (*text == '\0') {
		*bytes = absent;
		return true;
	}
	return bmr_size_parse(text, bytes);
}

/* One figure means "about this": the label of a disk and its bytes differ by less than 1 %. */
static bool parse_about(const char *text, struct bmr_hints *hints)
{
	uint64_t size;

	if (!bmr_size_parse(text, &size))
		return false;
	hints->size_low = size - size / 100;
	if (!bmr_size_add(size, size / 100, &hints->size_high))
		hints->size_high = UINT64_MAX;
	return true;
}

static bool parse_range(char *value, char *dash, struct bmr_hints *hints)
{
	*dash = '\0';
	return (*value != '\0' || dash[1] != '\0') &&
	       parse_bound(trim(value), 0, &hints->size_low) &&
	       parse_bound(trim(dash + 1), UINT64_MAX, &hints->size_high) &&
	       hints->size_low <= hints->size_high;
}

static int parse_size(struct bmr_hints *hints, const char *value, struct bmr_err *e)
{
	char *dash;
	bool good;

	if (hints->size_low != 0 || hints->size_high != UINT64_MAX)
		return bmr_err_set(e, BMR_E_USAGE, 0, "target hint 'size=' is given twice");
	AUTO_FREE char *copy = strdup(value);
	if (!copy)
		return bmr_err_nomem(e, "a target hint");
	dash = strchr(copy, '-');
	good = dash ? parse_range(copy, dash, hints) : parse_about(copy, hints);
	if (good && hints->size_high > 0)
		return 0;
	return bmr_err_set(e, BMR_E_USAGE, 0,
	                   "target hint 'size=%s' is not like 500G, 400G-600G, 400G- or -600G",
	                   value);
}

static int unknown_word(const char *hint, struct bmr_err *e)
{
	const char *name = strncmp(hint, "/dev/", 5) == 0 ? hint + 5 : hint;

	return bmr_err_set(
		e, BMR_E_USAGE, 0,
		"target hint '%s' is unknown; a disk's name is written dev=%s; known are " KNOWN,
		hint, *name && !strchr(name, '/') ? name : "sda");
}

static int parse_hint(struct bmr_hints *hints, char *hint, struct bmr_err *e)
{
	char *equals = strchr(hint, '=');
	const char *value;
	char **text;

	if (!equals && strcmp(hint, "auto") == 0) {
		hints->automatic = true;
		return 0;
	}
	if (!equals)
		return unknown_word(hint, e);
	*equals = '\0';
	value = trim(equals + 1);
	hint = trim(hint);
	text = text_of(hints, hint);
	if (!text && strcmp(hint, "size") != 0)
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "target hint '%s=' is unknown; known are " KNOWN, hint);
	if (*value == '\0')
		return bmr_err_set(e, BMR_E_USAGE, 0, "target hint '%s=' has no value", hint);
	return text ? parse_text(text, hint, value, e) : parse_size(hints, value, e);
}

static int parse_all(char *text, struct bmr_hints *hints, struct bmr_err *e)
{
	unsigned count = 0;
	char *hint;

	while ((hint = strsep(&text, ","))) {
		hint = trim(hint);
		if (*hint == '\0')
			return bmr_err_set(e, BMR_E_USAGE, 0,
			                   "an empty target hint; known are " KNOWN);
		if (parse_hint(hints, hint, e) < 0)
			return -1;
		count++;
	}
	if (hints->automatic && count > 1)
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "target hint 'auto' stands alone, or name the disk without it");
	return 0;
}

int bmr_hints_parse(const char *text, struct bmr_hints *hints, struct bmr_err *e)
{
	size_t size = 2 * strlen(text) + 4;
	AUTO_FREE char *copy = malloc(size);

	*hints = (struct bmr_hints){.size_high = UINT64_MAX};
	if (!copy)
		return bmr_err_nomem(e, "the target hints");
	/* A URL is no hint; its password must go before a ',' in it is taken for an end. */
	bmr_login_hide(text, copy, size);
	if (parse_all(copy, hints, e) == 0)
		return 0;
	bmr_hints_clear(hints);
	return -1;
}

void bmr_hints_clear(struct bmr_hints *hints)
{
	free(hints->serial);
	free(hints->wwn);
	free(hints->path);
	free(hints->model);
	free(hints->bus);
	free(hints->dev);
	*hints = (struct bmr_hints){.size_high = UINT64_MAX};
}
