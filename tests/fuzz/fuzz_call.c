/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A system call of a guest whose memory is the input: which one, its registers as numbers or as
 * places in that memory, then what lies there. Copies stay within their bounds, and whatever was
 * copied gets an answer from all that decides without looking at the system.
 */
#include "fuzz.h"

#include "broker/call.h"
#include "broker/decide.h"

#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

static void check_copy(const struct call *c, const struct call_arg *a, enum arg_shape shape)
{
	const bool text = shape == ARG_PATH || shape == ARG_TEXT;

	if (!a->bytes)
		return;
	if (a->bytes < c->pool || a->bytes + a->len + text > c->pool + sizeof(c->pool))
		abort();
	if (text && strlen(a->bytes) != a->len)
		abort();
}

static void decide_all(const struct call *c)
{
	const union bpf_attr *attr = (const union bpf_attr *)(const void *)c->arg[1].bytes;

	(void)decide_mount_flags((unsigned long)c->arg[3].value);
	if (c->kind->shape[1] == ARG_BPF) {
		if (decide_bpf_load(attr) && (int)c->arg[0].value == BPF_PROG_LOAD &&
		    decide_bpf_program((const struct bpf_insn *)(const void *)c->arg[3].bytes,
				       attr->insn_cnt) &&
		    c->arg[3].len != attr->insn_cnt * sizeof(struct bpf_insn))
			abort();
		(void)decide_bpf_attach(attr, true);
	}
	if (c->kind->shape[2] == ARG_VALUE && c->arg[1].bytes &&
	    decide_xattr(c->arg[1].bytes, c->arg[2].bytes, c->arg[2].len) == XATTR_LENT &&
	    c->arg[2].len > 1)
		abort();
	for (unsigned int i = 0; c->arg[4].bytes && policy_fs_at(i); i++)
		(void)policy_fs_takes(policy_fs_at(i), c->arg[4].bytes);
}

/* Where the guest's memory ends: the input lies before it, and behind it there is none. */
enum { GUEST_BYTES = 64 << 10, HEAD = 2 + CALL_ARGS * 3 };
static const uintptr_t guest_end = 0x20010000;

static bool lay_out(const uint8_t *data, size_t size)
{
	static void *guest;

	if (!guest)
		guest = mmap((void *)(guest_end - GUEST_BYTES), GUEST_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (guest == MAP_FAILED)
		abort();
	if (size > GUEST_BYTES)
		return false;
	memcpy((void *)(guest_end - size), data, size);
	return true;
}

static const struct call_kind *kind_of(unsigned int nr)
{
	const struct call_kind *k = call_table;
	unsigned int rows = 0;

	for (; k->name; k++, rows++)
		if ((unsigned int)k->nr == nr)
			return k;
	return &call_table[nr % rows];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct call c;
	struct seccomp_notif n = { .pid = (uint32_t)getpid() };
	const struct call_kind *kind;

	if (size < HEAD || !lay_out(data, size))
		return 0;
	kind = kind_of(data[0] | (unsigned int)data[1] << 8);
	for (size_t i = 0; i < CALL_ARGS; i++) {
		const uint8_t *a = data + 2 + i * 3;
		const uint64_t v = a[1] | (uint64_t)a[2] << 8;

		n.data.args[i] = a[0] & 1 ? guest_end - size + v : v;
	}
	memset(&c, 0, sizeof(c));
	call_begin(&c, &n, kind);
	if (call_copy(&c) < 0)
		return 0;
	for (size_t i = 0; i < CALL_ARGS; i++)
		check_copy(&c, &c.arg[i], kind->shape[i]);
	decide_all(&c);
	return 0;
}
