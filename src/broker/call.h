/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/policy.h"

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * One system call of a container that waits for our answer. What it points to is copied once,
 * into a pool of fixed size; nobody looks at the guest's memory a second time.
 */

enum {
	CALL_ARGS = 6,
	CALL_ADDR_MAX = 128,
	CALL_MASK_MAX = 1024,
	CALL_VALUE_MAX = 4096,
	CALL_BPF_MAX = 256,
	CALL_INSNS_MAX = 1024,
	CALL_POOL = 20 << 10
};

enum arg_shape {
	ARG_NONE,
	ARG_INT,   /* the register is the value */
	ARG_FD,	   /* a file descriptor, or AT_FDCWD */
	ARG_PATH,  /* text below PATH_MAX bytes */
	ARG_TEXT,  /* text below a page; NULL is nothing */
	ARG_ADDR,  /* a socket address; its length is the next argument */
	ARG_PARAM, /* struct sched_param */
	ARG_ATTR,  /* struct sched_attr, which begins with its size */
	ARG_MASK,  /* a mask of processors; its length is the argument before */
	ARG_VALUE, /* up to CALL_VALUE_MAX bytes; their number is the next argument */
	ARG_HOW,   /* struct open_how; its length is the next argument */
	ARG_BPF, /* union bpf_attr; its length is the next argument. What it loads is argument 3 */
	ARG_OUT, /* written to when the call is done; not read */
};

enum call_class {
	CALL_SCALAR, /* registers say all: what is not lent may go on to the kernel's own check */
	CALL_LEND,   /* pointers or rights: performed by us, never continued */
	CALL_VIEW,   /* shows something in place of the host's; what it does not show goes on */
	CALL_ABSENT, /* answered ENOSYS, so that libc takes the older road */
};

struct call_arg {
	uint64_t value;	   /* the register */
	const char *bytes; /* the copy; NULL: no pointer, or a NULL one. Text is terminated */
	uint32_t len;	   /* of the copy, without the terminator of a text */
};

struct call {
	uint64_t id;
	pid_t tid; /* of the thread, as we see it */
	uint64_t begun_ns;
	const struct call_kind *kind;
	struct call_arg arg[CALL_ARGS];
	size_t used;
	char pool[CALL_POOL];
};

struct helper;

/* A row says everything about a system call. */
struct call_kind {
	const char *name;
	int nr;
	enum call_class class;
	/* Kinds of rules that decide it, see RULE; 0: none does. */
	unsigned int rules;
	enum arg_shape shape[CALL_ARGS];
	/* Answers the call, or has a child do so. NULL for CALL_ABSENT. */
	void (*handle)(struct helper *h, struct call *c);
};

#define RULE(kind) (1U << POLICY_##kind)

/** call_table - all rows, ends with one without name */
extern const struct call_kind call_table[];

/** call_find - the row of a system call of our own architecture; NULL: none */
const struct call_kind *call_find(uint32_t arch, int nr);

/**
 * call_begin - take the registers of a notification
 * @c:    not yet in use
 * @kind: of that call
 */
void call_begin(struct call *c, const struct seccomp_notif *n, const struct call_kind *kind);

/**
 * call_copy - copy all that the arguments point to
 *
 * May block for as long as the guest likes: its memory may be a file of its own making.
 * Return: 0; -EFAULT; -ENAMETOOLONG; -EINVAL for a length out of bounds; -E2BIG.
 */
int call_copy(struct call *c);
