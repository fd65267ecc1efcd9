/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * The step vocabulary: everything a launch plan can say. A step is a record of
 * fixed size; its texts are references into the plan's pool, so a plan in memory
 * is already its wire form and the islander uses it in place, after one check.
 */

/* When a step runs, and which program runs it. */
enum phase {
	PHASE_HOST,   /* planner, before the clone; steps have an undo */
	PHASE_CLONE,  /* planner: the clone itself */
	PHASE_MAP,    /* planner, while the islander waits in its first SYNC */
	PHASE_HOOKS,  /* planner, while the islander waits before the pivot */
	PHASE_COMMIT, /* planner, while the islander waits fully prepared */
	PHASE_INIT,   /* islander: builds the inside */
	PHASE_ENTER,  /* islander, behind the gate: gives up power and becomes the program */
	PHASE_PLACE,  /* planner, at the islander's first SYNC of all: cgroups it must live for */
	PHASE_COUNT
};

/*
 * Text in the pool. Three shapes, told by the descriptor table:
 * STR: @len bytes and a NUL, none inside. BLOB: @len bytes, 8-aligned.
 * LIST: an 8-aligned array of @len pool offsets and a zero, which plan_check turns
 * into pointers: what execve wants. All zero: absent.
 */
struct ref {
	uint32_t off, len;
};

/* A slot number names an fd that the planner opens and both programs may use. */
#define SLOT_NONE 0xffffffffU

/* clang-format off: one line a kind, its meaning in a column */
enum step_kind {
	STEP_NONE,
	/* PHASE_HOST */
	STEP_OPEN_TREE,	     /* tree:   path → detached mount tree in slot */
	STEP_OPEN_IDMAP,     /* tree:   user namespace with its maps → slot */
	STEP_OPEN_NODE,	     /* node:   device node as a detached mount → slot */
	STEP_OPEN_NS,	     /* ns:     namespace file → slot */
	STEP_OPEN_PIDFD,     /* pidfd:  process → slot */
	STEP_OPEN_ROOT,	     /* pidfd:  root directory of a process → slot */
	STEP_CONNECT,	     /* sock:   console socket → slot */
	STEP_LISTEN,	     /* sock:   gate socket → slot */
	STEP_OPEN_LOG,	     /* sock:   file to append to → slot */
	STEP_HOLD,	     /* hold:   a file of ours → slot */
	STEP_CGROUP_MAKE,    /* cgroup: and open it as OPEN does, if it has a slot */
	STEP_CGROUP_SET,     /* cgroup: write value to dir/file */
	STEP_CGROUP_DEVICES, /* cgroup: attach the BPF device program in value */
	STEP_CGROUP_OPEN,    /* cgroup: v1 tasks file or v2 directory → slot */
	STEP_CGROUP_CHECK,   /* cgroup: refuse value when what dir/file tells has reached it */
	STEP_RDT_GROUP,	     /* rdt:    make or check a resctrl group */
	/* PHASE_CLONE */
	STEP_CLONE, /* clone */
	/* PHASE_PLACE */
	STEP_SCOPE_START,  /* scope:  systemd makes the unit round the islander */
	STEP_SCOPE_ATTACH, /* scope:  systemd moves an islander that could not be born inside */
	/* PHASE_MAP */
	STEP_MAP_IDS, /* idmap */
	/* PHASE_HOOKS */
	STEP_NET_DEVICE, /* netdev: move a host interface inside; has an undo */
	/* PHASE_COMMIT */
	STEP_RLIMIT,	  /* rlimit */
	STEP_RDT_ENTER,	  /* rdt:    put the islander into the group dir */
	STEP_AFFINITY,	  /* affinity: of the islander; in PHASE_HOST of the planner itself */
	STEP_SCHEDULER,	  /* sched */
	STEP_IO_PRIORITY, /* num:    class and priority as ioprio_set takes them */
	STEP_PIDFD_SEND,  /* pair:   name; the socket that gets the process's pidfd under it */
	/* PHASE_INIT, islander */
	STEP_CGROUP_ENTER,  /* cgroup: v1: enter dir by the tasks file in slot; PLACE: be moved */
	STEP_OOM_SCORE,	    /* num:    value */
	STEP_PRIVATE,	    /* none:   not dumpable, not traceable by equals */
	STEP_SYNC,	    /* num:    phase the planner runs meanwhile */
	STEP_SETNS,	    /* setns */
	STEP_UNSHARE,	    /* num:    CLONE_NEW* flags */
	STEP_BECOME_ROOT,   /* none:   uid and gid 0 of the new user namespace */
	STEP_TIME_OFFSETS,  /* str:    text for timens_offsets */
	STEP_LOOPBACK,	    /* none:   up, in the new network namespace */
	STEP_FORK,	    /* none:   second birth, inside the new or joined pid namespace */
	STEP_SESSION,	    /* none:   setsid */
	STEP_KEYRING,	    /* str:    name of the new session keyring */
	STEP_ROOT,	    /* root */
	STEP_MOUNT,	    /* mount:  new file system */
	STEP_BIND,	    /* mount:  host tree or path */
	STEP_REMOUNT,	    /* mount:  attributes or propagation of an existing target */
	STEP_UNMOUNT,	    /* str:    path in the root, what lies on top there goes */
	STEP_SYMLINK,	    /* link */
	STEP_DEVICE,	    /* device */
	STEP_MASK,	    /* str:    path in the root */
	STEP_READONLY,	    /* str:    path in the root */
	STEP_CONSOLE,	    /* console */
	STEP_SYSCTL,	    /* pair:   path below /proc/sys, value */
	STEP_HOSTNAME,	    /* str */
	STEP_DOMAINNAME,    /* str */
	STEP_HIDE,	    /* str:    path on the host, no_pivot: what is mounted there goes */
	STEP_PIVOT,	    /* num:    enum mnt_pivot */
	STEP_CHDIR_ROOT,    /* none:   exec: confirm root and cwd after joining */
	STEP_WORKDIR,	    /* workdir: make it when missing, enter it */
	STEP_LOOKUP,	    /* exec:   resolve and check the program, as its user */
	STEP_PERSONALITY,   /* num:    PER_* */
	STEP_MEMORY_POLICY, /* mempolicy */
	STEP_LABEL_OPEN,    /* label:  hold one of our own attributes in /proc open */
	/* both islander phases */
	STEP_HOOK,  /* hook */
	STEP_GATE,  /* gate */
	STEP_LABEL, /* label:  write the attribute held open */
	/* PHASE_ENTER */
	STEP_GROUPS,	   /* groups */
	STEP_BOUNDING,	   /* caps:   only the bounding set */
	STEP_USER,	   /* user */
	STEP_CAPS,	   /* caps:   the other four sets */
	STEP_NO_NEW_PRIVS, /* none */
	STEP_SECCOMP,	   /* seccomp */
	STEP_EXEC,	   /* exec */
	STEP_LET_GO, /* letgo:  exec, before it is seen inside: close what isn't needed there */
	STEP_LEAVE,  /* none:   in place of EXEC: nothing was to be run */
	STEP_KIND_COUNT
};
/* clang-format on */

enum mount_flag {
	MOUNT_RECURSIVE = 1 << 0,    /* rbind */
	MOUNT_TMPCOPYUP = 1 << 1,    /* copy what lay below the target into the new tmpfs */
	MOUNT_NO_SYMLINKS = 1 << 2,  /* target may hold no symlink at all: /proc, /sys, /dev */
	MOUNT_REMOUNT_SB = 1 << 3,   /* remount: reconfigure the super block too */
	MOUNT_SRC_NOFOLLOW = 1 << 4, /* copy-symlink / do not follow the last link of source */
	MOUNT_SRC_IN_ROOT = 1 << 5,  /* bind source is a path in the root, not on the host */
	MOUNT_OPTIONAL = 1 << 6,     /* source absent: skip (masked paths style) */
	MOUNT_SKIP_EPERM = 1 << 7,   /* rootless: a refusal by the kernel is not fatal */
	MOUNT_COPY_SYMLINK = 1 << 8, /* a source that is a symlink is made again at the target */
	MOUNT_DST_NOFOLLOW = 1 << 9, /* a target that is a symlink is mounted over itself */
	MOUNT_IDMAP_BELOW = 1 << 10, /* id-mapped by the slot: with all mounts below it */
	MOUNT_IDMAP_ASK = 1 << 11,   /* id-mapped by the planner, since the islander may not */
};

struct step {
	uint16_t kind;	 /* enum step_kind */
	uint8_t phase;	 /* enum phase */
	uint8_t flags;	 /* unused, zero */
	uint32_t origin; /* where in config.json, e.g. index of mounts[]; for messages */
	union {
		struct {
			struct ref path;
			struct ref uid_map, gid_map; /* idmapped: text of the maps; absent: none */
			uint32_t userns; /* idmapped like this one; SLOT_NONE: by the text */
			uint32_t slot;
			uint32_t recursive;
			uint32_t idmap_recursive;
			uint32_t nofollow;
			uint32_t propagation; /* MS_*, set on the whole clone; 0: keep */
		} tree;
		struct {
			struct ref
				path; /* the host's node of that name, when it is the same device */
			struct ref dir; /* else one is made in there, the name of its own */
			uint32_t mode, major, minor, uid, gid; /* ids of the host */
			uint32_t slot;
		} node;
		struct {
			struct ref path;
			uint32_t type; /* CLONE_NEW* */
			uint32_t slot;
		} ns;
		struct {
			uint64_t start_time; /* clock ticks since boot; 0: not checked */
			uint32_t pid;
			uint32_t slot;
		} pidfd;
		struct {
			struct ref path;
			uint32_t slot;
		} sock;
		struct {
			struct ref dir, file, value;
			uint32_t slot;	   /* of OPEN and ENTER */
			uint32_t optional; /* a refusal is reported by --debug only */
			uint32_t v2;
		} cgroup;
		struct {
			struct ref unit;
			struct ref properties; /* START: lines of "NAME SIGNATURE VALUE" */
			struct ref path; /* START: where in its hierarchy the unit must end up */
			uint32_t user;	 /* the user's service manager, not the system's */
		} scope;
		struct {
			uint64_t flags; /* CLONE_NEW* */
			uint32_t cgroup_slot;
		} clone;
		struct {
			struct ref uid_map, gid_map;
			uint32_t helpers;	 /* use newuidmap and newgidmap */
			uint32_t deny_setgroups; /* first write "deny" */
		} idmap;
		struct {
			uint64_t soft, hard;
			uint32_t resource;
			uint32_t lower; /* refuse what is above the hard limit of now */
		} rlimit;
		struct {
			uint32_t fd; /* open in the planner, which keeps it, too */
			uint32_t slot;
		} hold;
		struct {
			uint32_t slot;	/* the listening socket */
			uint32_t leash; /* at whose end the islander ends; SLOT_NONE: none */
		} gate;
		struct {
			int64_t value;
		} num;
		struct {
			uint32_t slot;
			uint32_t flags; /* CLONE_NEW*: all that a pidfd joins, or the one of an ns fd */
		} setns;
		struct {
			struct ref path; /* host path, also where the tree is attached */
			uint32_t slot;	 /* or a detached tree opened by the planner */
			uint32_t no_pivot;
			uint64_t propagation; /* MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE; 0: slave */
		} root;
		struct {
			struct ref fstype; /* of MOUNT */
			struct ref source, target;
			struct ref options;	       /* LIST of key or key=value for fsconfig */
			uint64_t attr_set, attr_clr;   /* MOUNT_ATTR_*: this mount */
			uint64_t rattr_set, rattr_clr; /* and below it */
			uint32_t propagation, rpropagation; /* MS_*; 0: keep */
			/* of BIND: tree opened by the planner; SRC_IN_ROOT: the user namespace to map by */
			uint32_t slot;
			uint32_t flags; /* enum mount_flag */
		} mount;
		struct {
			struct ref target, path;
		} link;
		struct {
			struct ref path;
			uint32_t mode; /* S_IFCHR, S_IFBLK or S_IFIFO and permissions */
			uint32_t major, minor, uid, gid;
			uint32_t bind; /* the host's node of the same path; 2: read-only, 0: mknod */
			uint32_t slot; /* of what is bound instead; SLOT_NONE: none */
		} device;
		struct {
			uint32_t slot; /* console socket; SLOT_NONE: send to the planner */
			uint32_t rows, cols;
			uint32_t uid;	/* owner of the terminal's inner end */
			uint32_t mount; /* bind it on /dev/console */
		} console;
		struct {
			struct ref key, value;
		} pair;
		struct {
			struct ref path;
			uint32_t make; /* 1: mkdir -p when missing */
		} workdir;
		struct {
			struct ref path;       /* the file to run */
			struct ref argv, envp; /* LIST */
			struct ref head, tail; /* state on stdin: head, pid in decimal, tail */
			uint32_t home;	       /* 1: as in exec */
			uint32_t timeout_s;    /* 0: none */
			uint32_t which;	       /* enum oci_hook_kind, for messages */
			uint32_t index;
			uint32_t out, err; /* slots of the files that get what it says */
		} hook;
		struct {
			struct ref gids; /* BLOB of uint32_t */
			uint32_t may_deny; /* none are wanted: where they can't be given up they stay */
		} groups;
		struct {
			uint32_t uid, gid;
			uint32_t umask; /* 0xffffffff: keep */
		} user;
		struct {
			uint64_t bounding, effective, permitted, inheritable, ambient;
		} caps;
		struct {
			struct ref filter; /* BLOB of struct sock_filter */
			struct ref
				listener; /* path of the agent's socket; absent: no notifications */
			/* What the agent is told: head, pid, mid, pid of the process, tail. */
			struct ref head, mid, tail;
			uint32_t flags;	    /* SECCOMP_FILTER_FLAG_* */
			uint32_t state_pid; /* the container's first process; 0: this one */
		} seccomp;
		struct {
			uint64_t flags; /* SCHED_FLAG_* */
			uint64_t runtime_ns, deadline_ns, period_ns;
			int64_t nice;
			uint32_t policy; /* SCHED_* */
			uint32_t priority;
		} sched;
		struct {
			struct ref cpus;  /* BLOB: bit mask for sched_setaffinity */
			uint32_t whole;	  /* each of them must be there for the process */
			struct ref field; /* what messages call it; absent: nobody asked for it */
		} affinity;
		struct {
			struct ref nodes; /* BLOB: bit mask for set_mempolicy; absent: none */
			uint32_t mode;	  /* MPOL_* with MPOL_F_* */
		} mempolicy;
		struct {
			struct ref name;  /* on the host */
			struct ref inner; /* inside */
		} netdev;
		struct {
			struct ref dir;
			struct ref schemata; /* lines, each ended by a newline; absent: none */
			struct ref monitor;  /* words that info/L3_MON/mon_features must hold */
			uint32_t make;	     /* enum rdt_make */
		} rdt;
		struct {
			struct ref files; /* OPEN: LIST below /proc, the first that exists */
			struct ref value; /* LABEL: written as it is; "" takes a label back */
			uint32_t lsm;	  /* enum lsm_kind */
		} label;
		struct {
			struct ref argv, envp; /* LIST */
			struct ref path;       /* value of PATH, for the look-up */
			uint32_t uid, gid;     /* LOOKUP: whose right to execute is checked */
			uint32_t overrides;    /* LOOKUP: it has CAP_DAC_OVERRIDE */
			uint32_t home; /* LOOKUP: find the user's; EXEC: it takes the last env entry's place */
		} exec;
		struct {
			uint32_t slot; /* kept: the console socket; SLOT_NONE: none */
			uint32_t proc; /* the procfs handle is kept for a label */
		} letgo;
		struct {
			struct ref text;
		} str;
		uint8_t raw[96];
	} u;
};

/* Field shapes of the descriptor table. */
enum field_type {
	FIELD_END,
	FIELD_STR,
	FIELD_LIST,
	FIELD_BLOB,
	FIELD_U32,
	FIELD_OPT32, /* a switch or count that zero turns off: printed when set */
	FIELD_HEX32, /* flags: printed in hexadecimal when set */
	FIELD_I64,
	FIELD_U64,
	FIELD_OCT32, /* printed in octal */
	FIELD_HEX64, /* the same, 64 bits */
	FIELD_SLOT,
};

struct step_field {
#ifndef CAY_ISLANDER /* which prints no plan */
	const char *name;
#endif
	uint8_t type;	/* enum field_type */
	uint8_t offset; /* in struct step */
};

struct step_desc {
	const char *name;		 /* "mount-fs" */
	const struct step_field *fields; /* ends with FIELD_END */
};

/** step_describe - the row of @kind; never NULL: unknown kinds get the row of STEP_NONE */
const struct step_desc *step_describe(unsigned int kind);

/** phase_name - "host", "clone"… */
const char *phase_name(unsigned int phase);
