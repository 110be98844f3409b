/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/digest.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

struct bmr_digest {
	EVP_MD_CTX *ctx;
};

static int crypto_failed(struct bmr_err *e)
{
	return bmr_err_set(e, BMR_E_BUG, 0, "libcrypto refused to hash (SHA-256)");
}

static int start(struct bmr_digest *d, struct bmr_err *e)
{
	return EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) == 1 ? 0 : crypto_failed(e);
}

int bmr_digest_open(struct bmr_digest **out, struct bmr_err *e)
{
	struct bmr_digest *d = calloc(1, sizeof *d);

	if (!d)
		return bmr_err_nomem(e, "a hash");
	d->ctx = EVP_MD_CTX_new();
	if (!d->ctx) {
		free(d);
		return bmr_err_nomem(e, "a hash");
	}
	if (start(d, e) < 0) {
		bmr_digest_close(d);
		return -1;
	}
	*out = d;
	return 0;
}

void bmr_digest_close(struct bmr_digest *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->ctx);
	free(d);
}

int bmr_digest_add(struct bmr_digest *d, const void *data, size_t len, struct bmr_err *e)
{
	return EVP_DigestUpdate(d->ctx, data, len) == 1 ? 0 : crypto_failed(e);
}

int bmr_digest_finish(struct bmr_digest *d, struct bmr_digest_value *out, struct bmr_err *e)
{
	if (EVP_DigestFinal_ex(d->ctx, out->bytes, NULL) != 1)
		return crypto_failed(e);
	return start(d, e);
}

int bmr_digest_of(struct bmr_digest *d, const void *data, size_t len, struct bmr_digest_value *out,
                  struct bmr_err *e)
{
	if (bmr_digest_add(d, data, len, e) < 0)
		return -1;
	return bmr_digest_finish(d, out, e);
}

bool bmr_digest_equal(const struct bmr_digest_value *a, const struct bmr_digest_value *b)
{
	return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

int bmr_digest_expect(const struct bmr_digest_value *found, const struct bmr_digest_value *want,
                      struct bmr_err *e)
{
	char have_text[BMR_DIGEST_TEXT_SIZE];
	char want_text[BMR_DIGEST_TEXT_SIZE];

	if (!want || bmr_digest_equal(found, want))
		return 0;
	return bmr_err_set(e, BMR_E_DATA, 0, "the image's SHA-256 is %s, not the expected %s",
	                   bmr_digest_text(found, have_text), bmr_digest_text(want, want_text));
}

char *bmr_digest_text(const struct bmr_digest_value *value, char text[BMR_DIGEST_TEXT_SIZE])
{
	for (size_t i = 0; i < BMR_DIGEST_SIZE; i++)
		sprintf(text + 2 * i, "%02x", value->bytes[i]);
	return text;
}

bool bmr_digest_parse(const char *text, struct bmr_digest_value *value)
{
	if (strlen(text) != 2 * (size_t)BMR_DIGEST_SIZE)
		return false;
	for (size_t i = 0; i < BMR_DIGEST_SIZE; i++) {
		unsigned byte;

		if (!isxdigit((unsigned char)text[2 * i]) ||
		    !isxdigit((unsigned char)text[2 * i + 1]) ||
		    sscanf(text + 2 * i, "%2x", &byte) != 1)
			return false;
		value->bytes[i] = (uint8_t)byte;
	}
	return true;
}
