/* SPDX-License-Identifier: GPL-3.0-or-later */
/* list.h - what there is to choose from: exports, shares, folders and files of a server, of a file
 * system on a local disk, of the medium.
 *
 * Backends: list_local.c (file:, disk:, cdrom:, and the file systems of this machine), list_nfs.c,
 * list_smb.c.  HTTP and FTP have no listing that a library reads.
 */
#ifndef BMR_TRANSPORT_LIST_H
#define BMR_TRANSPORT_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bmr_err;
struct bmr_source_options;

/* More than that is left out: nobody chooses from so many. */
#define BMR_LIST_MAX 4096

struct bmr_list_entry {
	char *name; /* as the server says it: any bytes; of an export its path, without the first
		       slash */
	bool folder;
	uint64_t size;    /* bytes; 0 of a folder */
	int64_t modified; /* seconds since 1970; 0 unknown */
};

struct bmr_list {
	struct bmr_list_entry *entries; /* folders first, then by name */
	size_t count;
	bool cut; /* there were more than BMR_LIST_MAX, or than fit into an answer */
};

/* List a folder; its URL ends with a slash, and may have the query that url.h allows.  "nfs://host/"
 * lists the exports (version 4: the root of the tree), "smb://host/" the shares.  Names that begin
 * with a dot are left out.  Waits no longer than a few times the options' time-out; any thread.
 * *list is to be cleared by bmr_list_clear.
 * Errors: BMR_E_USAGE (the URL; a scheme without listing), BMR_E_SOURCE, BMR_E_NET, BMR_E_NOMEM. */
int bmr_list_read(const char *url, const struct bmr_source_options *options, struct bmr_list *list,
                  struct bmr_err *e);
void bmr_list_clear(struct bmr_list *list);

/* The URL of `name` in a folder: escaped, before the folder's query.  *out is malloc'ed.
 * Errors: BMR_E_NOMEM. */
int bmr_list_join(const char *folder, const char *name, bool is_folder, char **out,
                  struct bmr_err *e);

/* The folder that holds the folder `url`, malloc'ed in *out; NULL if url is the top of its server or
 * file system.  Errors: BMR_E_NOMEM. */
int bmr_list_parent(const char *url, char **out, struct bmr_err *e);

/* A file system of this machine that images can be read from. */
struct bmr_volume {
	char url[160];   /* of its root: "disk:UUID=.../" */
	char device[64]; /* "/dev/sdb1" */
	char type[24];   /* "ext4" */
	char label[64];
	uint64_t size; /* bytes */
};

/* Find them, at most `most`.  Those without a UUID cannot be named and are left out.
 * Errors: BMR_E_SOURCE (no sysfs). */
int bmr_list_volumes(const struct bmr_source_options *options, struct bmr_volume *volumes,
                     size_t most, size_t *count, struct bmr_err *e);

#endif
