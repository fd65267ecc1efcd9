/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/netdev/netdev.h"

#include "base/parse.h"

#include <net/if.h>
#include <string.h>

/* What the kernel takes as a name (dev_valid_name), and '%', which it would expand. */
static bool is_name(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n >= IFNAMSIZ || str_eq(s, ".") || str_eq(s, ".."))
		return false;
	for (; *s; s++)
		if (*s == '/' || *s == ':' || *s == '%' || (*s >= 0 && *s <= ' ') || *s == 0x7f)
			return false;
	return true;
}

static const char *inner_name(const struct oci_net_device *d)
{
	return d->name && *d->name ? d->name : d->host_name;
}

static int check(const struct oci_linux *l, size_t i, struct err *e)
{
	const struct oci_net_device *d = &l->net_devices[i];

	if (!is_name(d->host_name))
		return err_set(e, EINVAL, "linux.netDevices: invalid network device name \"%.64s\"",
			       d->host_name);
	if (!is_name(inner_name(d)))
		return err_set(
			e, EINVAL,
			"linux.netDevices[\"%s\"].name: invalid network device name \"%.64s\"",
			d->host_name, d->name);
	for (size_t k = 0; k < i; k++)
		if (str_eq(inner_name(&l->net_devices[k]), inner_name(d)))
			return err_set(
				e, EINVAL,
				"linux.netDevices[\"%s\"].name \"%s\": two interfaces can't have "
				"the same name",
				d->host_name, inner_name(d));
	return 0;
}

int netdev_plan(const struct oci_spec *s, const struct host_facts *h, struct plan *p, struct err *e)
{
	const struct oci_linux *l = s->linux_;
	int r = 0;

	if (!l || !l->net_devices_count)
		return 0;
	if (!oci_namespace(s, OCI_NS_NETWORK))
		return err_set(e, EINVAL,
			       "linux.netDevices: unable to move network devices without a "
			       "NET namespace");
	if (!h->admin || !h->initial_userns)
		return err_set(e, EPERM,
			       "linux.netDevices: network devices are not supported in "
			       "rootless containers");
	for (size_t i = 0; r == 0 && i < l->net_devices_count; i++) {
		const struct oci_net_device *d = &l->net_devices[i];
		struct step st = { .kind = STEP_NET_DEVICE,
				   .phase = PHASE_HOOKS,
				   .origin = (uint32_t)i };

		r = check(l, i, e);
		st.u.netdev.name = plan_str(p, PHASE_HOOKS, d->host_name);
		st.u.netdev.inner = plan_str(p, PHASE_HOOKS, inner_name(d));
		plan_add(p, &st);
	}
	return r;
}
