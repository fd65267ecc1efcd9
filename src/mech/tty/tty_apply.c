/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/tty/tty.h"

#include "sys/channel.h"
#include "sys/syscalls.h"

#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>

/* devices.txt: 5:2 is ptmx, 5:1 console. */
enum { TTYAUX_MAJOR = 5, PTMX_MINOR = 2 };

static int open_ptmx(struct island *in, struct err *e)
{
	AUTO_FD int fd = sys_open_in_root(in->root_fd, "dev/pts/ptmx", O_RDWR | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return err_sys(e, fd, "process.terminal: open /dev/pts/ptmx");
	if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) ||
	    st.st_rdev != makedev(TTYAUX_MAJOR, PTMX_MINOR) || !sys_is_fs(fd, DEVPTS_SUPER_MAGIC))
		return err_set(e, EPERM, "process.terminal: /dev/pts/ptmx is not a devpts node");
	return TAKE_FD(fd);
}

/* Bind the inner end on /dev/console, on a fresh file in a real directory. */
static int mount_console(struct island *in, int inner, struct err *e)
{
	AUTO_FD int dev = sys_openat2(in->root_fd, "dev", O_PATH | O_DIRECTORY,
				      RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
	AUTO_FD int target = -EBADF, tree = -EBADF;
	int r;

	if (dev < 0)
		return err_sys(e, dev, "process.terminal: open /dev");
	target = openat(dev, "console",
			O_CREAT | O_NOFOLLOW | O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0600);
	if (target < 0) {
		/* A device node that can't be opened is a fine mount point all the same. */
		target = sys_openat2(dev, "console", O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS);
		if (target < 0)
			return err_sys(e, target, "process.terminal: create /dev/console");
	}
	tree = sys_open_tree(inner, "", AT_EMPTY_PATH | OPEN_TREE_CLONE);
	if (tree < 0)
		return err_sys(e, tree, "process.terminal: clone the terminal's mount");
	r = sys_move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	if (r < 0)
		return err_sys(e, r, "process.terminal: mount on /dev/console");
	return 0;
}

static int hand_out(struct island *in, const struct step *s, int outer, struct err *e)
{
	struct msg m = { .kind = MSG_CONSOLE };
	int r;

	if (s->u.console.slot == SLOT_NONE)
		r = chan_send(in->sock, &m, outer);
	else
		r = chan_send_fd(view_fd(in->plan, s->u.console.slot), "/dev/ptmx", outer);
	return r < 0 ? err_sys(e, r, "process.terminal: hand out the terminal") : 0;
}

static int take_terminal(int inner, struct err *e)
{
	if (ioctl(inner, TIOCSCTTY, 0) < 0)
		return err_sys(e, errno, "process.terminal: make it the controlling terminal");
	for (int fd = 0; fd < 3; fd++)
		if (dup2(inner, fd) < 0)
			return err_sys(e, errno, "process.terminal: dup2 to fd %d", fd);
	return 0;
}

int tty_apply(struct island *in, const struct step *s, struct err *e)
{
	struct winsize size = { .ws_row = (unsigned short)s->u.console.rows,
				.ws_col = (unsigned short)s->u.console.cols };
	AUTO_FD int outer = open_ptmx(in, e);
	AUTO_FD int inner = -EBADF;
	int unlock = 0, r = 0;

	if (outer < 0)
		return outer;
	if (ioctl(outer, TIOCSPTLCK, &unlock) < 0)
		return err_sys(e, errno, "process.terminal: unlock");
	inner = ioctl(outer, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (inner < 0)
		return err_sys(e, errno, "process.terminal: open the inner end");
	if ((size.ws_row || size.ws_col) && ioctl(inner, TIOCSWINSZ, &size) < 0)
		return err_sys(e, errno, "process.consoleSize");
	/* Its group is what the devpts mount says: "tty", whose members may write to terminals. */
	if (fchown(inner, s->u.console.uid, (gid_t)-1) < 0 && errno != EINVAL && errno != EPERM)
		return err_sys(e, errno, "process.terminal: fchown");
	if (s->u.console.mount)
		r = mount_console(in, inner, e);
	if (r == 0)
		r = hand_out(in, s, outer, e);
	return r < 0 ? r : take_terminal(inner, e);
}
