/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy, and questions made of the same bytes: its lines as words, its pieces as paths, names
 * and numbers. Whatever it is, there is a verdict, and these hold:
 *   - what is printed of a policy is a policy that decides the same;
 *   - a question in words is the same question when it is read again;
 *   - these words behind "allow" allow it, behind "deny" deny it, whatever else is there.
 */
#include "fuzz.h"

#include "base/parse.h"
#include "base/text.h"
#include "policy/policy_text.h"

#include <netinet/in.h>
#include <sys/stat.h>

enum { MAX_LINES = 64, MAX_PIECES = 8 };

static void same_verdict(const struct policy *a, const struct policy *b,
			 const struct policy_ask *ask)
{
	struct policy_verdict v, w;

	policy_decide(a, ask, &v);
	policy_decide(b, ask, &w);
	if (v.allow != w.allow || v.log != w.log || v.mount.flags != w.mount.flags ||
	    v.mount.size_bytes != w.mount.size_bytes || v.mount.shift != w.mount.shift ||
	    (v.line == 0) != (w.line == 0) || !v.text || !w.text)
		abort();
}

/* One line, nothing in it that a terminal would obey. */
static void describe(const struct policy_ask *ask, struct buf *out)
{
	size_t n;

	policy_describe(ask, out);
	for (size_t i = 0; i < out->len; i += n) {
		n = text_seen(out->data + i, out->len - i);
		if (n == 0)
			abort();
	}
}

/* @verb with the words of a question, behind @text. */
static void verdict_of(const char *text, size_t len, const char *verb, const struct buf *words,
		       const struct policy_ask *ask)
{
	AUTO_BUF struct buf all = { 0 };
	AUTO_POLICY struct policy *p = NULL;
	struct policy_verdict v;
	struct err e;

	buf_add(&all, text, len);
	buf_printf(&all, "\n%s %s\n", verb, words->data);
	if (policy_parse(all.data, all.len, "fuzz", &p, &e) < 0)
		return;
	policy_decide(p, ask, &v);
	if (v.allow != (verb[0] == 'a') || v.line == 0)
		abort();
}

static void ask_in_words(const char *line, const struct policy *p, const struct policy *printed,
			 const char *text, size_t len)
{
	AUTO_QUESTION struct policy_question q = { 0 }, again = { 0 };
	AUTO_BUF struct buf words = { 0 }, more = { 0 };
	struct err e;

	if (policy_question(line, &q, &e) < 0)
		return;
	if (p)
		same_verdict(p, printed, &q.ask);
	describe(&q.ask, &words);
	if (policy_question(words.data, &again, &e) == 0) {
		describe(&again.ask, &more);
		if (strcmp(words.data, more.data) != 0)
			abort();
	} else if (words.len <= POLICY_MAX_LINE && !strstr(words.data, "...")) {
		abort();
	}
	/* Of a remount the source is not told, so that no rule can be made of it. */
	if (!strstr(words.data, "remount"))
		verdict_of("", 0, "allow", &words, &q.ask);
	if (p)
		verdict_of(text, len, "deny", &words, &q.ask);
}

static void ask_pieces(char *const piece[MAX_PIECES], const uint8_t *data, size_t size,
		       const struct policy *p, const struct policy *printed)
{
	const char *options[] = { piece[4], piece[5], NULL };
	uint32_t n[4] = { 0 };
	uint64_t cpus[2] = { 0 };
	struct sockaddr_storage addr = { 0 };

	memcpy(n, data, size < sizeof(n) ? size : sizeof(n));
	memcpy(cpus, data, size < sizeof(cpus) ? size : sizeof(cpus));
	memcpy(&addr, data, size < sizeof(addr) ? size : sizeof(addr));
	if (size > 2)
		addr.ss_family = data[2] % 3 == 0 ? AF_INET : data[2] % 3 == 1 ? AF_INET6 : data[2];
	for (int kind = 0; kind <= POLICY_KINDS; kind++) {
		AUTO_BUF struct buf words = { 0 };
		struct policy_ask ask = { .kind = (enum policy_kind)kind };

		switch (ask.kind) {
		case POLICY_READ:
		case POLICY_WRITE:
		case POLICY_EXEC:
		case POLICY_CHOWN:
			ask.u.file.path = piece[kind % 4];
			ask.u.file.uid = n[0];
			ask.u.file.gid = n[1];
			break;
		case POLICY_CONNECT:
		case POLICY_BIND:
			ask.u.net.addr = (const struct sockaddr *)&addr;
			ask.u.net.type = (int)(n[1] % 8);
			break;
		case POLICY_UNIX:
			ask.u.local.path = piece[0];
			ask.u.local.bind = n[0] & 1;
			break;
		case POLICY_SOCKET:
			ask.u.socket.family = (int)n[0];
			ask.u.socket.type = (int)n[1];
			ask.u.socket.protocol = (int)n[2];
			break;
		case POLICY_MOUNT:
			ask.u.mount.fstype = piece[0];
			ask.u.mount.source = piece[1];
			ask.u.mount.target = piece[2];
			ask.u.mount.flags = n[0];
			ask.u.mount.options = piece[4] ? options : NULL;
			break;
		case POLICY_MKNOD:
			ask.u.mknod.path = piece[3];
			ask.u.mknod.type = n[0];
			ask.u.mknod.major = n[1];
			ask.u.mknod.minor = n[2];
			break;
		case POLICY_SCHED:
			ask.u.sched.policy = (int)n[0];
			ask.u.sched.priority = (int)n[1];
			ask.u.sched.cpus = n[2] & 1 ? cpus : NULL;
			ask.u.sched.cpus_words = ARRAY_LEN(cpus);
			break;
		case POLICY_VIEW:
			ask.u.view = (enum policy_view)(n[0] % (VIEW_COUNT + 2));
			break;
		case POLICY_XATTR:
			ask.u.xattr.name = piece[0];
			ask.u.xattr.path = piece[1];
			break;
		case POLICY_BPF:
			ask.u.bpf.type = n[0] % 32;
			ask.u.bpf.cmd = n[1] % 16;
			break;
		case POLICY_SYSCALL:
		case POLICY_KINDS:
			ask.u.syscall = piece[0];
			break;
		}
		describe(&ask, &words);
		if (p)
			same_verdict(p, printed, &ask);
	}
}

static struct policy *print_and_parse(const struct policy *p)
{
	AUTO_BUF struct buf once = { 0 }, twice = { 0 };
	AUTO_POLICY struct policy *ret = NULL;
	struct err e;

	policy_print(p, &once);
	/* Escapes are longer than what they stand for. */
	if (policy_parse(once.data, once.len, "printed", &ret, &e) < 0) {
		if (e.code != -E2BIG)
			abort();
		return NULL;
	}
	policy_print(ret, &twice);
	if (strcmp(once.data, twice.data) != 0)
		abort();
	return TAKE_PTR(ret);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_POLICY struct policy *p = NULL, *printed = NULL;
	AUTO_ARENA struct arena a = { 0 };
	const char *text = (const char *)data;
	char *piece[MAX_PIECES] = { 0 }, *line;
	struct err e = { 0 };
	size_t at = 0;

	if (policy_parse(text, size, "fuzz", &p, &e) < 0) {
		if (p || (e.code != -EINVAL && e.code != -E2BIG) || !str_after(e.msg, "fuzz:"))
			abort();
	} else {
		printed = print_and_parse(p);
		if (!printed)
			return 0;
	}
	for (size_t i = 0; i < MAX_LINES && at < size; i++) {
		const char *end = memchr(text + at, '\n', size - at);
		size_t n = end ? (size_t)(end - text) - at : size - at;

		line = arena_strndup(&a, text + at, n);
		if (!line)
			return 0;
		if (i < MAX_PIECES)
			piece[i] = line;
		ask_in_words(line, p, printed, text, size);
		/* What a rule allows without patterns is a question. */
		if (str_after(line, "allow "))
			ask_in_words(line + 6, p, printed, text, size);
		at += n + 1;
	}
	ask_pieces(piece, data, size, p, printed);
	return 0;
}
