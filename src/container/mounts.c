/* SPDX-License-Identifier: Apache-2.0 */
#include "container/control.h"

#include "base/json.h"
#include "base/parse.h"
#include "container/life.h"
#include "container/store.h"
#include "launch/launch.h"
#include "oci/parse.h"
#include "oci/validate.h"
#include "sys/syscalls.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct remount {
	struct ctr c;
	struct host_facts host;
	struct oci_spec *spec; /* of the container */
	struct oci_spec *list; /* only its mounts count */
	struct plan plan;
	struct launch launch;
};

static void remount_done(struct remount *m)
{
	launch_done(&m->launch);
	plan_done(&m->plan);
	host_facts_done(&m->host);
	oci_spec_free(m->spec);
	oci_spec_free(m->list);
	ctr_done(&m->c);
}
#define AUTO_REMOUNT AUTO(remount_done)

/* A list of mounts, or an object that has one as its "mounts": what config.json may hold. */
static int load_list(const char *file, struct oci_spec **ret, struct err *e)
{
	AUTO_JSON struct json *doc = NULL;
	AUTO_BUF struct buf text = { 0 }, whole = { 0 };
	struct json_out o = { .b = &whole };
	const struct json *list;
	int r;

	r = store_get(AT_FDCWD, file, &text, e);
	if (r == 0)
		r = json_parse(text.data ? text.data : "", text.len, &doc, e);
	if (r < 0)
		return r;
	list = json_type(doc) == JSON_OBJECT ? json_get(doc, "mounts") : doc;
	if (json_type(list) != JSON_ARRAY)
		return err_set(e, EINVAL, "expected a list of mounts");
	jo_open(&o, NULL, '{');
	jo_str(&o, "ociVersion", OCI_VERSION);
	jo_merge(&o, "mounts", NULL, list);
	jo_close(&o, '}');
	return whole.failed ? err_oom(e) : oci_spec_parse(whole.data, whole.len, ret, e);
}

static int compile(struct remount *m, bool remove, struct err *e)
{
	struct oci_spec s = *m->spec;
	struct launch_exec_options lo = {
		.id = m->c.id,
		.bundle = m->c.bundle,
		.init_pid = m->c.pid,
		.init_start_time = m->c.start_time,
		.namespaces = m->c.namespaces,
	};

	s.mounts = m->list->mounts;
	s.mounts_count = m->list->mounts_count;
	return launch_compile_mounts(&s, &m->host, &lo, remove, &m->plan, e);
}

/* What has to be made for a mount to lie on gets the mode it gets when a container is made. */
static int perform(struct remount *m, struct err *e)
{
	mode_t before = umask(022);
	int r = launch_begin(&m->plan, &m->launch, e);

	(void)umask(before);
	if (r < 0)
		return r;
	r = launch_release(&m->launch, e);
	if (r < 0) {
		launch_abort(&m->launch);
		return r;
	}
	while (waitpid(m->launch.pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

int ctr_mounts(const char *root, const char *id, const char *file, bool remove, struct err *e)
{
	AUTO_REMOUNT struct remount m = {
		.c = CTR_INIT,
		.launch = { .pidfd = -EBADF, .console_fd = -EBADF, .sock = -EBADF },
	};
	const char *no;
	int r;

	plan_init(&m.plan);
	r = load_list(file, &m.list, e);
	if (r < 0)
		return err_wrap(e, "\"%s\"", file);
	r = ctr_open(root, id, true, &m.c, e);
	if (r < 0)
		return r;
	no = life_refusal(LIFE_MOUNTS, ctr_status(&m.c));
	if (no)
		return err_set(e, ESRCH, "%s", no);
	r = oci_spec_load(m.c.dir_fd, "config.json", &m.spec, e);
	if (r == 0)
		r = host_facts_gather(&m.host, e);
	if (r == 0)
		r = compile(&m, remove, e);
	return r < 0 ? r : perform(&m, e);
}
