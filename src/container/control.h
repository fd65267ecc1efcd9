/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "container/container.h"

/* What can be done to a container while it lives, and seen of it. */

/** ctr_pause - freeze a created or running one; Return: 0; -EINVAL with "container not running" */
int ctr_pause(const char *root, const char *id, struct err *e);

/** ctr_resume - thaw a paused one; Return: 0; -EINVAL with "container not paused" */
int ctr_resume(const char *root, const char *id, struct err *e);

struct ctr_update_options {
	const char *root, *id;
	const char *resources; /* text of a linux.resources object: what is to change */
	const char *l3_cache_schema, *mem_bw_schema; /* NULL: unchanged */
};

/**
 * ctr_update - change the limits of a container that lives
 *
 * The copy of config.json takes the change, so that what is stored is what is in force. Devices
 * are not changed.
 * Return: 0; -EINVAL; -ESRCH with "container not running"; a negative code, then some of the
 * limits may have changed.
 */
int ctr_update(const struct ctr_update_options *o, struct err *e);

struct ctr_events_options {
	const char *root, *id;
	uint64_t interval_ms;				    /* between two stats */
	bool once;					    /* one stats, and back */
	int (*emit)(const char *line, size_t n, void *arg); /* Return: 0, or negative: stop */
	void *arg;
};

/**
 * ctr_events - what happens in a container, a line of JSON each, as runc tells it
 *
 * Returns when its first process has ended or its cgroup is gone.
 * Return: 0; -ESRCH when it doesn't run; what @emit returned.
 */
int ctr_events(const struct ctr_events_options *o, struct err *e);

/**
 * ctr_mounts - mount into a running container, or take mounts away
 * @file:   a JSON list of mounts as in config.json
 * @remove: by their destinations, the last one first
 *
 * Stops at the first that fails; those before it stay.
 * Return: 0; -EINVAL; -ESRCH with "container not running".
 */
int ctr_mounts(const char *root, const char *id, const char *file, bool remove, struct err *e);
