/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What the agent and the helpers of one container write down for each other, in memory that all
 * of them share. A helper may be killed at any moment: what it was about to answer stands here, so
 * that the agent can refuse it, and what it mounted outlives it.
 */

enum {
	SHARED_HELPERS = 4,   /* of a container at a time */
	SHARED_CHILDREN = 12, /* of a helper at a time */
	SHARED_MOUNTS = 128,  /* of a container, as long as they are there */
	SHARED_PROGRAMS = 32, /* BPF programs, the same */
};

/* A call that somebody works on. */
struct pending {
	_Atomic uint64_t since_ns;    /* 0: free */
	_Atomic uint64_t deadline_ns; /* when whoever works on it is killed */
	_Atomic uint64_t id;
	_Atomic int32_t pid;	 /* of the child; 0: the helper itself */
	_Atomic int32_t nr, tid; /* the call and the thread that made it, for the record */
	_Atomic bool told;	 /* it has been written down */
};

struct desk {
	struct pending own;
	struct pending child[SHARED_CHILDREN];
};

struct shared {
	_Atomic uint64_t paid_until_ns; /* the rate limit, see shared_pay */
	struct desk desk[SHARED_HELPERS];
	_Atomic uint64_t mount[SHARED_MOUNTS]; /* its id, and in the lowest byte its kind; 0: free */
	_Atomic uint32_t program[SHARED_PROGRAMS]; /* their ids; 0: free */
	_Atomic uint64_t uncharged;		   /* bytes, see berth_spend */
};

/** pending_begin - a call is being worked on, until @deadline_ns at the latest */
void pending_begin(struct pending *p, uint64_t id, int32_t nr, int32_t tid, uint64_t deadline_ns);
/** pending_end - nobody works on it any more */
void pending_end(struct pending *p);

/** shared_add_mount - remember a mount; @kind: not 0; Return: false when there are too many */
bool shared_add_mount(struct shared *s, uint64_t id, uint8_t kind);
/** shared_mount_kind - the kind of a mount that we made, for this container; 0: we did not */
uint8_t shared_mount_kind(const struct shared *s, uint64_t id);
/** shared_drop_mount - Return: false when it was not there (any more): one of two wins */
bool shared_drop_mount(struct shared *s, uint64_t id);

/** shared_add_program - remember a BPF program; Return: false when there are too many */
bool shared_add_program(struct shared *s, uint32_t id);
/** shared_has_program - did we load it, for this container? */
bool shared_has_program(const struct shared *s, uint32_t id);

/**
 * shared_pay - the price of one call
 * @cost_ns:  of the call: 1 s divided by how many such a container may make in a second
 * @burst_ns: how far ahead it may be
 *
 * Return: how many ns to wait before the next call is taken; 0: none.
 */
uint64_t shared_pay(struct shared *s, uint64_t now_ns, uint64_t cost_ns, uint64_t burst_ns);

/** shared_pay_back - what was paid for one call */
void shared_pay_back(struct shared *s, uint64_t cost_ns);
