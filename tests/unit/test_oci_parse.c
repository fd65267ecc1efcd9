/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "oci/parse.h"
#include "test_oci_full.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

static struct oci_spec *must_parse(const char *text)
{
	struct oci_spec *s = NULL;
	struct err e = { 0 };

	if (oci_spec_parse(text, strlen(text), &s, &e) < 0)
		fail_msg("%s", e.msg);
	return s;
}

static void reads_every_field_of_process(void **state)
{
	AUTO_SPEC struct oci_spec *s = must_parse(full_config);
	const struct oci_process *p = s->process;

	(void)state;
	assert_true(p->terminal && p->no_new_privileges);
	assert_int_equal(p->console_size->height, 24);
	assert_int_equal(p->console_size->width, 80);
	assert_int_equal(p->user.uid, 1);
	assert_int_equal(p->user.gid, 2);
	assert_true(p->user.umask.set && p->user.umask.v == 022);
	assert_int_equal(p->user.additional_gids_count, 2);
	assert_int_equal(p->user.additional_gids[1], 6);
	assert_string_equal(p->user.username, "u");
	assert_int_equal(p->args.count, 3);
	assert_string_equal(p->args.list[2], "true");
	assert_null(p->args.list[3]);
	assert_string_equal(p->env.list[1], "C=");
	assert_string_equal(p->cwd, "/w");
	assert_string_equal(p->capabilities->set[OCI_CAPS_EFFECTIVE].list[1], "CAP_BPF");
	assert_int_equal(p->capabilities->set[OCI_CAPS_INHERITABLE].count, 0);
	assert_string_equal(p->capabilities->set[OCI_CAPS_AMBIENT].list[0], "CAP_SYS_ADMIN");
	assert_int_equal(p->rlimits[0].resource, RLIMIT_NOFILE);
	assert_true(p->rlimits[0].hard == UINT64_MAX && p->rlimits[0].soft == 7);
	assert_string_equal(p->apparmor_profile, "aa");
	assert_string_equal(p->selinux_label, "se");
	assert_true(p->oom_score_adj.set && p->oom_score_adj.v == -5);
	assert_string_equal(p->scheduler->policy, "SCHED_FIFO");
	assert_int_equal(p->scheduler->nice, -3);
	assert_int_equal(p->scheduler->priority, 10);
	assert_int_equal(p->scheduler->runtime_ns, 1);
	assert_int_equal(p->scheduler->deadline_ns, 2);
	assert_int_equal(p->scheduler->period_ns, 3);
	assert_string_equal(p->scheduler->flags.list[0], "SCHED_FLAG_RESET_ON_FORK");
	assert_string_equal(p->io_priority->io_class, "IOPRIO_CLASS_BE");
	assert_int_equal(p->io_priority->priority, 4);
	assert_string_equal(p->exec_cpu_affinity->initial, "0-1");
	assert_string_equal(p->exec_cpu_affinity->final, "2");
}

static void reads_root_mounts_hooks_and_annotations(void **state)
{
	AUTO_SPEC struct oci_spec *s = must_parse(full_config);

	(void)state;
	assert_string_equal(s->oci_version, "1.3.0");
	assert_string_equal(s->root->path, "rootfs");
	assert_true(s->root->readonly);
	assert_string_equal(s->hostname, "h");
	assert_string_equal(s->domainname, "d");
	assert_int_equal(s->mounts_count, 2);
	assert_null(s->mounts[0].options.list);
	assert_string_equal(s->mounts[1].destination, "/data");
	assert_string_equal(s->mounts[1].options.list[1], "ro");
	assert_int_equal(s->mounts[1].uid_mappings[0].host_id, 2);
	assert_int_equal(s->mounts[1].gid_mappings[0].size, 6);
	for (unsigned int kind = 0; kind < OCI_HOOK_COUNT; kind++) {
		char path[] = "/h0";

		path[2] = (char)('0' + kind);
		assert_int_equal(s->hooks[kind].hooks_count, kind == OCI_HOOK_POSTSTOP ? 2 : 1);
		assert_string_equal(s->hooks[kind].hooks[0].path, path);
	}
	assert_string_equal(s->hooks[0].hooks[0].args.list[1], "x");
	assert_string_equal(s->hooks[0].hooks[0].env.list[0], "E=1");
	assert_true(s->hooks[0].hooks[0].timeout_s.set && s->hooks[0].hooks[0].timeout_s.v == 9);
	assert_false(s->hooks[1].hooks[0].timeout_s.set);
	assert_string_equal(oci_annotation(s, "org.a"), "1");
	assert_string_equal(oci_annotation(s, "b"), "");
	assert_null(oci_annotation(s, "c"));
	assert_null(s->other_platform);
}

static void reads_every_field_of_resources(void **state)
{
	AUTO_SPEC struct oci_spec *s = must_parse(full_config);
	const struct oci_resources *r = s->linux_->resources;

	(void)state;
	assert_int_equal(r->devices_count, 2);
	assert_true(!r->devices[0].allow && r->devices[0].type == OCI_DEVICE_ANY);
	assert_false(r->devices[0].major.set);
	assert_true(r->devices[1].allow && r->devices[1].type == OCI_DEVICE_CHAR);
	assert_true(r->devices[1].minor.set && r->devices[1].minor.v == -1);
	assert_true(r->memory->limit.v == 1 && r->memory->reservation.v == 2);
	assert_true(r->memory->swap.v == -1 && r->memory->kernel.v == 4);
	assert_true(r->memory->kernel_tcp.v == 5 && r->memory->swappiness.v == 60);
	assert_true(r->memory->disable_oom_killer.v && r->memory->use_hierarchy.set);
	assert_true(!r->memory->use_hierarchy.v && r->memory->check_before_update.v);
	assert_true(r->cpu->shares.v == 1 && r->cpu->quota_us.v == -1 && r->cpu->burst_us.v == 3);
	assert_true(r->cpu->period_us.v == 4 && r->cpu->realtime_runtime_us.v == 5);
	assert_true(r->cpu->realtime_period_us.v == 6 && r->cpu->idle.v == 1);
	assert_string_equal(r->cpu->cpus, "0-3");
	assert_string_equal(r->cpu->mems, "0");
	assert_true(r->pids_limit.set && r->pids_limit.v == 77);
	assert_true(r->block_io->weight.v == 10 && r->block_io->leaf_weight.v == 11);
	assert_int_equal(r->block_io->weight_devices[0].weight.v, 500);
	assert_int_equal(r->block_io->weight_devices[0].leaf_weight.v, 300);
	for (unsigned int t = 0; t < OCI_THROTTLE_COUNT; t++)
		assert_int_equal(r->block_io->throttle[t].devices[0].rate, t + 1);
	assert_string_equal(r->hugepage_limits[0].page_size, "2MB");
	assert_true(r->hugepage_limits[0].limit == 1ULL << 63);
	assert_int_equal(r->network->class_id.v, 1048577);
	assert_string_equal(r->network->priorities[0].name, "eth0");
	assert_string_equal(r->rdma[0].device, "mlx5_1");
	assert_int_equal(r->rdma[0].hca_objects.v, 10000);
	assert_string_equal(r->unified[0].key, "memory.high");
	assert_string_equal(r->unified[0].value, "1");
}

static void reads_the_rest_of_linux(void **state)
{
	AUTO_SPEC struct oci_spec *s = must_parse(full_config);
	const struct oci_linux *l = s->linux_;

	(void)state;
	assert_int_equal(l->uid_mappings[0].host_id, 1000);
	assert_int_equal(l->gid_mappings[0].size, 20);
	assert_string_equal(l->sysctl[0].key, "net.ipv4.ip_forward");
	assert_string_equal(l->cgroups_path, "/a/b");
	assert_int_equal(l->namespaces_count, 8);
	assert_string_equal(oci_namespace(s, OCI_NS_NETWORK)->path, "/n");
	assert_false(oci_namespace_is_new(s, OCI_NS_NETWORK));
	assert_true(oci_namespace_is_new(s, OCI_NS_TIME));
	assert_int_equal(l->devices[0].type, OCI_DEVICE_CHAR);
	assert_true(l->devices[0].major == 10 && l->devices[0].minor == 229);
	assert_true(l->devices[0].file_mode.v == 0666 && l->devices[0].gid.v == 3);
	assert_int_equal(l->devices[1].type, OCI_DEVICE_FIFO);
	assert_string_equal(l->net_devices[0].host_name, "eth0");
	assert_string_equal(l->net_devices[0].name, "lan");
	assert_null(l->net_devices[1].name);
	assert_string_equal(l->rootfs_propagation, "rslave");
	assert_string_equal(l->masked_paths.list[0], "/m");
	assert_int_equal(l->readonly_paths.count, 2);
	assert_string_equal(l->mount_label, "ml");
	assert_string_equal(l->intel_rdt->clos_id, "c");
	assert_string_equal(l->intel_rdt->schemata.list[0], "L3:0=f");
	assert_string_equal(l->intel_rdt->l3_cache_schema, "L3:1=f");
	assert_string_equal(l->intel_rdt->mem_bw_schema, "MB:0=10");
	assert_true(l->intel_rdt->enable_cmt && l->intel_rdt->enable_mbm);
	assert_true(l->intel_rdt->enable_monitoring);
	assert_string_equal(l->personality->domain, "LINUX32");
	assert_string_equal(l->time_offsets[0].clock, "monotonic");
	assert_true(l->time_offsets[0].secs == -86400 && l->time_offsets[0].nanosecs == 5);
	assert_string_equal(l->memory_policy->mode, "MPOL_BIND");
	assert_string_equal(l->memory_policy->nodes, "0-3");
	assert_string_equal(l->memory_policy->flags.list[0], "MPOL_F_STATIC_NODES");
}

static void reads_every_field_of_seccomp(void **state)
{
	AUTO_SPEC struct oci_spec *s = must_parse(full_config);
	const struct oci_seccomp *c = s->linux_->seccomp;

	(void)state;
	assert_string_equal(c->default_action, "SCMP_ACT_ERRNO");
	assert_true(c->default_errno_ret.set && c->default_errno_ret.v == 38);
	assert_string_equal(c->architectures.list[0], "SCMP_ARCH_X86_64");
	assert_string_equal(c->flags.list[0], "SECCOMP_FILTER_FLAG_LOG");
	assert_string_equal(c->listener_path, "/l");
	assert_string_equal(c->listener_metadata, "m");
	assert_int_equal(c->syscalls[0].names.count, 2);
	assert_string_equal(c->syscalls[0].action, "SCMP_ACT_ERRNO");
	assert_int_equal(c->syscalls[0].errno_ret.v, 1);
	assert_int_equal(c->syscalls[0].args[0].index, 5);
	assert_int_equal(c->syscalls[0].args[0].value, 2114060288);
	assert_int_equal(c->syscalls[0].args[0].value_two, 7);
	assert_string_equal(c->syscalls[0].args[0].op, "SCMP_CMP_MASKED_EQ");
}

static void names_path_and_value_of_a_fault(void **state)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
		{ "[]", "document: expected an object, got an array" },
		{ "null", "document: expected an object, got null" },
		{ "{\"process\":{\"user\":{\"uid\":\"abc\"}}}",
		  "process.user.uid: expected an unsigned 32-bit number, got \"abc\"" },
		{ "{\"process\":{\"user\":{\"uid\":4294967296}}}",
		  "process.user.uid: expected an unsigned 32-bit number, got 4294967296" },
		{ "{\"process\":{\"user\":{\"gid\":-1}}}",
		  "process.user.gid: expected an unsigned 32-bit number, got -1" },
		{ "{\"process\":{\"user\":{\"umask\":512}}}",
		  "process.user.umask: expected a number from 0 to 511, got 512" },
		{ "{\"process\":{\"user\":{\"additionalGids\":[1,true]}}}",
		  "process.user.additionalGids[1]: expected an unsigned 32-bit number, got true" },
		{ "{\"process\":{\"terminal\":1}}",
		  "process.terminal: expected true or false, got 1" },
		{ "{\"process\":{\"args\":\"sh\"}}",
		  "process.args: expected an array, got \"sh\"" },
		{ "{\"process\":{\"args\":[\"a\",null]}}",
		  "process.args[1]: expected a string, got null" },
		{ "{\"process\":{\"args\":[\"a\\u0000b\"]}}",
		  "process.args[0]: a string must not hold a NUL character" },
		{ "{\"process\":{\"oomScoreAdj\":1001}}",
		  "process.oomScoreAdj: expected a number from -1000 to 1000, got 1001" },
		{ "{\"process\":{\"rlimits\":[{\"type\":\"RLIMIT_X\"}]}}",
		  "process.rlimits[0].type: expected one of RLIMIT_AS, RLIMIT_CORE, RLIMIT_CPU, "
		  "RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_LOCKS, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE, "
		  "RLIMIT_NICE, RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_RSS, RLIMIT_RTPRIO, "
		  "RLIMIT_RTTIME, RLIMIT_SIGPENDING, RLIMIT_STACK, got \"RLIMIT_X\"" },
		{ "{\"process\":{\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"soft\":1}]}}",
		  "process.rlimits[0].hard: required, but missing" },
		{ "{\"process\":{\"scheduler\":{\"nice\":2147483648}}}",
		  "process.scheduler.nice: expected a signed 32-bit number, got 2147483648" },
		{ "{\"root\":[]}", "root: expected an object, got an array" },
		{ "{\"hostname\":{}}", "hostname: expected a string, got an object" },
		{ "{\"mounts\":[{\"destination\":\"/a\"},{}]}",
		  "mounts[1].destination: required, but missing" },
		{ "{\"mounts\":[{\"destination\":null}]}",
		  "mounts[0].destination: required, but missing" },
		{ "{\"mounts\":{}}", "mounts: expected an array, got an object" },
		{ "{\"mounts\":[1]}", "mounts[0]: expected an object, got 1" },
		{ "{\"hooks\":{\"poststop\":[{\"path\":\"/a\",\"timeout\":1.5}]}}",
		  "hooks.poststop[0].timeout: expected a signed 64-bit number, got 1.5" },
		{ "{\"annotations\":{\"a.b\":1}}", "annotations.a.b: expected a string, got 1" },
		{ "{\"annotations\":[]}", "annotations: expected an object, got an array" },
		{ "{\"linux\":{\"namespaces\":[{\"type\":\"net\"}]}}",
		  "linux.namespaces[0].type: expected one of pid, network, mount, ipc, uts, user, "
		  "cgroup, time, got \"net\"" },
		{ "{\"linux\":{\"resources\":{\"memory\":{\"limit\":9223372036854775808}}}}",
		  "linux.resources.memory.limit: expected a number from -1 to 9223372036854775807, "
		  "got 9223372036854775808" },
		{ "{\"linux\":{\"resources\":{\"pids\":{\"limit\":\"x\\ny\"}}}}",
		  "linux.resources.pids.limit: expected a number from -1 to 9223372036854775807, "
		  "got \"x\\ny\"" },
		{ "{\"linux\":{\"timeOffsets\":{\"boottime\":{\"nanosecs\":1000000000}}}}",
		  "linux.timeOffsets.boottime.nanosecs: expected a number from 0 to 999999999, "
		  "got 1000000000" },
		{ "{\"linux\":{\"seccomp\":{}}}",
		  "linux.seccomp.defaultAction: required, but missing" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct oci_spec *s = NULL;
		struct err e = { 0 };

		assert_int_equal(oci_spec_parse(rows[i].text, strlen(rows[i].text), &s, &e),
				 -EINVAL);
		assert_string_equal(e.msg, rows[i].message);
		assert_null(s);
	}
}

static void null_means_absent_and_unknown_is_ignored(void **state)
{
	AUTO_SPEC struct oci_spec *s = must_parse("{\"process\":null,\"mounts\":null,"
						  "\"linux\":{\"seccomp\":null},\"x\":1}");

	(void)state;
	assert_null(s->process);
	assert_int_equal(s->mounts_count, 0);
	assert_null(s->linux_->seccomp);
}

static void reads_what_annotations_say(void **state)
{
	AUTO_SPEC struct oci_spec *s = must_parse(
		"{\"annotations\":{\"run.oci.keep_original_groups\":\"1\","
		"\"run.oci.hooks.stdout\":\"/o\",\"run.oci.hooks.stderr\":\"/e\","
		"\"run.oci.pidfd_receiver\":\"/p\",\"run.oci.mount_context_type\":\"defcontext\","
		"\"run.oci.seccomp.receiver\":\"/r\","
		"\"run.oci.seccomp_fail_unknown_syscall\":\"\",\"run.oci.delegate-cgroup\":\"\","
		"\"run.oci.\":\"x\",\"xrun.oci.handler\":\"x\"},"
		"\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\"}}}");
	AUTO_SPEC struct oci_spec *raw = must_parse(
		"{\"annotations\":{\"run.oci.seccomp_bpf_data\":\"AAAA\","
		"\"run.oci.seccomp.receiver\":\"/r\",\"run.oci.keep_original_groups\":\"0\"}}");

	(void)state;
	assert_true(s->ext.keep_groups);
	assert_true(s->ext.seccomp_strict);
	assert_string_equal(s->ext.hooks_stdout, "/o");
	assert_string_equal(s->ext.hooks_stderr, "/e");
	assert_string_equal(s->ext.pidfd_receiver, "/p");
	assert_string_equal(s->ext.mount_context, "defcontext");
	assert_string_equal(s->linux_->seccomp->listener_path, "/r");
	assert_true(s->linux_->seccomp->fail_unknown);
	/* There was no section at all. */
	assert_string_equal(raw->linux_->seccomp->bpf_data, "AAAA");
	assert_null(raw->linux_->seccomp->listener_path);
	assert_false(raw->ext.keep_groups);
}

static void remembers_other_platforms(void **state)
{
	AUTO_SPEC struct oci_spec *s = must_parse("{\"windows\":{}}");

	(void)state;
	assert_string_equal(s->other_platform, "windows");
}

static void limits_count_and_length(void **state)
{
	AUTO_BUF struct buf many = { 0 }, lengthy = { 0 };
	struct oci_spec *s = NULL;
	struct err e = { 0 };

	(void)state;
	buf_str(&many, "{\"linux\":{\"maskedPaths\":[\"\"");
	for (int i = 0; i < 65536; i++)
		buf_str(&many, ",\"\"");
	buf_str(&many, "]}}");
	assert_int_equal(oci_spec_parse(many.data, many.len, &s, &e), -E2BIG);
	assert_string_equal(e.msg, "linux.maskedPaths: 65537 entries: the limit is 65536");

	buf_str(&lengthy, "{\"hostname\":\"");
	for (int i = 0; i < 131072; i++)
		buf_str(&lengthy, "x");
	buf_str(&lengthy, "\"}");
	assert_int_equal(oci_spec_parse(lengthy.data, lengthy.len, &s, &e), -E2BIG);
	assert_string_equal(e.msg, "hostname: the string is too long");
}

static void every_truncation_is_an_error(void **state)
{
	size_t len = strlen(full_config);

	(void)state;
	while (full_config[len - 1] != '}')
		len--;
	for (size_t n = 0; n < len; n += 3) {
		AUTO_FREE char *cut = malloc(n + 1); /* exact size: an overread is seen */
		struct oci_spec *s = NULL;
		struct err e = { 0 };

		assert_non_null(cut);
		memcpy(cut, full_config, n);
		assert_int_equal(oci_spec_parse(cut, n, &s, &e), -EINVAL);
		assert_null(s);
	}
}

static void no_changed_byte_does_harm(void **state)
{
	static const char with[] = "\"{}[],:-0n\\x";
	size_t len = strlen(full_config);
	AUTO_FREE char *text = strdup(full_config);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < len; i += 2) {
		struct oci_spec *s = NULL;
		struct err e = { 0 };
		int r;

		text[i] = with[i / 2 % (sizeof(with) - 1)];
		r = oci_spec_parse(text, len, &s, &e);
		assert_true(r == 0 || e.msg[0]);
		assert_true((r == 0) == (s != NULL));
		oci_spec_free(s);
		text[i] = full_config[i];
	}
}

static void parses_a_process_and_resources_alone(void **state)
{
	static const char process[] = "{\"args\":[\"a\"],\"cwd\":\"/\",\"user\":{\"uid\":3}}";
	static const char wrong[] = "{\"cwd\":1}", limits[] = "{\"pids\":{\"limit\":-1}}";
	AUTO_ARENA struct arena a = { 0 };
	struct oci_resources *r = NULL;
	struct oci_process *p = NULL;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(oci_process_parse(process, strlen(process), &a, &p, &e), 0);
	assert_int_equal(p->user.uid, 3);
	assert_int_equal(oci_process_parse(wrong, strlen(wrong), &a, &p, &e), -EINVAL);
	assert_string_equal(e.msg, "process.cwd: expected a string, got 1");
	assert_int_equal(oci_resources_parse(limits, strlen(limits), &a, &r, &e), 0);
	assert_true(r->pids_limit.set && r->pids_limit.v == -1);
}

static void write_file(int dir, const char *name, const char *text)
{
	AUTO_FD int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void loads_only_regular_files_of_bounded_size(void **state)
{
	char name[] = "/tmp/test_oci_XXXXXX";
	struct oci_spec *s = NULL;
	struct err e = { 0 };
	AUTO_FD int dir = -EBADF;
	AUTO_FD int big = -EBADF;

	(void)state;
	assert_non_null(mkdtemp(name));
	dir = open(name, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	assert_true(dir >= 0);
	write_file(dir, "good", full_config);
	write_file(dir, "bad", "{\"process\":1}");
	write_file(dir, "empty", "");
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	assert_int_equal(mkdirat(dir, "dir", 0700), 0);
	big = openat(dir, "big", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(big, 64 << 20), 0);

	assert_int_equal(oci_spec_load(dir, "absent", &s, &e), -ENOENT);
	assert_string_equal(e.msg, "open \"absent\": no such file or directory");
	assert_int_equal(oci_spec_load(dir, "fifo", &s, &e), -EINVAL);
	assert_string_equal(e.msg, "\"fifo\": not a regular file");
	assert_int_equal(oci_spec_load(dir, "dir", &s, &e), -EINVAL);
	assert_int_equal(oci_spec_load(AT_FDCWD, "/dev/zero", &s, &e), -EINVAL);
	assert_int_equal(oci_spec_load(dir, "big", &s, &e), -E2BIG);
	assert_string_equal(e.msg, "\"big\": 67108864 bytes, the limit is 16777216");
	assert_int_equal(oci_spec_load(dir, "empty", &s, &e), -EINVAL);
	assert_string_equal(e.msg, "empty: no JSON: the text is empty");
	assert_int_equal(oci_spec_load(dir, "bad", &s, &e), -EINVAL);
	assert_string_equal(e.msg, "bad: process: expected an object, got 1");
	assert_null(s);
	assert_int_equal(oci_spec_load(dir, "good", &s, &e), 0);
	oci_spec_free(s);

	for (const char *const *f =
		     (const char *const[]){ "good", "bad", "empty", "fifo", "big", NULL };
	     *f; f++)
		assert_int_equal(unlinkat(dir, *f, 0), 0);
	assert_int_equal(unlinkat(dir, "dir", AT_REMOVEDIR), 0);
	assert_int_equal(rmdir(name), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_field_of_process),
		cmocka_unit_test(reads_root_mounts_hooks_and_annotations),
		cmocka_unit_test(reads_every_field_of_resources),
		cmocka_unit_test(reads_the_rest_of_linux),
		cmocka_unit_test(reads_every_field_of_seccomp),
		cmocka_unit_test(names_path_and_value_of_a_fault),
		cmocka_unit_test(null_means_absent_and_unknown_is_ignored),
		cmocka_unit_test(reads_what_annotations_say),
		cmocka_unit_test(remembers_other_platforms),
		cmocka_unit_test(limits_count_and_length),
		cmocka_unit_test(every_truncation_is_an_error),
		cmocka_unit_test(no_changed_byte_does_harm),
		cmocka_unit_test(parses_a_process_and_resources_alone),
		cmocka_unit_test(loads_only_regular_files_of_bounded_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
