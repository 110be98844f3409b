/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ipmi.h - the BMC of this machine, asked by the kernel's driver to start it from its disk.
 *
 * These are two commands of IPMI 2.0 (section 28.12, 28.13).  ipmitool, which sends them too, would
 * add 1.4 MB of libraries to the live system.
 */
#ifndef BMR_AGENT_READY_IPMI_H
#define BMR_AGENT_READY_IPMI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bmr_err;

#define BMR_IPMI_DEVICE "/dev/ipmi0"
#define BMR_IPMI_ANSWER 64 /* bytes of an answer that are looked at */

/* One command to the BMC and its answer, whose first byte is the completion code; *answer_len is its
 * size, then what it holds.  Errors: BMR_E_TARGET. */
typedef int bmr_ipmi_call(void *ctx, uint8_t netfn, uint8_t command, const uint8_t *data,
                          size_t len, uint8_t *answer, size_t *answer_len, struct bmr_err *e);

/* "Next start from the disk, once", and read back whether the BMC knows.  efi: as UEFI does.
 * *valid: whether the BMC also marks it as valid, which not every one does.
 * Errors: BMR_E_TARGET, naming what the BMC answered. */
int bmr_ipmi_set_boot_disk(bmr_ipmi_call *call, void *ctx, bool efi, bool *valid,
                           struct bmr_err *e);

/* The same with the machine's own BMC; each answer is waited for 10 s at most.
 * Errors: BMR_E_TARGET (no BMC, no answer, or as above). */
int bmr_ipmi_boot_disk(bool efi, bool *valid, struct bmr_err *e);

#endif
