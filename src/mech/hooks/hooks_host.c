/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/hooks/hooks.h"

#include <fcntl.h>

enum { LOG_MODE = 0600 };

int hooks_open_log(const struct plan_view *v, const struct step *s, struct err *e)
{
	const char *path = view_str(v, s->u.sock.path);
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_CLOEXEC, LOG_MODE);

	return fd < 0 ? err_sys(e, errno, "open \"%s\" for the output of hooks", path) : fd;
}
