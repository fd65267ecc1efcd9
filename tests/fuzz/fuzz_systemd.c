/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands on the bus, as cay-systemd takes it. Input: one byte for the operation, two for the length
 * of the properties that cay hands over, those, and then what the manager says, behind its part of the
 * authentication: D-Bus messages, whole or not.
 */
#include "fuzz.h"

#include "systemd/systemd.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD = 3 };

static int talk(struct manager *m, unsigned int op, char *properties, struct err *e)
{
	switch (op % 5) {
	case 0:
		return unit_start(m, "cay-x.scope", 7, properties, e);
	case 1:
		return unit_start(m, "cay-x.slice", 0, properties, e);
	case 2:
		return unit_set(m, "cay-x.scope", properties, e);
	case 3:
		return unit_attach(m, "cay-x.scope", 7, e);
	}
	return unit_stop(m, "cay-x.scope", e);
}

static sd_bus *connect_to(int fd)
{
	sd_bus *bus = NULL;

	if (sd_bus_new(&bus) < 0 || sd_bus_set_fd(bus, fd, fd) < 0 || sd_bus_start(bus) < 0)
		abort();
	return bus;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char hello[] =
		"DATA\r\nOK 0123456789abcdef0123456789abcdef\r\nAGREE_UNIX_FD\r\n";
	struct manager m = { .bus = NULL };
	struct err e = { 0 };
	char *properties;
	size_t n;
	int pair[2], r;

	if (size < HEAD ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return 0;
	n = (size_t)data[1] | (size_t)data[2] << 8;
	n = n < size - HEAD ? n : size - HEAD;
	properties = strndup((const char *)data + HEAD, n);
	if (!properties)
		abort();
	(void)!write(pair[1], hello, sizeof(hello) - 1);
	(void)!write(pair[1], data + HEAD + n, size - HEAD - n);
	(void)shutdown(pair[1], SHUT_WR);
	m.bus = connect_to(pair[0]);
	r = talk(&m, data[0], properties, &e);
	if (r > 0 || (r < 0 && (e.code >= 0 || !memchr(e.msg, '\0', sizeof(e.msg)))))
		abort();
	manager_close(&m);
	close(pair[1]);
	free(properties);
	return 0;
}
