/* SPDX-License-Identifier: Apache-2.0 */
#include "systemd/systemd.h"

#include "base/buf.h"
#include "base/parse.h"

#include <stdio.h>
#include <string.h>

/*
 * cay-systemd start  system|user UNIT PID   properties on stdin; prints the control group
 * cay-systemd set    system|user UNIT       properties on stdin
 * cay-systemd attach system|user UNIT PID
 * cay-systemd stop   system|user UNIT
 */

enum { OP, WHOSE, UNIT, PID };

static int read_properties(struct buf *b, struct err *e)
{
	int r = buf_read_fd(b, STDIN_FILENO, REQUEST_MAX_BYTES);

	if (r < 0)
		return err_sys(e, r, "read the properties");
	if (b->data && memchr(b->data, '\0', b->len))
		return err_set(e, EINVAL, "properties: not a text");
	return 0;
}

static int run(struct manager *m, char **arg, struct err *e)
{
	AUTO_BUF struct buf text = { 0 };
	char none[1] = "";
	uint32_t pid = 0;
	int r = 0;

	if (arg[PID] && (parse_u32(arg[PID], &pid) < 0 || pid == 0 || pid > INT32_MAX))
		return err_set(e, EINVAL, "\"%s\": no process id", arg[PID]);
	if (str_eq(arg[OP], "stop"))
		return unit_stop(m, arg[UNIT], e);
	if (str_eq(arg[OP], "attach"))
		return unit_attach(m, arg[UNIT], (pid_t)pid, e);
	r = read_properties(&text, e);
	if (r < 0)
		return r;
	if (str_eq(arg[OP], "set"))
		return unit_set(m, arg[UNIT], text.data ? text.data : none, e);
	/* A slice holds no process of its own. */
	if (strlen(arg[UNIT]) > 6 && str_eq(arg[UNIT] + strlen(arg[UNIT]) - 6, ".slice"))
		pid = 0;
	return unit_start(m, arg[UNIT], (pid_t)pid, text.data ? text.data : none, e);
}

static bool good_call(int argc, char **arg)
{
	static const struct {
		const char *op;
		int argc;
	} ops[] = { { "start", 5 }, { "set", 4 }, { "attach", 5 }, { "stop", 4 } };

	for (size_t i = 0; argc > 3 && i < ARRAY_LEN(ops); i++)
		if (str_eq(arg[OP], ops[i].op))
			return argc == ops[i].argc &&
			       (str_eq(arg[WHOSE], "user") || str_eq(arg[WHOSE], "system"));
	return false;
}

int main(int argc, char **argv)
{
	struct manager m = { .bus = NULL };
	struct err e = { 0 };
	bool connected;
	int r;

	if (!good_call(argc, argv + 1)) {
		(void)fputs(
			"cay-systemd: start|set|attach|stop system|user UNIT [PID]; called by cay\n",
			stderr);
		return 2;
	}
	r = manager_open(str_eq(argv[1 + WHOSE], "user"), &m, &e);
	connected = r == 0;
	if (connected)
		r = run(&m, argv + 1, &e);
	if (r < 0)
		(void)fprintf(stderr, "%s\n", e.msg);
	if (m.bus)
		manager_close(&m);
	return r == 0 ? 0 : connected ? 1 : EXIT_NO_BUS;
}
