/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/sign/minisign.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "imaging/sign/lines.h"

#define ALGORITHM_SIZE 2
#define KEY_SIZE (ALGORITHM_SIZE + BMR_MINISIGN_ID_SIZE + BMR_MINISIGN_POINT_SIZE)
#define SIGNATURE_SIZE (ALGORITHM_SIZE + BMR_MINISIGN_ID_SIZE + BMR_MINISIGN_SIGNATURE_SIZE)

static int refuse(struct bmr_err *e, const char *what)
{
	return bmr_err_set(e, BMR_E_REFUSED, 0, "%s", what);
}

static bool is_zero(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] != 0)
			return false;
	return true;
}

/* --- files --- */

int bmr_minisign_key_parse(const char *text, size_t len, struct bmr_minisign_key *key,
                           struct bmr_err *e)
{
	struct bmr_sign_text t = {text, len};
	struct bmr_sign_line line;
	uint8_t raw[KEY_SIZE];

	if (len > BMR_MINISIGN_KEY_MOST || !bmr_sign_line_next(&t, &line) ||
	    !bmr_sign_line_skip(&line, "untrusted comment:") || !bmr_sign_line_next(&t, &line) ||
	    t.left > 0 || !bmr_sign_line_decode(&line, raw, sizeof raw) ||
	    memcmp(raw, "Ed", ALGORITHM_SIZE) != 0)
		return refuse(e, "this is not a public key of minisign");
	memcpy(key->id, raw + ALGORITHM_SIZE, sizeof key->id);
	memcpy(key->point, raw + ALGORITHM_SIZE + sizeof key->id, sizeof key->point);
	/* A point for which anybody can make signatures. */
	if (is_zero(key->point, sizeof key->point))
		return refuse(e, "this public key is all zeros");
	return 0;
}

static int take_signature(const struct bmr_sign_line *line, struct bmr_minisign *sig,
                          struct bmr_err *e)
{
	uint8_t raw[SIGNATURE_SIZE];

	if (!bmr_sign_line_decode(line, raw, sizeof raw))
		return refuse(e, "its signature file is damaged: the second line is no signature");
	if (memcmp(raw, "Ed", ALGORITHM_SIZE) == 0)
		return refuse(e, "its signature is of minisign's legacy kind (Ed), which is not "
		                 "accepted; sign it again without -l");
	if (memcmp(raw, "ED", ALGORITHM_SIZE) != 0)
		return refuse(e, "its signature is of an unknown kind");
	memcpy(sig->id, raw + ALGORITHM_SIZE, sizeof sig->id);
	memcpy(sig->signature, raw + ALGORITHM_SIZE + sizeof sig->id, sizeof sig->signature);
	return 0;
}

static int take_comment(const struct bmr_sign_line *line, struct bmr_minisign *sig,
                        struct bmr_err *e)
{
	if (line->len > BMR_MINISIGN_COMMENT_MOST || memchr(line->text, '\0', line->len))
		return refuse(e, "its signature file is damaged: the trusted comment");
	memcpy(sig->comment, line->text, line->len);
	sig->comment[line->len] = '\0';
	return 0;
}

int bmr_minisign_parse(const char *text, size_t len, struct bmr_minisign *sig, struct bmr_err *e)
{
	struct bmr_sign_text t = {text, len};
	struct bmr_sign_line line;

	if (len > BMR_MINISIGN_FILE_MOST)
		return refuse(e, "its signature file is too large");
	if (!bmr_sign_line_next(&t, &line) || !bmr_sign_line_skip(&line, "untrusted comment:") ||
	    !bmr_sign_line_next(&t, &line))
		return refuse(e, "its signature file is not one of minisign");
	if (take_signature(&line, sig, e) < 0)
		return -1;
	if (!bmr_sign_line_next(&t, &line) || !bmr_sign_line_skip(&line, "trusted comment: "))
		return refuse(e, "its signature file has no trusted comment: it was cut");
	if (take_comment(&line, sig, e) < 0)
		return -1;
	if (!bmr_sign_line_next(&t, &line) ||
	    !bmr_sign_line_decode(&line, sig->global, sizeof sig->global))
		return refuse(e, "its signature file is damaged or cut: the last line is no "
		                 "signature");
	if (t.left > 0)
		return refuse(e, "its signature file goes on after its last line");
	return 0;
}

/* --- verifying --- */

static int verify(const struct bmr_minisign_key *key, const uint8_t *signature, const void *data,
                  size_t len, const char *what, struct bmr_err *e)
{
	EVP_PKEY *point =
		EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->point, sizeof key->point);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ready = point && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, point) == 1;
	int good = ready ? EVP_DigestVerify(ctx, signature, BMR_MINISIGN_SIGNATURE_SIZE, data, len)
	                 : 0;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(point);
	if (!ready)
		return bmr_err_nomem(e, "a signature");
	return good == 1 ? 0 : refuse(e, what);
}

int bmr_minisign_verify(const struct bmr_minisign_key *key, const struct bmr_minisign *sig,
                        const uint8_t hash[BMR_MINISIGN_HASH_SIZE], struct bmr_err *e)
{
	uint8_t both[BMR_MINISIGN_SIGNATURE_SIZE + BMR_MINISIGN_COMMENT_MOST];
	size_t len = strlen(sig->comment);

	memcpy(both, sig->signature, sizeof sig->signature);
	memcpy(both + sizeof sig->signature, sig->comment, len);
	if (verify(key, sig->signature, hash, BMR_MINISIGN_HASH_SIZE,
	           "its signature is wrong: this is not what was signed", e) < 0)
		return -1;
	return verify(key, sig->global, both, sizeof sig->signature + len,
	              "its signature's trusted comment was changed", e);
}

char *bmr_minisign_id_text(const uint8_t id[BMR_MINISIGN_ID_SIZE],
                           char text[BMR_MINISIGN_ID_TEXT_SIZE])
{
	for (size_t i = 0; i < BMR_MINISIGN_ID_SIZE; i++)
		sprintf(text + 2 * i, "%02X", id[BMR_MINISIGN_ID_SIZE - 1 - i]);
	return text;
}

/* --- the hash --- */

struct bmr_minisign_hash {
	EVP_MD_CTX *ctx;
};

static int hash_failed(struct bmr_err *e)
{
	return bmr_err_set(e, BMR_E_BUG, 0, "libcrypto refused to hash (BLAKE2b-512)");
}

int bmr_minisign_hash_open(struct bmr_minisign_hash **out, struct bmr_err *e)
{
	struct bmr_minisign_hash *h = calloc(1, sizeof *h);

	if (h)
		h->ctx = EVP_MD_CTX_new();
	if (!h || !h->ctx) {
		free(h);
		return bmr_err_nomem(e, "a hash");
	}
	if (EVP_DigestInit_ex(h->ctx, EVP_blake2b512(), NULL) != 1) {
		bmr_minisign_hash_close(h);
		return hash_failed(e);
	}
	*out = h;
	return 0;
}

int bmr_minisign_hash_add(struct bmr_minisign_hash *h, const void *data, size_t len,
                          struct bmr_err *e)
{
	return EVP_DigestUpdate(h->ctx, data, len) == 1 ? 0 : hash_failed(e);
}

int bmr_minisign_hash_finish(struct bmr_minisign_hash *h, uint8_t out[BMR_MINISIGN_HASH_SIZE],
                             struct bmr_err *e)
{
	return EVP_DigestFinal_ex(h->ctx, out, NULL) == 1 ? 0 : hash_failed(e);
}

void bmr_minisign_hash_close(struct bmr_minisign_hash *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}
