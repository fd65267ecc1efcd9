/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "broker/helper.h"

/*
 * The thread that made a call: who it is and where it stands. It waits for us, so this does not
 * change unless it is killed, and that is looked for before anything is done.
 */
enum { TARGET_GROUPS = 256 };

struct target {
	int proc; /* its directory in procfs: stands for this very thread, whatever its number */
	pid_t tgid;
	uid_t uid[3]; /* real, effective, saved, as we number them */
	gid_t gid[3];
	uid_t fsuid;
	gid_t fsgid;
	gid_t groups[TARGET_GROUPS];
	size_t groups_count;
	uint64_t caps; /* effective */
	mode_t umask;
	bool confined;				    /* whoever opened it is a private broker */
	int userns, mntns, netns, pidns, root, cwd; /* -EBADF until asked for */
};

#define TARGET_INIT                                                                                \
	{                                                                                          \
		.proc = -EBADF, .userns = -EBADF, .mntns = -EBADF, .netns = -EBADF,                \
		.pidns = -EBADF, .root = -EBADF, .cwd = -EBADF                                     \
	}

enum target_need {
	NEED_USER = 1, /* its user namespace: checked to be one of the owner's */
	NEED_MNT = 2,  /* mount namespace, owned by that; root and working directory */
	NEED_NET = 4,  /* network namespace, owned by that */
	NEED_PID = 8,  /* pid namespace, owned by that */
};

/**
 * target_open - find out about the thread behind a call
 * @t:    TARGET_INIT; target_done, whatever the result
 * @need: enum target_need, or-ed
 *
 * Return: 0; -EPERM when a namespace is not one of the owner's containers, or not the one that the
 * container had when it was brought; -ESRCH when the call is no longer waiting; -errno.
 */
int target_open(struct target *t, const struct helper *h, const struct call *c, unsigned int need);
void target_done(struct target *t);

/**
 * home_read - where does a process stand?
 * @proc: the host's procfs
 *
 * Return: 0; -ESRCH when it is not there, or not any more; -errno. Sets @ret on success.
 */
int home_read(int proc, pid_t pid, struct home *ret);
#define AUTO_TARGET AUTO(target_done)

/** call_alive - is the call still waiting for an answer? */
bool call_alive(const struct helper *h, const struct call *c);

/** target_fd - a duplicate of a descriptor of the thread; Return: fd or -errno */
int target_fd(const struct target *t, const struct helper *h, const struct call *c, int fd);

/**
 * target_become - turn this process into one like the thread, for good
 * @need:  namespaces to join
 * @extra: capabilities, as bits, that it has beside those of the thread, all of them in the thread's
 *         user namespace
 *
 * Joins what target_open opened, takes root, working directory, ids, groups and capabilities. With
 * NEED_MNT the thread's root has to be that of its mount namespace: after a chroot a name would
 * mean something else than the policy's.
 * NEED_PID is in force for children only.
 * A private broker has no right but that of whoever made the user namespace: to join it, and be its root.
 * There it can take no id that the namespace does not map.
 * Context: a child of a helper, single-threaded.
 * Return: 0 or -errno.
 */
int target_become(const struct target *t, unsigned int need, uint64_t extra);

/** target_is_root - is its effective user the root of its user namespace? */
bool target_is_root(const struct target *t);

/** target_raise_caps - set capabilities in our user namespace; Return: 0 or -errno */
int target_raise_caps(uint64_t effective, uint64_t permitted);
