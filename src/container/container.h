/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "mech/cgroup/cgroup.h"
#include "oci/spec.h"

#include <stdint.h>
#include <sys/types.h>

/*
 * The life of a container, for the commands: create → created → start → running →
 * stopped → delete. One directory a container under the store's root, mode 0700:
 *
 *	<root>/<id>/             flock on the directory: one command at a time changes it
 *	<root>/<id>/state.json   what we know; written to a temporary name and renamed
 *	<root>/<id>/config.json  the configuration it was created from (exec, hooks)
 *	<root>/<id>/gate         socket the islander waits on; gone once started
 *	<root>/.cache/           compiled seccomp filters by digest
 *	<root>/.new.*            a directory on its way to become <id>, by one rename
 *
 * Readers take no lock: state.json is replaced in one piece, and a hook may ask for the
 * state of the very container that is being created.
 */

enum ctr_status { CTR_CREATING, CTR_CREATED, CTR_RUNNING, CTR_PAUSED, CTR_STOPPED };

/** ctr_status_name - "creating", "created", "running", "paused", "stopped" */
const char *ctr_status_name(enum ctr_status s);

enum {
	CTR_ID_MAX = 128,
	CTR_MAX_CGROUPS = 64,
	CTR_MAX_RDT = 2,
	CTR_MAX_ANNOTATIONS = 4096,
	CTR_MAX_CALLS = 2048
};

/* state.json in memory; strings live in @arena. */
struct ctr {
	struct arena arena;
	char *id, *root, *dir;		 /* store root and the container's directory */
	char *bundle, *rootfs, *created; /* created: RFC 3339 in UTC */
	char *oci_version;
	pid_t pid;	     /* 0: none yet */
	uint64_t start_time; /* clock ticks since boot; with pid, the process's identity */
	pid_t creator;	     /* the create that holds the lock until created_done */
	uint64_t creator_start;
	pid_t keeper; /* of warm containers: without it a stopped one is nobody's; 0: none */
	pid_t broker; /* who answers under a policy; 0: nobody */
	uint64_t keeper_start, broker_start;
	uint64_t namespaces; /* CLONE_NEW* it doesn't share with the runtime */
	char **cgroup_dirs;  /* NULL-terminated, never NULL after ctr_open */
	size_t cgroup_count;
	char **rdt_dirs; /* resctrl groups of its own, inner first, NULL-terminated; NULL: none */
	char *listener;	 /* of the seccomp agent that start connects it to; NULL: none */
	char **watched, **refused; /* of a policy, NULL-terminated; NULL: there is none */
	char *unit;		   /* of systemd, around the cgroups; NULL: none */
	bool unit_user;		   /* of the user's service manager */
	struct oci_pair *annotations;
	size_t annotations_count;
	char *stdio[3]; /* what its fds 0 to 2 were when it began, as /proc names it; NULL: unknown */
	bool created_done;	  /* create ran to its end; false after a crash on the way */
	bool own_pid_ns;	  /* killing the first process kills all */
	bool poststart, poststop; /* config.json has such hooks */
	bool no_new_keyring;	  /* exec does as create did */
	uid_t owner;		  /* of the directory */
	int dir_fd;		  /* holds the lock when opened for writing */
	bool locked;
	bool half; /* a directory without a state.json; never seen behind ctr_open */
};

#define CTR_INIT                                                                                   \
	{                                                                                          \
		.dir_fd = -EBADF                                                                   \
	}

/** ctr_done - free and unlock; @c may be used again */
void ctr_done(struct ctr *c);
#define AUTO_CTR AUTO(ctr_done)

/** ctr_id_check - [A-Za-z0-9_+-][A-Za-z0-9_+.-]*, at most 128 bytes; Return: 0 or -EINVAL */
int ctr_id_check(const char *id, struct err *e);

/**
 * ctr_default_root - where state lives when --root is not given
 *
 * "/run/cay" for root (of a user namespace only if $USER says so); else "$XDG_RUNTIME_DIR/cay", else "/tmp/cay-<uid>".
 * Return: owned by @a; NULL when out of memory.
 */
char *ctr_default_root(struct arena *a);

/**
 * ctr_open - load an existing container
 * @root:  the store, absolute; borrowed
 * @write: take the lock first (start, delete); waits at most 10 s for it
 * @ret:   set only on success; ctr_done
 *
 * Return: 0; -ENOENT with "container does not exist"; -EBADMSG for a state file that is not
 * ours; -EBUSY when another command holds the lock.
 */
int ctr_open(const char *root, const char *id, bool write, struct ctr *ret, struct err *e);

/** ctr_status - found out now: pid and start time, gate, freezer; never cached */
enum ctr_status ctr_status(const struct ctr *c);

/**
 * ctr_status_unasked - ctr_status without a word to whoever may wait at the gate
 *
 * CTR_CREATED can be wrong: for whoever opens the gate next, and learns it then.
 */
enum ctr_status ctr_status_unasked(const struct ctr *c);

/** ctr_owner - name of the user who owns it, or "#<uid>"; @a owns it; NULL: out of memory */
char *ctr_owner(const struct ctr *c, struct arena *a);

/* Who is told what was done, lines at a time, while it goes on. @tell NULL: nobody. */
struct ctr_listener {
	void (*tell)(void *arg, const char *lines);
	void *arg;
};

/* A policy that a broker of the container's own holds it to. All borrowed. */
struct ctr_policy {
	const char *text;
	size_t len;
	char *const *watched, *const *refused; /* system calls; NULL-terminated */
	const char *log;		       /* file for its decisions; NULL: none */
};

struct ctr_create_options {
	const char *root, *id, *bundle; /* bundle: any path, NULL for "." */
	const char *config;		/* file in the bundle, or absolute; NULL: "config.json" */
	const char *console_socket, *pidfd_socket, *pid_file;
	bool no_pivot, no_new_keyring, timing;
	struct ctr_listener debug;
	bool cgroup_optional; /* rootless */
	enum cg_manager cgroup_manager;
	uint32_t preserve_fds;
	/*
	 * One of many of a bundle, made by a keeper: it waits as long as the other side of this fd
	 * is open, and has a cgroup of its own beside the one the bundle names.
	 */
	int leash_fd; /* 0: none */
	pid_t keeper;
	const struct ctr_policy *policy; /* NULL: none */
	/* run only */
	bool run, detach, keep, no_subreaper;
};

/* What is to be said beside success and failure; the caller logs it. */
struct ctr_report {
	struct buf timing;  /* price of each step, one a line; empty unless asked for */
	struct err warning; /* code 0: none. A hook that may fail did, or the like */
};
void ctr_report_done(struct ctr_report *r);
#define AUTO_REPORT AUTO(ctr_report_done)

/**
 * ctr_create - create, or with @o->run create and go on without a gate
 * @ret_exit: run in the foreground: exit status of the program (128+n for signal n); else 0
 * @r:        initialised to zero; gets timing and warning
 *
 * Context: single-threaded; the foreground takes over signals and terminal until it returns.
 * Return: 0; -EEXIST "container with given ID already exists"; another negative code. On failure
 * nothing is left behind.
 */
int ctr_create(const struct ctr_create_options *o, int *ret_exit, struct ctr_report *r,
	       struct err *e);

/**
 * ctr_compile - what create would do, as text for `cay plan`; needs no privilege
 * @json: a JSON document, else one step a line
 * @out:  appended to
 *
 * Return: 0 or a negative code.
 */
int ctr_compile(const struct ctr_create_options *o, bool json, struct buf *out, struct err *e);

/**
 * ctr_start - open the gate of a created container, then run the poststart hooks
 * @f: another program and what goes with it; NULL: as created
 *
 * With $NOTIFY_SOCKET it then waits until the program says that it is ready, or ends.
 * A poststart hook that fails is an error and stops the container (runtime-spec 1.2).
 * @warning: code set when nobody listens at $NOTIFY_SOCKET
 *
 * Return: 0 or a negative code; in any other state than created nothing happens.
 */
int ctr_start(const char *root, const char *id, const struct oci_fast *f, struct err *warning,
	      struct err *e);

/**
 * ctr_kill - signal the first process, or all of them
 * @all: also no error when the container has stopped
 *
 * SIGKILL goes to all where the first process does not take the others along.
 * Return: 0; -ESRCH with "container not running" or "process already finished".
 */
int ctr_kill(const char *root, const char *id, int sig, bool all, struct err *e);

/**
 * ctr_delete - remove a stopped or only created container with all that belongs to it
 * @force:   kill a running one first, and no error when there is no such container
 * @warning: code set when a poststop hook failed, which stops nothing
 *
 * Return: 0; -ENOENT; -EBUSY while it is running or another command is at it.
 */
int ctr_delete(const char *root, const char *id, bool force, struct err *warning, struct err *e);

/** ctr_write_state - what runc's `state` and `list` tell; @owner as ctr_owner or "" */
void ctr_write_state(const struct ctr *c, const char *owner, struct json_out *o);

struct ctr_exec_options {
	const char *root, *id;
	const char *process_file; /* --process; else the fields below amend config.json's process */
	char *const *args;	  /* NULL-terminated */
	char *const *env;	  /* added; NULL or NULL-terminated */
	char *const *caps;	  /* added to bounding, effective and permitted, as runc does */
	char *const *cgroups;	  /* sub-cgroups: "[controller[,controller]:]path" */
	const uint32_t *gids;
	size_t gids_count;
	const char *user; /* "uid[:gid]", strictly numeric */
	const char *cwd, *console_socket, *pidfd_socket, *pid_file, *apparmor, *process_label;
	bool tty, detach, no_new_privs, ignore_paused, timing;
	struct ctr_listener debug;
	uint32_t preserve_fds;
};

/**
 * ctr_exec - run another process in a container
 * @ret_exit: foreground: its exit status (128+n for signal n); detached: 0
 * @r:        initialised to zero; gets timing
 *
 * Return: 0 or a negative code: then the process does not run.
 */
int ctr_exec(const struct ctr_exec_options *o, int *ret_exit, struct ctr_report *r, struct err *e);

/**
 * ctr_list - ids in the store, sorted; @a owns them
 * @ret: NULL-terminated
 *
 * Leftovers of a create that died on its way are cleaned up and not listed. A store that
 * does not exist is empty.
 */
int ctr_list(const char *root, struct arena *a, char ***ret, size_t *ret_count, struct err *e);

/** ctr_pids - host pids of all processes of the container; @a owns them */
int ctr_pids(const struct ctr *c, struct arena *a, pid_t **ret, size_t *ret_count, struct err *e);
