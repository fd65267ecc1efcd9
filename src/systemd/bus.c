/* SPDX-License-Identifier: Apache-2.0 */
#include "systemd/systemd.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int open_address(const char *address, bool bus_client, sd_bus **ret)
{
	sd_bus *bus = NULL;
	int r = sd_bus_new(&bus);

	if (r >= 0)
		r = sd_bus_set_address(bus, address);
	if (r >= 0 && bus_client)
		r = sd_bus_set_bus_client(bus, true);
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r < 0) {
		sd_bus_unref(bus);
		return r;
	}
	*ret = bus;
	return 0;
}

/* D-Bus addresses are escaped: everything but these as %xx (D-Bus specification, "Server Addresses"). */
static int open_socket(const char *dir, const char *name, bool bus_client, sd_bus **ret)
{
	char address[1024];
	size_t n = (size_t)snprintf(address, sizeof(address), "unix:path=");

	for (int part = 0; part < 2; part++)
		for (const char *p = part ? name : dir; *p; p++) {
			if (n + 4 > sizeof(address))
				return -ENAMETOOLONG;
			if (strchr("-_/.\\*", *p) || (*p >= '0' && *p <= '9') ||
			    (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z'))
				address[n++] = *p;
			else
				n += (size_t)snprintf(address + n, sizeof(address) - n, "%%%02x",
						      (unsigned char)*p);
		}
	address[n] = '\0';
	return open_address(address, bus_client, ret);
}

/* Engines hand down little of the environment: the session's own address, its directory, the usual one. */
static int open_user(sd_bus **ret)
{
	const char *address = getenv("DBUS_SESSION_BUS_ADDRESS"), *dir = getenv("XDG_RUNTIME_DIR");
	char usual[64];
	int r = -ENOENT;

	if (address && *address && open_address(address, true, ret) >= 0)
		return 0;
	if (!dir || dir[0] != '/') {
		(void)snprintf(usual, sizeof(usual), "/run/user/%u", geteuid());
		dir = usual;
	}
	r = open_socket(dir, "/bus", true, ret);
	return r < 0 && open_socket(dir, "/systemd/private", false, ret) >= 0 ? 0 : r;
}

static int open_system(sd_bus **ret)
{
	const char *address = getenv("DBUS_SYSTEM_BUS_ADDRESS");
	int r;

	if (address && *address)
		return open_address(address, true, ret);
	r = open_socket("/run/dbus", "/system_bus_socket", true, ret);
	return r < 0 && open_socket("/run/systemd", "/private", false, ret) >= 0 ? 0 : r;
}

/* Somebody may listen there who never answers. */
static int wait_ready(sd_bus *bus)
{
	uint64_t end = now_ms() + CONNECT_MS;
	int r;

	while ((r = sd_bus_is_ready(bus)) == 0) {
		uint64_t now = now_ms();

		if (now >= end)
			return -ETIMEDOUT;
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, (end - now) * 1000);
		if (r < 0 && r != -EINTR)
			return r;
	}
	return r < 0 ? r : 0;
}

int manager_open(bool user, struct manager *ret, struct err *e)
{
	sd_bus *bus = NULL;
	int r = user ? open_user(&bus) : open_system(&bus);

	if (r == 0) {
		r = wait_ready(bus);
		if (r < 0)
			sd_bus_close_unref(bus);
	}
	if (r < 0)
		return err_set(e, r, "no connection to the %s bus: %s (%s)",
			       user ? "user" : "system", strerror(-r),
			       user ? "is there a user session? see DBUS_SESSION_BUS_ADDRESS and "
				      "XDG_RUNTIME_DIR"
				    : "is systemd running here?");
	(void)sd_bus_set_method_call_timeout(bus, (uint64_t)CALL_MS * 1000);
	*ret = (struct manager){ .bus = bus, .user = user };
	return 0;
}

void manager_close(struct manager *m)
{
	sd_bus_flush_close_unref(m->bus);
	m->bus = NULL;
}

int manager_method(struct manager *m, const char *method, sd_bus_message **ret, struct err *e)
{
	int r = sd_bus_message_new_method_call(m->bus, ret, "org.freedesktop.systemd1",
					       "/org/freedesktop/systemd1",
					       "org.freedesktop.systemd1.Manager", method);

	return r < 0 ? err_sys(e, r, "systemd: prepare %s", method) : 0;
}

static int code_of(const sd_bus_error *error, int r)
{
	if (sd_bus_error_has_name(error, "org.freedesktop.systemd1.UnitExists"))
		return -EEXIST;
	if (sd_bus_error_has_name(error, "org.freedesktop.systemd1.NoSuchUnit"))
		return -ENOENT;
	return r;
}

int manager_call(struct manager *m, sd_bus_message *call, const char *what, sd_bus_message **reply,
		 struct err *e)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = sd_bus_call(m->bus, call, 0, &error, reply);

	sd_bus_message_unref(call);
	if (r < 0) {
		r = code_of(&error, r);
		(void)err_set(e, r, "systemd: %s: %s", what,
			      r == -ETIMEDOUT || !error.message ? strerror(-r) : error.message);
	}
	sd_bus_error_free(&error);
	return r < 0 ? r : 0;
}
