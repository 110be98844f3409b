/* SPDX-License-Identifier: GPL-3.0-or-later */
/* words.h - a kernel command line as name and value pairs, with quotes as boot loaders leave them.
 *
 *	x=a		nothing quoted
 *	x="a b"		isolinux, iPXE: as it was typed
 *	"x=a b"		GRUB: the quote moved in front of the name
 *	x=\"a b\"	GRUB, of \" in its configuration
 *
 * Between " and " the two characters \" are one quote; a quote opened by \" ends at \".  A
 * backslash anywhere else is itself.  Nothing else is special.
 */
#ifndef BMR_CMDLINE_WORDS_H
#define BMR_CMDLINE_WORDS_H

#include <stdbool.h>
#include <stddef.h>

struct bmr_word {
	char *name;
	char *value; /* what follows the first '='; NULL if there is none */
	bool open;   /* the text ended inside a quote */
};

/* The next word of *text, which is changed in place and moved on; the word points into it.  false:
 * no more.  The time is linear in the text. */
bool bmr_words_next(char **text, struct bmr_word *word);

/* Write name=value to buf, quoted where it must be, such that bmr_words_next reads it again.
 * value has no line breaks.  2 * strlen(value) + strlen(name) + 4 bytes always do; a longer text is
 * cut. */
void bmr_words_write(const char *name, const char *value, char *buf, size_t size);

#endif
