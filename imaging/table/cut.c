/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/table/cut.h"

#include "base/size.h"
#include "imaging/image.h"
#include "imaging/layout.h"
#include "imaging/bmr/manifest.h"

#define GPT_ENTRIES 16384 /* bytes: 128 of 128 */

/* Bytes at the end of the disk that the table has for itself: entries and header. */
static uint64_t backup_len(const struct bmr_layout *layout)
{
	return layout->table == BMR_TABLE_GPT ? GPT_ENTRIES + layout->sector : 0;
}

/* A chunk of data behind the last partition that has the backup of the GPT in it. */
static bool is_backup(const struct bmr_layout *layout, uint64_t start, uint64_t end)
{
	return layout->backup_end > 0 && start >= layout->used_end && start < layout->backup_end &&
	       end > layout->backup_end - backup_len(layout);
}

/* Where the last chunk ends that is needed. */
static uint64_t data_end(const struct bmr_image *image)
{
	const struct bmr_manifest *m = image->manifest;
	uint64_t chunk = m->head.chunk_size;
	uint64_t end = (image->layout.used_end + chunk - 1) / chunk * chunk;

	for (uint32_t i = m->entry_count; i > 0; i--) {
		const struct bmr_manifest_entry *entry = &m->entries[i - 1];
		uint64_t first = entry->first * chunk;
		bool holds = entry->kind == BMR_CHUNK_DATA || entry->kind == BMR_CHUNK_BASE;

		if (first < end)
			break;
		if (holds && !is_backup(&image->layout, first, first + chunk))
			return first + chunk;
	}
	return end;
}

static bool can_be_cut(const struct bmr_image *image)
{
	const struct bmr_layout *l = &image->layout;

	return image->manifest && !image->manifest->head.has_base && l->table != BMR_TABLE_NONE &&
	       !l->damaged && l->used_end > 0 && l->used_end <= image->manifest->head.disk_size;
}

uint64_t bmr_cut_least(const struct bmr_image *image)
{
	if (!can_be_cut(image))
		return image->at_least;
	return bmr_size_min(image->at_least, data_end(image) + backup_len(&image->layout));
}

void bmr_cut_manifest(const struct bmr_image *image, uint64_t disk_size, struct bmr_manifest *cut)
{
	uint64_t chunk = image->manifest->head.chunk_size;

	*cut = *image->manifest;
	cut->head.disk_size = (disk_size - backup_len(&image->layout)) / chunk * chunk;
	while (cut->entry_count > 0 &&
	       cut->entries[cut->entry_count - 1].first * chunk >= cut->head.disk_size)
		cut->entry_count--;
}
