/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/rdt/rdt.h"

#include "base/buf.h"
#include "base/parse.h"
#include "sys/syscalls.h"

#include <string.h>
#include <sys/stat.h>

enum { SCHEMATA_MAX = 64 << 10, STATUS_BYTES = 256 };

static int open_dir(const char *dir)
{
	return sys_openat2(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY,
			   RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

/* resctrl's root: two levels above a monitoring group, one above another, or the group itself. */
static int open_info(const char *dir, const char *file)
{
	AUTO_FREE char *root = strdup(dir);
	int fd = -ENOENT;

	while (root && fd == -ENOENT && *root) {
		AUTO_FREE char *path = NULL;
		char *slash = strrchr(root, '/');

		if (asprintf(&path, "%s/info/%s", root, file) < 0)
			path = NULL;
		fd = path ? sys_openat2(AT_FDCWD, path, O_RDONLY, RESOLVE_NO_SYMLINKS) : -ENOMEM;
		if (!slash)
			break;
		*slash = '\0';
	}
	return fd;
}

/* The kernel says in words what it disliked about the last write. */
static int refused(const char *dir, const char *what, int code, struct err *e)
{
	AUTO_FD int fd = open_info(dir, "last_cmd_status");
	char words[STATUS_BYTES];
	ssize_t n = fd < 0 ? -1 : read(fd, words, sizeof(words) - 1);

	if (n <= 0)
		return err_sys(e, code, "linux.intelRdt: %s of %s", what, dir);
	words[n] = '\0';
	words[strcspn(words, "\n")] = '\0';
	return err_sys(e, code, "linux.intelRdt: %s of %s: the kernel says \"%s\"", what, dir,
		       words);
}

static int write_file(const char *dir, const char *file, const char *value, struct err *e)
{
	AUTO_FD int at = open_dir(dir);
	int r = at < 0 ? at : sys_write_at(at, file, value);

	return r < 0 ? refused(dir, file, r, e) : 0;
}

/* ---- does a group already say what is asked for? ------------------------------------------- */

/* The kernel pads with blanks, people with zeros. */
static const char *skip_padding(const char *s, size_t *n)
{
	for (; *n > 1 && (*s == '0' || *s == ' '); s++)
		--*n;
	return s;
}

/* "0=ff" against "0= 0ff": the same id, the same number; hexadecimal in either case. */
static bool same_value(const char *a, size_t na, const char *b, size_t nb)
{
	const char *ea = memchr(a, '=', na), *eb = memchr(b, '=', nb);
	size_t ia, ib, va, vb;

	if (!ea || !eb)
		return false;
	ia = (size_t)(ea - a);
	ib = (size_t)(eb - b);
	va = na - ia - 1;
	vb = nb - ib - 1;
	a = skip_padding(a, &ia);
	b = skip_padding(b, &ib);
	ea = skip_padding(ea + 1, &va);
	eb = skip_padding(eb + 1, &vb);
	return ia == ib && va == vb && memcmp(a, b, ia) == 0 && strncasecmp(ea, eb, va) == 0;
}

/* Is one "id=value" of a line among those of the resource's line in the file? */
static bool line_has(const char *line, size_t n, const char *item, size_t len)
{
	const char *end = line + n;

	while (line < end) {
		const char *stop = memchr(line, ';', (size_t)(end - line));

		if (!stop)
			stop = end;
		while (line < stop && *line == ' ')
			line++;
		if (same_value(line, (size_t)(stop - line), item, len))
			return true;
		line = stop + 1;
	}
	return false;
}

/* The kernel aligns names: "    L3:0=ff;1=ff". */
static const char *find_line(const char *text, const char *name, size_t n, size_t *ret_len)
{
	while (*text) {
		const char *p = text + strspn(text, " ");
		size_t len = strcspn(p, "\n");

		if (strncmp(p, name, n) == 0 && p[n] == ':') {
			*ret_len = len - n - 1;
			return p + n + 1;
		}
		text = p + len + (p[len] == '\n');
	}
	return NULL;
}

static int match_line(const char *dir, const char *want, size_t len, const char *have,
		      struct err *e)
{
	const char *colon = memchr(want, ':', len), *end = want + len, *line, *item;
	size_t n = 0;

	line = colon ? find_line(have, want, (size_t)(colon - want), &n) : NULL;
	for (item = colon ? colon + 1 : end; line && item < end;) {
		const char *stop = memchr(item, ';', (size_t)(end - item));
		size_t k = (size_t)((stop ? stop : end) - item);

		if (!line_has(line, n, item, k))
			line = NULL;
		item += k + 1;
	}
	if (line)
		return 0;
	return err_set(
		e, EINVAL,
		"linux.intelRdt: group %s exists and its schemata don't say \"%.*s\": it may be "
		"in use by others",
		dir, (int)(len < 128 ? len : 128), want);
}

static int match(const char *dir, const char *want, struct err *e)
{
	AUTO_FD int at = open_dir(dir);
	AUTO_FD int fd = at < 0 ? at : sys_openat2(at, "schemata", O_RDONLY, RESOLVE_NO_SYMLINKS);
	AUTO_BUF struct buf have = { 0 };
	int r = fd < 0 ? fd : buf_read_fd(&have, fd, SCHEMATA_MAX);

	if (r < 0)
		return err_sys(e, r, "linux.intelRdt: read the schemata of %s", dir);
	while (r == 0 && *want) {
		size_t n = strcspn(want, "\n");

		r = match_line(dir, want, n, have.data ? have.data : "", e);
		want += n + (want[n] == '\n');
	}
	return r;
}

/* ---- GROUP and ENTER ----------------------------------------------------------------------- */

static int check_monitor(const char *dir, const char *words, struct err *e)
{
	AUTO_FD int fd = open_info(dir, "L3_MON/mon_features");
	AUTO_BUF struct buf have = { 0 };

	if (fd >= 0 && buf_read_fd(&have, fd, SCHEMATA_MAX) < 0)
		have.failed = true;
	while (*words) {
		size_t n = strcspn(words, " ");
		const char *at = have.failed ? NULL : have.data;

		for (; at && (strncmp(at, words, n) != 0 || (at[n] != '\n' && at[n] != '\0'));)
			at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL;
		if (!at)
			return err_set(e, EOPNOTSUPP,
				       "linux.intelRdt.%s: this host can't monitor \"%.*s\"",
				       words[0] == 'l' ? "enableCMT" : "enableMBM", (int)n, words);
		words += n + (words[n] == ' ');
	}
	return 0;
}

static int apply_group(const struct island *in, const struct step *s, uint32_t *ret_made,
		       struct err *e)
{
	const char *dir = view_str(in->plan, s->u.rdt.dir);
	const char *lines = view_str(in->plan, s->u.rdt.schemata);
	const char *words = view_str(in->plan, s->u.rdt.monitor);
	enum rdt_make make = (enum rdt_make)s->u.rdt.make;
	struct stat st;
	int r = words ? check_monitor(dir, words, e) : 0;

	if (r < 0)
		return r;
	if (make == RDT_CHECK) {
		if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode))
			return err_set(
				e, ENOENT,
				"linux.intelRdt.closID: no group %s (it must be there beforehand "
				"when no schema is given)",
				dir);
		return lines ? write_file(dir, "schemata", lines, e) : 0;
	}
	if (mkdir(dir, 0755) == 0)
		*ret_made = 1;
	else if (errno != EEXIST)
		return refused(dir, "make group", errno, e);
	if (lines && !*ret_made && make == RDT_MATCH)
		return match(dir, lines, e);
	r = lines ? write_file(dir, "schemata", lines, e) : 0;
	if (r < 0 && *ret_made) {
		(void)rmdir(dir);
		*ret_made = 0;
	}
	return r;
}

static int apply_enter(const struct island *in, const struct step *s, struct err *e)
{
	char pid[16];

	(void)snprintf(pid, sizeof(pid), "%d", in->pid);
	return write_file(view_str(in->plan, s->u.rdt.dir), "tasks", pid, e);
}

int rdt_apply(const struct island *in, const struct step *s, uint32_t *ret_made, struct err *e)
{
	*ret_made = 0;
	if (s->kind == STEP_RDT_GROUP)
		return apply_group(in, s, ret_made, e);
	return apply_enter(in, s, e);
}

void rdt_undo(const struct plan_view *v, const struct step *s, uint32_t made)
{
	if (made)
		(void)rmdir(view_str(v, s->u.rdt.dir));
}

int rdt_remove(char *const *dirs, struct err *e)
{
	for (; dirs && *dirs; dirs++)
		if (rmdir(*dirs) < 0 && errno != ENOENT)
			return err_sys(e, errno, "remove the resctrl group \"%s\"", *dirs);
	return 0;
}
