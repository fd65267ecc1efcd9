/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/seccomp/seccomp_names.h"

#include "base/parse.h"

#include <linux/seccomp.h>
#include <seccomp.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* One list gives the names and the values. */
#define ACTIONS(X)                                                                                 \
	X(SCMP_ACT_ALLOW, SCMP_ACT_ALLOW)                                                          \
	X(SCMP_ACT_ERRNO, SCMP_ACT_ERRNO(0))                                                       \
	X(SCMP_ACT_KILL, SCMP_ACT_KILL_THREAD)                                                     \
	X(SCMP_ACT_KILL_PROCESS, SCMP_ACT_KILL_PROCESS)                                            \
	X(SCMP_ACT_KILL_THREAD, SCMP_ACT_KILL_THREAD)                                              \
	X(SCMP_ACT_LOG, SCMP_ACT_LOG)                                                              \
	X(SCMP_ACT_NOTIFY, SCMP_ACT_NOTIFY)                                                        \
	X(SCMP_ACT_TRACE, SCMP_ACT_TRACE(0))                                                       \
	X(SCMP_ACT_TRAP, SCMP_ACT_TRAP)

#define OPERATORS(X)                                                                               \
	X(SCMP_CMP_EQ, SCMP_CMP_EQ)                                                                \
	X(SCMP_CMP_GE, SCMP_CMP_GE)                                                                \
	X(SCMP_CMP_GT, SCMP_CMP_GT)                                                                \
	X(SCMP_CMP_LE, SCMP_CMP_LE)                                                                \
	X(SCMP_CMP_LT, SCMP_CMP_LT)                                                                \
	X(SCMP_CMP_MASKED_EQ, SCMP_CMP_MASKED_EQ)                                                  \
	X(SCMP_CMP_NE, SCMP_CMP_NE)

#define ARCHS(X)                                                                                   \
	X(SCMP_ARCH_AARCH64, SCMP_ARCH_AARCH64)                                                    \
	X(SCMP_ARCH_ARM, SCMP_ARCH_ARM)                                                            \
	X(SCMP_ARCH_MIPS, SCMP_ARCH_MIPS)                                                          \
	X(SCMP_ARCH_MIPS64, SCMP_ARCH_MIPS64)                                                      \
	X(SCMP_ARCH_MIPS64N32, SCMP_ARCH_MIPS64N32)                                                \
	X(SCMP_ARCH_MIPSEL, SCMP_ARCH_MIPSEL)                                                      \
	X(SCMP_ARCH_MIPSEL64, SCMP_ARCH_MIPSEL64)                                                  \
	X(SCMP_ARCH_MIPSEL64N32, SCMP_ARCH_MIPSEL64N32)                                            \
	X(SCMP_ARCH_PARISC, SCMP_ARCH_PARISC)                                                      \
	X(SCMP_ARCH_PARISC64, SCMP_ARCH_PARISC64)                                                  \
	X(SCMP_ARCH_PPC, SCMP_ARCH_PPC)                                                            \
	X(SCMP_ARCH_PPC64, SCMP_ARCH_PPC64)                                                        \
	X(SCMP_ARCH_PPC64LE, SCMP_ARCH_PPC64LE)                                                    \
	X(SCMP_ARCH_RISCV64, SCMP_ARCH_RISCV64)                                                    \
	X(SCMP_ARCH_S390, SCMP_ARCH_S390)                                                          \
	X(SCMP_ARCH_S390X, SCMP_ARCH_S390X)                                                        \
	X(SCMP_ARCH_X32, SCMP_ARCH_X32)                                                            \
	X(SCMP_ARCH_X86, SCMP_ARCH_X86)                                                            \
	X(SCMP_ARCH_X86_64, SCMP_ARCH_X86_64)

#define FLAGS(X)                                                                                   \
	X(SECCOMP_FILTER_FLAG_LOG, SECCOMP_FILTER_FLAG_LOG)                                        \
	X(SECCOMP_FILTER_FLAG_SPEC_ALLOW, SECCOMP_FILTER_FLAG_SPEC_ALLOW)                          \
	X(SECCOMP_FILTER_FLAG_TSYNC, SECCOMP_FILTER_FLAG_TSYNC)                                    \
	X(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)

#define NAME(name, value) #name,
#define VALUE(name, value) (uint32_t)(value),

const char *const sec_action_names[] = { ACTIONS(NAME) NULL };
const char *const sec_operator_names[] = { OPERATORS(NAME) NULL };
const char *const sec_arch_names[] = { ARCHS(NAME) NULL };
const char *const sec_flag_names[] = { FLAGS(NAME) NULL };
const char *const sec_flag_names_usable[] = { "SECCOMP_FILTER_FLAG_LOG",
					      "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
					      "SECCOMP_FILTER_FLAG_TSYNC",
					      "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", NULL };

static const uint32_t action_values[] = { ACTIONS(VALUE) };
static const uint32_t operator_values[] = { OPERATORS(VALUE) };
static const uint32_t arch_values[] = { ARCHS(VALUE) };
static const uint32_t flag_values[] = { FLAGS(VALUE) };

static int look_up(const char *const *names, const uint32_t *values, const char *name,
		   uint32_t *ret)
{
	for (size_t i = 0; names[i]; i++) {
		if (!str_eq(names[i], name))
			continue;
		*ret = values[i];
		return 0;
	}
	return -EINVAL;
}

int sec_action_value(const char *name, uint32_t *ret)
{
	return look_up(sec_action_names, action_values, name, ret);
}

int sec_operator_value(const char *name, uint32_t *ret)
{
	return look_up(sec_operator_names, operator_values, name, ret);
}

int sec_arch_value(const char *name, uint32_t *ret)
{
	return look_up(sec_arch_names, arch_values, name, ret);
}

bool sec_has_listener(const struct oci_seccomp *sc)
{
	return sc->listener_path && *sc->listener_path;
}

bool sec_notifies(const struct oci_seccomp *sc)
{
	for (size_t i = 0; sec_has_listener(sc) && i < sc->syscalls_count; i++)
		if (str_eq(sc->syscalls[i].action, "SCMP_ACT_NOTIFY"))
			return true;
	return sec_has_listener(sc) && sc->watched.count > 0;
}

int sec_flags(const struct oci_seccomp *sc, uint32_t *ret, struct err *e)
{
	/* Nothing said: as runc, no change of what the host does about speculation. */
	uint32_t flags = sc->flags.list ? 0U : (uint32_t)SECCOMP_FILTER_FLAG_SPEC_ALLOW, one = 0;

	for (size_t i = 0; sc->flags.list && i < sc->flags.count; i++) {
		const char *name = sc->flags.list[i];

		if (look_up(sec_flag_names, flag_values, name, &one) < 0)
			return err_set(e, EINVAL,
				       "linux.seccomp.flags[%zu] \"%.64s\": no such flag", i, name);
		/* The kernel takes it with a listener only. */
		if (one == SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV && !sec_notifies(sc))
			return err_set(e, EINVAL,
				       "linux.seccomp.flags[%zu] \"%s\": means nothing without "
				       "SCMP_ACT_NOTIFY",
				       i, name);
		flags |= one;
	}
	/* There is one thread; TSYNC could only take the helper that hands a listener over along. */
	flags &= ~(uint32_t)SECCOMP_FILTER_FLAG_TSYNC;
	if (sec_notifies(sc))
		flags |= (uint32_t)SECCOMP_FILTER_FLAG_NEW_LISTENER;
	*ret = flags;
	return 0;
}
