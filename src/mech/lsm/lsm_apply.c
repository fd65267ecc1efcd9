/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/lsm/lsm.h"

#include "sys/syscalls.h"

#include <string.h>

static int *held(struct island *in, const struct step *s)
{
	uint32_t lsm = s->u.label.lsm;

	return lsm == LSM_SELINUX || lsm == LSM_APPARMOR ? &in->attr_fd[lsm - 1] : NULL;
}

static const char *name_of(const struct step *s)
{
	return s->u.label.lsm == LSM_APPARMOR ? "process.apparmorProfile" : "process.selinuxLabel";
}

static int apply_open(struct island *in, const struct step *s, int *hold, struct err *e)
{
	char *const *files = view_list(in->plan, s->u.label.files);
	int fd = -ENOENT;

	for (uint32_t i = 0; fd == -ENOENT && files && files[i]; i++)
		fd = sys_proc_open(in->proc_fd, files[i], O_WRONLY);
	if (fd < 0)
		return err_sys(e, fd, "%s: open /proc/%s", name_of(s), files ? files[0] : "");
	if (*hold > 0)
		close(*hold);
	*hold = fd;
	return 0;
}

/* The kernel takes a label in one write, and an empty one as "none". */
static int apply_label(struct island *in, const struct step *s, int fd, struct err *e)
{
	const char *value = view_str(in->plan, s->u.label.value);
	size_t n = value ? strlen(value) : 0;
	ssize_t w = write(fd, value ? value : "", n);

	if (w < 0 || (size_t)w != n)
		return err_sys(e, w < 0 ? errno : EIO, "%s: write \"%.200s\" (is it loaded?)",
			       name_of(s), value ? value : "");
	return 0;
}

int lsm_apply(struct island *in, const struct step *s, struct err *e)
{
	int *hold = held(in, s);

	if (!hold)
		return err_set(e, EINVAL, "label: unknown security module %u", s->u.label.lsm);
	if (s->kind == STEP_LABEL_OPEN)
		return apply_open(in, s, hold, e);
	if (*hold <= 0)
		return err_set(e, EBADF, "%s: no attribute is open", name_of(s));
	return apply_label(in, s, *hold, e);
}
