/* SPDX-License-Identifier: GPL-3.0-or-later */
/* format.h - what an image file is, told by its first bytes and never by its name.  Pure. */
#ifndef BMR_IMAGING_CODEC_FORMAT_H
#define BMR_IMAGING_CODEC_FORMAT_H

#include <stddef.h>
#include <stdint.h>

struct bmr_err;

enum bmr_format {
	BMR_FORMAT_RAW,
	BMR_FORMAT_GZIP,  /* RFC 1952, one or many members */
	BMR_FORMAT_ZSTD,  /* RFC 8878, one or many frames */
	BMR_FORMAT_XZ,    /* the .xz file format 1.2.0, one or many streams */
	BMR_FORMAT_LZ4,   /* LZ4 frame format 1.6, one or many frames */
	BMR_FORMAT_BZIP2, /* one or many streams */
};

/* Enough of a file's beginning to tell; a shorter file is given whole. */
#define BMR_FORMAT_HEAD 512

/* Tell the format of a file that begins with `head`.  What is none of the above is raw, unless it
 * is known to be something that must not be written to a disk as it is.
 * Errors: BMR_E_DATA: a container of another kind (qcow2, zip, tar ...) or plain text (an error
 * page), named, with what to do. */
int bmr_format_detect(const uint8_t *head, size_t len, enum bmr_format *format, struct bmr_err *e);

/* "raw", "gzip", ... */
const char *bmr_format_name(enum bmr_format format);

#endif
