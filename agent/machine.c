/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/machine.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cmdline/net.h"

/* One line of a file, without blanks at its ends and without what is not printable; "" if there is
 * none. */
static void read_line(const char *path, char *text, size_t size)
{
	AUTO_FILE FILE *f = fopen(path, "re");
	size_t len;

	*text = '\0';
	if (!f || !fgets(text, (int)size, f)) {
		*text = '\0';
		return;
	}
	for (char *c = text; *c; c++)
		if (!isprint((unsigned char)*c))
			*c = ' ';
	len = strlen(text);
	while (len > 0 && text[len - 1] == ' ')
		text[--len] = '\0';
	memmove(text, text + strspn(text, " "), strlen(text + strspn(text, " ")) + 1);
}

/* What makers leave in SMBIOS where nobody filled it in. */
static void drop_placeholder(char *text)
{
	static const char *const placeholders[] = {
		"To Be Filled By O.E.M.",
		"Default string",
		"System Serial Number",
		"Not Specified",
		"None",
		"0",
		"0123456789",
		"00000000-0000-0000-0000-000000000000",
		"ffffffff-ffff-ffff-ffff-ffffffffffff",
	};

	for (size_t i = 0; i < sizeof placeholders / sizeof *placeholders; i++)
		if (strcasecmp(text, placeholders[i]) == 0)
			*text = '\0';
}

static void to_file_name(char *mac)
{
	for (; *mac; mac++)
		*mac = *mac == ':' ? '-' : (char)tolower((unsigned char)*mac);
}

/* Physical interfaces have a device behind them. */
static bool read_interface(const char *sysfs, const char *name, char *mac, size_t size, bool *link)
{
	char path[512];
	char carrier[8];

	snprintf(path, sizeof path, "%s/class/net/%s/device", sysfs, name);
	if (name[0] == '.' || access(path, F_OK) != 0)
		return false;
	snprintf(path, sizeof path, "%s/class/net/%s/carrier", sysfs, name);
	read_line(path, carrier, sizeof carrier);
	*link = carrier[0] == '1';
	snprintf(path, sizeof path, "%s/class/net/%s/address", sysfs, name);
	read_line(path, mac, size);
	to_file_name(mac);
	return *mac != '\0';
}

static void read_mac(const char *sysfs, char *mac, size_t size)
{
	char path[256];
	struct dirent **names;
	bool found_link = false;
	int count;

	snprintf(path, sizeof path, "%s/class/net", sysfs);
	count = scandir(path, &names, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		char found[18];
		bool link;

		if (read_interface(sysfs, names[i]->d_name, found, sizeof found, &link) &&
		    (*mac == '\0' || (link && !found_link))) {
			snprintf(mac, size, "%s", found);
			found_link = link;
		}
		free(names[i]);
	}
	if (count >= 0)
		free(names);
}

void bmr_machine_read(const char *sysfs, const struct bmr_net_mac *boot, struct bmr_machine *m)
{
	char path[256];

	sysfs = sysfs ? sysfs : "/sys";
	memset(m, 0, sizeof *m);
	snprintf(path, sizeof path, "%s/class/dmi/id/product_serial", sysfs);
	read_line(path, m->serial, sizeof m->serial);
	drop_placeholder(m->serial);
	snprintf(path, sizeof path, "%s/class/dmi/id/product_uuid", sysfs);
	read_line(path, m->uuid, sizeof m->uuid);
	drop_placeholder(m->uuid);
	for (char *c = m->uuid; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (boot && boot->given)
		snprintf(m->mac, sizeof m->mac, "%02x-%02x-%02x-%02x-%02x-%02x", boot->bytes[0],
		         boot->bytes[1], boot->bytes[2], boot->bytes[3], boot->bytes[4],
		         boot->bytes[5]);
	else
		read_mac(sysfs, m->mac, sizeof m->mac);
	if (gethostname(m->hostname, sizeof m->hostname - 1) < 0 ||
	    strcmp(m->hostname, "(none)") == 0)
		m->hostname[0] = '\0';
}

/* An EFI variable is four bytes of attributes and its value (Linux, efivarfs); SecureBoot has one byte
 * (UEFI specification 2.10, 3.3). */
static bool secure_boot_on(const char *sysfs)
{
	char path[256];
	AUTO_FILE FILE *f = NULL;
	unsigned char value[5];

	snprintf(path, sizeof path,
	         "%s/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", sysfs);
	f = fopen(path, "re");
	return f && fread(value, 1, sizeof value, f) == sizeof value && value[4] == 1;
}

const char *bmr_machine_firmware(const char *sysfs)
{
	char path[256];

	sysfs = sysfs ? sysfs : "/sys";
	snprintf(path, sizeof path, "%s/firmware/efi", sysfs);
	if (access(path, F_OK) != 0)
		return "BIOS";
	return secure_boot_on(sysfs) ? "UEFI, Secure Boot on" : "UEFI, Secure Boot off";
}

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

void bmr_machine_variables(const struct bmr_machine *m,
                           struct bmr_url_variable variables[BMR_MACHINE_VARIABLES])
{
	variables[0] = (struct bmr_url_variable){"mac", or_null(m->mac)};
	variables[1] = (struct bmr_url_variable){"serial", or_null(m->serial)};
	variables[2] = (struct bmr_url_variable){"uuid", or_null(m->uuid)};
	variables[3] = (struct bmr_url_variable){"hostname", or_null(m->hostname)};
}

const char *bmr_machine_name(const struct bmr_machine *m)
{
	return *m->uuid ? m->uuid : *m->mac ? m->mac : m->hostname;
}
