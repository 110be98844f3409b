/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/console.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/serial.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"

#define SERIAL_PORTS 8

/* Only drivers of serial ports answer this. */
static bool is_serial(int fd)
{
	struct serial_struct port;

	return ioctl(fd, TIOCGSERIAL, &port) == 0;
}

enum bmr_screen_kind bmr_console_kind(int fd)
{
	return isatty(fd) && !is_serial(fd) ? BMR_SCREEN_REDRAW : BMR_SCREEN_LINES;
}

static void add(struct bmr_consoles *c, const char *name, char opened[][32])
{
	char path[64];

	for (unsigned i = 0; i < c->count; i++)
		if (strcmp(opened[i], name) == 0)
			return;
	if (c->count == BMR_CONSOLES_MAX)
		return;
	snprintf(path, sizeof path, "/dev/%s", name);
	c->fds[c->count] = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (c->fds[c->count] < 0)
		return;
	snprintf(opened[c->count], 32, "%s", name);
	c->count++;
}

static void read_text(const char *path, char *text, int size)
{
	AUTO_FILE FILE *f = fopen(path, "re");

	if (!f || !fgets(text, size, f))
		*text = '\0';
}

/* serial_core(4): type 0 is a port without a UART. */
static bool has_uart(const char *sysfs, const char *name)
{
	char path[128];
	char type[16];

	snprintf(path, sizeof path, "%s/class/tty/%s/type", sysfs, name);
	read_text(path, type, sizeof type);
	return type[0] != '\0' && type[0] != '0' && type[0] != '\n';
}

static void add_kernel_consoles(const char *sysfs, struct bmr_consoles *c, char opened[][32])
{
	char path[128];
	char active[256];
	char *rest = NULL;

	snprintf(path, sizeof path, "%s/class/tty/console/active", sysfs);
	read_text(path, active, sizeof active);
	for (char *name = strtok_r(active, " \n", &rest); name; name = strtok_r(NULL, " \n", &rest))
		if (strcmp(name, "tty0") != 0) /* the VGA console at hand: tty1 is it */
			add(c, name, opened);
}

void bmr_consoles_open(const char *sysfs, struct bmr_consoles *c)
{
	char opened[BMR_CONSOLES_MAX][32];

	sysfs = sysfs ? sysfs : "/sys";
	memset(c, 0, sizeof *c);
	add(c, "tty1", opened);
	c->first_is_vga = c->count > 0;
	add_kernel_consoles(sysfs, c, opened);
	for (int i = 0; i < SERIAL_PORTS; i++) {
		char name[16];

		snprintf(name, sizeof name, "ttyS%d", i);
		if (has_uart(sysfs, name))
			add(c, name, opened);
	}
}

void bmr_consoles_close(struct bmr_consoles *c)
{
	for (unsigned i = 0; i < c->count; i++)
		close(c->fds[i]);
	c->count = 0;
}

void bmr_consoles_show(const struct bmr_consoles *c, struct bmr_screen *screen, bool panel)
{
	for (unsigned i = 0; i < c->count; i++) {
		bool vga = i == 0 && c->first_is_vga;

		bmr_screen_add(screen, c->fds[i],
		               !vga    ? BMR_SCREEN_LINES
		               : panel ? BMR_SCREEN_PANEL
		                       : BMR_SCREEN_REDRAW);
	}
}

/* Take what was typed; the driver hands out whole lines, and none blocks. */
static bool take_line(int fd)
{
	char rest[256];
	ssize_t n = read(fd, rest, sizeof rest);

	return n > 0;
}

int bmr_consoles_wait(const struct bmr_consoles *c)
{
	struct pollfd polls[BMR_CONSOLES_MAX];
	bool alive = c->count > 0;

	for (unsigned i = 0; i < c->count; i++)
		polls[i] = (struct pollfd){.fd = c->fds[i], .events = POLLIN};
	while (alive) {
		if (poll(polls, c->count, -1) < 0 && errno != EINTR)
			return -1;
		alive = false;
		for (unsigned i = 0; i < c->count; i++) {
			if ((polls[i].revents & POLLIN) && take_line(polls[i].fd))
				return (int)i;
			if (polls[i].revents & (POLLHUP | POLLERR | POLLNVAL))
				polls[i].fd = -1; /* unplugged: the others go on */
			alive |= polls[i].fd >= 0;
		}
	}
	return -1;
}

int bmr_consoles_take(const struct bmr_consoles *c, int which)
{
	bool vga = which == 0 && c->first_is_vga;
	char path[64];
	int fd;

	if (ttyname_r(c->fds[which], path, sizeof path) != 0)
		return -1;
	/* A port without a carrier would hold an open that may block. */
	fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fcntl(fd, F_SETFL, 0) < 0 || dup2(fd, STDIN_FILENO) < 0 ||
	    dup2(fd, STDOUT_FILENO) < 0) {
		close(fd);
		return -1;
	}
	close(fd);
	return setenv("TERM", vga ? "linux" : "vt100", 1);
}
