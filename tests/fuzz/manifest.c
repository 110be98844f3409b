/* SPDX-License-Identifier: GPL-3.0-or-later */
/* manifest - any bytes as an image's head and manifest, as a whole file, and as the file beside it:
 * refused, or a manifest that keeps what its header promises.
 *
 * The first byte chooses: bit 0, checksums are made right first, for else nothing gets behind them;
 * bits 1 and 2: 0 the file, 1 the file as a stream beside an image, 2 head and manifest apart (their
 * length is the second byte). */
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/err.h"
#include "imaging/bmr/container.h"
#include "imaging/bmr/load.h"
#include "imaging/bmr/manifest.h"
#include "tests/fixtures/fake_source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD_DIGEST_AT 24 /* in the manifest's payload: the first record's value */

static void check(int good)
{
	if (!good)
		abort();
}

static void hash(const uint8_t *data, size_t len, uint8_t *to)
{
	struct bmr_digest_value value;
	struct bmr_digest *d;
	struct bmr_err e;

	check(bmr_digest_open(&d, &e) == 0);
	check(bmr_digest_of(d, data, len, &value, &e) == 0);
	memcpy(to, value.bytes, sizeof value.bytes);
	bmr_digest_close(d);
}

static void mend(uint8_t *payload, size_t len)
{
	if (len > BMR_DIGEST_SIZE)
		hash(payload, len - BMR_DIGEST_SIZE, payload + len - BMR_DIGEST_SIZE);
}

static void mend_both(uint8_t *head, size_t head_len, uint8_t *manifest, size_t len)
{
	mend(head, head_len);
	if (len >= HEAD_DIGEST_AT + 2 * BMR_DIGEST_SIZE)
		hash(head, head_len, manifest + HEAD_DIGEST_AT);
	mend(manifest, len);
}

/* Frames of ours one behind the other, from the beginning: the first is the head, the last but the
 * seek table the manifest.  What lies between them is walked over by the seek table, not by us. */
static void mend_file(uint8_t *file, size_t size)
{
	static const uint8_t manifest_magic[] = "bmr-mani";
	uint32_t head_len;
	uint32_t len;
	uint8_t *at;

	if (size < 8 || !bmr_skippable_get(file, BMR_SKIPPABLE_MAGIC, &head_len) ||
	    head_len > size - 8)
		return;
	at = memmem(file + 8, size - 8, manifest_magic, 8);
	if (!at || !bmr_skippable_get(at - 8, BMR_SKIPPABLE_MAGIC, &len) ||
	    len > (size_t)(file + size - at))
		return;
	mend_both(file + 8, head_len, at, len);
}

static void check_entries(const struct bmr_manifest *m)
{
	uint64_t end = m->data_start;
	uint64_t chunk = 0;

	for (uint32_t i = 0; i < m->entry_count; i++) {
		const struct bmr_manifest_entry *entry = &m->entries[i];

		check(entry->first == chunk && entry->count > 0);
		check(entry->offset == (entry->kind == BMR_CHUNK_BASE ? 0 : end));
		check(bmr_manifest_at(m, entry->first) == entry);
		check(bmr_manifest_entry_bytes(m, entry) > 0);
		end += entry->stored;
		chunk += entry->count;
	}
	check(end == m->data_end && chunk == bmr_manifest_chunks(m));
}

static void check_manifest(struct bmr_manifest *m)
{
	struct bmr_digest_value root = m->root;
	struct bmr_manifest *again;
	struct bmr_err e;
	uint8_t *head;
	uint8_t *data;
	size_t head_len;
	size_t len;

	check_entries(m);
	for (uint32_t i = 0; i < m->fact_count; i++)
		check(bmr_manifest_get(m, m->facts[i].name) == m->facts[i].value);
	check(bmr_manifest_seal(m, &e) == 0 && bmr_digest_equal(&m->root, &root));
	check(bmr_head_encode(&m->head, &head, &head_len, &e) == 0);
	check(bmr_manifest_encode(m, &data, &len, &e) == 0);
	check(bmr_manifest_decode(head, head_len, data, len, &again, &e) == 0);
	check(again->entry_count == m->entry_count && again->fact_count == m->fact_count);
	bmr_manifest_free(again);
	bmr_manifest_free(m);
	free(head);
	free(data);
}

static void finish(int rc, struct bmr_manifest *m, const struct bmr_err *e)
{
	if (rc == 0)
		check_manifest(m);
	else
		check((e->code == BMR_E_DATA || e->code == BMR_E_NOMEM) && *e->msg);
}

static void try_apart(uint8_t *data, size_t size, size_t head_len, bool mended)
{
	struct bmr_manifest *m = NULL;
	struct bmr_err e = {0};

	if (head_len > size)
		head_len = size;
	if (mended)
		mend_both(data, head_len, data + head_len, size - head_len);
	finish(bmr_manifest_decode(data, head_len, data + head_len, size - head_len, &m, &e), m,
	       &e);
}

static void try_file(uint8_t *data, size_t size, bool beside, bool mended)
{
	struct fake_image fake = {.data = data, .size = size, .stream = beside};
	struct bmr_manifest *m = NULL;
	struct bmr_err e = {0};
	struct bmr_source *source;
	int rc;

	if (mended)
		mend_file(data, size);
	check(fake_image_source(&fake, 65536, 1, &source, &e) == 0);
	bmr_load_is_bmr(data, size);
	rc = beside ? bmr_load_sidecar(source, BMR_SOURCE_SIZE_UNKNOWN, &m, &e)
	            : bmr_load_manifest(source, &m, &e);
	bmr_source_close(source);
	finish(rc, m, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned what;
	uint8_t *copy;

	if (size < 2)
		return 0;
	copy = malloc(size - 2 + 1);
	check(copy != NULL);
	memcpy(copy, data + 2, size - 2);
	what = data[0] >> 1 & 3;
	if (what < 2)
		try_file(copy, size - 2, what == 1, data[0] & 1);
	else
		try_apart(copy, size - 2, data[1], data[0] & 1);
	free(copy);
	return 0;
}
