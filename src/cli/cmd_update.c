/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "base/parse.h"
#include "cli/units.h"
#include "container/control.h"

#include <fcntl.h>
#include <string.h>

/* How the value of an option becomes a member of linux.resources. */
enum limit_type { LIMIT_UINT, LIMIT_INT, LIMIT_BYTES, LIMIT_TEXT };

enum limit_group { GROUP_BLOCK_IO, GROUP_CPU, GROUP_MEMORY, GROUP_PIDS, GROUP_COUNT };

static const char *const group_names[GROUP_COUNT] = {
	[GROUP_BLOCK_IO] = "blockIO",
	[GROUP_CPU] = "cpu",
	[GROUP_MEMORY] = "memory",
	[GROUP_PIDS] = "pids",
};

enum limit {
	BLKIO_WEIGHT,
	CPU_PERIOD,
	CPU_QUOTA,
	CPU_BURST,
	CPU_RT_PERIOD,
	CPU_RT_RUNTIME,
	CPU_SHARE,
	CPU_IDLE,
	CPUSET_CPUS,
	CPUSET_MEMS,
	MEMORY,
	MEMORY_RESERVATION,
	MEMORY_SWAP,
	PIDS_LIMIT,
	LIMIT_COUNT
};

static const struct limit_row {
	const char *option, *member;
	enum limit_group group;
	enum limit_type type;
	const char *value, *help;
} limits[LIMIT_COUNT] = {
	[BLKIO_WEIGHT] = { "blkio-weight", "weight", GROUP_BLOCK_IO, LIMIT_UINT, "N",
			   "share of block I/O, 10 to 1000" },
	[CPU_PERIOD] = { "cpu-period", "period", GROUP_CPU, LIMIT_UINT, "US",
			 "period of the CPU quota in microseconds" },
	[CPU_QUOTA] = { "cpu-quota", "quota", GROUP_CPU, LIMIT_INT, "US",
			"CPU time in a period; -1: no limit" },
	[CPU_BURST] = { "cpu-burst", "burst", GROUP_CPU, LIMIT_UINT, "US",
			"CPU time that may be saved up beyond the quota" },
	[CPU_RT_PERIOD] = { "cpu-rt-period", "realtimePeriod", GROUP_CPU, LIMIT_UINT, "US",
			    "period of the real-time limit" },
	[CPU_RT_RUNTIME] = { "cpu-rt-runtime", "realtimeRuntime", GROUP_CPU, LIMIT_INT, "US",
			     "real-time CPU time in a period" },
	[CPU_SHARE] = { "cpu-share", "shares", GROUP_CPU, LIMIT_UINT, "N",
			"share of the CPU against other containers" },
	[CPU_IDLE] = { "cpu-idle", "idle", GROUP_CPU, LIMIT_INT, "0|1",
		       "1: run only when nothing else wants the CPU" },
	[CPUSET_CPUS] = { "cpuset-cpus", "cpus", GROUP_CPU, LIMIT_TEXT, "LIST", "CPUs to use" },
	[CPUSET_MEMS] = { "cpuset-mems", "mems", GROUP_CPU, LIMIT_TEXT, "LIST",
			  "memory nodes to use" },
	[MEMORY] = { "memory", "limit", GROUP_MEMORY, LIMIT_BYTES, "BYTES",
		     "memory limit, 64M and the like too; -1: none" },
	[MEMORY_RESERVATION] = { "memory-reservation", "reservation", GROUP_MEMORY, LIMIT_BYTES,
				 "BYTES", "soft memory limit" },
	[MEMORY_SWAP] = { "memory-swap", "swap", GROUP_MEMORY, LIMIT_BYTES, "BYTES",
			  "limit of memory and swap together; -1: none" },
	[PIDS_LIMIT] = { "pids-limit", "limit", GROUP_PIDS, LIMIT_INT, "N",
			 "number of processes; -1: no limit" },
};

static int put_limit(const struct limit_row *l, const char *text, struct json_out *o, struct err *e)
{
	uint64_t u;
	int64_t i;

	switch (l->type) {
	case LIMIT_UINT:
		if (parse_u64(text, &u) < 0)
			break;
		jo_uint(o, l->member, u);
		return 0;
	case LIMIT_INT:
		if (parse_i64(text, &i) < 0)
			break;
		jo_int(o, l->member, i);
		return 0;
	case LIMIT_BYTES:
		if (str_eq(text, "-1"))
			i = -1;
		else if (unit_bytes(text, &i) < 0)
			return err_set(e, EINVAL, "invalid value for %s: invalid size: '%s'",
				       l->option, text);
		jo_int(o, l->member, i);
		return 0;
	case LIMIT_TEXT:
		jo_str(o, l->member, text);
		return 0;
	}
	return err_set(e, EINVAL, "invalid value for %s: parsing \"%s\": invalid syntax", l->option,
		       text);
}

/* The options as the text of a linux.resources object. */
static int from_options(const char *const values[LIMIT_COUNT], struct buf *out, struct err *e)
{
	struct json_out o = { .b = out };
	int r = 0;

	jo_open(&o, NULL, '{');
	for (int g = 0; g < GROUP_COUNT; g++) {
		bool any = false;

		for (size_t i = 0; r == 0 && i < LIMIT_COUNT; i++) {
			if ((int)limits[i].group != g || !values[i] || !*values[i])
				continue;
			if (!any)
				jo_open(&o, group_names[g], '{');
			any = true;
			r = put_limit(&limits[i], values[i], &o, e);
		}
		if (any)
			jo_close(&o, '}');
	}
	jo_close(&o, '}');
	return r;
}

static int from_file(const char *path, struct buf *out, struct err *e)
{
	bool in = str_eq(path, "-");
	AUTO_FD int fd = in ? -EBADF : open(path, O_RDONLY | O_CLOEXEC);
	int r;

	if (!in && fd < 0)
		return err_sys(e, errno, "open %s", path);
	r = buf_read_fd(out, in ? STDIN_FILENO : fd, JSON_MAX_BYTES);
	if (r == 0 && out->len != strlen(out->data ? out->data : ""))
		r = -EINVAL;
	return r < 0 ? err_sys(e, r, "read %s", in ? "resources from stdin" : path) : 0;
}

/* runc takes these and does nothing about them: the kernel knows no such limit any more. */
static void warn_ignored(struct cli *c, const char *name, const char *value)
{
	struct err e;

	if (!value)
		return;
	(void)err_set(&e, EINVAL, "setting --%s is ignored and will be removed", name);
	log_write(&c->log, LOG_LEVEL_WARNING, e.msg);
}

enum { OTHERS = 5 };

int cmd_update(struct cli *c, int argc, char **argv)
{
	struct ctr_update_options o = { .root = c->root };
	const char *values[LIMIT_COUNT] = { 0 }, *file = NULL, *kernel = NULL, *tcp = NULL;
	struct opt opts[OTHERS + LIMIT_COUNT + 1] = {
		{ "resources", 'r', OPT_STR, &file, "FILE",
		  "a resources object as JSON, \"-\": stdin; other limits are ignored then" },
		{ "l3-cache-schema", 0, OPT_STR, &o.l3_cache_schema, "SCHEMA",
		  "lines for the cache in resctrl" },
		{ "mem-bw-schema", 0, OPT_STR, &o.mem_bw_schema, "SCHEMA",
		  "line for memory bandwidth in resctrl" },
		{ "kernel-memory", 0, OPT_STR, &kernel, NULL, "" },
		{ "kernel-memory-tcp", 0, OPT_STR, &tcp, NULL, "" },
	};
	AUTO_BUF struct buf text = { 0 };
	struct err e = { 0 };
	int r;

	for (size_t i = 0; i < LIMIT_COUNT; i++)
		opts[OTHERS + i] = (struct opt){ limits[i].option, 0,
						 OPT_STR,	   &values[i],
						 limits[i].value,  limits[i].help };
	opts[OTHERS + LIMIT_COUNT] = (struct opt){ .type = OPT_END };
	r = cli_id(c, argc, argv, opts, &o.id);
	if (r >= 0)
		return r;
	warn_ignored(c, "kernel-memory", kernel);
	warn_ignored(c, "kernel-memory-tcp", tcp);
	r = file ? from_file(file, &text, &e) : from_options(values, &text, &e);
	if (r == 0 && text.failed)
		r = err_oom(&e);
	o.resources = text.data ? text.data : "";
	if (r == 0)
		r = ctr_update(&o, &e);
	return r < 0 ? cli_fail(c, &e, 1) : 0;
}
