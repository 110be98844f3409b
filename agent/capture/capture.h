/* SPDX-License-Identifier: GPL-3.0-or-later */
/* capture.h - `bmr capture` and the agent's action=capture: a disk to an image, with a screen. */
#ifndef BMR_AGENT_CAPTURE_CAPTURE_H
#define BMR_AGENT_CAPTURE_CAPTURE_H

struct bmr_err;
struct bmr_session;

/* Capture the disk or file at path `disk` to url, as the session's parameters order (compress, base,
 * blocks, live, replace, sidecar, rate, verify); with --plan only say so.  Says "captured" itself.
 * Returns 0, or the exit code 74: the image is there, and the sectors that could not be read are
 * listed in it; else -1, and there is no image.
 * Errors: BMR_E_REFUSED (written to while it is read; the image would lie on the disk itself),
 * BMR_E_USAGE, BMR_E_TARGET, those of sink.h and of opening the base. */
int bmr_capture_disk(struct bmr_session *session, const char *disk, const char *url,
                     struct bmr_err *e);

#endif
