/* SPDX-License-Identifier: GPL-3.0-or-later */
/* source.h - a place that image bytes come from.
 *
 * Backends: local.c (path, file:), medium.c (disk:, cdrom:), http.c (http:, https:, ftp:),
 * nfs.c (nfs:), smb.c (smb:).  retry.c wraps each of them, so that a caller sees one source that
 * reconnects, resumes at the same offset, checks that the image is still the same, obeys the rate
 * limit and gives up in time.
 *
 * Sizes and offsets are bytes, uint64_t.  A source is read-only.
 */
#ifndef BMR_TRANSPORT_SOURCE_H
#define BMR_TRANSPORT_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bmr_err;
struct bmr_log;
struct bmr_source;

#define BMR_SOURCE_SIZE_UNKNOWN UINT64_MAX
#define BMR_SOURCE_NO_RETRIES UINT32_MAX

/* Who we are to a server; every text may be NULL.  They must outlive the source. */
struct bmr_credentials {
	const char *user;
	const char *password;
	const char *domain; /* SMB */
	bool guest;         /* SMB: a guest session is accepted */
};

/* The same for every backend.  Zero means the default.  Must outlive the source. */
struct bmr_source_options {
	struct bmr_log *log; /* retries and warnings are said here; may be NULL */
	struct bmr_credentials credentials;
	unsigned timeout_ms; /* give up after so long without a byte; default 50,000 */
	unsigned retries;    /* and after so many further tries in a row; default 100; not even one:
			     BMR_SOURCE_NO_RETRIES; disk: and cdrom: wait for timeout_ms anyway */
	uint64_t rate;       /* at most so many bytes a second; 0: no limit */
	const char *ca_file; /* PEM file of the only CAs trusted for https */
	const char *netrc_file; /* for http and ftp, see curl(1) */
	const char *proxy;      /* for http and https: URL with a port; "none"; NULL: environment */
	const char *medium_id_file; /* cdrom: names the medium; default /etc/bmr/medium-id */
	const char *sysfs;          /* default "/sys" */
	int stop_fd; /* once it is readable, opening and reading end with BMR_E_STOPPED; 0: none */
};

/* Make o those of a look at a file that need not be there: nothing is said, it is tried once more at
 * most (not at all if o says so), and given up after timeout_ms or what o says, if that is less. */
void bmr_source_options_look(struct bmr_source_options *o, unsigned timeout_ms);

/* Open url: a path or a URL (transport/url.h).  Connects, learns size and identity, and retries
 * inside the limits above.  *out belongs to the caller.
 * Errors: BMR_E_USAGE (url), BMR_E_SOURCE (no such file, access denied, not a regular file),
 * BMR_E_NET (no answer in time), BMR_E_STOPPED (options' stop_fd), BMR_E_NOMEM. */
int bmr_source_open(const char *url, const struct bmr_source_options *options,
                    struct bmr_source **out, struct bmr_err *e);

/* Open the first of `urls` (comma separated mirrors) that can be opened; each that cannot is said
 * in the log, the error is the last one's. */
int bmr_source_open_any(const char *urls, const struct bmr_source_options *options,
                        struct bmr_source **out, struct bmr_err *e);

/* Would bmr_source_open_any refuse each of urls without asking anybody, for its form or for the
 * proxy's?  Errors: BMR_E_USAGE, as it would say it; BMR_E_NOMEM. */
int bmr_source_check_urls(const char *urls, const struct bmr_source_options *options,
                          struct bmr_err *e);

/* Open the file `name` in the same folder as s, as who opened s unless the options say who; s must
 * outlive it.  Errors: BMR_E_DATA (no name of a file: a slash, ".."), else as bmr_source_open. */
int bmr_source_open_beside(const struct bmr_source *s, const char *name,
                           const struct bmr_source_options *options, struct bmr_source **out,
                           struct bmr_err *e);

/* Open the file with s's name and suffix behind it, as above. */
int bmr_source_open_suffix(const struct bmr_source *s, const char *suffix,
                           const struct bmr_source_options *options, struct bmr_source **out,
                           struct bmr_err *e);

/* Fill buf with the len bytes at off.  *got is less than len only where the source ends, which is
 * at its size if that is known.  Any thread; several calls may run side by side.
 * Errors: BMR_E_NET (gave up, or another call did for which this one waited: then with its words),
 * BMR_E_SOURCE (now refused), BMR_E_DATA (the image changed or shrank
 * on the server, or off is past its end), BMR_E_STOPPED (bmr_source_stop, or the options' stop_fd),
 * BMR_E_NOMEM. */
int bmr_source_read(struct bmr_source *s, void *buf, size_t len, uint64_t off, size_t *got,
                    struct bmr_err *e);

/* Is it still the same image, by name?  While a file is open its replacement cannot be seen, so a
 * restore asks once more at its end.  Errors: BMR_E_DATA (changed), and those of opening. */
int bmr_source_check_unchanged(struct bmr_source *s, struct bmr_err *e);

/* Read all of it once, in order, for see() to look at, and remember the SHA-256 of each MiB: from
 * then on every read gives those bytes or fails with BMR_E_DATA, whatever the server sends.  Takes 32
 * bytes of memory a MiB.  Not while other reads are under way, and once at most.
 * Errors: BMR_E_REFUSED (its size is unknown, or reads cannot jump), see's, those of reading. */
int bmr_source_pin(struct bmr_source *s,
                   int (*see)(void *ctx, const void *data, size_t len, struct bmr_err *e),
                   void *ctx, struct bmr_err *e);

/* Make every read that is under way or comes later end soon with BMR_E_STOPPED.  Any thread. */
void bmr_source_stop(struct bmr_source *s);

/* Size in bytes, or BMR_SOURCE_SIZE_UNKNOWN (a server that sends without a length). */
uint64_t bmr_source_size(const struct bmr_source *s);

/* May reads jump?  If not, each read must begin where the one before ended, or at 0. */
bool bmr_source_seekable(const struct bmr_source *s);

/* How to read it fast: bytes a request, requests in flight. */
size_t bmr_source_block(const struct bmr_source *s);
unsigned bmr_source_depth(const struct bmr_source *s);

/* What tells this content from another (ETag, size + mtime + inode ...), for people and logs. */
const char *bmr_source_identity(const struct bmr_source *s);

/* The URL without its secrets. */
const char *bmr_source_name(const struct bmr_source *s);

/* The block device that holds it (st_rdev of the device itself, or of the one mounted), 0 if none:
 * that disk is never a target. */
dev_t bmr_source_device(const struct bmr_source *s);

/* Free it and end its connections; takes at most a few seconds whatever the server does.  NULL is
 * allowed.  No read may be under way. */
void bmr_source_close(struct bmr_source *s);

#endif
