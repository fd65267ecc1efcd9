/* SPDX-License-Identifier: Apache-2.0 */
#include "base/parse.h"
#include "oci/validate_private.h"

#include <string.h>

static bool has_word(const char *const *words, const char *word)
{
	for (; *words; words++)
		if (str_eq(*words, word))
			return true;
	return false;
}

/* Which of the well-formed names exist on this host is for the filter compiler to say. */
static bool is_constant(const char *name, const char *prefix)
{
	const char *rest = str_after(name, prefix);

	return rest && *rest && !rest[strspn(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")];
}

static int check_action(const char *name, const char *action, struct err *e)
{
	static const char *const words[] = { "SCMP_ACT_ALLOW",	     "SCMP_ACT_ERRNO",
					     "SCMP_ACT_KILL",	     "SCMP_ACT_KILL_PROCESS",
					     "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
					     "SCMP_ACT_NOTIFY",	     "SCMP_ACT_TRACE",
					     "SCMP_ACT_TRAP",	     NULL };

	if (has_word(words, action))
		return 0;
	return err_set(e, EINVAL, "linux.seccomp.%s \"%.200s\": no such action", name, action);
}

static int check_errno(const char *name, const char *action, const struct opt_u32 *value,
		       struct err *e)
{
	/* include/uapi/linux/seccomp.h: SECCOMP_RET_DATA is 16 bits, MAX_ERRNO is 4095. */
	uint32_t max = str_eq(action, "SCMP_ACT_TRACE") ? UINT16_MAX : 4095;

	if (!value->set)
		return 0;
	if (!str_eq(action, "SCMP_ACT_ERRNO") && !str_eq(action, "SCMP_ACT_TRACE"))
		return err_set(e, EINVAL, "linux.seccomp.%s %u: means nothing to %s", name,
			       value->v, action);
	if (value->v > max)
		return err_set(e, EINVAL, "linux.seccomp.%s %u: must be from 0 to %u", name,
			       value->v, max);
	return 0;
}

static int check_ops(const struct oci_syscall_rule *rule, size_t i, struct err *e)
{
	static const char *const words[] = { "SCMP_CMP_EQ",	   "SCMP_CMP_GE", "SCMP_CMP_GT",
					     "SCMP_CMP_LE",	   "SCMP_CMP_LT", "SCMP_CMP_NE",
					     "SCMP_CMP_MASKED_EQ", NULL };

	for (size_t k = 0; k < rule->args_count; k++)
		if (!has_word(words, rule->args[k].op))
			return err_set(e, EINVAL,
				       "linux.seccomp.syscalls[%zu].args[%zu].op \"%.200s\": no "
				       "such operator",
				       i, k, rule->args[k].op);
	return 0;
}

static int check_rule(const struct oci_seccomp *sec, size_t i, struct err *e)
{
	const struct oci_syscall_rule *rule = &sec->syscalls[i];
	char name[64];
	int r;

	if (!rule->names.count)
		return err_set(e, EINVAL, "linux.seccomp.syscalls[%zu].names: must not be empty",
			       i);
	for (size_t k = 0; k < rule->names.count; k++)
		if (!*rule->names.list[k])
			return err_set(e, EINVAL,
				       "linux.seccomp.syscalls[%zu].names[%zu]: must not be empty",
				       i, k);
	(void)snprintf(name, sizeof(name), "syscalls[%zu].action", i);
	r = check_action(name, rule->action, e);
	if (r < 0)
		return r;
	if (str_eq(rule->action, "SCMP_ACT_NOTIFY") && !sec->listener_path)
		return err_set(e, EINVAL,
			       "linux.seccomp.%s SCMP_ACT_NOTIFY: needs linux.seccomp.listenerPath",
			       name);
	(void)snprintf(name, sizeof(name), "syscalls[%zu].errnoRet", i);
	r = check_errno(name, rule->action, &rule->errno_ret, e);
	return r < 0 ? r : check_ops(rule, i, e);
}

static int check_constants(const char *name, const char *prefix, const struct oci_strings *list,
			   struct err *e)
{
	for (size_t i = 0; i < list->count; i++)
		if (!is_constant(list->list[i], prefix))
			return err_set(e, EINVAL,
				       "linux.seccomp.%s[%zu] \"%.200s\": must be a name that "
				       "begins with %s",
				       name, i, list->list[i], prefix);
	return 0;
}

static int check_defaults(const struct oci_seccomp *sec, struct err *e)
{
	int r = check_action("defaultAction", sec->default_action, e);

	if (r < 0)
		return r;
	/* Every call, also that which hands the listener over, would wait for an answer. */
	if (str_eq(sec->default_action, "SCMP_ACT_NOTIFY"))
		return err_set(
			e, EINVAL,
			"linux.seccomp.defaultAction \"SCMP_ACT_NOTIFY\": can't be the default");
	r = check_errno("defaultErrnoRet", sec->default_action, &sec->default_errno_ret, e);
	if (r < 0)
		return r;
	if (sec->listener_metadata && *sec->listener_metadata && !sec->listener_path)
		return err_set(
			e, EINVAL,
			"linux.seccomp.listenerMetadata: means nothing without listenerPath");
	return 0;
}

int oci_validate_seccomp(const struct oci_seccomp *sec, struct err *e)
{
	int r = sec->bpf_data ? 0 : check_defaults(sec, e);

	if (r < 0)
		return r;
	r = check_constants("architectures", "SCMP_ARCH_", &sec->architectures, e);
	if (r < 0)
		return r;
	r = check_constants("flags", "SECCOMP_FILTER_FLAG_", &sec->flags, e);
	for (size_t i = 0; r >= 0 && i < sec->syscalls_count; i++)
		r = check_rule(sec, i, e);
	return r;
}
