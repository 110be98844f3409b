/* SPDX-License-Identifier: GPL-3.0-or-later */
/* format - any bytes as the first of a file: a format, or a reason. */
#include <stdlib.h>

#include "base/err.h"
#include "imaging/codec/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum bmr_format format;
	struct bmr_err e = {0};

	if (bmr_format_detect(data, size, &format, &e) == 0)
		return bmr_format_name(format) ? 0 : -1;
	if (e.code != BMR_E_DATA || !*e.msg)
		abort();
	return 0;
}
