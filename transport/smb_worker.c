/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transport/smb_worker.h"

#include <errno.h>
#include <fcntl.h>
#include <libsmbclient.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/smb_wire.h"

#define EXIT_MISUSE 64

struct worker {
	SMBCCTX *ctx;
	SMBCFILE *file;
	char *memory;
	int64_t pos; /* of the file; -1: unknown */
	struct smb_wire_login login;
};

/* libsmbclient asks for these at each connection to a share. */
static void give_login(SMBCCTX *ctx, const char *server, const char *share, char *workgroup,
                       int workgroup_size, char *user, int user_size, char *password,
                       int password_size)
{
	const struct worker *w = smbc_getOptionUserData(ctx);

	(void)server;
	(void)share;
	if (w->login.domain[0])
		snprintf(workgroup, (size_t)workgroup_size, "%s", w->login.domain);
	snprintf(user, (size_t)user_size, "%s", w->login.user);
	snprintf(password, (size_t)password_size, "%s", w->login.password);
}

static void fail(struct smb_wire_reply *reply, enum bmr_errc code, int sys, const char *why)
{
	reply->code = code;
	reply->sys = sys;
	snprintf(reply->why, sizeof reply->why, "%s", why);
}

/* libsmbclient's errno stands for NT status codes, not always for the nearest. */
static void fail_errno(struct smb_wire_reply *reply, const struct worker *w, int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
	case ENXIO:
		fail(reply, BMR_E_SOURCE, 0, "no such share or file on the server");
		return;
	case EISDIR:
		fail(reply, BMR_E_SOURCE, 0, "it is a directory, not a file");
		return;
	case EACCES:
	case EPERM:
		fail(reply, BMR_E_SOURCE, 0,
		     w->login.guest
		             ? "the server lets no guest in"
		             : "access denied: wrong user name or password, or no right to it");
		return;
	case EINVAL:
		fail(reply, BMR_E_SOURCE, 0,
		     "the server and we have no version (2 or 3) or protection in common");
		return;
	case EEXIST:
	case EROFS:
	case ENOSPC:
	case EDQUOT:
		fail(reply, BMR_E_SOURCE, error, "the server refuses");
		return;
	case ENOMEM:
		fail(reply, BMR_E_NOMEM, 0, "out of memory");
		return;
	default:
		fail(reply, BMR_E_NET, error, "no answer");
	}
}

/* Samba reads options from a file only; ours lives in memory.  Without signing a server, or somebody
 * on the way, could turn a wrong password into a guest and the image into another. */
static int configure(SMBCCTX *ctx, bool guest)
{
	static const char common[] = "[global]\nclient min protocol = SMB2\n"
				     "client max protocol = SMB3\nlog level = 0\n";
	static const char strict[] = "client signing = required\n";
	char path[32];
	int fd = memfd_create("smb.conf", MFD_CLOEXEC);
	int rc = -1;

	if (fd < 0)
		return -1;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (write(fd, common, sizeof common - 1) == (ssize_t)sizeof common - 1 &&
	    (guest || write(fd, strict, sizeof strict - 1) == (ssize_t)sizeof strict - 1))
		rc = smbc_setConfiguration(ctx, path);
	close(fd);
	return rc;
}

static void do_connect(struct worker *w, const struct smb_wire_request *request,
                       struct smb_wire_reply *reply)
{
	SMBCCTX *ctx = smbc_new_context();

	w->login = request->login;
	if (!ctx || w->ctx) {
		fail(reply, BMR_E_NOMEM, 0, "no context");
		return;
	}
	smbc_setDebug(ctx, 0);
	smbc_setTimeout(ctx, (int)w->login.timeout_ms);
	smbc_setOptionUserData(ctx, w);
	smbc_setOptionNoAutoAnonymousLogin(ctx, 1);
	smbc_setOptionUseKerberos(ctx, 0);
	smbc_setOptionUseCCache(ctx, 0);
	smbc_setFunctionAuthDataWithContext(ctx, give_login);
	if (configure(ctx, w->login.guest) < 0 || !smbc_init_context(ctx)) {
		fail(reply, BMR_E_NOMEM, errno, "libsmbclient does not start");
		return;
	}
	if (!smbc_setOptionProtocols(ctx, "SMB2_02", "SMB3_11"))
		fail(reply, BMR_E_BUG, 0, "libsmbclient knows no SMB 2");
	w->ctx = ctx;
}

/* Before there is a session. */
static void fail_open(struct smb_wire_reply *reply, const struct worker *w, int error)
{
	if (error == ECONNABORTED)
		fail(reply, BMR_E_NET, 0,
		     "it closed the connection, as a server of SMB 1 alone does: 2 or 3 is needed");
	else
		fail_errno(reply, w, error);
}

/* What could be opened may be read and written: another try shows whether the right to it is gone. */
static void fail_transfer(struct smb_wire_reply *reply, const struct worker *w, int error)
{
	if (error == EACCES || error == EPERM)
		fail(reply, BMR_E_NET, 0,
		     "access denied, or an answer was changed on its way: its signature is wrong");
	else
		fail_errno(reply, w, error);
}

static void do_open(struct worker *w, const struct smb_wire_request *request,
                    struct smb_wire_reply *reply)
{
	struct stat st;

	w->file = smbc_getFunctionOpen(w->ctx)(w->ctx, request->url, O_RDONLY, 0);
	w->pos = 0;
	if (!w->file || smbc_getFunctionFstat(w->ctx)(w->ctx, w->file, &st) < 0) {
		fail_open(reply, w, errno);
		return;
	}
	reply->mode = st.st_mode;
	reply->size = (uint64_t)st.st_size;
	reply->inode = st.st_ino;
	reply->seconds = st.st_mtim.tv_sec;
	reply->nanoseconds = st.st_mtim.tv_nsec;
}

static int seek(struct worker *w, uint64_t off)
{
	if (w->pos == (int64_t)off)
		return 0;
	w->pos = smbc_getFunctionLseek(w->ctx)(w->ctx, w->file, (off_t)off, SEEK_SET);
	return w->pos < 0 ? -1 : 0;
}

static void do_read(struct worker *w, const struct smb_wire_request *request,
                    struct smb_wire_reply *reply)
{
	smbc_read_fn read_some = smbc_getFunctionRead(w->ctx);

	if (seek(w, request->off) < 0) {
		fail_errno(reply, w, errno);
		return;
	}
	while (reply->len < request->len) {
		ssize_t n = read_some(w->ctx, w->file, w->memory + reply->len,
		                      request->len - reply->len);

		if (n < 0)
			fail_transfer(reply, w, errno);
		if (n <= 0)
			return;
		reply->len += (uint32_t)n;
		w->pos += n;
	}
}

static void do_create(struct worker *w, const struct smb_wire_request *request,
                      struct smb_wire_reply *reply)
{
	w->file = smbc_getFunctionOpen(w->ctx)(w->ctx, request->url, O_WRONLY | O_CREAT | O_TRUNC,
	                                       0600);
	w->pos = 0;
	if (!w->file)
		fail_open(reply, w, errno);
}

static void do_write(struct worker *w, const struct smb_wire_request *request,
                     struct smb_wire_reply *reply)
{
	smbc_write_fn write_some = smbc_getFunctionWrite(w->ctx);

	if (seek(w, request->off) < 0) {
		fail_errno(reply, w, errno);
		return;
	}
	while (reply->len < request->len) {
		ssize_t n = write_some(w->ctx, w->file, w->memory + reply->len,
		                       request->len - reply->len);

		if (n <= 0) {
			fail_transfer(reply, w, n < 0 ? errno : EIO);
			return;
		}
		reply->len += (uint32_t)n;
		w->pos += n;
	}
}

static void do_close(struct worker *w, struct smb_wire_reply *reply)
{
	if (w->file && smbc_getFunctionClose(w->ctx)(w->ctx, w->file) < 0)
		fail_errno(reply, w, errno);
	w->file = NULL;
}

static void do_names(struct worker *w, const struct smb_wire_request *request,
                     struct smb_wire_reply *reply)
{
	struct stat st;
	int rc;

	if (request->op == SMB_WIRE_RENAME)
		rc = smbc_getFunctionRename(w->ctx)(w->ctx, request->url, w->ctx, request->other);
	else if (request->op == SMB_WIRE_UNLINK)
		rc = smbc_getFunctionUnlink(w->ctx)(w->ctx, request->url);
	else
		rc = smbc_getFunctionStat(w->ctx)(w->ctx, request->url, &st);
	if (rc < 0) {
		reply->absent = errno == ENOENT;
		fail_errno(reply, w, errno);
	}
}

/* false: there is no room for more. */
static bool put_entry(struct worker *w, struct smb_wire_reply *reply, const char *name,
                      const struct smb_wire_entry *entry)
{
	size_t len = strlen(name) + 1;

	if (sizeof *entry + len > SMB_WIRE_BLOCK - reply->len) {
		reply->cut = true;
		return false;
	}
	memcpy(w->memory + reply->len, entry, sizeof *entry);
	memcpy(w->memory + reply->len + sizeof *entry, name, len);
	reply->len += (uint32_t)(sizeof *entry + len);
	return true;
}

static void list_shares(struct worker *w, SMBCFILE *server, struct smb_wire_reply *reply)
{
	smbc_readdir_fn next = smbc_getFunctionReaddir(w->ctx);
	const struct smbc_dirent *found = next(w->ctx, server);
	const struct smb_wire_entry share = {.folder = true};

	for (; found; found = next(w->ctx, server))
		if (found->smbc_type == SMBC_FILE_SHARE &&
		    !put_entry(w, reply, found->name, &share))
			return;
}

static void list_folder(struct worker *w, SMBCFILE *folder, struct smb_wire_reply *reply)
{
	smbc_readdirplus_fn next = smbc_getFunctionReaddirPlus(w->ctx);
	const struct libsmb_file_info *found = next(w->ctx, folder);

	for (; found; found = next(w->ctx, folder)) {
		const struct smb_wire_entry entry = {
			.size = found->size,
			.seconds = found->mtime_ts.tv_sec,
			.folder = (found->attrs & SMBC_DOS_MODE_DIRECTORY) != 0,
		};

		if (!put_entry(w, reply, found->name, &entry))
			return;
	}
}

/* "smb://host/" has no name behind its third slash. */
static bool is_server(const char *url)
{
	const char *slash = strchr(url + strlen("smb://"), '/');

	return !slash || slash[1] == '\0';
}

static void do_list(struct worker *w, const struct smb_wire_request *request,
                    struct smb_wire_reply *reply)
{
	SMBCFILE *folder = smbc_getFunctionOpendir(w->ctx)(w->ctx, request->url);

	if (!folder) {
		fail_errno(reply, w, errno);
		return;
	}
	if (is_server(request->url))
		list_shares(w, folder, reply);
	else
		list_folder(w, folder, reply);
	smbc_getFunctionClosedir(w->ctx)(w->ctx, folder);
}

static void serve(struct worker *w, const struct smb_wire_request *request,
                  struct smb_wire_reply *reply)
{
	bool login = request->op == SMB_WIRE_CONNECT;

	if (login == (w->ctx != NULL) || request->len > SMB_WIRE_BLOCK) {
		fail(reply, BMR_E_BUG, 0, "a request out of turn");
		return;
	}
	switch (request->op) {
	case SMB_WIRE_CONNECT:
		do_connect(w, request, reply);
		return;
	case SMB_WIRE_OPEN:
		do_open(w, request, reply);
		return;
	case SMB_WIRE_READ:
		do_read(w, request, reply);
		return;
	case SMB_WIRE_CREATE:
		do_create(w, request, reply);
		return;
	case SMB_WIRE_WRITE:
		do_write(w, request, reply);
		return;
	case SMB_WIRE_CLOSE:
		do_close(w, reply);
		return;
	case SMB_WIRE_EXISTS:
	case SMB_WIRE_RENAME:
	case SMB_WIRE_UNLINK:
		do_names(w, request, reply);
		return;
	case SMB_WIRE_LIST:
		do_list(w, request, reply);
		return;
	}
	fail(reply, BMR_E_BUG, 0, "an unknown request");
}

int bmr_smb_worker_main(int argc, char **argv)
{
	struct smb_wire_request *request = calloc(1, sizeof *request);
	struct worker w = {.pos = -1};

	(void)argc;
	(void)argv;
	w.memory =
		mmap(NULL, SMB_WIRE_BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, SMB_WIRE_MEMORY, 0);
	if (!request || w.memory == MAP_FAILED) {
		free(request);
		return EXIT_MISUSE;
	}
	while (recv(SMB_WIRE_SOCKET, request, sizeof *request, 0) >= (ssize_t)SMB_WIRE_BARE) {
		struct smb_wire_reply reply = {0};

		serve(&w, request, &reply);
		if (send(SMB_WIRE_SOCKET, &reply, sizeof reply, MSG_NOSIGNAL) < 0)
			break;
	}
	/* The one who asked is gone; the kernel ends the connection faster than libsmbclient. */
	free(request);
	return 0;
}
