/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "oci/defaults.h"
#include "sys/syscalls.h"

static int write_spec(const char *dir, const char *name, const struct buf *text, struct err *e)
{
	AUTO_FD int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD int fd = -EBADF;
	int r;

	if (dir_fd < 0)
		return err_sys(e, errno, "bundle \"%s\"", dir);
	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0 && errno == EEXIST)
		return err_set(e, EEXIST, "file %s exists: remove it first", name);
	if (fd < 0)
		return err_sys(e, errno, "create %s", name);
	r = sys_write_all(fd, text->data, text->len);
	if (r == 0 && close(TAKE_FD(fd)) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dir_fd, name, 0);
		return err_sys(e, r, "write %s", name);
	}
	return 0;
}

int cmd_spec(struct cli *c, int argc, char **argv)
{
	const char *bundle = ".", *file = "config.json";
	bool rootless = false;
	const struct opt opts[] = {
		{ "bundle", 'b', OPT_STR, &bundle, "DIR", "where (default: this directory)" },
		{ "file", 'f', OPT_STR, &file, "FILE", "in place of config.json, from there" },
		{ "rootless", 0, OPT_FLAG, &rootless, OPT_SHOWN, "for a user without privilege" },
		{ .type = OPT_END },
	};
	AUTO_BUF struct buf text = { 0 };
	struct opt_args args;
	struct err e = { 0 };
	int r;

	r = cli_args(c, argc, argv, opts, 0, 0, &args);
	if (r >= 0)
		return r;
	r = oci_template_write(&text, rootless, geteuid(), getegid(), &e);
	if (r == 0)
		r = write_spec(bundle, file, &text, &e);
	return r < 0 ? cli_fail(c, &e, 1) : 0;
}
