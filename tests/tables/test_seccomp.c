/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/parse.h"
#include "mech/seccomp/seccomp.h"

#define S(text) (text) /* the model has no const strings; nobody writes to them */
#define LIST(...)                                                                                  \
	{                                                                                          \
		.list = (char *[]){ __VA_ARGS__, NULL },                                           \
		.count = sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *)                        \
	}

/* In the manner of the engines: errno by default, a long list allowed, some by argument. */
static struct oci_seccomp profile(void)
{
	static char *allowed[] = { "read",
				   "write",
				   "close",
				   "openat",
				   "exit_group",
				   "exit",
				   "brk",
				   "mmap",
				   "munmap",
				   "mprotect",
				   "rt_sigaction",
				   "rt_sigprocmask",
				   "rt_sigreturn",
				   "getpid",
				   "gettid",
				   "fstat",
				   "newfstatat",
				   "lseek",
				   "futex",
				   "clock_gettime",
				   "getrandom",
				   "prctl",
				   "sched_yield",
				   "nanosleep",
				   "dup",
				   "pipe2",
				   "poll",
				   "ioctl",
				   "fcntl",
				   "wait4",
				   "clone",
				   "execve",
				   "uname",
				   "getcwd",
				   "statx",
				   "no_such_call_at_all",
				   NULL };
	static struct oci_seccomp_arg no_vsock[] = {
		{ .index = 0, .value = AF_VSOCK, .op = S("SCMP_CMP_NE") },
	};
	static char *sock[] = { S("socket"), NULL }, *dirs[] = { S("mkdir"), S("mkdirat"), NULL };
	static char *acct[] = { S("acct"), NULL }, *swap[] = { S("swapon"), NULL };
	static struct oci_syscall_rule rules[5];
	static char *archs[] = { S("SCMP_ARCH_X86_64"), S("SCMP_ARCH_X86"), S("SCMP_ARCH_X32"),
				 NULL };
	struct oci_seccomp sc = { .default_action = S("SCMP_ACT_ERRNO"),
				  .default_errno_ret = { true, EPERM },
				  .syscalls = rules,
				  .syscalls_count = ARRAY_LEN(rules) };

	rules[0] = (struct oci_syscall_rule){ .names = { allowed, ARRAY_LEN(allowed) - 1 },
					      .action = S("SCMP_ACT_ALLOW") };
	rules[1] = (struct oci_syscall_rule){ .names = { sock, 1 },
					      .action = S("SCMP_ACT_ALLOW"),
					      .args = no_vsock,
					      .args_count = 1 };
	rules[2] = (struct oci_syscall_rule){ .names = { dirs, 2 },
					      .action = S("SCMP_ACT_ERRNO"),
					      .errno_ret = { true, EDOM } };
	rules[3] = (struct oci_syscall_rule){ .names = { acct, 1 },
					      .action = S("SCMP_ACT_KILL_PROCESS") };
	rules[4] = (struct oci_syscall_rule){ .names = { swap, 1 },
					      .action = S("SCMP_ACT_ERRNO"),
					      .errno_ret = { true, EPERM } };
#ifdef __x86_64__
	sc.architectures = (struct oci_strings){ archs, 3 };
#else
	(void)archs;
#endif
	return sc;
}

static int load(const struct buf *filter, uint32_t flags)
{
	AUTO_PLAN struct plan p;
	struct plan_view v;
	struct step s = { .kind = STEP_SECCOMP, .phase = PHASE_ENTER };
	struct err e;

	plan_init(&p);
	s.u.seccomp.filter = plan_blob(&p, PHASE_ENTER, filter->data, filter->len);
	s.u.seccomp.flags = flags;
	plan_add(&p, &s);
	if (plan_view_half(&p.island, NULL, 0, &v, &e) < 0)
		return -1;
	return sec_apply(&(struct island){ .plan = &v }, &v.steps[0], &e);
}

/* errno of one call made behind the filter; 0: it worked; 1000 + n: killed by signal n. */
static int outcome(const struct buf *filter, uint32_t flags, long nr, long a, long b)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		long r;

		if (prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) < 0 || load(filter, flags) < 0)
			_exit(200);
		r = syscall(nr, a, b, 0L, 0L, 0L);
		/* Not _exit: a sanitizer does calls of its own on the way. */
		syscall(SYS_exit_group, r < 0 ? errno : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void compile_or_fail(const struct oci_seccomp *sc, struct buf *ret)
{
	struct err e;

	if (sec_compile(sc, ret, NULL, &e) < 0)
		fail_msg("%s", e.msg);
}

static void profile_decides_as_written(void **state)
{
	struct oci_seccomp sc = profile();
	AUTO_BUF struct buf f = { 0 };
	unsigned int skipped = 0;
	struct err e;

	(void)state;
	assert_int_equal(sec_compile(&sc, &f, &skipped, &e), 0);
	assert_int_equal(skipped, 1);
	assert_int_equal(f.len % sizeof(struct sock_filter), 0);
	assert_int_equal(outcome(&f, 0, SYS_getpid, 0, 0), 0);
	assert_int_equal(outcome(&f, 0, SYS_getppid, 0, 0), EPERM);
	assert_int_equal(outcome(&f, 0, SYS_mkdirat, AT_FDCWD, 0), EDOM);
	assert_int_equal(outcome(&f, 0, SYS_socket, AF_UNIX, SOCK_STREAM), 0);
	assert_int_equal(outcome(&f, 0, SYS_socket, AF_VSOCK, SOCK_STREAM), EPERM);
	assert_int_equal(outcome(&f, 0, SYS_acct, 0, 0), 1000 + SIGSYS);
	assert_int_equal(outcome(&f, SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_TSYNC,
				 SYS_getppid, 0, 0),
			 EPERM);
}

static void calls_newer_than_the_profile_do_not_exist(void **state)
{
	struct oci_seccomp sc = profile();
	AUTO_BUF struct buf f = { 0 };
	AUTO_BUF struct buf g = { 0 };

	(void)state;
	if (sc.architectures.count == 0)
		skip();
	compile_or_fail(&sc, &f);
	/* statx is the newest that the profile names. */
	assert_int_equal(outcome(&f, 0, SYS_statx + 1, 0, 0), ENOSYS);
	assert_int_equal(outcome(&f, 0, 5000, 0, 0), ENOSYS);
	assert_int_equal(outcome(&f, 0, SYS_getppid, 0, 0), EPERM);
#ifdef __x86_64__
	assert_int_equal(outcome(&f, 0, 0x40000000 | 5000, 0, 0), ENOSYS);
	assert_int_equal(outcome(&f, 0, 0x40000000 | SYS_getppid, 0, 0), EPERM);
#endif
	/* Without a list of architectures the default holds for all. */
	sc.architectures = (struct oci_strings){ 0 };
	compile_or_fail(&sc, &g);
	assert_int_equal(outcome(&g, 0, 5000, 0, 0), EPERM);
	assert_int_equal(outcome(&g, 0, SYS_getpid, 0, 0), 0);
}

static void every_action_compiles(void **state)
{
	(void)state;
	for (size_t i = 0; sec_action_names[i]; i++) {
		struct oci_syscall_rule rule = { .names = LIST(S("getppid")) };
		struct oci_seccomp sc = { .default_action = S("SCMP_ACT_ALLOW"),
					  .syscalls = &rule,
					  .syscalls_count = 1 };
		AUTO_BUF struct buf f = { 0 };
		struct err e;
		int r;

		rule.action = (char *)(uintptr_t)sec_action_names[i];
		r = sec_compile(&sc, &f, NULL, &e);
		if (str_eq(rule.action, "SCMP_ACT_NOTIFY"))
			assert_int_equal(r, -EINVAL); /* nobody listens */
		else
			assert_int_equal(r, 0);
		if (str_eq(rule.action, "SCMP_ACT_KILL"))
			assert_int_equal(outcome(&f, 0, SYS_getppid, 0, 0), 1000 + SIGSYS);
		if (str_eq(rule.action, "SCMP_ACT_LOG"))
			assert_int_equal(outcome(&f, 0, SYS_getppid, 0, 0), 0);
	}
}

static void operators_compare(void **state)
{
	static const struct {
		char op[24];
		uint64_t value, two;
		long arg;
		bool hit;
	} rows[] = {
		{ "SCMP_CMP_EQ", 5, 0, 5, true },	  { "SCMP_CMP_EQ", 5, 0, 6, false },
		{ "SCMP_CMP_NE", 5, 0, 6, true },	  { "SCMP_CMP_LT", 5, 0, 4, true },
		{ "SCMP_CMP_LE", 5, 0, 5, true },	  { "SCMP_CMP_GT", 5, 0, 5, false },
		{ "SCMP_CMP_GE", 5, 0, 5, true },	  { "SCMP_CMP_MASKED_EQ", 6, 4, 5, true },
		{ "SCMP_CMP_MASKED_EQ", 6, 4, 7, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct oci_seccomp_arg arg = { .index = 0,
					       .value = rows[i].value,
					       .value_two = rows[i].two,
					       .op = (char *)(uintptr_t)rows[i].op };
		struct oci_syscall_rule rule = { .names = LIST(S("getpgid")),
						 .action = S("SCMP_ACT_ERRNO"),
						 .errno_ret = { true, EDOM },
						 .args = &arg,
						 .args_count = 1 };
		struct oci_seccomp sc = { .default_action = S("SCMP_ACT_ALLOW"),
					  .syscalls = &rule,
					  .syscalls_count = 1 };
		AUTO_BUF struct buf f = { 0 };

		compile_or_fail(&sc, &f);
		assert_int_equal(outcome(&f, 0, SYS_getpgid, rows[i].arg, 0) == EDOM, rows[i].hit);
	}
}

static void errors_name_the_path(void **state)
{
	struct oci_seccomp_arg arg = { .index = 6, .op = S("SCMP_CMP_EQ") };
	struct oci_syscall_rule rule = { .names = LIST(S("read")),
					 .action = S("SCMP_ACT_ALLOW"),
					 .args = &arg,
					 .args_count = 1 };
	struct oci_seccomp sc = { .default_action = S("SCMP_ACT_ERRNO"),
				  .syscalls = &rule,
				  .syscalls_count = 1 };
	AUTO_BUF struct buf f = { 0 };
	uint32_t flags = 7;
	struct err e;

	(void)state;
	assert_int_equal(sec_compile(&sc, &f, NULL, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "linux.seccomp.syscalls[0].args[0].index 6"));
	arg.index = 0;
	arg.op = S("SCMP_CMP_ALMOST");
	assert_int_equal(sec_compile(&sc, &f, NULL, &e), -EINVAL);
	arg.op = S("SCMP_CMP_EQ");
	rule.errno_ret = (struct opt_u32){ true, 3 };
	assert_int_equal(sec_compile(&sc, &f, NULL, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "takes no errno"));
	sc.default_action = S("SCMP_ACT_MAYBE");
	assert_int_equal(sec_compile(&sc, &f, NULL, &e), -EINVAL);
	assert_int_equal(f.len, 0);
	sc.flags = (struct oci_strings)LIST(S("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"));
	assert_int_equal(sec_flags(&sc, &flags, &e), -EINVAL);
	sc.flags = (struct oci_strings)LIST(S("SECCOMP_FILTER_FLAG_X"));
	assert_int_equal(sec_flags(&sc, &flags, &e), -EINVAL);
	assert_int_equal(flags, 7);
	sc.flags = (struct oci_strings)LIST(S("SECCOMP_FILTER_FLAG_LOG"),
					    S("SECCOMP_FILTER_FLAG_SPEC_ALLOW"));
	assert_int_equal(sec_flags(&sc, &flags, &e), 0);
	assert_int_equal(flags, SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	sc.flags = (struct oci_strings)LIST(S("SECCOMP_FILTER_FLAG_TSYNC"));
	assert_int_equal(sec_flags(&sc, &flags, &e), 0);
	assert_int_equal(flags, 0);
	sc.flags = (struct oci_strings){ 0 };
	assert_int_equal(sec_flags(&sc, &flags, &e), 0);
	assert_int_equal(flags, SECCOMP_FILTER_FLAG_SPEC_ALLOW);
}

/* ---- Cache ------------------------------------------------------------------------------ */

struct cache {
	char dir[64], file[192], key[SEC_KEY_SIZE];
};

static void cache_begin(struct cache *c, const struct oci_seccomp *sc)
{
	char base[] = "/tmp/cay-test-seccomp-XXXXXX";

	assert_non_null(mkdtemp(base));
	(void)snprintf(c->dir, sizeof(c->dir), "%s/cache", base);
	assert_int_equal(sec_key(sc, c->key), 0);
	(void)snprintf(c->file, sizeof(c->file), "%s/%s", c->dir, c->key);
}

static void cache_end(struct cache *c)
{
	(void)unlink(c->file);
	assert_int_equal(rmdir(c->dir), 0); /* fails if a temporary file is left */
	*strrchr(c->dir, '/') = '\0';
	assert_int_equal(rmdir(c->dir), 0);
}

static void get(const struct cache *c, const struct oci_seccomp *sc, const struct buf *want,
		bool want_hit)
{
	AUTO_BUF struct buf f = { 0 };
	bool hit = !want_hit;
	struct err e;

	assert_int_equal(sec_filter(sc, c->dir, &f, &hit, &e), 0);
	assert_int_equal(hit, want_hit);
	assert_int_equal(f.len, want->len);
	assert_memory_equal(f.data, want->data, f.len);
}

static void patch_file(const char *path, off_t at)
{
	AUTO_FD int fd = open(path, O_RDWR | O_CLOEXEC);
	unsigned char byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x55;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static void cache_gives_the_same_bytes_back(void **state)
{
	struct oci_seccomp sc = profile();
	AUTO_BUF struct buf want = { 0 };
	struct cache c;
	struct stat st;

	(void)state;
	compile_or_fail(&sc, &want);
	cache_begin(&c, &sc);
	get(&c, &sc, &want, false);
	get(&c, &sc, &want, true);
	assert_int_equal(stat(c.dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	cache_end(&c);
}

static void damaged_cache_files_are_made_again(void **state)
{
	static const off_t places[] = { 0, 4, 8, 16, 90, 200 };
	struct oci_seccomp sc = profile();
	AUTO_BUF struct buf want = { 0 };
	AUTO_BUF struct buf none = { 0 };
	struct cache c;

	(void)state;
	compile_or_fail(&sc, &want);
	cache_begin(&c, &sc);
	get(&c, &sc, &want, false);
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		patch_file(c.file, places[i]);
		assert_int_equal(sec_cache_get(c.dir, c.key, &none), -EBADMSG);
		assert_int_equal(none.len, 0);
		get(&c, &sc, &want, false);
		get(&c, &sc, &want, true);
	}
	assert_int_equal(truncate(c.file, 301), 0);
	get(&c, &sc, &want, false);
	assert_int_equal(truncate(c.file, 0), 0);
	get(&c, &sc, &want, false);
	cache_end(&c);
}

static void a_cache_that_others_may_write_is_not_used(void **state)
{
	struct oci_seccomp sc = profile();
	AUTO_BUF struct buf want = { 0 };
	struct cache c;

	(void)state;
	compile_or_fail(&sc, &want);
	cache_begin(&c, &sc);
	get(&c, &sc, &want, false);
	assert_int_equal(chmod(c.file, 0666), 0);
	get(&c, &sc, &want, false);
	get(&c, &sc, &want, true);
	assert_int_equal(chmod(c.dir, 0777), 0);
	get(&c, &sc, &want, false);
	get(&c, &sc, &want, false);
	cache_end(&c);
}

/* ---- a policy over a profile ------------------------------------------------------------------- */

static uint32_t word_at(const struct seccomp_data *d, uint32_t at)
{
	uint32_t v;

	assert_true(at <= sizeof(*d) - sizeof(v));
	memcpy(&v, (const char *)d + at, sizeof(v));
	return v;
}

static bool jumps(const struct sock_filter *f, uint32_t a)
{
	switch (BPF_OP(f->code)) {
	case BPF_JEQ:
		return a == f->k;
	case BPF_JGT:
		return a > f->k;
	case BPF_JGE:
		return a >= f->k;
	default:
		assert_int_equal(BPF_OP(f->code), BPF_JSET);
		return a & f->k;
	}
}

/* What the kernel's machine does (networking/filter.rst), of the instructions that filters have. */
static uint32_t interpret(const struct buf *filter, const struct seccomp_data *d)
{
	const size_t n = filter->len / sizeof(struct sock_filter);
	uint32_t a = 0;

	for (size_t pc = 0; pc < n; pc++) {
		struct sock_filter f;

		memcpy(&f, filter->data + pc * sizeof(f), sizeof(f));
		if (BPF_CLASS(f.code) == BPF_RET)
			return f.k;
		if (BPF_CLASS(f.code) == BPF_LD)
			a = word_at(d, f.k);
		else if (f.code == (BPF_ALU | BPF_AND | BPF_K))
			a &= f.k;
		else if (f.code == (BPF_JMP | BPF_JA))
			pc += f.k;
		else if (BPF_CLASS(f.code) == BPF_JMP)
			pc += jumps(&f, a) ? f.jt : f.jf;
		else
			fail_msg("instruction %x", f.code);
	}
	fail_msg("ran over the end");
	return 0;
}

/* seccomp(2): of several filters the action that comes first here wins; a smaller number, as signed. */
static uint32_t stricter(uint32_t a, uint32_t b)
{
	return (int32_t)(a & SECCOMP_RET_ACTION_FULL) <= (int32_t)(b & SECCOMP_RET_ACTION_FULL) ? a
												: b;
}

static bool is_in(const struct oci_strings *names, int nr)
{
	for (size_t i = 0; i < names->count; i++)
		if (seccomp_syscall_resolve_name(names->list[i]) == nr)
			return true;
	return false;
}

static void check_watched(const struct oci_seccomp *sc, const struct buf *base)
{
	static const uint64_t args[] = { 0, AF_INET, AF_VSOCK, UINT64_MAX };
	AUTO_BUF struct buf both = { 0 };
	struct err e;

	assert_int_equal(sec_filter(sc, NULL, &both, NULL, &e), 0);
	for (int nr = -1; nr < 600; nr++)
		for (size_t k = 0; k < ARRAY_LEN(args); k++) {
			struct seccomp_data d = { .nr = nr, .arch = seccomp_arch_native() };
			uint32_t policy = SECCOMP_RET_ALLOW;

			d.args[0] = args[k];
			if (is_in(&sc->watched, nr))
				policy = SECCOMP_RET_USER_NOTIF;
			if (is_in(&sc->refused, nr))
				policy = SECCOMP_RET_ERRNO | EPERM;
			if (nr < 0)
				policy = SECCOMP_RET_KILL_PROCESS; /* the bit of x32 is set */
			assert_int_equal(interpret(&both, &d),
					 stricter(interpret(base, &d), policy));
			d.arch = SCMP_ARCH_X86;
			assert_int_equal(interpret(&both, &d), SECCOMP_RET_KILL_PROCESS);
		}
}

static void a_policy_is_never_milder_than_the_profile(void **state)
{
	static char *watched[] = { S("socket"), S("openat"), S("mount"), S("mkdir"), NULL };
	static char *refused[] = { S("getpid"), S("acct"), S("swapon"), S("mkdirat"), NULL };
	struct oci_seccomp sc[] = { profile(),
				    { .default_action = S("SCMP_ACT_ALLOW") },
				    { .default_action = S("SCMP_ACT_LOG") },
				    { .default_action = S("SCMP_ACT_KILL_PROCESS") } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sc); i++) {
		AUTO_BUF struct buf base = { 0 };

		compile_or_fail(&sc[i], &base);
		for (unsigned int which = 1; which < 4; which++) {
			sc[i].watched =
				(struct oci_strings){ watched,
						      which & 1 ? ARRAY_LEN(watched) - 1 : 0 };
			sc[i].refused =
				(struct oci_strings){ refused,
						      which & 2 ? ARRAY_LEN(refused) - 1 : 0 };
			check_watched(&sc[i], &base);
		}
	}
}

/*
 * tcp(7): with MSG_FASTOPEN these connect. A pair of datagram sockets sends to whatever address, and unix(7)
 * takes SOCK_RAW for the same.
 */
static void what_does_the_same_is_answered_as_the_same(void **state)
{
	static char *names[] = { S("connect"), S("socket"), S("setxattrat"), NULL };
	static char *other[] = { S("getpid"), NULL };
	static const struct {
		int nr;
		unsigned int arg;
		uint64_t does, does_not;
	} rows[] = {
		{ SCMP_SYS(sendto), 3, MSG_FASTOPEN | 1ULL << 40, ~(uint64_t)MSG_FASTOPEN },
		{ SCMP_SYS(sendmsg), 2, MSG_FASTOPEN | 1ULL << 40, ~(uint64_t)MSG_FASTOPEN },
		{ SCMP_SYS(sendmmsg), 3, MSG_FASTOPEN | 1ULL << 40, ~(uint64_t)MSG_FASTOPEN },
		{ SCMP_SYS(socketpair), 1, SOCK_DGRAM | SOCK_CLOEXEC, SOCK_STREAM | SOCK_NONBLOCK },
		{ SCMP_SYS(socketpair), 1, SOCK_RAW | 1ULL << 40, SOCK_SEQPACKET | 2ULL << 32 }
	};

	(void)state;
	for (unsigned int which = 0; which < 8; which++) {
		const bool refuses = which & 4;
		const struct oci_strings them = { names, 3 }, one = { other, which & 1 };
		struct oci_seccomp sc = { .default_action = which & 2 ? S("SCMP_ACT_KILL_PROCESS")
								      : S("SCMP_ACT_ALLOW"),
					  .watched = refuses ? one : them,
					  .refused = refuses ? them : one };
		const uint32_t base = which & 2 ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ALLOW;
		const uint32_t refused = stricter(base, SECCOMP_RET_ERRNO | EPERM),
			       watched = stricter(base, SECCOMP_RET_USER_NOTIF);
		const uint32_t of_them = refuses ? refused : watched;
		AUTO_BUF struct buf out = { 0 };
		struct err e;

		assert_int_equal(sec_filter(&sc, NULL, &out, NULL, &e), 0);
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			struct seccomp_data d = { .nr = rows[i].nr, .arch = seccomp_arch_native() };

			memset(d.args, 0xff, sizeof(d.args));
			d.args[rows[i].arg] = rows[i].does_not;
			assert_int_equal(interpret(&out, &d), base);
			memset(d.args, 0, sizeof(d.args));
			d.args[rows[i].arg] = rows[i].does;
			assert_int_equal(interpret(&out, &d), of_them);
			/* Calls behind them are what they were. */
			for (size_t k = 0; k < ARRAY_LEN(names) - 1; k++) {
				d.nr = k == 2 ? 463 : seccomp_syscall_resolve_name(names[k]);
				assert_int_equal(interpret(&out, &d), of_them);
			}
			d.nr = SCMP_SYS(getpid);
			assert_int_equal(interpret(&out, &d), !(which & 1) ? base
							      : refuses	   ? watched
									   : refused);
			d.nr = SCMP_SYS(getuid);
			assert_int_equal(interpret(&out, &d), base);
		}
	}
}

/* Each by the call that it stands for, and only where that is named. */
static void what_does_the_same_as_another_call_is_left_alone(void **state)
{
	static char *one[] = { S("connect"), NULL }, *two[] = { S("socket"), NULL };
	struct oci_seccomp sc = { .default_action = S("SCMP_ACT_ALLOW"),
				  .watched = { one, 1 },
				  .refused = { two, 0 } };
	struct seccomp_data pair = { .nr = SCMP_SYS(socketpair),
				     .arch = seccomp_arch_native(),
				     .args = { AF_UNIX, SOCK_DGRAM } },
			    send = { .nr = SCMP_SYS(sendto),
				     .arch = seccomp_arch_native(),
				     .args = { [3] = MSG_FASTOPEN } };

	(void)state;
	for (size_t n = 0; n < 2; n++) {
		AUTO_BUF struct buf out = { 0 };
		struct err e;

		sc.refused.count = n;
		assert_int_equal(sec_filter(&sc, NULL, &out, NULL, &e), 0);
		assert_int_equal(interpret(&out, &pair),
				 n ? SECCOMP_RET_ERRNO | EPERM : SECCOMP_RET_ALLOW);
		assert_int_equal(interpret(&out, &send), SECCOMP_RET_USER_NOTIF);
	}
}

static void a_filter_that_computes_its_word_is_joined_with_nothing(void **state)
{
	static char *watched[] = { S("mount"), NULL };
	/* ret a */
	struct oci_seccomp sc = { .bpf_data = S("FgAAAAAAAAA="), .watched = { watched, 1 } };
	AUTO_BUF struct buf out = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(sec_filter(&sc, NULL, &out, NULL, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "computes"));
	assert_int_equal(out.len, 0);
}

static void key_depends_on_every_field(void **state)
{
	struct oci_seccomp a = profile(), b = profile();
	char x[SEC_KEY_SIZE], y[SEC_KEY_SIZE];

	(void)state;
	assert_int_equal(sec_key(&a, x), 0);
	assert_int_equal(sec_key(&b, y), 0);
	assert_string_equal(x, y);
	b.default_errno_ret.v = ENOSYS;
	assert_int_equal(sec_key(&b, y), 0);
	assert_string_not_equal(x, y);
	b = a;
	b.syscalls_count--;
	assert_int_equal(sec_key(&b, y), 0);
	assert_string_not_equal(x, y);
	b = a;
	b.architectures.count = 0;
	if (a.architectures.count) {
		assert_int_equal(sec_key(&b, y), 0);
		assert_string_not_equal(x, y);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(profile_decides_as_written),
		cmocka_unit_test(calls_newer_than_the_profile_do_not_exist),
		cmocka_unit_test(every_action_compiles),
		cmocka_unit_test(operators_compare),
		cmocka_unit_test(errors_name_the_path),
		cmocka_unit_test(cache_gives_the_same_bytes_back),
		cmocka_unit_test(damaged_cache_files_are_made_again),
		cmocka_unit_test(a_cache_that_others_may_write_is_not_used),
		cmocka_unit_test(a_policy_is_never_milder_than_the_profile),
		cmocka_unit_test(what_does_the_same_is_answered_as_the_same),
		cmocka_unit_test(what_does_the_same_as_another_call_is_left_alone),
		cmocka_unit_test(a_filter_that_computes_its_word_is_joined_with_nothing),
		cmocka_unit_test(key_depends_on_every_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
