/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "container/container.h"

/*
 * What the transitions of the state table share. For container/ and checkpoint/.
 */

enum life_op {
	LIFE_START,
	LIFE_KILL,
	LIFE_DELETE,
	LIFE_EXEC,
	LIFE_PAUSE,
	LIFE_RESUME,
	LIFE_UPDATE,
	LIFE_MOUNTS,
	LIFE_CHECKPOINT,
	LIFE_OP_COUNT
};

/**
 * life_refusal - the state table: why @op can't be done to a container that is @st
 *
 * Return: the message; NULL: it can be done.
 */
const char *life_refusal(enum life_op op, enum ctr_status st);

/**
 * life_hooks - run poststart or poststop hooks from the container's copy of config.json
 *
 * Return: 0, also when it has none; the error of the one that failed.
 */
int life_hooks(const struct ctr *c, enum oci_hook_kind kind, struct err *e);

/**
 * life_kill_all - SIGKILL everything of the container and wait until its first process is gone
 *
 * Return: 0, also when nothing lived; -EBUSY after 10 s.
 */
int life_kill_all(const struct ctr *c, struct err *e);

/**
 * life_clear - kill what is left, remove the cgroups, run the poststop hooks, remove the files
 * @c:       locked
 * @hooks:   run them
 * @warning: code set when a hook failed; NULL: not wanted
 *
 * Repeated after a failure it goes on where it stopped.
 * Return: 0 or a negative code.
 */
int life_clear(const struct ctr *c, int root_fd, bool hooks, struct err *warning, struct err *e);

/**
 * life_clear_damaged - remove a container whose state file says nothing, by what else can be told of it
 * @warning: what could be found, and that more may be left
 * @e:       has what is wrong with the state file; on failure what failed now
 *
 * Its processes are those in the cgroups that the copy of config.json leads to.
 * Return: 0 or a negative code.
 */
int life_clear_damaged(int root_fd, const char *root, const char *id, struct err *warning,
		       struct err *e);

/**
 * life_sweep - remove @id if it is the leftover of a create or of a keeper that died
 *
 * Return: 0 when it was, or nothing is there any more; -EEXIST when it is a container;
 * -EBUSY when its create is still under way; a negative code when the clearing failed.
 */
int life_sweep(const char *root, int root_fd, const char *id, struct err *e);
