/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/sysctl.h"
#include "base/parse.h"

#include <string.h>

static bool components_are_clean(const char *path)
{
	for (const char *p = path; p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL) {
		size_t n = strcspn(p, "/");

		if (!n || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
	}
	return true;
}

int oci_sysctl_path(const char *key, char ret[OCI_SYSCTL_MAX])
{
	char path[OCI_SYSCTL_MAX] = "";
	size_t len = strlen(key);
	bool dots = key[strcspn(key, "./")] == '.';

	if (len >= sizeof(path))
		return -E2BIG;
	for (size_t i = 0; i <= len; i++) {
		path[i] = key[i];
		if (dots && key[i] == '.')
			path[i] = '/';
		else if (dots && key[i] == '/')
			path[i] = '.';
	}
	if (!components_are_clean(path))
		return -EINVAL;
	memcpy(ret, path, len + 1);
	return 0;
}

int oci_sysctl_namespace(const char *path, enum oci_ns_type *ret)
{
	static const struct {
		const char *path; /* a "/" at the end: all below */
		enum oci_ns_type ns;
	} rows[] = {
		{ "kernel/msgmax", OCI_NS_IPC },     { "kernel/msgmnb", OCI_NS_IPC },
		{ "kernel/msgmni", OCI_NS_IPC },     { "kernel/sem", OCI_NS_IPC },
		{ "kernel/shmall", OCI_NS_IPC },     { "kernel/shmmax", OCI_NS_IPC },
		{ "kernel/shmmni", OCI_NS_IPC },     { "kernel/shm_rmid_forced", OCI_NS_IPC },
		{ "fs/mqueue/", OCI_NS_IPC },	     { "net/", OCI_NS_NETWORK },
		{ "kernel/domainname", OCI_NS_UTS }, { "user/", OCI_NS_USER },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = strlen(rows[i].path);
		bool below = rows[i].path[n - 1] == '/';

		if (below ? str_starts(path, rows[i].path) : str_eq(path, rows[i].path)) {
			*ret = rows[i].ns;
			return 0;
		}
	}
	return -EPERM;
}
