/* SPDX-License-Identifier: GPL-3.0-or-later */
/* jail.h - a process gives up all that it could do but compute. */
#ifndef BMR_UNPACKER_JAIL_H
#define BMR_UNPACKER_JAIL_H

#include <stddef.h>

struct bmr_err;

/* For good: `keep` and the one after it are the only descriptors that stay open, and no other can be
 * opened; memory of its own is limited to `memory` bytes; root becomes nobody, without capabilities; and
 * whatever is asked of the kernel but to read and write `keep`, private memory that holds no code, and
 * to end, kills it (seccomp(2)).  So does the end of the pipe that follows `keep`.
 *
 * Where the kernel has no seccomp, or root may be nobody else (in a container), the other one has to
 * do.  Errors: BMR_E_NOMEM: there is no pipe, a limit cannot be set, or neither of the two. */
int bmr_jail_enter(int keep, size_t memory, struct bmr_err *e);

#endif
