/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "checkpoint/checkpoint.h"

int cmd_restore(struct cli *c, int argc, char **argv)
{
	struct cr_restore_options o = {
		.both = { .root = c->root, .criu = c->criu },
		.birth = { .root = c->root,
			   .cgroup_optional = c->rootless,
			   .cgroup_manager = c->cgroup_manager,
			   .run = true },
	};
	struct cr_options *b = &o.both;
	struct ctr_create_options *n = &o.birth;
	struct opt_list empty = { 0 };
	const struct opt opts[] = {
		{ "console-socket", 0, OPT_STR, &n->console_socket, "SOCKET",
		  "who gets the outer end of the terminal" },
		{ "image-path", 0, OPT_STR, &b->image_path, "DIR",
		  "where the images are (default: checkpoint)" },
		{ "work-path", 0, OPT_STR, &b->work_path, "DIR",
		  "where the log goes (default: to the images)" },
		{ "tcp-established", 0, OPT_FLAG, &b->tcp_established, OPT_SHOWN,
		  "open TCP connections are restored" },
		{ "tcp-close", 0, OPT_FLAG, &b->tcp_close, OPT_SHOWN,
		  "TCP connections are restored closed" },
		{ "ext-unix-sk", 0, OPT_FLAG, &b->ext_unix_sk, OPT_SHOWN,
		  "Unix sockets to the outside are allowed" },
		{ "shell-job", 0, OPT_FLAG, &b->shell_job, OPT_SHOWN, "it shares our terminal" },
		{ "file-locks", 0, OPT_FLAG, &b->file_locks, OPT_SHOWN, "file locks are restored" },
		{ "manage-cgroups-mode", 0, OPT_STR, &b->manage_cgroups_mode, "MODE",
		  "soft (default), full, strict or ignore" },
		{ "bundle", 'b', OPT_STR, &n->bundle, "DIR", "the bundle (default: \".\")" },
		{ "config", 'f', OPT_STR, &n->config, "FILE", "in place of config.json" },
		{ "detach", 'd', OPT_FLAG, &n->detach, OPT_SHOWN, "don't wait for the end" },
		{ "pid-file", 0, OPT_STR, &n->pid_file, "FILE", "write the process id there" },
		{ "no-subreaper", 0, OPT_FLAG, &n->no_subreaper, OPT_SHOWN,
		  "don't adopt the container's orphans" },
		{ "no-pivot", 0, OPT_FLAG, &n->no_pivot, OPT_SHOWN,
		  "no pivot_root, for a root on a ramdisk" },
		{ "empty-ns", 0, OPT_LIST, &empty, "NAMESPACE", "make it, but empty: network" },
		{ "network-lock", 0, OPT_STR, &b->network_lock, "METHOD",
		  "iptables, nftables or skip" },
		{ "auto-dedup", 0, OPT_FLAG, &b->auto_dedup, OPT_SHOWN,
		  "drop from the images what is restored" },
		{ "lazy-pages", 0, OPT_FLAG, &b->lazy_pages, OPT_SHOWN,
		  "ask for memory when it is needed" },
		{ "lsm-profile", 0, OPT_STR, &o.lsm_profile, "TYPE:NAME",
		  "another security profile or label" },
		{ "lsm-mount-context", 0, OPT_STR, &o.lsm_mount_context, "LABEL",
		  "another mount label" },
		{ .type = OPT_END },
	};
	AUTO_REPORT struct ctr_report rep = { 0 };
	struct err e = { 0 };
	int r, status = 0;

	r = cli_id(c, argc, argv, opts, &b->id);
	if (r >= 0)
		return r;
	n->id = b->id;
	b->empty_ns = empty.list;
	r = cr_restore(&o, &status, &rep, &e);
	cli_report(c, &rep);
	if (r < 0) {
		(void)err_wrap(&e, "restore failed");
		return cli_fail(c, &e, 1);
	}
	return status;
}
