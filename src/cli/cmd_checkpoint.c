/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "checkpoint/checkpoint.h"

int cmd_checkpoint(struct cli *c, int argc, char **argv)
{
	struct cr_checkpoint_options o = { .both = { .root = c->root, .criu = c->criu } };
	struct cr_options *b = &o.both;
	struct opt_list empty = { 0 };
	const struct opt opts[] = {
		{ "image-path", 0, OPT_STR, &b->image_path, "DIR",
		  "where the images go (default: checkpoint)" },
		{ "work-path", 0, OPT_STR, &b->work_path, "DIR",
		  "where the log goes (default: to the images)" },
		{ "parent-path", 0, OPT_STR, &o.parent_path, "DIR",
		  "images of the last pre-dump, relative to these" },
		{ "leave-running", 0, OPT_FLAG, &o.leave_running, OPT_SHOWN,
		  "the container runs on" },
		{ "tcp-established", 0, OPT_FLAG, &b->tcp_established, OPT_SHOWN,
		  "open TCP connections are kept" },
		{ "tcp-skip-in-flight", 0, OPT_FLAG, &o.tcp_skip_in_flight, OPT_SHOWN,
		  "TCP connections not yet accepted are left out" },
		{ "tcp-close", 0, OPT_FLAG, &b->tcp_close, OPT_SHOWN,
		  "TCP connections are closed" },
		{ "ext-unix-sk", 0, OPT_FLAG, &b->ext_unix_sk, OPT_SHOWN,
		  "Unix sockets to the outside are allowed" },
		{ "shell-job", 0, OPT_FLAG, &b->shell_job, OPT_SHOWN, "it shares our terminal" },
		{ "lazy-pages", 0, OPT_FLAG, &b->lazy_pages, OPT_SHOWN,
		  "serve memory when it is asked for" },
		{ "status-fd", 0, OPT_STR, &o.status_fd, "FD",
		  "gets a NUL once lazy pages are served" },
		{ "page-server", 0, OPT_STR, &o.page_server, "ADDRESS:PORT", "memory goes there" },
		{ "file-locks", 0, OPT_FLAG, &b->file_locks, OPT_SHOWN, "file locks are kept" },
		{ "pre-dump", 0, OPT_FLAG, &o.pre_dump, OPT_SHOWN,
		  "only memory; the container runs on" },
		{ "manage-cgroups-mode", 0, OPT_STR, &b->manage_cgroups_mode, "MODE",
		  "soft (default), full, strict or ignore" },
		{ "empty-ns", 0, OPT_LIST, &empty, "NAMESPACE", "make it, but empty: network" },
		{ "network-lock", 0, OPT_STR, &b->network_lock, "METHOD",
		  "iptables, nftables or skip" },
		{ "link-remap", 0, OPT_FLAG, &o.link_remap, OPT_SHOWN,
		  "open deleted files may be linked again" },
		{ "auto-dedup", 0, OPT_FLAG, &b->auto_dedup, OPT_SHOWN,
		  "memory that is in older images is dropped there" },
		{ .type = OPT_END },
	};
	AUTO_REPORT struct ctr_report rep = { 0 };
	struct err e = { 0 };
	int r;

	r = cli_id(c, argc, argv, opts, &b->id);
	if (r >= 0)
		return r;
	b->empty_ns = empty.list;
	r = cr_checkpoint(&o, &rep.warning, &e);
	cli_report(c, &rep);
	if (r < 0) {
		(void)err_wrap(&e, "checkpoint failed");
		return cli_fail(c, &e, 1);
	}
	return 0;
}
