/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * CRIU through its RPC (criu.org/RPC): `criu swrk FD` serves whoever holds the other end of a
 * SOCK_SEQPACKET pair. The numbers are those of CRIU's images/rpc.proto, its stable ABI.
 */

enum criu_request {
	CRIU_DUMP = 1,
	CRIU_RESTORE = 2,
	CRIU_PRE_DUMP = 4,
	CRIU_NOTIFY = 6,
	CRIU_FEATURE_CHECK = 9,
	CRIU_VERSION = 10,
};

/* Fields of the message criu_opts. */
enum criu_option {
	CRIU_IMAGES_DIR_FD = 1,
	CRIU_PID = 2,
	CRIU_LEAVE_RUNNING = 3,
	CRIU_EXT_UNIX_SK = 4,
	CRIU_TCP_ESTABLISHED = 5,
	CRIU_EVASIVE_DEVICES = 6,
	CRIU_SHELL_JOB = 7,
	CRIU_FILE_LOCKS = 8,
	CRIU_LOG_LEVEL = 9,
	CRIU_LOG_FILE = 10,
	CRIU_PAGE_SERVER = 11,
	CRIU_NOTIFY_SCRIPTS = 12,
	CRIU_ROOT = 13,
	CRIU_PARENT_IMG = 14,
	CRIU_TRACK_MEM = 15,
	CRIU_AUTO_DEDUP = 16,
	CRIU_WORK_DIR_FD = 17,
	CRIU_LINK_REMAP = 18,
	CRIU_EXT_MNT = 23,
	CRIU_MANAGE_CGROUPS = 24,
	CRIU_CG_ROOT = 25,
	CRIU_RST_SIBLING = 26,
	CRIU_INHERIT_FD = 27,
	CRIU_MANAGE_CGROUPS_MODE = 34,
	CRIU_EXTERNAL = 37,
	CRIU_EMPTY_NS = 38,
	CRIU_JOIN_NS = 39,
	CRIU_FREEZE_CGROUP = 44,
	CRIU_TCP_SKIP_IN_FLIGHT = 46,
	CRIU_LAZY_PAGES = 48,
	CRIU_STATUS_FD = 49,
	CRIU_ORPHAN_PTS_MASTER = 50,
	CRIU_CONFIG_FILE = 51,
	CRIU_TCP_CLOSE = 52,
	CRIU_LSM_PROFILE = 53,
	CRIU_LSM_MOUNT_CONTEXT = 63,
	CRIU_NETWORK_LOCK = 64,
};

enum criu_cg_mode {
	CRIU_CG_IGNORE = 0,
	CRIU_CG_SOFT = 3,
	CRIU_CG_FULL = 4,
	CRIU_CG_STRICT = 5,
	CRIU_CG_DEFAULT = 6
};

enum criu_feature { CRIU_MEM_TRACK = 1, CRIU_LAZY = 2 };

enum { CRIU_MAX_MESSAGE = 64 << 10 };

/** criu_pair - append a field that is a message of two strings: ext_mnt, join_ns */
void criu_pair(struct buf *opts, enum criu_option field, const char *key, const char *value);

/** criu_cg_root - append one cgroup_root; @ctrl "" for v2 */
void criu_cg_root(struct buf *opts, const char *ctrl, const char *path);

/** criu_inherit - append one inherit_fd; @fd: its number in the process that serves */
void criu_inherit(struct buf *opts, const char *key, int fd);

/* One answer, or one notification. */
struct criu_reply {
	uint32_t type; /* enum criu_request; others are possible */
	bool success;
	int32_t code;	   /* cr_errno */
	int32_t pid;	   /* of RESTORE, and of the notifications that have one; 0: none */
	char script[32];   /* NOTIFY: what happens */
	char message[256]; /* cr_errmsg: CRIU's first error line */
	bool mem_track, lazy_pages; /* FEATURE_CHECK */
	uint32_t version;	    /* VERSION: 31701 for 3.17.1 */
};

/** criu_reply_parse - read one message; Return: 0; -EBADMSG, @ret is unchanged then */
int criu_reply_parse(const void *bytes, size_t n, struct criu_reply *ret);

/* A process that serves. */
struct criu {
	pid_t pid;
	int sock;
	int said; /* memfd with what it wrote to stderr; -EBADF: that is ours */
};
#define CRIU_INIT                                                                                  \
	{                                                                                          \
		.sock = -EBADF, .said = -EBADF                                                     \
	}

/* A directory that is open and that a request names by its fd. */
struct criu_dir {
	int fd;		  /* negative: none */
	const char *path; /* absolute */
};

struct criu_start {
	const char *program; /* NULL: "criu" from PATH */
	const int *
		pass; /* fds it gets under their own numbers; ends with a negative one; NULL: none */
	/* Restore: @root is bound on @root_at in a mount namespace of its own. */
	const char *root;
	const char *root_at; /* an existing directory; covered there, the root is "<root_at>/root" */
	struct criu_dir dirs[2]; /* found again in that namespace */
	bool own_stdio; /* restore: stdin, stdout and stderr are those of the container to be */
};

/**
 * criu_begin - start a process that serves one request
 *
 * Return: 0; -ENOENT when criu is not installed; a negative code.
 */
int criu_begin(const struct criu_start *s, struct criu *ret, struct err *e);

/** criu_end - let it go and wait for its end */
void criu_end(struct criu *c);
#define AUTO_CRIU AUTO(criu_end)

/* Called for each notification. @fd: an fd that came along, to be closed by the callee; or -EBADF.
 * Return: 0; negative with @e set: CRIU is told to give up. */
typedef int (*criu_notify)(const struct criu_reply *n, int fd, void *arg, struct err *e);

/**
 * criu_ask - send a request and see it through its notifications to its answer
 * @opts: encoded criu_opts, for FEATURE_CHECK criu_features; NULL: none
 * @fn:   NULL: none are expected
 *
 * Return: 0, also for an answer that says no: see ret->success; a negative code when the
 * conversation broke, or the one of @fn.
 */
int criu_ask(struct criu *c, enum criu_request type, const struct buf *opts, criu_notify fn,
	     void *arg, struct criu_reply *ret, struct err *e);

/** criu_version - ask the program @name (NULL: "criu"); Return: 31701 for 3.17.1; a negative code */
int criu_version(const char *name, struct err *e);

/** criu_need - is a feature there? Return: 0; -EOPNOTSUPP; a negative code */
int criu_need(const char *name, enum criu_feature f, struct err *e);

/**
 * criu_failed - the one line about a request that failed
 * @log_dir, @log: where its log is; the last error in there is quoted
 *
 * Return: -EIO.
 */
int criu_failed(const struct criu *c, const struct criu_reply *r, const char *log_dir,
		const char *log, struct err *e);
