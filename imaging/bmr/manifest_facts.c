/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The facts of a manifest: texts that a disk, a file system or firmware chose, so they are cleaned
 * on their way in and refused where they come unclean from a file. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "imaging/bmr/manifest_internal.h"

/* Length of the sequence that a byte begins; 0: none. */
static size_t sequence_length(uint8_t byte)
{
	if (byte < 0x80)
		return 1;
	if (byte >= 0xc2 && byte <= 0xdf)
		return 2;
	if (byte >= 0xe0 && byte <= 0xef)
		return 3;
	return byte >= 0xf0 && byte <= 0xf4 ? 4 : 0;
}

/* Control characters, halves of pairs, and those that turn the direction of the text around them:
 * shown on a screen they would lie. */
static bool is_printable(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
		return false;
	return !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069) && c != 0xfeff;
}

/* Bytes of the printable UTF-8 character that text begins with (RFC 3629: the shortest form); 0 if
 * there is none. */
static size_t character(const uint8_t *text, size_t len)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t size = sequence_length(text[0]);
	uint32_t c = size == 1 ? text[0] : text[0] & (0x7fU >> size);

	if (size == 0 || size > len)
		return 0;
	for (size_t i = 1; i < size; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (text[i] & 0x3f);
	}
	return c >= least[size] && is_printable(c) ? size : 0;
}

size_t bmr_fact_clean(const char *text, size_t len, char *out, size_t room)
{
	const uint8_t *from = (const uint8_t *)text;
	size_t made = 0;

	for (size_t i = 0; i < len;) {
		size_t size = character(from + i, len - i);
		size_t wanted = size ? size : 1;

		if (made + wanted >= room)
			break;
		if (size)
			memcpy(out + made, from + i, size);
		else
			out[made] = '?';
		made += wanted;
		i += wanted;
	}
	out[made] = '\0';
	return made;
}

bool bmr_fact_is_clean(const char *text, size_t len)
{
	const uint8_t *from = (const uint8_t *)text;

	for (size_t i = 0; i < len;) {
		size_t size = character(from + i, len - i);

		if (size == 0)
			return false;
		i += size;
	}
	return true;
}

/* Where a name is, or belongs. */
static uint32_t place_of(const struct bmr_manifest *m, const char *name, bool *found)
{
	uint32_t low = 0;
	uint32_t high = m->fact_count;

	*found = false;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = strcmp(m->facts[middle].name, name);

		if (order == 0) {
			*found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int insert_fact(struct bmr_manifest *m, uint32_t at, char **name, char **value,
                       struct bmr_err *e)
{
	if (m->fact_count == m->fact_room) {
		size_t room = m->fact_room * 2 + 16;
		struct bmr_fact *facts = reallocarray(m->facts, room, sizeof *facts);

		if (!facts)
			return bmr_err_nomem(e, "a manifest");
		m->facts = facts;
		m->fact_room = room;
	}
	memmove(m->facts + at + 1, m->facts + at, (m->fact_count - at) * sizeof *m->facts);
	m->facts[at] = (struct bmr_fact){take_ptr(name), take_ptr(value)};
	m->fact_count++;
	return 0;
}

int bmr_manifest_fact(struct bmr_manifest *m, const char *name, const char *value,
                      struct bmr_err *e)
{
	char clean_name[BMR_FACT_NAME_MOST + 1];
	char clean_value[BMR_FACT_VALUE_MOST + 1];
	AUTO_FREE char *own_name = NULL;
	AUTO_FREE char *own_value = NULL;
	uint32_t at;
	bool found;

	if (!value || !*value || !*name)
		return 0;
	bmr_fact_clean(name, strlen(name), clean_name, sizeof clean_name);
	bmr_fact_clean(value, strlen(value), clean_value, sizeof clean_value);
	own_name = strdup(clean_name);
	own_value = strdup(clean_value);
	if (!own_name || !own_value)
		return bmr_err_nomem(e, "a manifest");
	at = place_of(m, own_name, &found);
	if (found) {
		free(m->facts[at].value);
		m->facts[at].value = take_ptr(&own_value);
		return 0;
	}
	if (m->fact_count == BMR_FACTS_MOST)
		return 0;
	return insert_fact(m, at, &own_name, &own_value, e);
}

const char *bmr_manifest_get(const struct bmr_manifest *m, const char *name)
{
	bool found;
	uint32_t at = place_of(m, name, &found);

	return found ? m->facts[at].value : NULL;
}
