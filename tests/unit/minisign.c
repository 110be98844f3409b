/* SPDX-License-Identifier: GPL-3.0-or-later */
/* minisign: its files as minisign 0.11 makes them, and what is not quite one; whose signatures count;
 * a source whose bytes were checked once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "imaging/sign/minisign.h"
#include "imaging/sign/secret.h"
#include "imaging/sign/trust.h"
#include "tests/fixtures/fake_source.h"

/* minisign -G -W; minisign -S -t 'series=web serial=5' of the four bytes "bmr\n". */
static const char public_key[] = "untrusted comment: minisign public key 52C4C4EFBBCDBC28\n"
				 "RWQovM2778TEUoK3A/gVOm9fBfrxl9V9cynO8pUe7J8AYXuuYIbudNWj\n";
static const char signature[] =
	"untrusted comment: signature from minisign secret key\n"
	"RUQovM2778TEUg9K1HcIBBA1GbnmLgqe9G55VWGd5us017Arp1stqQYW1o0rbghyJ4448TfUDkQKWFYI/oOuPjh7"
	"YOX77Ng40wY=\n"
	"trusted comment: series=web serial=5\n"
	"oMogE7uQASkJFgrpdnzcqkZw1z/"
	"bCnyhOQaTsFVdEVM6qvzIltGqZj+doW0J5EoSQYXNaDJiIV3Idm+oAOJQBA==\n";
/* The same key, "pass word", with a cost that a test can pay; minisign reads it, too. */
static const char locked_key[] = "untrusted comment: x\n"
				 "RWRTY0IyAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8AgAAAAAAAAAAAA"
				 "AEAAAAAqjGe7yglTmFfGfYV6R+6"
				 "gLPp71ngHFB8IooEoLHFobTqNdqZebcUI3XUZTsfUmhYuXwCSVtag2Y5y9zOd4WvH"
				 "q1Kwwp1HzDKoAtzm/4voyUhdAR8"
				 "7RfAHsaE4zeorb96kObqgcPDlbw=\n";

static void hash_of(const char *text, uint8_t hash[BMR_MINISIGN_HASH_SIZE])
{
	struct bmr_minisign_hash *h;
	struct bmr_err e;

	assert_int_equal(bmr_minisign_hash_open(&h, &e), 0);
	assert_int_equal(bmr_minisign_hash_add(h, text, strlen(text), &e), 0);
	assert_int_equal(bmr_minisign_hash_finish(h, hash, &e), 0);
	bmr_minisign_hash_close(h);
}

static void test_verify(void **state)
{
	uint8_t hash[BMR_MINISIGN_HASH_SIZE];
	struct bmr_minisign_key key;
	struct bmr_minisign sig;
	struct bmr_err e;

	(void)state;
	assert_int_equal(bmr_minisign_key_parse(public_key, strlen(public_key), &key, &e), 0);
	assert_int_equal(bmr_minisign_parse(signature, strlen(signature), &sig, &e), 0);
	assert_string_equal(sig.comment, "series=web serial=5");
	hash_of("bmr\n", hash);
	assert_int_equal(bmr_minisign_verify(&key, &sig, hash, &e), 0);
	sig.comment[0] = 'S';
	assert_int_equal(bmr_minisign_verify(&key, &sig, hash, &e), -1);
	assert_non_null(strstr(e.msg, "comment was changed"));
	sig.comment[0] = 's';
	hash_of("bmr", hash);
	assert_int_equal(bmr_minisign_verify(&key, &sig, hash, &e), -1);
	assert_int_equal(e.code, BMR_E_REFUSED);
}

/* Every bit of key, signature and both lines: each changes the verdict. */
static void test_every_bit(void **state)
{
	uint8_t hash[BMR_MINISIGN_HASH_SIZE];
	struct bmr_minisign_key key;
	struct bmr_minisign sig;
	struct bmr_err e;
	uint8_t *const parts[] = {key.point, sig.signature, sig.global, hash};
	const size_t sizes[] = {sizeof key.point, sizeof sig.signature, sizeof sig.global,
	                        sizeof hash};

	(void)state;
	hash_of("bmr\n", hash);
	assert_int_equal(bmr_minisign_key_parse(public_key, strlen(public_key), &key, &e), 0);
	assert_int_equal(bmr_minisign_parse(signature, strlen(signature), &sig, &e), 0);
	for (size_t part = 0; part < 4; part++)
		for (size_t bit = 0; bit < 8 * sizes[part]; bit++) {
			parts[part][bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_int_equal(bmr_minisign_verify(&key, &sig, hash, &e), -1);
			parts[part][bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	assert_int_equal(bmr_minisign_verify(&key, &sig, hash, &e), 0);
}

/* Wherever a file is cut it is none, but for the newline at its end. */
static void test_cut(void **state)
{
	struct bmr_minisign_key key;
	struct bmr_minisign sig;
	struct bmr_err e;

	(void)state;
	for (size_t len = 0; len + 1 < strlen(signature); len++)
		assert_int_equal(bmr_minisign_parse(signature, len, &sig, &e), -1);
	assert_int_equal(bmr_minisign_parse(signature, strlen(signature) - 1, &sig, &e), 0);
	for (size_t len = 0; len + 1 < strlen(public_key); len++)
		assert_int_equal(bmr_minisign_key_parse(public_key, len, &key, &e), -1);
	assert_int_equal(bmr_minisign_key_parse(public_key, strlen(public_key) - 1, &key, &e), 0);
}

static void test_secret(void **state)
{
	static const char secret_comment[] = "bmr image=x";
	struct bmr_secret secret;
	uint8_t hash[BMR_MINISIGN_HASH_SIZE];
	struct bmr_minisign_key key;
	struct bmr_minisign sig;
	struct bmr_err e;
	char *text;
	size_t len;

	(void)state;
	assert_int_equal(bmr_secret_parse(locked_key, strlen(locked_key), NULL, &secret, &e), -1);
	assert_non_null(strstr(e.msg, "is encrypted"));
	assert_int_equal(bmr_secret_parse(locked_key, strlen(locked_key), "pass", &secret, &e), -1);
	assert_non_null(strstr(e.msg, "not the password"));
	assert_int_equal(bmr_secret_parse(public_key, strlen(public_key), NULL, &secret, &e), -1);
	assert_int_equal(bmr_secret_parse(locked_key, strlen(locked_key), "pass word", &secret, &e),
	                 0);
	hash_of("anything", hash);
	assert_int_equal(bmr_secret_sign(&secret, hash, "a\nb", &text, &len, &e), -1);
	assert_int_equal(bmr_secret_sign(&secret, hash, secret_comment, &text, &len, &e), 0);
	bmr_secret_clear(&secret);
	assert_int_equal(bmr_minisign_key_parse(public_key, strlen(public_key), &key, &e), 0);
	assert_int_equal(bmr_minisign_parse(text, len, &sig, &e), 0);
	assert_string_equal(sig.comment, secret_comment);
	assert_int_equal(bmr_minisign_verify(&key, &sig, hash, &e), 0);
	free(text);
}

/* scrypt's costs of a hostile file are not paid. */
static void test_secret_cost(void **state)
{
	char *text = strdup(locked_key);
	struct bmr_secret secret;
	struct bmr_err e;

	(void)state;
	assert_non_null(text);
	text[strlen("untrusted comment: x\n") + 56] = '/'; /* in the upper bytes of a limit */
	assert_int_equal(bmr_secret_parse(text, strlen(text), "pass word", &secret, &e), -1);
	assert_non_null(strstr(e.msg, "too much memory or time"));
	free(text);
}

/* --- trust --- */

static void put(const char *folder, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int judge(const char *folder, bool floor, struct bmr_signer *signer, struct bmr_err *e)
{
	uint8_t hash[BMR_MINISIGN_HASH_SIZE];
	struct bmr_minisign sig;
	struct bmr_trust *trust;
	int rc;

	hash_of("bmr\n", hash);
	assert_int_equal(bmr_minisign_parse(signature, strlen(signature), &sig, e), 0);
	if (bmr_trust_load(folder, &trust, e) < 0)
		return -1;
	assert_non_null(trust);
	rc = bmr_trust_check(trust, &sig, hash, floor, signer, e);
	bmr_trust_free(trust);
	return rc;
}

static void test_trust(void **state)
{
	static const struct {
		const char *revoked, *floor, *says; /* NULL: it counts */
	} cases[] = {
		{"", "", NULL},
		{"# x\n\n0000000000000001\n", "web 5\n", NULL},
		{"", "db 9\n", NULL},
		{"", "db 9\n* 5\n", NULL},
		{"52C4C4EFBBCDBC28\n", "", "revoked"},
		{"52c4c4efbbcdbc28", "", "revoked"},
		{"", "web 6\n", "too old"},
		{"", "* 6\n", "too old"},
		{"", "web 18446744073709551615\n", "too old"},
		{"", "web 18446744073709551616\n", "line 1"},
		{"", "web\n", "line 1"},
		{"", "web 1 2\n", "line 1"},
		{"", "w*b 1\n", "line 1"},
		{"52C4C4EFBBCDBC2\n", "", "line 1"},
		{"52C4C4EFBBCDBC28 x\n", "", "line 1"},
		{"+2C4C4EFBBCDBC28\n", "", "line 1"},
	};
	char folder[] = "/tmp/bmr-trust-XXXXXX";
	struct bmr_signer signer;
	struct bmr_trust *trust;
	char text[160];
	struct bmr_err e;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(bmr_trust_load(folder, &trust, &e), -1);
	assert_int_equal(e.code, BMR_E_USAGE);
	put(folder, "k.pub", public_key);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int rc;

		put(folder, "revoked", cases[i].revoked);
		put(folder, "floor", cases[i].floor);
		rc = judge(folder, true, &signer, &e);
		if (!cases[i].says && rc < 0)
			fail_msg("case %zu: %s", i, e.msg);
		if (cases[i].says && (rc == 0 || !strstr(e.msg, cases[i].says)))
			fail_msg("case %zu: %s", i, rc == 0 ? "accepted" : e.msg);
	}
	/* A base may be older than what is based on it. */
	put(folder, "revoked", "");
	put(folder, "floor", "web 6\n");
	assert_int_equal(judge(folder, false, &signer, &e), 0);
	assert_string_equal(bmr_signer_text(&signer, text, sizeof text),
	                    "key 52C4C4EFBBCDBC28 (k), series web, serial 5");
	snprintf(text, sizeof text, "rm -r %s", folder);
	assert_int_equal(system(text), 0);
}

/* --- a source that was checked --- */

#define PINNED ((size_t)(2 << 20) + 777)

static int count_bytes(void *ctx, const void *data, size_t len, struct bmr_err *e)
{
	(void)data;
	(void)e;
	*(size_t *)ctx += len;
	return 0;
}

static void test_pin(void **state)
{
	uint8_t *data = malloc(PINNED);
	uint8_t *buf = malloc(PINNED);
	struct fake_image fake = {.data = data, .size = PINNED};
	struct bmr_source *s;
	struct bmr_err e;
	size_t seen = 0;
	size_t got;

	(void)state;
	assert_true(data && buf);
	for (size_t i = 0; i < PINNED; i++)
		data[i] = (uint8_t)(i * 2654435761u >> 24);
	assert_int_equal(fake_image_source(&fake, 65536, 1, &s, &e), 0);
	assert_int_equal(bmr_source_pin(s, count_bytes, &seen, &e), 0);
	assert_int_equal(seen, PINNED);
	for (size_t off = 0; off <= PINNED; off += 99991) {
		size_t want = PINNED - off < 1500000 ? PINNED - off : 1500000;

		assert_int_equal(bmr_source_read(s, buf, 1500000, off, &got, &e), 0);
		assert_int_equal(got, want);
		assert_memory_equal(buf, data + off, got);
	}
	data[(1 << 20) + 5] ^= 1;
	assert_int_equal(bmr_source_read(s, buf, 1 << 20, 0, &got, &e), 0);
	assert_int_equal(bmr_source_read(s, buf, 777, 2 << 20, &got, &e), 0);
	assert_int_equal(bmr_source_read(s, buf, 1, (2 << 20) - 1, &got, &e), -1);
	assert_int_equal(e.code, BMR_E_DATA);
	assert_int_equal(got, 0);
	bmr_source_close(s);
	fake.stream = true;
	assert_int_equal(fake_image_source(&fake, 65536, 1, &s, &e), 0);
	assert_int_equal(bmr_source_pin(s, count_bytes, &seen, &e), -1);
	assert_int_equal(e.code, BMR_E_REFUSED);
	bmr_source_close(s);
	free(data);
	free(buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verify),      cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_cut),         cmocka_unit_test(test_secret),
		cmocka_unit_test(test_secret_cost), cmocka_unit_test(test_trust),
		cmocka_unit_test(test_pin),
	};

	return cmocka_run_group_tests_name("minisign", tests, NULL, NULL);
}
