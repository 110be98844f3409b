/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/checksum.h"

#include <xxhash.h>

struct bmr_checksum bmr_checksum_of(const void *data, size_t len)
{
	XXH128_hash_t hash = XXH3_128bits(data, len);

	return (struct bmr_checksum){{hash.low64, hash.high64}};
}

bool bmr_checksum_equal(const struct bmr_checksum *a, const struct bmr_checksum *b)
{
	return a->words[0] == b->words[0] && a->words[1] == b->words[1];
}
