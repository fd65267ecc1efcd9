/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/extension.h"

#include "base/parse.h"

#include <string.h>

enum kind {
	EXT_SWITCH, /* on, unless the value is "0" */
	EXT_PATH,   /* absolute */
	EXT_TEXT,   /* read by who uses it */
	EXT_WORD,   /* one of the words in @help */
	EXT_EMPTY,  /* only the empty value can be had, which is what is done anyway */
	EXT_NEVER,
};

#define AT(member) offsetof(struct oci_extensions, member)

/* crun(1), "Extensions to OCI". */
static const struct row {
	const char *name;
	enum kind kind;
	size_t at;
	const char *help; /* why not, or the words; blanks between them */
} rows[] = {
	{ "run.oci.delegate-cgroup", EXT_EMPTY, 0, "sub-cgroups are not made" },
	{ "run.oci.handler", EXT_NEVER, 0,
	  "a container is a process here; virtual machines and WebAssembly are not to be had" },
	{ "run.oci.hooks.stderr", EXT_PATH, AT(hooks_stderr), NULL },
	{ "run.oci.hooks.stdout", EXT_PATH, AT(hooks_stdout), NULL },
	{ "run.oci.keep_original_groups", EXT_SWITCH, AT(keep_groups), NULL },
	{ "run.oci.mount_context_type", EXT_WORD, AT(mount_context),
	  "context fscontext defcontext rootcontext" },
	{ "run.oci.pidfd_receiver", EXT_PATH, AT(pidfd_receiver), NULL },
	{ "run.oci.seccomp.plugins", EXT_NEVER, 0,
	  "no foreign code is loaded into the runtime; use linux.seccomp.listenerPath" },
	{ "run.oci.seccomp.receiver", EXT_PATH, AT(seccomp_receiver), NULL },
	{ "run.oci.seccomp_bpf_data", EXT_TEXT, AT(seccomp_bpf_data), NULL },
	{ "run.oci.seccomp_fail_unknown_syscall", EXT_SWITCH, AT(seccomp_strict), NULL },
	{ "run.oci.systemd.force_cgroup_v1", EXT_NEVER, 0,
	  "cgroups are shown as the host has them" },
	{ "run.oci.systemd.subgroup", EXT_EMPTY, 0, "sub-cgroups are not made" },
	{ "run.oci.timens_offset", EXT_NEVER, 0, "use linux.timeOffsets" },
};

static bool is_word(const char *words, const char *value)
{
	size_t len = strlen(value);

	for (const char *w = words; *w; w += strspn(w, " ")) {
		size_t n = strcspn(w, " ");

		if (n == len && memcmp(w, value, n) == 0)
			return true;
		w += n;
	}
	return false;
}

static int read_row(const struct row *row, char *value, struct oci_extensions *x, struct err *e)
{
	char *to = (char *)x + row->at;

	switch (row->kind) {
	case EXT_SWITCH:
		*(bool *)to = !str_eq(value, "0");
		return 0;
	case EXT_PATH:
		if (value[0] != '/')
			return err_set(e, EINVAL, "annotation \"%s\": \"%.200s\" is not absolute",
				       row->name, value);
		break;
	case EXT_TEXT:
		break;
	case EXT_WORD:
		if (!is_word(row->help, value))
			return err_set(e, EINVAL,
				       "annotation \"%s\": \"%.100s\": must be one of %s",
				       row->name, value, row->help);
		break;
	case EXT_EMPTY:
		if (!*value)
			return 0;
		return err_set(e, EOPNOTSUPP, "annotation \"%s\": \"%.100s\": %s", row->name, value,
			       row->help);
	case EXT_NEVER:
		return err_set(e, EOPNOTSUPP, "annotation \"%s\": not supported: %s", row->name,
			       row->help);
	}
	*(char **)(void *)to = value;
	return 0;
}

/* A filter that is given ready-made takes the place of the profile; its flags stay. */
static int apply_seccomp(struct oci_spec *s, struct err *e)
{
	struct oci_linux *l = s->linux_;
	struct oci_seccomp *sc;

	if (s->ext.seccomp_bpf_data) {
		if (!l)
			l = arena_alloc(&s->arena, sizeof(*l));
		sc = arena_alloc(&s->arena, sizeof(*sc));
		if (!l || !sc)
			return err_oom(e);
		if (l->seccomp)
			sc->flags = l->seccomp->flags;
		sc->bpf_data = s->ext.seccomp_bpf_data;
		l->seccomp = sc;
		s->linux_ = l;
	}
	if (!l || !l->seccomp)
		return 0;
	l->seccomp->fail_unknown = s->ext.seccomp_strict;
	if (s->ext.seccomp_receiver && !l->seccomp->bpf_data && !l->seccomp->listener_path)
		l->seccomp->listener_path = s->ext.seccomp_receiver;
	return 0;
}

int oci_extensions_read(struct oci_spec *s, struct err *e)
{
	for (size_t i = 0; i < s->annotations_count; i++) {
		if (!str_starts(s->annotations[i].key, "run.oci."))
			continue;
		for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
			int r = str_eq(s->annotations[i].key, rows[k].name)
					? read_row(&rows[k], s->annotations[i].value, &s->ext, e)
					: 0;

			if (r < 0)
				return r;
		}
	}
	return apply_seccomp(s, e);
}
