/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/parse.h"

#include "base/parse.h"
#include "oci/extension.h"
#include "oci/table.h"

#include <fcntl.h>
#include <sys/stat.h>

/*
 * config.md, "Mounts": relative destinations are deprecated and MUST be taken as relative
 * to "/". Engines of old write them, so they are mended here, in one place.
 */
static int mend_destinations(struct oci_spec *s, struct err *e)
{
	for (size_t i = 0; i < s->mounts_count; i++) {
		struct oci_mount *m = &s->mounts[i];

		if (!*m->destination || *m->destination == '/')
			continue;
		m->destination = arena_printf(&s->arena, "/%s", m->destination);
		if (!m->destination)
			return err_oom(e);
	}
	return 0;
}

int oci_spec_parse(const char *text, size_t len, struct oci_spec **ret, struct err *e)
{
	AUTO_JSON struct json *doc = NULL;
	AUTO_SPEC struct oci_spec *s = NULL;
	int r;

	r = json_parse(text, len, &doc, e);
	if (r < 0)
		return r;
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_oom(e);
	r = oci_table_read(&oci_spec_table, doc, NULL, &s->arena, s, e);
	if (r < 0)
		return r;
	r = mend_destinations(s, e);
	if (r == 0)
		r = oci_extensions_read(s, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

void oci_spec_free(struct oci_spec *s)
{
	if (!s)
		return;
	arena_done(&s->arena);
	free(s);
}

/* O_NONBLOCK: where a FIFO is not asked for it must be refused, not waited for. */
static int read_document(int dirfd, const char *name, bool fifo, struct buf *out, struct err *e)
{
	AUTO_FD int fd = -EBADF;
	struct stat st;
	int r;

	fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | (fifo ? 0 : O_NONBLOCK));
	if (fd < 0)
		return err_sys(e, errno, "open \"%s\"", name);
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "stat \"%s\"", name);
	if (!S_ISREG(st.st_mode) && !(fifo && S_ISFIFO(st.st_mode)))
		return err_set(e, EINVAL, "\"%s\": not a regular file%s", name,
			       fifo ? " or a pipe" : "");
	if (st.st_size > JSON_MAX_BYTES)
		return err_set(e, E2BIG, "\"%s\": %lld bytes, the limit is %d", name,
			       (long long)st.st_size, JSON_MAX_BYTES);
	r = buf_read_fd(out, fd, JSON_MAX_BYTES);
	if (r < 0)
		return err_sys(e, r, "read \"%s\"", name);
	return 0;
}

int oci_spec_load(int dirfd, const char *name, struct oci_spec **ret, struct err *e)
{
	AUTO_BUF struct buf text = { 0 };
	int r;

	r = read_document(dirfd, name, false, &text, e);
	if (r < 0)
		return r;
	r = oci_spec_parse(text.data, text.len, ret, e);
	if (r < 0)
		err_wrap(e, "%s", name);
	return r;
}

static int known_to_fast(const char *key, struct json *value, void *arg)
{
	(void)value;
	for (const struct oci_row *row = oci_fast_table.rows; row->key; row++)
		if (str_eq(row->key, key))
			return 0;
	return err_set(arg, EINVAL, "\"%.64s\" can't be changed at the start of a container", key);
}

/* Elsewhere unknown members are ignored; one that is not obeyed here would be a right believed taken. */
static int check_fast(const struct json *doc, const struct oci_fast *f, struct err *e)
{
	int r = json_each(doc, known_to_fast, e);

	if (r < 0)
		return r;
	if (f->args.list && f->args.count == 0)
		return err_set(e, EINVAL, "args: must not be empty");
	if (f->cwd && f->cwd[0] != '/')
		return err_set(e, EINVAL, "cwd \"%.256s\": must be absolute", f->cwd);
	if (f->cpus && f->cpu.set)
		return err_set(e, EINVAL, "cpu and cpus: only one of them");
	if (f->stdio && !str_eq(f->stdio, "inherit"))
		return err_set(e, EINVAL, "stdio \"%.64s\": must be \"inherit\"", f->stdio);
	return 0;
}

/* An object that stands alone, as @t says; messages call it @name. */
static int parse_alone(const struct oci_table *t, const char *name, const char *text, size_t len,
		       struct arena *a, void **ret, struct err *e)
{
	AUTO_JSON struct json *doc = NULL;
	void *object;
	int r;

	r = json_parse(text, len, &doc, e);
	if (r < 0)
		return r;
	object = arena_alloc(a, t->size);
	if (!object)
		return err_oom(e);
	r = oci_table_read(t, doc, name, a, object, e);
	if (r == 0 && t == &oci_fast_table)
		r = check_fast(doc, object, e);
	if (r < 0)
		return r;
	*ret = object;
	return 0;
}

static int load_alone(const struct oci_table *t, const char *name, int dirfd, const char *file,
		      struct arena *a, void **ret, struct err *e)
{
	AUTO_BUF struct buf text = { 0 };
	int r = read_document(dirfd, file, true, &text, e);

	if (r < 0)
		return r;
	r = parse_alone(t, name, text.data, text.len, a, ret, e);
	return r < 0 ? err_wrap(e, "%s", file) : 0;
}

int oci_process_parse(const char *text, size_t len, struct arena *a, struct oci_process **ret,
		      struct err *e)
{
	return parse_alone(&oci_process_table, "process", text, len, a, (void **)ret, e);
}

int oci_process_load(int dirfd, const char *name, struct arena *a, struct oci_process **ret,
		     struct err *e)
{
	return load_alone(&oci_process_table, "process", dirfd, name, a, (void **)ret, e);
}

int oci_resources_parse(const char *text, size_t len, struct arena *a, struct oci_resources **ret,
			struct err *e)
{
	return parse_alone(&oci_resources_table, "linux.resources", text, len, a, (void **)ret, e);
}

int oci_fast_parse(const char *text, size_t len, struct arena *a, struct oci_fast **ret,
		   struct err *e)
{
	return parse_alone(&oci_fast_table, NULL, text, len, a, (void **)ret, e);
}

int oci_fast_load(int dirfd, const char *name, struct arena *a, struct oci_fast **ret,
		  struct err *e)
{
	return load_alone(&oci_fast_table, NULL, dirfd, name, a, (void **)ret, e);
}
