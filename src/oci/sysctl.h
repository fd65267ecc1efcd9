/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "oci/spec.h"

enum { OCI_SYSCTL_MAX = 256 };

/**
 * oci_sysctl_path - the file of a sysctl below /proc/sys
 * @key: "net.ipv4.ip_forward", or with slashes: "net/ipv4/conf/eth0.1/forwarding". As
 *       sysctl(8) has it, the separator that comes first counts, the other one is
 *       swapped for it.
 * @ret: relative path; OCI_SYSCTL_MAX bytes
 *
 * Return: 0; -EINVAL for an empty key or component, "." or ".."; -E2BIG.
 */
int oci_sysctl_path(const char *key, char ret[OCI_SYSCTL_MAX]);

/**
 * oci_sysctl_namespace - the namespace that a sysctl belongs to
 * @path: from oci_sysctl_path
 *
 * The list is runc's (libcontainer/configs/validate): what a namespace really separates.
 * Return: 0 and *ret; -EPERM when the sysctl belongs to the whole host.
 */
int oci_sysctl_namespace(const char *path, enum oci_ns_type *ret);
