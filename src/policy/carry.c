/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy_text.h"

/* Who holds a program to a line. */

static const char *of_kind(enum policy_kind kind)
{
	switch (kind) {
	case POLICY_READ:
	case POLICY_WRITE:
	case POLICY_EXEC:
		return "no enforcer looks at what files are opened or executed";
	case POLICY_CHOWN:
		return "no enforcer looks at changes of owners";
	case POLICY_CONNECT:
	case POLICY_BIND:
	case POLICY_UNIX:
	case POLICY_SOCKET:
	case POLICY_MOUNT:
	case POLICY_MKNOD:
	case POLICY_SCHED:
	case POLICY_SYSCALL:
		return NULL;
	case POLICY_KINDS:
		break;
	}
	return "no such kind";
}

const char *policy_gap(const struct policy_line *l)
{
	switch (l->verb) {
	case POLICY_DEFAULT:
		return NULL;
	case POLICY_LIMIT:
		return "limits are those of the container: linux.resources of its config.json";
	case POLICY_ALLOW:
	case POLICY_DENY:
	case POLICY_LOG:
		return of_kind(l->kind);
	case POLICY_VERBS:
		break;
	}
	return "no such verb";
}

int policy_check_carried(const struct policy *p, const char *name, struct err *e)
{
	const struct policy_line *lines;
	size_t n = policy_lines(p, &lines);

	for (size_t i = 0; i < n; i++)
		if (policy_gap(&lines[i]))
			return err_set(e, EOPNOTSUPP, "%.200s:%u: \"%.80s\": %s", name,
				       lines[i].number, lines[i].text, policy_gap(&lines[i]));
	return 0;
}
