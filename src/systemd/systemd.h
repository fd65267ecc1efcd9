/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

/*
 * cay-systemd: makes, feeds and stops a unit of systemd for a container; see main.c for the
 * command line. Every call has a time limit, every failure is one line on stderr.
 */

enum {
	CONNECT_MS = 10000,
	CALL_MS = 10000, /* one method call */
	JOB_MS = 30000,	 /* a job of systemd's from its start to its end */
	REQUEST_MAX_BYTES = 1 << 20,
};

/* Exit status when there was nobody to ask: nothing has been tried then. */
enum { EXIT_NO_BUS = 3 };

/** now_ms - CLOCK_MONOTONIC */
uint64_t now_ms(void);

/* A service manager to talk to. */
struct manager {
	sd_bus *bus;
	bool user; /* the user's, not the system's */
};

/**
 * manager_open - connect; the private socket serves where there is no bus
 * @ret: set only on success; manager_close
 *
 * Return: 0 or a negative code.
 */
int manager_open(bool user, struct manager *ret, struct err *e);
void manager_close(struct manager *m);

/**
 * manager_call - a method of org.freedesktop.systemd1.Manager
 * @call:  from manager_method; consumed
 * @what:  for the message: "start unit x.scope"
 * @reply: NULL: not wanted; else set only on success, caller unrefs
 *
 * Return: 0; -EEXIST unit exists; -ENOENT no such unit; another negative code.
 */
int manager_call(struct manager *m, sd_bus_message *call, const char *what, sd_bus_message **reply,
		 struct err *e);

/** manager_method - Return: 0 or a negative code; @ret is for manager_call */
int manager_method(struct manager *m, const char *method, sd_bus_message **ret, struct err *e);

/**
 * property_append - one line "NAME SIGNATURE VALUE" as a struct (sv) of an open array
 * @line: cut up in place
 *
 * Return: 0; -EINVAL for a line that is not of that form.
 */
int property_append(sd_bus_message *m, char *line, struct err *e);

/**
 * unit_start - a transient unit with the process in it; prints its control group
 * @properties: lines; cut up in place
 */
int unit_start(struct manager *m, const char *unit, pid_t pid, char *properties, struct err *e);

/** unit_set - change properties of a running unit, until it stops */
int unit_set(struct manager *m, const char *unit, char *properties, struct err *e);

/** unit_attach - move a process into a unit; Return: 0 or a negative code */
int unit_attach(struct manager *m, const char *unit, pid_t pid, struct err *e);

/** unit_stop - stop it and forget how it ended; Return: 0, also when there is none */
int unit_stop(struct manager *m, const char *unit, struct err *e);
