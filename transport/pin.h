/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pin.h - what the bytes of a source were when they were checked: the SHA-256 of each block.  A
 * server may send other bytes when it is asked again.  Private to transport/. */
#ifndef BMR_TRANSPORT_PIN_H
#define BMR_TRANSPORT_PIN_H

#include <stddef.h>
#include <stdint.h>

struct bmr_err;
struct bmr_pin;

#define BMR_PIN_BLOCK ((size_t)1 << 20)

/* Exactly len bytes at off, inside the size. */
typedef int bmr_pin_fetch(void *ctx, void *buf, size_t len, uint64_t off, struct bmr_err *e);

/* Fetch size bytes in order, show each block to see(), and keep its hash.  *out is set only if all of
 * that went well; freed by bmr_pin_free.  Errors: fetch's, see's, BMR_E_NOMEM. */
int bmr_pin_make(uint64_t size, bmr_pin_fetch *fetch, void *fetch_ctx,
                 int (*see)(void *ctx, const void *data, size_t len, struct bmr_err *e), void *ctx,
                 struct bmr_pin **out, struct bmr_err *e);
void bmr_pin_free(struct bmr_pin *p);

/* Fill buf with the len bytes at off, inside the size, whole blocks being fetched and compared.  Any
 * thread.  Errors: BMR_E_DATA: they are others now; fetch's; BMR_E_NOMEM. */
int bmr_pin_read(const struct bmr_pin *p, bmr_pin_fetch *fetch, void *fetch_ctx, void *buf,
                 size_t len, uint64_t off, struct bmr_err *e);

#endif
