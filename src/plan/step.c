/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/step.h"

#include "base/auto.h"

/* clang-format off: tables */
#ifdef CAY_ISLANDER
#define NAME(word)
#else
#define NAME(word) .name = word,
#endif
#define F(kind, member, word)                                                                      \
	{                                                                                          \
		NAME(word).type = FIELD_##kind, .offset = offsetof(struct step, u.member)          \
	}
#define FIELDS(...)                                                                                \
	(const struct step_field[])                                                                \
	{                                                                                          \
		__VA_ARGS__,                                                                       \
		{                                                                                  \
			.type = FIELD_END                                                          \
		}                                                                                  \
	}
#define NO_FIELDS ((const struct step_field[]){ { .type = FIELD_END } })

#define CGROUP_FIELDS                                                                              \
	FIELDS(F(STR, cgroup.dir, "dir"), F(STR, cgroup.file, "file"),                             \
	       F(STR, cgroup.value, "value"), F(SLOT, cgroup.slot, "slot"),                        \
	       F(OPT32, cgroup.optional, "optional"), F(OPT32, cgroup.v2, "v2"))
#define MOUNT_FIELDS                                                                               \
	FIELDS(F(STR, mount.fstype, "type"), F(STR, mount.source, "source"),                       \
	       F(STR, mount.target, "target"), F(LIST, mount.options, "options"),                  \
	       F(HEX64, mount.attr_set, "set"), F(HEX64, mount.attr_clr, "clear"),                 \
	       F(HEX64, mount.rattr_set, "rset"), F(HEX64, mount.rattr_clr, "rclear"),             \
	       F(HEX32, mount.propagation, "propagation"),                                         \
	       F(HEX32, mount.rpropagation, "rpropagation"), F(SLOT, mount.slot, "slot"),          \
	       F(HEX32, mount.flags, "flags"))
#define TEXT_FIELD(name) FIELDS(F(STR, str.text, name))
#define NUM_FIELD(name) FIELDS(F(I64, num.value, name))
#define EXEC_FIELDS                                                                                \
	FIELDS(F(LIST, exec.argv, "argv"), F(LIST, exec.envp, "env"), F(STR, exec.path, "path"),   \
	       F(U32, exec.uid, "uid"), F(U32, exec.gid, "gid"),                                   \
	       F(OPT32, exec.overrides, "overrides"), F(OPT32, exec.home, "home"))

static const struct step_desc descs[STEP_KIND_COUNT] = {
	[STEP_NONE] = { "none", NO_FIELDS },
	[STEP_OPEN_TREE] = { "open-tree",
			     FIELDS(F(STR, tree.path, "path"), F(STR, tree.uid_map, "uid-map"),
				    F(STR, tree.gid_map, "gid-map"), F(SLOT, tree.userns, "userns"),
				    F(SLOT, tree.slot, "slot"),
				    F(OPT32, tree.recursive, "recursive"),
				    F(OPT32, tree.idmap_recursive, "idmap-recursive"),
				    F(OPT32, tree.nofollow, "nofollow"),
				    F(HEX32, tree.propagation, "propagation")) },
	[STEP_OPEN_IDMAP] = { "open-idmap",
			      FIELDS(F(STR, tree.uid_map, "uid-map"),
				     F(STR, tree.gid_map, "gid-map"), F(SLOT, tree.slot, "slot")) },
	[STEP_OPEN_NODE] = { "open-node",
			     FIELDS(F(STR, node.path, "path"), F(STR, node.dir, "dir"),
				    F(OCT32, node.mode, "mode"), F(U32, node.major, "major"),
				    F(U32, node.minor, "minor"), F(U32, node.uid, "uid"),
				    F(U32, node.gid, "gid"), F(SLOT, node.slot, "slot")) },
	[STEP_OPEN_NS] = { "open-ns", FIELDS(F(STR, ns.path, "path"), F(HEX32, ns.type, "type"),
					     F(SLOT, ns.slot, "slot")) },
	[STEP_OPEN_PIDFD] = { "open-pidfd",
			      FIELDS(F(U64, pidfd.start_time, "start-time"),
				     F(U32, pidfd.pid, "pid"), F(SLOT, pidfd.slot, "slot")) },
	[STEP_OPEN_ROOT] = { "open-root",
			     FIELDS(F(U64, pidfd.start_time, "start-time"),
				    F(U32, pidfd.pid, "pid"), F(SLOT, pidfd.slot, "slot")) },
	[STEP_CONNECT] = { "connect",
			   FIELDS(F(STR, sock.path, "path"), F(SLOT, sock.slot, "slot")) },
	[STEP_HOLD] = { "hold", FIELDS(F(U32, hold.fd, "fd"), F(SLOT, hold.slot, "slot")) },
	[STEP_LISTEN] = { "listen", FIELDS(F(STR, sock.path, "path"), F(SLOT, sock.slot, "slot")) },
	[STEP_OPEN_LOG] = { "open-log",
			    FIELDS(F(STR, sock.path, "path"), F(SLOT, sock.slot, "slot")) },
	[STEP_CGROUP_MAKE] = { "cgroup-make", CGROUP_FIELDS },
	[STEP_CGROUP_SET] = { "cgroup-set", CGROUP_FIELDS },
	[STEP_CGROUP_DEVICES] = { "cgroup-devices", FIELDS(F(STR, cgroup.dir, "dir"),
							   F(BLOB, cgroup.value, "program")) },
	[STEP_SCOPE_START] = { "scope-start",
			       FIELDS(F(STR, scope.unit, "unit"), F(STR, scope.path, "path"),
				      F(STR, scope.properties, "properties"),
				      F(U32, scope.user, "user")) },
	[STEP_SCOPE_ATTACH] = { "scope-attach",
				FIELDS(F(STR, scope.unit, "unit"), F(U32, scope.user, "user")) },
	[STEP_CLONE] = { "clone", FIELDS(F(HEX64, clone.flags, "flags"),
					 F(SLOT, clone.cgroup_slot, "cgroup-slot")) },
	[STEP_MAP_IDS] = { "map-ids", FIELDS(F(STR, idmap.uid_map, "uid-map"),
					     F(STR, idmap.gid_map, "gid-map"),
					     F(OPT32, idmap.helpers, "helpers"),
					     F(OPT32, idmap.deny_setgroups, "deny-setgroups")) },
	[STEP_CGROUP_OPEN] = { "cgroup-open", CGROUP_FIELDS },
	[STEP_CGROUP_CHECK] = { "cgroup-check",
				FIELDS(F(STR, cgroup.dir, "dir"), F(STR, cgroup.file, "file"),
				       F(STR, cgroup.value, "value")) },
	[STEP_RDT_GROUP] = { "rdt-group",
			     FIELDS(F(STR, rdt.dir, "dir"), F(STR, rdt.schemata, "schemata"),
				    F(STR, rdt.monitor, "monitor"), F(U32, rdt.make, "make")) },
	[STEP_RDT_ENTER] = { "rdt-enter", FIELDS(F(STR, rdt.dir, "dir")) },
	[STEP_NET_DEVICE] = { "net-device",
			      FIELDS(F(STR, netdev.name, "name"), F(STR, netdev.inner, "inner")) },
	[STEP_AFFINITY] = { "affinity", FIELDS(F(BLOB, affinity.cpus, "cpus"),
					       F(OPT32, affinity.whole, "whole"),
					       F(STR, affinity.field, "field")) },
	[STEP_SCHEDULER] = { "scheduler",
			     FIELDS(F(U32, sched.policy, "policy"), F(I64, sched.nice, "nice"),
				    F(U32, sched.priority, "priority"),
				    F(HEX64, sched.flags, "flags"),
				    F(U64, sched.runtime_ns, "runtime"),
				    F(U64, sched.deadline_ns, "deadline"),
				    F(U64, sched.period_ns, "period")) },
	[STEP_IO_PRIORITY] = { "io-priority", NUM_FIELD("value") },
	[STEP_PIDFD_SEND] = { "pidfd-send",
			      FIELDS(F(STR, pair.key, "name"), F(STR, pair.value, "socket")) },
	[STEP_PERSONALITY] = { "personality", NUM_FIELD("value") },
	[STEP_MEMORY_POLICY] = { "memory-policy", FIELDS(F(U32, mempolicy.mode, "mode"),
							 F(BLOB, mempolicy.nodes, "nodes")) },
	[STEP_LABEL_OPEN] = { "label-open",
			      FIELDS(F(LIST, label.files, "files"), F(U32, label.lsm, "lsm")) },
	[STEP_LABEL] = { "label", FIELDS(F(STR, label.value, "value"), F(U32, label.lsm, "lsm")) },
	[STEP_CGROUP_ENTER] = { "cgroup-enter", CGROUP_FIELDS },
	[STEP_OOM_SCORE] = { "oom-score", NUM_FIELD("value") },
	[STEP_RLIMIT] = { "rlimit",
			  FIELDS(F(U32, rlimit.resource, "resource"), F(U64, rlimit.soft, "soft"),
				 F(U64, rlimit.hard, "hard"), F(OPT32, rlimit.lower, "lower")) },
	[STEP_PRIVATE] = { "private", NO_FIELDS },
	[STEP_SYNC] = { "sync", NUM_FIELD("runs") },
	[STEP_SETNS] = { "setns",
			 FIELDS(F(SLOT, setns.slot, "slot"), F(HEX32, setns.flags, "flags")) },
	[STEP_UNSHARE] = { "unshare", FIELDS(F(HEX64, num.value, "flags")) },
	[STEP_BECOME_ROOT] = { "become-root", NO_FIELDS },
	[STEP_TIME_OFFSETS] = { "time-offsets", TEXT_FIELD("offsets") },
	[STEP_LOOPBACK] = { "loopback", NO_FIELDS },
	[STEP_FORK] = { "fork", NO_FIELDS },
	[STEP_SESSION] = { "session", NO_FIELDS },
	[STEP_KEYRING] = { "keyring", TEXT_FIELD("name") },
	[STEP_ROOT] = { "root", FIELDS(F(STR, root.path, "path"), F(SLOT, root.slot, "slot"),
				       F(OPT32, root.no_pivot, "no-pivot"),
				       F(HEX64, root.propagation, "propagation")) },
	[STEP_MOUNT] = { "mount", MOUNT_FIELDS },
	[STEP_BIND] = { "bind", MOUNT_FIELDS },
	[STEP_REMOUNT] = { "remount", MOUNT_FIELDS },
	[STEP_UNMOUNT] = { "unmount", TEXT_FIELD("path") },
	[STEP_HIDE] = { "hide", TEXT_FIELD("path") },
	[STEP_SYMLINK] = { "symlink",
			   FIELDS(F(STR, link.target, "target"), F(STR, link.path, "path")) },
	[STEP_DEVICE] = { "device",
			  FIELDS(F(STR, device.path, "path"), F(OCT32, device.mode, "mode"),
				 F(U32, device.major, "major"), F(U32, device.minor, "minor"),
				 F(U32, device.uid, "uid"), F(U32, device.gid, "gid"),
				 F(OPT32, device.bind, "bind"), F(SLOT, device.slot, "slot")) },
	[STEP_MASK] = { "mask", TEXT_FIELD("path") },
	[STEP_READONLY] = { "readonly", TEXT_FIELD("path") },
	[STEP_CONSOLE] = { "console",
			   FIELDS(F(SLOT, console.slot, "slot"), F(OPT32, console.rows, "rows"),
				  F(OPT32, console.cols, "cols"), F(U32, console.uid, "uid"),
				  F(OPT32, console.mount, "mount")) },
	[STEP_SYSCTL] = { "sysctl", FIELDS(F(STR, pair.key, "key"), F(STR, pair.value, "value")) },
	[STEP_HOSTNAME] = { "hostname", TEXT_FIELD("name") },
	[STEP_DOMAINNAME] = { "domainname", TEXT_FIELD("name") },
	[STEP_PIVOT] = { "pivot", NUM_FIELD("pivot") },
	[STEP_CHDIR_ROOT] = { "chdir-root", NO_FIELDS },
	[STEP_WORKDIR] = { "workdir",
			   FIELDS(F(STR, workdir.path, "path"), F(OPT32, workdir.make, "make")) },
	[STEP_LOOKUP] = { "lookup", EXEC_FIELDS },
	[STEP_HOOK] = { "hook", FIELDS(F(STR, hook.path, "path"), F(LIST, hook.argv, "argv"),
				       F(LIST, hook.envp, "env"), F(OPT32, hook.home, "home"),
				       F(STR, hook.head, "head"), F(STR, hook.tail, "tail"),
				       F(OPT32, hook.timeout_s, "timeout"),
				       F(U32, hook.which, "which"), F(U32, hook.index, "index"),
				       F(SLOT, hook.out, "out"), F(SLOT, hook.err, "err")) },
	[STEP_GATE] = { "gate", FIELDS(F(SLOT, gate.slot, "slot"), F(SLOT, gate.leash, "leash")) },
	[STEP_GROUPS] = { "groups", FIELDS(F(BLOB, groups.gids, "gids"),
					   F(OPT32, groups.may_deny, "may-deny")) },
	[STEP_BOUNDING] = { "bounding", FIELDS(F(HEX64, caps.bounding, "bounding")) },
	[STEP_USER] = { "user", FIELDS(F(U32, user.uid, "uid"), F(U32, user.gid, "gid"),
				       F(OCT32, user.umask, "umask")) },
	[STEP_CAPS] = { "caps", FIELDS(F(HEX64, caps.effective, "effective"),
				       F(HEX64, caps.permitted, "permitted"),
				       F(HEX64, caps.inheritable, "inheritable"),
				       F(HEX64, caps.ambient, "ambient")) },
	[STEP_NO_NEW_PRIVS] = { "no-new-privs", NO_FIELDS },
	[STEP_SECCOMP] = { "seccomp",
			   FIELDS(F(BLOB, seccomp.filter, "filter"),
				  F(HEX32, seccomp.flags, "flags"),
				  F(STR, seccomp.listener, "listener"),
				  F(STR, seccomp.head, "head"), F(STR, seccomp.mid, "mid"),
				  F(STR, seccomp.tail, "tail"),
				  F(U32, seccomp.state_pid, "state-pid")) },
	[STEP_EXEC] = { "exec", EXEC_FIELDS },
	[STEP_LET_GO] = { "let-go",
			  FIELDS(F(SLOT, letgo.slot, "slot"), F(OPT32, letgo.proc, "proc")) },
	[STEP_LEAVE] = { "leave", NO_FIELDS },
};

/* clang-format on */

const struct step_desc *step_describe(unsigned int kind)
{
	return &descs[kind < STEP_KIND_COUNT ? kind : STEP_NONE];
}

const char *phase_name(unsigned int phase)
{
	static const char *const names[PHASE_COUNT] = {
		[PHASE_HOST] = "host",	 [PHASE_CLONE] = "clone",   [PHASE_MAP] = "map",
		[PHASE_HOOKS] = "hooks", [PHASE_COMMIT] = "commit", [PHASE_INIT] = "init",
		[PHASE_ENTER] = "enter", [PHASE_PLACE] = "place",
	};

	return phase < PHASE_COUNT ? names[phase] : "?";
}
