/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/arena.h"
#include "policy/policy.h"
#include "policy/policy_text.h"

#include <sys/mount.h>

/*
 * Between the files of policy/ only. A rule is a row of patterns and a question a row of values,
 * field by field, as the grammar of its kind (kinds.c) lays them out. So matching, rank, printing
 * and the reading of questions are one loop each, whatever the kind.
 */

/* What a mount gets whether asked for or not, unless its rule says "suid" or "dev". */
#define POLICY_FORCED ((unsigned long)(MS_NOSUID | MS_NODEV))

enum { POLICY_FIELDS = 4, POLICY_ARGS = 4, POLICY_CPUS = 8192, POLICY_MAX_FAULTS = 100 };

/* The fields of each kind. */
enum { FILE_PATH, FILE_UID, FILE_GID };	   /* READ WRITE EXEC: the path only */
enum { NET_PROTOCOL, NET_ADDR, NET_PORT }; /* CONNECT BIND */
enum { LOCAL_OP, LOCAL_NAME };		   /* UNIX */
enum { SOCKET_FAMILY, SOCKET_TYPE, SOCKET_PROTOCOL };
enum { MOUNT_FSTYPE, MOUNT_SOURCE, MOUNT_TARGET };
enum { MKNOD_TYPE, MKNOD_MAJOR, MKNOD_MINOR, MKNOD_PATH };
enum { SCHED_POLICY, SCHED_PRIORITY };
enum { XATTR_NAME, XATTR_PATH };
enum { VIEW_NAME };
enum { BPF_TYPE, BPF_CMD };
enum { SYSCALL_NAME };

enum match {
	MATCH_ANY,
	MATCH_UNSET,	/* what leaves this field alone */
	MATCH_TEXT,	/* exactly */
	MATCH_TYPE,	/* a file system, whatever its subtype: fuse is fuse.sshfs, too */
	MATCH_PREFIX,	/* @name*, user.* */
	MATCH_CHILDREN, /* dir/\* */
	MATCH_TREE,	/* dir/\** */
	MATCH_GROUP,	/* of system calls: @low */
	MATCH_RANGE,	/* low … high */
	MATCH_ADDR,
};

struct pattern {
	enum match match;
	uint32_t rank; /* how narrow; comparable within one field */
	const char *text;
	size_t len;
	uint32_t low, high;
	int family;
	uint32_t bits;
	uint8_t addr[16];
};

/* One field of a question. */
struct value {
	bool set;  /* false: the call leaves it alone */
	bool wild; /* a local address that stands for all of them */
	const char *text;
	size_t len;
	uint32_t number;
	int family;
	uint8_t addr[16];
};

/* An option of a mount that a rule lists. */
struct mount_option {
	const char *key;
	size_t len;
	struct pattern value;
};

struct rule {
	enum policy_verb verb;
	enum policy_kind kind;
	uint32_t line; /* index into lines */
	bool all;      /* "**": whatever it asks */
	struct pattern field[POLICY_FIELDS];

	/* Conditions and terms, of allow rules only. */
	unsigned long forced, granted, listed; /* MS_* */
	uint64_t size_bytes;
	bool sourced; /* says where it comes from, if only "from **" */
	bool shift;
	struct mount_option *options;
	size_t noptions;
	const unsigned char *cpus; /* bits of POLICY_CPUS; NULL: none granted */
};

enum policy_limit { POLICY_MEMORY, POLICY_PIDS, POLICY_TIME, POLICY_CPU, POLICY_LIMITS };

/* What `limit` lines say; 0: nothing. */
struct policy_limits {
	uint64_t memory_bytes, pids, time_ms, cpu_milli; /* 1000: one CPU */
};

struct policy {
	struct arena arena;
	bool allow;	    /* default */
	bool quiet_default; /* it was not written */
	struct policy_limits limits;
	struct policy_line *lines;
	size_t nlines;
	struct rule *rules; /* in the order of the file */
	size_t nrules;
	/* The same, to decide by: ends with NULL. */
	const struct rule **by[POLICY_KINDS][POLICY_VERBS];
};

/* A number that has a name. */
struct word {
	const char *name;
	uint32_t number;
};

enum arg_type {
	ARG_END,
	ARG_PATH,
	ARG_SOURCE, /* path, or what is none: "none", "host:/export" */
	ARG_NAME,   /* path, @abstract or @prefix* */
	ARG_LABEL,  /* text or prefix* */
	ARG_FSTYPE,
	ARG_CALL,
	ARG_WORD,     /* of a list; its number */
	ARG_PAIR,     /* NUMBER:NUMBER, two fields */
	ARG_ENDPOINT, /* ADDRESS:PORT, two fields */
	ARG_RANGE,    /* behind "KEY<=" or "KEY=" */
};

enum {
	ARG_OPTIONAL = 1,
	ARG_MANY = 2,
	ARG_ANY = 4,	/* "*" */
	ARG_NUMBER = 8, /* its number will do */
	ARG_UNSET = 16, /* "-": left alone */
};

struct arg {
	enum arg_type type;
	unsigned int flags;
	unsigned int field;	  /* the first it fills */
	const char *keyword;	  /* stands in front of it */
	const struct word *words; /* ARG_WORD; NULL: see words_protocols */
	const char *what;
	uint32_t max; /* ARG_PAIR: of the first number */
	uint32_t max2;
};

struct kind {
	const char *name, *usage;
	struct arg args[POLICY_ARGS + 1];
};

/** kind_of - the grammar of a kind */
const struct kind *kind_of(enum policy_kind kind);

/** words_find - the number of a name; Return: false: not in the list */
bool words_find(const struct word *list, const char *s, size_t len, uint32_t *ret);
/** words_name - the name of a number; NULL: none */
const char *words_name(const struct word *list, uint32_t number);
/** words_protocols - protocols of a family of sockets; NULL: they have no names here */
const struct word *words_protocols(int family);

extern const struct word words_flags[];	  /* flags of mounts that only take away: anybody may ask */
extern const struct word words_listed[];  /* the others: options of a rule must name them */
extern const struct word words_granted[]; /* take a forced flag back: suid, dev */

/** fs_has_no_source - a file system that reads no device and no directory that it is given */
bool fs_has_no_source(const char *fstype);

/** group_find - index of a group of system calls by its name without "@"; -1: none */
int group_find(const char *s, size_t len);
const char *group_name(uint32_t group);
bool group_has(uint32_t group, const char *call);

/** path_is_plain - absolute, no empty, "." or ".." component, no "/" at its end unless it is "/" */
bool path_is_plain(const char *path);

/**
 * ask_values - lay a question out in fields, as asked
 *
 * Return: false: it makes no sense (a NULL, a path that is not plain, an unknown kind); the
 * fields that could be had are set all the same.
 */
bool ask_values(const struct policy_ask *ask, struct value v[POLICY_FIELDS]);

/** ask_plain_socket - the values of a socket as the kernel understands them */
void ask_plain_socket(struct value v[POLICY_FIELDS]);

/** pattern_match - @lenient: for an allow rule, which a field that is left alone doesn't trouble */
bool pattern_match(const struct pattern *p, const struct value *v, bool lenient);

/** parse_number - decimal, the whole of @s; Return: false: it is none, or over @max */
bool parse_number(const char *s, size_t len, uint64_t max, uint64_t *ret);
/** parse_bytes - a number and K, M, G or T */
bool parse_bytes(const char *s, size_t len, uint64_t *ret);

/** print_values - kind and values back to words */
void print_values(enum policy_kind kind, const struct value v[POLICY_FIELDS], struct buf *out);
/** print_text - escaped, so that it is one word of the language */
void print_text(struct buf *out, const char *s, size_t len);
/** print_flags - names of those @flags that are in @list; Return: the rest */
unsigned long print_flags(struct buf *out, const struct word *list, unsigned long flags,
			  const char *first, const char *next);
