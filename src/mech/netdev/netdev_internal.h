/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"

#include <net/if.h>
#include <stdint.h>

/* rtnetlink(7), as much of it as moving an interface takes. Return: 0 or a negative code. */

enum { NETDEV_MAX_ADDRS = 256 };

struct netdev_addr {
	unsigned char family, prefix; /* AF_*, bits */
	unsigned char len;	      /* bytes of the addresses */
	unsigned char bytes[16];      /* the interface's own */
};

struct netdev_link {
	int index;
	unsigned int flags;	   /* IFF_* */
	struct netdev_addr *addrs; /* permanent and global; malloc */
	size_t addrs_count;
};

/** nl_open - an rtnetlink socket of the caller's network namespace; Return: fd, -errno */
int nl_open(void);

/** nl_find - index and flags of the interface @name; -ENODEV */
int nl_find(int nl, const char *name, struct netdev_link *ret, struct err *e);

/** nl_addresses - fill @l->addrs of interface @l->index */
int nl_addresses(int nl, struct netdev_link *l, struct err *e);

/** nl_set_up - bring an interface up or down */
int nl_set_up(int nl, int index, int up, struct err *e);

/** nl_move - into the network namespace @ns_fd, as @name, in one request */
int nl_move(int nl, int index, const char *name, int ns_fd, struct err *e);

/** nl_add_address - one that is there already is fine */
int nl_add_address(int nl, int index, const struct netdev_addr *a, struct err *e);
