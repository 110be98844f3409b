/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/restore/proof.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "imaging/restore/pipe.h"

#define SUMS_MAX ((uint64_t)1 << 20)

struct bmr_proof {
	uint64_t chunks;      /* of the whole disk */
	uint64_t group;       /* chunks a sum */
	pthread_mutex_t lock; /* guards sums */
	struct bmr_checksum *sums;
};

int bmr_proof_open(uint64_t size, struct bmr_proof **out, struct bmr_err *e)
{
	AUTO_FREE struct bmr_proof *p = calloc(1, sizeof *p);

	if (!p)
		return bmr_err_nomem(e, "the proof");
	p->chunks = size / BMR_CHUNK_SIZE + 1;
	p->group = (p->chunks + SUMS_MAX - 1) / SUMS_MAX;
	p->sums = calloc(p->chunks / p->group + 1, sizeof *p->sums);
	if (!p->sums)
		return bmr_err_nomem(e, "the proof");
	pthread_mutex_init(&p->lock, NULL);
	*out = take_ptr(&p);
	return 0;
}

void bmr_proof_close(struct bmr_proof *p)
{
	if (!p)
		return;
	pthread_mutex_destroy(&p->lock);
	free(p->sums);
	free(p);
}

uint64_t bmr_proof_group(const struct bmr_proof *p)
{
	return p->group;
}

/* An odd factor that is different for each place: chunks that changed places do not cancel out,
 * and a single checksum is never lost. */
void bmr_proof_mix(struct bmr_checksum *sum, uint64_t index, const struct bmr_checksum *checksum)
{
	for (size_t i = 0; i < sizeof sum->words / sizeof *sum->words; i++)
		sum->words[i] += checksum->words[i] * (2 * index + 1);
}

int bmr_proof_add(struct bmr_proof *p, uint64_t index, const struct bmr_checksum *checksum,
                  struct bmr_err *e)
{
	if (index >= p->chunks)
		return bmr_err_set(e, BMR_E_BUG, 0,
		                   "chunk %" PRIu64 " is past the proof's %" PRIu64, index,
		                   p->chunks);
	pthread_mutex_lock(&p->lock);
	bmr_proof_mix(&p->sums[index / p->group], index, checksum);
	pthread_mutex_unlock(&p->lock);
	return 0;
}

bool bmr_proof_agrees(struct bmr_proof *p, uint64_t group, const struct bmr_checksum *sum)
{
	bool same;

	pthread_mutex_lock(&p->lock);
	same = bmr_checksum_equal(&p->sums[group], sum);
	pthread_mutex_unlock(&p->lock);
	return same;
}
