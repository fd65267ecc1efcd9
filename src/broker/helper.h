/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "broker/call.h"
#include "broker/shared.h"
#include "sys/host.h"

/* Where a container stood when it was brought: device and inode of its namespaces and its cgroup. */
struct home {
	bool known;
	uint64_t user[2], mnt[2];
	uint64_t cgroup[2]; /* of version 2; 0: it has none of its own */
	pid_t pid;	    /* its first process */
	uint64_t start;	    /* of that, in clock ticks since boot */
};

/*
 * A helper serves one container: it takes a notification, copies, decides, acts or has a child
 * act, answers. It may block on the guest for as long as the agent lets it.
 */
struct helper {
	int notify;  /* the container's listener */
	int events;  /* to the agent, SOCK_SEQPACKET: one struct event a call */
	int proc;    /* the host's procfs */
	int lock;    /* a file of the agent's, for one lock among all helpers */
	int devices; /* the agent's own file system for device nodes; -EBADF: none */
	int userns;  /* our own user namespace */
	const struct policy *policy;	/* NULL: it is gone, refuse all */
	uid_t owner;			/* who brought the listener: its user namespaces are his */
	struct home home;		/* who has left it is lent nothing */
	bool confined;			/* a private broker: lends nothing */
	struct shared *shared, *ledger; /* the mounts of @ledger count, all else of @shared */
	struct desk *desk;
	unsigned int index; /* 0: stays a while without work; others leave at once */
	uint64_t cost_ns, burst_ns;
	const struct host_cgroups *cgroups;
};

/* What a helper tells the agent of one call. Behind it: what was asked, then the policy's line. */
struct event {
	int32_t nr;
	int32_t tid;
	int32_t error; /* 0: it was allowed and done */
	uint32_t line; /* of the policy; 0: its default, or no line has a say */
	uint64_t took_ns;
	uint8_t allowed; /* the policy's word; @error may still come from the kernel */
	uint8_t continued;
	uint16_t words_len, text_len;
};

enum { EVENT_TEXT_MAX = 12 << 10 };

/* In place of what was asked: whoever worked on it was killed. Nobody knows how far it came. */
#define EVENT_ENDED "ended on its way"

/** helper_run - serve until idle, told to leave, or the listener's end; Return: exit status */
int helper_run(struct helper *h);
