/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy_private.h"

#include "base/parse.h"

#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* Who holds a program to a line: docs/access-control.md has what the broker can do. */

/* An option without a value in a line is one with any value. */
static bool is_taken(const struct policy_fs *fs, const struct mount_option *o)
{
	char text[128];

	if (o->value.match != MATCH_TEXT && o->value.match != MATCH_ANY)
		return false;
	(void)snprintf(text, sizeof(text), "%s%s%s", o->key,
		       o->value.match == MATCH_TEXT ? "=" : "",
		       o->value.match == MATCH_TEXT ? o->value.text : "");
	if (policy_fs_takes(fs, text))
		return true;
	(void)snprintf(text, sizeof(text), "%s=any", o->key);
	return o->value.match == MATCH_ANY && policy_fs_takes(fs, text);
}

static const char *of_device(const struct rule *r, const struct policy_fs *fs)
{
	if (r->granted)
		return "on a device the broker forces nosuid and nodev";
	for (size_t i = 0; i < r->noptions; i++)
		if (!is_taken(fs, &r->options[i]))
			return "an option that the broker takes from nobody for this file system";
	return NULL;
}

static const char *of_mount(const struct rule *r)
{
	const struct pattern *type = &r->field[MOUNT_FSTYPE];
	const struct policy_fs *fs = type->match == MATCH_ANY ? NULL : policy_fs_find(type->text);

	if (r->all)
		return NULL;
	if (type->match != MATCH_ANY && !fs)
		return "the broker mounts no such file system";
	if (fs && fs->way != POLICY_FS_BLOCK && r->shift)
		return "the broker shifts owners on devices alone";
	if (r->listed & ~(unsigned long)(MS_REC | MS_REMOUNT))
		return "of the flags in options the broker knows rec and remount alone";
	return fs && fs->way == POLICY_FS_BLOCK ? of_device(r, fs) : NULL;
}

/*
 * Documentation/filesystems/overlayfs.rst. An opaque directory and a whiteout hide what lies below
 * them, and that is all they do. "redirect" and "metacopy" show other files than those of the name,
 * "origin" and "upper" hold file handles: whoever mounted an overlay of such a layer would give
 * away what he never meant to.
 */
bool policy_lends_xattr(const char *name)
{
	return str_eq(name, "trusted.overlay.opaque") || str_eq(name, "trusted.overlay.whiteout");
}

static const char *of_xattr(const struct pattern *name)
{
	if (name->match == MATCH_TEXT && str_after(name->text, "trusted.") &&
	    !policy_lends_xattr(name->text))
		return "of trusted. the broker sets overlay.opaque and overlay.whiteout alone";
	return NULL;
}

/* What an allow rule promises. To refuse is never more than the broker can. */
static const char *of_promise(const struct rule *r)
{
	if (r->kind == POLICY_MOUNT)
		return of_mount(r);
	if (r->kind == POLICY_SOCKET && r->field[SOCKET_FAMILY].match == MATCH_RANGE &&
	    r->field[SOCKET_FAMILY].low == AF_PACKET)
		return "the broker lends no packet sockets";
	if (r->kind == POLICY_XATTR)
		return of_xattr(&r->field[XATTR_NAME]);
	if (r->kind == POLICY_SYSCALL)
		return "what the broker lends is allowed by its own kind, not by its name";
	return NULL;
}

static const char *of_kind(enum policy_kind kind)
{
	switch (kind) {
	case POLICY_READ:
	case POLICY_WRITE:
	case POLICY_EXEC:
		return "no enforcer looks at what files are opened or executed";
	case POLICY_CONNECT:
	case POLICY_BIND:
	case POLICY_UNIX:
	case POLICY_SOCKET:
	case POLICY_MOUNT:
	case POLICY_MKNOD:
	case POLICY_CHOWN:
	case POLICY_SCHED:
	case POLICY_VIEW:
	case POLICY_XATTR:
	case POLICY_BPF:
	case POLICY_SYSCALL:
		return NULL;
	case POLICY_KINDS:
		break;
	}
	return "no such kind";
}

const char *policy_gap(const struct policy_line *l)
{
	const char *gap;

	switch (l->verb) {
	case POLICY_DEFAULT:
		return NULL;
	case POLICY_LIMIT:
		return "limits are those of the container: linux.resources of its config.json";
	case POLICY_ALLOW:
		gap = of_kind(l->kind);
		return gap ? gap : of_promise(l->rule);
	case POLICY_DENY:
	case POLICY_LOG:
		return of_kind(l->kind);
	case POLICY_VERBS:
		break;
	}
	return "no such verb";
}

static bool is_one(const struct pattern *f, uint32_t number)
{
	return f->match == MATCH_RANGE && f->low <= number && f->high >= number;
}

static bool is_of_device(const struct rule *r)
{
	const struct pattern *type = &r->field[MOUNT_FSTYPE];
	const struct policy_fs *fs = type->match == MATCH_ANY ? NULL : policy_fs_find(type->text);

	return fs && fs->way == POLICY_FS_BLOCK;
}

/* What needs a right of the host, which whoever runs a private broker may not have. */
static const char *of_right(const struct rule *r)
{
	const struct pattern *f = r->field;

	if (r->all)
		return NULL;
	if (r->kind == POLICY_MKNOD &&
	    (is_one(&f[MKNOD_TYPE], S_IFCHR) || is_one(&f[MKNOD_TYPE], S_IFBLK)))
		return "a private broker makes no devices: that takes a right of the host (cay agent)";
	if (r->kind == POLICY_MOUNT && is_of_device(r))
		return "a private broker mounts no devices: that takes a right of the host (cay agent)";
	if (r->kind == POLICY_BPF)
		return "a private broker loads no programs: that takes a right of the host (cay agent)";
	if (r->kind == POLICY_XATTR && f[XATTR_NAME].match == MATCH_TEXT &&
	    str_after(f[XATTR_NAME].text, "trusted."))
		return "a private broker sets no trusted attributes: that takes a right of the host (cay "
		       "agent)";
	if (r->kind == POLICY_SCHED &&
	    (is_one(&f[SCHED_POLICY], SCHED_FIFO) || is_one(&f[SCHED_POLICY], SCHED_RR)))
		return "a private broker lends no real-time priority: that takes a right of the "
		       "host (cay agent)";
	if (r->kind == POLICY_SOCKET && !is_one(&f[SOCKET_TYPE], SOCK_RAW) &&
	    (is_one(&f[SOCKET_PROTOCOL], IPPROTO_ICMP) ||
	     is_one(&f[SOCKET_PROTOCOL], IPPROTO_ICMPV6)))
		return "a private broker lends no ping sockets: that takes a right of the host (cay "
		       "agent), or net.ipv4.ping_group_range in linux.sysctl";
	return NULL;
}

const char *policy_gap_private(const struct policy_line *l)
{
	const char *gap = policy_gap(l);

	return gap || l->verb != POLICY_ALLOW ? gap : of_right(l->rule);
}

static int check(const struct policy *p, const char *name,
		 const char *(*gap_of)(const struct policy_line *), struct err *e)
{
	const struct policy_line *lines;
	size_t n = policy_lines(p, &lines);

	for (size_t i = 0; i < n; i++)
		if (gap_of(&lines[i]))
			return err_set(e, EOPNOTSUPP, "%.200s:%u: \"%.80s\": %s", name,
				       lines[i].number, lines[i].text, gap_of(&lines[i]));
	return 0;
}

int policy_check_carried(const struct policy *p, const char *name, struct err *e)
{
	return check(p, name, policy_gap, e);
}

int policy_check_private(const struct policy *p, const char *name, struct err *e)
{
	return check(p, name, policy_gap_private, e);
}
