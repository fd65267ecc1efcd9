/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/seccomp/seccomp.h"

#include "mech/seccomp/seccomp_names.h"

#include "sys/syscalls.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <sha2.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef CAY_VERSION
#define CAY_VERSION "dev"
#endif

enum { MAGIC = 0x43594143 /* "CAYC" */, FORMAT = 1, MAX_FILE = SEC_MAX_INSNS * 8 + 256 };

/* Head of a cache file; the instructions follow. */
struct cache_head {
	uint32_t magic, format;
	uint32_t count; /* instructions */
	uint32_t zero;
	char key[SEC_KEY_SIZE - 1]; /* of the file's own name: a file under another is refused */
	uint8_t digest[SHA256_DIGEST_LENGTH]; /* of the instructions */
};

/* ---- Key -------------------------------------------------------------------------------- */

/* Length first, so that no two sections read the same. */
static void put_str(struct buf *b, const char *s)
{
	if (!s) {
		buf_str(b, "-;");
		return;
	}
	buf_printf(b, "%zu:", strlen(s));
	buf_str(b, s);
}

static void put_list(struct buf *b, const struct oci_strings *l)
{
	buf_printf(b, "%zu[", l->count);
	for (size_t i = 0; i < l->count; i++)
		put_str(b, l->list[i]);
}

static void put_errno(struct buf *b, struct opt_u32 v)
{
	buf_printf(b, "%d,%u;", v.set, v.set ? v.v : 0);
}

static void put_rule(struct buf *b, const struct oci_syscall_rule *r)
{
	put_list(b, &r->names);
	put_str(b, r->action);
	put_errno(b, r->errno_ret);
	buf_printf(b, "%zu(", r->args_count);
	for (size_t i = 0; i < r->args_count; i++) {
		const struct oci_seccomp_arg *a = &r->args[i];

		buf_printf(b, "%u,%llu,%llu,", a->index, (unsigned long long)a->value,
			   (unsigned long long)a->value_two);
		put_str(b, a->op);
	}
}

static void hex(const uint8_t *bytes, size_t n, char *ret)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*ret++ = digits[bytes[i] >> 4];
		*ret++ = digits[bytes[i] & 15];
	}
	*ret = '\0';
}

static void digest(const void *bytes, size_t n, uint8_t ret[SHA256_DIGEST_LENGTH])
{
	SHA2_CTX ctx;

	SHA256Init(&ctx);
	SHA256Update(&ctx, bytes, n);
	SHA256Final(ret, &ctx);
}

/* Flags and the listener don't change the instructions. */
int sec_key(const struct oci_seccomp *sc, char ret[SEC_KEY_SIZE])
{
	const struct scmp_version *lib = seccomp_version();
	uint8_t sum[SHA256_DIGEST_LENGTH];
	AUTO_BUF struct buf b = { 0 };

	buf_printf(&b, "cay %s format %d libseccomp %u.%u.%u arch %x api %u;", CAY_VERSION, FORMAT,
		   lib ? lib->major : 0, lib ? lib->minor : 0, lib ? lib->micro : 0,
		   seccomp_arch_native(), seccomp_api_get());
	put_str(&b, sc->default_action);
	put_errno(&b, sc->default_errno_ret);
	put_list(&b, &sc->architectures);
	buf_printf(&b, "%zu{", sc->syscalls_count);
	for (size_t i = 0; i < sc->syscalls_count; i++)
		put_rule(&b, &sc->syscalls[i]);
	/* What was compiled with names left out must not serve who wants none left out. */
	if (sc->fail_unknown)
		buf_str(&b, "strict;");
	if (b.failed)
		return -ENOMEM;
	digest(b.data, b.len, sum);
	hex(sum, sizeof(sum), ret);
	return 0;
}

/* ---- Files ------------------------------------------------------------------------------ */

/* Whoever can write here writes our filters: only we may. */
static int check_private(int fd, mode_t type)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_mode & S_IFMT) != type || st.st_uid != geteuid() || (st.st_mode & 022))
		return -EPERM;
	return 0;
}

static int open_cache(const char *dir, bool make, int *ret_fd)
{
	AUTO_FD int fd = -EBADF;
	int r;

	if (make && mkdir(dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = check_private(fd, S_IFDIR);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static bool is_key(const char *key)
{
	return strlen(key) == SEC_KEY_SIZE - 1 &&
	       strspn(key, "0123456789abcdef") == SEC_KEY_SIZE - 1;
}

static int check_file(const struct buf *file, const char *key)
{
	const size_t insn = sizeof(struct sock_filter);
	uint8_t sum[SHA256_DIGEST_LENGTH];
	struct cache_head h;
	size_t body;

	if (file->len <= sizeof(h))
		return -EBADMSG;
	memcpy(&h, file->data, sizeof(h));
	body = file->len - sizeof(h);
	if (h.magic != MAGIC || h.format != FORMAT || body % insn != 0 || h.count != body / insn ||
	    h.count > SEC_MAX_INSNS || memcmp(h.key, key, sizeof(h.key)) != 0)
		return -EBADMSG;
	digest(file->data + sizeof(h), body, sum);
	return memcmp(sum, h.digest, sizeof(sum)) == 0 ? 0 : -EBADMSG;
}

int sec_cache_get(const char *dir, const char *key, struct buf *ret)
{
	AUTO_BUF struct buf file = { 0 };
	AUTO_FD int dir_fd = -EBADF;
	AUTO_FD int fd = -EBADF;
	int r;

	if (!is_key(key))
		return -EINVAL;
	r = open_cache(dir, false, &dir_fd);
	if (r < 0)
		return r;
	fd = openat(dir_fd, key, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP ? -EPERM : -errno;
	r = check_private(fd, S_IFREG);
	if (r == 0)
		r = buf_read_fd(&file, fd, MAX_FILE);
	if (r == -E2BIG)
		return -EBADMSG;
	if (r == 0)
		r = check_file(&file, key);
	if (r < 0)
		return r;
	return buf_add(ret, file.data + sizeof(struct cache_head),
		       file.len - sizeof(struct cache_head))
		       ? 0
		       : -ENOMEM;
}

static int write_file(int dir_fd, const char *name, const struct cache_head *h, const void *filter,
		      size_t len)
{
	AUTO_FD int fd =
		openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = sys_write_all(fd, h, sizeof(*h));
	return r < 0 ? r : sys_write_all(fd, filter, len);
}

int sec_cache_put(const char *dir, const char *key, const void *filter, size_t len)
{
	const size_t insn = sizeof(struct sock_filter);
	struct cache_head h = { .magic = MAGIC, .format = FORMAT };
	AUTO_FD int dir_fd = -EBADF;
	char name[SEC_KEY_SIZE + 32];
	int r;

	if (!is_key(key) || len == 0 || len % insn != 0 || len / insn > SEC_MAX_INSNS)
		return -EINVAL;
	r = open_cache(dir, true, &dir_fd);
	if (r < 0)
		return r;
	h.count = (uint32_t)(len / insn);
	memcpy(h.key, key, sizeof(h.key));
	digest(filter, len, h.digest);
	(void)snprintf(name, sizeof(name), ".%s.%d", key, (int)getpid());
	r = write_file(dir_fd, name, &h, filter, len);
	/* Left by a process of the same number that was killed: a later start succeeds. */
	if (r == 0 && renameat(dir_fd, name, dir_fd, key) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dir_fd, name, 0);
	return r;
}

static int base_filter(const struct oci_seccomp *sc, const char *cache_dir, struct buf *ret,
		       bool *ret_hit, struct err *e)
{
	AUTO_BUF struct buf made = { 0 };
	char key[SEC_KEY_SIZE];
	int r;

	if (ret_hit)
		*ret_hit = false;
	if (sc->bpf_data)
		return sec_raw(sc->bpf_data, ret, e);
	if (!cache_dir)
		return sec_compile(sc, ret, NULL, e);
	if (sec_key(sc, key) < 0)
		return err_oom(e);
	r = sec_cache_get(cache_dir, key, ret);
	if (r == 0) {
		if (ret_hit)
			*ret_hit = true;
		return 0;
	}
	r = sec_compile(sc, &made, NULL, e);
	if (r < 0)
		return r;
	(void)sec_cache_put(cache_dir, key, made.data, made.len);
	return buf_add(ret, made.data, made.len) ? 0 : err_oom(e);
}

/* What a policy adds is cheaper to make than to keep. */
int sec_filter(const struct oci_seccomp *sc, const char *cache_dir, struct buf *ret, bool *ret_hit,
	       struct err *e)
{
	AUTO_BUF struct buf filter = { 0 };
	int r = base_filter(sc, cache_dir, &filter, ret_hit, e);

	if (r == 0)
		r = sec_watch(sc, &filter, e);
	if (r < 0)
		return r;
	return buf_add(ret, filter.data, filter.len) ? 0 : err_oom(e);
}
