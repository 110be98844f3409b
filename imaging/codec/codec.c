/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/codec/codec.h"

/* ISA-L's inflate is hand-written for SSE4.2 and AVX2 on x86-64 and for every arm64; elsewhere
 * its plain C is slower than zlib. */
static bool cpu_suits_isal(void)
{
#if defined(__x86_64__)
	return __builtin_cpu_supports("sse4.2");
#elif defined(__aarch64__)
	return true;
#else
	return false;
#endif
}

const struct bmr_codec *bmr_codec_find(enum bmr_format format)
{
	static const struct bmr_codec *const codecs[] = {
		[BMR_FORMAT_RAW] = &bmr_codec_raw,   [BMR_FORMAT_GZIP] = &bmr_codec_gzip_zlib,
		[BMR_FORMAT_ZSTD] = &bmr_codec_zstd, [BMR_FORMAT_XZ] = &bmr_codec_xz,
		[BMR_FORMAT_LZ4] = &bmr_codec_lz4,   [BMR_FORMAT_BZIP2] = &bmr_codec_bzip2,
	};

	if (format == BMR_FORMAT_GZIP && cpu_suits_isal())
		return &bmr_codec_gzip_isal;
	return codecs[format];
}
