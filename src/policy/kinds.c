/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy_private.h"

#include <linux/bpf.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* The grammar: one row a kind, and the names of numbers. */

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

static const struct word words_transport[] = {
	{ "tcp", SOCK_STREAM },
	{ "udp", SOCK_DGRAM },
	{ 0 },
};

static const struct word words_local[] = { { "connect", false }, { "bind", true }, { 0 } };

static const struct word words_families[] = {
	{ "unix", AF_UNIX },
	{ "inet", AF_INET },
	{ "inet6", AF_INET6 },
	{ "packet", AF_PACKET },
	{ "netlink", AF_NETLINK },
	{ "alg", AF_ALG },
	{ "bluetooth", AF_BLUETOOTH },
	{ "can", AF_CAN },
	{ "key", AF_KEY },
	{ "rds", AF_RDS },
	{ "tipc", AF_TIPC },
	{ "vsock", AF_VSOCK },
	{ "xdp", AF_XDP },
	{ 0 },
};

static const struct word words_types[] = {
	{ "stream", SOCK_STREAM },
	{ "dgram", SOCK_DGRAM },
	{ "raw", SOCK_RAW },
	{ "rdm", SOCK_RDM },
	{ "seqpacket", SOCK_SEQPACKET },
	{ "dccp", SOCK_DCCP },
	{ 0 },
};

static const struct word words_inet[] = {
	{ "icmp", IPPROTO_ICMP },
	{ "igmp", IPPROTO_IGMP },
	{ "tcp", IPPROTO_TCP },
	{ "udp", IPPROTO_UDP },
	{ "dccp", IPPROTO_DCCP },
	{ "gre", IPPROTO_GRE },
	{ "esp", IPPROTO_ESP },
	{ "ah", IPPROTO_AH },
	{ "icmpv6", IPPROTO_ICMPV6 },
	{ "sctp", IPPROTO_SCTP },
	{ "udplite", IPPROTO_UDPLITE },
	{ "mptcp", IPPROTO_MPTCP },
	{ 0 },
};

static const struct word words_netlink[] = {
	{ "route", NETLINK_ROUTE },
	{ "sock-diag", NETLINK_SOCK_DIAG },
	{ "xfrm", NETLINK_XFRM },
	{ "audit", NETLINK_AUDIT },
	{ "connector", NETLINK_CONNECTOR },
	{ "netfilter", NETLINK_NETFILTER },
	{ "uevent", NETLINK_KOBJECT_UEVENT },
	{ "generic", NETLINK_GENERIC },
	{ "crypto", NETLINK_CRYPTO },
	{ 0 },
};

static const struct word words_nodes[] = {
	{ "c", S_IFCHR },  { "b", S_IFBLK }, { "p", S_IFIFO },
	{ "s", S_IFSOCK }, { "f", S_IFREG }, { 0 },
};

static const struct word words_views[] = {
	{ "sysinfo", VIEW_SYSINFO },
	{ "meminfo", VIEW_MEMINFO },
	{ "cpuinfo", VIEW_CPUINFO },
	{ "stat", VIEW_STAT },
	{ "uptime", VIEW_UPTIME },
	{ "swaps", VIEW_SWAPS },
	{ 0 },
};

static const struct word words_sched[] = {
	{ "other", SCHED_OTHER }, { "fifo", SCHED_FIFO }, { "rr", SCHED_RR },
	{ "batch", SCHED_BATCH }, { "idle", SCHED_IDLE }, { 0 },
};

static const struct word words_programs[] = { { "device", BPF_PROG_TYPE_CGROUP_DEVICE }, { 0 } };

static const struct word words_bpf[] = {
	{ "load", BPF_PROG_LOAD },
	{ "attach", BPF_PROG_ATTACH },
	{ "detach", BPF_PROG_DETACH },
	{ 0 },
};

const struct word words_flags[] = {
	{ "ro", MS_RDONLY },
	{ "nosuid", MS_NOSUID },
	{ "nodev", MS_NODEV },
	{ "noexec", MS_NOEXEC },
	{ "nosymfollow", MS_NOSYMFOLLOW },
	{ "noatime", MS_NOATIME },
	{ "nodiratime", MS_NODIRATIME },
	{ "relatime", MS_RELATIME },
	{ "strictatime", MS_STRICTATIME },
	{ "silent", MS_SILENT },
	{ 0 },
};

const struct word words_listed[] = {
	{ "sync", MS_SYNCHRONOUS },  { "dirsync", MS_DIRSYNC },	      { "mand", MS_MANDLOCK },
	{ "lazytime", MS_LAZYTIME }, { "iversion", MS_I_VERSION },    { "remount", MS_REMOUNT },
	{ "rec", MS_REC },	     { "shared", MS_SHARED },	      { "slave", MS_SLAVE },
	{ "private", MS_PRIVATE },   { "unbindable", MS_UNBINDABLE }, { 0 },
};

const struct word words_granted[] = { { "suid", MS_NOSUID }, { "dev", MS_NODEV }, { 0 } };

#define PATHS(name_)                                                                               \
	{                                                                                          \
		.name = (name_), .usage = name_ " PATH...", .args = {                              \
			{ ARG_PATH, ARG_MANY, FILE_PATH, NULL, NULL, "a path", 0, 0 },             \
		}                                                                                  \
	}
#define ENDPOINTS(name_)                                                                           \
	{                                                                                          \
		.name = (name_), .usage = name_ " tcp|udp|* ADDRESS[/BITS]:PORT[-PORT]...",        \
		.args = {                                                                          \
			{ ARG_WORD, ARG_ANY, NET_PROTOCOL, NULL, words_transport, "tcp, udp or *", \
			  0, 0 },                                                                  \
			{ ARG_ENDPOINT, ARG_MANY, NET_ADDR, NULL, NULL, "an address", 0, 0 },      \
		}                                                                                  \
	}

static const struct kind kinds[] = {
	[POLICY_READ] = PATHS("read"),
	[POLICY_WRITE] = PATHS("write"),
	[POLICY_EXEC] = PATHS("exec"),
	[POLICY_CONNECT] = ENDPOINTS("connect"),
	[POLICY_BIND] = ENDPOINTS("bind"),
	[POLICY_UNIX] = { "unix",
			  "unix [connect|bind] PATH|@NAME...",
			  { { ARG_WORD, ARG_OPTIONAL, LOCAL_OP, NULL, words_local,
			      "connect or bind", 0, 0 },
			    { ARG_NAME, ARG_MANY, LOCAL_NAME, NULL, NULL,
			      "a path or an @abstract name", 0, 0 } } },
	[POLICY_SOCKET] = { "socket",
			    "socket FAMILY [stream|dgram|seqpacket|raw] [PROTOCOL]",
			    { { ARG_WORD, ARG_ANY | ARG_NUMBER, SOCKET_FAMILY, NULL, words_families,
				"a family of sockets", 0, 0 },
			      { ARG_WORD, ARG_OPTIONAL | ARG_ANY | ARG_NUMBER, SOCKET_TYPE, NULL,
				words_types, "a type of socket", 0, 0 },
			      { ARG_WORD, ARG_OPTIONAL | ARG_ANY | ARG_NUMBER, SOCKET_PROTOCOL,
				NULL, NULL, "a protocol of this family", 0, 0 } } },
	[POLICY_MOUNT] = { "mount",
			   "mount TYPE [from PATH] on PATH [ro] [noexec] [suid] [dev] "
			   "[size<=N] [shift] [options LIST]",
			   { { ARG_FSTYPE, 0, MOUNT_FSTYPE, NULL, NULL, "a file system", 0, 0 },
			     { ARG_SOURCE, ARG_OPTIONAL, MOUNT_SOURCE, "from", NULL, "a source", 0,
			       0 },
			     { ARG_PATH, 0, MOUNT_TARGET, "on", NULL, "a target", 0, 0 } } },
	[POLICY_MKNOD] = { "mknod",
			   "mknod c|b MAJOR:MINOR... | p|s|f [on PATH]",
			   { { ARG_WORD, 0, MKNOD_TYPE, NULL, words_nodes, "c, b, p, s or f", 0, 0 },
			     { ARG_PAIR, ARG_MANY, MKNOD_MAJOR, NULL, NULL, "MAJOR:MINOR", 4095,
			       1048575 },
			     { ARG_PATH, ARG_OPTIONAL, MKNOD_PATH, "on", NULL, "a path", 0, 0 } } },
	[POLICY_CHOWN] = { "chown",
			   "chown PATH... [to UID:GID]",
			   { { ARG_PATH, ARG_MANY, FILE_PATH, NULL, NULL, "a path", 0, 0 },
			     { ARG_PAIR, ARG_OPTIONAL | ARG_UNSET, FILE_UID, "to", NULL, "UID:GID",
			       UINT32_MAX - 1, UINT32_MAX - 1 } } },
	[POLICY_SCHED] = { "sched",
			   "sched [other|fifo|rr|batch|idle] [priority<=N] [cpus LIST]",
			   { { ARG_WORD, ARG_OPTIONAL, SCHED_POLICY, NULL, words_sched,
			       "a scheduling policy", 0, 0 },
			     { ARG_RANGE, ARG_OPTIONAL, SCHED_PRIORITY, "priority", NULL,
			       "a priority", 99, 0 } } },
	[POLICY_VIEW] = { "view",
			  "view sysinfo|meminfo|cpuinfo|stat|uptime|swaps...",
			  { { ARG_WORD, ARG_MANY | ARG_ANY, VIEW_NAME, NULL, words_views,
			      "what is to be shown", 0, 0 } } },
	[POLICY_XATTR] = { "xattr",
			   "xattr NAME... [on PATH]",
			   { { ARG_LABEL, ARG_MANY | ARG_ANY, XATTR_NAME, NULL, NULL,
			       "the name of an attribute", 0, 0 },
			     { ARG_PATH, ARG_OPTIONAL, XATTR_PATH, "on", NULL, "a path", 0, 0 } } },
	[POLICY_BPF] = { "bpf",
			 "bpf device [load|attach|detach]",
			 { { ARG_WORD, 0, BPF_TYPE, NULL, words_programs, "device", 0, 0 },
			   { ARG_WORD, ARG_OPTIONAL, BPF_CMD, NULL, words_bpf,
			     "load, attach or detach", 0, 0 } } },
	[POLICY_SYSCALL] = { "syscall",
			     "syscall NAME|@GROUP...",
			     { { ARG_CALL, ARG_MANY, SYSCALL_NAME, NULL, NULL,
				 "the name of a system call", 0, 0 } } },
};

const struct kind *kind_of(enum policy_kind kind)
{
	return &kinds[kind];
}

const char *policy_kind_name(enum policy_kind kind)
{
	return kinds[kind].name;
}

bool words_find(const struct word *list, const char *s, size_t len, uint32_t *ret)
{
	for (; list && list->name; list++)
		if (strlen(list->name) == len && memcmp(list->name, s, len) == 0) {
			*ret = list->number;
			return true;
		}
	return false;
}

const char *words_name(const struct word *list, uint32_t number)
{
	for (; list && list->name; list++)
		if (list->number == number)
			return list->name;
	return NULL;
}

const struct word *words_protocols(int family)
{
	if (family == AF_INET || family == AF_INET6)
		return words_inet;
	return family == AF_NETLINK ? words_netlink : NULL;
}

bool fs_has_no_source(const char *fstype)
{
	static const char *const names[] = { "tmpfs",	"ramfs",     "proc",	   "sysfs",
					     "devpts",	"mqueue",    "overlay",	   "cgroup",
					     "cgroup2", "hugetlbfs", "propagation" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], fstype) == 0)
			return true;
	return false;
}

bool path_is_plain(const char *path)
{
	if (!path || path[0] != '/')
		return false;
	if (!path[1])
		return true;
	while (*path) {
		size_t n = strcspn(++path, "/");

		if (n == 0 || (n == 1 && path[0] == '.') ||
		    (n == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += n;
	}
	return true;
}
