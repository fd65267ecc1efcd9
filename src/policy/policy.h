/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/*
 * The policy language (docs/policy.md), one parser for every enforcer. Parsing and deciding are
 * pure: text in, rules out; a question in, a verdict out.
 *
 * Of the rules that match a question the most specific decides: the longest path, the longest
 * address prefix, the narrowest range. A rule of several fields is more specific than another when
 * none of its fields is wider and one is narrower. A deny rule holds unless an allow rule is more
 * specific, so between equals, and where each is narrower in something, deny wins. When none
 * matches, `default` decides, which is deny unless the policy says otherwise. A `log` rule never
 * changes a verdict, it asks for the event to be written down.
 */

enum policy_kind {
	POLICY_READ, /* file contents; for enforcers that see every open */
	POLICY_WRITE,
	POLICY_EXEC,
	POLICY_CONNECT, /* to an internet address */
	POLICY_BIND,
	POLICY_UNIX, /* a Unix socket: connect or bind, by path or @abstract name */
	POLICY_SOCKET,
	POLICY_MOUNT,
	POLICY_MKNOD,
	POLICY_CHOWN,
	POLICY_SCHED,
	POLICY_VIEW,  /* what a container is shown of itself in place of the host */
	POLICY_XATTR, /* an extended attribute is set */
	POLICY_BPF,
	POLICY_SYSCALL,
	POLICY_KINDS
};

enum {
	POLICY_MAX_BYTES = 1 << 20,
	POLICY_MAX_RULES = 4096,
	POLICY_MAX_LINE = 4096,
};

struct policy; /* immutable when parsed: may be read from several places at once */

/**
 * policy_parse - read a policy
 * @text, @len: borrowed; may hold anything
 * @name:       of the file, for messages; borrowed
 * @ret:        set only on success; policy_free
 * @e:          "NAME:LINE:COLUMN: what is wrong"
 *
 * Return: 0; -E2BIG over a limit above; -EINVAL; -ENOMEM.
 */
int policy_parse(const char *text, size_t len, const char *name, struct policy **ret,
		 struct err *e);
void policy_free(struct policy *p);
static inline void policy_auto_free(struct policy **p)
{
	policy_free(*p);
}
#define AUTO_POLICY AUTO(policy_auto_free)

enum policy_view {
	VIEW_SYSINFO, /* sysinfo(2); the others are files of /proc */
	VIEW_MEMINFO,
	VIEW_CPUINFO,
	VIEW_STAT,
	VIEW_UPTIME,
	VIEW_SWAPS,
	VIEW_COUNT
};

/*
 * A question: one call in words. Text is borrowed; paths are absolute, resolved, without "..", "//"
 * and "/" at the end, else the question is refused. A name that holds a NUL is the caller's to
 * refuse: no question can hold it.
 */
struct policy_ask {
	enum policy_kind kind;
	union {
		struct {
			const char *path;
			uint32_t uid, gid; /* chown only; UINT32_MAX: not changed */
		} file;			   /* READ WRITE EXEC CHOWN */
		struct {
			/* struct sockaddr_in or _in6, whole; all else is refused */
			const struct sockaddr *addr;
			int type; /* SOCK_STREAM: tcp, SOCK_DGRAM: udp */
		} net;
		struct {
			const char *path; /* abstract: begins with '@' */
			bool bind;
		} local; /* UNIX */
		struct {
			int family, type,
				protocol; /* as socket(2), no SOCK_NONBLOCK or SOCK_CLOEXEC */
		} socket;
		struct {
			/* "bind", "move", "propagation" for those that the flags mean */
			const char *fstype;
			const char *source; /* NULL: none */
			const char *target;
			unsigned long flags; /* MS_* */
			/* "key" or "key=value", NULL-terminated; NULL: none */
			const char *const *options;
		} mount;
		struct {
			const char *path;
			uint32_t type; /* S_IFCHR, S_IFBLK, S_IFIFO… */
			uint32_t major, minor;
		} mknod;
		struct {
			int policy; /* SCHED_*; -1: affinity only */
			int priority;
			const uint64_t
				*cpus; /* affinity: bits of @cpus_words words; NULL: none asked */
			size_t cpus_words;
		} sched;
		struct {
			const char *name, *path;
		} xattr;
		struct {
			uint32_t type; /* BPF_PROG_TYPE_* */
			uint32_t cmd;  /* BPF_PROG_LOAD, _ATTACH, _DETACH */
		} bpf;
		enum policy_view view;
		const char *syscall; /* name */
	} u;
};

/* What a mount rule adds to the mount it allows. */
struct policy_mount_terms {
	unsigned long flags; /* MS_NOSUID… set whether asked for or not, on a remount, too */
	uint64_t size_bytes; /* at most; 0: the rule sets no limit */
	bool shift;	     /* show owners shifted by the container's id map */
};

struct policy_verdict {
	bool allow, log;
	unsigned int line; /* that decided; 0: nothing matched, the default did */
	const char *text;  /* that line, as written, or words for the default; never NULL; lives
			      as long as the policy */
	struct policy_mount_terms mount; /* MOUNT and allowed */
};

/**
 * policy_decide - the verdict on one question
 *
 * Total and pure: any question has a verdict, whatever @ask holds. What a mount asks for beyond
 * its rule (an option it does not list, a size over the limit) does not match that rule. Asked are
 * calls as the guest spelt them: v4-mapped addresses, SOCK_PACKET, MS_MGC_VAL, protocol 0 and the
 * like are taken for what the kernel takes them for.
 */
void policy_decide(const struct policy *p, const struct policy_ask *ask,
		   struct policy_verdict *ret);

/* How the broker mounts a file system. */
enum policy_fs_way {
	POLICY_FS_OWN, /* with the rights of the container's own user namespace */
	POLICY_FS_BIND,
	POLICY_FS_BLOCK, /* on a device: with the agent's rights */
};

struct policy_fs {
	const char *name;
	enum policy_fs_way way;
	const char *forced; /* an option it gets when it is asked for no other value of it */
	const char *const *options; /* BLOCK: "key", "key=value", "key=" with any value */
};

/** policy_fs_find - what the broker mounts by this name; NULL: it does not */
const struct policy_fs *policy_fs_find(const char *type);
/** policy_fs_at - by number, from 0 on; NULL: no more */
const struct policy_fs *policy_fs_at(unsigned int index);
/** policy_fs_index - its number */
unsigned int policy_fs_index(const struct policy_fs *fs);
/** policy_fs_takes - may "key" or "key=value" be asked of it at all? */
bool policy_fs_takes(const struct policy_fs *fs, const char *option);

/** policy_lends_xattr - an attribute of the host's ("trusted.") that the broker may set for a container */
bool policy_lends_xattr(const char *name);

/** policy_speaks - does any allow or deny rule of this kind exist? */
bool policy_speaks(const struct policy *p, enum policy_kind kind);

/**
 * policy_describe - append a question in words, as the audit log has it, escaped for a terminal
 *
 * In the language itself: behind "allow " it is a rule that allows just this.
 */
void policy_describe(const struct policy_ask *ask, struct buf *out);
