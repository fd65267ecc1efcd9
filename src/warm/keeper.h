/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "warm/pool.h"
#include "warm/warm.h"

#include <sys/types.h>

/* The process behind warm_up. Private to warm/. */
struct keeper {
	const struct warm_options *o;
	const char *name, *socket; /* of the pool; path of its socket */
	struct pool pool;
	struct keeper_client *clients;
	size_t clients_count;
	int listen_fd, signal_fd;
	int leash[2];	 /* what waits holds [0]; [1] is ours alone */
	int ready_fd;	 /* gets one struct err when all wait or the first create failed; -EBADF */
	struct err last; /* of the latest create that failed */
	unsigned int failures;
	uint64_t retry_ns; /* no create before that moment: the last ones failed */
	uint64_t calm_ns;  /* nor before this one, unless few are left: a start goes first */
};

/* One connection. */
struct keeper_client {
	int fd;
	bool wants; /* a container, and there was none */
	bool down;  /* waits for the end of all that waits */
};

/**
 * keeper_run - keep the pool until asked to end
 * @k: name, socket, o, listen_fd and ready_fd are set; all else zero
 *
 * Return: 0; the error of the first create, or of the loop.
 */
int keeper_run(struct keeper *k, struct err *e);

/** keeper_id - id of member @number; Return: text of at most 128 bytes in @ret, or -ENAMETOOLONG */
int keeper_id(const struct keeper *k, uint64_t number, char ret[CTR_ID_MAX + 1]);

/** keeper_make - begin a create in a process of its own; Return: 0 or a negative code */
int keeper_make(struct keeper *k, struct member *m, struct err *e);

/** keeper_made - what that worker left behind; Return: 0, m->pid is set; its error */
int keeper_made(struct keeper *k, struct member *m, struct err *e);

/** keeper_remove - begin a forced delete in a process of its own; Return: 0 or a negative code */
int keeper_remove(struct keeper *k, struct member *m, struct err *e);
