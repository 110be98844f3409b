/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bmr - restores bare machines from images.  See bmr(8). */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/commands.h"
#include "agent/version.h"
#include "base/login.h"
#include "transport/smb_worker.h"

#define EXIT_WRONG_ORDER 64
#define EXIT_NO_OUTPUT 74

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{"restore", bmr_command_restore, "IMAGE DISK     write an image onto a disk and prove it"},
	{"capture", bmr_command_capture, "DISK IMAGE     write what a disk holds to an image"},
	{"merge", bmr_command_merge, "IMAGE OUT        make an incremental image a full one"},
	{"verify", bmr_command_verify,
         "IMAGE [DISK]    is the image whole? does the disk hold it?"},
	{"info", bmr_command_info, "IMAGE             what an image is"},
	{"sign", bmr_command_sign, "IMAGE             sign an image with a key of minisign"},
	{"disks", bmr_command_disks,
         "                 the disks, and why each may be written or not"},
	{"menu", bmr_command_menu,
         "                  restore, capture and verify by asking, on any terminal"},
	{"agent", bmr_command_agent, "                 obey the kernel command line (live system)"},
};

static void usage(FILE *out)
{
	fprintf(out, "bmr %s - restores bare machines from images\n\nusage:\n", bmr_version);
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		fprintf(out, "  bmr %s %s\n", commands[i].name, commands[i].help);
	fprintf(out,
	        "\nbmr COMMAND --help lists the options; bmr(8) and bmr(7) say more.\n"
	        "exit codes: 0 done and proven, 64 order wrong, 65 image bad, 69 source not to be\n"
	        "had, 70 bug, 71 out of a resource, 73 restored, but a later order was not done,\n"
	        "74 disk failed or no room for the answer, 75 stopped, 77 refused\n");
}

static int run_named(int argc, char **argv)
{
	char shown[200];

	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	bmr_login_hide(argv[1], shown, sizeof shown);
	fprintf(stderr, "bmr: failed: unknown command '%s'; see bmr --help\n", shown);
	return EXIT_WRONG_ORDER;
}

/* A core holds passwords.  core(5): 0 keeps it from a file, but not from a program behind a pipe;
 * 1 keeps it from both.  What is started inherits it. */
static void forbid_core(void)
{
	const struct rlimit one = {1, 1};

	setrlimit(RLIMIT_CORE, &one); /* fails where a limit of 0 cannot be raised */
}

/* A file that is opened must not become standard input, output or error: it would get our words. */
static void open_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* An answer that is not whole is no success.  Returns the code to end with. */
static int close_output(int code)
{
	bool failed = ferror(stdout);
	int sys = fclose(stdout) == 0 ? 0 : errno;

	if (!failed && sys == 0)
		return code;
	fprintf(stderr,
	        "bmr: failed: cannot write to standard output%s%s; what it holds is not whole\n",
	        sys ? ": " : "", sys ? strerror(sys) : "");
	return code ? code : EXIT_NO_OUTPUT;
}

static int run(int argc, char **argv)
{
	int code;

	if (argc < 2) {
		usage(stderr);
		return EXIT_WRONG_ORDER;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		usage(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("bmr %s\n", bmr_version);
		return 0;
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	code = run_named(argc, argv);
	curl_global_cleanup();
	return code;
}

int main(int argc, char **argv)
{
	open_standard();
	forbid_core();
	if (argc > 1 && strcmp(argv[1], BMR_SMB_WORKER_ARGUMENT) == 0)
		return bmr_smb_worker_main(argc, argv);
	return close_output(run(argc, argv));
}
