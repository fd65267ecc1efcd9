/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "oci/spec.h"

/*
 * run.oci.*: what crun takes from annotations, beyond the specification. One table says which,
 * what a value may look like, and what is refused. Other annotations are not looked at here.
 */

/**
 * oci_extensions_read - fill @s->ext, and give linux.seccomp what annotations say of it
 * @s: parsed, not yet validated
 *
 * Pure.
 * Return: 0; -EINVAL or -EOPNOTSUPP naming the annotation; -ENOMEM.
 */
int oci_extensions_read(struct oci_spec *s, struct err *e);
