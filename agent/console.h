/* SPDX-License-Identifier: GPL-3.0-or-later */
/* console.h - the consoles of the live system: tty1 and every serial port that exists.
 *
 * /dev/console is only the last one named to the kernel, and nothing at all if that port does not
 * exist; so each is opened by itself.  What is shown is screen.h's; this is also where a person's
 * answers come from.
 */
#ifndef BMR_AGENT_CONSOLE_H
#define BMR_AGENT_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

struct bmr_screen;

#define BMR_CONSOLES_MAX 12

struct bmr_consoles {
	int fds[BMR_CONSOLES_MAX];
	unsigned count;
	bool first_is_vga; /* fds[0] is tty1 */
};

/* Open those named in sysfs (NULL: "/sys"): tty1, every console of the kernel, and every ttyS with a
 * UART behind it.  One that cannot be opened is left out. */
void bmr_consoles_open(const char *sysfs, struct bmr_consoles *c);
void bmr_consoles_close(struct bmr_consoles *c);

/* Show the screen on all of them; tty1 as a panel, or, if panel is false, as scrolling text. */
void bmr_consoles_show(const struct bmr_consoles *c, struct bmr_screen *screen, bool panel);

/* Wait for one line from any of them, without its end; longer ones are cut.  Typed characters are
 * shown by the terminal driver.  false: there is no console to read from. */
bool bmr_consoles_read_line(const struct bmr_consoles *c, char *line, size_t size);

#endif
