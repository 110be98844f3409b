/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmdline/words.h"

#include <string.h>

/* isspace() of the C locale, whatever the program's locale is. */
static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

enum quote {
	QUOTE_NONE,
	QUOTE_PLAIN,
	QUOTE_ESCAPED
};

/* If a quote opens or closes at s, its length; 0 if s is an ordinary character there. */
static size_t quote_here(const char *s, enum quote quote)
{
	bool escaped = s[0] == '\\' && s[1] == '"';

	switch (quote) {
	case QUOTE_NONE:
		return s[0] == '"' ? 1 : escaped ? 2 : 0;
	case QUOTE_PLAIN:
		return s[0] == '"' ? 1 : 0;
	case QUOTE_ESCAPED:
		return escaped ? 2 : 0;
	}
	return 0;
}

/* Copy one word onto itself without its quotes; the text never grows.  *end: behind the copy. */
static char *unquote(char *text, char **end, bool *open)
{
	enum quote quote = QUOTE_NONE;
	char *out = text;
	char *in = text;

	while (*in && (quote != QUOTE_NONE || !is_blank(*in))) {
		size_t len = quote_here(in, quote);

		if (len) {
			if (quote != QUOTE_NONE)
				quote = QUOTE_NONE;
			else
				quote = len == 1 ? QUOTE_PLAIN : QUOTE_ESCAPED;
			in += len;
			continue;
		}
		if (quote == QUOTE_PLAIN && in[0] == '\\' && in[1] == '"')
			in++;
		*out++ = *in++;
	}
	*open = quote != QUOTE_NONE;
	*end = out;
	return in;
}

bool bmr_words_next(char **text, struct bmr_word *word)
{
	char *start = *text;
	char *end;
	char *rest;

	while (is_blank(*start))
		start++;
	if (!*start) {
		*text = start;
		return false;
	}
	rest = unquote(start, &end, &word->open);
	*text = *rest ? rest + 1 : rest;
	*end = '\0';
	word->name = start;
	word->value = strchr(start, '=');
	if (word->value)
		*word->value++ = '\0';
	return true;
}

static bool needs_quotes(const char *value)
{
	for (; *value; value++)
		if (is_blank(*value) || *value == '"')
			return true;
	return false;
}

struct writer {
	char *out;
	char *end; /* the last byte, kept for the NUL */
};

static void put(struct writer *w, char c)
{
	if (w->out < w->end)
		*w->out++ = c;
}

static void put_text(struct writer *w, const char *text)
{
	while (*text)
		put(w, *text++);
}

void bmr_words_write(const char *name, const char *value, char *buf, size_t size)
{
	struct writer w = {.out = buf, .end = buf + size - 1};
	const char *last = value + strlen(value);

	put_text(&w, name);
	put(&w, '=');
	if (!needs_quotes(value)) {
		put_text(&w, value);
		*w.out = '\0';
		return;
	}
	/* Backslashes at the end would hide the closing quote: they go behind it. */
	while (last > value && last[-1] == '\\')
		last--;
	put(&w, '"');
	for (; value < last; value++) {
		if (*value == '"')
			put(&w, '\\');
		put(&w, *value);
	}
	put(&w, '"');
	put_text(&w, value);
	*w.out = '\0';
}
