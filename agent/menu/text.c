/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/menu/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wchar.h>
#include <wctype.h>

#include "base/text.h"
#include "imaging/disk/disk.h"

#define SERIAL_TAIL 4
#define CREDENTIALS_FILE "/etc/bmr/credentials"

/* --- cleaning --- */

/* One character of text as it may be shown; *len: bytes of it in text; returns its columns. */
static size_t take_character(const char *text, const char **shown, size_t *len, size_t *bytes)
{
	mbstate_t state = {0};
	wchar_t c;
	size_t n = mbrtowc(&c, text, strlen(text), &state);

	*shown = "?";
	*bytes = 1;
	*len = 1;
	if (n == 0 || n == (size_t)-1 || n == (size_t)-2)
		return 1;
	*len = n;
	if (!iswprint((wint_t)c) || wcwidth(c) < 1)
		return 1;
	*shown = text;
	*bytes = n;
	return (size_t)wcwidth(c);
}

char *bmr_menu_clean(const char *text, char *buf, size_t size, size_t columns)
{
	size_t used = 0;   /* bytes */
	size_t column = 0; /* and where they end */
	size_t safe = 0;   /* bytes that leave room for the dots */

	while (*text) {
		const char *shown;
		size_t len, bytes;
		size_t width = take_character(text, &shown, &len, &bytes);

		if (column + width > columns || used + bytes + 4 > size) {
			snprintf(buf + safe, size - safe, "...");
			return buf;
		}
		memcpy(buf + used, shown, bytes);
		used += bytes;
		column += width;
		if (column + 3 <= columns)
			safe = used;
		text += len;
	}
	buf[used] = '\0';
	return buf;
}

size_t bmr_menu_columns(const char *clean)
{
	size_t columns = 0;

	while (*clean) {
		const char *shown;
		size_t len, bytes;

		columns += take_character(clean, &shown, &len, &bytes);
		clean += len;
	}
	return columns;
}

char *bmr_menu_clean_lines(const char *text)
{
	char *out = malloc(strlen(text) + 1);
	size_t used = 0;

	if (!out)
		return NULL;
	while (*text) {
		const char *shown = "\n";
		size_t len = 1;
		size_t bytes = 1;

		if (*text != '\n')
			take_character(text, &shown, &len, &bytes);
		memcpy(out + used, shown, bytes);
		used += bytes;
		text += len;
	}
	out[used] = '\0';
	return out;
}

/* --- the word that overwrites --- */

void bmr_menu_word_of_size(unsigned long long size, struct bmr_menu_word *word)
{
	snprintf(word->word, sizeof word->word, "%llu", size);
	snprintf(word->question, sizeof word->question,
	         "Type its size in bytes to overwrite it (it tells no serial):");
}

void bmr_menu_word_of(const struct bmr_disk *disk, struct bmr_menu_word *word)
{
	size_t len = strlen(disk->serial);

	if (len < SERIAL_TAIL) {
		bmr_menu_word_of_size(disk->size, word);
		return;
	}
	snprintf(word->word, sizeof word->word, "%s", disk->serial + len - SERIAL_TAIL);
	snprintf(word->question, sizeof word->question,
	         "Type the last four characters of its serial to overwrite it:");
}

bool bmr_menu_word_is(const struct bmr_menu_word *word, const char *typed)
{
	size_t len;

	while (isspace((unsigned char)*typed))
		typed++;
	len = strlen(typed);
	while (len > 0 && isspace((unsigned char)typed[len - 1]))
		len--;
	return len == strlen(word->word) && strncasecmp(word->word, typed, len) == 0;
}

/* --- the line --- */

/* One word; in quotes if a blank in it would end it. */
static void put_word(struct bmr_text *l, const char *name, const char *value)
{
	const char *quote = strpbrk(value, " \t") ? "\"" : "";

	bmr_text_add(l, "%s%s%s=%s%s", l->used ? " " : "", quote, name, value, quote);
}

/* Without what stands before its '@'. */
static void put_image(struct bmr_text *l, const char *url)
{
	const char *authority = strstr(url, "://");
	size_t scheme = authority ? (size_t)(authority + 3 - url) : 0;
	const char *rest = url + scheme;
	char text[2048];

	if (authority) {
		const char *end = rest + strcspn(rest, "/");
		const char *at = memrchr(rest, '@', (size_t)(end - rest));

		rest = at ? at + 1 : rest;
	}
	snprintf(text, sizeof text, "%.*s%s", (int)scheme, url, rest);
	if (strncasecmp(url, "http", 4) == 0 && text[strcspn(text, "?")])
		strcpy(text + strcspn(text, "?"), "?");
	put_word(l, "bmr.image", text);
}

/* Commas end a hint, and * ? [ in it match more than themselves. */
static bool is_hint(const char *text)
{
	return *text && !strpbrk(text, ",*?[]\\\"");
}

static void put_target(struct bmr_text *l, const struct bmr_disk *d)
{
	char hint[200];

	if (is_hint(d->serial))
		snprintf(hint, sizeof hint, "serial=%s", d->serial);
	else if (is_hint(d->wwn))
		snprintf(hint, sizeof hint, "wwn=%s", d->wwn);
	else if (is_hint(d->by_path))
		snprintf(hint, sizeof hint, "path=%s", d->by_path);
	else
		snprintf(hint, sizeof hint, "dev=%s,size=%" PRIu64 "-%" PRIu64, d->path, d->size,
		         d->size);
	put_word(l, "bmr.target", hint);
}

static const char *consent(const struct bmr_disk *d)
{
	return is_hint(d->serial) ? d->serial : *d->table_uuid ? d->table_uuid : "any";
}

/* What the menu was started with, and the image may need. */
static void put_files(struct bmr_text *l, const struct bmr_menu_order *order)
{
	const char *login = order->proxy ? strrchr(order->proxy, '@') : NULL;
	char proxy[300];

	if (order->cafile)
		put_word(l, "bmr.cafile", order->cafile);
	if (order->netrc)
		put_word(l, "bmr.netrc", order->netrc);
	if (!order->proxy)
		return;
	snprintf(proxy, sizeof proxy, "%s%s", login ? "http://" : "",
	         login ? login + 1 : order->proxy);
	put_word(l, "bmr.proxy", proxy);
}

char *bmr_menu_line(const struct bmr_menu_order *order, char *buf, size_t size)
{
	struct bmr_text l = bmr_text_in(buf, size);

	put_word(&l, "bmr.action", order->action);
	put_image(&l, order->image);
	if (order->disk)
		put_target(&l, order->disk);
	if (order->disk && order->overwrites)
		put_word(&l, "bmr.overwrite", consent(order->disk));
	if (order->password)
		put_word(&l, "bmr.credentials", CREDENTIALS_FILE);
	put_files(&l, order);
	if (order->user && !order->password)
		put_word(&l, "bmr.user", order->user);
	if (order->domain && !order->password)
		put_word(&l, "bmr.domain", order->domain);
	if (order->network && *order->network)
		bmr_text_add(&l, " %s", order->network);
	return buf;
}
