/* SPDX-License-Identifier: GPL-3.0-or-later */
/* params.h - the orders: one struct, filled from a kernel command line, a fetched file or options.
 *
 * Pure: no file, no network, no clock.  The table is params.def; network parameters are in net.h.
 *
 *	struct bmr_params p;
 *	bmr_params_init(&p);
 *	if (bmr_params_parse_line(&p, line, &e) < 0) ...
 *	bmr_params_clear(&p);
 */
#ifndef BMR_CMDLINE_PARAMS_H
#define BMR_CMDLINE_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cmdline/net.h"

struct bmr_err;

/* Lines and files beyond this are refused: no medium and no server has reason to send them. */
#define BMR_PARAMS_TEXT_MAX 65536

/* Notices beyond this many are dropped. */
#define BMR_PARAMS_NOTICES 64

/* The kernel of x86 cuts its command line here (COMMAND_LINE_SIZE, with the final NUL). */
#define BMR_CMDLINE_LIMIT 2048

enum bmr_action {
	BMR_ACTION_NONE, /* nothing was said: see bmr_params_action */
	BMR_ACTION_RESTORE,
	BMR_ACTION_CAPTURE,
	BMR_ACTION_VERIFY,
	BMR_ACTION_MENU,
	BMR_ACTION_PLAN,
	BMR_ACTION_SHELL,
};

enum bmr_finish {
	BMR_FINISH_REBOOT,
	BMR_FINISH_POWEROFF,
	BMR_FINISH_HALT,
	BMR_FINISH_HOLD,
	BMR_FINISH_KEXEC,
};

enum bmr_compare {
	BMR_COMPARE_AUTO, /* hash, if a bmr image finds pieces of itself on the disk */
	BMR_COMPARE_NONE,
	BMR_COMPARE_HASH
};
enum bmr_verify_mode {
	BMR_VERIFY_DEFAULT, /* full for a restore, none for a capture */
	BMR_VERIFY_FULL,
	BMR_VERIFY_NONE
};
enum bmr_unused_mode {
	BMR_UNUSED_DISCARD,
	BMR_UNUSED_ZERO
};
enum bmr_level { /* each does what the ones before it do, too */
	BMR_LEVEL_SIZES,
	BMR_LEVEL_MANIFEST,
	BMR_LEVEL_FULL
};
enum bmr_blocks {
	BMR_BLOCKS_USED,
	BMR_BLOCKS_ALL
};
enum bmr_duplicates {
	BMR_DUPLICATES_REFUSE,
	BMR_DUPLICATES_ALLOW
};
enum bmr_grow {
	BMR_GROW_NO,
	BMR_GROW_TABLE,
	BMR_GROW_LAST
};
enum bmr_identity {
	BMR_IDENTITY_KEEP,
	BMR_IDENTITY_NEW
};
enum bmr_bootnext {
	BMR_BOOTNEXT_NO,
	BMR_BOOTNEXT_DISK, /* EFI where there is one, else IPMI */
	BMR_BOOTNEXT_EFI,
	BMR_BOOTNEXT_IPMI
};
enum bmr_switch {
	BMR_SWITCH_NO,
	BMR_SWITCH_YES,
	BMR_SWITCH_AUTO
};

#define BMR_MEMBER_TEXT(field) char *field;
#define BMR_MEMBER_SECRET(field) char *field;
#define BMR_MEMBER_DIGEST(field) char *field;
#define BMR_MEMBER_COUNT(field) unsigned field;
#define BMR_MEMBER_SECONDS(field) unsigned field;
#define BMR_MEMBER_RATE(field) uint64_t field;
#define BMR_MEMBER_CHOICE(field) int field; /* an enum above: action, finish, onfail, ... */

struct bmr_params {
#define BMR_PARAM(field, kind, def, scope, argument, help) BMR_MEMBER_##kind(field)
#include "cmdline/params.def"
#undef BMR_PARAM
	struct bmr_net_params net;
	bool restore_only; /* PING's Restore_Only: capture is forbidden */
	char **notices;    /* what a person should know: ignored PING names, a line that may be
				cut, a password in the open; never a secret */
	size_t notice_count;
};

/* Set every member to its default. */
void bmr_params_init(struct bmr_params *p);

/* Free the texts; secrets are overwritten first. */
void bmr_params_clear(struct bmr_params *p);

/* Read a kernel command line into p; the last of equal names wins; what is neither bmr's, a network
 * parameter nor an alias is the kernel's and ignored.  After a failure p is to be cleared.
 * Errors: BMR_E_USAGE names the parameter, the value and what is allowed; BMR_E_NOMEM. */
int bmr_params_parse_line(struct bmr_params *p, const char *line, struct bmr_err *e);

/* Read a fetched file (bmr.config): one parameter a line, # comments, name=value, the names of a
 * command line with or without "bmr."; a value reaches to the end of its line and needs no quotes.
 * config= inside it and names that are not known are refused.  For the command line to win, it is
 * read again after the file.  The same errors, with the line's number. */
int bmr_params_parse_file(struct bmr_params *p, const char *text, size_t len, struct bmr_err *e);

/* Set one bmr parameter by its name without "bmr.", as an option does. */
int bmr_params_set(struct bmr_params *p, const char *name, const char *value, struct bmr_err *e);

/* The action in force: the one said, else restore if there is an image, else menu. */
enum bmr_action bmr_params_action(const struct bmr_params *p);

/* The table, for option parsing, help and bmr.7. */
struct bmr_param_info {
	const char *name; /* "image" */
	const char *kind; /* "TEXT" ... */
	const char *def;
	const char *scope;
	const char *argument;
	const char *help;
	const char *choices; /* "restore|capture|..." or NULL */
};
const struct bmr_param_info *bmr_params_table(size_t *count);

/* Call line() with "name=value" of each parameter that differs from its default, network included,
 * in the table's order; secrets, also those in URLs, as "***".  For plans and logs; parse_line reads
 * the text again, up to BMR_PARAMS_TEXT_MAX. */
void bmr_params_each(const struct bmr_params *p, void (*line)(void *ctx, const char *text),
                     void *ctx);

#endif
