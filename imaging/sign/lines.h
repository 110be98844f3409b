/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lines.h - the lines of minisign's files; private to imaging/sign/.  Pure. */
#ifndef BMR_IMAGING_SIGN_LINES_H
#define BMR_IMAGING_SIGN_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bmr_sign_text { /* what is left of a file */
	const char *at;
	size_t left;
};

struct bmr_sign_line { /* without its end; not a string */
	const char *text;
	size_t len;
};

/* The next line, which ends at "\n", "\r\n" or the file's end.  false: there is none. */
bool bmr_sign_line_next(struct bmr_sign_text *t, struct bmr_sign_line *line);

/* Does it begin with prefix?  Then that is taken off. */
bool bmr_sign_line_skip(struct bmr_sign_line *line, const char *prefix);

/* Is it the base64 (RFC 4648, padded, nothing else) of exactly size bytes?  They are then in out. */
bool bmr_sign_line_decode(const struct bmr_sign_line *line, uint8_t *out, size_t size);

#endif
