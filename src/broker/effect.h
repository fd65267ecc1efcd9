/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "broker/berth.h"
#include "broker/decide.h"
#include "broker/target.h"

/* How a call ends. */
struct outcome {
	int error;	/* positive errno; 0: done */
	int64_t value;	/* what the call returns */
	int fd;		/* to be given to the thread, in place of @value; -EBADF: none */
	bool cloexec;	/* for @fd */
	bool continued; /* the kernel's own check may do it */
	struct ruling ruling;
	struct policy_ask ask; /* for the record; kind POLICY_KINDS: nothing was asked */
	const char *words;     /* then this may stand in its place; NULL: nothing */
};
#define OUTCOME_INIT                                                                               \
	{                                                                                          \
		.fd = -EBADF, .ask.kind = POLICY_KINDS, .ruling.error = EPERM                      \
	}

/** outcome_answer - tell the agent, then answer the call; refuses when the agent can't be told */
void outcome_answer(struct helper *h, const struct call *c, const struct outcome *o);

/** outcome_refuse - answer with an errno (either sign), nothing having been asked */
void outcome_refuse(struct helper *h, const struct call *c, int error);

/**
 * outcome_let_pass - have the kernel perform a call of CALL_VIEW, which nobody has to know of
 *
 * The container does not pay for it either: it would have to open files slower than it could.
 */
void outcome_let_pass(struct helper *h, const struct call *c);

/**
 * effect_fork - let a child perform and answer a call while we go on
 * @where:       whose cgroup pays; in BERTH_CALLER its container may stop the child, or starve it, so
 *               it holds nothing there that others wait for
 * @act:         in the child: fills @o; the child answers and ends
 * @deadline_ms: it is killed after that, and the call refused
 *
 * When there is no child to be had the call is refused.
 */
void effect_fork(struct helper *h, struct call *c, enum berth where, unsigned int deadline_ms,
		 void (*act)(struct helper *h, struct call *c, struct outcome *o));

/**
 * effect_make - have a child make a file, in the cgroup of the caller, and wait for it
 * @make: in the child: the file, or -errno
 *
 * Return: fd or -errno; -ENOMEM when the child died of it.
 */
int effect_make(const struct helper *h, const struct call *c,
		int (*make)(const struct helper *h, const void *ctx), const void *ctx);

/**
 * effect_go_on - go on in another child
 * @where: of that
 * @then: done by the one that called this, with its rights, when the other has ended; NULL: nothing
 *
 * Context: in a child. Only a child of a process is in a pid namespace that it joined, and what
 * needs our rights at the end needs somebody who kept them. Returns in the new one; the other ends
 * as that does.
 */
void effect_go_on(const struct helper *h, const struct call *c, enum berth where,
		  void (*then)(const struct helper *h));

/*
 * What needs rights that a child like the caller has not is done by another one that keeps ours,
 * on what the former resolved and decided.
 */
struct keeper {
	struct helper *h;
	const struct call *c;
	const struct target *t;
	/* Performs a request. Return: 0 or -errno; may set *@ret_fd */
	int (*serve)(const struct keeper *k, int fd, const void *bytes, size_t len, int *ret_fd);
	const void *order; /* for @serve: what both know from before */
	enum berth where;  /* of the asking one */
	int sock;	   /* of the asking one */
};

enum { KEEPER_BYTES = 128 }; /* of a request, at most */

/**
 * effect_keep - go on in another child; the one that called this keeps its rights for one request
 * @k: filled but for @sock; must be there until effect_ask
 *
 * Context: in a child. Returns in the new one; the other ends as that does.
 * Return: 0 or -errno.
 */
int effect_keep(struct keeper *k);

/**
 * effect_ask - have the keeper serve, once
 * @fd:     goes to it; -EBADF: none
 * @ret_fd: what came back, when not NULL; -EBADF: nothing
 *
 * Return: what it returned, or -errno.
 */
int effect_ask(struct keeper *k, int fd, const void *bytes, size_t len, int *ret_fd);

/** effect_reap - take note of children that have ended; one that did not answer is refused for */
void effect_reap(struct helper *h);
/** effect_busy - how many children are at work? */
unsigned int effect_busy(const struct helper *h);

/**
 * effect_ruling - ask the policy and remember question and answer
 * @lends: it is about a right that the container has not: only a line of the policy may allow it
 *
 * Return: 0 or -EPERM, which is in o->error then, too.
 */
int effect_ruling(const struct helper *h, const struct call *c, const struct policy_ask *ask,
		  bool lends, struct outcome *o);

/**
 * effect_ruling_by_name - ask only whether a line denies the call by its name
 *
 * Return: 0 or -EPERM, which is in o->error then, too.
 */
int effect_ruling_by_name(const struct helper *h, const struct call *c, struct outcome *o);

/* ---- names, as the thread would find them ------------------------------------------------- */

/**
 * place_open - resolve a path to the object it names, once
 * @dirfd: of the thread; AT_FDCWD
 * @flags: O_NOFOLLOW, O_DIRECTORY
 *
 * Context: behind target_become with NEED_MNT.
 * Return: O_PATH descriptor or -errno.
 */
int place_open(const struct target *t, int dirfd, const char *path, int flags);

/**
 * place_open_parent - the directory that the last component is to be made in
 * @ret_name: the last component, within @path
 *
 * Return: O_PATH directory or -errno; -EEXIST when there is no last component to be made.
 */
int place_open_parent(const struct target *t, int dirfd, const char *path, const char **ret_name);

/**
 * place_name - the path of what a descriptor stands for, seen from our root
 * @proc: the host's procfs
 *
 * Return: 0; -EPERM when it has none, or none that is sure.
 */
int place_name(int proc, int fd, char *ret, size_t size);

/**
 * place_open_owned - the same file, opened as only its owner may
 * @proc: the host's procfs
 * @fd:   directory or file: pipes and devices would notice
 *
 * For the kernel that is whoever owns it, or has CAP_FOWNER over its ids (open(2), O_NOATIME).
 * Context: behind target_become.
 * Return: fd to read from, or -errno; -EPERM.
 */
int place_open_owned(int proc, int fd);

/** place_mount_id - what a mount is remembered by; 0: can't be told. Sets @ret_is_root on success */
uint64_t place_mount_id(int fd, bool *ret_is_root);

/**
 * place_mount - move a detached mount onto an object, if the call still waits, and remember it
 * @kind: what it is, not 0
 *
 * Return: 0; -ENOSPC when the container has too many; -ESRCH; -errno.
 */
int place_mount(struct helper *h, const struct call *c, int mount, int target, uint8_t kind);

enum { PLACE_NODE = 255 }; /* a kind of mount: a device node */
