/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unpacker/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

#define NOBODY 65534
#define STACK ((rlim_t)8 << 20)

/* A lower one that somebody else has set stays. */
static bool limit(int what, rlim_t most)
{
	struct rlimit both;

	if (getrlimit(what, &both) < 0)
		return false;
	both.rlim_cur = both.rlim_cur < most ? both.rlim_cur : most;
	both.rlim_max = both.rlim_max < most ? both.rlim_max : most;
	return setrlimit(what, &both) == 0;
}

static bool close_others(int keep)
{
	return close_range(0, (unsigned)keep - 1, 0) == 0 &&
	       close_range((unsigned)keep + 2, ~0U, 0) == 0;
}

/* Should memory run out, this process is to go and not the one that writes the disk and can say why.
 * A kernel without it has no such choice to offer. */
static void volunteer(void)
{
	AUTO_FD int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "1000", 4) < 0)
		return;
}

/* A library that never returns does not see that the socket is at its end.  Asked for by who it is to
 * become: root's wish would not do in a container (sigio_perm in the kernel's fs/fcntl.c). */
static bool end_with(int life)
{
	return fcntl(life, F_SETOWN, getpid()) == 0 && fcntl(life, F_SETSIG, SIGKILL) == 0 &&
	       fcntl(life, F_SETFL, O_ASYNC) == 0;
}

/* RLIMIT_DATA: what is private and can be written, since Linux 4.7, but for stacks.  Shared memory is
 * not in it, and the filter lets nobody make more. */
static bool set_limits(size_t memory)
{
	return limit(RLIMIT_DATA, memory) && limit(RLIMIT_STACK, STACK) && limit(RLIMIT_CORE, 0) &&
	       limit(RLIMIT_FSIZE, 0) && limit(RLIMIT_NOFILE, 0) && limit(RLIMIT_NPROC, 0) &&
	       prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
	       prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

/* With the last root id go all capabilities: capabilities(7). */
static bool become_nobody(void)
{
	return setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
	       setresuid(NOBODY, NOBODY, NOBODY) == 0;
}

/* Of mmap just what malloc asks for: neither a growing stack nor what cannot be written is counted by
 * RLIMIT_DATA. */
static bool allow_calls(scmp_filter_ctx filter, int keep)
{
	static const int calls[] = {SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap),
	                            SCMP_SYS(madvise), SCMP_SYS(exit_group)};

	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0) < 0)
			return false;
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(read), 1,
	                        SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)keep)) == 0 &&
	       seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
	                        SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)keep)) == 0 &&
	       seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
	                        SCMP_A2(SCMP_CMP_EQ, PROT_READ | PROT_WRITE),
	                        SCMP_A3(SCMP_CMP_EQ, MAP_PRIVATE | MAP_ANONYMOUS)) == 0;
}

static bool set_filter(int keep)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	bool set = filter && allow_calls(filter, keep) && seccomp_load(filter) == 0;

	/* What it takes is freed by calls that are allowed. */
	seccomp_release(filter);
	return set;
}

int bmr_jail_enter(int keep, size_t memory, struct bmr_err *e)
{
	bool harmless;

	volunteer();
	if (!close_others(keep) || !set_limits(memory))
		return bmr_err_set(e, BMR_E_NOMEM, errno,
		                   "the decoder's process cannot be limited");
	harmless = geteuid() != 0 || become_nobody();
	if (!end_with(keep + 1))
		return bmr_err_set(e, BMR_E_NOMEM, errno,
		                   "the decoder's process cannot be tied to ours");
	if (!set_filter(keep) && !harmless)
		return bmr_err_set(e, BMR_E_NOMEM, errno,
		                   "the decoder's process cannot be confined: no seccomp, and root "
		                   "may not become nobody");
	return 0;
}
