/* SPDX-License-Identifier: GPL-3.0-or-later */
/* coprocess.h - a process of ours that works for us: a socket and memory that both have mapped.
 *
 * It begins with nothing of ours but descriptor 3, a SOCK_SEQPACKET socket, 4, a pipe in which nothing
 * ever is, and 5, the memory; 0 to 2 are /dev/null; its environment is a PATH; its process group is its
 * own: ^C and the signals of a terminal are for us to handle.  When we are gone socket and pipe are at
 * their end; by the pipe one that does not look at its socket can have itself be killed (F_SETOWN in
 * fcntl(2); PR_SET_PDEATHSIG looks at the thread that started it, not at us).  One thread at a time.
 */
#ifndef BMR_BASE_COPROCESS_H
#define BMR_BASE_COPROCESS_H

#include <stddef.h>
#include <sys/types.h>

struct bmr_err;

#define BMR_COPROCESS_SOCKET 3
#define BMR_COPROCESS_LIFE 4
#define BMR_COPROCESS_MEMORY 5

struct bmr_coprocess_order {
	const char *task;     /* for errors: "smb" */
	const char *argument; /* the only one; may be NULL */
	const void *program;  /* an executable in memory; NULL: the one that runs */
	size_t program_size;
	size_t memory_size;
};

struct bmr_coprocess {
	pid_t pid;  /* 0: none */
	int socket; /* -1: none, nor the pipe */
	int life;   /* our end of the pipe */
	void *memory;
	size_t memory_size;
};

enum bmr_coprocess_answer {
	BMR_COPROCESS_ANSWERED,
	BMR_COPROCESS_STOPPED, /* stop_fd is readable */
	BMR_COPROCESS_SILENT,  /* nothing in time */
	BMR_COPROCESS_GARBLED, /* a message of another length */
	BMR_COPROCESS_DIED,
};

/* Start it.  *c is to be ended in any case.  Errors: BMR_E_NOMEM. */
int bmr_coprocess_start(struct bmr_coprocess *c, const struct bmr_coprocess_order *order,
                        struct bmr_err *e);

/* Wait for one message of exactly len bytes, limit_ms at most.  stop_fd may be -1. */
enum bmr_coprocess_answer bmr_coprocess_await(struct bmr_coprocess *c, void *message, size_t len,
                                              int stop_fd, unsigned limit_ms);

/* Kill it if it runs, take it in and give everything back; does not wait for what it does.  Returns
 * its status as waitpid(2) has it: had it ended by itself, how. */
int bmr_coprocess_end(struct bmr_coprocess *c);

#endif
