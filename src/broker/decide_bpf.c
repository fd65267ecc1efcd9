/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/decide.h"

#include "broker/call.h"

#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>

/* bpf(2), as far as programs of cgroups go that say which devices may be used. */

/* What we don't know of a call has to be left alone. */
static bool is_zero_from(const union bpf_attr *a, size_t offset)
{
	const char *bytes = (const char *)a;

	for (size_t i = offset; i < CALL_BPF_MAX; i++)
		if (bytes[i])
			return false;
	return true;
}

/* Its name and its log are of no use to us; those that ask for a log get none. */
bool decide_bpf_load(const union bpf_attr *a)
{
	return a->prog_type == BPF_PROG_TYPE_CGROUP_DEVICE && a->insn_cnt > 0 &&
	       a->prog_flags == 0 && a->prog_ifindex == 0 &&
	       (a->expected_attach_type == 0 || a->expected_attach_type == BPF_CGROUP_DEVICE) &&
	       is_zero_from(a, offsetof(union bpf_attr, prog_btf_fd));
}

/*
 * Together with those above it, always: one that may be overridden, or that nobody below may have
 * beside its own, is none that a container could give to others.
 */
bool decide_bpf_attach(const union bpf_attr *a, bool attach)
{
	return a->attach_type == BPF_CGROUP_DEVICE &&
	       (a->attach_flags == BPF_F_ALLOW_MULTI || (!attach && a->attach_flags == 0)) &&
	       is_zero_from(a, offsetof(union bpf_attr, replace_bpf_fd));
}

static bool is_plain(const struct bpf_insn *i)
{
	const uint8_t op = i->code & 0xf0;

	switch (i->code & 7) {
	case BPF_ALU:
	case BPF_ALU64:
		return true;
	case BPF_LDX:
		return (i->code & 0xe0) == BPF_MEM;
	case BPF_JMP:
		return op == BPF_EXIT || (op != BPF_CALL && i->off >= 0);
	case BPF_JMP32:
		/* Without a condition its distance is not where it is looked for. */
		return op != BPF_EXIT && op != BPF_CALL && op != BPF_JA && i->off >= 0;
	default:
		return false;
	}
}

bool decide_bpf_program(const struct bpf_insn *insn, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!is_plain(&insn[i]))
			return false;
	return count > 0;
}
