/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/cgroup/cgroup_internal.h"

#include "base/parse.h"

#include <string.h>

/*
 * Device rules. Their meaning: everything is denied at first; of the rules that match a
 * device the last one decides, for each of read, write and mknod by itself.
 */

enum {
	BIT_MKNOD = BPF_DEVCG_ACC_MKNOD,
	BIT_READ = BPF_DEVCG_ACC_READ,
	BIT_WRITE = BPF_DEVCG_ACC_WRITE,
	BIT_ALL = 7,
	MAX_RULES = 4096
};

#define CHAR_RULE(major_, minor_, access_)                                                         \
	{                                                                                          \
		.allow = true, .type = OCI_DEVICE_CHAR, .major = { true, (major_) },               \
		.minor = { true, (minor_) }, .access = (char[])                                    \
		{                                                                                  \
			access_                                                                    \
		}                                                                                  \
	}

const struct oci_device_rule cg_default_rules[] = {
	CHAR_RULE(-1, -1, "m"),
	{ .allow = true,
	  .type = OCI_DEVICE_BLOCK,
	  .major = { true, -1 },
	  .minor = { true, -1 },
	  .access = (char[]){ "m" } },
	CHAR_RULE(1, 3, "rwm"),	   /* null */
	CHAR_RULE(1, 5, "rwm"),	   /* zero */
	CHAR_RULE(1, 7, "rwm"),	   /* full */
	CHAR_RULE(1, 8, "rwm"),	   /* random */
	CHAR_RULE(1, 9, "rwm"),	   /* urandom */
	CHAR_RULE(5, 0, "rwm"),	   /* tty */
	CHAR_RULE(5, 1, "rwm"),	   /* console */
	CHAR_RULE(5, 2, "rwm"),	   /* ptmx */
	CHAR_RULE(136, -1, "rwm"), /* pts */
};
const size_t cg_default_rules_count = ARRAY_LEN(cg_default_rules);

static unsigned int access_bits(const char *access)
{
	unsigned int bits = 0;

	if (!access || strchr(access, 'a'))
		return BIT_ALL;
	if (strchr(access, 'r'))
		bits |= BIT_READ;
	if (strchr(access, 'w'))
		bits |= BIT_WRITE;
	if (strchr(access, 'm'))
		bits |= BIT_MKNOD;
	return bits;
}

static bool is_any(struct opt_i64 v)
{
	return !v.set || v.v < 0;
}

static bool is_catch_all(const struct oci_device_rule *r)
{
	return r->type == OCI_DEVICE_ANY && is_any(r->major) && is_any(r->minor) &&
	       access_bits(r->access) == BIT_ALL;
}

/* ---- v2: the program ----------------------------------------------------------------- */

/* Registers: what the context said, and what is still to be granted. */
enum {
	R_RESULT = BPF_REG_0,
	R_CTX = BPF_REG_1,
	R_TYPE = BPF_REG_2,
	R_WANT = BPF_REG_3,
	R_MAJOR = BPF_REG_4,
	R_MINOR = BPF_REG_5,
	R_TMP = BPF_REG_6
};

static void emit(struct buf *b, unsigned int code, unsigned int regs, int off, uint32_t imm)
{
	struct bpf_insn insn = { .code = (uint8_t)code,
				 .dst_reg = (uint8_t)(regs & 15),
				 .src_reg = (uint8_t)(regs >> 4 & 15),
				 .off = (int16_t)off,
				 .imm = (int32_t)imm };

	(void)buf_add(b, &insn, sizeof(insn));
}

#define REGS(dst, src) ((unsigned int)(dst) | (unsigned int)(src) << 4)

static void emit_return(struct buf *b, bool allow)
{
	emit(b, BPF_ALU64 | BPF_MOV | BPF_K, R_RESULT, 0, allow);
	emit(b, BPF_JMP | BPF_EXIT, 0, 0, 0);
}

static void emit_load(struct buf *b, unsigned int reg, size_t offset)
{
	emit(b, BPF_LDX | BPF_MEM | BPF_W, REGS(reg, R_CTX), (int)offset, 0);
}

/* struct bpf_cgroup_dev_ctx: access in the upper half of access_type, type in the lower. */
static void emit_prologue(struct buf *b)
{
	emit_load(b, R_TYPE, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	emit(b, BPF_ALU64 | BPF_MOV | BPF_X, REGS(R_WANT, R_TYPE), 0, 0);
	emit(b, BPF_ALU | BPF_AND | BPF_K, R_TYPE, 0, 0xffff);
	emit(b, BPF_ALU | BPF_RSH | BPF_K, R_WANT, 0, 16);
	emit_load(b, R_MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
	emit_load(b, R_MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
}

static void emit_unless(struct buf *b, unsigned int reg, uint32_t value, size_t skip)
{
	emit(b, BPF_JMP32 | BPF_JNE | BPF_K, reg, (int)skip, value);
}

static void emit_rule(const struct oci_device_rule *r, struct buf *b)
{
	unsigned int bits = access_bits(r->access);
	bool whole = bits == BIT_ALL;
	size_t body = whole ? 2 : r->allow ? 4 : 5;
	bool type = r->type != OCI_DEVICE_ANY, major = !is_any(r->major);
	bool minor = !is_any(r->minor);

	if (type)
		emit_unless(b, R_TYPE,
			    r->type == OCI_DEVICE_BLOCK ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR,
			    body + major + minor);
	if (major)
		emit_unless(b, R_MAJOR, (uint32_t)r->major.v, body + minor);
	if (minor)
		emit_unless(b, R_MINOR, (uint32_t)r->minor.v, body);
	if (!whole && r->allow) {
		/* Granted bits are done with; the rest is for the rules before. */
		emit(b, BPF_ALU | BPF_AND | BPF_K, R_WANT, 0, ~bits & BIT_ALL);
		emit_unless(b, R_WANT, 0, 2);
	} else if (!whole) {
		emit(b, BPF_ALU64 | BPF_MOV | BPF_X, REGS(R_TMP, R_WANT), 0, 0);
		emit(b, BPF_ALU | BPF_AND | BPF_K, R_TMP, 0, bits);
		emit(b, BPF_JMP32 | BPF_JEQ | BPF_K, R_TMP, 2, 0);
	}
	emit_return(b, r->allow);
}

void cg_device_program(const struct oci_device_rule *rules, size_t count, struct buf *ret)
{
	emit_prologue(ret);
	/* Backwards, as the last match decides; nothing may follow a catch-all, or the
	 * verifier finds code that can't be reached. */
	for (size_t i = count; i > 0; i--) {
		const struct oci_device_rule *r = &rules[i - 1];

		if (access_bits(r->access) == 0)
			continue;
		if (is_catch_all(r)) {
			emit_return(ret, r->allow);
			return;
		}
		emit_rule(r, ret);
	}
	emit_return(ret, false);
}

/* ---- v1: devices.allow and devices.deny ------------------------------------------------ */

/* The kernel's list, followed along to know that it says what the rules say. */
struct v1_entry {
	enum oci_device_type type;
	int64_t major, minor; /* -1: all */
	unsigned int bits;
};

struct v1_list {
	bool default_allow; /* then entries are what is denied */
	struct v1_entry *entries;
	size_t count;
};

static void v1_line(struct buf *b, const struct v1_entry *w, bool allow)
{
	char major[24] = "*", minor[24] = "*", access[4], *a = access;

	if (w->major >= 0)
		(void)snprintf(major, sizeof(major), "%lld", (long long)w->major);
	if (w->minor >= 0)
		(void)snprintf(minor, sizeof(minor), "%lld", (long long)w->minor);
	if (w->bits & BIT_READ)
		*a++ = 'r';
	if (w->bits & BIT_WRITE)
		*a++ = 'w';
	if (w->bits & BIT_MKNOD)
		*a++ = 'm';
	*a = '\0';
	buf_printf(b, "%s %c %s:%s %s\n", allow ? "allow" : "deny",
		   w->type == OCI_DEVICE_BLOCK ? 'b' : 'c', major, minor, access);
}

static bool overlaps(int64_t a, int64_t b)
{
	return a < 0 || b < 0 || a == b;
}

static bool covers(int64_t wide, int64_t narrow)
{
	return wide < 0 || wide == narrow;
}

/*
 * Take bits away from the entries. The kernel does so only for an entry of exactly the device
 * that is written, so narrower ones are written by themselves. false: a wider one stays.
 */
static bool v1_take(struct v1_list *l, const struct v1_entry *w, bool allow, struct buf *ret)
{
	bool clean = true;

	for (size_t i = 0; i < l->count; i++) {
		struct v1_entry *x = &l->entries[i], both = *x;

		both.bits &= w->bits;
		if (x->type != w->type || both.bits == 0 || !overlaps(x->major, w->major) ||
		    !overlaps(x->minor, w->minor))
			continue;
		if (covers(w->major, x->major) && covers(w->minor, x->minor)) {
			v1_line(ret, &both, allow);
			x->bits &= ~both.bits;
		} else {
			clean = false;
		}
	}
	return clean;
}

static void v1_put(struct v1_list *l, const struct v1_entry *w, bool allow, struct buf *ret)
{
	v1_line(ret, w, allow);
	for (size_t i = 0; i < l->count; i++) {
		struct v1_entry *x = &l->entries[i];

		if (x->type == w->type && x->major == w->major && x->minor == w->minor) {
			x->bits |= w->bits;
			return;
		}
	}
	l->entries[l->count++] = *w;
}

/* "a" in devices.allow and .deny means everything, whatever stands behind it. */
static void v1_reset(struct v1_list *l, bool allow, struct buf *ret)
{
	if (l->count > 0 || l->default_allow != allow)
		buf_str(ret, allow ? "allow a\n" : "deny a\n");
	l->count = 0;
	l->default_allow = allow;
}

static bool v1_rule(struct v1_list *l, const struct oci_device_rule *r, struct buf *ret)
{
	struct v1_entry w = { .type = r->type,
			      .major = is_any(r->major) ? -1 : r->major.v,
			      .minor = is_any(r->minor) ? -1 : r->minor.v,
			      .bits = access_bits(r->access) };
	bool clean = true;

	if (w.bits == 0)
		return true;
	if (is_catch_all(r)) {
		v1_reset(l, r->allow, ret);
		return true;
	}
	for (int pass = 0; pass < 2; pass++) {
		enum oci_device_type t = pass ? OCI_DEVICE_BLOCK : OCI_DEVICE_CHAR;

		if (r->type != OCI_DEVICE_ANY && r->type != t)
			continue;
		w.type = t;
		if (r->allow == l->default_allow)
			clean &= v1_take(l, &w, r->allow, ret);
		else
			v1_put(l, &w, r->allow, ret);
	}
	return clean;
}

int cg_device_lines(const struct oci_device_rule *rules, size_t count, struct buf *ret,
		    struct err *e)
{
	AUTO_FREE struct v1_entry *entries = calloc(2 * count + 1, sizeof(*entries));
	struct v1_list l = { .default_allow = false, .entries = entries };

	if (!entries)
		return err_oom(e);
	buf_str(ret, "deny a\n");
	for (size_t i = 0; i < count; i++) {
		/* The default rules at the end may be less than wished, never more. */
		bool own = i + cg_default_rules_count < count;

		if (!v1_rule(&l, &rules[i], ret) && own)
			return err_set(e, EOPNOTSUPP,
				       "linux.resources.devices[%zu]: cgroup v1 can't make an "
				       "exception within a wildcard rule",
				       i);
	}
	return ret->failed ? err_oom(e) : 0;
}

/* ---- Steps ----------------------------------------------------------------------------- */

/* "allow x" and "deny y" lines become one SET for each run of lines to the same file. */
static void add_v1_sets(struct cg_build *b, const struct cg_place *at, char *lines)
{
	enum cg_need need = b->o->optional ? CG_MAY_FAIL : CG_MUST;

	while (lines && *lines) {
		bool allow = str_starts(lines, "allow ");
		const char *word = allow ? "allow " : "deny ";
		AUTO_BUF struct buf value = { 0 };

		while (str_starts(lines, word)) {
			char *end = strchrnul(lines, '\n');

			if (value.len)
				buf_str(&value, "\n");
			buf_add(&value, lines + strlen(word), (size_t)(end - lines) - strlen(word));
			lines = *end ? end + 1 : end;
		}
		if (value.failed)
			b->p->host.pool.failed = true;
		cg_set(b, at, need, allow ? "devices.allow" : "devices.deny", value.data);
	}
}

static void add_v2_program(struct cg_build *b, const struct cg_place *at, const struct buf *program)
{
	struct step s = { .kind = STEP_CGROUP_DEVICES, .phase = (uint8_t)b->phase };

	s.u.cgroup.dir = plan_str(b->p, b->phase, at->dir);
	s.u.cgroup.value = plan_blob(b->p, b->phase, program->data, program->len);
	s.u.cgroup.slot = SLOT_NONE;
	s.u.cgroup.optional = b->o->optional ? CG_MAY_FAIL : CG_MUST;
	s.u.cgroup.v2 = 1;
	plan_add(b->p, &s);
}

/* v2 has no devices controller: its program works in any cgroup, on a hybrid host as well. */
static const struct cg_place *devices_place(struct cg_build *b)
{
	const struct cg_place *at = cg_controller(b, "devices");

	for (size_t i = 0; !at && i < b->count; i++)
		if (b->places[i].h->v2)
			at = &b->places[i];
	return at;
}

int cg_plan_devices(struct cg_build *b, struct err *e)
{
	size_t own = b->res ? b->res->devices_count : 0, count = own + cg_default_rules_count;
	const struct cg_place *at = devices_place(b);
	AUTO_FREE struct oci_device_rule *rules = NULL;
	AUTO_BUF struct buf out = { 0 };
	int r = 0;

	if (!at && (own == 0 || b->o->optional))
		return 0;
	if (!at)
		return err_set(
			e, EOPNOTSUPP,
			"linux.resources.devices: this host has no cgroup that controls devices");
	if (own > MAX_RULES)
		return err_set(e, E2BIG, "linux.resources.devices: more than %d rules", MAX_RULES);
	rules = calloc(count, sizeof(*rules));
	if (!rules)
		return err_oom(e);
	if (own)
		memcpy(rules, b->res->devices, own * sizeof(*rules));
	memcpy(rules + own, cg_default_rules, sizeof(cg_default_rules));
	if (at->h->v2)
		cg_device_program(rules, count, &out);
	else
		r = cg_device_lines(rules, count, &out, e);
	if (r < 0)
		return r;
	if (out.failed)
		return err_oom(e);
	if (at->h->v2)
		add_v2_program(b, at, &out);
	else
		add_v1_sets(b, at, out.data);
	return 0;
}
