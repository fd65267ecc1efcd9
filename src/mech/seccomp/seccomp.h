/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "oci/spec.h"
#include "plan/island.h"

/*
 * System call filters: linux.seccomp through libseccomp into classic BPF, kept in a cache by
 * digest. sec_apply alone is linked into the islander and needs no library.
 */

struct oci_state;

/* What runtime-spec names, each list ending in NULL: for the features document. */
extern const char *const sec_action_names[];	  /* "SCMP_ACT_ALLOW"… */
extern const char *const sec_operator_names[];	  /* "SCMP_CMP_EQ"… */
extern const char *const sec_arch_names[];	  /* "SCMP_ARCH_X86_64"… */
extern const char *const sec_flag_names[];	  /* "SECCOMP_FILTER_FLAG_LOG"…, known */
extern const char *const sec_flag_names_usable[]; /* of these the ones sec_flags accepts */

enum { SEC_MAX_INSNS = 4096 /* BPF_MAXINSNS */, SEC_KEY_SIZE = 65 };

/**
 * sec_compile - build the filter
 * @sc:          borrowed
 * @ret:         gets struct sock_filter; untouched on failure
 * @ret_skipped: how many names this libseccomp does not know; may be NULL
 * @e:           names the JSON path
 *
 * Unknown system calls are skipped (refused with @sc->fail_unknown) and a rule that says what the default says is left out, as
 * in runc. Calls newer than any that the profile names (for an architecture it lists) fail with
 * ENOSYS instead of a default errno, so that libraries fall back to an older call; also as in
 * runc. Pure but for a memfd.
 * Return: 0; -EINVAL; -E2BIG over SEC_MAX_INSNS; -ENOMEM.
 */
int sec_compile(const struct oci_seccomp *sc, struct buf *ret, unsigned int *ret_skipped,
		struct err *e);

/**
 * sec_flags - SECCOMP_FILTER_FLAG_* of linux.seccomp.flags; SPEC_ALLOW when absent
 *
 * TSYNC is known and left out. With SCMP_ACT_NOTIFY: NEW_LISTENER.
 * Return: 0; -EINVAL for an unknown name and for one that needs a listener.
 */
int sec_flags(const struct oci_seccomp *sc, uint32_t *ret, struct err *e);

/**
 * sec_key - digest of all that a compiled filter depends on, in hexadecimal
 *
 * SHA-256 over the section, the versions of cay and libseccomp and the native architecture.
 * Return: 0; -ENOMEM.
 */
int sec_key(const struct oci_seccomp *sc, char ret[SEC_KEY_SIZE]);

/**
 * sec_cache_get - a filter from the cache
 * @dir: must belong to us and be closed to others
 * @ret: gets struct sock_filter; untouched on failure
 *
 * Return: 0; -ENOENT; -EPERM for a directory or file that others may write; -EBADMSG for a
 * damaged file.
 */
int sec_cache_get(const char *dir, const char *key, struct buf *ret);

/**
 * sec_cache_put - store a filter: temporary name, then renamed over what is there
 * @dir: made with mode 0700 when missing, its parent is not
 *
 * Return: 0 or -errno; a failure leaves no file behind.
 */
int sec_cache_put(const char *dir, const char *key, const void *filter, size_t len);

/**
 * sec_filter - the filter, from the cache when it is there, else compiled and stored
 * @cache_dir: NULL: no cache. A cache that can't be used costs time, never the start
 * @ret_hit:   may be NULL
 *
 * Return: as sec_compile.
 */
int sec_filter(const struct oci_seccomp *sc, const char *cache_dir, struct buf *ret, bool *ret_hit,
	       struct err *e);

/**
 * sec_plan - the SECCOMP step in PHASE_ENTER, its filter from the cache or compiled and cached
 * @state: what an agent is told of the container, with SCMP_ACT_NOTIFY; its pid is the
 *         container's first process, 0 when that is the one that loads the filter
 * @cache_dir: NULL: no cache
 *
 * Where the step stands is the caller's business: without no_new_privs the filter must be
 * loaded while CAP_SYS_ADMIN is there, with it as late as can be.
 * Return: as sec_compile and sec_flags.
 */
int sec_plan(const struct oci_seccomp *sc, const struct oci_state *state, const char *cache_dir,
	     struct plan *p, struct err *e);

/** sec_has_listener - is there a linux.seccomp.listenerPath? */
bool sec_has_listener(const struct oci_seccomp *sc);

/** sec_notifies - does the profile use SCMP_ACT_NOTIFY, with somebody to listen? */
bool sec_notifies(const struct oci_seccomp *sc);

/**
 * sec_apply - load the filter of a STEP_SECCOMP into this thread
 * @in: with a listener, @in->sock is asked for the connection to it and @in->pid is told it
 *
 * With a listener: whoever stands at the other end of the channel connects (MSG_LISTENER) before
 * the filter is there; a helper thread without the filter sends the notify fd with the container
 * process state in one message as soon as the fd exists. Between the load and that the thread
 * with the filter makes no system call, so no profile can keep the agent from getting its fd.
 * Return: 0; -EINVAL; -EACCES without no_new_privs and CAP_SYS_ADMIN; -EOPNOTSUPP; with a listener
 * also the connection's and the send's failure.
 * Context: islander, single-threaded.
 */
int sec_apply(struct island *in, const struct step *s, struct err *e);
