/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/agent.h"

#include "base/json.h"
#include "base/parse.h"
#include "sys/syscalls.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/*
 * The agent's own user speaks here: one word, one answer, whose first byte says whether it went
 * well ("+" or "-").
 */
enum { CLIENTS = 16, WORD_MAX = 16 };

struct control_client {
	struct watch watch;
	struct control_client *next;
	bool reloading;
};

static void drop(struct agent *a, struct control_client *c)
{
	struct control_client **at = &a->clients;

	while (*at && *at != c)
		at = &(*at)->next;
	if (*at)
		*at = c->next;
	agent_discard(a, &c->watch);
}

static void answer(struct agent *a, struct control_client *c, char sign, const char *text,
		   size_t len)
{
	const struct timeval limit = { .tv_sec = 1 };

	/* Our own user's: it reads, or loses the rest. */
	(void)fcntl(c->watch.fd, F_SETFL, 0);
	(void)setsockopt(c->watch.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (send(c->watch.fd, &sign, 1, MSG_NOSIGNAL) == 1)
		for (ssize_t n; len > 0; text += n, len -= (size_t)n) {
			n = send(c->watch.fd, text, len, MSG_NOSIGNAL);
			if (n <= 0)
				break;
		}
	drop(a, c);
}

void control_accept(struct agent *a)
{
	int fd = accept4(a->control, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct control_client *c;
	size_t n = 0;

	for (c = a->clients; c; c = c->next)
		n++;
	c = fd >= 0 && n < CLIENTS ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		auto_close_fd(&fd);
		return;
	}
	c->watch = (struct watch){ WATCH_CONTROL_CLIENT, fd };
	c->next = a->clients;
	a->clients = c;
	if (agent_watch(a, &c->watch, EPOLLIN) < 0)
		drop(a, c);
}

int agent_reload(struct agent *a, struct err *e)
{
	struct policy_set set = { 0 }, old = a->policies;
	int r = policies_load(a->policy_dir, &set, e);

	if (r < 0) {
		a->metrics.reload_failures++;
		return r;
	}
	a->metrics.reloads++;
	a->policies = set;
	pool_retire(a);
	policies_done(&old);
	agent_log("%zu policies are in force", set.count);
	return 0;
}

static void write_status(const struct agent *a, struct buf *out)
{
	struct json_out o = { .b = out, .pretty = true };

	jo_open(&o, NULL, '{');
	jo_str(&o, "policyDir", a->policy_dir);
	jo_str(&o, "listen", a->listen_path);
	jo_uint(&o, "policies", a->policies.count);
	jo_uint(&o, "helpers", a->helpers_count);
	jo_uint(&o, "connections", a->connections_count);
	jo_open(&o, "containers", '[');
	for (const struct container *c = a->containers; c; c = c->next) {
		jo_open(&o, NULL, '{');
		jo_str(&o, "id", c->id);
		jo_int(&o, "pid", c->pid);
		jo_uint(&o, "owner", c->owner);
		jo_str(&o, "policy", c->policy_name);
		jo_bool(&o, "inForce", c->policy != NULL);
		jo_uint(&o, "calls", c->calls);
		jo_uint(&o, "refused", c->refused);
		jo_close(&o, '}');
	}
	jo_close(&o, ']');
	jo_close(&o, '}');
	buf_str(out, "\n");
}

static void obey(struct agent *a, struct control_client *c, const char *word)
{
	AUTO_BUF struct buf out = { 0 };
	struct err e = { 0 };

	if (str_eq(word, "reload")) {
		if (agent_reload(a, &e) < 0)
			answer(a, c, '-', e.msg, strlen(e.msg));
		else
			c->reloading = true;
		return;
	}
	if (str_eq(word, "status"))
		write_status(a, &out);
	else if (str_eq(word, "metrics"))
		report_metrics(a, &out);
	if (out.failed || !out.data)
		answer(a, c, '-', "can't do that", 13);
	else
		answer(a, c, '+', out.data, out.len);
}

void control_read(struct agent *a, struct watch *w)
{
	struct control_client *c = (struct control_client *)(void *)w;
	char word[WORD_MAX + 1];
	ssize_t n = recv(w->fd, word, WORD_MAX, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(a, c);
		return;
	}
	word[n] = '\0';
	word[strcspn(word, "\n")] = '\0';
	if (!c->reloading)
		obey(a, c, word);
}

/* A reload is done when nobody decides by the old text any more. */
void control_settle(struct agent *a)
{
	struct control_client *c, *next;
	char text[64];

	for (c = a->clients; c; c = next) {
		next = c->next;
		if (!c->reloading || pool_retiring(a))
			continue;
		(void)snprintf(text, sizeof(text), "%zu policies are in force\n",
			       a->policies.count);
		answer(a, c, '+', text, strlen(text));
	}
}
