/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/bmr/chain.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "imaging/sign/signed.h"
#include "transport/source.h"

struct link {
	struct bmr_source *source;
	const struct bmr_manifest *manifest;
	struct bmr_manifest *own; /* the same, if it is the chain's; its source is then, too */
};

struct bmr_chain { /* does not change once it is open */
	struct link links[BMR_CHAIN_MOST];
	uint32_t count;
};

/* --- does a base have what the image says of it? --- */

/* Zeros and unused chunks are never left to a base: saying it again takes no room. */
static int compare_chunk(const struct link *base, const struct bmr_manifest_entry *wanted,
                         struct bmr_err *e)
{
	const struct bmr_manifest_entry *has = bmr_manifest_at(base->manifest, wanted->first);

	if ((has->kind == BMR_CHUNK_DATA || has->kind == BMR_CHUNK_BASE) &&
	    bmr_digest_equal(&has->digest, &wanted->digest))
		return 0;
	return bmr_err_set(e, BMR_E_DATA, 0,
	                   "the base image '%s' has another chunk %" PRIu32
	                   " than the image that is based on it says",
	                   bmr_source_name(base->source), wanted->first);
}

static int compare_chunks(const struct link *image, const struct link *base, struct bmr_err *e)
{
	for (uint32_t i = 0; i < image->manifest->entry_count; i++) {
		const struct bmr_manifest_entry *entry = &image->manifest->entries[i];

		if (entry->kind == BMR_CHUNK_BASE && compare_chunk(base, entry, e) < 0)
			return -1;
	}
	return 0;
}

static int check_id(const struct link *image, const struct link *base, struct bmr_err *e)
{
	const struct bmr_head *head = &image->manifest->head;
	char is[BMR_ID_TEXT_SIZE];
	char wanted[BMR_ID_TEXT_SIZE];

	if (memcmp(base->manifest->head.id, head->base_id, BMR_ID_SIZE) != 0)
		return bmr_err_set(e, BMR_E_DATA, 0,
		                   "'%s' is not the base of '%s': it is image %s, wanted is %s",
		                   bmr_source_name(base->source), bmr_source_name(image->source),
		                   bmr_id_text(base->manifest->head.id, is),
		                   bmr_id_text(head->base_id, wanted));
	if (!bmr_digest_equal(&base->manifest->root, &head->base_root))
		return bmr_err_set(e, BMR_E_DATA, 0,
		                   "'%s' has the id of the base of '%s', but not its content: "
		                   "its root is another one",
		                   bmr_source_name(base->source), bmr_source_name(image->source));
	return 0;
}

static int check_shape(const struct link *image, const struct link *base, struct bmr_err *e)
{
	const struct bmr_head *a = &image->manifest->head;
	const struct bmr_head *b = &base->manifest->head;

	if (a->disk_size == b->disk_size && a->chunk_size == b->chunk_size)
		return 0;
	return bmr_err_set(e, BMR_E_DATA, 0,
	                   "the base image '%s' is of a disk of %" PRIu64 " bytes in chunks of "
	                   "%" PRIu32 ", '%s' of %" PRIu64 " in chunks of %" PRIu32,
	                   bmr_source_name(base->source), b->disk_size, b->chunk_size,
	                   bmr_source_name(image->source), a->disk_size, a->chunk_size);
}

static int check_loop(const struct bmr_chain *c, const struct link *base, struct bmr_err *e)
{
	for (uint32_t i = 0; i < c->count; i++)
		if (memcmp(c->links[i].manifest->head.id, base->manifest->head.id, BMR_ID_SIZE) ==
		    0)
			return bmr_err_set(e, BMR_E_DATA, 0,
			                   "the images are based on each other in a circle: '%s' "
			                   "is there twice",
			                   bmr_source_name(base->source));
	return 0;
}

/* --- opening --- */

static void close_link(struct link *link)
{
	if (!link->own)
		return;
	bmr_manifest_free(link->own);
	bmr_source_close(link->source);
}

/* Where the user says, or beside the image. */
static int open_source(const struct link *image, const char *given,
                       const struct bmr_source_options *options, struct bmr_source **out,
                       struct bmr_err *e)
{
	const char *name = bmr_manifest_get(image->manifest, "base.name");

	if (given)
		return bmr_source_open(given, options, out, e);
	if (!name)
		return bmr_err_set(e, BMR_E_DATA, 0,
		                   "the image '%s' does not say how its base is called; base=URL "
		                   "tells where it is",
		                   bmr_source_name(image->source));
	return bmr_source_open_beside(image->source, name, options, out, e);
}

static int load_base(const struct link *image, const char *given,
                     const struct bmr_source_options *options, const struct bmr_trust *trust,
                     struct link *base, struct bmr_err *e)
{
	if (open_source(image, given, options, &base->source, e) < 0)
		return -1;
	if (bmr_signed_manifest(base->source, trust, options, false, NULL, &base->own, e) < 0) {
		bmr_source_close(base->source);
		return -1;
	}
	base->manifest = base->own;
	return 0;
}

static int open_base(struct bmr_chain *c, const char *given,
                     const struct bmr_source_options *options, const struct bmr_trust *trust,
                     struct bmr_err *e)
{
	const struct link *image = &c->links[c->count - 1];
	struct link base = {0};
	char id[BMR_ID_TEXT_SIZE];

	if (c->count == BMR_CHAIN_MOST)
		return bmr_err_set(e, BMR_E_DATA, 0,
		                   "more than %d images are based on each other; merge some",
		                   BMR_CHAIN_MOST);
	if (load_base(image, given, options, trust, &base, e) < 0)
		return bmr_err_while(e, "opening the base of '%s', image %s (base= tells where)",
		                     bmr_source_name(image->source),
		                     bmr_id_text(image->manifest->head.base_id, id));
	if (check_loop(c, &base, e) < 0 || check_id(image, &base, e) < 0 ||
	    check_shape(image, &base, e) < 0 || compare_chunks(image, &base, e) < 0) {
		close_link(&base);
		return -1;
	}
	c->links[c->count++] = base;
	return 0;
}

static int open_bases(struct bmr_chain *c, const char *base,
                      const struct bmr_source_options *options, const struct bmr_trust *trust,
                      struct bmr_err *e)
{
	while (c->links[c->count - 1].manifest->head.has_base) {
		if (open_base(c, base, options, trust, e) < 0)
			return -1;
		base = NULL;
	}
	return 0;
}

int bmr_chain_open(struct bmr_source *source, const struct bmr_manifest *manifest, const char *base,
                   const struct bmr_source_options *options, const struct bmr_trust *trust,
                   struct bmr_chain **out, struct bmr_err *e)
{
	struct bmr_chain *c;

	if (base && !manifest->head.has_base)
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "the image '%s' is not an incremental one: base= does not fit",
		                   bmr_source_name(source));
	c = calloc(1, sizeof *c);
	if (!c)
		return bmr_err_nomem(e, "a chain of images");
	c->links[0] = (struct link){source, manifest, NULL};
	c->count = 1;
	if (open_bases(c, base, options, trust, e) < 0) {
		bmr_chain_close(c);
		return -1;
	}
	*out = c;
	return 0;
}

void bmr_chain_close(struct bmr_chain *c)
{
	if (!c)
		return;
	/* A base may use what the image before it knows of the server. */
	for (uint32_t i = c->count; i-- > 0;)
		close_link(&c->links[i]);
	free(c);
}

/* --- using --- */

void bmr_chain_find(const struct bmr_chain *c, uint32_t chunk, struct bmr_chain_place *place)
{
	const struct bmr_manifest_entry *entry;
	const struct link *link;
	uint32_t i = 0;

	while ((entry = bmr_manifest_at(c->links[i].manifest, chunk))->kind == BMR_CHUNK_BASE)
		i++; /* ends: the last one has no base, hence no such chunk */
	link = &c->links[i];
	*place = (struct bmr_chain_place){
		.kind = (enum bmr_chunk_kind)entry->kind,
		.source = link->source,
		.offset = entry->offset,
		.stored = entry->stored,
		.pack = link->manifest->head.pack,
		.digest = &entry->digest,
		.image = i,
	};
}

const struct bmr_manifest *bmr_chain_manifest(const struct bmr_chain *c)
{
	return c->links[0].manifest;
}

uint32_t bmr_chain_count(const struct bmr_chain *c)
{
	return c->count;
}

const struct bmr_manifest *bmr_chain_image(const struct bmr_chain *c, uint32_t image,
                                           struct bmr_source **source)
{
	if (source)
		*source = c->links[image].source;
	return c->links[image].manifest;
}

int bmr_chain_check_unchanged(struct bmr_chain *c, struct bmr_err *e)
{
	for (uint32_t i = 0; i < c->count; i++)
		if (bmr_source_check_unchanged(c->links[i].source, e) < 0)
			return -1;
	return 0;
}

void bmr_chain_stop(struct bmr_chain *c)
{
	for (uint32_t i = 0; i < c->count; i++)
		bmr_source_stop(c->links[i].source);
}
