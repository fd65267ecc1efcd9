/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint/checkpoint_private.h"

#include "base/parse.h"
#include "checkpoint/wire.h"
#include "launch/launch.h"
#include "sys/syscalls.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/*
 * What a container has from outside is not in its images: mounts, by the path in its
 * configuration, and namespaces that it joined.
 */

/* A masked file shows the container's /dev/null; the host's takes its place. */
static const char masked[] = "/dev/null";

static int outside_mounts(const struct oci_spec *s, const struct host_facts *h,
			  const struct launch_options *o, struct arena *a, struct oci_pair **ret,
			  size_t *ret_count, struct err *e)
{
	AUTO_PLAN struct plan p;
	int r;

	plan_init(&p);
	r = launch_compile_root(s, h, o, &p, e);
	return r < 0 ? r : launch_outside_mounts(&p, a, ret, ret_count, e);
}

static int open_root(const struct ctr *c, struct err *e)
{
	char path[32];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/root", c->pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, errno, "root of process %d", c->pid) : fd;
}

/* Where a mount of the configuration really is: there may be links on the way. */
static void resolve(int root_fd, const char *target, char ret[PATH_MAX], mode_t *mode)
{
	AUTO_FD int fd = sys_open_in_root(root_fd, target, O_PATH);
	char link[32];
	struct stat st;
	ssize_t n = -1;

	*mode = 0;
	if (fd >= 0) {
		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, ret, PATH_MAX - 1);
		if (fstat(fd, &st) == 0)
			*mode = st.st_mode;
	}
	if (n <= 0)
		n = snprintf(ret, PATH_MAX, "%s", target) < PATH_MAX ? (ssize_t)strlen(target) : 0;
	ret[n] = '\0';
}

/* ns[INODE]:KEY; the key is what restore calls it by. */
static const struct {
	enum oci_ns_type type;
	const char *name, *key;
} external[] = {
	{ OCI_NS_NETWORK, "net", "extRootNetNS" },
	{ OCI_NS_PID, "pid", "extRootPidNS" },
};

static const char *joined_path(const struct oci_spec *s, enum oci_ns_type type)
{
	const struct oci_namespace *n = oci_namespace(s, type);

	return n && n->path && *n->path ? n->path : NULL;
}

static int dump_namespaces(const struct oci_spec *s, struct buf *opts, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(external); i++) {
		const char *path = joined_path(s, external[i].type);
		char text[64];
		struct stat st;

		if (!path)
			continue;
		if (stat(path, &st) < 0)
			return err_sys(e, errno, "%s namespace \"%s\"", external[i].name, path);
		(void)snprintf(text, sizeof(text), "%s[%lu]:%s", external[i].name,
			       (unsigned long)st.st_ino, external[i].key);
		wire_str(opts, CRIU_EXTERNAL, text);
	}
	return 0;
}

static int dump_mounts(const struct ctr *c, const struct oci_spec *s, int root_fd, struct buf *opts,
		       struct err *e)
{
	struct launch_options o = { .id = c->id, .bundle = c->bundle, .cgroup_optional = true };
	AUTO_HOST struct host_facts h = { 0 };
	AUTO_ARENA struct arena a = { 0 };
	struct oci_pair *list = NULL;
	char path[PATH_MAX];
	size_t count = 0;
	mode_t mode;
	int r = host_facts_gather(&h, e);

	if (r == 0)
		r = outside_mounts(s, &h, &o, &a, &list, &count, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		resolve(root_fd, list[i].key, path, &mode);
		criu_pair(opts, CRIU_EXT_MNT, path, list[i].key);
	}
	return 0;
}

static void dump_masks(const struct oci_spec *s, int root_fd, struct buf *opts)
{
	const struct oci_linux *l = s->linux_;

	for (size_t i = 0; l && i < l->masked_paths.count; i++) {
		char path[PATH_MAX];
		mode_t mode;

		resolve(root_fd, l->masked_paths.list[i], path, &mode);
		if (mode && !S_ISDIR(mode))
			criu_pair(opts, CRIU_EXT_MNT, path, masked);
	}
}

int cr_outside_dump(const struct ctr *c, const struct oci_spec *s, struct buf *opts, struct err *e)
{
	AUTO_FD int root_fd = open_root(c, e);
	int r = root_fd < 0 ? root_fd : dump_mounts(c, s, root_fd, opts, e);

	if (r < 0)
		return r;
	dump_masks(s, root_fd, opts);
	return dump_namespaces(s, opts, e);
}

void cr_joined_done(struct cr_joined *j)
{
	for (size_t i = 0; i < ARRAY_LEN(j->fd); i++)
		auto_close_fd(&j->fd[i]);
	*j = (struct cr_joined)CR_JOINED_INIT;
}

static int restore_namespaces(const struct oci_spec *s, struct buf *opts, struct cr_joined *ret,
			      struct err *e)
{
	AUTO_JOINED struct cr_joined j = CR_JOINED_INIT;
	size_t n = 0;

	for (unsigned int t = 0; t < OCI_NS_COUNT; t++) {
		const char *path = joined_path(s, (enum oci_ns_type)t), *key = NULL;

		if (!path)
			continue;
		if (t == OCI_NS_CGROUP || t == OCI_NS_TIME)
			return err_set(e, EOPNOTSUPP, "criu can't join a %s namespace",
				       oci_ns_name((enum oci_ns_type)t));
		for (size_t i = 0; i < ARRAY_LEN(external); i++)
			if (external[i].type == (enum oci_ns_type)t)
				key = external[i].key;
		if (!key) {
			criu_pair(opts, CRIU_JOIN_NS,
				  t == OCI_NS_MOUNT ? "mnt" : oci_ns_name((enum oci_ns_type)t),
				  path);
			continue;
		}
		j.fd[n] = open(path, O_RDONLY | O_CLOEXEC);
		if (j.fd[n] < 0)
			return err_sys(e, errno, "%s namespace \"%s\"",
				       oci_ns_name((enum oci_ns_type)t), path);
		criu_inherit(opts, key, j.fd[n++]);
	}
	*ret = j;
	j = (struct cr_joined)CR_JOINED_INIT;
	return 0;
}

int cr_outside_restore(const struct oci_spec *s, const struct host_facts *h,
		       const struct launch_options *o, struct buf *opts, struct cr_joined *ret,
		       struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct oci_pair *list = NULL;
	size_t count = 0;
	int r = outside_mounts(s, h, o, &a, &list, &count, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		criu_pair(opts, CRIU_EXT_MNT, list[i].key, list[i].value);
	if (s->linux_ && s->linux_->masked_paths.count > 0)
		criu_pair(opts, CRIU_EXT_MNT, masked, masked);
	return restore_namespaces(s, opts, ret, e);
}

/* proc_pid_cgroup(5): "NUMBER:CONTROLLER,CONTROLLER:PATH"; no controllers: v2. */
static void one_root(char *line, struct buf *opts)
{
	char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL, *save = NULL;

	if (!path)
		return;
	*path++ = '\0';
	list++;
	if (!*list)
		criu_cg_root(opts, "", path);
	for (char *c = strtok_r(list, ",", &save); c; c = strtok_r(NULL, ",", &save))
		criu_cg_root(opts, c, path);
}

int cr_cgroup_roots(pid_t pid, struct buf *opts, struct err *e)
{
	char path[32], text[8192], *save = NULL;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	r = sys_read_at(AT_FDCWD, path, text, sizeof(text));
	if (r < 0)
		return err_sys(e, r, "cgroups of process %d", pid);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		one_root(line, opts);
	return 0;
}
