/* SPDX-License-Identifier: GPL-3.0-or-later */
/* link.c - what /sys/class/net and /proc/net know of interfaces. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/network/internal.h"
#include "base/cleanup.h"

#define ARPHRD_ETHERNET "1" /* <linux/if_arp.h> */

/* Bits of <linux/if_addr.h> in if_inet6's flags. */
#define DAD_FAILED 0x08
#define TENTATIVE 0x40

static void link_path(const struct bmr_network_env *env, const char *name, const char *file,
                      char path[BMR_NET_PATH])
{
	snprintf(path, BMR_NET_PATH, "%s/class/net/%s%s%s", env->sysfs, name, *file ? "/" : "",
	         file);
}

/* The file's first line; "" if it cannot be read. */
static void read_file(const struct bmr_network_env *env, const char *name, const char *file,
                      char *text, size_t size)
{
	char path[BMR_NET_PATH];
	AUTO_FD int fd = -1;
	ssize_t len;

	link_path(env, name, file, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, text, size - 1);
	text[len < 0 ? 0 : len] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

static bool has_file(const struct bmr_network_env *env, const char *name, const char *file)
{
	char path[BMR_NET_PATH];

	link_path(env, name, file, path);
	return access(path, F_OK) == 0;
}

bool bmr_link_exists(const struct bmr_network_env *env, const char *name)
{
	return has_file(env, name, "");
}

bool bmr_link_carrier(const struct bmr_network_env *env, const char *name)
{
	char text[8];

	read_file(env, name, "carrier", text, sizeof text);
	return strcmp(text, "1") == 0;
}

void bmr_link_mac(const struct bmr_network_env *env, const char *name,
                  char mac[BMR_NET_MAC_TEXT_SIZE])
{
	read_file(env, name, "address", mac, BMR_NET_MAC_TEXT_SIZE);
}

void bmr_link_driver(const struct bmr_network_env *env, const char *name, char *driver, size_t size)
{
	char path[BMR_NET_PATH];
	char target[BMR_NET_PATH];
	ssize_t len;

	link_path(env, name, "device/driver", path);
	len = readlink(path, target, sizeof target - 1);
	target[len < 0 ? 0 : len] = '\0';
	snprintf(driver, size, "%s", strrchr(target, '/') ? strrchr(target, '/') + 1 : target);
}

/* Does the kernel give it a kind (vlan, bridge, bond, wlan ...)?  Plain Ethernet has none. */
static bool has_kind(const struct bmr_network_env *env, const char *name)
{
	char path[BMR_NET_PATH];
	char line[128];
	AUTO_FILE FILE *f = NULL;

	link_path(env, name, "uevent", path);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, "DEVTYPE=", 8) == 0)
			return true;
	return false;
}

static bool is_candidate(const struct bmr_network_env *env, const char *name)
{
	char type[8];

	read_file(env, name, "type", type, sizeof type);
	return strcmp(type, ARPHRD_ETHERNET) == 0 && !has_kind(env, name) &&
	       !has_file(env, name, "master") && !has_file(env, name, "bonding") &&
	       !has_file(env, name, "bridge");
}

static int by_name(const void *a, const void *b)
{
	return strverscmp(a, b);
}

size_t bmr_link_candidates(const struct bmr_network_env *env, char (*names)[BMR_NET_NAME_SIZE],
                           size_t most)
{
	char path[BMR_NET_PATH];
	size_t count = 0;
	size_t hardware = 0;
	size_t kept = 0;
	DIR *dir;

	link_path(env, "", "", path);
	dir = opendir(path);
	if (!dir)
		return 0;
	for (const struct dirent *d; count < most && (d = readdir(dir)) != NULL;) {
		if (d->d_name[0] == '.' || strlen(d->d_name) >= BMR_NET_NAME_SIZE ||
		    !is_candidate(env, d->d_name))
			continue;
		memcpy(names[count], d->d_name, strlen(d->d_name) + 1);
		hardware += has_file(env, names[count], "device");
		count++;
	}
	closedir(dir);
	for (size_t i = 0; i < count; i++)
		if (hardware == 0 || has_file(env, names[i], "device"))
			memmove(names[kept++], names[i], BMR_NET_NAME_SIZE);
	qsort(names, kept, BMR_NET_NAME_SIZE, by_name);
	return kept;
}

bool bmr_link_by_mac(const struct bmr_network_env *env, const struct bmr_net_mac *mac,
                     char name[BMR_NET_NAME_SIZE])
{
	char names[BMR_NET_JOBS][BMR_NET_NAME_SIZE];
	size_t count = bmr_link_candidates(env, names, BMR_NET_JOBS);
	char wanted[BMR_NET_MAC_TEXT_SIZE];

	bmr_net_mac_text(mac, wanted);
	for (size_t i = 0; i < count; i++) {
		char found[BMR_NET_MAC_TEXT_SIZE];

		bmr_link_mac(env, names[i], found);
		if (strcasecmp(found, wanted) == 0) {
			memcpy(name, names[i], BMR_NET_NAME_SIZE);
			return true;
		}
	}
	return false;
}

bool bmr_link_write(const struct bmr_network_env *env, const char *name, const char *path,
                    const char *text, char reason[BMR_NET_REASON])
{
	char full[BMR_NET_PATH];
	AUTO_FD int fd = -1;

	link_path(env, name, path, full);
	fd = open(full, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text))
		return true;
	snprintf(reason, BMR_NET_REASON, "cannot write '%.40s' to '%.60s': %s", text, path,
	         strerror(errno));
	return false;
}

/* 32 hexadecimal digits, as if_inet6 has them, to text. */
static bool address_text(const char *digits, char text[BMR_NET_ADDRESS_SIZE])
{
	struct in6_addr address;

	for (size_t i = 0; i < sizeof address.s6_addr; i++) {
		unsigned byte;

		if (sscanf(digits + 2 * i, "%2x", &byte) != 1)
			return false;
		address.s6_addr[i] = (uint8_t)byte;
	}
	return inet_ntop(AF_INET6, &address, text, BMR_NET_ADDRESS_SIZE) != NULL;
}

static enum bmr_v6_state flags_state(unsigned flags)
{
	if (flags & DAD_FAILED)
		return BMR_V6_DUPLICATE;
	return flags & TENTATIVE ? BMR_V6_TENTATIVE : BMR_V6_READY;
}

enum bmr_v6_state bmr_link_v6(const struct bmr_network_env *env, const char *name,
                              const char *wanted, unsigned scope,
                              char found[BMR_NET_ADDRESS_SIZE + 4])
{
	char path[BMR_NET_PATH];
	char line[256];
	enum bmr_v6_state best = BMR_V6_NONE;
	AUTO_FILE FILE *f = NULL;

	snprintf(path, sizeof path, "%s/net/if_inet6", env->proc);
	f = fopen(path, "re");
	while (f && best != BMR_V6_READY && fgets(line, sizeof line, f)) {
		char digits[33];
		char interface[64];
		char text[BMR_NET_ADDRESS_SIZE];
		unsigned prefix;
		unsigned its_scope;
		unsigned flags;

		if (sscanf(line, "%32s %*x %x %x %x %63s", digits, &prefix, &its_scope, &flags,
		           interface) != 5 ||
		    strcmp(interface, name) != 0 || !address_text(digits, text))
			continue;
		if (wanted ? strcmp(wanted, text) != 0 : its_scope != scope)
			continue;
		best = flags_state(flags);
		snprintf(found, BMR_NET_ADDRESS_SIZE + 4, "%.45s/%u", text, prefix & 255);
	}
	return best;
}
