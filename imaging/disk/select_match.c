/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/disk/select_match.h"

#include "imaging/disk/disk.h"
#include "imaging/disk/select.h"
#include "imaging/disk/select_text.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool text_matches(const char *pattern, const char *value)
{
	return *value != '\0' && fnmatch(pattern, value, FNM_CASEFOLD) == 0;
}

static const char *bare_wwn(const char *wwn)
{
	static const char *const prefixes[] = {"naa.", "eui.", "0x"};

	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
		if (strncasecmp(wwn, prefixes[i], strlen(prefixes[i])) == 0)
			return wwn + strlen(prefixes[i]);
	return wwn;
}

static bool wwn_matches(const char *pattern, const char *wwn)
{
	return text_matches(pattern, wwn) || text_matches(bare_wwn(pattern), bare_wwn(wwn));
}

static bool model_matches(const char *pattern, const struct bmr_disk *disk)
{
	char both[sizeof disk->vendor + sizeof disk->model];

	snprintf(both, sizeof both, "%s %s", disk->vendor, disk->model);
	return text_matches(pattern, disk->model) || text_matches(pattern, both);
}

static bool text_hint(const char *name, const char *pattern, const char *value, bool matches,
                      struct bmr_judgement *judgement)
{
	if (!pattern || matches)
		return true;
	if (*value == '\0')
		snprintf(judgement->reason, sizeof judgement->reason,
		         "tells no %s, '%.60s' is wanted", name, pattern);
	else
		snprintf(judgement->reason, sizeof judgement->reason, "%s '%.80s' is not '%.60s'",
		         name, value, pattern);
	return false;
}

static bool size_hint(const struct bmr_hints *h, uint64_t size, struct bmr_judgement *judgement)
{
	char is[BMR_SELECT_FIGURE];
	char bound[BMR_SELECT_FIGURE];

	if (size >= h->size_low && size <= h->size_high)
		return true;
	snprintf(judgement->reason, sizeof judgement->reason,
	         size < h->size_low ? "has %s bytes, the hint wants at least %s"
	                            : "has %s bytes, the hint wants at most %s",
	         bmr_select_text_figure(size, is),
	         bmr_select_text_figure(size < h->size_low ? h->size_low : h->size_high, bound));
	return false;
}

bool bmr_select_match(const struct bmr_hints *h, const struct bmr_disk *d, struct bmr_judgement *j)
{
	if (!h)
		return true;
	return text_hint("serial", h->serial, d->serial,
	                 h->serial && text_matches(h->serial, d->serial), j) &&
	       text_hint("wwn", h->wwn, d->wwn, h->wwn && wwn_matches(h->wwn, d->wwn), j) &&
	       text_hint("path", h->path, d->by_path, h->path && text_matches(h->path, d->by_path),
	                 j) &&
	       text_hint("model", h->model, d->model, h->model && model_matches(h->model, d), j) &&
	       text_hint("bus", h->bus, d->bus, h->bus && text_matches(h->bus, d->bus), j) &&
	       text_hint("name", h->dev, d->name, h->dev && strcmp(h->dev, d->name) == 0, j) &&
	       size_hint(h, d->size, j);
}
