/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/phase.h"

const char *bmr_phase_name(enum bmr_phase phase)
{
	static const char *const names[] = {
		[BMR_PHASE_PREPARE] = "prepare",
		[BMR_PHASE_MEASURE] = "measure",
		[BMR_PHASE_COMPARE] = "compare",
		[BMR_PHASE_WRITE] = "write",
		[BMR_PHASE_READBACK] = "read-back",
		[BMR_PHASE_REPAIR] = "repair",
		[BMR_PHASE_BOOTABLE] = "bootable",
		[BMR_PHASE_DONE] = "done",
		[BMR_PHASE_MAP] = "map",
		[BMR_PHASE_CAPTURE] = "capture",
	};

	return names[phase];
}
