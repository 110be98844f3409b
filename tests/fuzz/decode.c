/* SPDX-License-Identifier: GPL-3.0-or-later */
/* decode - any bytes through every decoder, in pieces of any size: it ends, as data or as damage.
 * The first byte chooses the codec, the second the size of the pieces. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "imaging/codec/codec.h"
#include "imaging/codec/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUTPUT_MAX (1 << 22) /* a small file may be a very large disk: enough has been seen then */

struct feed {
	const uint8_t *data;
	size_t left;
	size_t piece;
};

static int next(void *ctx, const uint8_t **data, size_t *len, struct bmr_err *e)
{
	struct feed *f = ctx;

	(void)e;
	*data = f->data;
	*len = f->left < f->piece ? f->left : f->piece;
	f->data += *len;
	f->left -= *len;
	return 0;
}

static const struct bmr_codec *choose(uint8_t byte)
{
	static const struct bmr_codec *const codecs[] = {
		&bmr_codec_raw, &bmr_codec_gzip_isal, &bmr_codec_gzip_zlib, &bmr_codec_zstd,
		&bmr_codec_xz,  &bmr_codec_lz4,       &bmr_codec_bzip2,
	};

	return codecs[byte % (sizeof codecs / sizeof *codecs)];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[65536];
	struct bmr_decoder *d;
	struct bmr_err e = {0};
	size_t got = sizeof out;
	int rc = 0;

	if (size < 2)
		return 0;
	struct feed feed = {data + 2, size - 2, data[1] ? data[1] : 65536};
	struct bmr_input input = {next, &feed};

	if (bmr_decoder_open_codec(choose(data[0]), &input, &d, &e) < 0)
		abort();
	for (size_t all = 0; rc == 0 && got == sizeof out && all < OUTPUT_MAX; all += got)
		rc = bmr_decoder_read(d, out, sizeof out, &got, &e);
	if (rc < 0 && e.code != BMR_E_DATA && e.code != BMR_E_NOMEM)
		abort();
	if (bmr_decoder_consumed(d) > size - 2)
		abort();
	bmr_decoder_close(d);
	return 0;
}
