/* SPDX-License-Identifier: GPL-3.0-or-later */
/* machine.h - what this machine is called: for ${mac} ${serial} ${uuid} ${hostname} in URLs and for
 * the "host" of events. */
#ifndef BMR_AGENT_MACHINE_H
#define BMR_AGENT_MACHINE_H

#include "transport/url.h"

#define BMR_MACHINE_VARIABLES 4

struct bmr_net_mac;

struct bmr_machine {
	char mac[18];    /* of the interface that booted, else of the first one with a link, else of
			     the first: "52-54-00-12-34-56", fit for file names */
	char serial[64]; /* SMBIOS system serial number */
	char uuid[40];   /* SMBIOS system UUID, lower case */
	char hostname[65]; /* "" while it is the kernel's "(none)" */
};

/* Read them; what is not to be had stays "".  boot: the MAC of BOOTIF=, or NULL. */
void bmr_machine_read(const char *sysfs, const struct bmr_net_mac *boot, struct bmr_machine *m);

/* "BIOS", "UEFI, Secure Boot on" or "UEFI, Secure Boot off"; a static text. */
const char *bmr_machine_firmware(const char *sysfs);

/* The variables for bmr_url_expand; they point into m. */
void bmr_machine_variables(const struct bmr_machine *m,
                           struct bmr_url_variable variables[BMR_MACHINE_VARIABLES]);

/* What tells it from others best: UUID, MAC or host name. */
const char *bmr_machine_name(const struct bmr_machine *m);

#endif
