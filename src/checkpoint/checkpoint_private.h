/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "checkpoint/checkpoint.h"
#include "checkpoint/criu.h"
#include "launch/launch.h"
#include "sys/host.h"

/* The directories of one request, kept open: CRIU reaches them through our fds. */
struct cr_dirs {
	int images, work;	       /* work: -EBADF: none of its own */
	char *images_path, *work_path; /* absolute */
	const char *log_dir;	       /* one of them */
};
#define CR_DIRS_INIT                                                                               \
	{                                                                                          \
		.images = -EBADF, .work = -EBADF                                                   \
	}

void cr_dirs_done(struct cr_dirs *d);
#define AUTO_DIRS AUTO(cr_dirs_done)

/**
 * cr_dirs_open - open images and work directory
 * @make: images are about to be written: make it with its parents, mode 0700
 */
int cr_dirs_open(const struct cr_options *o, bool make, struct cr_dirs *ret, struct err *e);

/**
 * cr_common - append the options that dump and restore share
 * @s: for annotation org.criu.config
 *
 * Return: 0; -EINVAL for a mode or namespace that is none.
 */
int cr_common(const struct cr_options *o, const struct oci_spec *s, const struct cr_dirs *d,
	      const char *log, struct buf *opts, struct err *e);

/**
 * cr_need_version - refuse a CRIU that lacks what this container needs
 * @version: of criu_version
 */
int cr_need_version(const struct oci_spec *s, int version, struct err *e);

/** cr_outside_dump - tell which mounts and namespaces of the container are not its own */
int cr_outside_dump(const struct ctr *c, const struct oci_spec *s, struct buf *opts, struct err *e);

/* Namespaces that are joined by path, open for CRIU. */
struct cr_joined {
	int fd[3]; /* ends with a negative one: what criu_start.pass takes */
};
#define CR_JOINED_INIT                                                                             \
	{                                                                                          \
		.fd = { -EBADF, -EBADF, -EBADF }                                                   \
	}
void cr_joined_done(struct cr_joined *j);
#define AUTO_JOINED AUTO(cr_joined_done)

/** cr_outside_restore - where those mounts come from now, and the namespaces to join */
int cr_outside_restore(const struct oci_spec *s, const struct host_facts *h,
		       const struct launch_options *o, struct buf *opts, struct cr_joined *ret,
		       struct err *e);

/**
 * cr_stdio_dump - write descriptors.json, tell CRIU what of stdio lies outside
 * @dir_fd: the images
 */
int cr_stdio_dump(const struct ctr *c, int dir_fd, struct buf *opts, struct err *e);

/** cr_stdio_restore - our own stdio takes the place of what descriptors.json names */
int cr_stdio_restore(int dir_fd, struct buf *opts, struct err *e);

/** cr_cgroup_roots - CRIU puts the processes where @pid is */
int cr_cgroup_roots(pid_t pid, struct buf *opts, struct err *e);
