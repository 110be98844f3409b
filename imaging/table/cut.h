/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cut.h - an image on a disk that is smaller than the one it was taken from.  Pure.
 *
 * What lies behind the last partition belongs to nothing but the table's own backup.  Of a bmr image
 * it is known chunk by chunk whether there is anything else: if not, whole chunks are left out, and
 * all others are written and proven as ever.  The GPT is made to fit by table.h.
 */
#ifndef BMR_IMAGING_TABLE_CUT_H
#define BMR_IMAGING_TABLE_CUT_H

#include <stdint.h>

struct bmr_image;
struct bmr_manifest;

/* The least size, in bytes, of a disk for this image: up to the end of its last partition and of the
 * last chunk that holds anything, and room for the backup of a GPT.  Without a manifest, or a table
 * that says what is used, it is all that the image is known to have. */
uint64_t bmr_cut_least(const struct bmr_image *image);

/* *cut = the image's manifest, which keeps what it points to, for a disk of disk_size bytes: no less
 * than the least. */
void bmr_cut_manifest(const struct bmr_image *image, uint64_t disk_size, struct bmr_manifest *cut);

#endif
