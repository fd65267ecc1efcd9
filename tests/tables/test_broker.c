/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "broker/agent.h"
#include "broker/decide.h"
#include "broker/effect.h"
#include "policy/calls.h"
#include "policy/policy_text.h"

/* What an agent decides without looking at anything but its arguments. */

static struct policy *parse(const char *text)
{
	struct policy *p = NULL;
	struct err e = { 0 };

	if (policy_parse(text, strlen(text), "test", &p, &e) < 0)
		fail_msg("%s", e.msg);
	return p;
}

static struct policy_ask socket_ask(int family, int type, int protocol)
{
	return (struct policy_ask){
		.kind = POLICY_SOCKET,
		.u.socket = { .family = family, .type = type, .protocol = protocol }
	};
}

static void only_a_line_lends(void **state)
{
	static const struct {
		const char *policy;
		bool lends;
		int error;
	} rows[] = {
		{ "default deny\n", false, EPERM },
		{ "default allow\n", false, 0 },
		{ "default allow\n", true, EPERM },
		{ "default deny\nallow socket inet raw icmp\n", true, 0 },
		{ "default allow\ndeny socket inet raw icmp\n", false, EPERM },
		{ "default deny\nallow socket inet raw icmp\ndeny syscall socket\n", true, EPERM },
		{ "default deny\nallow syscall socket\n", false, EPERM },
	};
	const struct policy_ask ask = socket_ask(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	struct ruling r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_POLICY struct policy *p = parse(rows[i].policy);

		decide(p, "socket", &ask, rows[i].lends, &r);
		if (r.error != rows[i].error)
			fail_msg("row %zu: %d", i, r.error);
	}
	decide(NULL, "socket", &ask, false, &r);
	assert_int_equal(r.error, EPERM);
}

static void sockets_go_their_ways(void **state)
{
	static const struct {
		int family, type, protocol;
		enum socket_way way;
	} rows[] = {
		{ AF_INET, SOCK_STREAM, 0, SOCKET_NATIVE },
		{ AF_INET, SOCK_DGRAM, IPPROTO_UDP, SOCKET_NATIVE },
		{ AF_INET, SOCK_DGRAM, IPPROTO_ICMP, SOCKET_PING },
		{ AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6, SOCKET_PING },
		{ AF_INET, SOCK_DGRAM, IPPROTO_ICMPV6, SOCKET_NATIVE },
		{ AF_INET, SOCK_RAW, IPPROTO_ICMP, SOCKET_RAW },
		{ AF_INET6, SOCK_RAW, IPPROTO_RAW, SOCKET_RAW },
		{ AF_INET, SOCK_PACKET, 0x300, SOCKET_NEVER },
		{ AF_PACKET, SOCK_RAW, 0x300, SOCKET_NEVER },
		{ AF_PACKET, SOCK_DGRAM, 0, SOCKET_NEVER },
		{ AF_UNIX, SOCK_STREAM, 0, SOCKET_NATIVE },
		{ AF_NETLINK, SOCK_RAW, 0, SOCKET_NATIVE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (decide_socket(rows[i].family, rows[i].type, rows[i].protocol) != rows[i].way)
			fail_msg("row %zu", i);
}

static void a_line_that_is_about_all_types_lends_none(void **state)
{
	static const struct {
		const char *policy;
		int type;
		enum socket_way way;
		bool names;
	} rows[] = {
		{ "default deny\nallow socket inet\n", SOCK_RAW, SOCKET_RAW, false },
		{ "default deny\nallow socket inet raw\n", SOCK_RAW, SOCKET_RAW, true },
		{ "default deny\nallow socket inet raw icmp\n", SOCK_RAW, SOCKET_RAW, true },
		{ "default allow\n", SOCK_RAW, SOCKET_RAW, false },
		{ "default deny\nallow socket inet dgram\n", SOCK_DGRAM, SOCKET_PING, false },
		{ "default deny\nallow socket inet dgram icmp\n", SOCK_DGRAM, SOCKET_PING, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_POLICY struct policy *p = parse(rows[i].policy);
		struct policy_ask ask = socket_ask(AF_INET, rows[i].type, IPPROTO_ICMP);
		struct policy_verdict v;

		policy_decide(p, &ask, &v);
		if (decide_names_socket(p, &ask, rows[i].way, &v) != rows[i].names)
			fail_msg("row %zu", i);
	}
}

static void addresses_have_to_be_whole(void **state)
{
	const struct socket_facts tcp = { AF_INET, SOCK_STREAM, IPPROTO_TCP };
	const struct socket_facts tcp6 = { AF_INET6, SOCK_STREAM, IPPROTO_TCP };
	const struct socket_facts sctp = { AF_INET, SOCK_STREAM, IPPROTO_SCTP };
	const struct socket_facts smc = { AF_SMC, SOCK_STREAM, 0 };
	int type;

	(void)state;
	assert_true(decide_address(&tcp, AF_INET, 16, &type));
	assert_int_equal(type, SOCK_STREAM);
	assert_false(decide_address(&tcp, AF_INET, 15, &type));
	assert_false(decide_address(&tcp, AF_INET6, 28, &type));
	assert_true(decide_address(&tcp6, AF_INET6, 28, &type));
	assert_true(decide_address(&tcp6, AF_INET6, 24, &type));
	assert_false(decide_address(&tcp6, AF_INET6, 23, &type));
	assert_false(decide_address(&tcp, AF_UNSPEC, 16, &type));
	/* AF_SMC: the other side takes it for TCP. */
	assert_true(decide_address(&smc, AF_INET6, 28, &type));
	assert_int_equal(type, SOCK_STREAM);
	/* Rules have no word for it, so none but a wildcard matches. */
	assert_true(decide_address(&sctp, AF_INET, 16, &type));
	assert_int_equal(type, 0);
}

static void flags_of_mount_are_a_list(void **state)
{
	(void)state;
	assert_true(decide_mount_flags(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC));
	assert_true(decide_mount_flags(MS_BIND | MS_REC | MS_RDONLY));
	assert_false(decide_mount_flags(MS_REC));
	for (size_t i = 0; i < 4; i++)
		assert_false(decide_mount_flags((
			(const unsigned long[]){ MS_REMOUNT, MS_MOVE, MS_SHARED, MS_PRIVATE })[i]));
	/* Flags of a mount may be changed, what is mounted not. */
	assert_true(decide_mount_flags(MS_REMOUNT | MS_BIND | MS_RDONLY));
	assert_false(decide_mount_flags(MS_REMOUNT | MS_BIND | MS_REC));
	assert_false(decide_mount_flags(1UL << 40));
}

static void attributes_of_the_host_are_lent_by_name_and_value(void **state)
{
	static const struct {
		const char *name, *value;
		enum xattr_way way;
	} rows[] = {
		{ "user.x", "anything", XATTR_OWN },
		{ "security.capability", "", XATTR_OWN },
		{ "trusted", "y", XATTR_OWN },
		{ "trusted.overlay.opaque", "y", XATTR_LENT },
		{ "trusted.overlay.opaque", "x", XATTR_LENT },
		{ "trusted.overlay.opaque", "n", XATTR_NEVER },
		{ "trusted.overlay.opaque", "yy", XATTR_NEVER },
		{ "trusted.overlay.whiteout", "", XATTR_LENT },
		{ "trusted.overlay.redirect", "/x", XATTR_NEVER },
		{ "trusted.overlay.metacopy", "", XATTR_NEVER },
		{ "trusted.overlay.opaque2", "y", XATTR_NEVER },
		{ "trusted.", "", XATTR_NEVER },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (decide_xattr(rows[i].name, rows[i].value, strlen(rows[i].value)) != rows[i].way)
			fail_msg("row %zu", i);
}

/* What a line promises and nobody keeps is told before the policy is in force. */
static void lines_that_nobody_keeps_are_told(void **state)
{
	static const struct {
		const char *line;
		bool kept;
	} rows[] = {
		{ "allow mount tmpfs on /x noatime options remount", true },
		{ "allow mount tmpfs on /x shift", false },
		{ "allow mount tmpfs on /x options sync", false },
		{ "allow mount bind from /x on /y suid dev options rec", true },
		{ "allow mount nfs from a:/b on /y", false },
		{ "deny mount nfs on /y", true },
		{ "allow mount * from ** on /y", true },
		{ "allow mount ext4 from /dev/sda1 on /y shift ro", true },
		{ "allow mount ext4 from /dev/sda1 on /y dev", false },
		{ "allow mount ext4 from /dev/sda1 on /y suid", false },
		{ "allow mount ext4 from /dev/sda1 on /y options errors=continue,acl", true },
		{ "allow mount ext4 from /dev/sda1 on /y options errors", false },
		{ "allow mount ext4 from /dev/sda1 on /y options errors=panic", false },
		{ "allow mount ext4 from /dev/sda1 on /y options journal_path=/dev/**", false },
		{ "allow mount btrfs from /dev/sda1 on /y options subvol,compress=zstd", true },
		{ "allow xattr trusted.overlay.opaque", true },
		{ "allow xattr trusted.*", true },
		{ "allow xattr trusted.overlay.redirect on /x", false },
		{ "deny xattr trusted.overlay.redirect on /x", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct policy_line *line;
		AUTO_POLICY struct policy *p = parse(rows[i].line);

		assert_int_equal(policy_lines(p, &line), 1);
		if (!policy_gap(line) != rows[i].kept)
			fail_msg("%s: %s", rows[i].line,
				 policy_gap(line) ? policy_gap(line) : "kept");
	}
}

static void a_remount_takes_nothing_back(void **state)
{
	const unsigned long both = MS_NOSUID | MS_NODEV;

	(void)state;
	assert_true(decide_tightens(MS_RDONLY, both, both));
	assert_true(decide_tightens(MS_RDONLY | MS_NOEXEC, both | MS_NOEXEC, both));
	assert_true(decide_tightens(0, 0, 0));
	assert_false(decide_tightens(0, both | MS_RDONLY, both));
	assert_false(decide_tightens(MS_RDONLY, both | MS_RDONLY | MS_NOEXEC, both));
	assert_false(decide_tightens(MS_RDONLY, MS_NOSYMFOLLOW, both));
	assert_false(decide_tightens(0, MS_NODEV, MS_NOSUID));
	/* Times of access protect nothing. */
	assert_true(decide_tightens(0, MS_NOATIME, 0));
}

static void options_of_devices_are_a_list(void **state)
{
	static const struct {
		const char *type, *option;
		bool taken;
	} rows[] = {
		{ "ext4", "errors=remount-ro", true },
		{ "ext4", "errors=panic", false },
		{ "ext4", "errors", false },
		{ "ext4", "errors=", false },
		{ "ext4", "acl", true },
		{ "ext4", "acl=1", false },
		{ "ext4", "journal_dev=1", false },
		{ "btrfs", "subvol=/a", true },
		{ "btrfs", "subvol", false },
		{ "btrfs", "subvol=", false },
		{ "btrfs", "device=/dev/sda", false },
		{ "btrfs", "fatal_errors=panic", false },
		{ "squashfs", "errors=panic", false },
		{ "tmpfs", "mode=1777", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (policy_fs_takes(policy_fs_find(rows[i].type), rows[i].option) != rows[i].taken)
			fail_msg("row %zu", i);
	assert_null(policy_fs_find("nfs"));
	assert_null(policy_fs_find(""));
	for (unsigned int i = 0; policy_fs_at(i); i++) {
		const struct policy_fs *fs = policy_fs_at(i);

		assert_ptr_equal(policy_fs_find(fs->name), fs);
		assert_true(policy_fs_index(fs) == i && i + 1 < PLACE_NODE);
	}
}

/* A program of so many instructions, the same one each time. */
static bool plain(uint8_t code, int16_t off)
{
	const struct bpf_insn insns[2] = { { .code = code, .off = off },
					   { .code = BPF_JMP | BPF_EXIT } };

	return decide_bpf_program(insns, 2);
}

static void programs_compute_and_answer(void **state)
{
	(void)state;
	assert_true(plain(BPF_ALU64 | BPF_MOV | BPF_K, 0));
	assert_true(plain(BPF_ALU | BPF_RSH | BPF_X, 0));
	assert_true(plain(BPF_LDX | BPF_MEM | BPF_W, 4));
	assert_true(plain(BPF_JMP | BPF_JNE | BPF_K, 1));
	assert_true(plain(BPF_JMP32 | BPF_JEQ | BPF_X, 0));
	assert_true(plain(BPF_JMP | BPF_JA, 0));
	assert_false(plain(BPF_JMP | BPF_JA, -1));
	assert_false(plain(BPF_JMP | BPF_JNE | BPF_K, -2));
	assert_false(plain(BPF_JMP32 | BPF_JA, 0));
	assert_false(plain(BPF_JMP | BPF_CALL, 0));
	assert_false(plain(BPF_JMP32 | BPF_CALL, 0));
	assert_false(plain(BPF_LD | BPF_IMM | BPF_DW, 0));
	assert_false(plain(BPF_LD | BPF_ABS | BPF_W, 0));
	assert_false(plain(BPF_ST | BPF_MEM | BPF_W, 0));
	assert_false(plain(BPF_STX | BPF_MEM | BPF_DW, 0));
	assert_false(plain(BPF_STX | BPF_ATOMIC | BPF_DW, 0));
	assert_false(plain(BPF_LDX | 0x20 | BPF_W, 0)); /* with an offset that may fault */
	assert_false(decide_bpf_program(NULL, 0));
}

static void calls_of_bpf_are_for_devices_alone(void **state)
{
	union {
		union bpf_attr a;
		char bytes[CALL_BPF_MAX];
	} u = { 0 };

	(void)state;
	u.a.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	assert_false(decide_bpf_load(&u.a));
	u.a.insn_cnt = 2;
	assert_true(decide_bpf_load(&u.a));
	u.a.log_level = 1;
	u.a.log_size = 4096;
	memcpy(u.a.prog_name, "any", 4);
	u.a.expected_attach_type = BPF_CGROUP_DEVICE;
	assert_true(decide_bpf_load(&u.a));
	u.bytes[CALL_BPF_MAX - 1] = 1;
	assert_false(decide_bpf_load(&u.a));
	u.bytes[CALL_BPF_MAX - 1] = 0;
	u.a.prog_flags = BPF_F_STRICT_ALIGNMENT;
	assert_false(decide_bpf_load(&u.a));
	u.a.prog_flags = 0;
	u.a.prog_btf_fd = 3;
	assert_false(decide_bpf_load(&u.a));
	u.a.prog_btf_fd = 0;
	u.a.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	assert_false(decide_bpf_load(&u.a));

	memset(&u, 0, sizeof(u));
	u.a.attach_type = BPF_CGROUP_DEVICE;
	assert_false(decide_bpf_attach(&u.a, true));
	assert_true(decide_bpf_attach(&u.a, false));
	u.a.attach_flags = BPF_F_ALLOW_MULTI;
	assert_true(decide_bpf_attach(&u.a, true));
	u.a.replace_bpf_fd = 1;
	assert_false(decide_bpf_attach(&u.a, true));
	u.a.replace_bpf_fd = 0;
	u.a.attach_flags = BPF_F_ALLOW_MULTI | BPF_F_REPLACE;
	assert_false(decide_bpf_attach(&u.a, true));
	u.a.attach_flags = BPF_F_ALLOW_OVERRIDE;
	assert_false(decide_bpf_attach(&u.a, true));
	assert_false(decide_bpf_attach(&u.a, false));
	u.a.attach_flags = BPF_F_ALLOW_MULTI;
	u.a.attach_type = BPF_CGROUP_INET_INGRESS;
	assert_false(decide_bpf_attach(&u.a, true));
}

static void what_is_never_lent_is_not(void **state)
{
	(void)state;
	assert_true(decide_sched(SCHED_FIFO));
	assert_false(decide_sched(6)); /* SCHED_DEADLINE */
	assert_true(decide_device_is_free(S_IFIFO, 8, 0));
	assert_true(decide_device_is_free(S_IFCHR, 0, 0));
	assert_false(decide_device_is_free(S_IFCHR, 1, 3));
	assert_false(decide_device_is_free(S_IFBLK, 0, 0));
	assert_false(decide_device_is_free(S_IFDIR, 0, 0));
}

static void calls_of_another_architecture_are_none(void **state)
{
	(void)state;
	assert_string_equal(call_find(AUDIT_ARCH_X86_64, SYS_mount)->name, "mount");
	assert_null(call_find(AUDIT_ARCH_I386, SYS_mount));
	assert_null(call_find(AUDIT_ARCH_X86_64, 0x40000000 | SYS_mount));
	assert_null(call_find(AUDIT_ARCH_X86_64, SYS_read));
	for (const struct call_kind *k = call_table; k->name; k++)
		assert_true((k->class == CALL_ABSENT) == (k->handle == NULL));
}

/* Names of the kinds, as lines begin with them. */
static const char *const kinds[] = {
	[POLICY_READ] = "read",	      [POLICY_WRITE] = "write", [POLICY_EXEC] = "exec",
	[POLICY_CONNECT] = "connect", [POLICY_BIND] = "bind",	[POLICY_UNIX] = "unix",
	[POLICY_SOCKET] = "socket",   [POLICY_MOUNT] = "mount", [POLICY_MKNOD] = "mknod",
	[POLICY_CHOWN] = "chown",     [POLICY_SCHED] = "sched", [POLICY_XATTR] = "xattr",
	[POLICY_VIEW] = "view",	      [POLICY_BPF] = "bpf",	[POLICY_SYSCALL] = "syscall",
};
_Static_assert(ARRAY_LEN(kinds) == POLICY_KINDS, "each kind has a name");

/* A policy that is said to be kept is kept by a call, and a call is decided by what is kept. */
static void lines_are_carried_where_a_call_asks_them(void **state)
{
	unsigned int asked = RULE(SYSCALL); /* of each call, by its name */

	(void)state;
	for (const struct call_kind *k = call_table; k->name; k++) {
		asked |= k->rules;
		assert_true(k->class != CALL_ABSENT || k->rules == 0);
	}
	for (unsigned int i = 0; i < POLICY_KINDS; i++) {
		char text[64];
		const struct policy_line *line;
		AUTO_POLICY struct policy *p = NULL;

		(void)snprintf(text, sizeof(text), "deny %s **\n", kinds[i]);
		p = parse(text);
		assert_int_equal(policy_lines(p, &line), 1);
		if (!policy_gap(line) != !!(asked & 1U << i))
			fail_msg("%s: %s", kinds[i],
				 policy_gap(line) ? policy_gap(line) : "carried");
	}
}

/*
 * What a filter is told to send is what a handler waits for; sockets are decided when they are made. Of
 * socketpair the filter sends some, by what it asks for.
 */
static void calls_of_a_kind_are_those_that_its_rules_decide(void **state)
{
	(void)state;
	for (const struct call_kind *k = call_table; k->name; k++)
		for (unsigned int i = 0; i < POLICY_KINDS; i++) {
			const char *const *names = policy_calls_of((enum policy_kind)i);
			const bool family = k->rules & RULE(CONNECT) || k->rules & RULE(BIND);
			bool found = false;

			for (size_t n = 0; n < POLICY_CALLS_KIND && names[n]; n++)
				found = found || strcmp(names[n], k->name) == 0;
			if (i == POLICY_SOCKET && strcmp(k->name, "socketpair") == 0)
				found = true;
			if (k->rules & 1U << i && !(family && i == POLICY_SOCKET) && !found)
				fail_msg("%s is not among the calls of kind %s", k->name, kinds[i]);
			if (found && k->rules && !(k->rules & 1U << i))
				fail_msg("%s is decided by no rule of kind %s", k->name, kinds[i]);
		}
	for (unsigned int i = 0; i < POLICY_KINDS; i++) {
		const char *const *names = policy_calls_of((enum policy_kind)i);

		for (size_t n = 0; n < POLICY_CALLS_KIND && names[n]; n++) {
			const struct call_kind *k = call_table;

			while (k->name && strcmp(k->name, names[n]) != 0)
				k++;
			assert_non_null(k->name);
		}
	}
}

/* Is it these names, with a blank behind each? */
static bool is_list(char *const *names, const char *want)
{
	size_t len = 0;

	for (; *names; names++) {
		const char *at = strstr(want, *names);

		while (at && !((at == want || at[-1] == ' ') && at[strlen(*names)] == ' '))
			at = strstr(at + 1, *names);
		if (!at)
			return false;
		len += strlen(*names) + 1;
	}
	return len == strlen(want);
}

#define RING "io_uring_setup "
#define ADDRESSES "connect bind "
#define SOCKETS "socket "
#define MOUNTS                                                                                     \
	"mount umount2 open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr "         \
	"open_tree_attr "
#define NODES "mknod mknodat "
#define OWNERS "chown lchown fchown fchownat "
#define MODES "chmod fchmod fchmodat fchmodat2 "
#define SCHEDS "sched_setscheduler sched_setparam sched_setattr sched_setaffinity "
#define XATTRS "setxattr lsetxattr fsetxattr setxattrat "
#define VIEWS "sysinfo open openat openat2 "
#define BPF "bpf "
#define EVERY_CALL ADDRESSES RING SOCKETS MOUNTS NODES SCHEDS XATTRS BPF

/* Who answers what, when nobody asked for a log, and when somebody did. */
static const struct {
	const char *text, *watched, *refused;
	bool logged;
} held[] = {
	{ "default allow\n", "", "", false },
	{ "default allow\n", "", "", true },
	{ "", "", EVERY_CALL, false },
	{ "default deny\n", "", EVERY_CALL, false },
	{ "default deny\n", EVERY_CALL, "", true },
	/* A line of each kind that allows something of it. */
	{ "allow connect tcp 10.0.0.1:1\n", ADDRESSES RING, SOCKETS MOUNTS NODES SCHEDS XATTRS BPF,
	  false },
	{ "allow bind tcp 10.0.0.1:1\n", ADDRESSES RING, SOCKETS MOUNTS NODES SCHEDS XATTRS BPF,
	  false },
	{ "allow unix /a\n", ADDRESSES RING, SOCKETS MOUNTS NODES SCHEDS XATTRS BPF, false },
	/* Which of its sockets have addresses that rules don't speak of? Theirs are decided by this line, too. */
	{ "allow socket netlink route\n", ADDRESSES SOCKETS RING, MOUNTS NODES SCHEDS XATTRS BPF,
	  false },
	{ "allow mount tmpfs on /a\n", MOUNTS, ADDRESSES RING SOCKETS NODES SCHEDS XATTRS BPF,
	  false },
	{ "allow mknod p\n", NODES, ADDRESSES RING SOCKETS MOUNTS SCHEDS XATTRS BPF, false },
	{ "allow chown /a\n", OWNERS MODES, ADDRESSES RING SOCKETS MOUNTS NODES SCHEDS XATTRS BPF,
	  false },
	{ "allow sched other\n", SCHEDS, ADDRESSES RING SOCKETS MOUNTS NODES XATTRS BPF, false },
	{ "allow view meminfo\n", VIEWS, EVERY_CALL, false },
	{ "allow xattr user.*\n", XATTRS RING, ADDRESSES SOCKETS MOUNTS NODES SCHEDS BPF, false },
	{ "allow bpf device\n", BPF, ADDRESSES RING SOCKETS MOUNTS NODES SCHEDS XATTRS, false },
	{ "allow socket unix\nallow mknod p\n", ADDRESSES SOCKETS RING NODES,
	  MOUNTS SCHEDS XATTRS BPF, false },
	/* To deny something of what is denied already. */
	{ "deny mount * on /a\ndeny unix **\ndeny socket alg\n", "", EVERY_CALL, false },
	{ "log mount **\n", MOUNTS, ADDRESSES RING SOCKETS NODES SCHEDS XATTRS BPF, false },
	{ "default deny\ndeny syscall getppid connect\n", "", EVERY_CALL "getppid ", false },
	{ "deny syscall getppid\nallow view *\n", EVERY_CALL VIEWS, "getppid ", true },
	/* What no line speaks of, where nothing is denied. */
	{ "default allow\ndeny connect tcp *\n", "connect " RING, "", false },
	{ "default allow\nallow unix /a\n", ADDRESSES RING, "", true },
	{ "default allow\nlog mknod **\n", NODES, "", true },
	{ "default allow\ndeny chown /a\n", OWNERS MODES, "", false },
	{ "default allow\nallow view *\n", VIEWS, "", false },
	{ "default allow\nlog unix **\nallow mknod p\ndeny syscall getppid mount\nallow syscall "
	  "mount\n",
	  ADDRESSES RING NODES, "getppid mount ", false },
};

static void each_call_is_answered_by_whom_the_policy_means(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(held); i++) {
		AUTO_POLICY struct policy *p = parse(held[i].text);
		AUTO_CALLS struct policy_calls c = { 0 };
		struct err e;

		assert_int_equal(policy_calls(p, held[i].logged, &c, &e), 0);
		if (!is_list(c.watched, held[i].watched) || !is_list(c.refused, held[i].refused))
			fail_msg("row %zu: %s", i, held[i].text);
	}
}

/* ---- copying: from our own memory, which is a guest's as good as any ------------------------------- */

static struct call *begin(struct call *c, const char *name, uint64_t a0, uint64_t a1, uint64_t a2)
{
	struct seccomp_notif n = { .pid = (uint32_t)getpid(), .data.args = { a0, a1, a2 } };

	for (const struct call_kind *k = call_table; k->name; k++)
		if (strcmp(k->name, name) == 0)
			call_begin(c, &n, k);
	return c;
}

static void copies_end_where_memory_ends(void **state)
{
	static struct call c;
	char *two = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t at = (uintptr_t)two;

	(void)state;
	assert_true(two != MAP_FAILED && munmap(two + 4096, 4096) == 0);
	memset(two, 'x', 4096);
	/* No end before the end of the memory. */
	assert_int_equal(call_copy(begin(&c, "umount2", at + 4090, 0, 0)), -EFAULT);
	two[4095] = '\0';
	assert_int_equal(call_copy(begin(&c, "umount2", at + 4090, 0, 0)), 0);
	assert_string_equal(c.arg[0].bytes, "xxxxx");
	assert_int_equal(call_copy(begin(&c, "umount2", at, 0, 0)), 0);
	assert_int_equal(c.arg[0].len, 4095);
	assert_int_equal(call_copy(begin(&c, "umount2", at + 4096, 0, 0)), -EFAULT);
	assert_int_equal(call_copy(begin(&c, "umount2", 0, 0, 0)), -EFAULT);
	assert_int_equal(munmap(two, 4096), 0);
}

static void lengths_are_bounded(void **state)
{
	static struct call c;
	static char bytes[8192];
	uint64_t at = (uintptr_t)bytes;

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	assert_int_equal(call_copy(begin(&c, "umount2", at, 0, 0)), -ENAMETOOLONG);
	assert_int_equal(call_copy(begin(&c, "connect", 3, at, 129)), -EINVAL);
	assert_int_equal(call_copy(begin(&c, "connect", 3, at, 128)), 0);
	assert_int_equal(c.arg[1].len, 128);
	assert_int_equal(call_copy(begin(&c, "connect", 3, at, 0xffffffffU)), -EINVAL);
	assert_int_equal(call_copy(begin(&c, "sched_setaffinity", 0, 4096, at)), -EINVAL);
	/* sched_attr tells its own size; what is not known has to be zero. */
	memset(bytes, 0, sizeof(bytes));
	bytes[0] = 100;
	assert_int_equal(call_copy(begin(&c, "sched_setattr", 0, at, 0)), 0);
	bytes[99] = 1;
	assert_int_equal(call_copy(begin(&c, "sched_setattr", 0, at, 0)), -E2BIG);
	bytes[0] = 8;
	assert_int_equal(call_copy(begin(&c, "sched_setattr", 0, at, 0)), -E2BIG);
}

static void a_program_is_copied_whole_or_not(void **state)
{
	static struct call c;
	static struct bpf_insn insns[CALL_INSNS_MAX];
	union {
		union bpf_attr a;
		char bytes[CALL_BPF_MAX + 8];
	} u = { 0 };
	const uint64_t at = (uintptr_t)&u;

	(void)state;
	insns[CALL_INSNS_MAX - 1].imm = 7;
	u.a.insn_cnt = CALL_INSNS_MAX;
	u.a.insns = (uintptr_t)insns;
	assert_int_equal(call_copy(begin(&c, "bpf", BPF_PROG_LOAD, at, 16)), 0);
	assert_int_equal(c.arg[3].len, sizeof(insns));
	assert_memory_equal(c.arg[3].bytes, insns, sizeof(insns));
	/* What was not given is zero, and all of it is there. */
	assert_int_equal(c.arg[1].len, CALL_BPF_MAX);
	assert_memory_equal(c.arg[1].bytes, &u, CALL_BPF_MAX);
	/* So many instructions, and nowhere. */
	assert_int_equal(call_copy(begin(&c, "bpf", BPF_PROG_LOAD, at, 8)), -EFAULT);
	assert_int_equal(call_copy(begin(&c, "bpf", BPF_PROG_LOAD, at, 4)), 0);
	assert_int_equal(c.arg[3].len, 0);
	assert_int_equal(call_copy(begin(&c, "bpf", BPF_PROG_LOAD, at, CALL_BPF_MAX + 1)), -E2BIG);
	u.a.insn_cnt = CALL_INSNS_MAX + 1;
	assert_int_equal(call_copy(begin(&c, "bpf", BPF_PROG_LOAD, at, 16)), -E2BIG);
	u.a.insn_cnt = 1;
	u.a.insns = 8;
	assert_int_equal(call_copy(begin(&c, "bpf", BPF_PROG_LOAD, at, 16)), -EFAULT);
	/* Other commands mean something else by it. */
	assert_int_equal(call_copy(begin(&c, "bpf", BPF_PROG_ATTACH, at, 16)), 0);
}

/* ---- what is shared ----------------------------------------------------------------------------- */

static void mounts_are_remembered_up_to_a_number(void **state)
{
	static struct shared s;

	(void)state;
	for (uint64_t i = 1; i <= SHARED_MOUNTS; i++)
		assert_true(shared_add_mount(&s, i, (uint8_t)(i | 128)));
	assert_false(shared_add_mount(&s, 1000, 1));
	assert_int_equal(shared_mount_kind(&s, 5), 5 | 128);
	assert_int_equal(shared_mount_kind(&s, 0), 0);
	assert_int_equal(shared_mount_kind(&s, 1000), 0);
	assert_true(shared_drop_mount(&s, 5));
	assert_false(shared_drop_mount(&s, 5));
	assert_true(shared_add_mount(&s, 1000, 1));
}

static void a_rate_lets_a_burst_through_and_then_waits(void **state)
{
	static struct shared s;
	uint64_t now = 1000000000;

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(shared_pay(&s, now, 100, 1000), 0);
	assert_int_equal(shared_pay(&s, now, 100, 1000), 100);
	assert_int_equal(shared_pay(&s, now + 100, 0, 1000), 0);
	/* A long quiet time is no credit. */
	now += 1000000;
	for (int i = 0; i < 10; i++)
		assert_int_equal(shared_pay(&s, now, 100, 1000), 0);
	assert_int_equal(shared_pay(&s, now, 100, 1000), 100);
}

static void names_of_policies_are_plain(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_true(policy_name_ok(((const char *[]){ "a", "_x", "web-1.2", "9" })[i]));
	for (size_t i = 0; i < 7; i++)
		assert_false(policy_name_ok(
			((const char *[]){ "", ".", "..", "../a", "a/b", "-a", "a b" })[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_line_lends),
		cmocka_unit_test(sockets_go_their_ways),
		cmocka_unit_test(a_line_that_is_about_all_types_lends_none),
		cmocka_unit_test(addresses_have_to_be_whole),
		cmocka_unit_test(flags_of_mount_are_a_list),
		cmocka_unit_test(what_is_never_lent_is_not),
		cmocka_unit_test(calls_of_another_architecture_are_none),
		cmocka_unit_test(a_remount_takes_nothing_back),
		cmocka_unit_test(options_of_devices_are_a_list),
		cmocka_unit_test(programs_compute_and_answer),
		cmocka_unit_test(calls_of_bpf_are_for_devices_alone),
		cmocka_unit_test(a_program_is_copied_whole_or_not),
		cmocka_unit_test(attributes_of_the_host_are_lent_by_name_and_value),
		cmocka_unit_test(lines_that_nobody_keeps_are_told),
		cmocka_unit_test(lines_are_carried_where_a_call_asks_them),
		cmocka_unit_test(calls_of_a_kind_are_those_that_its_rules_decide),
		cmocka_unit_test(each_call_is_answered_by_whom_the_policy_means),
		cmocka_unit_test(copies_end_where_memory_ends),
		cmocka_unit_test(lengths_are_bounded),
		cmocka_unit_test(mounts_are_remembered_up_to_a_number),
		cmocka_unit_test(a_rate_lets_a_burst_through_and_then_waits),
		cmocka_unit_test(names_of_policies_are_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
