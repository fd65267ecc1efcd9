/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * What a keeper knows of its containers. No system calls: each function is one event.
 *
 *	MAKING → READY → TAKEN → GOING → (gone)
 *
 * A member is handed out by the one step READY → TAKEN and never comes back.
 */
enum member_state { MEMBER_MAKING, MEMBER_READY, MEMBER_TAKEN, MEMBER_GOING };

struct member {
	uint64_t number; /* in its id; never used again */
	enum member_state state;
	pid_t worker; /* MAKING, GOING: who is at it; 0: nobody yet */
	pid_t pid;    /* its first process; 0: not known or ended */
	int result;   /* MAKING: pipe from the worker */
	int client;   /* TAKEN: who has it; -EBADF: nobody, it was detached */
};

enum { POOL_MAX_MEMBERS = 20000 };

struct pool {
	struct member *list;
	size_t count, room;
	uint32_t want;
	uint64_t next;
	bool closing; /* nothing is made any more */
};

void pool_done(struct pool *p);

/** pool_lacks - how many more should be made now */
size_t pool_lacks(const struct pool *p);

/** pool_is_low - are less than half of those that are wanted left? */
bool pool_is_low(const struct pool *p);

/** pool_add - a member in MAKING; Return: valid until the next pool_add or pool_sweep; NULL: no memory */
struct member *pool_add(struct pool *p);

/** pool_take - hand the oldest READY one out to @client; Return: NULL: none is ready */
struct member *pool_take(struct pool *p, int client);

/** pool_by_worker, pool_by_pid, pool_by_client - find a member; NULL: none */
struct member *pool_by_worker(struct pool *p, pid_t pid);
struct member *pool_by_pid(struct pool *p, pid_t pid);
struct member *pool_by_client(struct pool *p, int client);

/** pool_count - members in @state */
size_t pool_count(const struct pool *p, enum member_state state);

/** pool_remove - forget a member; others move */
void pool_remove(struct pool *p, struct member *m);
