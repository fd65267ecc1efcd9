/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/host.h"

#include "base/buf.h"
#include "base/parse.h"
#include "sys/syscalls.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
	MAX_HIERARCHIES = 64,
	MAX_KERNEL_MOUNTS = 256,
	MAX_CGROUP_BYTES = 64 << 10,
	MAX_MOUNTINFO_BYTES = 16 << 20,
};

/* One line of mountinfo that is a cgroup mount; strings borrowed from the text. */
struct cgroup_mount {
	char *root, *point, *options;
	bool v2;
};

struct cgroup_mounts {
	struct cgroup_mount m[MAX_HIERARCHIES];
	size_t count;
};

static int read_text(const char *path, size_t limit, struct buf *ret)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -errno;
	return buf_read_fd(ret, fd, limit);
}

/* Cut the next field off *s at @sep; NULL at the end. */
static char *next_field(char **s, char sep)
{
	char *start = *s, *end;

	if (!start)
		return NULL;
	end = strchr(start, sep);
	if (end)
		*end++ = '\0';
	*s = end;
	return start;
}

/* mountinfo writes blank, tab, newline and backslash as three octal digits (proc(5)). */
static void unescape_octal(char *s)
{
	char *out = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*out++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 4;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
}

/* Is @word (of @len bytes) one of the comma-separated words of @list? */
static bool has_word(const char *list, const char *word, size_t len)
{
	while (list) {
		const char *end = strchrnul(list, ',');

		if ((size_t)(end - list) == len && memcmp(list, word, len) == 0)
			return true;
		list = *end ? end + 1 : NULL;
	}
	return false;
}

static bool has_all_words(const char *list, const char *words)
{
	while (words) {
		const char *end = strchrnul(words, ',');

		if (!has_word(list, words, (size_t)(end - words)))
			return false;
		words = *end ? end + 1 : NULL;
	}
	return true;
}

/* id parent major:minor root point options [tags…] - fstype source super-options */
static bool parse_mount_line(char *line, struct cgroup_mount *ret)
{
	char *fields[6], *tail, *fstype, *super;

	tail = strstr(line, " - ");
	if (!tail)
		return false;
	*tail = '\0';
	tail += 3;
	fstype = next_field(&tail, ' ');
	if (!str_eq(fstype, "cgroup") && !str_eq(fstype, "cgroup2"))
		return false;
	(void)next_field(&tail, ' ');
	super = next_field(&tail, ' ');
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		fields[i] = next_field(&line, ' ');
		if (!fields[i])
			return false;
	}
	unescape_octal(fields[3]);
	unescape_octal(fields[4]);
	*ret = (struct cgroup_mount){ fields[3], fields[4], super, str_eq(fstype, "cgroup2") };
	return super != NULL;
}

static void parse_mountinfo(char *text, struct cgroup_mounts *ret)
{
	char *line;

	while (text && *text && ret->count < ARRAY_LEN(ret->m)) {
		line = next_field(&text, '\n');
		if (parse_mount_line(line, &ret->m[ret->count]))
			ret->count++;
	}
}

/* The mount of the hierarchy of @controllers; several: one below /sys/fs/cgroup. */
static const struct cgroup_mount *find_mount(const struct cgroup_mounts *all,
					     const char *controllers, bool v2)
{
	const struct cgroup_mount *best = NULL;

	for (size_t i = 0; i < all->count; i++) {
		const struct cgroup_mount *m = &all->m[i];

		if (m->v2 != v2 || (!v2 && !has_all_words(m->options, controllers)))
			continue;
		if (str_starts(m->point, "/sys/fs/cgroup"))
			return m;
		if (!best)
			best = m;
	}
	return best;
}

static char *read_offered(struct arena *a, const char *mount)
{
	AUTO_FD int fd = open(mount, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	char text[1024];

	if (fd < 0 || sys_read_at(fd, "cgroup.controllers", text, sizeof(text)) < 0)
		text[0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return arena_strdup(a, text);
}

static bool add_hierarchy(struct host_facts *f, const struct cgroup_mount *m, const char *names,
			  const char *own)
{
	struct cgroup_hierarchy *h = &f->cgroups.hierarchies[f->cgroups.count++];

	h->v2 = m->v2;
	h->mount = arena_strdup(&f->arena, m->point);
	h->mount_root = arena_strdup(&f->arena, m->root);
	h->controllers = arena_strdup(&f->arena, names);
	h->own = arena_strdup(&f->arena, own);
	if (h->v2)
		h->offered = read_offered(&f->arena, m->point);
	return h->mount && h->mount_root && h->controllers && h->own && (!h->v2 || h->offered);
}

/* Lines of /proc/self/cgroup: "4:memory:/path", and "0::/path" for v2 (cgroups(7)). */
static bool add_own_lines(struct host_facts *f, char *text, const struct cgroup_mounts *mounts)
{
	while (text && *text && f->cgroups.count < MAX_HIERARCHIES) {
		char *line = next_field(&text, '\n');
		const char *id = next_field(&line, ':');
		const char *names = next_field(&line, ':');
		const struct cgroup_mount *m;
		bool v2;

		if (!id || !names || !line || line[0] != '/')
			continue;
		v2 = names[0] == '\0' && str_eq(id, "0");
		m = find_mount(mounts, names, v2);
		if (m && !add_hierarchy(f, m, names, line))
			return false;
	}
	return true;
}

static enum cgroup_layout layout_of(const struct host_cgroups *c)
{
	struct statfs s;
	bool v1 = false, v2 = false;

	for (size_t i = 0; i < c->count; i++) {
		v1 |= !c->hierarchies[i].v2;
		v2 |= c->hierarchies[i].v2;
	}
	if (v2 && statfs("/sys/fs/cgroup", &s) == 0 && s.f_type == CGROUP2_SUPER_MAGIC)
		return v1 ? CGROUP_HYBRID : CGROUP_V2;
	if (v1)
		return v2 ? CGROUP_HYBRID : CGROUP_V1;
	return v2 ? CGROUP_V2 : CGROUP_NONE;
}

/* Point of the mount that the line around @at tells of; @a owns it. */
static char *point_of(struct arena *a, const char *text, const char *at)
{
	char *point;

	while (at > text && at[-1] != '\n')
		at--;
	for (int field = 0; field < 4 && at; field++)
		at = strchr(at, ' ') ? strchr(at, ' ') + 1 : NULL;
	point = arena_strndup(a, at ? at : "", at ? strcspn(at, " ") : 0);
	if (point)
		unescape_octal(point);
	return point;
}

/* The first mount of resctrl; @text is mountinfo, not yet cut into pieces. */
static bool find_resctrl(struct host_facts *f, const char *text)
{
	const char *at = text ? strstr(text, " - resctrl ") : NULL;

	if (at)
		f->resctrl = point_of(&f->arena, text, at);
	return !at || f->resctrl;
}

/* @text is mountinfo, not yet cut into pieces. */
static bool find_kernel_mounts(struct host_facts *f, const char *text)
{
	static const char dash[] = " - ";

	f->kernel_mounts = arena_array(&f->arena, MAX_KERNEL_MOUNTS, sizeof(char *));
	if (!f->kernel_mounts)
		return false;
	for (const char *at = text;
	     at && (at = strstr(at, dash)) && f->kernel_mounts_count < MAX_KERNEL_MOUNTS;) {
		const char *type = at + strlen(dash);
		char *point;

		if (str_starts(type, "proc ") || str_starts(type, "sysfs ")) {
			point = point_of(&f->arena, text, at);
			if (!point)
				return false;
			f->kernel_mounts[f->kernel_mounts_count++] = point;
		}
		at = type;
	}
	return true;
}

/* SELinux shows itself by its file system, AppArmor by its switch (proc(5), apparmor(7)). */
static void gather_modules(struct host_facts *f)
{
	struct statfs s;
	char text[8];

	f->selinux = statfs("/sys/fs/selinux", &s) == 0 && (unsigned long)s.f_type == SELINUX_MAGIC;
	f->apparmor = sys_read_at(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", text,
				  sizeof(text)) > 0 &&
		      text[0] == 'Y';
}

static int gather_cgroups(struct host_facts *f, struct err *e)
{
	AUTO_BUF struct buf own = { 0 };
	AUTO_BUF struct buf info = { 0 };
	AUTO_FREE struct cgroup_mounts *mounts = calloc(1, sizeof(*mounts));
	struct host_cgroups *c = &f->cgroups;

	c->hierarchies = arena_array(&f->arena, MAX_HIERARCHIES, sizeof(*c->hierarchies));
	if (!mounts || !c->hierarchies)
		return err_oom(e);
	if (read_text("/proc/self/cgroup", MAX_CGROUP_BYTES, &own) < 0 ||
	    read_text("/proc/self/mountinfo", MAX_MOUNTINFO_BYTES, &info) < 0)
		return 0;
	if (!find_resctrl(f, info.data) || !find_kernel_mounts(f, info.data))
		return err_oom(e);
	parse_mountinfo(info.data, mounts);
	if (!add_own_lines(f, own.data, mounts))
		return err_oom(e);
	c->layout = layout_of(c);
	return 0;
}

static int gather_caps(struct host_facts *f, struct err *e)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { 0 } };
	uint32_t cap = 0;

	if (syscall(SYS_capget, &head, data) < 0)
		return err_sys(e, errno, "read our capabilities");
	f->caps_effective = data[0].effective | (uint64_t)data[1].effective << 32;
	for (; cap < 64; cap++) {
		int has = prctl(PR_CAPBSET_READ, (unsigned long)cap, 0UL, 0UL, 0UL);

		/* EINVAL: behind the last one that the kernel knows. */
		if (has < 0 && errno == EINVAL && cap > 0)
			break;
		if (has < 0)
			return err_sys(e, errno, "read our bounding set");
		if (has == 1)
			f->caps_bounding |= UINT64_C(1) << cap;
	}
	f->cap_last = cap - 1;
	f->admin = (f->caps_effective >> CAP_SYS_ADMIN & 1) != 0;
	return 0;
}

/* "         0          0 4294967295" is the initial namespace's own map. */
static bool is_identity_map(void)
{
	char text[256], *rest = text, *word;
	static const char *const want[] = { "0", "0", "4294967295" };
	size_t n = 0;

	if (sys_read_at(AT_FDCWD, "/proc/self/uid_map", text, sizeof(text)) < 0)
		return false;
	for (word = strtok_r(text, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest)) {
		if (n == ARRAY_LEN(want) || !str_eq(word, want[n]))
			return false;
		n++;
	}
	return n == ARRAY_LEN(want);
}

/* Lines of uid_map: "inside outside length". Unmapped, or in no namespace of our own: itself. */
static uid_t outside(uid_t inside)
{
	char text[4096], *rest = text, *line;

	if (sys_read_at(AT_FDCWD, "/proc/self/uid_map", text, sizeof(text)) < 0)
		return inside;
	while ((line = next_field(&rest, '\n'))) {
		uint32_t v[3];
		size_t n = 0;

		for (char *word; n < ARRAY_LEN(v) && (word = next_field(&line, ' '));)
			if (*word && parse_u32(word, &v[n++]) < 0)
				return inside;
		if (n == ARRAY_LEN(v) && inside >= v[0] && inside - v[0] < v[2])
			return v[1] + (inside - v[0]);
	}
	return inside;
}

int host_facts_gather_own(struct host_facts *f, struct err *e)
{
	char text[16];
	int r;

	f->euid = geteuid();
	f->egid = getegid();
	r = gather_caps(f, e);
	if (r < 0)
		return r;
	f->initial_userns = !host_in_userns();
	f->outer_uid = f->initial_userns ? f->euid : outside(f->euid);
	if (!f->initial_userns)
		f->setgroups_denied =
			sys_read_at(AT_FDCWD, "/proc/self/setgroups", text, sizeof(text)) > 0 &&
			str_starts(text, "deny");
	f->kcore = access("/proc/kcore", F_OK) == 0;
	gather_modules(f);
	return 0;
}

int host_facts_gather(struct host_facts *f, struct err *e)
{
	int r = host_facts_gather_own(f, e);

	if (r == 0)
		r = gather_cgroups(f, e);
	if (r < 0)
		host_facts_done(f);
	return r;
}

bool host_in_userns(void)
{
	static enum { UNKNOWN, NO, YES } known;

	/* We don't move between user namespaces; only children of ours do. */
	if (known == UNKNOWN)
		known = is_identity_map() ? NO : YES;
	return known == YES;
}

void host_facts_done(struct host_facts *f)
{
	arena_done(&f->arena);
	*f = (struct host_facts){ 0 };
}
