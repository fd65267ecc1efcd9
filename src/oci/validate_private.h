/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "oci/validate.h"

/* The parts of oci_spec_validate; each checks one section. Return: 0; -EINVAL. */

/** oci_validate_namespaces - no type twice, absolute paths, id maps, time offsets */
int oci_validate_namespaces(const struct oci_spec *s, struct err *e);
/** oci_validate_linux - the rest of the linux section, without resources and seccomp */
int oci_validate_linux(const struct oci_spec *s, struct err *e);
/** oci_validate_seccomp - names of actions, operators, architectures and flags */
int oci_validate_seccomp(const struct oci_seccomp *sec, struct err *e);
/** oci_resources_check - @r may be NULL; messages begin with "linux.resources." */
int oci_resources_check(const struct oci_resources *r, struct err *e);
/** oci_validate_id_maps - @maps is named @name in messages; sizes and ends of ranges */
int oci_validate_id_maps(const char *name, const struct oci_id_map *maps, size_t n, struct err *e);
