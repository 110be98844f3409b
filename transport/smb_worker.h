/* SPDX-License-Identifier: GPL-3.0-or-later */
/* smb_worker.h - the process in which libsmbclient runs.
 *
 * libsmbclient works in one thread only and can hang.  So smb.c starts this program again, as
 * "PROGRAM smb-worker", once for each connection; kills it when it is stuck; and exchanges bytes
 * with it through shared memory.
 */
#ifndef BMR_TRANSPORT_SMB_WORKER_H
#define BMR_TRANSPORT_SMB_WORKER_H

#define BMR_SMB_WORKER_ARGUMENT "smb-worker"

/* What main() must return if argv[1] is BMR_SMB_WORKER_ARGUMENT.  Works on descriptors 3 and 4 (see
 * smb_wire.h) until 3 is closed; ends at once, with 64, if they are not there. */
int bmr_smb_worker_main(int argc, char **argv);

#endif
