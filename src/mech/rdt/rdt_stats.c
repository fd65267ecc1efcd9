/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/rdt/rdt_stats.h"

#include "base/parse.h"
#include "sys/syscalls.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

enum { MAX_NODES = 1024 };

/* Return: the text of a small file without its newline; NULL when it can't be read */
static const char *read_text(const char *dir, const char *file, char *buf, size_t size)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, file);

	if (n < 0 || (size_t)n >= sizeof(path) || sys_read_at(AT_FDCWD, path, buf, size) < 0)
		return NULL;
	if (strchr(buf, '\n') && !strchr(buf, '\n')[1])
		*strchr(buf, '\n') = '\0';
	return buf;
}

static void put_text(struct json_out *o, const char *key, const char *dir, const char *file)
{
	char text[256];

	if (read_text(dir, file, text, sizeof(text)) && text[0])
		jo_str(o, key, text);
}

static void put_number(struct json_out *o, const char *key, const char *dir, const char *file)
{
	char text[64];
	uint64_t v;

	if (read_text(dir, file, text, sizeof(text)) && parse_u64(text, &v) == 0 && v)
		jo_uint(o, key, v);
}

/* The line of one resource in a schemata file: "    L3:0=fffff;1=fffff" */
static void put_schema(struct json_out *o, const char *key, const char *dir, const char *resource)
{
	char text[4096], *rest, *line;

	if (!read_text(dir, "schemata", text, sizeof(text)))
		return;
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		line += strspn(line, " ");
		if (str_starts(line, resource)) {
			jo_str(o, key, line);
			return;
		}
	}
}

static void put_cache(struct json_out *o, const char *resctrl, const char *group)
{
	char info[PATH_MAX];

	(void)snprintf(info, sizeof(info), "%s/info/L3", resctrl);
	if (access(info, F_OK) < 0)
		return;
	jo_open(o, "l3_cache_info", '{');
	put_text(o, "cbm_mask", info, "cbm_mask");
	put_number(o, "min_cbm_bits", info, "min_cbm_bits");
	put_number(o, "num_closids", info, "num_closids");
	jo_close(o, '}');
	put_schema(o, "l3_cache_schema_root", resctrl, "L3");
	put_schema(o, "l3_cache_schema", group, "L3");
}

static void put_bandwidth(struct json_out *o, const char *resctrl, const char *group)
{
	char info[PATH_MAX];

	(void)snprintf(info, sizeof(info), "%s/info/MB", resctrl);
	if (access(info, F_OK) < 0)
		return;
	jo_open(o, "mem_bw_info", '{');
	put_number(o, "bandwidth_gran", info, "bandwidth_gran");
	put_number(o, "delay_linear", info, "delay_linear");
	put_number(o, "min_bandwidth", info, "min_bandwidth");
	put_number(o, "num_closids", info, "num_closids");
	jo_close(o, '}');
	put_schema(o, "mem_bw_schema_root", resctrl, "MB");
	put_schema(o, "mem_bw_schema", group, "MB");
}

/* mon_data/mon_L3_00, mon_L3_01…: one a cache domain. Return: is there such a file? */
static bool node_dir(const char *group, unsigned int i, const char *file, char ret[PATH_MAX])
{
	char path[PATH_MAX + 32];

	(void)snprintf(ret, PATH_MAX, "%s/mon_data/mon_L3_%02u", group, i);
	(void)snprintf(path, sizeof(path), "%s/%s", ret, file);
	return access(path, F_OK) == 0;
}

static void put_monitors(struct json_out *o, const char *group)
{
	char dir[PATH_MAX];

	if (node_dir(group, 0, "mbm_total_bytes", dir)) {
		jo_open(o, "mbm_stats", '[');
		for (unsigned int i = 0;
		     i < MAX_NODES && node_dir(group, i, "mbm_total_bytes", dir); i++) {
			jo_open(o, NULL, '{');
			put_number(o, "mbm_total_bytes", dir, "mbm_total_bytes");
			put_number(o, "mbm_local_bytes", dir, "mbm_local_bytes");
			jo_close(o, '}');
		}
		jo_close(o, ']');
	}
	if (!node_dir(group, 0, "llc_occupancy", dir))
		return;
	jo_open(o, "cmt_stats", '[');
	for (unsigned int i = 0; i < MAX_NODES && node_dir(group, i, "llc_occupancy", dir); i++) {
		jo_open(o, NULL, '{');
		put_number(o, "llc_occupancy", dir, "llc_occupancy");
		jo_close(o, '}');
	}
	jo_close(o, ']');
}

void rdt_stats(const char *resctrl, const char *group, struct json_out *o)
{
	put_cache(o, resctrl, group);
	put_bandwidth(o, resctrl, group);
	put_monitors(o, group);
}
