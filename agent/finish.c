/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/finish.h"

#include <linux/reboot.h>
#include <sys/reboot.h>
#include <unistd.h>

const char *bmr_finish_text(enum bmr_finish what)
{
	static const char *const texts[] = {
		[BMR_FINISH_REBOOT] = "reboot", [BMR_FINISH_POWEROFF] = "power off",
		[BMR_FINISH_HALT] = "halt",     [BMR_FINISH_HOLD] = "wait for a person",
		[BMR_FINISH_KEXEC] = "kexec",
	};

	return texts[what];
}

_Noreturn void bmr_finish(enum bmr_finish what)
{
	static const int commands[] = {
		[BMR_FINISH_REBOOT] = LINUX_REBOOT_CMD_RESTART,
		[BMR_FINISH_POWEROFF] = LINUX_REBOOT_CMD_POWER_OFF,
		[BMR_FINISH_HALT] = LINUX_REBOOT_CMD_HALT,
	};

	/* The target was flushed and closed, other file systems are mounted read-only: there is
	 * nothing to unmount, and nothing that could hang. */
	if (what != BMR_FINISH_HOLD && what != BMR_FINISH_KEXEC)
		reboot(commands[what]);
	for (;;)
		pause();
}
