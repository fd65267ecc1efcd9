/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/shared.h"

#include "sys/syscalls.h"

_Static_assert(sizeof(struct shared) <= 4096, "one page a container");

void pending_begin(struct pending *p, uint64_t id, int32_t nr, int32_t tid, uint64_t deadline_ns)
{
	atomic_store(&p->id, id);
	atomic_store(&p->pid, 0);
	atomic_store(&p->nr, nr);
	atomic_store(&p->tid, tid);
	atomic_store(&p->told, false);
	atomic_store(&p->deadline_ns, deadline_ns);
	atomic_store(&p->since_ns, sys_now_ns());
}

void pending_end(struct pending *p)
{
	atomic_store(&p->since_ns, 0);
}

enum { KIND_BITS = 8 };

bool shared_add_mount(struct shared *s, uint64_t id, uint8_t kind)
{
	for (size_t i = 0; i < SHARED_MOUNTS; i++) {
		uint64_t none = 0;

		if (atomic_compare_exchange_strong(&s->mount[i], &none, id << KIND_BITS | kind))
			return true;
	}
	return false;
}

uint8_t shared_mount_kind(const struct shared *s, uint64_t id)
{
	for (size_t i = 0; id != 0 && i < SHARED_MOUNTS; i++) {
		const uint64_t it = atomic_load(&s->mount[i]);

		if (it >> KIND_BITS == id)
			return (uint8_t)it;
	}
	return 0;
}

bool shared_drop_mount(struct shared *s, uint64_t id)
{
	for (size_t i = 0; id != 0 && i < SHARED_MOUNTS; i++) {
		uint64_t it = atomic_load(&s->mount[i]);

		if (it >> KIND_BITS == id && atomic_compare_exchange_strong(&s->mount[i], &it, 0))
			return true;
	}
	return false;
}

bool shared_add_program(struct shared *s, uint32_t id)
{
	for (size_t i = 0; i < SHARED_PROGRAMS; i++) {
		uint32_t none = 0;

		if (atomic_compare_exchange_strong(&s->program[i], &none, id))
			return true;
	}
	return false;
}

bool shared_has_program(const struct shared *s, uint32_t id)
{
	for (size_t i = 0; id != 0 && i < SHARED_PROGRAMS; i++)
		if (atomic_load(&s->program[i]) == id)
			return true;
	return false;
}

/* Generic cell rate algorithm: one number is the whole bucket. */
uint64_t shared_pay(struct shared *s, uint64_t now_ns, uint64_t cost_ns, uint64_t burst_ns)
{
	uint64_t was = atomic_load(&s->paid_until_ns), is;

	do {
		is = (was > now_ns ? was : now_ns) + cost_ns;
	} while (!atomic_compare_exchange_weak(&s->paid_until_ns, &was, is));
	return is > now_ns + burst_ns ? is - now_ns - burst_ns : 0;
}

void shared_pay_back(struct shared *s, uint64_t cost_ns)
{
	atomic_fetch_sub(&s->paid_until_ns, cost_ns);
}
