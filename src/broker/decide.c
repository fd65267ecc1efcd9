/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/decide.h"

#include "base/parse.h"

#include <errno.h>
#include <stddef.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

void decide(const struct policy *p, const char *syscall, const struct policy_ask *ask, bool lends,
	    struct ruling *ret)
{
	const struct policy_ask by_name = { .kind = POLICY_SYSCALL, .u.syscall = syscall };
	struct policy_verdict v;

	*ret = (struct ruling){ .error = EPERM };
	if (!p)
		return;
	policy_decide(p, &by_name, &v);
	if (v.line != 0 && !v.allow) {
		ret->verdict = v;
		return;
	}
	policy_decide(p, ask, &ret->verdict);
	ret->error = ret->verdict.allow && (ret->verdict.line != 0 || !lends) ? 0 : EPERM;
}

enum socket_way decide_socket(int family, int type, int protocol)
{
	/* See every frame, forge every address: no purpose that can be named needs it. */
	if (family == AF_PACKET)
		return SOCKET_NEVER;
	if (family != AF_INET && family != AF_INET6)
		return SOCKET_NATIVE;
	if (type == SOCK_DGRAM &&
	    protocol == (family == AF_INET ? (int)IPPROTO_ICMP : (int)IPPROTO_ICMPV6))
		return SOCKET_PING;
	/* Obsolete: the kernel makes an AF_PACKET socket of it. */
	if (type == SOCK_PACKET)
		return SOCKET_NEVER;
	return type == SOCK_RAW ? SOCKET_RAW : SOCKET_NATIVE;
}

/* A line that decides the same of another type, or protocol, does not name this one. */
bool decide_names_socket(const struct policy *p, const struct policy_ask *ask, enum socket_way way,
			 const struct policy_verdict *v)
{
	struct policy_ask other = *ask;
	struct policy_verdict about;

	if (way == SOCKET_RAW)
		other.u.socket.type = SOCK_RDM;
	else
		other.u.socket.protocol = IPPROTO_UDP;
	policy_decide(p, &other, &about);
	return v->line != 0 && about.line != v->line;
}

bool decide_address(const struct socket_facts *s, int family, size_t len, int *ret_type)
{
	/* AF_SMC is TCP, as far as one can see. */
	const bool other = s->family != AF_INET && s->family != AF_INET6;

	*ret_type = 0;
	if (s->type == SOCK_DGRAM)
		*ret_type = SOCK_DGRAM;
	if (s->type == SOCK_STREAM &&
	    (other || s->protocol == IPPROTO_TCP || s->protocol == IPPROTO_MPTCP))
		*ret_type = SOCK_STREAM;
	if (family == AF_INET)
		return len >= sizeof(struct sockaddr_in);
	/* RFC 2133 has no scope, and the kernel takes that length, too. */
	return family == AF_INET6 && s->family != AF_INET &&
	       len >= offsetof(struct sockaddr_in6, sin6_scope_id);
}

bool decide_sched(int policy)
{
	return policy == SCHED_OTHER || policy == SCHED_BATCH || policy == SCHED_IDLE ||
	       policy == SCHED_FIFO || policy == SCHED_RR;
}

bool decide_device_is_free(uint32_t mode, uint32_t major, uint32_t minor)
{
	const uint32_t type = mode & S_IFMT;

	if (type == 0 || type == S_IFREG || type == S_IFIFO || type == S_IFSOCK)
		return true;
	/* A whiteout (overlayfs): anybody may make one. */
	return type == S_IFCHR && major == 0 && minor == 0;
}

enum xattr_way decide_xattr(const char *name, const char *value, size_t len)
{
	if (!str_after(name, "trusted."))
		return XATTR_OWN;
	if (!policy_lends_xattr(name) || len > 1)
		return XATTR_NEVER;
	/* overlayfs.rst: "x" says that there are whiteouts inside which are attributes, too. */
	if (len == 0 || *value == 'y' || *value == 'x')
		return XATTR_LENT;
	return XATTR_NEVER;
}

bool decide_tightens(unsigned long asked, unsigned long has, unsigned long forced)
{
	return !(has & ~(asked | forced) & DECIDE_SAFETY);
}

bool decide_mount_flags(unsigned long flags)
{
	const unsigned long plain = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOSYMFOLLOW |
				    MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME |
				    MS_SILENT;

	if (flags & MS_REC && (!(flags & MS_BIND) || flags & MS_REMOUNT))
		return false;
	/* What it is mounted with is another question than what is mounted. */
	if (flags & MS_REMOUNT && !(flags & MS_BIND))
		return false;
	return !(flags & ~(plain | MS_BIND | MS_REC | MS_REMOUNT));
}
