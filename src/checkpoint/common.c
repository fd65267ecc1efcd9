/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint/checkpoint_private.h"

#include "base/parse.h"
#include "checkpoint/wire.h"
#include "sys/syscalls.h"

#include <linux/sched.h>
#include <string.h>
#include <sys/stat.h>

void cr_dirs_done(struct cr_dirs *d)
{
	auto_close_fd(&d->images);
	auto_close_fd(&d->work);
	free(d->images_path);
	free(d->work_path);
	*d = (struct cr_dirs)CR_DIRS_INIT;
}

static int make_dirs(const char *path, const char *what, struct err *e)
{
	AUTO_FREE char *p = strdup(path);

	if (!p)
		return err_oom(e);
	for (char *s = p; *s; s++) {
		if (s == p || *s != '/')
			continue;
		*s = '\0';
		if (mkdir(p, 0700) < 0 && errno != EEXIST)
			return err_sys(e, errno, "%s: make directory \"%s\"", what, p);
		*s = '/';
	}
	if (mkdir(p, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "%s: make directory \"%s\"", what, p);
	return 0;
}

static int open_dir(const char *path, const char *what, bool make, struct err *e)
{
	int r = make ? make_dirs(path, what, e) : 0;

	if (r < 0)
		return r;
	r = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return r < 0 ? err_sys(e, errno, "%s \"%s\"", what, path) : r;
}

int cr_dirs_open(const struct cr_options *o, bool make, struct cr_dirs *ret, struct err *e)
{
	const char *images = o->image_path && *o->image_path ? o->image_path : "checkpoint";
	const char *work = o->work_path && *o->work_path ? o->work_path : NULL;
	AUTO_DIRS struct cr_dirs d = CR_DIRS_INIT;

	d.images = open_dir(images, "--image-path", make, e);
	if (d.images < 0)
		return d.images;
	if (work)
		d.work = open_dir(work, "--work-path", true, e);
	if (work && d.work < 0)
		return d.work;
	d.images_path = realpath(images, NULL);
	d.work_path = work ? realpath(work, NULL) : NULL;
	d.log_dir = work ? d.work_path : d.images_path;
	if (!d.images_path || !d.log_dir)
		return err_sys(e, errno, "\"%s\"", work ? work : images);
	*ret = d;
	d = (struct cr_dirs)CR_DIRS_INIT;
	return 0;
}

static int cg_mode(const char *word, struct err *e)
{
	static const struct {
		const char *word;
		enum criu_cg_mode mode;
	} modes[] = {
		{ "", CRIU_CG_DEFAULT },      { "soft", CRIU_CG_SOFT },
		{ "full", CRIU_CG_FULL },     { "strict", CRIU_CG_STRICT },
		{ "ignore", CRIU_CG_IGNORE },
	};

	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (str_eq(word ? word : "", modes[i].word))
			return (int)modes[i].mode;
	return err_set(e, EINVAL,
		       "Invalid manage-cgroups-mode value \"%s\": soft, full, strict or ignore",
		       word);
}

/*
 * A network namespace is made, but nothing in it: interfaces and addresses are the business of
 * the engine and its hooks.
 */
static int empty_namespaces(char *const *list, struct err *e)
{
	for (; list && *list; list++)
		if (!str_eq(*list, "network"))
			return err_set(e, EINVAL, "--empty-ns: namespace \"%s\" is not supported",
				       *list);
	return CLONE_NEWNET;
}

/* Absent: the files of cay, or else of runc; "": none but CRIU's own. */
static const char *config_file(const struct oci_spec *s)
{
	const char *file = oci_annotation(s, "org.criu.config");

	if (file)
		return *file ? file : NULL;
	return access("/etc/criu/cay.conf", F_OK) == 0 ? "/etc/criu/cay.conf"
						       : "/etc/criu/runc.conf";
}

static int network_lock(const char *word, struct buf *opts, struct err *e)
{
	static const char *const methods[] = { "iptables", "nftables", "skip" };

	if (!word || !*word)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (str_eq(word, methods[i])) {
			wire_uint(opts, CRIU_NETWORK_LOCK, i + 1);
			return 0;
		}
	return err_set(e, EINVAL, "--network-lock \"%s\": must be iptables, nftables or skip",
		       word);
}

int cr_common(const struct cr_options *o, const struct oci_spec *s, const struct cr_dirs *d,
	      const char *log, struct buf *opts, struct err *e)
{
	int mode = cg_mode(o->manage_cgroups_mode, e);
	int empty = mode < 0 ? mode : empty_namespaces(o->empty_ns, e);

	if (empty < 0)
		return empty;
	wire_uint(opts, CRIU_IMAGES_DIR_FD, (uint64_t)d->images);
	if (d->work >= 0)
		wire_uint(opts, CRIU_WORK_DIR_FD, (uint64_t)d->work);
	wire_uint(opts, CRIU_LOG_LEVEL, 4);
	wire_str(opts, CRIU_LOG_FILE, log);
	wire_uint(opts, CRIU_MANAGE_CGROUPS, true);
	wire_uint(opts, CRIU_MANAGE_CGROUPS_MODE, (uint64_t)mode);
	wire_uint(opts, CRIU_EMPTY_NS, (uint64_t)empty);
	wire_uint(opts, CRIU_NOTIFY_SCRIPTS, true);
	wire_uint(opts, CRIU_ORPHAN_PTS_MASTER, true);
	wire_uint(opts, CRIU_SHELL_JOB, o->shell_job);
	wire_uint(opts, CRIU_EXT_UNIX_SK, o->ext_unix_sk);
	wire_uint(opts, CRIU_TCP_ESTABLISHED, o->tcp_established);
	if (o->tcp_close)
		wire_uint(opts, CRIU_TCP_CLOSE, true);
	wire_uint(opts, CRIU_FILE_LOCKS, o->file_locks);
	wire_uint(opts, CRIU_AUTO_DEDUP, o->auto_dedup);
	wire_uint(opts, CRIU_LAZY_PAGES, o->lazy_pages);
	wire_str(opts, CRIU_CONFIG_FILE, config_file(s));
	return network_lock(o->network_lock, opts, e);
}

int cr_need_version(const struct oci_spec *s, int version, struct err *e)
{
	const struct oci_namespace *net = oci_namespace(s, OCI_NS_NETWORK);
	const struct oci_namespace *pid = oci_namespace(s, OCI_NS_PID);
	int need = 30000;

	if (net && net->path && *net->path)
		need = 31100;
	if (pid && pid->path && *pid->path)
		need = 31500;
	if (version < need)
		return err_set(e, EOPNOTSUPP, "CRIU version %d must be %d or higher", version,
			       need);
	return 0;
}
