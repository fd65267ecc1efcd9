/* SPDX-License-Identifier: Apache-2.0 */
#include "base/parse.h"
#include "oci/validate_private.h"

#include <string.h>

static int check_rule(const struct oci_device_rule *d, size_t i, struct err *e)
{
	/* runc takes an "a", for all, where nothing is granted by it. */
	if (d->access && d->access[strspn(d->access, d->allow ? "rwm" : "rwma")])
		return err_set(e, EINVAL,
			       "linux.resources.devices[%zu].access \"%.200s\": must be made of r, "
			       "w and m",
			       i, d->access);
	return 0;
}

/* cgroup v1 blkio.weight: 10 to 1000; engines write 0 for "not given". */
static int check_weight(const char *name, const struct opt_u32 *w, struct err *e)
{
	if (w->set && w->v && w->v < 10)
		return err_set(e, EINVAL, "linux.resources.blockIO.%s %u: must be from 10 to 1000",
			       name, w->v);
	return 0;
}

static int check_block_io(const struct oci_block_io *b, struct err *e)
{
	char name[64];
	int r;

	r = check_weight("weight", &b->weight, e);
	if (r < 0)
		return r;
	r = check_weight("leafWeight", &b->leaf_weight, e);
	for (size_t i = 0; r >= 0 && i < b->weight_devices_count; i++) {
		(void)snprintf(name, sizeof(name), "weightDevice[%zu].weight", i);
		r = check_weight(name, &b->weight_devices[i].weight, e);
		if (r < 0)
			return r;
		(void)snprintf(name, sizeof(name), "weightDevice[%zu].leafWeight", i);
		r = check_weight(name, &b->weight_devices[i].leaf_weight, e);
	}
	return r;
}

/* "64KB", "2MB", "1GB": the middle of hugetlb.2MB.max */
static int check_page_size(const struct oci_hugepage_limit *h, size_t i, struct err *e)
{
	size_t n = strspn(h->page_size, "0123456789");
	const char *unit = h->page_size + n;

	if (n && n < 8 && (str_eq(unit, "KB") || str_eq(unit, "MB") || str_eq(unit, "GB")))
		return 0;
	return err_set(
		e, EINVAL,
		"linux.resources.hugepageLimits[%zu].pageSize \"%.200s\": must be a size like 2MB",
		i, h->page_size);
}

static int check_unified(const struct oci_pair *p, struct err *e)
{
	if (!*p->key || *p->key == '.' || strchr(p->key, '/'))
		return err_set(
			e, EINVAL,
			"linux.resources.unified \"%.200s\": must be the name of a cgroup file",
			p->key);
	return 0;
}

/* A list of CPUs or nodes goes into a file as it is; it must not bring lines of its own. */
static int check_list(const char *name, const char *list, struct err *e)
{
	if (list && list[strspn(list, "0123456789,- \n")])
		return err_set(e, EINVAL,
			       "linux.resources.cpu.%s \"%.200s\": must be a list like 0-3,7", name,
			       list);
	return 0;
}

static int check_cpu(const struct oci_cpu *c, struct err *e)
{
	int r = check_list("cpus", c->cpus, e);

	return r < 0 ? r : check_list("mems", c->mems, e);
}

static int check_memory(const struct oci_memory *m, struct err *e)
{
	if (m->limit.set && m->swap.set && m->limit.v > 0 && m->swap.v > 0 &&
	    m->swap.v < m->limit.v)
		return err_set(e, EINVAL,
			       "linux.resources.memory.swap %lld: is memory and swap together, "
			       "must not be "
			       "below memory.limit %lld",
			       (long long)m->swap.v, (long long)m->limit.v);
	return 0;
}

int oci_resources_check(const struct oci_resources *res, struct err *e)
{
	int r = 0;

	if (!res)
		return 0;
	for (size_t i = 0; r >= 0 && i < res->devices_count; i++)
		r = check_rule(&res->devices[i], i, e);
	for (size_t i = 0; r >= 0 && i < res->hugepage_limits_count; i++)
		r = check_page_size(&res->hugepage_limits[i], i, e);
	for (size_t i = 0; r >= 0 && i < res->unified_count; i++)
		r = check_unified(&res->unified[i], e);
	if (r >= 0 && res->memory)
		r = check_memory(res->memory, e);
	if (r >= 0 && res->cpu)
		r = check_cpu(res->cpu, e);
	if (r >= 0 && res->block_io)
		r = check_block_io(res->block_io, e);
	return r;
}

int oci_resources_validate(const struct oci_resources *res, struct err *e)
{
	return oci_resources_check(res, e);
}
