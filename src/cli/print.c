/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "base/parse.h"
#include "base/text.h"
#include "oci/defaults.h"
#include "oci/spec.h"
#include "sys/spawn.h"
#include "sys/syscalls.h"

#include <seccomp.h>
#include <string.h>

void print_escaped(struct buf *b, const char *s)
{
	text_visible(b, s, strlen(s));
}

void print_column(struct buf *b, const char *s, size_t width)
{
	size_t start = b->len, len;

	print_escaped(b, s);
	len = b->len - start;
	if (len < width)
		buf_printf(b, "%*s", (int)(width - len), "");
}

int cli_print(struct cli *c, const char *text, size_t n)
{
	struct err e;
	int r = sys_write_all(STDOUT_FILENO, text, n);

	if (r == 0)
		return 0;
	(void)err_sys(&e, r, "write to stdout");
	return cli_fail(c, &e, 1);
}

int cli_print_buf(struct cli *c, const struct buf *b)
{
	struct err e;

	if (b->failed) {
		(void)err_oom(&e);
		return cli_fail(c, &e, 1);
	}
	return cli_print(c, b->data ? b->data : "", b->len);
}

int cli_want_json(const char *format, struct err *e)
{
	if (!format || str_eq(format, "table") || str_eq(format, "text"))
		return 0;
	if (str_eq(format, "json"))
		return 1;
	return err_set(e, EINVAL, "invalid format option \"%s\"", format);
}

/* Whose commands and options are ours, too: docs/conformance.md. */
#define RUNC_VERSION "1.5.0"

void print_version(struct buf *b)
{
	const struct scmp_version *v = seccomp_version();

	/*
	 * The lines of runc in their order, for who looks there for the command line that is spoken here.
	 * Docker takes the last line about a version for our own.
	 */
	buf_str(b, "cay version " CAY_VERSION " (in place of runc version " RUNC_VERSION ")\n");
	buf_printf(b, "commit: %s\n", cli_commit);
	buf_str(b, "spec: " OCI_VERSION "\n");
	buf_str(b, "cay version " CAY_VERSION "\n");
	if (v)
		buf_printf(b, "libseccomp: %u.%u.%u\n", v->major, v->minor, v->micro);
	/* In the words of crun, for who looks there for what a runtime can do. */
	buf_printf(b, "%s+SELINUX +APPARMOR +CAP +SECCOMP +EBPF +CRIU\n",
		   spawn_has_libexec("cay-systemd") ? "+SYSTEMD " : "");
}
