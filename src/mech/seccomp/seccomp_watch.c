/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/seccomp/seccomp_names.h"

#include "base/parse.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/*
 * A policy over a profile, as one program:
 *
 *	another architecture, or x32: kill
 *	what does the same as one of these, by its flags: as that one
 *	a refused call:  the profile's program, with EPERM where it lets pass
 *	a watched call:  the profile's program, with USER_NOTIF where it lets pass
 *	else:            the profile's program
 *
 * Where it lets pass are its returns of ALLOW, LOG and TRACE: those that the kernel takes for milder
 * than a notification (seccomp(2)). A copy of a program runs as the original does, since its jumps
 * are relative. So nothing has to be known of how the profile came to be.
 */
enum { X32_BIT = 0x40000000, BLOCK = 5 /* instructions for such a call */ };

/* libseccomp may be older than the kernel. These have one number everywhere. */
static const struct {
	const char *name;
	int nr;
} newer[] = { { "fchmodat2", 452 }, { "setxattrat", 463 }, { "open_tree_attr", 467 } };

/*
 * Calls that do what another does when a register has this bit: tcp(7), a connect(2) by sending; and a pair
 * of datagram sockets, which can send to any address as if they had been made by socket(2). The bit
 * is that of SOCK_RAW, too, of which unix(7) makes the same; those of streams and packets don't have it.
 */
static const struct also {
	const char *as;
	int nr;
	unsigned int arg;
	uint32_t bit;
} also[] = { { "connect", SYS_sendto, 3, MSG_FASTOPEN },
	     { "connect", SYS_sendmsg, 2, MSG_FASTOPEN },
	     { "connect", SYS_sendmmsg, 3, MSG_FASTOPEN },
	     { "socket", SYS_socketpair, 1, SOCK_DGRAM } };

static void emit(struct buf *b, unsigned int code, uint32_t k, unsigned int jt, unsigned int jf)
{
	const struct sock_filter f = { (uint16_t)code, (uint8_t)jt, (uint8_t)jf, k };

	(void)buf_add(b, &f, sizeof(f));
}

static int number_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(newer); i++)
		if (str_eq(name, newer[i].name))
			return newer[i].nr;
	return seccomp_syscall_resolve_name(name);
}

static size_t count_known(const struct oci_strings *names)
{
	size_t n = 0;

	for (size_t i = 0; i < names->count; i++)
		n += number_of(names->list[i]) >= 0;
	return n;
}

/* @behind: instructions between the end of all names and the program they lead to. */
static void emit_names(const struct oci_strings *names, size_t after, size_t behind, struct buf *b)
{
	size_t left = count_known(names);

	for (size_t i = 0; i < names->count; i++) {
		const int nr = number_of(names->list[i]);

		if (nr < 0)
			continue;
		left--;
		emit(b, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 1);
		emit(b, BPF_JMP | BPF_JA, (uint32_t)((left + after) * 2 + behind), 0, 0);
	}
}

static bool lists(const struct oci_strings *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (str_eq(names->list[i], name))
			return true;
	return false;
}

/* The bit is in the low half of the argument, as for the kernel. @behind: as for emit_names */
static void emit_also(const struct also *a, size_t behind, struct buf *b)
{
	const uint32_t low = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? sizeof(uint32_t) : 0;
	const size_t at = offsetof(struct seccomp_data, args) + a->arg * sizeof(uint64_t) + low;

	emit(b, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)a->nr, 0, BLOCK - 1);
	emit(b, BPF_LD | BPF_W | BPF_ABS, (uint32_t)at, 0, 0);
	emit(b, BPF_JMP | BPF_JSET | BPF_K, a->bit, 0, 1);
	emit(b, BPF_JMP | BPF_JA, (uint32_t)(1 + behind), 0, 0);
	emit(b, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
}

static bool is_about(const struct oci_seccomp *sc, const struct also *a)
{
	return lists(&sc->refused, a->as) || lists(&sc->watched, a->as);
}

static void emit_all_also(const struct oci_seccomp *sc, size_t to_refused, size_t to_watched,
			  struct buf *b)
{
	size_t left = 0;

	for (size_t i = 0; i < ARRAY_LEN(also); i++)
		left += is_about(sc, &also[i]) ? BLOCK : 0;
	for (size_t i = 0; i < ARRAY_LEN(also); i++)
		if (is_about(sc, &also[i])) {
			left -= BLOCK;
			emit_also(&also[i],
				  left + (lists(&sc->refused, also[i].as) ? to_refused
									  : to_watched),
				  b);
		}
}

static int append(const struct buf *filter, uint32_t instead, struct buf *b, struct err *e)
{
	for (size_t i = 0; i < filter->len; i += sizeof(struct sock_filter)) {
		struct sock_filter f;

		memcpy(&f, filter->data + i, sizeof(f));
		if (BPF_CLASS(f.code) == BPF_RET && BPF_RVAL(f.code) != BPF_K)
			return err_set(
				e, EINVAL,
				"linux.seccomp: a filter that computes what it returns can't "
				"be joined with a policy");
		if (BPF_CLASS(f.code) == BPF_RET && instead) {
			const uint32_t action = f.k & SECCOMP_RET_ACTION_FULL;

			if (action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG ||
			    action == SECCOMP_RET_TRACE)
				f.k = instead;
		}
		(void)buf_add(b, &f, sizeof(f));
	}
	return 0;
}

int sec_watch(const struct oci_seccomp *sc, struct buf *filter, struct err *e)
{
	const size_t refused = count_known(&sc->refused), watched = count_known(&sc->watched);
	const size_t n = filter->len / sizeof(struct sock_filter);
	const size_t to_watched = refused ? n * 2 : n;
	AUTO_BUF struct buf out = { 0 };
	int r;

	if (!sc->refused.count && !sc->watched.count)
		return 0;
	emit(&out, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
	emit(&out, BPF_JMP | BPF_JEQ | BPF_K, seccomp_arch_native(), 1, 0);
	emit(&out, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
	emit(&out, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	emit(&out, BPF_JMP | BPF_JSET | BPF_K, X32_BIT, 0, 1);
	emit(&out, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
	emit_all_also(sc, (refused + watched) * 2 + n, (refused + watched) * 2 + to_watched, &out);
	emit_names(&sc->refused, watched, n, &out);
	emit_names(&sc->watched, 0, to_watched, &out);
	r = append(filter, 0, &out, e);
	if (r == 0 && refused)
		r = append(filter, SECCOMP_RET_ERRNO | EPERM, &out, e);
	if (r == 0 && watched)
		r = append(filter, SECCOMP_RET_USER_NOTIF, &out, e);
	if (r < 0)
		return r;
	if (out.len > SEC_MAX_INSNS * sizeof(struct sock_filter))
		return err_set(e, E2BIG,
			       "linux.seccomp: with the policy the filter has more than %d "
			       "instructions",
			       SEC_MAX_INSNS);
	if (out.failed)
		return err_oom(e);
	buf_done(filter);
	*filter = out;
	out = (struct buf){ 0 };
	return 0;
}
