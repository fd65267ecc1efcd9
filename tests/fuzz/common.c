/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

void fuzz_host(struct host_facts *f)
{
	static char root[] = "/",
		    mount[][32] = { "/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpu,cpuacct",
				    "/sys/fs/cgroup/cpuset", "/sys/fs/cgroup/devices",
				    "/sys/fs/cgroup/blkio",  "/sys/fs/cgroup/unified" };
	static char names[][16] = { "memory", "cpu,cpuacct", "cpuset", "devices", "blkio", "" };
	static char offered[] = "pids hugetlb rdma";
	static struct cgroup_hierarchy h[ARRAY_LEN(names)];

	for (size_t i = 0; i < ARRAY_LEN(h); i++)
		h[i] = (struct cgroup_hierarchy){ .mount = mount[i],
						  .controllers = names[i],
						  .own = root,
						  .mount_root = root,
						  .offered = *names[i] ? NULL : offered,
						  .v2 = !*names[i] };
	*f = (struct host_facts){
		.admin = true,
		.initial_userns = true,
		.cap_last = 40,
		.kcore = true,
		.caps_effective = (UINT64_C(1) << 41) - 1,
		.caps_bounding = (UINT64_C(1) << 41) - 1,
		.cgroups = { .layout = CGROUP_HYBRID, .hierarchies = h, .count = ARRAY_LEN(h) },
	};
}

/* Reading is the point: the sum only keeps the compiler from leaving it out. */
static volatile uint64_t sink;

static void read_bytes(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += b[i];
	sink += sum;
}

static void read_str(const char *s)
{
	if (s)
		read_bytes(s, strlen(s) + 1);
}

static void read_field(const struct plan_view *v, const struct step *s, const struct step_field *f)
{
	char *const *list;
	struct ref r;
	uint32_t slot;

	memcpy(&r, (const char *)s + f->offset, sizeof(r));
	memcpy(&slot, (const char *)s + f->offset, sizeof(slot));
	if (f->type == FIELD_STR) {
		read_str(view_str(v, r));
		if (view_str(v, r) && strlen(view_str(v, r)) != r.len)
			abort();
	} else if (f->type == FIELD_BLOB && view_blob(v, r)) {
		read_bytes(view_blob(v, r), r.len);
	} else if (f->type == FIELD_LIST && (list = view_list(v, r))) {
		for (uint32_t i = 0; i < r.len; i++)
			read_str(list[i]);
		if (list[r.len])
			abort();
	} else if (f->type == FIELD_SLOT) {
		sink += (uint64_t)view_fd(v, slot);
	}
}

void fuzz_walk(const struct plan_view *v)
{
	for (uint32_t i = 0; i < v->nsteps; i++)
		for (const struct step_field *f = step_describe(v->steps[i].kind)->fields; f->name;
		     f++)
			read_field(v, &v->steps[i], f);
}

void fuzz_check_plan(const uint8_t *data, size_t size)
{
	struct plan_view v;
	uint8_t *copy = NULL;
	struct err e;

	if (posix_memalign((void **)&copy, 16, size ? size : 1) != 0)
		return;
	memcpy(copy, data, size);
	if (plan_check(copy, size, &v, &e) == 0)
		fuzz_walk(&v);
	free(copy);
}
