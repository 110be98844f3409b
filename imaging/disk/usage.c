/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who uses a disk or a part of it.  What the kernel tells in sysfs and /proc says it with names;
 * an exclusive open catches what these do not show (another mount namespace, a second device of a
 * file system, a program). */
#include "imaging/disk/internal.h"

#include "base/cleanup.h"
#include "imaging/disk/disk.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#define NODE_MAX 257 /* the disk and as many partitions as the kernel has minors for */

struct node { /* the disk itself or a partition */
	char name[40];
	dev_t dev;
};

struct usage {
	const struct bmr_disk_env *env;
	const char *dir;
	struct bmr_disk *disk;
	struct node nodes[NODE_MAX];
	size_t count;
};

static void add_use(struct bmr_disk *disk, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* One use after another while they fit; each only once. */
static void add_use(struct bmr_disk *disk, const char *fmt, ...)
{
	size_t used = strlen(disk->used_by);
	char use[sizeof disk->used_by];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(use, sizeof use, fmt, ap);
	va_end(ap);
	if (strstr(disk->used_by, use))
		return;
	if (used + 2 + strlen(use) >= sizeof disk->used_by && used > 0)
		return;
	snprintf(disk->used_by + used, sizeof disk->used_by - used, "%s%s", used > 0 ? ", " : "",
	         use);
}

static void add_node(struct usage *u, const char *name, const char *dir)
{
	struct node *node = &u->nodes[u->count];

	if (u->count == NODE_MAX || strlen(name) >= sizeof node->name)
		return;
	strcpy(node->name, name);
	node->dev = bmr_disk_attr_dev(dir);
	u->count++;
}

static void find_nodes(struct usage *u)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir = opendir(u->dir);

	add_node(u, u->disk->name, u->dir);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && bmr_disk_attr_path(path, u->dir, entry->d_name) &&
		    bmr_disk_attr_exists(path, "partition"))
			add_node(u, entry->d_name, path);
	closedir(dir);
}

static void add_holder(struct usage *u, const char *node, const char *holders, const char *name)
{
	char path[PATH_MAX];
	char mapped[64];

	if (bmr_disk_attr_path(path, holders, name) &&
	    bmr_disk_attr_text(path, "dm/name", mapped, sizeof mapped))
		add_use(u->disk, "%s held by %s (%s)", node, mapped, name);
	else
		add_use(u->disk, "%s held by %s", node, name);
}

static void find_holders(struct usage *u, const struct node *node)
{
	bool whole = node == u->nodes;
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;
	int len;

	len = snprintf(path, sizeof path, "%s%s%s/holders", u->dir, whole ? "" : "/",
	               whole ? "" : node->name);
	if (len < 0 || len >= (int)sizeof path)
		return;
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			add_holder(u, node->name, path, entry->d_name);
	closedir(dir);
}

/* "\040" stands for a blank in the tables of /proc. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; to++) {
		unsigned value;

		if (*from == '\\' && sscanf(from + 1, "%3o", &value) == 1 && strlen(from) >= 4) {
			*to = (char)value;
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* The node that a path below /dev means, also through links such as /dev/disk/by-uuid/...;
 * NULL if it is none of this disk's. */
static const struct node *node_of_path(const struct usage *u, char *text)
{
	char path[PATH_MAX];
	const char *name;

	unescape(text);
	if (strncmp(text, "/dev/", 5) != 0)
		return NULL;
	if (!bmr_disk_attr_path(path, u->env->dev, text + 5))
		return NULL;
	AUTO_FREE char *real = realpath(path, NULL);
	name = strrchr(real ? real : text, '/') + 1;
	for (size_t i = 0; i < u->count; i++)
		if (strcmp(u->nodes[i].name, name) == 0)
			return &u->nodes[i];
	return NULL;
}

static const struct node *node_of_dev(const struct usage *u, dev_t dev)
{
	for (size_t i = 0; i < u->count; i++)
		if (dev != 0 && u->nodes[i].dev == dev)
			return &u->nodes[i];
	return NULL;
}

/* proc_pid_mountinfo(5).  A btrfs shows a device number of its own, so that its source counts. */
static void read_mount(struct usage *u, char *line)
{
	const struct node *node;
	unsigned major_number;
	unsigned minor_number;
	int target_start = 0;
	int source_start = 0;
	char *target;
	char *source;
	char shown[64];

	if (sscanf(line, "%*d %*d %u:%u %*s %n", &major_number, &minor_number, &target_start) < 2 ||
	    target_start == 0)
		return;
	source = strstr(line + target_start, " - ");
	if (!source || (sscanf(source, " - %*s %n", &source_start), source_start == 0))
		return;
	source += source_start;
	source[strcspn(source, " \n")] = '\0';
	target = line + target_start;
	target[strcspn(target, " ")] = '\0';
	node = node_of_dev(u, makedev(major_number, minor_number));
	if (!node)
		node = node_of_path(u, source);
	if (!node)
		return;
	unescape(target);
	bmr_disk_attr_clean(shown, sizeof shown, target, strlen(target));
	add_use(u->disk, "%s mounted on %s", node->name, shown);
}

static void read_swap(struct usage *u, char *line)
{
	const struct node *node;

	line[strcspn(line, " \t\n")] = '\0';
	node = node_of_path(u, line);
	if (node)
		add_use(u->disk, "%s used as swap", node->name);
}

static void each_line(struct usage *u, const char *name,
                      void (*read_line)(struct usage *u, char *line))
{
	char path[PATH_MAX];
	AUTO_FREE char *line = NULL;
	size_t size = 0;

	if (!bmr_disk_attr_path(path, u->env->proc, name))
		return;
	AUTO_FILE FILE *f = fopen(path, "re");
	if (!f)
		return;
	while (getline(&line, &size, f) > 0)
		read_line(u, line);
}

/* Every device of a mounted btrfs is listed there; /proc names only one of them. */
static void find_btrfs(struct usage *u)
{
	char root[PATH_MAX];
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	if (!bmr_disk_attr_path(root, u->env->sysfs, "fs/btrfs") || !(dir = opendir(root)))
		return;
	while ((entry = readdir(dir)))
		for (size_t i = 0; entry->d_name[0] != '.' && i < u->count; i++) {
			int len = snprintf(path, sizeof path, "%s/%s/devices/%s", root,
			                   entry->d_name, u->nodes[i].name);

			if (len > 0 && len < (int)sizeof path && access(path, F_OK) == 0)
				add_use(u->disk, "%s part of a mounted btrfs", u->nodes[i].name);
		}
	closedir(dir);
}

/* The kernel refuses a second exclusive open of a disk, and of one whose partition has such.  Another
 * bmr that looks at the disks in this very moment is gone a moment later. */
static void try_exclusive(struct bmr_disk *disk)
{
	const struct timespec moment = {.tv_nsec = 50 * 1000 * 1000};

	for (int left = 3; left > 0; left--) {
		AUTO_FD int fd = open(disk->path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);

		if (fd >= 0 || errno != EBUSY)
			return;
		nanosleep(&moment, NULL);
	}
	add_use(disk, "%s opened exclusively by the kernel or a program", disk->name);
}

void bmr_disk_usage(const struct bmr_disk_env *env, const char *dir, struct bmr_disk *disk)
{
	struct usage u = {.env = env, .dir = dir, .disk = disk};

	find_nodes(&u);
	each_line(&u, "self/mountinfo", read_mount);
	each_line(&u, "swaps", read_swap);
	for (size_t i = 0; i < u.count; i++)
		find_holders(&u, &u.nodes[i]);
	find_btrfs(&u);
	if (disk->used_by[0] == '\0' && disk->size > 0 && disk->kind != BMR_DISK_OPTICAL &&
	    disk->kind != BMR_DISK_OTHER)
		try_exclusive(disk);
}
