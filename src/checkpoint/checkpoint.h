/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "container/container.h"

/*
 * Checkpoint and restore through CRIU, as runc and crun do it. An image directory holds CRIU's
 * files and descriptors.json: what stdin, stdout and stderr were.
 */

/* What both take. Strings borrowed; NULL: not given. */
struct cr_options {
	const char *root, *id;
	const char *criu;		 /* the program; NULL: "criu" */
	const char *image_path;		 /* NULL: "checkpoint" in the working directory */
	const char *work_path;		 /* where the log goes; NULL: to the images */
	const char *manage_cgroups_mode; /* "soft", "full", "strict", "ignore" */
	const char *network_lock;	 /* "iptables", "nftables", "skip" */
	char *const *empty_ns;		 /* NULL-terminated; only "network" */
	bool tcp_established, tcp_close, ext_unix_sk, shell_job, file_locks, auto_dedup, lazy_pages;
};

struct cr_checkpoint_options {
	struct cr_options both;
	const char *parent_path; /* of the last pre-dump, relative to the images */
	const char *page_server; /* ADDRESS:PORT */
	const char *status_fd;	 /* number of an fd that gets a NUL once lazy pages are served */
	bool leave_running, pre_dump, tcp_skip_in_flight, link_remap;
};

/**
 * cr_checkpoint - write the state of a running container to files
 * @warning: code set when a poststop hook failed
 *
 * Without leave_running and pre_dump the container is gone afterwards. On failure it runs on.
 * Return: 0; -ENOENT; -EINVAL; -EIO with what CRIU said.
 */
int cr_checkpoint(const struct cr_checkpoint_options *o, struct err *warning, struct err *e);

struct cr_restore_options {
	struct cr_options both;
	struct ctr_create_options birth; /* as for run: bundle, detach, console_socket, pid_file… */
	const char *lsm_profile;	 /* TYPE:NAME */
	const char *lsm_mount_context;
};

/**
 * cr_restore - bring a container back from files
 * @ret_exit: in the foreground the exit status of its first process; detached: 0
 * @rep:      initialised to zero; gets a warning
 *
 * On failure nothing is left behind.
 * Return: 0; -EEXIST; -ENOENT; -EINVAL; -EIO with what CRIU said.
 */
int cr_restore(const struct cr_restore_options *o, int *ret_exit, struct ctr_report *rep,
	       struct err *e);
