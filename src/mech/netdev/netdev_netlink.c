/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/netdev/netdev_internal.h"

#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { REQUEST_BYTES = 512, ANSWER_BYTES = 32 << 10, ANSWER_S = 10 };

struct request {
	struct nlmsghdr h;
	char rest[REQUEST_BYTES];
};

int nl_open(void)
{
	struct timeval limit = { .tv_sec = ANSWER_S };
	AUTO_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int on = 1;

	if (fd < 0)
		return -errno;
	/* Words beside the errno, and no copy of the request in the answer (Linux 4.12). */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static void start(struct request *q, uint16_t type, uint16_t flags, const void *body, size_t n)
{
	*q = (struct request){ .h = { .nlmsg_len = (uint32_t)NLMSG_LENGTH(n),
				      .nlmsg_type = type,
				      .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags) } };
	memcpy(NLMSG_DATA(&q->h), body, n);
}

/* Requests are ours and small: what does not fit is a bug, and the kernel would say so. */
static void attribute(struct request *q, uint16_t type, const void *value, size_t n)
{
	size_t at = NLMSG_ALIGN(q->h.nlmsg_len);
	struct rtattr a = { .rta_len = (uint16_t)RTA_LENGTH(n), .rta_type = type };

	if (at + RTA_SPACE(n) > sizeof(*q))
		return;
	memcpy((char *)q + at, &a, sizeof(a));
	memcpy((char *)q + at + RTA_LENGTH(0), value, n);
	q->h.nlmsg_len = (uint32_t)(at + RTA_LENGTH(n));
}

/* The text that may follow an error: attributes behind the copied header of the request. */
static const char *kernel_words(const struct nlmsghdr *h)
{
	size_t at = NLMSG_HDRLEN + sizeof(struct nlmsgerr);
	struct rtattr a;

	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS) || !(h->nlmsg_flags & NLM_F_CAPPED))
		return NULL;
	for (; at + sizeof(a) <= h->nlmsg_len; at += RTA_ALIGN(a.rta_len)) {
		const char *text = (const char *)h + at + RTA_LENGTH(0);

		memcpy(&a, (const char *)h + at, sizeof(a));
		if (a.rta_len < sizeof(a) || at + a.rta_len > h->nlmsg_len)
			return NULL;
		if (a.rta_type == NLMSGERR_ATTR_MSG && a.rta_len > RTA_LENGTH(0) &&
		    memchr(text, '\0', (size_t)a.rta_len - RTA_LENGTH(0)))
			return text;
	}
	return NULL;
}

static int verdict(const struct nlmsghdr *h, struct err *e)
{
	struct nlmsgerr m;
	const char *words = kernel_words(h);

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(m)))
		return err_set(e, EBADMSG, "netlink: short answer");
	memcpy(&m, NLMSG_DATA(h), sizeof(m));
	if (m.error == 0)
		return 0;
	return words ? err_set(e, m.error, "%s (%s)", strerror(-m.error), words)
		     : err_set(e, m.error, "%s", strerror(-m.error));
}

typedef int each_fn(const struct nlmsghdr *h, void *arg, struct err *e);

/* One datagram of answers. Return: 1 when the end was in it; 0 to go on; negative code. */
static int digest(const char *bytes, size_t n, each_fn *each, void *arg, struct err *e)
{
	struct nlmsghdr h;

	for (size_t at = 0; at + sizeof(h) <= n; at += NLMSG_ALIGN(h.nlmsg_len)) {
		const struct nlmsghdr *m = (const void *)__builtin_assume_aligned(bytes + at, 4);
		int r = 0;

		memcpy(&h, m, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > n - at)
			return err_set(e, EBADMSG, "netlink: damaged answer");
		if (h.nlmsg_type == NLMSG_ERROR) {
			r = verdict(m, e);
			return r < 0 ? r : 1;
		}
		if (h.nlmsg_type == NLMSG_DONE)
			return 1;
		if (each)
			r = each(m, arg, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int talk(int nl, const struct request *q, each_fn *each, void *arg, struct err *e)
{
	AUTO_FREE char *answer = malloc(ANSWER_BYTES);
	int r = 0;

	if (!answer)
		return err_oom(e);
	if (send(nl, q, q->h.nlmsg_len, 0) < 0)
		return err_sys(e, errno, "netlink: send");
	while (r == 0) {
		ssize_t n = recv(nl, answer, ANSWER_BYTES, MSG_TRUNC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "netlink: receive");
		if (n > ANSWER_BYTES)
			return err_set(e, EMSGSIZE, "netlink: answer of %zd bytes", n);
		r = digest(answer, (size_t)n, each, arg, e);
	}
	return r < 0 ? r : 0;
}

static int take_link(const struct nlmsghdr *h, void *arg, struct err *e)
{
	struct netdev_link *l = arg;
	struct ifinfomsg i;

	if (h->nlmsg_type != RTM_NEWLINK || h->nlmsg_len < NLMSG_LENGTH(sizeof(i)))
		return err_set(e, EBADMSG, "netlink: not a link");
	memcpy(&i, NLMSG_DATA(h), sizeof(i));
	l->index = i.ifi_index;
	l->flags = i.ifi_flags;
	return 0;
}

int nl_find(int nl, const char *name, struct netdev_link *ret, struct err *e)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC };
	struct netdev_link l = { 0 };
	struct request q;
	int r;

	start(&q, RTM_GETLINK, NLM_F_ACK, &i, sizeof(i));
	attribute(&q, IFLA_IFNAME, name, strlen(name) + 1);
	r = talk(nl, &q, take_link, &l, e);
	if (r == 0)
		*ret = l;
	return r;
}

/* What was configured by hand and means something elsewhere, too: permanent and global. */
static int take_address(const struct nlmsghdr *h, void *arg, struct err *e)
{
	struct netdev_link *l = arg;
	struct netdev_addr a = { 0 }, peer = { 0 };
	struct ifaddrmsg m;
	uint32_t flags;
	struct rtattr t;

	if (h->nlmsg_type != RTM_NEWADDR || h->nlmsg_len < NLMSG_LENGTH(sizeof(m)))
		return 0;
	memcpy(&m, NLMSG_DATA(h), sizeof(m));
	flags = m.ifa_flags;
	for (size_t at = NLMSG_LENGTH(sizeof(m)); at + sizeof(t) <= h->nlmsg_len;
	     at += RTA_ALIGN(t.rta_len)) {
		const char *value = (const char *)h + at + RTA_LENGTH(0);
		size_t n;

		memcpy(&t, (const char *)h + at, sizeof(t));
		if (t.rta_len < sizeof(t) || at + t.rta_len > h->nlmsg_len)
			return err_set(e, EBADMSG, "netlink: damaged address");
		n = t.rta_len - RTA_LENGTH(0);
		if (t.rta_type == IFA_FLAGS && n == sizeof(flags)) {
			memcpy(&flags, value, n);
		} else if ((t.rta_type == IFA_LOCAL || t.rta_type == IFA_ADDRESS) &&
			   n <= sizeof(a.bytes)) {
			struct netdev_addr *to = t.rta_type == IFA_LOCAL ? &a : &peer;

			memcpy(to->bytes, value, n);
			to->len = (unsigned char)n;
		}
	}
	if (!a.len)
		a = peer; /* IPv6 tells it as IFA_ADDRESS alone */
	if ((int)m.ifa_index != l->index || !(flags & IFA_F_PERMANENT) ||
	    m.ifa_scope != RT_SCOPE_UNIVERSE || !a.len || l->addrs_count == NETDEV_MAX_ADDRS)
		return 0;
	a.family = m.ifa_family;
	a.prefix = m.ifa_prefixlen;
	l->addrs[l->addrs_count++] = a;
	return 0;
}

int nl_addresses(int nl, struct netdev_link *l, struct err *e)
{
	struct ifaddrmsg m = { .ifa_family = AF_UNSPEC, .ifa_index = (uint32_t)l->index };
	struct request q;

	l->addrs = calloc(NETDEV_MAX_ADDRS, sizeof(*l->addrs));
	if (!l->addrs)
		return err_oom(e);
	start(&q, RTM_GETADDR, NLM_F_DUMP, &m, sizeof(m));
	return talk(nl, &q, take_address, l, e);
}

int nl_set_up(int nl, int index, int up, struct err *e)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC,
			       .ifi_index = index,
			       .ifi_flags = up ? IFF_UP : 0,
			       .ifi_change = IFF_UP };
	struct request q;

	start(&q, RTM_NEWLINK, NLM_F_ACK, &i, sizeof(i));
	return talk(nl, &q, NULL, NULL, e);
}

int nl_move(int nl, int index, const char *name, int ns_fd, struct err *e)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC, .ifi_index = index };
	uint32_t fd = (uint32_t)ns_fd;
	struct request q;

	start(&q, RTM_NEWLINK, NLM_F_ACK, &i, sizeof(i));
	attribute(&q, IFLA_IFNAME, name, strlen(name) + 1);
	attribute(&q, IFLA_NET_NS_FD, &fd, sizeof(fd));
	return talk(nl, &q, NULL, NULL, e);
}

int nl_add_address(int nl, int index, const struct netdev_addr *a, struct err *e)
{
	struct ifaddrmsg m = { .ifa_family = a->family,
			       .ifa_prefixlen = a->prefix,
			       .ifa_scope = RT_SCOPE_UNIVERSE,
			       .ifa_index = (uint32_t)index };
	struct request q;
	int r;

	start(&q, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	attribute(&q, IFA_LOCAL, a->bytes, a->len);
	attribute(&q, IFA_ADDRESS, a->bytes, a->len);
	r = talk(nl, &q, NULL, NULL, e);
	return r == -EEXIST ? 0 : r;
}
