/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>
#include <string.h>

#include "mech/cgroup/cgroup_internal.h"

/* The v2 device program, run by a small interpreter, against a model that needs no program. */

enum {
	R = BPF_DEVCG_ACC_READ,
	W = BPF_DEVCG_ACC_WRITE,
	M = BPF_DEVCG_ACC_MKNOD,
	CHR = BPF_DEVCG_DEV_CHAR,
	BLK = BPF_DEVCG_DEV_BLOCK
};

static uint64_t operand(const struct bpf_insn *i, const uint64_t *reg)
{
	return BPF_SRC(i->code) == BPF_X ? reg[i->src_reg] : (uint64_t)(int64_t)i->imm;
}

static bool jump_taken(const struct bpf_insn *i, const uint64_t *reg)
{
	uint32_t a = (uint32_t)reg[i->dst_reg], b = (uint32_t)operand(i, reg);

	assert_int_equal(BPF_CLASS(i->code), BPF_JMP32);
	if (BPF_OP(i->code) == BPF_JNE)
		return a != b;
	assert_int_equal(BPF_OP(i->code), BPF_JEQ);
	return a == b;
}

static void alu(const struct bpf_insn *i, uint64_t *reg)
{
	uint64_t v = operand(i, reg), *d = &reg[i->dst_reg];

	switch (BPF_OP(i->code)) {
	case BPF_MOV:
		*d = v;
		break;
	case BPF_AND:
		*d &= v;
		break;
	case BPF_RSH:
		*d >>= v;
		break;
	default:
		fail_msg("instruction %#x", i->code);
	}
	if (BPF_CLASS(i->code) == BPF_ALU)
		*d = (uint32_t)*d;
}

static bool run(const struct buf *program, uint32_t type, uint32_t access, uint32_t major,
		uint32_t minor)
{
	const struct bpf_cgroup_dev_ctx ctx = { access << 16 | type, major, minor };
	const struct bpf_insn *insns = (const void *)program->data;
	size_t n = program->len / sizeof(*insns), steps = 0;
	uint64_t reg[11] = { 0 };
	uint32_t word;

	for (size_t pc = 0; pc < n; pc++) {
		const struct bpf_insn *i = &insns[pc];

		assert_true(++steps <= n); /* forward jumps only */
		if (BPF_CLASS(i->code) == BPF_LDX) {
			memcpy(&word, (const char *)&ctx + i->off, sizeof(word));
			reg[i->dst_reg] = word;
		} else if (BPF_CLASS(i->code) == BPF_ALU || BPF_CLASS(i->code) == BPF_ALU64) {
			alu(i, reg);
		} else if (i->code == (BPF_JMP | BPF_EXIT)) {
			return reg[0] != 0;
		} else if (jump_taken(i, reg)) {
			pc += (size_t)i->off;
		}
	}
	fail_msg("ran off the end");
	return false;
}

static bool rule_matches(const struct oci_device_rule *r, uint32_t type, uint32_t major,
			 uint32_t minor, uint32_t bit)
{
	const char *access = r->access ? r->access : "rwm";
	char letter = bit == R ? 'r' : bit == W ? 'w' : 'm';

	return strchr(access, letter) &&
	       (r->type == OCI_DEVICE_ANY || (r->type == OCI_DEVICE_CHAR) == (type == CHR)) &&
	       (!r->major.set || r->major.v < 0 || r->major.v == (int64_t)major) &&
	       (!r->minor.set || r->minor.v < 0 || r->minor.v == (int64_t)minor);
}

/* Of the matching rules the last decides, for each bit; default is deny. */
static bool model(const struct oci_device_rule *rules, size_t n, uint32_t type, uint32_t access,
		  uint32_t major, uint32_t minor)
{
	for (uint32_t bit = 1; bit <= 4; bit <<= 1) {
		bool ok = false;

		if (!(access & bit))
			continue;
		for (size_t i = 0; i < n; i++)
			if (rule_matches(&rules[i], type, major, minor, bit))
				ok = rules[i].allow;
		if (!ok)
			return false;
	}
	return true;
}

static void compare_all(const struct oci_device_rule *rules, size_t n)
{
	static const uint32_t numbers[] = { 0, 1, 2, 3, 136, 0xffffffff };
	AUTO_BUF struct buf program = { 0 };

	cg_device_program(rules, n, &program);
	assert_false(program.failed);
	for (uint32_t access = 1; access < 8; access++)
		for (size_t a = 0; a < ARRAY_LEN(numbers); a++)
			for (size_t b = 0; b < ARRAY_LEN(numbers); b++)
				for (uint32_t type = BLK; type <= CHR; type++)
					assert_int_equal(run(&program, type, access, numbers[a],
							     numbers[b]),
							 model(rules, n, type, access, numbers[a],
							       numbers[b]));
}

static void defaults_allow_null_and_no_disk(void **state)
{
	AUTO_BUF struct buf program = { 0 };

	(void)state;
	cg_device_program(cg_default_rules, cg_default_rules_count, &program);
	assert_true(run(&program, CHR, R | W, 1, 3));
	assert_true(run(&program, CHR, R | W, 136, 77));
	assert_true(run(&program, BLK, M, 8, 0));
	assert_false(run(&program, BLK, R, 8, 0));
	assert_false(run(&program, BLK, R | M, 8, 0));
	assert_false(run(&program, CHR, R, 1, 1)); /* mem */
	compare_all(cg_default_rules, cg_default_rules_count);
}

static void denying_one_access_denies_it_in_company(void **state)
{
	const struct oci_device_rule rules[] = {
		{ .allow = true },
		{ .allow = false,
		  .type = OCI_DEVICE_CHAR,
		  .major = { true, 1 },
		  .minor = { true, 3 },
		  .access = (char[]){ "w" } },
	};
	AUTO_BUF struct buf program = { 0 };

	(void)state;
	cg_device_program(rules, 2, &program);
	assert_false(run(&program, CHR, W, 1, 3));
	assert_false(run(&program, CHR, R | W, 1, 3));
	assert_true(run(&program, CHR, R, 1, 3));
	compare_all(rules, 2);
}

static void program_agrees_with_the_model_for_random_rules(void **state)
{
	static char access[][4] = { "r", "w", "m", "rw", "rm", "wm", "rwm", "" };
	uint32_t seed = 42;

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct oci_device_rule rules[8];
		size_t n = (size_t)round % 8 + 1;

		for (size_t i = 0; i < n; i++) {
			seed = seed * 1664525 + 1013904223;
			rules[i] = (struct oci_device_rule){
				.allow = seed >> 8 & 1,
				.type = (enum oci_device_type)((seed >> 9 & 3) % 3),
				.major = { seed >> 11 & 1, (int64_t)(seed >> 12 & 3) - 1 },
				.minor = { seed >> 14 & 1, (int64_t)(seed >> 15 & 3) - 1 },
				.access = seed >> 17 & 1 ? access[seed >> 18 & 7] : NULL,
			};
		}
		compare_all(rules, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_allow_null_and_no_disk),
		cmocka_unit_test(denying_one_access_denies_it_in_company),
		cmocka_unit_test(program_agrees_with_the_model_for_random_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
