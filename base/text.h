/* SPDX-License-Identifier: GPL-3.0-or-later */
/* text.h - a text put together piece by piece in a buffer of the caller's; what does not fit is cut.
 * And how a text of somebody else's is made harmless. */
#ifndef BMR_BASE_TEXT_H
#define BMR_BASE_TEXT_H

#include <stddef.h>

struct bmr_text {
	char *at; /* borrowed; always ends with a zero byte */
	size_t size;
	size_t used; /* bytes before the zero byte; less than size */
};

/* An empty text in buf of size bytes, at least one. */
struct bmr_text bmr_text_in(char *buf, size_t size);

/* Add to its end, as printf(3) does. */
void bmr_text_add(struct bmr_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Somebody else chose the text (a server, a disk), and it must not be able to move the cursor: control
 * characters, also those of two bytes in UTF-8 (U+0080 to U+009F), become '?', byte by byte, in place. */
void bmr_text_clean(char *text);

#endif
