/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "sys/host.h"

/* Findings of `cay doctor`. */
enum health {
	HEALTH_OK,
	HEALTH_LIMITED, /* something optional can't be had */
	HEALTH_MISSING, /* `cay run` can't work */
};

struct finding {
	const char *name;
	enum health health;
	const char *detail; /* never NULL */
	const char *advice; /* NULL when all is well */
};

struct doctor {
	struct arena arena;
	struct buf findings; /* array of struct finding */
	struct host_facts host;
	bool root; /* may make namespaces without a user namespace */
};

/**
 * doctor_note - add a finding
 * @advice: how to mend it; dropped when @health is HEALTH_OK
 * @fmt:    the detail
 */
void doctor_note(struct doctor *d, const char *name, enum health health, const char *advice,
		 const char *fmt, ...) FORMAT(5, 6);

/** doctor_read - a small file without its newline; @d owns it; NULL when it can't be read */
char *doctor_read(struct doctor *d, const char *path);

/* Groups of checks; each adds its findings and changes nothing on the host. */
void doctor_kernel(struct doctor *d);	  /* version and system calls */
void doctor_namespaces(struct doctor *d); /* tried out in a child */
void doctor_users(struct doctor *d);	  /* who may make user namespaces, with which ids */
void doctor_cgroups(struct doctor *d);
void doctor_seccomp(struct doctor *d);
void doctor_extras(struct doctor *d); /* Landlock, BPF LSM, ping */
