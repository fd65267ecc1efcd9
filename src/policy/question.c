/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/parser_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>

/* Words to a question: an allow rule without patterns. */

static uint32_t number_of(const struct pattern *f, uint32_t otherwise)
{
	return f->match == MATCH_RANGE ? f->low : otherwise;
}

static void fill_address(const struct rule *r, struct policy_question *q)
{
	const struct pattern *addr = &r->field[NET_ADDR];
	in_port_t port = htons((uint16_t)r->field[NET_PORT].low);
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = port };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = port };

	memcpy(&in.sin_addr, addr->addr, sizeof(in.sin_addr));
	memcpy(&in6.sin6_addr, addr->addr, sizeof(in6.sin6_addr));
	if (addr->family == AF_INET)
		memcpy(&q->addr, &in, sizeof(in));
	else
		memcpy(&q->addr, &in6, sizeof(in6));
	q->ask.u.net.addr = (const struct sockaddr *)&q->addr;
	q->ask.u.net.type = (int)r->field[NET_PROTOCOL].low;
}

static int fill_mount(const struct rule *r, struct policy_question *q)
{
	const char **options = arena_array(&q->store->arena, r->noptions + 1, sizeof(*options));

	if (!options)
		return -ENOMEM;
	for (size_t i = 0; i < r->noptions; i++) {
		const struct mount_option *o = &r->options[i];

		options[i] = o->key;
		if (o->value.match == MATCH_TEXT)
			options[i] = arena_printf(&q->store->arena, "%s=%s", o->key, o->value.text);
		if (!options[i])
			return -ENOMEM;
	}
	q->ask.u.mount.fstype = r->field[MOUNT_FSTYPE].text;
	q->ask.u.mount.source = r->field[MOUNT_SOURCE].text;
	q->ask.u.mount.target = r->field[MOUNT_TARGET].text;
	q->ask.u.mount.flags = r->forced | r->listed;
	q->ask.u.mount.options = options;
	return 0;
}

static int fill_cpus(const struct rule *r, struct policy_question *q)
{
	uint64_t *words;

	q->ask.u.sched.policy = (int)number_of(&r->field[SCHED_POLICY], UINT32_MAX);
	q->ask.u.sched.priority = (int)number_of(&r->field[SCHED_PRIORITY], 0);
	if (!r->cpus)
		return 0;
	words = arena_alloc(&q->store->arena, POLICY_CPUS / 8);
	if (!words)
		return -ENOMEM;
	for (size_t i = 0; i < POLICY_CPUS; i++)
		words[i / 64] |= (uint64_t)(r->cpus[i / 8] >> (i % 8) & 1) << (i % 64);
	q->ask.u.sched.cpus = words;
	q->ask.u.sched.cpus_words = POLICY_CPUS / 64;
	return 0;
}

static int fill(struct parser *ps, const struct rule *r, struct policy_question *q)
{
	const struct pattern *f = r->field;

	q->ask.kind = r->kind;
	switch (r->kind) {
	case POLICY_READ:
	case POLICY_WRITE:
	case POLICY_EXEC:
	case POLICY_CHOWN:
		q->ask.u.file.path = f[FILE_PATH].text;
		q->ask.u.file.uid = number_of(&f[FILE_UID], UINT32_MAX);
		q->ask.u.file.gid = number_of(&f[FILE_GID], UINT32_MAX);
		return 0;
	case POLICY_CONNECT:
	case POLICY_BIND:
		fill_address(r, q);
		return 0;
	case POLICY_UNIX:
		q->ask.u.local.path = f[LOCAL_NAME].text;
		q->ask.u.local.bind = number_of(&f[LOCAL_OP], false);
		return 0;
	case POLICY_SOCKET:
		if (f[SOCKET_TYPE].match != MATCH_RANGE)
			return fault(ps, 0, "the type is missing: stream, dgram, raw...");
		q->ask.u.socket.family = (int)f[SOCKET_FAMILY].low;
		q->ask.u.socket.type = (int)f[SOCKET_TYPE].low;
		q->ask.u.socket.protocol = (int)number_of(&f[SOCKET_PROTOCOL], 0);
		return 0;
	case POLICY_MOUNT:
		return fill_mount(r, q);
	case POLICY_MKNOD:
		if (f[MKNOD_PATH].match != MATCH_TEXT)
			return fault(ps, 0, "the path is missing: on PATH");
		q->ask.u.mknod.path = f[MKNOD_PATH].text;
		q->ask.u.mknod.type = f[MKNOD_TYPE].low;
		q->ask.u.mknod.major = number_of(&f[MKNOD_MAJOR], 0);
		q->ask.u.mknod.minor = number_of(&f[MKNOD_MINOR], 0);
		return 0;
	case POLICY_SCHED:
		return fill_cpus(r, q);
	case POLICY_VIEW:
		if (f[VIEW_NAME].match != MATCH_RANGE)
			return fault(ps, 0, "a question is about one view");
		q->ask.u.view = (enum policy_view)f[VIEW_NAME].low;
		return 0;
	case POLICY_XATTR:
		if (f[XATTR_PATH].match != MATCH_TEXT)
			return fault(ps, 0, "the path is missing: on PATH");
		q->ask.u.xattr.name = f[XATTR_NAME].text;
		q->ask.u.xattr.path = f[XATTR_PATH].text;
		return 0;
	case POLICY_BPF:
		if (f[BPF_CMD].match != MATCH_RANGE)
			return fault(ps, 0, "what of it: load, attach or detach?");
		q->ask.u.bpf.type = f[BPF_TYPE].low;
		q->ask.u.bpf.cmd = f[BPF_CMD].low;
		return 0;
	case POLICY_SYSCALL:
		q->ask.u.syscall = f[SYSCALL_NAME].text;
		return 0;
	case POLICY_KINDS:
		break;
	}
	return -EINVAL;
}

static int read_question(struct parser *ps, struct policy_question *q)
{
	struct rule r = { .verb = POLICY_ALLOW };
	int x;

	if (ps->len > POLICY_MAX_LINE)
		return fault_code(ps, -E2BIG, 1, "a question of %zu bytes, the limit is %d",
				  ps->len, POLICY_MAX_LINE);
	x = text_check(ps);
	if (x < 0)
		return x;
	text_next(ps);
	x = parse_kind(ps, &r);
	return x < 0 ? x : fill(ps, &r, q);
}

int policy_question(const char *text, struct policy_question *ret, struct err *e)
{
	AUTO_BUF struct buf faults = { 0 };
	struct parser ps = { .line = text,
			     .len = strlen(text),
			     .question = true,
			     .verb = POLICY_ALLOW,
			     .faults = &faults };
	struct policy_fault first;
	int r;

	*ret = (struct policy_question){ .store = calloc(1, sizeof(*ret->store)) };
	if (!ret->store)
		return err_oom(e);
	ps.p = ret->store;
	r = read_question(&ps, ret);
	buf_done(&ps.more);
	if (r == 0)
		return 0;
	policy_question_done(ret);
	if (r == -ENOMEM)
		return err_oom(e);
	memcpy(&first, faults.data, sizeof(first));
	return err_set(e, r, "%u: %s", first.column, first.msg);
}

void policy_question_done(struct policy_question *q)
{
	policy_free(q->store);
	q->store = NULL;
}
