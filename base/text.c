/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/text.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

struct bmr_text bmr_text_in(char *buf, size_t size)
{
	buf[0] = '\0';
	return (struct bmr_text){.at = buf, .size = size};
}

void bmr_text_add(struct bmr_text *t, const char *fmt, ...)
{
	size_t room = t->size - t->used;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->at + t->used, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->used += (size_t)n < room ? (size_t)n : room - 1;
}

void bmr_text_clean(char *text)
{
	for (char *s = text; *s; s++) {
		unsigned char next = (unsigned char)s[1];
		bool pair = (unsigned char)*s == 0xc2 && next >= 0x80 && next < 0xa0;

		if (pair)
			*s++ = '?';
		if (pair || (unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
	}
}
