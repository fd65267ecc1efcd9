/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/cgroup/cgroup_stats.h"

#include "base/parse.h"
#include "mech/cgroup/cgroup_internal.h"

#include <fcntl.h>
#include <string.h>

/* Block I/O and huge pages, as cg_stats tells them. */

struct io_file {
	const char *file, *member;
};

/*
 * v1 counts in different files, depending on the I/O scheduler; as in runc, the first group
 * whose first file has something to say is the one that counts.
 */
static const struct io_file io_groups[][9] = {
	{ { "blkio.bfq.sectors_recursive", "sectorsRecursive" },
	  { "blkio.bfq.io_service_time_recursive", "ioServiceTimeRecursive" },
	  { "blkio.bfq.io_wait_time_recursive", "ioWaitTimeRecursive" },
	  { "blkio.bfq.io_merged_recursive", "ioMergedRecursive" },
	  { "blkio.bfq.io_queued_recursive", "ioQueueRecursive" },
	  { "blkio.bfq.time_recursive", "ioTimeRecursive" },
	  { "blkio.bfq.io_serviced_recursive", "ioServicedRecursive" },
	  { "blkio.bfq.io_service_bytes_recursive", "ioServiceBytesRecursive" } },
	{ { "blkio.bfq.io_serviced_recursive", "ioServicedRecursive" },
	  { "blkio.bfq.io_service_bytes_recursive", "ioServiceBytesRecursive" } },
	{ { "blkio.sectors_recursive", "sectorsRecursive" },
	  { "blkio.io_service_time_recursive", "ioServiceTimeRecursive" },
	  { "blkio.io_wait_time_recursive", "ioWaitTimeRecursive" },
	  { "blkio.io_merged_recursive", "ioMergedRecursive" },
	  { "blkio.io_queued_recursive", "ioQueueRecursive" },
	  { "blkio.time_recursive", "ioTimeRecursive" },
	  { "blkio.io_serviced_recursive", "ioServicedRecursive" },
	  { "blkio.io_service_bytes_recursive", "ioServiceBytesRecursive" } },
	{ { "blkio.throttle.io_serviced_recursive", "ioServicedRecursive" },
	  { "blkio.throttle.io_service_bytes_recursive", "ioServiceBytesRecursive" } },
	{ { "blkio.throttle.io_serviced", "ioServicedRecursive" },
	  { "blkio.throttle.io_service_bytes", "ioServiceBytesRecursive" } },
};

static void put_io(struct json_out *o, uint64_t major, uint64_t minor, const char *op,
		   uint64_t value)
{
	jo_open(o, NULL, '{');
	stats_put(o, "major", major);
	stats_put(o, "minor", minor);
	if (op[0])
		jo_str(o, "op", op);
	stats_put(o, "value", value);
	jo_close(o, '}');
}

/* "8:0 Read 4096", "8:0 12"; lines of totals have no device. Return: was there any? */
static bool put_io_file(struct json_out *o, const char *member, const char *text)
{
	bool any = false;

	for (const char *s = text; *s; s += strcspn(s, "\n"), s += *s == '\n') {
		const char *end;
		uint64_t major = stats_number(s, &end), minor;
		char op[16] = "";
		size_t n;

		if (end == s || *end != ':')
			continue;
		minor = stats_number(end + 1, &end);
		end += strspn(end, " ");
		n = strcspn(end, " \n");
		if (n < sizeof(op) && end[n] == ' ') {
			memcpy(op, end, n);
			op[n] = '\0';
			end += n + 1;
		}
		if (!any)
			jo_open(o, member, '[');
		any = true;
		put_io(o, major, minor, op, stats_number(end, NULL));
	}
	if (any)
		jo_close(o, ']');
	return any;
}

static bool put_io_group(struct json_out *o, int dir, const struct io_file *f)
{
	AUTO_BUF struct buf text = { 0 };

	for (size_t i = 0; f[i].file; i++) {
		stats_read(dir, f[i].file, &text);
		if (!put_io_file(o, f[i].member, text.data ? text.data : "") && i == 0)
			return false;
	}
	return true;
}

/* v2: "8:0 rbytes=1 wbytes=2 rios=3 wios=4 …" */
static void put_io_stat(struct json_out *o, const char *member, const char *text,
			const char *keys[2])
{
	static const char *const ops[] = { "Read", "Write" };
	bool any = false;

	for (const char *s = text; *s; s += strcspn(s, "\n"), s += *s == '\n') {
		const char *end, *line_end = s + strcspn(s, "\n");
		uint64_t major = stats_number(s, &end), minor;

		if (end == s || *end != ':')
			continue;
		minor = stats_number(end + 1, &end);
		for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
			const char *at = strstr(end, keys[i]);

			if (!at || at > line_end)
				continue;
			if (!any)
				jo_open(o, member, '[');
			any = true;
			put_io(o, major, minor, ops[i], stats_number(at + strlen(keys[i]), NULL));
		}
	}
	if (any)
		jo_close(o, ']');
}

void stats_blkio(const struct stats_dirs *d, struct json_out *o)
{
	int v1 = stats_dir_with(d, "blkio.reset_stats");
	int v2 = v1 < 0 ? stats_dir_with(d, "io.stat") : -EBADF;
	const char *bytes[] = { " rbytes=", " wbytes=" }, *ios[] = { " rios=", " wios=" };
	AUTO_BUF struct buf text = { 0 };

	jo_open(o, "blkio", '{');
	for (size_t i = 0; v1 >= 0 && i < ARRAY_LEN(io_groups); i++)
		if (put_io_group(o, v1, io_groups[i]))
			break;
	if (v2 >= 0) {
		stats_read(v2, "io.stat", &text);
		put_io_stat(o, "ioServiceBytesRecursive", text.data ? text.data : "", bytes);
		put_io_stat(o, "ioServicedRecursive", text.data ? text.data : "", ios);
		stats_pressure(v2, "io.pressure", o);
	}
	jo_close(o, '}');
}

/* "hugetlb.2MB.rsvd.usage_in_bytes"; reservations where the kernel counts them. */
static uint64_t huge_value(int dir, const char *size, bool rsvd, const char *what)
{
	char file[96];

	(void)snprintf(file, sizeof(file), "hugetlb.%s.%s%s", size, rsvd ? "rsvd." : "", what);
	return stats_u64(dir, file);
}

static void put_huge(struct json_out *o, int dir, bool v2, const char *size)
{
	AUTO_BUF struct buf events = { 0 };
	char file[96];
	bool rsvd;

	(void)snprintf(file, sizeof(file), "hugetlb.%s.rsvd.%s", size,
		       v2 ? "current" : "usage_in_bytes");
	rsvd = faccessat(dir, file, F_OK, 0) == 0;
	jo_open(o, size, '{');
	stats_put(o, "usage", huge_value(dir, size, rsvd, v2 ? "current" : "usage_in_bytes"));
	if (v2) {
		(void)snprintf(file, sizeof(file), "hugetlb.%s.events", size);
		stats_read(dir, file, &events);
		jo_uint(o, "failcnt", stats_key(events.data ? events.data : "", "max"));
	} else {
		stats_put(o, "max", huge_value(dir, size, rsvd, "max_usage_in_bytes"));
		jo_uint(o, "failcnt", huge_value(dir, size, rsvd, "failcnt"));
	}
	jo_close(o, '}');
}

/* Page sizes by the files that are there: "hugetlb.2MB.current", "hugetlb.2MB.usage_in_bytes". */
static void put_huge_sizes(struct json_out *o, int dir)
{
	AUTO_FD int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_DIR DIR *list = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *ent;

	if (!list)
		return;
	(void)TAKE_FD(fd);
	while ((ent = readdir(list))) {
		const char *size = str_after(ent->d_name, "hugetlb.");
		size_t n = size ? strcspn(size, ".") : 0;
		bool v2 = size && str_eq(size + n, ".current");
		char name[32];

		if (n == 0 || n >= sizeof(name) || !(v2 || str_eq(size + n, ".usage_in_bytes")))
			continue;
		memcpy(name, size, n);
		name[n] = '\0';
		put_huge(o, dir, v2, name);
	}
}

void stats_hugetlb(const struct stats_dirs *d, struct json_out *o)
{
	jo_open(o, "hugetlb", '{');
	for (size_t i = 0; i < d->count; i++)
		put_huge_sizes(o, d->fds[i]);
	jo_close(o, '}');
}
