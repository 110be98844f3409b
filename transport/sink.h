/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sink.h - a place that the bytes of a captured image go to.
 *
 * Backends: sink_local.c (path, file:), sink_curl.c (http:, https:, ftp:), sink_nfs.c (nfs:, version
 * 3), sink_smb.c (smb:).
 *
 * Until bmr_sink_commit the file has another name, NAME.bmr-part, or (http) does not exist: who sees
 * NAME sees all of it.  Nothing is tried again: a connection that breaks while bytes are under way
 * leaves unknown what the server kept, so the capture fails and starts anew.
 *
 * Two at a time to one name: in a local file the second one is refused while the first one writes
 * (flock(2)), where the file system has locks; on a server nothing keeps them apart.
 */
#ifndef BMR_TRANSPORT_SINK_H
#define BMR_TRANSPORT_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/source.h"

struct bmr_sink;

/* Create the file.  options: as for sources; netrc, proxy, CA, credentials, time-out and stop_fd
 * count.  replace: a file of that name may be there; else that is an error.  *out belongs to the
 * caller.
 * Errors: BMR_E_USAGE (a URL that cannot be written to), BMR_E_SOURCE (the server or the file system
 * says no), BMR_E_REFUSED (another bmr writes this file now), BMR_E_NET, BMR_E_STOPPED, BMR_E_NOMEM. */
int bmr_sink_open(const char *url, const struct bmr_source_options *options, bool replace,
                  struct bmr_sink **out, struct bmr_err *e);

/* Would bmr_sink_open refuse the URL without asking anybody, for its form or for the proxy's?
 * Errors: BMR_E_USAGE, BMR_E_NOMEM. */
int bmr_sink_check_url(const char *url, const struct bmr_source_options *options,
                       struct bmr_err *e);

/* The same, and of a file of this machine, whether the name is free and its folder can be written
 * to; nothing is made.  Errors: also BMR_E_SOURCE. */
int bmr_sink_check(const char *url, const struct bmr_source_options *options, bool replace,
                   struct bmr_err *e);

/* Add len bytes at the end.  One thread at a time.  Errors: BMR_E_SOURCE, BMR_E_NET, BMR_E_STOPPED;
 * after one every further call fails. */
int bmr_sink_write(struct bmr_sink *s, const void *data, size_t len, struct bmr_err *e);

/* All is written: make it last, check its length, give it its name.  SMB has no flush that
 * libsmbclient could ask for, HTTP and FTP know none: there the server's word is taken.
 * The same errors. */
int bmr_sink_commit(struct bmr_sink *s, struct bmr_err *e);

/* As for sources. */
const char *bmr_sink_name(const struct bmr_sink *s);

/* Free it; without a commit, remove what was written.  Takes at most a few seconds.  NULL is
 * allowed. */
void bmr_sink_close(struct bmr_sink *s);

#endif
