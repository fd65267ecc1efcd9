/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Host facts: all that plan halves may know about the machine. Gathered once,
 * by reading only; a table test fills the same struct by hand.
 */

enum cgroup_layout { CGROUP_NONE, CGROUP_V1, CGROUP_HYBRID, CGROUP_V2 };

/* One mounted hierarchy. cgroup v2 is the entry with an empty controller list. */
struct cgroup_hierarchy {
	char *mount;	   /* "/sys/fs/cgroup/memory" */
	char *controllers; /* as mounted: "cpu,cpuacct", "name=systemd"; "" for v2 */
	char *own;	   /* this process's cgroup in it: "/", "/user.slice/…" */
	char *mount_root;  /* root of the mount within the hierarchy, normally "/" */
	char *offered;	   /* v2: cgroup.controllers at the mount, "" when unreadable; v1: NULL */
	bool v2;
};

struct host_cgroups {
	enum cgroup_layout layout;
	struct cgroup_hierarchy *hierarchies;
	size_t count;
};

/*
 * One entry of what a container sees where a mount of type "cgroup" is asked for. The
 * cgroup mechanism fills an array of these, launch hands it to the mount mechanism.
 * A v2 host has a single one with an empty name: the target itself.
 */
struct cgroup_view {
	const char *name;    /* directory below the mount target, "memory"; "": the target */
	const char *source;  /* host path of the container's own cgroup */
	const char *options; /* v1: controllers for a mount of its own: "cpu,cpuacct"; v2: "" */
	const char *symlink; /* comma-separated names to link to @name; NULL: none */
	bool v2;
};

struct host_facts {
	uid_t euid;
	gid_t egid;
	uid_t outer_uid;			/* what euid is outside our user namespace */
	bool admin;				/* CAP_SYS_ADMIN effective in our user namespace */
	bool initial_userns;			/* our user namespace maps every id to itself */
	uint64_t caps_effective, caps_bounding; /* our own */
	uint32_t cap_last;			/* highest capability the kernel knows */
	bool setgroups_denied;			/* in our user namespace */
	bool kcore;				/* /proc/kcore is there */
	bool selinux, apparmor;			/* enabled: labels mean something */
	char *resctrl;	      /* where that file system is mounted; NULL: nowhere */
	char **kernel_mounts; /* where procfs and sysfs are mounted, in the order of mountinfo */
	size_t kernel_mounts_count;
	struct host_cgroups cgroups;
	struct arena arena;
};

/**
 * host_facts_gather - read the facts
 * @f: initialised to zero; host_facts_done
 *
 * Return: 0 or a negative code. What can't be read reads as absent.
 */
int host_facts_gather(struct host_facts *f, struct err *e);
/** host_facts_gather_own - only what is not read from mountinfo: no cgroups, resctrl, kernel_mounts */
int host_facts_gather_own(struct host_facts *f, struct err *e);
/** host_in_userns - are we in a user namespace other than the first? */
bool host_in_userns(void);

void host_facts_done(struct host_facts *f);
#define AUTO_HOST AUTO(host_facts_done)
