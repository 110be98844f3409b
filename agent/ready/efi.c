/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/ready/efi.h"

#include <blkid.h>
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/child.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"

#define PROGRAM "efibootmgr"
#define LIMIT_MS 30000
#define OUTPUT_MOST (256 * 1024)

/* --- is there anything to talk to --- */

static bool has_files(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	bool found = false;

	if (!dir)
		return false;
	while (!found && (entry = readdir(dir)) != NULL)
		found = entry->d_name[0] != '.';
	closedir(dir);
	return found;
}

const char *bmr_efi_missing(const char *sysfs, bool *bios)
{
	char path[256];

	sysfs = sysfs ? sysfs : "/sys";
	snprintf(path, sizeof path, "%s/firmware/efi", sysfs);
	*bios = access(path, F_OK) != 0;
	if (*bios)
		return "this machine was started by BIOS, which has no boot entries";
	snprintf(path, sizeof path, "%s/firmware/efi/efivars", sysfs);
	if (access(path, F_OK) != 0)
		return "the kernel cannot reach UEFI's variables (no efivars; efi=noruntime?)";
	return has_files(path) ? NULL : "efivarfs is not mounted";
}

/* --- what efibootmgr says --- */

static size_t parse_order(const char *text, unsigned *order)
{
	size_t count = 0;

	while (count < BMR_EFI_ENTRIES) {
		char *end;

		order[count] = (unsigned)strtoul(text, &end, 16);
		if (end == text)
			break;
		count++;
		if (*end != ',')
			break;
		text = end + 1;
	}
	return count;
}

/* "Boot0001* label<tab>path": four digits, and a star if it is active. */
static bool parse_entry(const char *line, struct bmr_efi_entry *entry)
{
	const char *label = line + strlen("Boot0001* ");
	const char *tab;
	char digits[5] = "";

	if (strncmp(line, "Boot", 4) != 0 || strlen(line) < strlen("Boot0001* "))
		return false;
	for (int i = 0; i < 4; i++) {
		if (!isxdigit((unsigned char)line[4 + i]))
			return false;
		digits[i] = line[4 + i];
	}
	if ((line[8] != '*' && line[8] != ' ') || line[9] != ' ')
		return false;
	tab = strchr(label, '\t');
	if (!tab)
		tab = label + strlen(label);
	entry->number = (unsigned)strtoul(digits, NULL, 16);
	entry->active = line[8] == '*';
	snprintf(entry->label, sizeof entry->label, "%.*s", (int)(tab - label), label);
	snprintf(entry->path, sizeof entry->path, "%s", *tab ? tab + 1 : "");
	return true;
}

static void parse_line(const char *line, struct bmr_efi_vars *vars)
{
	static const char order[] = "BootOrder: ";
	static const char next[] = "BootNext: ";

	if (strncmp(line, order, sizeof order - 1) == 0) {
		vars->order_count = parse_order(line + sizeof order - 1, vars->order);
	} else if (strncmp(line, next, sizeof next - 1) == 0) {
		vars->has_next = parse_order(line + sizeof next - 1, &vars->next) == 1;
	} else if (vars->count < BMR_EFI_ENTRIES &&
	           parse_entry(line, &vars->entries[vars->count])) {
		vars->count++;
	}
}

void bmr_efi_parse(const char *text, struct bmr_efi_vars *vars)
{
	memset(vars, 0, sizeof *vars);
	while (*text) {
		char line[1024];
		size_t len = strcspn(text, "\n");

		snprintf(line, sizeof line, "%.*s", (int)len, text);
		parse_line(line, vars);
		text += len + (text[len] == '\n');
	}
}

/* --- comparing --- */

/* The partition as device paths name it; an MBR's has no UUID but the disk's number and its own. */
static void partition_text(const struct bmr_efi_loader *loader, char *text, size_t len)
{
	if (loader->gpt)
		snprintf(text, len, "HD(%u,GPT,%s,", loader->partition, loader->uuid);
	else
		snprintf(text, len, "HD(%u,MBR,0x%lx,", loader->partition,
		         strtoul(loader->uuid, NULL, 16));
}

static bool on_partition(const struct bmr_efi_entry *entry, const struct bmr_efi_loader *loader)
{
	char text[80];

	partition_text(loader, text, sizeof text);
	return strcasestr(entry->path, text) != NULL;
}

/* Between "File(" or "/" and ")" or the end: newer efibootmgr writes it without "File". */
static bool starts(const struct bmr_efi_entry *entry, const struct bmr_efi_loader *loader)
{
	const char *at = strcasestr(entry->path, loader->path);
	char after;

	if (!at || at == entry->path || (at[-1] != '(' && at[-1] != '/'))
		return false;
	after = at[strlen(loader->path)];
	return !isalnum((unsigned char)after) && after != '\\' && after != '.';
}

const struct bmr_efi_entry *bmr_efi_find(const struct bmr_efi_vars *vars,
                                         const struct bmr_efi_loader *loader)
{
	for (size_t i = 0; i < vars->count; i++)
		if (on_partition(&vars->entries[i], loader) && starts(&vars->entries[i], loader))
			return &vars->entries[i];
	return NULL;
}

/* The partition's UUID in "HD(2,GPT,<uuid>,..."; false: it names none. */
static bool partition_uuid(const struct bmr_efi_entry *entry, char uuid[37])
{
	const char *at = strcasestr(entry->path, "GPT,");

	if (!at || strlen(at) < strlen("GPT,") + 36)
		return false;
	snprintf(uuid, 37, "%.36s", at + strlen("GPT,"));
	return true;
}

static bool is_on_no_disk(const char *uuid)
{
	char *device = blkid_evaluate_tag("PARTUUID", uuid, NULL);
	bool none = device == NULL;

	free(device);
	return none;
}

/* Of the loader's label, but for something that is not there any more. */
static bool is_stale(const struct bmr_efi_entry *entry, const struct bmr_efi_loader *loader)
{
	char uuid[37];

	if (strcmp(entry->label, loader->label) != 0)
		return false;
	if (on_partition(entry, loader))
		return !starts(entry, loader);
	return partition_uuid(entry, uuid) && is_on_no_disk(uuid);
}

/* --- the order --- */

static bool is_among(unsigned number, const unsigned *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (numbers[i] == number)
			return true;
	return false;
}

/* By the path, or, where a maker hides it, by the label. */
static bool is_network(const struct bmr_efi_vars *vars, unsigned number)
{
	static const char *const paths[] = {"/MAC(", "IPv4(", "IPv6(", "Uri(", "BBS(Network"};
	static const char *const labels[] = {"PXE", "Network", "HTTP Boot", "PCI LAN"};

	for (size_t i = 0; i < vars->count; i++) {
		const struct bmr_efi_entry *entry = &vars->entries[i];

		if (entry->number != number)
			continue;
		for (size_t k = 0; k < sizeof paths / sizeof *paths; k++)
			if (strcasestr(entry->path, paths[k]))
				return true;
		for (size_t k = 0; k < sizeof labels / sizeof *labels; k++)
			if (strcasestr(entry->label, labels[k]))
				return true;
	}
	return false;
}

static size_t place_of(const struct bmr_efi_vars *vars, unsigned number, const unsigned *stale,
                       size_t count)
{
	size_t at = 0;

	for (size_t i = 0; i < vars->order_count; i++)
		if (vars->order[i] == number || is_among(vars->order[i], stale, count))
			return i;
	while (at < vars->order_count && is_network(vars, vars->order[at]))
		at++;
	return at;
}

size_t bmr_efi_order(const struct bmr_efi_vars *vars, unsigned number, const unsigned *stale,
                     size_t count, unsigned *order)
{
	size_t place = place_of(vars, number, stale, count);
	size_t total = 0;

	for (size_t i = 0; i <= vars->order_count && total < BMR_EFI_ENTRIES; i++) {
		if (i == place)
			order[total++] = number;
		if (i < vars->order_count && total < BMR_EFI_ENTRIES && vars->order[i] != number &&
		    !is_among(vars->order[i], stale, count))
			order[total++] = vars->order[i];
	}
	return total;
}

/* --- talking to the firmware --- */

static int run(const char *const *args, char **output, struct bmr_err *e)
{
	struct bmr_child_order order = {
		.args = args, .limit_ms = LIMIT_MS, .output_most = OUTPUT_MOST};
	struct bmr_child_result result;
	int rc = bmr_child_run(&order, &result, e);

	if (rc < 0 && strstr(result.errors, "No space left"))
		bmr_err_set(e, BMR_E_TARGET, 0,
		            "the firmware's memory for variables is full: remove boot entries that "
		            "nobody needs (efibootmgr -b NUMBER -B, or the firmware's set-up)");
	if (rc == 0 && output)
		*output = take_ptr(&result.output);
	bmr_child_clear(&result);
	return rc;
}

int bmr_efi_read(struct bmr_efi_vars **out, struct bmr_err *e)
{
	static const char *const args[] = {PROGRAM, "-v", NULL};
	AUTO_FREE struct bmr_efi_vars *vars = malloc(sizeof *vars);
	AUTO_FREE char *output = NULL;

	if (!vars)
		return bmr_err_nomem(e, "the firmware's boot entries");
	if (run(args, &output, e) < 0)
		return bmr_err_while(e, "asking the firmware for its boot entries");
	bmr_efi_parse(output, vars);
	*out = take_ptr(&vars);
	return 0;
}

static int create(const struct bmr_efi_loader *loader, const char *disk, struct bmr_err *e)
{
	char partition[16];
	const char *const args[] = {PROGRAM,   "-q", "--create-only", "-d", disk,         "-p",
	                            partition, "-L", loader->label,   "-l", loader->path, NULL};

	snprintf(partition, sizeof partition, "%u", loader->partition);
	if (run(args, NULL, e) < 0)
		return bmr_err_while(e, "making the boot entry '%s'", loader->label);
	return 0;
}

/* One option of an entry: -B removes it, -a makes it active. */
static int change(unsigned number, const char *option, struct bmr_err *e)
{
	char text[16];
	const char *const args[] = {PROGRAM, "-q", "-b", text, option, NULL};

	snprintf(text, sizeof text, "%04X", number);
	if (run(args, NULL, e) < 0)
		return bmr_err_while(e, "changing the boot entry %s", text);
	return 0;
}

static char *order_text(const unsigned *order, size_t count, char *text, size_t len)
{
	struct bmr_text t = bmr_text_in(text, len);

	for (size_t i = 0; i < count; i++)
		bmr_text_add(&t, "%s%04X", i ? "," : "", order[i]);
	return text;
}

static int set_order(const unsigned *order, size_t count, struct bmr_err *e)
{
	char text[BMR_EFI_ENTRIES * 5 + 8];
	const char *const args[] = {PROGRAM, "-q", "-o",
	                            order_text(order, count, text, sizeof text), NULL};

	if (run(args, NULL, e) < 0)
		return bmr_err_while(e, "setting the boot order");
	return 0;
}

/* --- making an entry right --- */

struct repair {
	const struct bmr_efi_loader *loader;
	struct bmr_efi_vars *vars; /* before, then as read back */
	unsigned stale[BMR_EFI_ENTRIES];
	size_t stale_count;
	unsigned order[BMR_EFI_ENTRIES]; /* as it is to be */
	size_t order_count;
	unsigned number;
	bool made;
};

static int read_again(struct repair *r, struct bmr_err *e)
{
	free(r->vars);
	r->vars = NULL;
	return bmr_efi_read(&r->vars, e);
}

/* Before the new one is made: they take room in a memory that may be full. */
static int remove_stale(struct repair *r, struct bmr_err *e)
{
	for (size_t i = 0; i < r->vars->count; i++)
		if (is_stale(&r->vars->entries[i], r->loader))
			r->stale[r->stale_count++] = r->vars->entries[i].number;
	for (size_t i = 0; i < r->stale_count; i++)
		if (change(r->stale[i], "-B", e) < 0)
			return -1;
	return 0;
}

static const struct bmr_efi_entry *find_made(const struct repair *r, struct bmr_err *e)
{
	const struct bmr_efi_entry *entry = bmr_efi_find(r->vars, r->loader);

	if (!entry)
		bmr_err_set(e, BMR_E_TARGET, 0,
		            "the firmware did not keep the boot entry '%s': it is not there when "
		            "read back",
		            r->loader->label);
	return entry;
}

/* The order is made from what it was before anything was removed. */
static int make(struct repair *r, const char *disk, struct bmr_err *e)
{
	AUTO_FREE struct bmr_efi_vars *before = malloc(sizeof *before);
	const struct bmr_efi_entry *entry;

	if (!before)
		return bmr_err_nomem(e, "the firmware's boot entries");
	*before = *r->vars;
	if (remove_stale(r, e) < 0)
		return -1;
	if (!bmr_efi_find(r->vars, r->loader)) {
		if (create(r->loader, disk, e) < 0 || read_again(r, e) < 0)
			return -1;
		r->made = true;
	}
	entry = find_made(r, e);
	if (!entry)
		return -1;
	r->number = entry->number;
	if (!entry->active && change(r->number, "-a", e) < 0)
		return -1;
	r->order_count = bmr_efi_order(before, r->number, r->stale, r->stale_count, r->order);
	return set_order(r->order, r->order_count, e);
}

static int read_back(struct repair *r, struct bmr_err *e)
{
	const struct bmr_efi_entry *entry;
	char text[256];

	if (read_again(r, e) < 0)
		return -1;
	entry = find_made(r, e);
	if (!entry)
		return -1;
	if (!entry->active)
		return bmr_err_set(e, BMR_E_TARGET, 0,
		                   "the firmware keeps the boot entry %04X inactive", r->number);
	if (r->vars->order_count != r->order_count ||
	    memcmp(r->vars->order, r->order, r->order_count * sizeof *r->order) != 0)
		return bmr_err_set(
			e, BMR_E_TARGET, 0, "the firmware did not keep the boot order: it is %s",
			order_text(r->vars->order, r->vars->order_count, text, sizeof text));
	return 0;
}

static void describe(const struct repair *r, char *text, size_t len)
{
	char stale[48] = "";
	char place[96] = "first in the boot order";
	size_t at = 0;

	while (at < r->order_count && r->order[at] != r->number)
		at++;
	if (at > 0)
		snprintf(place, sizeof place, "behind %zu other%s in the boot order, which stay%s",
		         at, at == 1 ? "" : "s", at == 1 ? "s" : "");
	if (r->stale_count)
		snprintf(stale, sizeof stale, "; %zu old one%s removed", r->stale_count,
		         r->stale_count == 1 ? "" : "s");
	snprintf(text, len, "Boot%04X '%s' %s: %s on %s; %s%s", r->number, r->loader->label,
	         r->made ? "made" : "repaired", r->loader->path, r->loader->device, place, stale);
}

static bool has_stale(const struct bmr_efi_vars *vars, const struct bmr_efi_loader *loader)
{
	for (size_t i = 0; i < vars->count; i++)
		if (is_stale(&vars->entries[i], loader))
			return true;
	return false;
}

int bmr_efi_make_entry(const struct bmr_efi_loader *loader, const char *disk, char *text,
                       size_t len, struct bmr_err *e)
{
	AUTO_FREE struct repair *r = calloc(1, sizeof *r);
	const struct bmr_efi_entry *entry;
	int rc;

	if (!r)
		return bmr_err_nomem(e, "the firmware's boot entries");
	r->loader = loader;
	if (bmr_efi_read(&r->vars, e) < 0)
		return -1;
	entry = bmr_efi_find(r->vars, loader);
	if (entry && entry->active && !has_stale(r->vars, loader) &&
	    is_among(entry->number, r->vars->order, r->vars->order_count)) {
		snprintf(text, len, "Boot%04X '%s' is right already: %s on %s", entry->number,
		         entry->label, loader->path, loader->device);
		rc = 0;
	} else {
		rc = make(r, disk, e) < 0 ? -1 : read_back(r, e);
		if (rc == 0)
			describe(r, text, len);
	}
	free(r->vars);
	return rc;
}

int bmr_efi_set_next(const struct bmr_efi_loader *loader, char *text, size_t len, struct bmr_err *e)
{
	AUTO_FREE struct bmr_efi_vars *vars = NULL;
	AUTO_FREE struct bmr_efi_vars *after = NULL;
	const struct bmr_efi_entry *entry;
	char number[16];
	const char *const args[] = {PROGRAM, "-q", "-n", number, NULL};

	if (bmr_efi_read(&vars, e) < 0)
		return -1;
	entry = bmr_efi_find(vars, loader);
	if (!entry)
		return bmr_err_set(e, BMR_E_TARGET, 0,
		                   "the firmware has no boot entry for %s on %s "
		                   "(bmr.bootentry=yes makes one)",
		                   loader->path, loader->device);
	snprintf(number, sizeof number, "%04X", entry->number);
	if (run(args, NULL, e) < 0 || bmr_efi_read(&after, e) < 0)
		return bmr_err_while(e, "setting BootNext to %s", number);
	if (!after->has_next || after->next != entry->number)
		return bmr_err_set(
			e, BMR_E_TARGET, 0,
			"the firmware did not keep BootNext: it is not %s when read back", number);
	snprintf(text, len, "BootNext is Boot%s '%s', for one start", number, entry->label);
	return 0;
}
