/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/sign/signed.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/size.h"
#include "imaging/bmr/load.h"
#include "imaging/bmr/manifest.h"
#include "transport/source.h"

#define BLOCK ((size_t)1 << 20)

/* --- the signature's file --- */

/* To its end, which a server need not tell. */
static int read_text(struct bmr_source *source, char *text, size_t room, size_t *len,
                     struct bmr_err *e)
{
	uint64_t size = bmr_source_size(source);

	if (size != BMR_SOURCE_SIZE_UNKNOWN && size > room)
		return bmr_err_set(e, BMR_E_REFUSED, 0, "its signature file is too large");
	return bmr_source_read(source, text, room, 0, len, e);
}

static int fetch(const struct bmr_source *image, const char *suffix,
                 const struct bmr_source_options *options, struct bmr_minisign *sig,
                 struct bmr_err *e)
{
	AUTO_FREE char *text = malloc(BMR_MINISIGN_FILE_MOST + 1);
	struct bmr_source *source;
	size_t len;
	int rc;

	if (!text)
		return bmr_err_nomem(e, "a signature");
	if (bmr_source_open_suffix(image, suffix, options, &source, e) < 0) {
		if (e->code != BMR_E_SOURCE)
			return bmr_err_while(e, "fetching the image's signature");
		e->code = BMR_E_REFUSED; /* the answer was: no */
		return bmr_err_while(e, "fetching its signature: only signed images are restored "
		                        "here");
	}
	rc = read_text(source, text, BMR_MINISIGN_FILE_MOST + 1, &len, e);
	bmr_source_close(source);
	return rc < 0 ? -1 : bmr_minisign_parse(text, len, sig, e);
}

static int while_checking(const struct bmr_source *image, struct bmr_err *e)
{
	return bmr_err_while(e, "checking the signature of '%s'", bmr_source_name(image));
}

/* --- a bmr image --- */

struct question {
	const struct bmr_source *source;
	const struct bmr_trust *trust;
	const struct bmr_source_options *options;
	bool floor;
	struct bmr_signer *signer;
};

static int hash_frames(const struct bmr_load_piece frames[2], uint8_t *hash, struct bmr_err *e)
{
	struct bmr_minisign_hash *h;
	int rc;

	if (bmr_minisign_hash_open(&h, e) < 0)
		return -1;
	rc = bmr_minisign_hash_add(h, frames[0].data, frames[0].len, e) < 0 ||
	                     bmr_minisign_hash_add(h, frames[1].data, frames[1].len, e) < 0 ||
	                     bmr_minisign_hash_finish(h, hash, e) < 0
	             ? -1
	             : 0;
	bmr_minisign_hash_close(h);
	return rc;
}

static int judge_frames(void *ctx, const struct bmr_load_piece frames[2], struct bmr_err *e)
{
	const struct question *q = ctx;
	AUTO_FREE struct bmr_minisign *sig = malloc(sizeof *sig);
	uint8_t hash[BMR_MINISIGN_HASH_SIZE];

	if (!sig)
		return bmr_err_nomem(e, "a signature");
	if (hash_frames(frames, hash, e) < 0)
		return -1;
	if (fetch(q->source, BMR_SIGNED_MANIFEST, q->options, sig, e) < 0 ||
	    bmr_trust_check(q->trust, sig, hash, q->floor, q->signer, e) < 0)
		return while_checking(q->source, e);
	return 0;
}

/* Somebody signed with the words for another image. */
static int check_id(const struct bmr_signer *signer, const struct bmr_manifest *m,
                    struct bmr_err *e)
{
	char id[BMR_ID_TEXT_SIZE];

	if (!*signer->image || strcmp(signer->image, bmr_id_text(m->head.id, id)) == 0)
		return 0;
	return bmr_err_set(e, BMR_E_REFUSED, 0,
	                   "its signature says that it is of image %s, and this is image %s",
	                   signer->image, id);
}

int bmr_signed_manifest(struct bmr_source *source, const struct bmr_trust *trust,
                        const struct bmr_source_options *options, bool floor,
                        struct bmr_signer *signer, struct bmr_manifest **out, struct bmr_err *e)
{
	struct bmr_signer own;
	struct question q = {source, trust, options, floor, signer ? signer : &own};
	struct bmr_manifest *m;

	if (bmr_load_judged(source, trust ? judge_frames : NULL, &q, &m, e) < 0)
		return -1;
	if (trust && check_id(q.signer, m, e) < 0) {
		bmr_manifest_free(m);
		return -1;
	}
	*out = m;
	return 0;
}

/* --- a whole file --- */

static int add(void *ctx, const void *data, size_t len, struct bmr_err *e)
{
	return bmr_minisign_hash_add(ctx, data, len, e);
}

static int pin(struct bmr_source *source, uint8_t *hash, struct bmr_err *e)
{
	struct bmr_minisign_hash *h;
	int rc;

	if (bmr_minisign_hash_open(&h, e) < 0)
		return -1;
	rc = bmr_source_pin(source, add, h, e);
	if (rc == 0)
		rc = bmr_minisign_hash_finish(h, hash, e);
	bmr_minisign_hash_close(h);
	return rc;
}

int bmr_signed_file(struct bmr_source *source, const struct bmr_trust *trust,
                    const struct bmr_source_options *options, struct bmr_signer *signer,
                    struct bmr_err *e)
{
	AUTO_FREE struct bmr_minisign *sig = malloc(sizeof *sig);
	uint8_t hash[BMR_MINISIGN_HASH_SIZE];

	if (!sig)
		return bmr_err_nomem(e, "a signature");
	/* First what takes no time. */
	if (fetch(source, BMR_SIGNED_FILE, options, sig, e) < 0 ||
	    bmr_trust_knows(trust, sig, e) < 0)
		return while_checking(source, e);
	bmr_log_say(options->log, BMR_LOG_INFO, "reading the whole image to check its signature");
	if (pin(source, hash, e) < 0 || bmr_trust_check(trust, sig, hash, true, signer, e) < 0)
		return while_checking(source, e);
	return 0;
}

/* --- signing --- */

static int take_hash(void *ctx, const struct bmr_load_piece frames[2], struct bmr_err *e)
{
	return hash_frames(frames, ctx, e);
}

static int hash_manifest(struct bmr_source *source, uint8_t *hash, char *id, struct bmr_err *e)
{
	struct bmr_manifest *m;

	if (bmr_load_judged(source, take_hash, hash, &m, e) < 0)
		return -1;
	bmr_id_text(m->head.id, id);
	bmr_manifest_free(m);
	return 0;
}

static int hash_all(struct bmr_source *source, struct bmr_minisign_hash *h, struct bmr_err *e)
{
	AUTO_FREE uint8_t *buf = malloc(BLOCK);
	uint64_t off = 0;
	size_t got;

	if (!buf)
		return bmr_err_nomem(e, "a block of an image");
	do {
		/* At its known end a read gives nothing. */
		if (bmr_source_read(source, buf, BLOCK, off, &got, e) < 0 ||
		    bmr_minisign_hash_add(h, buf, got, e) < 0)
			return -1;
		off += got;
	} while (got == BLOCK);
	return 0;
}

int bmr_signed_hash(struct bmr_source *source, bool is_bmr, uint8_t hash[BMR_MINISIGN_HASH_SIZE],
                    char id[BMR_SIGNED_ID_SIZE], struct bmr_err *e)
{
	struct bmr_minisign_hash *h;
	int rc;

	*id = '\0';
	if (is_bmr)
		return hash_manifest(source, hash, id, e);
	if (bmr_minisign_hash_open(&h, e) < 0)
		return -1;
	rc = hash_all(source, h, e);
	if (rc == 0)
		rc = bmr_minisign_hash_finish(h, hash, e);
	bmr_minisign_hash_close(h);
	return rc;
}
