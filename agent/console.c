/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/screen.h"
#include "base/cleanup.h"

#define SERIAL_PORTS 8

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

/* The driver keeps what did not fit: it must not become the answer to the next question. */
static void drop_rest_of_line(int fd)
{
	char rest[64];
	ssize_t n;

	do
		n = read(fd, rest, sizeof rest);
	while (n > 0 && rest[n - 1] != '\n');
}

/* Take a line from a console that has one; the driver hands out whole lines, and none blocks. */
static bool take_line(int fd, char *line, size_t size)
{
	ssize_t n = read(fd, line, size - 1);

	if (n <= 0)
		return false;
	if ((size_t)n == size - 1 && line[n - 1] != '\n')
		drop_rest_of_line(fd);
	line[n] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	return true;
}

bool bmr_consoles_read_line(const struct bmr_consoles *c, char *line, size_t size)
{
	struct pollfd polls[BMR_CONSOLES_MAX];

	for (unsigned i = 0; i < c->count; i++)
		polls[i] = (struct pollfd){.fd = c->fds[i], .events = POLLIN};
	while (c->count > 0) {
		bool alive = false;

		if (poll(polls, c->count, -1) < 0 && errno != EINTR)
			return false;
		for (unsigned i = 0; i < c->count; i++) {
			if ((polls[i].revents & POLLIN) && take_line(polls[i].fd, line, size))
				return true;
			if (polls[i].revents & (POLLHUP | POLLERR | POLLNVAL))
				polls[i].fd = -1; /* unplugged: the others go on */
			alive |= polls[i].fd >= 0;
		}
		if (!alive)
			return false;
	}
	return false;
}
