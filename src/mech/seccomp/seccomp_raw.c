/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/seccomp/seccomp.h"

#include "mech/seccomp/seccomp_names.h"

#include <linux/filter.h>
#include <string.h>

/* RFC 4648, section 4. Return: 0 to 63, or -1. */
static int digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static bool decode(const char *text, size_t len, struct buf *out)
{
	uint32_t bits = 0;
	unsigned int have = 0;

	while (len > 0 && text[len - 1] == '=')
		len--;
	for (size_t i = 0; i < len; i++) {
		int d = digit(text[i]);
		uint8_t byte;

		if (d < 0)
			return false;
		bits = bits << 6 | (uint32_t)d;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		byte = (uint8_t)(bits >> have);
		buf_add(out, &byte, 1);
	}
	/* What is left over is padding, and all zeroes. */
	return have < 6 && (bits & ((1U << have) - 1)) == 0;
}

int sec_raw(const char *text, struct buf *ret, struct err *e)
{
	static const char where[] = "annotation \"run.oci.seccomp_bpf_data\"";
	const size_t insn = sizeof(struct sock_filter);
	AUTO_BUF struct buf out = { 0 };
	size_t len = strlen(text);

	if (len > SEC_MAX_INSNS * insn * 4 / 3 + 4)
		return err_set(e, E2BIG, "%s: the filter has more than %d instructions", where,
			       SEC_MAX_INSNS);
	if (len % 4 != 0 || len - strcspn(text, "=") > 2 || !decode(text, len, &out))
		return err_set(e, EINVAL, "%s: not base64", where);
	if (out.failed)
		return err_oom(e);
	if (out.len == 0 || out.len % insn != 0)
		return err_set(e, EINVAL,
			       "%s: %zu bytes are no list of instructions of %zu bytes each", where,
			       out.len, insn);
	return buf_add(ret, out.data, out.len) ? 0 : err_oom(e);
}
