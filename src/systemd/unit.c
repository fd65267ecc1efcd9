/* SPDX-License-Identifier: Apache-2.0 */
#include "systemd/systemd.h"

#include "base/parse.h"

#include <stdio.h>
#include <string.h>

/* ---- Jobs: systemd answers at once with a job, and tells later how it went ----------------- */

struct job {
	char path[256];	    /* of the one we wait for; "": not known yet */
	char done[16][256]; /* ended before we knew which is ours */
	char results[16][32];
	size_t count;
};

static int on_job_removed(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	const char *path, *unit, *result;
	struct job *j = arg;
	uint32_t id;

	(void)error;
	if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) < 0)
		return 0;
	if (j->path[0] && !str_eq(j->path, path))
		return 0;
	if (j->count == ARRAY_LEN(j->done))
		j->count = 0;
	(void)snprintf(j->done[j->count], sizeof(j->done[0]), "%s", path);
	(void)snprintf(j->results[j->count], sizeof(j->results[0]), "%s", result);
	j->count++;
	return 0;
}

static const char *result_of(const struct job *j)
{
	for (size_t i = 0; i < j->count; i++)
		if (str_eq(j->done[i], j->path))
			return j->results[i];
	return NULL;
}

/* Before the call that makes the job: its end may come before its answer. */
static int job_watch(struct manager *m, struct job *j, sd_bus_slot **ret, struct err *e)
{
	sd_bus_message *call = NULL;
	int r = sd_bus_match_signal(m->bus, ret, NULL, "/org/freedesktop/systemd1",
				    "org.freedesktop.systemd1.Manager", "JobRemoved",
				    on_job_removed, j);

	if (r < 0)
		return err_sys(e, r, "systemd: watch jobs");
	r = manager_method(m, "Subscribe", &call, e);
	return r < 0 ? r : manager_call(m, call, "subscribe", NULL, e);
}

static int job_wait(struct manager *m, struct job *j, const char *what, struct err *e)
{
	uint64_t end = now_ms() + JOB_MS;
	const char *result;
	int r;

	while (!(result = result_of(j))) {
		uint64_t now = now_ms();

		r = sd_bus_process(m->bus, NULL);
		if (r == 0)
			r = now >= end ? -ETIMEDOUT : sd_bus_wait(m->bus, (end - now) * 1000);
		if (r == -ETIMEDOUT || (r >= 0 && now >= end))
			return err_set(e, ETIMEDOUT, "systemd: %s: not done after %d s", what,
				       JOB_MS / 1000);
		if (r < 0 && r != -EINTR)
			return err_sys(e, r, "systemd: %s", what);
	}
	/* Stopping ends "done", a second stop "canceled" by the first. */
	if (str_eq(result, "done"))
		return 0;
	return err_set(e, EIO, "systemd: %s: job %s", what, result);
}

/* Send a call that answers with a job, and wait for its end. */
static int run_job(struct manager *m, sd_bus_message *call, struct job *j, const char *what,
		   struct err *e)
{
	sd_bus_message *reply = NULL;
	const char *path = NULL;
	int r = manager_call(m, call, what, &reply, e);

	if (r < 0)
		return r;
	r = sd_bus_message_read(reply, "o", &path);
	if (r < 0)
		(void)err_sys(e, r, "systemd: %s: answer", what);
	else
		(void)snprintf(j->path, sizeof(j->path), "%s", path);
	sd_bus_message_unref(reply);
	return r < 0 ? r : job_wait(m, j, what, e);
}

/* ---- Messages ------------------------------------------------------------------------------ */

static int append_pid(sd_bus_message *m, pid_t pid)
{
	return pid > 0 ? sd_bus_message_append(m, "(sv)", "PIDs", "au", 1, (uint32_t)pid) : 0;
}

static int append_properties(sd_bus_message *m, const char *text, pid_t pid, struct err *e)
{
	AUTO_FREE char *copy = strdup(text);
	char *line = copy;
	int r;

	if (!copy)
		return err_oom(e);
	r = sd_bus_message_open_container(m, 'a', "(sv)");
	if (r >= 0)
		r = append_pid(m, pid);
	if (r < 0)
		return err_sys(e, r, "systemd: build the message");
	while (line && *line) {
		char *end = strchr(line, '\n');

		if (end)
			*end++ = '\0';
		r = property_append(m, line, e);
		if (r < 0)
			return r;
		line = end;
	}
	r = sd_bus_message_close_container(m);
	return r < 0 ? err_sys(e, r, "systemd: build the message") : 0;
}

static int forget_failure(struct manager *m, const char *unit, struct err *e)
{
	sd_bus_message *call = NULL;
	int r = manager_method(m, "ResetFailedUnit", &call, e);

	if (r < 0)
		return r;
	r = sd_bus_message_append(call, "s", unit);
	if (r < 0) {
		sd_bus_message_unref(call);
		return err_sys(e, r, "systemd: build the message");
	}
	r = manager_call(m, call, "reset a failed unit", NULL, e);
	return r == -ENOENT ? 0 : r;
}

static int start_once(struct manager *m, const char *unit, pid_t pid, const char *properties,
		      struct job *j, struct err *e)
{
	sd_bus_message *call = NULL;
	char what[320];
	int r = manager_method(m, "StartTransientUnit", &call, e);

	if (r < 0)
		return r;
	r = sd_bus_message_append(call, "ss", unit, "fail");
	if (r < 0)
		(void)err_sys(e, r, "systemd: build the message");
	else
		r = append_properties(call, properties, pid, e);
	if (r >= 0) {
		r = sd_bus_message_append(call, "a(sa(sv))", 0);
		if (r < 0)
			(void)err_sys(e, r, "systemd: build the message");
	}
	if (r < 0) {
		sd_bus_message_unref(call);
		return r;
	}
	(void)snprintf(what, sizeof(what), "start unit %s", unit);
	return run_job(m, call, j, what, e);
}

/* ---- The four operations ------------------------------------------------------------------- */

static int print_control_group(struct manager *m, const char *unit, struct err *e)
{
	bool slice = strlen(unit) > 6 && str_eq(unit + strlen(unit) - 6, ".slice");
	sd_bus_error error = SD_BUS_ERROR_NULL;
	AUTO_FREE char *group = NULL;
	AUTO_FREE char *path = NULL;
	int r = sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path);

	if (r >= 0)
		r = sd_bus_get_property_string(m->bus, "org.freedesktop.systemd1", path,
					       slice ? "org.freedesktop.systemd1.Slice"
						     : "org.freedesktop.systemd1.Scope",
					       "ControlGroup", &error, &group);
	if (r < 0)
		(void)err_set(e, r, "systemd: control group of %s: %s", unit,
			      error.message ? error.message : strerror(-r));
	else if (printf("%s\n", group) < 0 || fflush(stdout) != 0)
		r = err_sys(e, errno, "print the control group");
	sd_bus_error_free(&error);
	return r < 0 ? r : 0;
}

int unit_start(struct manager *m, const char *unit, pid_t pid, char *properties, struct err *e)
{
	sd_bus_slot *slot = NULL;
	struct job j = { .count = 0 };
	int r = job_watch(m, &j, &slot, e);

	if (r == 0)
		r = start_once(m, unit, pid, properties, &j, e);
	/* One that ended badly lies there until somebody has taken note: nobody will. */
	if (r == -EEXIST && forget_failure(m, unit, NULL) == 0)
		r = start_once(m, unit, pid, properties, &j, e);
	sd_bus_slot_unref(slot);
	return r < 0 ? r : print_control_group(m, unit, e);
}

int unit_set(struct manager *m, const char *unit, char *properties, struct err *e)
{
	sd_bus_message *call = NULL;
	char what[320];
	int r = manager_method(m, "SetUnitProperties", &call, e);

	if (r < 0)
		return r;
	r = sd_bus_message_append(call, "sb", unit, true);
	if (r < 0)
		(void)err_sys(e, r, "systemd: build the message");
	else
		r = append_properties(call, properties, 0, e);
	if (r < 0) {
		sd_bus_message_unref(call);
		return r;
	}
	(void)snprintf(what, sizeof(what), "set properties of %s", unit);
	return manager_call(m, call, what, NULL, e);
}

int unit_attach(struct manager *m, const char *unit, pid_t pid, struct err *e)
{
	sd_bus_message *call = NULL;
	char what[320];
	int r = manager_method(m, "AttachProcessesToUnit", &call, e);

	if (r < 0)
		return r;
	r = sd_bus_message_append(call, "ssau", unit, "", 1, (uint32_t)pid);
	if (r < 0) {
		sd_bus_message_unref(call);
		return err_sys(e, r, "systemd: build the message");
	}
	(void)snprintf(what, sizeof(what), "move process %d to %s", pid, unit);
	return manager_call(m, call, what, NULL, e);
}

int unit_stop(struct manager *m, const char *unit, struct err *e)
{
	sd_bus_message *call = NULL;
	sd_bus_slot *slot = NULL;
	struct job j = { .count = 0 };
	char what[320];
	int r = job_watch(m, &j, &slot, e);

	if (r == 0)
		r = manager_method(m, "StopUnit", &call, e);
	if (r == 0) {
		r = sd_bus_message_append(call, "ss", unit, "replace");
		if (r < 0) {
			sd_bus_message_unref(call);
			(void)err_sys(e, r, "systemd: build the message");
		} else {
			(void)snprintf(what, sizeof(what), "stop unit %s", unit);
			r = run_job(m, call, &j, what, e);
		}
	}
	sd_bus_slot_unref(slot);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : forget_failure(m, unit, e);
}
