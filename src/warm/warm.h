/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "container/container.h"

/*
 * Warm containers: a keeper holds some of a bundle at their gates, hands each out once, and makes
 * another in its place. Whoever takes one says what to run in it (struct oci_fast), so what is
 * left of a start is an execve.
 *
 *	<root>/.warm/NAME     socket of the keeper
 *	<root>/NAME.PID.n     the containers; PID is the keeper's
 *
 * The keeper is the parent of all their first processes: it learns how they end, and removes
 * them. What waits when it dies, ends with it; the next command that looks at the store removes
 * what is left.
 */

enum { WARM_MAX = 10000, WARM_NAME_MAX = 64 };

struct warm_options {
	const char *name;		  /* NULL: that of the bundle's directory */
	uint32_t count;			  /* how many wait; 1 … WARM_MAX */
	bool foreground;		  /* be the keeper, in place of starting one */
	struct ctr_create_options create; /* root, bundle and the like; id and what run has: unused */
};

/**
 * warm_up - keep containers ready
 *
 * Returns when all wait, leaving a keeper behind; in the foreground when asked to end by a
 * signal or by warm_down.
 * Return: 0; -EEXIST when there is a keeper of that name; the error of the first create.
 */
int warm_up(const struct warm_options *o, struct err *e);

/**
 * warm_take - run a program in one of them
 * @f:        NULL: the program it was created with
 * @detach:   don't wait; @ret_id says which one it is. Its files are those of the keeper unless
 *            @f says otherwise
 * @ret_id:   @a owns it
 * @ret_exit: not detached: its exit status; our files are its files and signals go to it
 *
 * When we die in the foreground, so does the container.
 * Return: 0; -ENOENT when nobody keeps @name; the error that kept the program from running.
 */
int warm_take(const char *root, const char *name, const struct oci_fast *f, bool detach,
	      struct arena *a, char **ret_id, int *ret_exit, struct err *e);

struct warm_pool {
	char *name;
	uint32_t want, ready;
};

/** warm_list - who keeps how many; @a owns the list */
int warm_list(const char *root, struct arena *a, struct warm_pool **ret, size_t *ret_count,
	      struct err *e);

/**
 * warm_down - remove what waits, and the keeper; what runs, runs on
 *
 * Return: 0; -ENOENT.
 */
int warm_down(const char *root, const char *name, struct err *e);
