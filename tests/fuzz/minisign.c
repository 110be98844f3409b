/* SPDX-License-Identifier: GPL-3.0-or-later */
/* minisign - any bytes as the files of a signature, a public and a secret key: refused, or what is
 * kept of them is right.  A signature that a stranger makes up is never found right.
 *
 * Even first byte: the rest is the file.  Odd: the lines of base64 are made from it, for else nothing
 * gets behind them. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "imaging/sign/minisign.h"
#include "imaging/sign/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int good)
{
	if (!good)
		abort();
}

static void try_file(const char *text, size_t len)
{
	static const uint8_t hash[BMR_MINISIGN_HASH_SIZE] = {1};
	static const struct bmr_minisign_key key = {{0}, {0x82, 0xb7, 0x03, 0xf8}};
	struct bmr_minisign_key found;
	struct bmr_secret secret;
	struct bmr_minisign sig;
	struct bmr_err e = {0};

	if (bmr_minisign_parse(text, len, &sig, &e) == 0) {
		check(strlen(sig.comment) <= BMR_MINISIGN_COMMENT_MOST);
		check(bmr_minisign_verify(&key, &sig, hash, &e) < 0);
	}
	check(e.code == 0 || e.code == BMR_E_REFUSED);
	if (bmr_minisign_key_parse(text, len, &found, &e) < 0)
		check(e.code == BMR_E_REFUSED);
	/* Without a password: what one costs is a secret key's owner's business. */
	if (bmr_secret_parse(text, len, NULL, &secret, &e) < 0)
		check(e.code == BMR_E_USAGE);
}

static void encode(FILE *out, const uint8_t *data, size_t size, size_t want)
{
	unsigned char text[512];
	uint8_t raw[256] = {0};

	memcpy(raw, data, size < want ? size : want);
	EVP_EncodeBlock(text, raw, (int)want);
	fprintf(out, "%s\n", text);
}

static void try_made(const uint8_t *data, size_t size)
{
	size_t half = size / 2;
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	check(out != NULL);
	fprintf(out, "untrusted comment: x\n");
	if (data[0] == 'S') { /* the length of a secret key, else that of a public one, ... */
		encode(out, data + 1, size - 1, 158);
	} else if (data[0] == 'P') {
		encode(out, data + 1, size - 1, 42);
	} else { /* ... or of a signature with half of the rest as its comment */
		encode(out, data, half, 74);
		fprintf(out, "trusted comment: ");
		fwrite(data + half, 1, size - half, out);
		fputc('\n', out);
		encode(out, data + half, size - half, 64);
	}
	fclose(out);
	try_file(text, len);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	if (data[0] & 1)
		try_made(data + 1, size - 1);
	else
		try_file((const char *)data + 1, size - 1);
	return 0;
}
