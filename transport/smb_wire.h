/* SPDX-License-Identifier: GPL-3.0-or-later */
/* smb_wire.h - what smb_link.c and smb_worker.c say to each other; private to transport/.
 *
 * Both are the same program.  The worker is a coprocess (base/coprocess.h): on its socket one request,
 * one reply; SMB_WIRE_BLOCK bytes of memory.
 */
#ifndef BMR_TRANSPORT_SMB_WIRE_H
#define BMR_TRANSPORT_SMB_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/coprocess.h"
#include "base/err.h"

#define SMB_WIRE_SOCKET BMR_COPROCESS_SOCKET
#define SMB_WIRE_MEMORY BMR_COPROCESS_MEMORY
#define SMB_WIRE_BLOCK (1024 * 1024)
/* Three characters may stand for each of a URL's path; see URL_MAX in url.c. */
#define SMB_WIRE_URL (4 * 8192)
#define SMB_WIRE_NAME 512

enum smb_wire_op {
	SMB_WIRE_CONNECT, /* login; the first request */
	SMB_WIRE_OPEN,    /* url: for reading */
	SMB_WIRE_READ,    /* off, len */
	SMB_WIRE_CREATE,  /* url: a new file for writing, which replaces an old one */
	SMB_WIRE_WRITE,   /* off, len */
	SMB_WIRE_CLOSE,   /* the file */
	SMB_WIRE_EXISTS,  /* url; succeeds if there is something of that name */
	SMB_WIRE_RENAME,  /* url to other */
	SMB_WIRE_UNLINK,  /* url */
	SMB_WIRE_LIST,    /* url: shares of a server, or a folder */
};

struct smb_wire_login {
	char user[SMB_WIRE_NAME];
	char password[SMB_WIRE_NAME];
	char domain[SMB_WIRE_NAME];
	bool guest; /* neither signing nor encryption can be asked for */
	unsigned timeout_ms;
};

struct smb_wire_request {
	enum smb_wire_op op;
	uint32_t len;
	uint64_t off;
	union {
		struct smb_wire_login login;
		struct {
			char url[SMB_WIRE_URL]; /* for libsmbclient */
			char other[SMB_WIRE_URL];
		};
	};
};

/* A request that names nothing is sent without its names. */
#define SMB_WIRE_BARE offsetof(struct smb_wire_request, login)

struct smb_wire_reply {
	enum bmr_errc code; /* BMR_E_NONE: it went well */
	int sys;
	bool absent;   /* the error is that there is no such file */
	bool cut;      /* LIST: not all of it found room */
	char why[128]; /* if code is set */
	uint32_t len;  /* READ, LIST: bytes in the memory */
	uint32_t mode; /* OPEN: as stat(2) has them, and so on */
	uint64_t size;
	uint64_t inode;
	int64_t seconds;
	int64_t nanoseconds;
};

/* LIST leaves these in the memory, each followed by its name and a NUL. */
struct smb_wire_entry {
	uint64_t size;
	int64_t seconds; /* since 1970; 0 unknown */
	bool folder;
};

#endif
