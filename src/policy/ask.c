/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy_private.h"

#include "base/parse.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

/* Questions: their fields, and their words. */

static struct value of_number(uint32_t n)
{
	return (struct value){ .set = true, .number = n };
}

static struct value of_text(const char *s)
{
	return (struct value){ .set = s != NULL, .text = s, .len = s ? strlen(s) : 0 };
}

static struct value of_id(uint32_t id)
{
	return (struct value){ .set = id != UINT32_MAX, .number = id };
}

static bool net_values(const struct policy_ask *ask, struct value *v)
{
	const struct sockaddr *addr = ask->u.net.addr;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	v[NET_PROTOCOL] = of_number((uint32_t)ask->u.net.type);
	if (!addr)
		return false;
	v[NET_ADDR] = (struct value){ .set = true, .family = addr->sa_family };
	if (addr->sa_family == AF_INET) {
		memcpy(&in, addr, sizeof(in));
		memcpy(v[NET_ADDR].addr, &in.sin_addr, sizeof(in.sin_addr));
		v[NET_PORT] = of_number(ntohs(in.sin_port));
	} else if (addr->sa_family == AF_INET6) {
		memcpy(&in6, addr, sizeof(in6));
		memcpy(v[NET_ADDR].addr, &in6.sin6_addr, sizeof(in6.sin6_addr));
		v[NET_PORT] = of_number(ntohs(in6.sin6_port));
	} else {
		return false;
	}
	return true;
}

static bool local_values(const struct policy_ask *ask, struct value *v)
{
	const char *path = ask->u.local.path;

	v[LOCAL_OP] = of_number(ask->u.local.bind);
	v[LOCAL_NAME] = of_text(path);
	return path && (path[0] == '@' || path_is_plain(path));
}

static bool mount_values(const struct policy_ask *ask, struct value *v)
{
	const char *source = ask->u.mount.source;

	v[MOUNT_FSTYPE] = of_text(ask->u.mount.fstype);
	v[MOUNT_SOURCE] = of_text(source);
	v[MOUNT_TARGET] = of_text(ask->u.mount.target);
	/* Of "none" and its like no path pattern will match. */
	return ask->u.mount.fstype && path_is_plain(ask->u.mount.target) &&
	       (!source || source[0] != '/' || path_is_plain(source));
}

static bool mknod_values(const struct policy_ask *ask, struct value *v)
{
	uint32_t type = ask->u.mknod.type & S_IFMT;

	if (!type)
		type = S_IFREG; /* mknod(2) */
	v[MKNOD_TYPE] = of_number(type);
	if (type == S_IFCHR || type == S_IFBLK) {
		v[MKNOD_MAJOR] = of_number(ask->u.mknod.major);
		v[MKNOD_MINOR] = of_number(ask->u.mknod.minor);
	}
	v[MKNOD_PATH] = of_text(ask->u.mknod.path);
	return path_is_plain(ask->u.mknod.path);
}

static void sched_values(const struct policy_ask *ask, struct value *v)
{
	int policy = ask->u.sched.policy;

	if (policy < 0)
		return;
	v[SCHED_POLICY] = of_number((uint32_t)policy & ~(uint32_t)SCHED_RESET_ON_FORK);
	v[SCHED_PRIORITY] = of_number((uint32_t)ask->u.sched.priority);
}

void ask_plain_socket(struct value v[POLICY_FIELDS])
{
	uint32_t *family = &v[SOCKET_FAMILY].number, *type = &v[SOCKET_TYPE].number;
	uint32_t *protocol = &v[SOCKET_PROTOCOL].number;

	if (*family == AF_INET && *type == SOCK_PACKET)
		*family = AF_PACKET;
	if (*type == SOCK_PACKET)
		*type = SOCK_RAW;
	/* There the two types are one. */
	if (*type == SOCK_RAW && (*family == AF_UNIX || *family == AF_NETLINK))
		*type = SOCK_DGRAM;
	if (*protocol != 0 || (*family != AF_INET && *family != AF_INET6))
		return;
	if (*type == SOCK_STREAM)
		*protocol = IPPROTO_TCP;
	else if (*type == SOCK_DGRAM)
		*protocol = IPPROTO_UDP;
	else if (*type == SOCK_SEQPACKET)
		*protocol = IPPROTO_SCTP;
}

bool ask_values(const struct policy_ask *ask, struct value v[POLICY_FIELDS])
{
	memset(v, 0, POLICY_FIELDS * sizeof(*v));
	switch (ask->kind) {
	case POLICY_READ:
	case POLICY_WRITE:
	case POLICY_EXEC:
		v[FILE_PATH] = of_text(ask->u.file.path);
		return path_is_plain(ask->u.file.path);
	case POLICY_CHOWN:
		v[FILE_PATH] = of_text(ask->u.file.path);
		v[FILE_UID] = of_id(ask->u.file.uid);
		v[FILE_GID] = of_id(ask->u.file.gid);
		return path_is_plain(ask->u.file.path);
	case POLICY_CONNECT:
	case POLICY_BIND:
		return net_values(ask, v);
	case POLICY_UNIX:
		return local_values(ask, v);
	case POLICY_SOCKET:
		v[SOCKET_FAMILY] = of_number((uint32_t)ask->u.socket.family);
		v[SOCKET_TYPE] = of_number((uint32_t)ask->u.socket.type & 0xf);
		v[SOCKET_PROTOCOL] = of_number((uint32_t)ask->u.socket.protocol);
		return true;
	case POLICY_MOUNT:
		return mount_values(ask, v);
	case POLICY_MKNOD:
		return mknod_values(ask, v);
	case POLICY_SCHED:
		sched_values(ask, v);
		return v[SCHED_POLICY].set || ask->u.sched.cpus;
	case POLICY_VIEW:
		v[VIEW_NAME] = of_number(ask->u.view);
		return ask->u.view < VIEW_COUNT;
	case POLICY_XATTR:
		v[XATTR_NAME] = of_text(ask->u.xattr.name);
		v[XATTR_PATH] = of_text(ask->u.xattr.path);
		return ask->u.xattr.name && path_is_plain(ask->u.xattr.path);
	case POLICY_BPF:
		v[BPF_TYPE] = of_number(ask->u.bpf.type);
		v[BPF_CMD] = of_number(ask->u.bpf.cmd);
		return true;
	case POLICY_SYSCALL:
		v[SYSCALL_NAME] = of_text(ask->u.syscall);
		return ask->u.syscall != NULL;
	case POLICY_KINDS:
		break;
	}
	return false;
}

/* "0-3,7" */
static void print_cpus(const uint64_t *words, size_t count, struct buf *out)
{
	const char *gap = " cpus ";
	size_t n = count * 64, from;

	for (size_t i = 0; i < n; i++) {
		if (!(words[i / 64] >> (i % 64) & 1))
			continue;
		for (from = i; i + 1 < n && (words[(i + 1) / 64] >> ((i + 1) % 64) & 1);)
			i++;
		buf_printf(out, "%s%zu", gap, from);
		if (i > from)
			buf_printf(out, "-%zu", i);
		gap = ",";
	}
	if (gap[0] == ' ')
		buf_str(out, " cpus none");
}

static void print_mount(const struct policy_ask *ask, struct buf *out)
{
	const char *const *options = ask->u.mount.options;
	unsigned long flags = ask->u.mount.flags;
	size_t before;

	if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
		flags &= ~(unsigned long)MS_MGC_MSK;
	if (str_eq(ask->u.mount.fstype, "bind"))
		flags &= ~(unsigned long)MS_BIND;
	flags = print_flags(out, words_flags, flags, " ", " ");
	before = out->len;
	flags = print_flags(out, words_listed, flags, " options ", ",");
	if (flags)
		buf_printf(out, "%s%#lx", out->len > before ? "," : " options ", flags);
	for (; options && *options; options++) {
		if (!**options)
			continue;
		buf_str(out, out->len > before ? "," : " options ");
		print_text(out, *options, strlen(*options));
	}
}

void policy_describe(const struct policy_ask *ask, struct buf *out)
{
	struct value v[POLICY_FIELDS];

	if (ask->kind >= POLICY_KINDS) {
		buf_str(out, "?");
		return;
	}
	(void)ask_values(ask, v);
	/* The kernel does not look at it then. */
	if (ask->kind == POLICY_MOUNT && (ask->u.mount.flags & MS_REMOUNT))
		v[MOUNT_SOURCE].set = false;
	if (ask->kind == POLICY_SOCKET)
		ask_plain_socket(v);
	print_values(ask->kind, v, out);
	if (ask->kind == POLICY_MOUNT)
		print_mount(ask, out);
	else if (ask->kind == POLICY_SCHED && ask->u.sched.cpus)
		print_cpus(ask->u.sched.cpus, ask->u.sched.cpus_words, out);
}
