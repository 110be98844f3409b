/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The program in the box is a part of this one: there is no file to be found, and none of another
 * version.  This whole program once more would take 40 ms and 20 MB for each start, for its libraries. */
#include <stdint.h>

#include "base/coprocess.h"
#include "imaging/codec/box.h"

__asm__(".pushsection .rodata\n"
        ".balign 16\n"
        "bmr_box_program_data:\n"
        ".incbin \"bmr-unpack\"\n"
        "bmr_box_program_end:\n"
        ".balign 8\n"
        "bmr_box_program_size:\n"
        ".quad bmr_box_program_end - bmr_box_program_data\n"
        ".popsection\n");

extern const char bmr_box_program_data[];
extern const uint64_t bmr_box_program_size;

void bmr_box_program(struct bmr_coprocess_order *order)
{
	order->program = bmr_box_program_data;
	order->program_size = bmr_box_program_size;
}
