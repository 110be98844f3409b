/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sidecar.h - the manifest of an image that carries none, or none that can be reached, in a file
 * beside it: IMAGE.manifest. */
#ifndef BMR_IMAGING_BMR_SIDECAR_H
#define BMR_IMAGING_BMR_SIDECAR_H

struct bmr_err;
struct bmr_image;
struct bmr_source;
struct bmr_source_options;

/* For a gzip or raw image, and for a bmr image whose source cannot jump: look for the sidecar and,
 * if it is there and fits, set image->manifest and the sizes that it tells.  That there is none is
 * usual: it is asked for once, not waited for, and nothing is said.  One that does not fit is said in
 * options->log and left aside: the image is then what it is without.
 * Errors: BMR_E_NOMEM, BMR_E_STOPPED. */
int bmr_sidecar_find(struct bmr_source *source, const struct bmr_source_options *options,
                     struct bmr_image *image, struct bmr_err *e);

#endif
