/* SPDX-License-Identifier: GPL-3.0-or-later */
/* console.h - the consoles of the live system: tty1 and every serial port that exists.
 *
 * /dev/console is only the last one named to the kernel, and nothing at all if that port does not
 * exist; so each is opened by itself.  What is shown is screen.h's; the menu (menu.h) is shown on the
 * one where a person asks for it.
 */
#ifndef BMR_AGENT_CONSOLE_H
#define BMR_AGENT_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/screen.h"

#define BMR_CONSOLES_MAX 12

struct bmr_consoles {
	int fds[BMR_CONSOLES_MAX];
	unsigned count;
	bool first_is_vga; /* fds[0] is tty1 */
};

/* How a program's own output is written: over and over on a terminal, but line by line where that is
 * a serial line (slow, and often recorded) or no terminal at all. */
enum bmr_screen_kind bmr_console_kind(int fd);

/* Open those named in sysfs (NULL: "/sys"): tty1, every console of the kernel, and every ttyS with a
 * UART behind it.  One that cannot be opened is left out. */
void bmr_consoles_open(const char *sysfs, struct bmr_consoles *c);
void bmr_consoles_close(struct bmr_consoles *c);

/* Show the screen on all of them; tty1 as a panel, or, if panel is false, as scrolling text. */
void bmr_consoles_show(const struct bmr_consoles *c, struct bmr_screen *screen, bool panel);

/* Wait until Enter is pressed at one of them; returns its index, -1: there is none to read from. */
int bmr_consoles_wait(const struct bmr_consoles *c);

/* Make one of them standard input and output, blocking, and TERM what it is: linux for the VGA
 * console, vt100 for the others.  -1: it cannot be opened again. */
int bmr_consoles_take(const struct bmr_consoles *c, int which);

#endif
