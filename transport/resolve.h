/* SPDX-License-Identifier: GPL-3.0-or-later */
/* resolve.h - the address of a host, in bounded time; private to transport/.
 *
 * getaddrinfo(3) waits as long as resolv.conf says, and cannot be interrupted.
 */
#ifndef BMR_TRANSPORT_RESOLVE_H
#define BMR_TRANSPORT_RESOLVE_H

#include <netdb.h>
#include <stdint.h>

struct bmr_err;

/* Write the first address of host, as digits, to address[NI_MAXHOST].  Waits until `deadline`
 * (bmr_clock_ms) or until stop_fd is readable.  A look-up that is given up ends by itself later.
 * Errors: BMR_E_NET, BMR_E_STOPPED, BMR_E_NOMEM. */
int bmr_resolve(const char *host, uint64_t deadline, int stop_fd, char address[NI_MAXHOST],
                struct bmr_err *e);

#endif
