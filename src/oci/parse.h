/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "oci/spec.h"

/*
 * config.json text into struct oci_spec: strict types and ranges, unknown fields ignored,
 * null means absent. Errors name the JSON path and the value:
 * process.user.uid: expected an unsigned 32-bit number, got "abc"
 */

/**
 * oci_spec_parse - a whole config.json
 * @text, @len: borrowed; limits of base/json.h apply
 * @ret:        set only on success; oci_spec_free
 * @e:          filled on failure
 *
 * Checks shape only; oci_spec_validate checks sense.
 * Return: 0; -EINVAL; -E2BIG over a limit; -ENOMEM.
 */
int oci_spec_parse(const char *text, size_t len, struct oci_spec **ret, struct err *e);

/**
 * oci_spec_load - read and parse a regular file
 * @dirfd: directory, or AT_FDCWD; borrowed
 * @name:  usually "config.json"
 *
 * Return: as oci_spec_parse; -errno of open or read; -EINVAL when not a regular file.
 */
int oci_spec_load(int dirfd, const char *name, struct oci_spec **ret, struct err *e);

/** oci_spec_free - free the document with all it points at; takes NULL */
void oci_spec_free(struct oci_spec *s);
static inline void oci_spec_auto_free(struct oci_spec **s)
{
	oci_spec_free(*s);
}
#define AUTO_SPEC AUTO(oci_spec_auto_free)

/**
 * oci_process_parse - the process object alone, as in `exec --process FILE`
 * @a:   owns the result
 * @ret: set only on success
 */
int oci_process_parse(const char *text, size_t len, struct arena *a, struct oci_process **ret,
		      struct err *e);

/** oci_process_load - oci_process_parse on a regular file or a pipe; see oci_spec_load */
int oci_process_load(int dirfd, const char *name, struct arena *a, struct oci_process **ret,
		     struct err *e);

/** oci_resources_parse - linux.resources alone, as in `update -r FILE`; see oci_process_parse */
int oci_resources_parse(const char *text, size_t len, struct arena *a, struct oci_resources **ret,
			struct err *e);

/**
 * oci_fast_parse - what a start may still say: args, env, cwd, cpus or cpu, rlimits, scheduler,
 * ioPriority, stdio; see oci_process_parse
 *
 * Return: also -EINVAL for any other member: it is refused, not ignored.
 */
int oci_fast_parse(const char *text, size_t len, struct arena *a, struct oci_fast **ret,
		   struct err *e);

/** oci_fast_load - oci_fast_parse on a regular file or a pipe; see oci_spec_load */
int oci_fast_load(int dirfd, const char *name, struct arena *a, struct oci_fast **ret,
		  struct err *e);
