/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/sign/secret.h"

#include <endian.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "imaging/sign/lines.h"

/* The file's 158 bytes: "Ed", "Sc" (scrypt) or zeros, "B2", salt, costs; then id, seed, public key and
 * checksum, all of them XORed with what scrypt makes of the password. */
#define SALT_AT 6
#define SALT_SIZE 32
#define COST_AT (SALT_AT + SALT_SIZE)
#define HIDDEN_AT (COST_AT + 16)
#define HIDDEN_SIZE (BMR_MINISIGN_ID_SIZE + BMR_SECRET_SEED_SIZE + BMR_MINISIGN_POINT_SIZE + 32)
#define SECRET_SIZE (HIDDEN_AT + HIDDEN_SIZE)
#define MEMORY_MOST ((uint64_t)1 << 30) /* of scrypt, as minisign -G has it */
#define WORK_MOST ((uint64_t)1 << 25)

static int wrong(struct bmr_err *e, const char *what)
{
	return bmr_err_set(e, BMR_E_USAGE, 0, "%s", what);
}

/* --- the password --- */

struct cost {
	uint64_t n, r, p;
};

static uint64_t get_le64(const uint8_t *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof value);
	return le64toh(value);
}

/* libsodium's way (pickparams) from the two limits of the file to scrypt's parameters. */
static bool read_cost(const uint8_t *raw, struct cost *cost)
{
	uint64_t work = get_le64(raw + COST_AT);
	uint64_t memory = get_le64(raw + COST_AT + 8);
	uint64_t most;
	bool little;

	if (work > WORK_MOST || memory > MEMORY_MOST)
		return false;
	work = work < 32768 ? 32768 : work;
	little = work < memory / 32;
	cost->r = 8;
	most = little ? work / (cost->r * 4) : memory / (cost->r * 128);
	for (cost->n = 2; cost->n <= most / 2;)
		cost->n *= 2;
	cost->p = little ? 1 : work / 4 / cost->n / cost->r;
	return cost->p > 0;
}

static int unlock(uint8_t *raw, const char *password, struct bmr_err *e)
{
	uint8_t stream[HIDDEN_SIZE];
	struct cost cost;
	int good;

	if (!read_cost(raw, &cost))
		return wrong(e, "this secret key's password would take too much memory or time");
	good = EVP_PBE_scrypt(password, strlen(password), raw + SALT_AT, SALT_SIZE, cost.n, cost.r,
	                      cost.p, 2 * MEMORY_MOST, stream, sizeof stream);
	if (good != 1)
		return bmr_err_nomem(e, "a secret key's password (scrypt needs up to 1 GiB)");
	for (size_t i = 0; i < sizeof stream; i++)
		raw[HIDDEN_AT + i] ^= stream[i];
	OPENSSL_cleanse(stream, sizeof stream);
	return 0;
}

/* --- the file --- */

/* A wrong password gives another seed, and that another public key than the one beside it. */
static bool is_pair(const uint8_t *seed, const uint8_t *point)
{
	uint8_t made[BMR_MINISIGN_POINT_SIZE];
	size_t len = sizeof made;
	EVP_PKEY *key =
		EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, BMR_SECRET_SEED_SIZE);
	bool same = key && EVP_PKEY_get_raw_public_key(key, made, &len) == 1 &&
	            memcmp(made, point, sizeof made) == 0;

	EVP_PKEY_free(key);
	return same;
}

static int take(uint8_t *raw, const char *password, struct bmr_secret *secret, struct bmr_err *e)
{
	static const uint8_t plain[2];
	bool locked = memcmp(raw + 2, "Sc", 2) == 0;
	const uint8_t *id = raw + HIDDEN_AT;
	const uint8_t *seed = id + sizeof secret->id;

	if (memcmp(raw, "Ed", 2) != 0 || (!locked && memcmp(raw + 2, plain, 2) != 0))
		return wrong(e, "this is not a secret key of minisign");
	if (locked && !password)
		return wrong(e, "this secret key is encrypted: --password-file=FILE must tell its "
		                "password");
	if (locked && unlock(raw, password, e) < 0)
		return -1;
	if (!is_pair(seed, seed + sizeof secret->seed))
		return wrong(e, locked ? "this is not the password of the secret key"
		                       : "this secret key is damaged");
	memcpy(secret->id, id, sizeof secret->id);
	memcpy(secret->seed, seed, sizeof secret->seed);
	return 0;
}

int bmr_secret_parse(const char *text, size_t len, const char *password, struct bmr_secret *secret,
                     struct bmr_err *e)
{
	struct bmr_sign_text t = {text, len};
	struct bmr_sign_line line;
	uint8_t raw[SECRET_SIZE];
	int rc;

	if (len > BMR_MINISIGN_KEY_MOST || !bmr_sign_line_next(&t, &line) ||
	    !bmr_sign_line_skip(&line, "untrusted comment:") || !bmr_sign_line_next(&t, &line) ||
	    t.left > 0 || !bmr_sign_line_decode(&line, raw, sizeof raw))
		return wrong(e, "this is not a secret key of minisign");
	rc = take(raw, password, secret, e);
	OPENSSL_cleanse(raw, sizeof raw);
	return rc;
}

void bmr_secret_clear(struct bmr_secret *secret)
{
	OPENSSL_cleanse(secret, sizeof *secret);
}

/* --- signing --- */

static int sign(const struct bmr_secret *secret, const void *data, size_t len, uint8_t *signature,
                struct bmr_err *e)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret->seed,
	                                             sizeof secret->seed);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t size = BMR_MINISIGN_SIGNATURE_SIZE;
	bool good = key && ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
	            EVP_DigestSign(ctx, signature, &size, data, len) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	return good ? 0 : bmr_err_set(e, BMR_E_BUG, 0, "libcrypto refused to sign (Ed25519)");
}

int bmr_secret_sign(const struct bmr_secret *secret, const uint8_t hash[BMR_MINISIGN_HASH_SIZE],
                    const char *comment, char **out, size_t *len, struct bmr_err *e)
{
	uint8_t raw[2 + BMR_MINISIGN_ID_SIZE + BMR_MINISIGN_SIGNATURE_SIZE] = "ED";
	uint8_t *signature = raw + 2 + BMR_MINISIGN_ID_SIZE;
	uint8_t global[BMR_MINISIGN_SIGNATURE_SIZE];
	char id[BMR_MINISIGN_ID_TEXT_SIZE];
	char first[sizeof raw * 2];
	char last[sizeof global * 2];
	AUTO_FREE uint8_t *both = NULL;
	size_t comment_len = strlen(comment);
	int n;

	if (comment_len > BMR_MINISIGN_COMMENT_MOST || strpbrk(comment, "\r\n"))
		return wrong(e, "a trusted comment must be one line");
	both = malloc(BMR_MINISIGN_SIGNATURE_SIZE + comment_len);
	if (!both)
		return bmr_err_nomem(e, "a signature");
	memcpy(raw + 2, secret->id, sizeof secret->id);
	if (sign(secret, hash, BMR_MINISIGN_HASH_SIZE, signature, e) < 0)
		return -1;
	memcpy(both, signature, sizeof global);
	memcpy(both + sizeof global, comment, comment_len);
	if (sign(secret, both, sizeof global + comment_len, global, e) < 0)
		return -1;
	EVP_EncodeBlock((unsigned char *)first, raw, sizeof raw);
	EVP_EncodeBlock((unsigned char *)last, global, sizeof global);
	n = asprintf(out, "untrusted comment: signature by key %s\n%s\ntrusted comment: %s\n%s\n",
	             bmr_minisign_id_text(secret->id, id), first, comment, last);
	if (n < 0)
		return bmr_err_nomem(e, "a signature");
	*len = (size_t)n;
	return 0;
}
