/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "container/container.h"
#include "container/inherit.h"
#include "launch/launch.h"
#include "sys/host.h"

/*
 * How a container comes to be, as far as create, run and restore have it in common: its
 * configuration, and its directory in the store. For container/ and checkpoint/.
 *
 *	birth_init, birth_load, [the caller compiles], birth_state, birth_publish
 */

/* Everything a create holds on its way. */
struct birth {
	const struct ctr_create_options *o;
	struct arena arena;
	struct ctr c;
	struct buf config; /* text of config.json */
	struct oci_spec *spec;
	struct host_facts host;
	struct inherit inherit;
	struct launch_info info;
	struct plan plan;
	struct launch launch;
	char *bundle, *cache;
	int root_fd;
	bool begun;  /* launch holds a process */
	bool notify; /* it gets a notify socket */
};

/** birth_init - begin with nothing; @o is borrowed until birth_done */
void birth_init(struct birth *b, const struct ctr_create_options *o);

/** birth_done - free, close and unlock; takes nothing back */
void birth_done(struct birth *b);
#define AUTO_BIRTH AUTO(birth_done)

/**
 * birth_config - check the id, read and validate config.json of the bundle
 *
 * Return: 0; -ENOENT; -EINVAL.
 */
int birth_config(struct birth *b, struct err *e);

/**
 * birth_load - birth_config, add what the environment asks for, check the options against it,
 *              open the store, gather host facts
 *
 * Return: 0 or a negative code; the store may have been made.
 */
int birth_load(struct birth *b, struct err *e);

/** birth_state - fill b->c from what was loaded and compiled; Return: 0 or -ENOMEM */
int birth_state(struct birth *b, struct err *e);

/**
 * birth_publish - from nothing to a directory with its files, at once
 *
 * Return: 0; -EEXIST "container with given ID already exists"; a negative code, nothing is left.
 */
int birth_publish(struct birth *b, struct err *e);

/** birth_check_cgroups - nobody may live in the cgroups that will be its; Return: 0; -EBUSY */
int birth_check_cgroups(const struct birth *b, struct err *e);

/** birth_keep_cgroups - where one may be lacking, the state names those that are there: exec joins them all */
void birth_keep_cgroups(struct birth *b);

/** birth_tell - launch_print_phases to @to; for exec, too */
void birth_tell(const struct launch *l, bool exec, const struct ctr_listener *to);
