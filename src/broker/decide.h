/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/policy.h"

#include <sys/mount.h>

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

/* Flags of a mount that take something away. */
#define DECIDE_SAFETY                                                                              \
	((unsigned long)(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOSYMFOLLOW))

/*
 * Deciding is pure: a policy and a question in, a ruling out. The checks that no policy can
 * change stand here, too.
 */
struct ruling {
	int error; /* positive errno; 0: allowed */
	struct policy_verdict verdict;
};

/**
 * decide - may it be?
 * @p:       NULL: everything is refused
 * @syscall: name, for `syscall` rules, which come first
 * @lends:   the container could not do it by itself. Only a line may allow that, never a default
 */
void decide(const struct policy *p, const char *syscall, const struct policy_ask *ask, bool lends,
	    struct ruling *ret);

/* What answers a socket(2) that is allowed. */
enum socket_way {
	SOCKET_NATIVE, /* the kernel, with the caller's own rights */
	SOCKET_PING,   /* an ICMP echo socket of ours */
	SOCKET_RAW,    /* a raw socket of ours */
	SOCKET_NEVER,  /* whatever the policy says */
};

/** decide_socket - @type without SOCK_NONBLOCK and SOCK_CLOEXEC */
enum socket_way decide_socket(int family, int type, int protocol);

/**
 * decide_names_socket - is it this kind of socket that the deciding line is about?
 *
 * `allow socket inet` lets a program have the sockets that anybody has. Only a line with the word
 * `raw`, or `icmp`, lends one that the container could not have by itself.
 */
bool decide_names_socket(const struct policy *p, const struct policy_ask *ask, enum socket_way way,
			 const struct policy_verdict *v);

struct socket_facts {
	int family, type, protocol;
};

/**
 * decide_address - is it an internet address, whole, that this socket could mean?
 * @ret_type: SOCK_STREAM for TCP, SOCK_DGRAM for UDP and pings, 0 for what rules have no word for
 */
bool decide_address(const struct socket_facts *s, int family, size_t len, int *ret_type);

union bpf_attr;
struct bpf_insn;

/** decide_bpf_load - is it a program for devices, and no more than that? @a: CALL_BPF_MAX bytes */
bool decide_bpf_load(const union bpf_attr *a);
/** decide_bpf_attach - @attach: else it is to be detached */
bool decide_bpf_attach(const union bpf_attr *a, bool attach);

/**
 * decide_bpf_program - does it only look at what it is asked, and answer?
 *
 * No call, no map, no memory of its own, no loop: loads from what it was given, computing, jumps
 * forward, exit. The verifier looks at the rest.
 */
bool decide_bpf_program(const struct bpf_insn *insn, size_t count);

/** decide_sched - scheduling policies that may be lent at all */
bool decide_sched(int policy);

/** decide_device - kinds of nodes that a container may make without any right, too */
bool decide_device_is_free(uint32_t mode, uint32_t major, uint32_t minor);

/* Who sets an extended attribute that is allowed. */
enum xattr_way {
	XATTR_OWN,   /* a child like the caller, with its rights */
	XATTR_LENT,  /* we, since it takes a right of the host's */
	XATTR_NEVER, /* whatever the policy says */
};

/** decide_xattr - @value may hold anything */
enum xattr_way decide_xattr(const char *name, const char *value, size_t len);

/** decide_tightens - does a remount take back none of the flags that a mount has? */
bool decide_tightens(unsigned long asked, unsigned long has, unsigned long forced);

/** decide_mount_flags - flags of mount(2) that we perform, of those asked for; the rest is refused */
bool decide_mount_flags(unsigned long flags);
