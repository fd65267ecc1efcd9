/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/call.h"

#include "sys/syscalls.h"

#include <errno.h>
#include <limits.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/uio.h>

enum {
	PAGE = 4096, /* a multiple of it where pages are larger: reads are only cut more often */
	TEXT_MAX = 4096,
	PARAM_BYTES = 4,
	ATTR_FIRST = 48, /* SCHED_ATTR_SIZE_VER0 */
	ATTR_KNOWN = 56,
	ATTR_MAX = 4096,
	HOW_MAX = 24, /* struct open_how, as of its first version */
};

void call_begin(struct call *c, const struct seccomp_notif *n, const struct call_kind *kind)
{
	c->id = n->id;
	c->tid = (pid_t)n->pid;
	c->kind = kind;
	c->begun_ns = sys_now_ns();
	c->used = 0;
	for (unsigned int i = 0; i < CALL_ARGS; i++)
		c->arg[i] = (struct call_arg){ .value = n->data.args[i] };
}

/* Return: bytes read, fewer than @len where the memory ends; -errno when there is none at all. */
static ssize_t read_guest(pid_t tid, uint64_t from, void *to, size_t len)
{
	size_t first = PAGE - (size_t)(from % PAGE);
	struct iovec local = { .iov_base = to, .iov_len = len };
	struct iovec remote[2];
	unsigned long parts = 1;
	ssize_t n;

	/* The kernel gives what lies before the first part that it can't read. */
	remote[0] = (struct iovec){ .iov_base = (void *)(uintptr_t)from,
				    .iov_len = len < first ? len : first };
	if (len > first)
		remote[parts++] = (struct iovec){ .iov_base = (void *)(uintptr_t)(from + first),
						  .iov_len = len - first };
	n = process_vm_readv(tid, &local, 1, remote, parts, 0);
	if (n >= 0)
		return n;
	return errno == EFAULT ? -EFAULT : -errno;
}

static char *room(struct call *c, size_t n)
{
	char *p = c->pool + c->used;

	if (n > sizeof(c->pool) - c->used)
		return NULL;
	c->used += n;
	return p;
}

static int copy_text(struct call *c, struct call_arg *a, size_t max, int too_long)
{
	char *to = room(c, max);
	const char *end;
	ssize_t n;

	if (!to)
		return -E2BIG;
	n = read_guest(c->tid, a->value, to, max);
	if (n < 0)
		return (int)n;
	end = memchr(to, '\0', (size_t)n);
	if (!end)
		return (size_t)n == max ? too_long : -EFAULT;
	a->bytes = to;
	a->len = (uint32_t)(end - to);
	/* What follows the text belongs to nobody. */
	c->used -= max - a->len - 1;
	return 0;
}

static int copy_bytes(struct call *c, struct call_arg *a, uint64_t len, size_t max)
{
	char *to;

	if (len > max)
		return -EINVAL;
	/* Structures are looked at in place. */
	c->used = (c->used + 15) & ~(size_t)15;
	if (c->used > sizeof(c->pool))
		return -E2BIG;
	to = room(c, (size_t)len);
	if (!to)
		return -E2BIG;
	if (len > 0 && read_guest(c->tid, a->value, to, (size_t)len) != (ssize_t)len)
		return -EFAULT;
	a->bytes = to;
	a->len = (uint32_t)len;
	return 0;
}

/* sched_setattr(2): larger than what we know is good when the rest is zero. */
static int copy_attr(struct call *c, struct call_arg *a)
{
	uint32_t size = 0;
	int r;

	if (read_guest(c->tid, a->value, &size, sizeof(size)) != (ssize_t)sizeof(size))
		return -EFAULT;
	if (size == 0)
		size = ATTR_FIRST;
	if (size < ATTR_FIRST || size > ATTR_MAX)
		return -E2BIG;
	r = copy_bytes(c, a, size, ATTR_MAX);
	for (uint32_t i = ATTR_KNOWN; r == 0 && i < size; i++)
		if (a->bytes[i])
			r = -E2BIG;
	return r;
}

/* bpf(2). All of it is there, filled with zeros; then the program of a load, if it has one. */
static int copy_bpf(struct call *c, struct call_arg *a, uint64_t len)
{
	const union bpf_attr *attr;
	char *to;
	int r;

	if (len > CALL_BPF_MAX)
		return -E2BIG;
	r = copy_bytes(c, a, len, CALL_BPF_MAX);
	if (r < 0)
		return r;
	to = room(c, CALL_BPF_MAX - len);
	if (!to)
		return -E2BIG;
	memset(to, 0, CALL_BPF_MAX - len);
	a->len = CALL_BPF_MAX;
	attr = (const union bpf_attr *)(const void *)a->bytes;
	if ((int)c->arg[0].value != BPF_PROG_LOAD)
		return 0;
	if (attr->insn_cnt > CALL_INSNS_MAX)
		return -E2BIG;
	c->arg[3].value = attr->insns;
	return copy_bytes(c, &c->arg[3], attr->insn_cnt * sizeof(struct bpf_insn),
			  CALL_INSNS_MAX * sizeof(struct bpf_insn));
}

static int copy_one(struct call *c, unsigned int i)
{
	struct call_arg *a = &c->arg[i];
	int r = -EINVAL;

	switch (c->kind->shape[i]) {
	case ARG_NONE:
	case ARG_INT:
	case ARG_FD:
	case ARG_OUT:
		return 0;
	case ARG_PATH:
		return copy_text(c, a, PATH_MAX, -ENAMETOOLONG);
	case ARG_TEXT:
		return a->value ? copy_text(c, a, TEXT_MAX, -E2BIG) : 0;
	case ARG_ADDR:
		return i + 1 < CALL_ARGS
			       ? copy_bytes(c, a, (uint32_t)c->arg[i + 1].value, CALL_ADDR_MAX)
			       : r;
	case ARG_VALUE:
		if (i + 1 < CALL_ARGS && c->arg[i + 1].value > CALL_VALUE_MAX)
			return -E2BIG;
		return i + 1 < CALL_ARGS ? copy_bytes(c, a, c->arg[i + 1].value, CALL_VALUE_MAX)
					 : r;
	case ARG_HOW:
		return i + 1 < CALL_ARGS ? copy_bytes(c, a, c->arg[i + 1].value, HOW_MAX) : r;
	case ARG_MASK:
		/* The kernel, too, takes what it has processors for of a longer mask. */
		if (i == 0 || (uint32_t)c->arg[i - 1].value > CALL_MASK_MAX)
			return r;
		return copy_bytes(c, a, (uint32_t)c->arg[i - 1].value, CALL_MASK_MAX);
	case ARG_PARAM:
		return copy_bytes(c, a, PARAM_BYTES, PARAM_BYTES);
	case ARG_ATTR:
		return copy_attr(c, a);
	case ARG_BPF:
		return i + 1 < CALL_ARGS ? copy_bpf(c, a, (uint32_t)c->arg[i + 1].value) : r;
	}
	return r;
}

int call_copy(struct call *c)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < CALL_ARGS; i++)
		r = copy_one(c, i);
	return r;
}
