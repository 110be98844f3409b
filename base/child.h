/* SPDX-License-Identifier: GPL-3.0-or-later */
/* child.h - another program, run with a deadline and at arm's length.
 *
 * Arguments are a vector, there is never a shell.  A child has its own process group, which ends with
 * it; no input; none of our descriptors; default signals; and it is killed when the thread that
 * started it ends, so that a killed bmr leaves nothing running.
 */
#ifndef BMR_BASE_CHILD_H
#define BMR_BASE_CHILD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct bmr_err;

#define BMR_CHILD_ERRORS_SIZE 1024

struct bmr_child_order {
	const char *const *args; /* ended by NULL; args[0] with a '/' is a path, else it is looked
				       * for in $PATH, /usr/sbin and /sbin */
	const char *const *variables; /* NAME=VALUE, ended by NULL: in place of what the environment
				       * says of them; may be NULL */
	bool joined;                  /* bmr_child_run: its errors are part of the output, too */
	unsigned limit_ms;            /* bmr_child_run: longer than this, and it is killed */
	size_t output_most;           /* bmr_child_run: bytes of output, more is a failure */
	const atomic_bool *stop; /* bmr_child_run: true ends it with BMR_E_STOPPED; may be NULL */
};

struct bmr_child_result {
	int status;   /* exit code, 128 + signal, or -1: it did not run to its end */
	char *output; /* what it wrote to its standard output and a NUL; NULL if it did not run */
	size_t output_len;
	char errors[BMR_CHILD_ERRORS_SIZE]; /* the end of what it wrote to its standard error */
};

/* Start a program; its output and errors go to these descriptors (-1: nowhere), which stay the
 * caller's.  *child is to be waited for by bmr_child_ended or ended by bmr_child_kill.
 * Errors: BMR_E_SOURCE (there is no such program), BMR_E_NOMEM. */
int bmr_child_start(const struct bmr_child_order *order, int output, int errors, pid_t *child,
                    struct bmr_err *e);

/* Has it ended?  Then what is left of its process group is killed, *status is its exit code, or
 * 128 + signal, and the number is no longer the child's. */
bool bmr_child_ended(pid_t child, int *status);

/* End it and its process group.  Returns when it is gone, after 2 s at most. */
void bmr_child_kill(pid_t child);

/* Run a program to its end.  0 only if it ended with 0.  *result is to be cleared by
 * bmr_child_clear in any case, and holds what there was before a failure.
 * Errors: BMR_E_SOURCE (no such program, another status than 0, too much output), BMR_E_NET (took too
 * long), BMR_E_STOPPED, BMR_E_NOMEM. */
int bmr_child_run(const struct bmr_child_order *order, struct bmr_child_result *result,
                  struct bmr_err *e);
void bmr_child_clear(struct bmr_child_result *result);

#endif
