/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/chain.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "transport/source.h"

struct link {
	struct bmr_source *source;
	const struct bmr_manifest *manifest;
};

struct bmr_chain { /* does not change once it is open */
	struct link links[BMR_CHAIN_MOST];
	uint32_t count;
};

int bmr_chain_open(struct bmr_source *source, const struct bmr_manifest *manifest, const char *base,
                   const struct bmr_source_options *options, struct bmr_chain **out,
                   struct bmr_err *e)
{
	struct bmr_chain *c;

	(void)options;
	if (manifest->head.has_base)
		return bmr_err_set(e, BMR_E_DATA, 0,
		                   "the image '%s' is an incremental one, which cannot be read yet",
		                   bmr_source_name(source));
	if (base)
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "the image '%s' is not an incremental one: base= does not fit",
		                   bmr_source_name(source));
	c = calloc(1, sizeof *c);
	if (!c)
		return bmr_err_nomem(e, "a chain of images");
	c->links[0] = (struct link){source, manifest};
	c->count = 1;
	*out = c;
	return 0;
}

void bmr_chain_close(struct bmr_chain *c)
{
	free(c);
}

void bmr_chain_find(const struct bmr_chain *c, uint32_t chunk, struct bmr_chain_place *place)
{
	const struct bmr_manifest_entry *entry = c->links[0].manifest->entries;

	while (chunk >= entry->first + entry->count)
		entry++;

	*place = (struct bmr_chain_place){
		.kind = (enum bmr_chunk_kind)entry->kind,
		.source = c->links[0].source,
		.offset = entry->offset,
		.stored = entry->stored,
		.pack = c->links[0].manifest->head.pack,
		.digest = &entry->digest,
	};
}

const struct bmr_manifest *bmr_chain_manifest(const struct bmr_chain *c)
{
	return c->links[0].manifest;
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
