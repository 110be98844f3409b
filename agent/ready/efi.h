/* SPDX-License-Identifier: GPL-3.0-or-later */
/* efi.h - boot entries of UEFI firmware, by way of efibootmgr: what there is, and one for a disk.
 *
 * A boot loader's path is written as firmware wants it, with single backslashes: an entry with
 * doubled ones is skipped.
 */
#ifndef BMR_AGENT_READY_EFI_H
#define BMR_AGENT_READY_EFI_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct bmr_err;

#define BMR_EFI_ENTRIES 256 /* further ones are not looked at */

struct bmr_efi_entry {
	unsigned number; /* 1 for Boot0001 */
	bool active;
	char label[96];
	char path[512]; /* device path as efibootmgr -v shows it */
};

struct bmr_efi_vars {
	struct bmr_efi_entry entries[BMR_EFI_ENTRIES];
	size_t count;
	unsigned order[BMR_EFI_ENTRIES];
	size_t order_count;
	unsigned next; /* BootNext, if has_next */
	bool has_next;
};

/* UEFI specification 2.10, 3.5.1.1: how this machine's boot loaders are named, and the one that firmware
 * starts without an entry. */
#ifdef __aarch64__
#define BMR_EFI_ARCH "aa64"
#define BMR_EFI_FALLBACK "BOOTAA64.EFI"
#else
#define BMR_EFI_ARCH "x64"
#define BMR_EFI_FALLBACK "BOOTX64.EFI"
#endif

/* What is to be started, and where it lies. */
struct bmr_efi_loader {
	unsigned partition; /* its number in the table */
	bool gpt;           /* else MBR */
	char uuid[40];      /* of the partition as libblkid writes it; MBR: "626d7210-01" */
	char device[64];    /* of the partition: "/dev/vda2" */
	char path[160];     /* "\EFI\debian\shimx64.efi" */
	char label[64];     /* "debian", as its own tools call the entry; "bmr" for the fallback */
	bool has_fallback;  /* EFI/BOOT/BOOTX64.EFI is there, which firmware starts without entry */
};

/* NULL: there are variables of UEFI.  Else why not, a static text; *bios then tells whether the
 * machine was started by BIOS.  sysfs: NULL for "/sys". */
const char *bmr_efi_missing(const char *sysfs, bool *bios);

/* Read what `efibootmgr -v` prints.  Lines that say nothing of interest are skipped.  Pure. */
void bmr_efi_parse(const char *text, struct bmr_efi_vars *vars);

/* The entry that starts this loader, or NULL.  Pure. */
const struct bmr_efi_entry *bmr_efi_find(const struct bmr_efi_vars *vars,
                                         const struct bmr_efi_loader *loader);

/* The boot order with an entry in it: it stays where it is, or takes the place of the first of
 * `stale` (count numbers), or else goes before the first one that is no network boot.  A data centre's rule to ask the network
 * first stays in force.  The stale ones are left out.  Pure.
 * order must have room for BMR_EFI_ENTRIES; returns how many there are. */
size_t bmr_efi_order(const struct bmr_efi_vars *vars, unsigned number, const unsigned *stale,
                     size_t count, unsigned *order);

/* Ask the firmware.  *out is to be freed by free().
 * Errors: BMR_E_SOURCE (efibootmgr failed), BMR_E_NET (took too long), BMR_E_NOMEM. */
int bmr_efi_read(struct bmr_efi_vars **out, struct bmr_err *e);

/* Make the entry of a loader on `disk` ("/dev/vda") right: made if there is none, made active if it
 * is not, put into the boot order; entries of its label for this partition or for one that no disk
 * has are removed.  An entry that is right is left alone, and nothing is written.  What was set is
 * read back.  text (of size len) gets what was done.
 * Errors: as bmr_efi_read; BMR_E_TARGET (firmware did not keep it, or has no room). */
int bmr_efi_make_entry(const struct bmr_efi_loader *loader, const char *disk, char *text,
                       size_t len, struct bmr_err *e);

/* The machine starts this entry next, once.  Read back.  The same errors. */
int bmr_efi_set_next(const struct bmr_efi_loader *loader, char *text, size_t len,
                     struct bmr_err *e);

/* --- the loader on a disk; efi_esp.c --- */

/* Choose among what lies below the root of an EFI system partition: shim, else GRUB, else
 * systemd-boot or Windows', of the first vendor by name that has one; else the fallback.  Fills
 * path, label and has_fallback.  false: nothing there to start. */
bool bmr_efi_choose(const char *root, struct bmr_efi_loader *loader);

/* Find the EFI system partition of a disk and the loader on it; it is mounted read-only meanwhile
 * and nothing of it is executed.  dev: the disk's number.
 * Errors: BMR_E_TARGET (none there, or it cannot be read). */
int bmr_efi_find_loader(const char *disk, dev_t dev, struct bmr_efi_loader *loader,
                        struct bmr_err *e);

#endif
