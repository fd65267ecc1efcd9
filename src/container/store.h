/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "container/container.h"

#include <sys/stat.h>

/*
 * The files behind struct ctr. For container/ and checkpoint/. Names below the store are used with
 * an fd of the directory, so that a store that is moved or replaced can't mix two of them.
 */

enum { STORE_LOCK_MS = 10000 };

/**
 * store_open_root - the directory that holds all containers
 * @create: make it, mode 0700, with its parents
 * @ret_fd: set only on success; caller closes
 *
 * Return: 0; -ENOENT; -EPERM when somebody else owns it.
 */
int store_open_root(const char *root, bool create, int *ret_fd, struct err *e);

/**
 * store_open_dir - a container's directory
 * @lock_ms: take the lock, waiting so long; 0: try once; -1: don't lock
 *
 * With the lock the directory is known to still be the one at @name.
 * Return: 0; -ENOENT; -EBUSY when somebody else holds the lock.
 */
int store_open_dir(int root_fd, const char *name, int lock_ms, int *ret_fd, struct err *e);

/** store_locked_elsewhere - does another process hold the lock of @dir_fd? Takes none */
bool store_locked_elsewhere(int dir_fd);

/**
 * store_put - write a file in one piece: temporary name, then rename
 *
 * Return: 0; -ENOSPC and the like, then no trace of the new file is left.
 */
int store_put(int dir_fd, const char *name, const void *bytes, size_t n, mode_t mode,
	      struct err *e);

/**
 * store_put_new - write a file that is not there yet, in a directory that nobody sees yet
 *
 * Return: 0; -EEXIST; -ENOSPC and the like, then a part of it may lie there.
 */
int store_put_new(int dir_fd, const char *name, const void *bytes, size_t n, mode_t mode,
		  struct err *e);

/**
 * store_get - append a regular file to @b, at most JSON_MAX_BYTES
 *
 * Return: 0; -ENOENT; -EINVAL when not a regular file; -E2BIG.
 */
int store_get(int dir_fd, const char *name, struct buf *b, struct err *e);

/**
 * store_new - a locked directory under a temporary name
 * @ret_name: its name below @root_fd, 32 bytes
 */
int store_new(int root_fd, char ret_name[32], int *ret_fd, struct err *e);

/** store_sweep_new - remove what creators that died left of their store_new */
void store_sweep_new(int root_fd);

/** store_publish - give it its final name; Return: 0; -EEXIST */
int store_publish(int root_fd, const char *name, const char *id, struct err *e);

/** store_remove - remove a directory and the files in it; state.json goes last */
int store_remove(int root_fd, const char *name, int dir_fd, struct err *e);

/** store_remove_stale - remove what creates that died before store_publish left behind */
void store_remove_stale(int root_fd);

/** store_name_ctr - fill in id, root and dir; @c's arena gets the strings; Return: 0 or -ENOMEM */
int store_name_ctr(struct ctr *c, const char *root, const char *id, struct err *e);

/**
 * store_open_ctr - ctr_open below an open store
 * @lock_ms: as store_open_dir
 * @ret:     set only on success; may be a directory without state: @ret->half
 *
 * Return: as ctr_open.
 */
int store_open_ctr(int root_fd, const char *root, const char *id, int lock_ms, struct ctr *ret,
		   struct err *e);

/** ctr_is_alive - is the first process still the one we started, and no zombie? */
bool ctr_is_alive(const struct ctr *c);

/** ctr_is_orphan - has it ended, and its keeper, who would have removed it, too? */
bool ctr_is_orphan(const struct ctr *c);

/** state_encode - state.json of @c, appended to @out; Return: 0 or -ENOMEM */
int state_encode(const struct ctr *c, struct buf *out, struct err *e);

/**
 * state_decode - fill @c from the text of a state.json
 * @c: id set; its arena gets the strings
 *
 * Return: 0; -EBADMSG names the field.
 */
int state_decode(const char *text, size_t len, struct ctr *c, struct err *e);

/** state_save - encode and store_put; @c->dir_fd is the directory */
int state_save(const struct ctr *c, struct err *e);

/**
 * pidfile_write - pid in decimal; whoever finds the file finds it whole
 *
 * A file of that name is replaced, a link too. Killed on the way it leaves none
 *
 * Return: 0 or a negative code.
 */
int pidfile_write(const char *path, pid_t pid, struct err *e);
