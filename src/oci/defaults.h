/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

/**
 * oci_template_write - the config.json that `cay spec` makes: what `runc spec` makes
 * @out:      the text is appended, indented by tabs, with a newline at the end
 * @rootless: for a user without privilege: user namespace, no network namespace,
 *            the host's /sys
 * @uid, @gid: rootless: the ids that root inside is outside
 *
 * Return: 0; -ENOMEM.
 */
int oci_template_write(struct buf *out, bool rootless, uint32_t uid, uint32_t gid, struct err *e);
