/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "mech/cgroup/cgroup.h"

#include <linux/bpf.h>

/* Between the files of mech/cgroup/ only. */

/* One hierarchy of the host and the container's place in it. */
struct cg_place {
	const struct cgroup_hierarchy *h;
	char *dir;	 /* full path */
	bool asked;	 /* a limit of the spec lives here */
	size_t make_off; /* where its MAKE lies among the steps */
	uint32_t slot;	 /* gets what the islander comes in by; SLOT_NONE: it is moved */
};

/* What systemd is asked for. */
struct cg_unit {
	char *name, *slice;
	char *path;	    /* in its hierarchy, below the service manager's own cgroup */
	char *manager_path; /* cgroup of the service manager: "" or "/user.slice/…" */
	bool user;
	bool is_slice;	 /* the container's cgroup is itself a slice */
	size_t step_off; /* where SCOPE_START lies among the steps */
};

struct cg_build {
	const struct oci_resources *res; /* NULL: none */
	const struct host_facts *host;
	const struct cg_options *o;
	struct plan *p;
	struct cg_place *places;
	size_t count;
	enum phase phase;    /* of the planner's steps */
	bool update;	     /* the cgroups are in use and have values already */
	struct cg_unit unit; /* systemd only */
};

/** cg_has_word - is @word one of the words of @list, separated by @sep? @list may be NULL */
bool cg_has_word(const char *list, const char *word, char sep);

/**
 * cg_controller - the container's place in the hierarchy of a controller
 *
 * Return: NULL when the host has no such controller.
 */
struct cg_place *cg_controller(struct cg_build *b, const char *name);

/**
 * cg_need - like cg_controller; the controller is asked for by @field of linux.resources
 * @ret: set only on success
 *
 * Return: 0; -EOPNOTSUPP.
 */
int cg_need(struct cg_build *b, const char *name, const char *field, struct cg_place **ret,
	    struct err *e);

/** cg_set - add one STEP_CGROUP_SET */
void cg_set(struct cg_build *b, const struct cg_place *at, enum cg_need need, const char *file,
	    const char *value);
void cg_set_int(struct cg_build *b, const struct cg_place *at, const char *file, int64_t value);
void cg_set_uint(struct cg_build *b, const struct cg_place *at, const char *file, uint64_t value);

/** cg_try_int - a SET that is said again later: that the kernel calls it invalid now is no error */
void cg_try_int(struct cg_build *b, const struct cg_place *at, const char *file, int64_t value);

/** cg_check - STEP_CGROUP_CHECK: @limit must be above what @file tells */
void cg_check(struct cg_build *b, const struct cg_place *at, const char *file, int64_t limit);

/** cg_hierarchy_of - the one that @dir lies in: its mount is the longest prefix; NULL: none */
const struct cgroup_hierarchy *cg_hierarchy_of(const struct host_cgroups *c, const char *dir);

/** cg_plan_limits - all of linux.resources but the devices; marks the places that are asked for */
int cg_plan_limits(struct cg_build *b, struct err *e);
/* Its parts, by controller. */
int cg_plan_memory(struct cg_build *b, const struct oci_memory *m, struct err *e);
int cg_plan_cpu(struct cg_build *b, const struct oci_cpu *c, struct err *e);
int cg_plan_block_io(struct cg_build *b, const struct oci_block_io *io, struct err *e);

/** cg_plan_devices - the device rules, as lines (v1) or as a program (v2) */
int cg_plan_devices(struct cg_build *b, struct err *e);

/**
 * cg_device_program - assemble the v2 program
 * @ret: gets struct bpf_insn; the last matching rule decides, for each of r, w, m
 */
void cg_device_program(const struct oci_device_rule *rules, size_t count, struct buf *ret);

/**
 * cg_device_lines - the writes that make devices.list of v1 say the same
 * @ret: lines in order: "deny a", "allow c 1:3 rwm"…; the first word is the file
 *
 * Return: 0; -EOPNOTSUPP for a rule that takes something out of a wildcard, which v1 can't.
 */
int cg_device_lines(const struct oci_device_rule *rules, size_t count, struct buf *ret,
		    struct err *e);

/** cg_default_rules - what every container may use beside its own rules, as with runc */
extern const struct oci_device_rule cg_default_rules[];
extern const size_t cg_default_rules_count;

/**
 * cg_unit_names - unit, slice and path from linux.cgroupsPath "slice:prefix:name", by runc's rules
 *
 * Return: 0; -EINVAL.
 */
int cg_unit_names(const struct oci_spec *s, struct cg_build *b, struct err *e);

/** cg_unit_add_start - SCOPE_START; its properties come with cg_unit_finish, when the SETs are known */
void cg_unit_add_start(struct cg_build *b);

/**
 * cg_unit_finish - the properties: of the SETs, of annotations org.systemd.property.*
 *
 * Return: 0; -EINVAL names the annotation; -ENOMEM.
 */
int cg_unit_finish(const struct oci_spec *s, struct cg_build *b, struct err *e);

/* Time of the processors in a period, gathered from its files. A period of 0: the usual one. */
struct cg_quota {
	bool set;
	uint64_t quota_us, period_us;
};

/**
 * cg_property_of_file - what systemd calls the limit in a control file
 * @q:   gets what belongs to the quota; cg_property_of_quota tells it when all files have been seen
 * @out: gets a line for each other property; nothing when systemd has none
 */
void cg_property_of_file(const char *file, bool v2, const char *value, struct cg_quota *q,
			 struct buf *out);

/** cg_property_of_quota - the lines of a quota; none when none was set */
void cg_property_of_quota(const struct cg_quota *q, struct buf *out);

/**
 * cg_property_of_annotation - a property in GVariant's text form
 * @name:  behind "org.systemd.property."; "…Sec" becomes "…USec"
 * @value: "'text'", "true", "7" (int32), "uint64 7", "['a', 'b']", "@as []"
 * @out:   gets one line
 *
 * Return: 0; -EINVAL.
 */
int cg_property_of_annotation(const char *name, const char *value, struct buf *out, struct err *e);

/** cg_make - STEP_CGROUP_MAKE; see cg_apply */
int cg_make(const struct plan_view *v, const struct step *s, uint32_t *ret_made, int *ret_fd,
	    struct err *e);

/** cg_open_dir - open a cgroup by full path: no symlinks, must be cgroupfs; Return: fd, -errno */
int cg_open_dir(const char *path);

/**
 * cg_walk - a cgroup, then all below it; what goes meanwhile is passed over
 * @dir: borrowed, as is what @fn gets
 * @fn:  Return: 0; anything else ends the walk
 *
 * Return: 0; -ELOOP deeper than CG_MAX_DEPTH; -errno; what @fn returned.
 */
int cg_walk(int dir, unsigned int depth, int (*fn)(int dir, void *arg), void *arg);

/* Nothing of this mechanism waits longer, or walks deeper, than this. */
enum { CG_WAIT_MS = 2000, CG_MAX_DEPTH = 64 };

/** cg_sleep_ms - wait, through signals */
void cg_sleep_ms(unsigned int ms);
