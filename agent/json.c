/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/json.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"

/* Length of the UTF-8 sequence at s (RFC 3629), 0 if it is none. */
static size_t utf8_length(const unsigned char *s)
{
	size_t len = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (s[0] >= 0x80 && (s[0] < 0xc2 || s[0] > 0xf4))
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

static void put_string(FILE *out, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	fputc('"', out);
	while (*s) {
		size_t len = utf8_length(s);

		if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if (*s < 0x20 || *s == 0x7f)
			fprintf(out, "\\u%04x", *s);
		else if (len == 0)
			fputc('?', out);
		else
			fwrite(s, 1, len, out);
		s += len ? len : 1;
	}
	fputc('"', out);
}

static void begin(struct bmr_json *j, const char *name)
{
	if (j->comma)
		fputc(',', j->out);
	j->comma = true;
	if (!name)
		return;
	put_string(j->out, name);
	fputc(':', j->out);
}

void bmr_json_open(struct bmr_json *j, const char *name, char bracket)
{
	begin(j, name);
	fputc(bracket, j->out);
	j->comma = false;
}

void bmr_json_close(struct bmr_json *j, char bracket)
{
	fputc(bracket, j->out);
	j->comma = true;
}

void bmr_json_text(struct bmr_json *j, const char *name, const char *value)
{
	size_t size = 3 * strlen(value) + 1; /* a secret of one character becomes three stars */
	AUTO_FREE char *clean = j->log ? malloc(size) : NULL;

	begin(j, name);
	if (clean) {
		strcpy(clean, value);
		bmr_log_redact(j->log, clean, size);
	}
	put_string(j->out, clean ? clean : j->log ? "" : value);
}

void bmr_json_number(struct bmr_json *j, const char *name, uint64_t value)
{
	begin(j, name);
	fprintf(j->out, "%" PRIu64, value);
}

void bmr_json_seconds(struct bmr_json *j, const char *name, double value)
{
	begin(j, name);
	fprintf(j->out, "%.3f", value);
}

void bmr_json_bool(struct bmr_json *j, const char *name, bool value)
{
	begin(j, name);
	fputs(value ? "true" : "false", j->out);
}
