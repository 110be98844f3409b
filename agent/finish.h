/* SPDX-License-Identifier: GPL-3.0-or-later */
/* finish.h - the end of a live session: reboot, power off, halt, or hold. */
#ifndef BMR_AGENT_FINISH_H
#define BMR_AGENT_FINISH_H

#include "cmdline/params.h"

/* End the live session.  Does not return; where the kernel refuses, it holds.
 * Must not be called outside the live system. */
_Noreturn void bmr_finish(enum bmr_finish what);

/* "reboot", "power off", ... */
const char *bmr_finish_text(enum bmr_finish what);

#endif
