/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/disk/select_text.h"

#include "base/login.h"
#include "base/size.h"
#include "imaging/disk/disk.h"
#include "imaging/disk/select.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define VALUE_SHOWN 41

char *bmr_select_text_figure(uint64_t value, char text[BMR_SELECT_FIGURE])
{
	char digits[24];
	size_t len = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, value);
	char *to = text;

	for (size_t i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return text;
}

void bmr_select_text_unconfirmed(const char *confirm, const struct bmr_disk *disk,
                                 struct bmr_judgement *judgement)
{
	char shown[VALUE_SHOWN];

	bmr_login_hide(confirm, shown, sizeof shown);
	snprintf(judgement->reason, sizeof judgement->reason,
	         "confirm=%s is neither its serial (%.60s) nor its table UUID (%s)", shown,
	         disk->serial[0] ? disk->serial : "none",
	         disk->table_uuid[0] ? disk->table_uuid : "none");
}

static void describe(const struct bmr_disk *disk, char *text, size_t size)
{
	char figure[BMR_SELECT_FIGURE];
	size_t parts = 0;

	for (size_t i = 0; i < disk->content_count; i++)
		parts += disk->contents[i].number != 0;
	if (disk->probe_error[0] != '\0')
		snprintf(text, size, "may hold anything (%.70s)", disk->probe_error);
	else if (disk->table[0] != '\0')
		snprintf(text, size, "holds a %s partition table with %s partition%s", disk->table,
		         bmr_select_text_figure(parts, figure), parts == 1 ? "" : "s");
	else
		snprintf(text, size, "holds %s",
		         disk->content_count > 0 ? disk->contents[0].type : "something");
}

void bmr_select_text_no_consent(const char *overwrite, const struct bmr_disk *disk,
                                struct bmr_judgement *judgement)
{
	const char *id = disk->serial[0]       ? disk->serial
	                 : disk->table_uuid[0] ? disk->table_uuid
	                                       : "any";
	char shown[VALUE_SHOWN];
	char holds[100];

	describe(disk, holds, sizeof holds);
	if (overwrite) {
		bmr_login_hide(overwrite, shown, sizeof shown);
		snprintf(judgement->reason, sizeof judgement->reason,
		         "%.70s; overwrite=%s is not this disk, overwrite=%s would consent", holds,
		         shown, id);
	} else {
		snprintf(judgement->reason, sizeof judgement->reason,
		         "%s; overwrite=%s would consent", holds, id);
	}
}

void bmr_select_text_add(char *text, size_t size, const char *more)
{
	static const char cut[] = ", ...";
	size_t used = strlen(text);
	const char *comma = used > 0 ? ", " : "";

	if (used + strlen(comma) + strlen(more) + sizeof cut <= size)
		snprintf(text + used, size - used, "%s%s", comma, more);
	else if (used >= sizeof cut - 1 && strcmp(text + used - (sizeof cut - 1), cut) != 0)
		snprintf(text + used, size - used, "%s", cut);
}

void bmr_select_text_add_disk(char *text, size_t size, const struct bmr_disk *disk)
{
	char bytes[16];
	char more[160];

	snprintf(more, sizeof more, "'%s' (serial %s, %s)", disk->name,
	         disk->serial[0] ? disk->serial : "unknown",
	         bmr_size_text(disk->size, bytes, sizeof bytes));
	bmr_select_text_add(text, size, more);
}

void bmr_select_text_add_reason(char *text, size_t size, const struct bmr_disk *disk,
                                const struct bmr_judgement *judgement)
{
	char more[sizeof judgement->reason + 40];

	snprintf(more, sizeof more, "'%s' %s", disk->name, judgement->reason);
	bmr_select_text_add(text, size, more);
}
