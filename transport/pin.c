/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transport/pin.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/size.h"

struct bmr_pin {
	uint64_t size;
	struct bmr_digest_value blocks[];
};

static size_t block_len(uint64_t size, uint64_t block)
{
	return (size_t)bmr_size_min(BMR_PIN_BLOCK, size - block * BMR_PIN_BLOCK);
}

static int look_at_all(struct bmr_pin *p, struct bmr_digest *d, uint8_t *buf, bmr_pin_fetch *fetch,
                       void *fetch_ctx,
                       int (*see)(void *ctx, const void *data, size_t len, struct bmr_err *e),
                       void *ctx, struct bmr_err *e)
{
	for (uint64_t i = 0; i * BMR_PIN_BLOCK < p->size; i++) {
		size_t len = block_len(p->size, i);

		if (fetch(fetch_ctx, buf, len, i * BMR_PIN_BLOCK, e) < 0 ||
		    see(ctx, buf, len, e) < 0 || bmr_digest_of(d, buf, len, &p->blocks[i], e) < 0)
			return -1;
	}
	return 0;
}

int bmr_pin_make(uint64_t size, bmr_pin_fetch *fetch, void *fetch_ctx,
                 int (*see)(void *ctx, const void *data, size_t len, struct bmr_err *e), void *ctx,
                 struct bmr_pin **out, struct bmr_err *e)
{
	uint64_t blocks = size / BMR_PIN_BLOCK + 1;
	AUTO_FREE uint8_t *buf = malloc(BMR_PIN_BLOCK);
	AUTO_FREE struct bmr_pin *p =
		malloc(sizeof(struct bmr_pin) + (size_t)blocks * sizeof(struct bmr_digest_value));
	struct bmr_digest *d;
	int rc;

	if (!buf || !p)
		return bmr_err_nomem(e, "the hashes of an image");
	p->size = size;
	if (bmr_digest_open(&d, e) < 0)
		return -1;
	rc = look_at_all(p, d, buf, fetch, fetch_ctx, see, ctx, e);
	bmr_digest_close(d);
	if (rc == 0)
		*out = take_ptr(&p);
	return rc;
}

void bmr_pin_free(struct bmr_pin *p)
{
	free(p);
}

static int fetch_block(const struct bmr_pin *p, struct bmr_digest *d, bmr_pin_fetch *fetch,
                       void *fetch_ctx, uint8_t *buf, uint64_t block, struct bmr_err *e)
{
	struct bmr_digest_value found;
	size_t len = block_len(p->size, block);

	if (fetch(fetch_ctx, buf, len, block * BMR_PIN_BLOCK, e) < 0 ||
	    bmr_digest_of(d, buf, len, &found, e) < 0)
		return -1;
	if (bmr_digest_equal(&found, &p->blocks[block]))
		return 0;
	return bmr_err_set(e, BMR_E_DATA, 0,
	                   "the server now sends other bytes than those whose signature was right, "
	                   "at byte %" PRIu64,
	                   block * BMR_PIN_BLOCK);
}

/* A block that is wanted in whole goes where it is wanted; of another one a part is copied. */
static int read_blocks(const struct bmr_pin *p, struct bmr_digest *d, bmr_pin_fetch *fetch,
                       void *fetch_ctx, uint8_t *to, size_t len, uint64_t off, uint8_t *spare,
                       struct bmr_err *e)
{
	while (len > 0) {
		uint64_t block = off / BMR_PIN_BLOCK;
		size_t skip = (size_t)(off % BMR_PIN_BLOCK);
		size_t all = block_len(p->size, block);
		size_t part = (size_t)bmr_size_min(len, all - skip);
		uint8_t *place = part == all ? to : spare;

		if (fetch_block(p, d, fetch, fetch_ctx, place, block, e) < 0)
			return -1;
		if (place == spare)
			memcpy(to, spare + skip, part);
		to += part;
		off += part;
		len -= part;
	}
	return 0;
}

int bmr_pin_read(const struct bmr_pin *p, bmr_pin_fetch *fetch, void *fetch_ctx, void *buf,
                 size_t len, uint64_t off, struct bmr_err *e)
{
	AUTO_FREE uint8_t *spare = malloc(BMR_PIN_BLOCK);
	struct bmr_digest *d;
	int rc;

	if (!spare)
		return bmr_err_nomem(e, "a block of an image");
	if (bmr_digest_open(&d, e) < 0)
		return -1;
	rc = read_blocks(p, d, fetch, fetch_ctx, buf, len, off, spare, e);
	bmr_digest_close(d);
	return rc;
}
