/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sign.h - `bmr sign`: the signature of an image, beside it. */
#ifndef BMR_AGENT_SIGN_H
#define BMR_AGENT_SIGN_H

struct bmr_err;
struct bmr_session;

/* Sign the image with the key of the options (--key, --password-file) and write the signature beside
 * it (sign/signed.h), in the place of an older one.
 * Errors: BMR_E_USAGE (options, key), those of opening and reading the image, and of a sink. */
int bmr_sign_image(struct bmr_session *session, const char *url, struct bmr_err *e);

#endif
