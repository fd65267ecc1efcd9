/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/seccomp/seccomp_names.h"

#include "base/json.h"
#include "base/parse.h"
#include "oci/state.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	MAX_ARGS = 6,
	OPTIMIZE_FROM = 32, /* rules; from here on a binary tree pays */
	X32_BIT = 0x40000000,
	MAX_ARCHS = 32,
};

static void release(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

/* An action with its errno; those that carry none must not be given one (runtime-spec). */
static int action(const char *path, const char *name, struct opt_u32 errno_ret, bool listener,
		  uint32_t *ret, struct err *e)
{
	uint32_t value = 0, data = errno_ret.set ? errno_ret.v : EPERM;

	if (sec_action_value(name, &value) < 0)
		return err_set(e, EINVAL, "linux.seccomp.%s \"%.64s\": no such action", path,
			       name ? name : "");
	if (value == SCMP_ACT_NOTIFY && !listener)
		return err_set(e, EINVAL, "linux.seccomp.%s: SCMP_ACT_NOTIFY cannot be used %s",
			       path,
			       str_eq(path, "defaultAction") ? "as default action"
							     : "without listenerPath");
	if (value == SCMP_ACT_ERRNO(0) || value == SCMP_ACT_TRACE(0)) {
		if (data > (value == SCMP_ACT_TRACE(0) ? UINT16_MAX : 4095U))
			return err_set(e, EINVAL, "linux.seccomp.%s: errno %u is out of range",
				       path, data);
		value |= data;
	} else if (errno_ret.set) {
		return err_set(e, EINVAL, "linux.seccomp.%s \"%s\": takes no errno", path, name);
	}
	*ret = value;
	return 0;
}

static int add_archs(scmp_filter_ctx ctx, const struct oci_seccomp *sc, struct err *e)
{
	for (size_t i = 0; i < sc->architectures.count; i++) {
		const char *name = sc->architectures.list[i];
		uint32_t arch = 0;
		int r = sec_arch_value(name, &arch);

		if (r == 0)
			r = seccomp_arch_add(ctx, arch);
		if (r < 0 && r != -EEXIST)
			return err_sys(e, r, "linux.seccomp.architectures[%zu] \"%.64s\"", i, name);
	}
	return 0;
}

static int convert_args(const struct oci_syscall_rule *rule, size_t i, struct scmp_arg_cmp *ret,
			bool *ret_repeated, struct err *e)
{
	unsigned int seen = 0;

	if (rule->args_count > (size_t)MAX_ARGS * 8)
		return err_set(e, E2BIG, "linux.seccomp.syscalls[%zu].args: too many", i);
	for (size_t k = 0; k < rule->args_count; k++) {
		const struct oci_seccomp_arg *a = &rule->args[k];
		uint32_t op = 0;

		if (a->index >= MAX_ARGS)
			return err_set(e, EINVAL,
				       "linux.seccomp.syscalls[%zu].args[%zu].index %u: must be "
				       "less than 6",
				       i, k, a->index);
		if (sec_operator_value(a->op, &op) < 0)
			return err_set(
				e, EINVAL,
				"linux.seccomp.syscalls[%zu].args[%zu].op \"%.64s\": no such "
				"operator",
				i, k, a->op ? a->op : "");
		*ret_repeated |= (seen >> a->index & 1) != 0;
		seen |= 1U << a->index;
		ret[k] = (struct scmp_arg_cmp){ a->index, (enum scmp_compare)op, a->value,
						a->value_two };
	}
	return 0;
}

struct rule {
	uint32_t action;
	struct scmp_arg_cmp args[MAX_ARGS * 8];
	unsigned int count;
	bool repeated; /* conditions on one argument: each is a rule of its own, as in runc */
};

static int add_name(scmp_filter_ctx ctx, const struct rule *r, int nr)
{
	int rc = 0;

	if (!r->repeated)
		return seccomp_rule_add_array(ctx, r->action, nr, r->count, r->args);
	for (unsigned int k = 0; k < r->count && rc == 0; k++)
		rc = seccomp_rule_add_array(ctx, r->action, nr, 1, &r->args[k]);
	return rc;
}

static int add_rule(scmp_filter_ctx ctx, const struct oci_seccomp *sc, size_t i,
		    unsigned int *skipped, struct err *e)
{
	const struct oci_syscall_rule *rule = &sc->syscalls[i];
	struct rule r = { .count = (unsigned int)rule->args_count };
	uint32_t default_action = 0;
	char path[64];
	int rc;

	(void)snprintf(path, sizeof(path), "syscalls[%zu].action", i);
	rc = action(path, rule->action, rule->errno_ret, sec_has_listener(sc), &r.action, e);
	if (rc == 0)
		rc = convert_args(rule, i, r.args, &r.repeated, e);
	if (rc < 0)
		return rc;
	(void)seccomp_attr_get(ctx, SCMP_FLTATR_ACT_DEFAULT, &default_action);
	if (r.action == default_action)
		return 0;
	for (size_t k = 0; k < rule->names.count; k++) {
		int nr = seccomp_syscall_resolve_name(rule->names.list[k]);

		/* Whoever answers must be able to say so, and runc's own message ends it, too. */
		if (r.action == SCMP_ACT_NOTIFY && str_eq(rule->names.list[k], "write"))
			return err_set(
				e, EINVAL,
				"linux.seccomp.syscalls[%zu]: SCMP_ACT_NOTIFY cannot be used for "
				"the write syscall",
				i);
		if (nr == __NR_SCMP_ERROR && sc->fail_unknown)
			return err_set(e, EINVAL,
				       "linux.seccomp.syscalls[%zu].names[%zu] \"%.64s\": no such "
				       "system call (run.oci.seccomp_fail_unknown_syscall)",
				       i, k, rule->names.list[k]);
		if (nr == __NR_SCMP_ERROR) {
			++*skipped;
			continue;
		}
		rc = add_name(ctx, &r, nr);
		if (rc < 0)
			return err_sys(e, rc, "linux.seccomp.syscalls[%zu].names[%zu] \"%.64s\"", i,
				       k, rule->names.list[k]);
	}
	return 0;
}

/* ---- ENOSYS for what is newer than the profile ------------------------------------------ */

struct arch_limit {
	uint32_t audit;		 /* AUDIT_ARCH_* */
	uint32_t last, last_x32; /* 0: the profile names none */
};

static uint32_t last_call(const struct oci_seccomp *sc, uint32_t arch)
{
	int last = 0;

	for (size_t i = 0; i < sc->syscalls_count; i++) {
		const struct oci_strings *names = &sc->syscalls[i].names;

		for (size_t k = 0; k < names->count; k++) {
			int nr = seccomp_syscall_resolve_name_arch(arch, names->list[k]);

			if (nr > last)
				last = nr;
		}
	}
	return (uint32_t)last;
}

static size_t find_limits(const struct oci_seccomp *sc, struct arch_limit *ret)
{
	size_t n = 0, at;

	for (size_t i = 0; i < sc->architectures.count; i++) {
		uint32_t arch = 0, audit, last;

		if (sec_arch_value(sc->architectures.list[i], &arch) < 0)
			continue;
		audit = arch == SCMP_ARCH_X32 ? (uint32_t)SCMP_ARCH_X86_64 : arch;
		last = last_call(sc, arch);
		for (at = 0; at < n && ret[at].audit != audit; at++)
			;
		if (last == 0 || at == MAX_ARCHS)
			continue;
		if (at == n)
			ret[n++] = (struct arch_limit){ .audit = audit };
		if (arch == SCMP_ARCH_X32)
			ret[at].last_x32 = last;
		else
			ret[at].last = last;
	}
	return n;
}

static void emit(struct buf *b, unsigned int code, uint32_t k, unsigned int jt, unsigned int jf)
{
	struct sock_filter f = { (uint16_t)code, (uint8_t)jt, (uint8_t)jf, k };

	(void)buf_add(b, &f, sizeof(f));
}

/* nr > limit → ENOSYS; limit 0: leave the call to the filter. Always three instructions. */
static void emit_limit(struct buf *b, uint32_t limit, uint32_t skip_rest)
{
	emit(b, BPF_JMP | BPF_JGT | BPF_K, limit ? limit : UINT32_MAX, 0, 1);
	emit(b, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS, 0, 0);
	emit(b, BPF_JMP | BPF_JA, skip_rest, 0, 0);
}

/*
 * A stub in front of the filter:
 *   for each architecture: if it is this one, compare the number, go on to the filter
 * x32 calls share AUDIT_ARCH_X86_64 and are told by a bit.
 */
static void emit_stub(const struct oci_seccomp *sc, struct buf *b)
{
	struct arch_limit limits[MAX_ARCHS];
	size_t n = find_limits(sc, limits);
	enum { SECTION = 9 };

	for (size_t i = 0; i < n; i++) {
		uint32_t rest = (uint32_t)(n - 1 - i) * SECTION;
		bool x86 = limits[i].audit == SCMP_ARCH_X86_64;

		emit(b, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
		emit(b, BPF_JMP | BPF_JEQ | BPF_K, limits[i].audit, 0, SECTION - 2);
		emit(b, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
		/* Without an x32 entry the numbers of x32 are for the filter to judge. */
		if (x86)
			emit(b, BPF_JMP | BPF_JSET | BPF_K, X32_BIT, 3, 0);
		else
			emit(b, BPF_JMP | BPF_JEQ | BPF_K, UINT32_MAX, 3, 0);
		/* The second half ends the section. */
		emit_limit(b, limits[i].last, rest + 2);
		emit(b, BPF_JMP | BPF_JGT | BPF_K,
		     x86 && limits[i].last_x32 ? limits[i].last_x32 | X32_BIT : UINT32_MAX, 0, 1);
		emit(b, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS, 0, 0);
	}
	/* Falling out of a section reaches the next one, where no architecture matches. */
}

static bool wants_stub(const struct oci_seccomp *sc)
{
	return str_eq(sc->default_action, "SCMP_ACT_ERRNO") &&
	       !(sc->default_errno_ret.set && sc->default_errno_ret.v == ENOSYS);
}

/* ---- The whole -------------------------------------------------------------------------- */

static int export_filter(scmp_filter_ctx ctx, const struct oci_seccomp *sc, struct buf *ret,
			 struct err *e)
{
	AUTO_FD int fd = memfd_create("seccomp", MFD_CLOEXEC);
	AUTO_BUF struct buf out = { 0 };
	int r;

	if (fd < 0)
		return err_sys(e, errno, "seccomp: memfd");
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return err_sys(e, r, "seccomp: build the filter");
	if (wants_stub(sc))
		emit_stub(sc, &out);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "seccomp: memfd");
	r = buf_read_fd(&out, fd, SEC_MAX_INSNS * sizeof(struct sock_filter));
	if (r == -E2BIG || out.len > SEC_MAX_INSNS * sizeof(struct sock_filter))
		return err_set(e, E2BIG, "linux.seccomp: the filter has more than %d instructions",
			       SEC_MAX_INSNS);
	if (r < 0)
		return err_sys(e, r, "seccomp: read the filter");
	if (!buf_add(ret, out.data, out.len) || out.failed)
		return err_oom(e);
	return 0;
}

static size_t count_names(const struct oci_seccomp *sc)
{
	size_t n = 0;

	for (size_t i = 0; i < sc->syscalls_count; i++)
		n += sc->syscalls[i].names.count;
	return n;
}

int sec_compile(const struct oci_seccomp *sc, struct buf *ret, unsigned int *ret_skipped,
		struct err *e)
{
	AUTO(release) scmp_filter_ctx ctx = NULL;
	unsigned int skipped = 0;
	uint32_t default_action = 0;
	int r;

	r = action("defaultAction", sc->default_action, sc->default_errno_ret, false,
		   &default_action, e);
	if (r < 0)
		return r;
	ctx = seccomp_init(default_action);
	if (!ctx)
		return err_set(e, EINVAL, "linux.seccomp.defaultAction \"%s\": not supported here",
			       sc->default_action);
	r = add_archs(ctx, sc, e);
	if (r < 0)
		return r;
	/* With few rules a tree gains nothing, and with none libseccomp 2.5 fails to make one. */
	if (count_names(sc) > OPTIMIZE_FROM)
		(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; i < sc->syscalls_count; i++) {
		r = add_rule(ctx, sc, i, &skipped, e);
		if (r < 0)
			return r;
	}
	r = export_filter(ctx, sc, ret, e);
	if (r == 0 && ret_skipped)
		*ret_skipped = skipped;
	return r;
}

/* ---- The step -------------------------------------------------------------------------- */

/*
 * The container process state (config-linux.md): everything but the pids, which are known late.
 * The state comes before the outer pid, so that three texts are enough.
 */
static int plan_notice(const struct oci_seccomp *sc, const struct oci_state *state, struct step *s,
		       struct plan *p, struct err *e)
{
	AUTO_BUF struct buf head = { 0 };
	AUTO_BUF struct buf mid = { 0 };
	struct json_out o = { .b = &head };
	int r;

	if (strlen(sc->listener_path) >= sizeof(((struct err *)NULL)->msg))
		return err_set(e, ENAMETOOLONG, "linux.seccomp.listenerPath: too long");
	jo_open(&o, NULL, '{');
	jo_str(&o, "ociVersion", OCI_VERSION);
	jo_open(&o, "fds", '[');
	jo_str(&o, NULL, "seccompFd");
	jo_close(&o, ']');
	if (sc->listener_metadata && *sc->listener_metadata)
		jo_str(&o, "metadata", sc->listener_metadata);
	jo_raw(&o, "state", "");
	r = oci_state_split(state, &head, &mid, e);
	buf_str(&mid, ",\"pid\":");
	if (r == 0 && (head.failed || mid.failed))
		r = err_oom(e);
	if (r < 0)
		return r;
	s->u.seccomp.listener = plan_str(p, PHASE_ENTER, sc->listener_path);
	s->u.seccomp.head = plan_str(p, PHASE_ENTER, head.data);
	s->u.seccomp.mid = plan_str(p, PHASE_ENTER, mid.data);
	s->u.seccomp.tail = plan_str(p, PHASE_ENTER, "}");
	s->u.seccomp.state_pid = (uint32_t)state->pid;
	return 0;
}

int sec_plan(const struct oci_seccomp *sc, const struct oci_state *state, const char *cache_dir,
	     struct plan *p, struct err *e)
{
	struct step s = { .kind = STEP_SECCOMP, .phase = PHASE_ENTER };
	AUTO_BUF struct buf filter = { 0 };
	int r = sec_flags(sc, &s.u.seccomp.flags, e);

	if (r == 0)
		r = sec_filter(sc, cache_dir, &filter, NULL, e);
	if (r == 0 && sec_notifies(sc))
		r = plan_notice(sc, state, &s, p, e);
	if (r < 0)
		return r;
	s.u.seccomp.filter = plan_blob(p, PHASE_ENTER, filter.data, filter.len);
	plan_add(p, &s);
	return 0;
}
