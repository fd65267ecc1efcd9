/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/parse.h"
#include "policy/policy_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/stat.h>

/* Limits of the parser, questions that have no words, and words of questions. */

static int parse_bytes_of(const char *text, size_t len, struct err *e)
{
	AUTO_POLICY struct policy *p = NULL;

	return policy_parse(text, len, "f", &p, e);
}

static struct policy *parse(const char *text)
{
	struct policy *p = NULL;
	struct err e = { 0 };

	if (policy_parse(text, strlen(text), "f", &p, &e) < 0)
		fail_msg("%s", e.msg);
	return p;
}

/* Allocations until one fails; 0: none does. Calls of base/ and policy/ come here (--wrap). */
static size_t fail_at;

void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

void *__wrap_calloc(size_t n, size_t size)
{
	return fail_at && --fail_at == 0 ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fail_at && --fail_at == 0 ? NULL : __real_realloc(p, size);
}

/* How often memory runs out before @text is read. */
static size_t count_failures(const char *text, size_t len, bool question, int want)
{
	size_t n = 0;
	int r;

	do {
		struct policy_question q = { 0 };
		struct policy *p = NULL;
		struct err e = { 0 };

		fail_at = ++n;
		r = question ? policy_question(text, &q, &e) : policy_parse(text, len, "f", &p, &e);
		fail_at = 0;
		if (r != -ENOMEM && r != want)
			fail_msg("allocation %zu: %s", n, e.msg);
		assert_true(r == 0 || !p);
		policy_free(p);
		policy_question_done(&q);
	} while (r == -ENOMEM);
	return n - 1;
}

static void no_memory_is_an_error_like_another(void **state)
{
	AUTO_BUF struct buf text = { 0 };

	(void)state;
	for (int i = 0; i < 300; i++)
		buf_str(&text, "allow mount tmpfs on /mnt/** size<=1M options a=/b/**,c\n"
			       "allow read /a /b /c\nallow sched fifo cpus 0-3\n"
			       "allow unix @x*\nallow syscall getpid\n");
	assert_true(count_failures(text.data, text.len, false, 0) > 20);
	buf_str(&text, "nonsense\n");
	assert_true(count_failures(text.data, text.len, false, -EINVAL) > 20);
	assert_true(count_failures("sched fifo cpus 0", 0, true, 0) > 1);
	assert_true(count_failures("mount tmpfs on /x options a=b,c", 0, true, 0) > 1);
	assert_true(count_failures("nonsense", 0, true, -EINVAL) > 1);
}

static void a_policy_a_line_and_the_rules_have_limits(void **state)
{
	static char text[POLICY_MAX_BYTES + 2];
	AUTO_BUF struct buf many = { 0 };
	struct err e = { 0 };

	(void)state;
	memset(text, '\n', sizeof(text));
	assert_int_equal(parse_bytes_of(text, POLICY_MAX_BYTES, &e), 0);
	assert_int_equal(parse_bytes_of(text, POLICY_MAX_BYTES + 1, &e), -E2BIG);
	assert_true(str_starts(e.msg, "f:1:1: a policy of 1048577 bytes"));

	memset(text, '#', sizeof(text));
	text[POLICY_MAX_LINE] = '\n';
	assert_int_equal(parse_bytes_of(text, POLICY_MAX_LINE + 1, &e), 0);
	assert_int_equal(parse_bytes_of(text, POLICY_MAX_BYTES, &e), -E2BIG);
	assert_true(str_starts(e.msg, "f:2:4097: a line of 1044479 bytes"));

	for (int i = 0; i < POLICY_MAX_RULES; i++)
		buf_str(&many, "log read /a\n");
	assert_int_equal(parse_bytes_of(many.data, many.len, &e), 0);
	buf_str(&many, "log read /a\n");
	assert_int_equal(parse_bytes_of(many.data, many.len, &e), -E2BIG);
	assert_string_equal(e.msg, "f:4097:1: more than 4096 rules");
	/* Each pattern of a list is one. */
	many.len = 0;
	for (int i = 0; i < 5; i++) {
		buf_str(&many, "log read");
		for (int k = 0; k < 1000; k++)
			buf_str(&many, " **");
		buf_str(&many, "\n");
	}
	assert_int_equal(parse_bytes_of(many.data, many.len, &e), -E2BIG);
	assert_true(str_starts(e.msg, "f:5:"));
}

static void every_byte_in_every_place_is_survived(void **state)
{
	static const char good[] = "allow mount tmpfs on /mnt/** size<=64M options mode,uid=0\n"
				   "allow connect tcp [2001:db8::]/32:80-90 10.0.0.1:1\n"
				   "allow sched fifo priority<=9 cpus 0-3\nlimit cpu 1.5\n";
	char text[sizeof(good)];
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(good) - 1; i++)
		for (int c = 0; c < 256; c++) {
			memcpy(text, good, sizeof(good));
			text[i] = (char)c;
			e.msg[0] = '\0';
			if (parse_bytes_of(text, sizeof(good) - 1, &e) < 0)
				assert_true(str_starts(e.msg, "f:"));
		}
	for (size_t n = 0; n < sizeof(good); n++)
		(void)parse_bytes_of(good, n, &e);
}

static void faults_are_told_up_to_a_hundred(void **state)
{
	AUTO_BUF struct buf faults = { 0 }, text = { 0 };
	struct policy *p = NULL;
	struct policy_fault f;

	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_str(&text, i % 2 ? "nonsense\n" : "allow read /a\n");
	assert_int_equal(policy_read(text.data, text.len, &faults, &p), -EINVAL);
	assert_null(p);
	assert_int_equal(faults.len / sizeof(f), 100);
	memcpy(&f, faults.data + 99 * sizeof(f), sizeof(f));
	assert_int_equal(f.line, 200);
	assert_int_equal(f.column, 1);
}

static bool allows(const struct policy *p, const struct policy_ask *ask)
{
	struct policy_verdict v;

	policy_decide(p, ask, &v);
	assert_non_null(v.text);
	return v.allow;
}

static bool allows_socket(const char *text, int family, int type, int protocol)
{
	AUTO_POLICY struct policy *p = parse(text);
	struct policy_ask ask = { .kind = POLICY_SOCKET };

	ask.u.socket.family = family;
	ask.u.socket.type = type;
	ask.u.socket.protocol = protocol;
	return allows(p, &ask);
}

static void a_socket_has_one_meaning(void **state)
{
	(void)state;
	/* socket(2): SOCK_PACKET of AF_INET is a packet socket. */
	assert_false(allows_socket("allow socket inet", AF_INET, SOCK_PACKET, htons(3)));
	assert_false(allows_socket("allow socket inet raw", AF_INET, SOCK_PACKET, htons(3)));
	assert_true(allows_socket("allow socket packet raw", AF_INET, SOCK_PACKET, htons(3)));
	assert_false(allows_socket("allow socket packet", AF_PACKET, SOCK_RAW, htons(3)));
	assert_false(allows_socket("default allow\ndeny socket packet", AF_INET, SOCK_PACKET, 0));
	assert_true(allows_socket("allow socket inet icmp", AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
	assert_true(allows_socket("allow socket inet icmp", AF_INET, SOCK_DGRAM | SOCK_CLOEXEC,
				  IPPROTO_ICMP));
	assert_false(allows_socket("allow socket inet icmp", AF_INET, SOCK_RAW | SOCK_NONBLOCK,
				   IPPROTO_ICMP));
	assert_false(allows_socket("allow socket inet", -1, -1, -1));
	assert_false(allows_socket("allow socket inet tcp", AF_INET, SOCK_STREAM, -6));
}

static bool allows_mount(const char *text, const char *type, unsigned long flags,
			 const char *const *options)
{
	AUTO_POLICY struct policy *p = parse(text);
	struct policy_ask ask = { .kind = POLICY_MOUNT };

	ask.u.mount.fstype = type;
	ask.u.mount.source = "/srv/a";
	ask.u.mount.target = "/mnt/a";
	ask.u.mount.flags = flags;
	ask.u.mount.options = options;
	return allows(p, &ask);
}

static void each_flag_of_a_mount_is_looked_at(void **state)
{
	static const char rule[] = "allow mount bind from /srv/** on /mnt/**\n"
				   "allow mount tmpfs from /srv/** on /mnt/**";
	static const unsigned long harmless[] = { MS_RDONLY,   MS_NOSUID,      MS_NODEV,
						  MS_NOEXEC,   MS_NOATIME,     MS_NODIRATIME,
						  MS_RELATIME, MS_STRICTATIME, MS_SILENT };

	(void)state;
	assert_true(allows_mount(rule, "bind", MS_BIND, NULL));
	assert_true(allows_mount(rule, "bind", 0, NULL));
	assert_false(allows_mount(rule, "tmpfs", MS_BIND, NULL));
	for (size_t i = 0; i < ARRAY_LEN(harmless); i++)
		assert_true(allows_mount(rule, "tmpfs", harmless[i], NULL));
	for (unsigned int bit = 0; bit < 64; bit++) {
		bool want = bit == 8; /* MS_NOSYMFOLLOW */

		for (size_t i = 0; i < ARRAY_LEN(harmless); i++)
			want |= harmless[i] == 1UL << bit;
		assert_int_equal(allows_mount(rule, "tmpfs", 1UL << bit, NULL), want);
	}
	/* mount(2): the magic number of old programs is nothing. */
	assert_true(allows_mount(rule, "tmpfs", MS_MGC_VAL | MS_NOSUID, NULL));
	assert_false(allows_mount(rule, "tmpfs", MS_MGC_VAL | MS_REMOUNT, NULL));
	assert_false(allows_mount(rule, "bind", MS_BIND | MS_REC, NULL));
	assert_true(allows_mount("allow mount bind from /srv/** on /mnt/** options rec", "bind",
				 MS_BIND | MS_REC, NULL));
	assert_false(allows_mount(rule, "bind", MS_MOVE, NULL));
}

static void options_are_looked_at_one_by_one(void **state)
{
	static const char rule[] = "allow mount tmpfs on /mnt/** size<=1M options mode";
	static const char *const good[] = { "mode=755", "", "size=1m", NULL };
	static const char *const bad[] = { "mode=755", "size=1m", "nr_inodes=5", NULL };
	static const char *const twice[] = { "size=1M", "size=1G", NULL };

	(void)state;
	assert_true(allows_mount(rule, "tmpfs", 0, good));
	assert_false(allows_mount(rule, "tmpfs", 0, bad));
	assert_false(allows_mount(rule, "tmpfs", 0, twice));
}

/* Under a policy that allows everything it can name, so that what is refused is refused for itself. */
static void a_question_without_sense_is_refused(void **state)
{
	static const char *const paths[] = { NULL,     "",    "a",     "./a", "/a/../b", "/a/..",
					     "/a/./b", "//a", "/a//b", "/a/", "/.",	 "/.." };
	AUTO_POLICY struct policy *p = parse("default allow\n");
	struct sockaddr_storage none = { .ss_family = AF_UNSPEC };
	struct policy_ask ask;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		ask = (struct policy_ask){ .kind = POLICY_READ, .u.file.path = paths[i] };
		assert_false(allows(p, &ask));
		ask = (struct policy_ask){ .kind = POLICY_UNIX, .u.local.path = paths[i] };
		assert_false(allows(p, &ask));
		ask = (struct policy_ask){ .kind = POLICY_MKNOD, .u.mknod.path = paths[i] };
		assert_false(allows(p, &ask));
		ask = (struct policy_ask){ .kind = POLICY_MOUNT };
		ask.u.mount.fstype = "tmpfs";
		ask.u.mount.target = paths[i];
		assert_false(allows(p, &ask));
	}
	ask.u.mount.target = "/a";
	assert_true(allows(p, &ask));
	ask.u.mount.source = "/a/../b";
	assert_false(allows(p, &ask));
	ask.u.mount.source = NULL;
	ask.u.mount.fstype = NULL;
	assert_false(allows(p, &ask));
	ask = (struct policy_ask){ .kind = POLICY_SYSCALL };
	assert_false(allows(p, &ask));
	ask = (struct policy_ask){ .kind = POLICY_CONNECT };
	assert_false(allows(p, &ask));
	ask.u.net.addr = (const struct sockaddr *)&none;
	assert_false(allows(p, &ask));
	ask = (struct policy_ask){ .kind = POLICY_SCHED };
	ask.u.sched.policy = -1;
	assert_false(allows(p, &ask));
	ask = (struct policy_ask){ .kind = POLICY_KINDS };
	assert_false(allows(p, &ask));
	ask.kind = (enum policy_kind) - 1;
	assert_false(allows(p, &ask));
}

static void flags_beside_a_number_change_nothing(void **state)
{
	AUTO_POLICY struct policy *p = parse("allow sched fifo\nallow mknod c 1:3\nallow mknod f");
	struct policy_ask ask = { .kind = POLICY_SCHED };

	(void)state;
	ask.u.sched.policy = SCHED_FIFO | SCHED_RESET_ON_FORK;
	ask.u.sched.priority = 5;
	assert_true(allows(p, &ask));
	ask.u.sched.policy = SCHED_RR | SCHED_RESET_ON_FORK;
	assert_false(allows(p, &ask));
	ask = (struct policy_ask){ .kind = POLICY_MKNOD };
	ask.u.mknod.path = "/null";
	ask.u.mknod.type = S_IFCHR | 0666;
	ask.u.mknod.major = 1;
	ask.u.mknod.minor = 3;
	assert_true(allows(p, &ask));
	ask.u.mknod.type = S_IFBLK | 0666;
	assert_false(allows(p, &ask));
	/* mknod(2): no type is a regular file. */
	ask.u.mknod.type = 0666;
	assert_true(allows(p, &ask));
}

static void a_mask_of_more_cpus_than_there_can_be_is_not_granted(void **state)
{
	AUTO_POLICY struct policy *p = parse("allow sched cpus 0-8191");
	uint64_t mask[POLICY_CPUS / 64 + 1];
	struct policy_ask ask = { .kind = POLICY_SCHED };

	(void)state;
	memset(mask, 0xff, sizeof(mask));
	ask.u.sched.policy = -1;
	ask.u.sched.cpus = mask;
	ask.u.sched.cpus_words = ARRAY_LEN(mask);
	assert_false(allows(p, &ask));
	ask.u.sched.cpus_words--;
	assert_true(allows(p, &ask));
}

static void what_a_guest_names_is_shown_as_one_word(void **state)
{
	static const struct {
		const char *path, *want;
	} rows[] = {
		{ "/a b", "read /a\\x20b" },
		{ "/a\nallow read /", "read /a\\x0aallow\\x20read\\x20/" },
		{ "/\x1b]0;x\a", "read /\\x1b\\x5d0;x\\x07" },
		{ "/\xff", "read /\\xff" },
		{ "/\xc3\xa9", "read /\xc3\xa9" },
		{ "/\xe2\x80\xae", "read /\\xe2\\x80\\xae" },
		{ "/\xc2\x9b"
		  "2J",
		  "read /\\xc2\\x9b2J" },
		{ "/*", "read /\\x2a" },
		{ "/#a", "read /\\x23a" },
		{ "/\\x20", "read /\\x5cx20" },
		{ "", "read \"\"" },
		{ NULL, "read ?" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct policy_ask ask = { .kind = POLICY_READ, .u.file.path = rows[i].path };
		AUTO_BUF struct buf b = { 0 };

		policy_describe(&ask, &b);
		assert_string_equal(b.data, rows[i].want);
	}
}

static void numbers_without_a_name_are_numbers(void **state)
{
	AUTO_BUF struct buf b = { 0 };
	struct policy_ask ask = { .kind = POLICY_SOCKET };
	uint64_t cpus[2] = { 0x8f, 0x3 };

	(void)state;
	ask.u.socket.family = 99;
	ask.u.socket.type = 9;
	ask.u.socket.protocol = 1;
	policy_describe(&ask, &b);
	assert_string_equal(b.data, "socket 99 9 1");
	buf_done(&b);
	ask = (struct policy_ask){ .kind = POLICY_SCHED };
	ask.u.sched.policy = -1;
	ask.u.sched.cpus = cpus;
	ask.u.sched.cpus_words = 2;
	policy_describe(&ask, &b);
	assert_string_equal(b.data, "sched cpus 0-3,7,64-65");
	buf_done(&b);
	ask = (struct policy_ask){ .kind = POLICY_MOUNT };
	ask.u.mount.fstype = "tmpfs";
	ask.u.mount.target = "/a";
	ask.u.mount.flags = MS_MGC_VAL | MS_RDONLY | MS_REC | 1UL << 40;
	ask.u.mount.options = (const char *const[]){ "a=b,c", "mode=1", NULL };
	policy_describe(&ask, &b);
	assert_string_equal(b.data,
			    "mount tmpfs on /a ro options rec,0x10000000000,a=b\\x2cc,mode=1");
}

static void lines_and_limits_are_there_for_others(void **state)
{
	AUTO_POLICY struct policy *p =
		parse("# a comment\n\ndefault deny\n"
		      "  allow read /a /b # two  \nlimit memory 1G cpu 0.25\n"
		      "limit time 90m pids 7\nlog mount **\n");
	struct policy_limits l = p->limits;
	const struct policy_line *lines;

	(void)state;
	assert_int_equal(policy_lines(p, &lines), 5);
	assert_int_equal(lines[0].number, 3);
	assert_int_equal(lines[0].verb, POLICY_DEFAULT);
	assert_int_equal(lines[1].number, 4);
	assert_string_equal(lines[1].text, "allow read /a /b # two");
	assert_int_equal(lines[1].kind, POLICY_READ);
	assert_int_equal(lines[4].verb, POLICY_LOG);
	assert_int_equal(lines[4].kind, POLICY_MOUNT);
	assert_true(l.memory_bytes == 1U << 30 && l.cpu_milli == 250 && l.time_ms == 5400000 &&
		    l.pids == 7);
	assert_true(policy_speaks(p, POLICY_READ));
	assert_false(policy_speaks(p, POLICY_MOUNT));
	assert_false(policy_speaks(p, POLICY_KINDS));
}

static void a_line_that_nobody_carries_is_an_error(void **state)
{
	static const struct {
		const char *text, *want; /* NULL: all are carried */
	} rows[] = {
		{ "default allow\nallow mount **\nlog unix **\ndeny syscall bpf\n", NULL },
		{ "allow mount **\n\nallow read /a\n", "f:3: \"allow read /a\": no enforcer" },
		{ "log exec **\n", "f:1: \"log exec **\": no enforcer" },
		{ "deny write /a\n", "f:1: \"deny write /a\": no enforcer" },
		{ "allow exec **\n", "f:1: \"allow exec **\": no enforcer" },
		{ "allow mount bind from /srv/** on /mnt/** options rec\nallow mount * from ** on /m\n",
		  NULL },
		{ "deny mount ext4 from ** on **\ndeny socket packet\nlog syscall bpf\n", NULL },
		{ "allow mount ext4 from /dev/loop0 on /m shift options remount\n", NULL },
		{ "allow mount nfs from a:/b on /m\n",
		  "f:1: \"allow mount nfs from a:/b on /m\": the broker mounts" },
		{ "allow mount ext4 from /dev/loop0 on /m dev\n",
		  "f:1: \"allow mount ext4 from /dev/loop0 on /m dev\": on a device" },
		{ "allow mount tmpfs on /m shift\n",
		  "f:1: \"allow mount tmpfs on /m shift\": the broker shifts" },
		{ "allow mount tmpfs on /m options sync\n",
		  "f:1: \"allow mount tmpfs on /m options sync\": of the flags" },
		{ "allow socket packet raw\n",
		  "f:1: \"allow socket packet raw\": the broker lends no" },
		{ "allow syscall bpf\n", "f:1: \"allow syscall bpf\": what the broker" },
		{ "limit pids 5\n", "f:1: \"limit pids 5\": limits are those" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_POLICY struct policy *p = parse(rows[i].text);
		struct err e = { 0 };

		assert_int_equal(policy_check_carried(p, "f", &e), rows[i].want ? -EOPNOTSUPP : 0);
		if (rows[i].want && !str_starts(e.msg, rows[i].want))
			fail_msg("%s", e.msg);
	}
}

/* Without a right of the host's; to refuse takes none. */
static void a_private_broker_carries_what_takes_no_right(void **state)
{
	static const struct {
		const char *text;
		bool carried;
	} rows[] = {
		{ "allow mknod c 1:3\n", false },
		{ "allow mknod b 8:0 on /dev/*\n", false },
		{ "deny mknod c 1:3\nallow mknod p\nallow mknod f on /a\nlog mknod b *:*\n", true },
		{ "allow sched fifo\n", false },
		{ "allow sched rr priority<=1\n", false },
		{ "allow sched other\nallow sched cpus 0-3\ndeny sched fifo\n", true },
		{ "allow socket inet icmp\n", false },
		{ "allow socket inet6 dgram icmpv6\n", false },
		{ "allow socket inet raw icmp\nallow socket inet dgram\n", true },
		{ "allow xattr trusted.overlay.opaque\n", false },
		{ "allow xattr user.*\n", true },
		{ "allow chown /a to 1-9:*\nallow mount tmpfs on /m\n", true },
		{ "allow read /a\n", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_POLICY struct policy *p = parse(rows[i].text);
		struct err e = { 0 };

		if (policy_check_private(p, "f", &e) != (rows[i].carried ? 0 : -EOPNOTSUPP))
			fail_msg("%s%s", rows[i].text, e.msg);
	}
}

/* All names of all groups, one by one, as the parser of a rule sees them. */
static void groups_name_calls_that_exist_and_each_once(void **state)
{
	const char *const outside[] = { "mount",	   "ptrace",	     "bpf",
					"keyctl",	   "io_uring_setup", "unshare",
					"mknod",	   "reboot",	     "open_by_handle_at",
					"perf_event_open", "kexec_load",     "userfaultfd" };
	uint32_t all = (uint32_t)group_find("default", 7);
	unsigned int count = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(outside); i++)
		assert_false(group_has(all, outside[i]));
	for (int nr = 0; nr < 600; nr++) {
		AUTO_FREE char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, nr);
		unsigned int in = 0;

		for (uint32_t g = 0; name && g < all; g++)
			in += group_has(g, name);
		if (in > 1)
			fail_msg("%s is in %u groups", name, in);
		count += in;
	}
	assert_true(count > 300);
	assert_false(group_has(all, ""));
	assert_false(group_has(all, " "));
	assert_false(group_has(all, "open openat"));
	assert_false(group_has(all, "opena"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_memory_is_an_error_like_another),
		cmocka_unit_test(a_policy_a_line_and_the_rules_have_limits),
		cmocka_unit_test(every_byte_in_every_place_is_survived),
		cmocka_unit_test(faults_are_told_up_to_a_hundred),
		cmocka_unit_test(a_socket_has_one_meaning),
		cmocka_unit_test(each_flag_of_a_mount_is_looked_at),
		cmocka_unit_test(options_are_looked_at_one_by_one),
		cmocka_unit_test(a_question_without_sense_is_refused),
		cmocka_unit_test(flags_beside_a_number_change_nothing),
		cmocka_unit_test(a_mask_of_more_cpus_than_there_can_be_is_not_granted),
		cmocka_unit_test(what_a_guest_names_is_shown_as_one_word),
		cmocka_unit_test(numbers_without_a_name_are_numbers),
		cmocka_unit_test(lines_and_limits_are_there_for_others),
		cmocka_unit_test(a_line_that_nobody_carries_is_an_error),
		cmocka_unit_test(a_private_broker_carries_what_takes_no_right),
		cmocka_unit_test(groups_name_calls_that_exist_and_each_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
