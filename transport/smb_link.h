/* SPDX-License-Identifier: GPL-3.0-or-later */
/* smb_link.h - one worker process with one login at an SMB server; private to transport/. */
#ifndef BMR_TRANSPORT_SMB_LINK_H
#define BMR_TRANSPORT_SMB_LINK_H

#include "base/coprocess.h"
#include "transport/smb_wire.h"
#include "transport/source_ops.h"

/* One thread at a time.  After any error only to be closed. */
struct smb_link {
	const struct bmr_place *place;
	struct bmr_coprocess worker;
	char *memory; /* SMB_WIRE_BLOCK bytes shared with the worker */
	struct smb_wire_request request;
	struct smb_wire_reply reply;
};

/* Start a worker and give it the login.  Guests are let in only if the credentials say so or the
 * user is "guest".  *l must be zero, and be closed also after a failure.
 * Errors: BMR_E_USAGE (no user), BMR_E_NET (the host has no address), BMR_E_STOPPED, BMR_E_NOMEM. */
int bmr_smb_link_open(struct smb_link *l, const struct bmr_place *place, struct bmr_err *e);

/* Send l->request and wait for l->reply, at most limit_ms; a worker that does not answer is killed.
 * Errors: those of the reply, BMR_E_NET, BMR_E_STOPPED. */
int bmr_smb_link_call(struct smb_link *l, unsigned limit_ms, struct bmr_err *e);

/* Write the URL of path (decoded, with a leading slash) as libsmbclient wants it.
 * Errors: BMR_E_USAGE if it is too long. */
int bmr_smb_link_url(const struct smb_link *l, const char *path, char url[SMB_WIRE_URL],
                     struct bmr_err *e);

/* Kill the worker.  Never waits for the server. */
void bmr_smb_link_close(struct smb_link *l);

#endif
