/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/sign/lines.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#define BASE64_MOST 256 /* characters; the longest line, a secret key's, has 212 */

bool bmr_sign_line_next(struct bmr_sign_text *t, struct bmr_sign_line *line)
{
	const char *end;

	if (t->left == 0)
		return false;
	end = memchr(t->at, '\n', t->left);
	line->text = t->at;
	line->len = end ? (size_t)(end - t->at) : t->left;
	t->at += line->len + (end ? 1 : 0);
	t->left -= line->len + (end ? 1 : 0);
	if (line->len > 0 && line->text[line->len - 1] == '\r')
		line->len--;
	return true;
}

bool bmr_sign_line_skip(struct bmr_sign_line *line, const char *prefix)
{
	size_t len = strlen(prefix);

	if (line->len < len || memcmp(line->text, prefix, len) != 0)
		return false;
	line->text += len;
	line->len -= len;
	return true;
}

/* libcrypto's decoder lets blanks and stray bits pass: only what it would write itself is right. */
bool bmr_sign_line_decode(const struct bmr_sign_line *line, uint8_t *out, size_t size)
{
	unsigned char again[BASE64_MOST + 1];
	unsigned char raw[BASE64_MOST];
	size_t chars = (size + 2) / 3 * 4;
	bool right = line->len == chars && chars <= BASE64_MOST &&
	             EVP_DecodeBlock(raw, (const unsigned char *)line->text, (int)chars) >= 0 &&
	             EVP_EncodeBlock(again, raw, (int)size) == (int)chars &&
	             memcmp(again, line->text, chars) == 0;

	if (right)
		memcpy(out, raw, size);
	OPENSSL_cleanse(raw, sizeof raw); /* it may be a secret key */
	OPENSSL_cleanse(again, sizeof again);
	return right;
}
