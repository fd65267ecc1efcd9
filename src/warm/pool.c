/* SPDX-License-Identifier: Apache-2.0 */
#include "warm/pool.h"

#include <stdlib.h>
#include <string.h>

void pool_done(struct pool *p)
{
	free(p->list);
	*p = (struct pool){ 0 };
}

size_t pool_count(const struct pool *p, enum member_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < p->count; i++)
		n += p->list[i].state == state;
	return n;
}

size_t pool_lacks(const struct pool *p)
{
	size_t have = pool_count(p, MEMBER_MAKING) + pool_count(p, MEMBER_READY);

	return p->closing || have >= p->want || p->count >= POOL_MAX_MEMBERS ? 0 : p->want - have;
}

bool pool_is_low(const struct pool *p)
{
	return pool_count(p, MEMBER_READY) * 2 < p->want;
}

struct member *pool_add(struct pool *p)
{
	struct member *m;

	if (p->count == p->room) {
		size_t room = p->room ? p->room * 2 : 16;

		m = reallocarray(p->list, room, sizeof(*m));
		if (!m)
			return NULL;
		p->list = m;
		p->room = room;
	}
	m = &p->list[p->count++];
	*m = (struct member){
		.number = p->next++, .state = MEMBER_MAKING, .result = -EBADF, .client = -EBADF
	};
	return m;
}

struct member *pool_take(struct pool *p, int client)
{
	struct member *oldest = NULL;

	for (size_t i = 0; i < p->count; i++)
		if (p->list[i].state == MEMBER_READY &&
		    (!oldest || p->list[i].number < oldest->number))
			oldest = &p->list[i];
	if (oldest) {
		oldest->state = MEMBER_TAKEN;
		oldest->client = client;
	}
	return oldest;
}

struct member *pool_by_worker(struct pool *p, pid_t pid)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->list[i].worker == pid)
			return &p->list[i];
	return NULL;
}

struct member *pool_by_pid(struct pool *p, pid_t pid)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->list[i].pid == pid)
			return &p->list[i];
	return NULL;
}

struct member *pool_by_client(struct pool *p, int client)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->list[i].state == MEMBER_TAKEN && p->list[i].client == client)
			return &p->list[i];
	return NULL;
}

void pool_remove(struct pool *p, struct member *m)
{
	*m = p->list[--p->count];
}
