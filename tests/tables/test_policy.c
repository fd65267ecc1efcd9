/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/parse.h"
#include "policy/policy_text.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

/* A policy, and questions in words. What is wanted: verdict, line, terms. */
struct row {
	const char *ask, *want;
};

enum { MAX_ROWS = 40 };

struct table {
	const char *policy;
	struct row rows[MAX_ROWS];
};

static const struct table tables[] = {
	/* The default, and what has no rule. */
	{ "", { { "read /etc/passwd", "deny 0" }, { "syscall getpid", "deny 0" } } },
	{ "default deny", { { "mount tmpfs on /mnt", "deny 0" } } },
	{ "# nothing\n\n   \t\ndefault allow # all\n",
	  { { "read /etc/passwd", "allow 0" },
	    { "mount tmpfs on /mnt", "allow 0 nosuid,nodev" },
	    { "socket inet raw icmp", "allow 0" } } },

	/* Paths. */
	{ "allow read /usr/** /etc/ssl/* /etc/hosts\n",
	  { { "read /usr/bin/ls", "allow 1" },
	    { "read /usr/x", "allow 1" },
	    { "read /usr", "deny 0" },
	    { "read /usrx", "deny 0" },
	    { "read /usrx/y", "deny 0" },
	    { "read /etc/ssl/cert", "allow 1" },
	    { "read /etc/ssl/certs/a", "deny 0" },
	    { "read /etc/ssl", "deny 0" },
	    { "read /etc/hosts", "allow 1" },
	    { "read /etc/hosts2", "deny 0" },
	    { "read /etc/host", "deny 0" },
	    { "read /etc/hosts/x", "deny 0" },
	    { "read /", "deny 0" },
	    { "write /usr/bin/ls", "deny 0" },
	    { "exec /usr/bin/ls", "deny 0" } } },
	{ "allow read **\nallow write /**\nallow exec /*\nallow chown /\n",
	  { { "read /", "allow 1" },
	    { "read /a/b/c", "allow 1" },
	    { "write /", "deny 0" },
	    { "write /a", "allow 2" },
	    { "write /a/b", "allow 2" },
	    { "exec /a", "allow 3" },
	    { "exec /a/b", "deny 0" },
	    { "chown /", "allow 4" },
	    { "chown /a", "deny 0" } } },
	/* The longest decides, wherever it stands; between equals deny. */
	{ "deny read /srv/build/.git/config\nallow read /srv/build/**\ndeny read /srv/**\n"
	  "allow read /srv/build/.git/*\n",
	  { { "read /srv/build/a", "allow 2" },
	    { "read /srv/build/.git/config", "deny 1" },
	    { "read /srv/build/.git/HEAD", "allow 4" },
	    { "read /srv/x", "deny 3" },
	    { "read /etc/passwd", "deny 0" } } },
	{ "allow read /a/**\ndeny read /a/**\n", { { "read /a/b", "deny 2" } } },
	{ "deny read /a/**\nallow read /a/**\n", { { "read /a/b", "deny 1" } } },
	{ "deny read /a/**\nallow read /a/*\nallow read /a/b\ndeny read /a/b\n",
	  { { "read /a/c", "allow 2" }, { "read /a/b", "deny 4" }, { "read /a/b/c", "deny 1" } } },
	{ "default allow\ndeny read /etc/shadow /root/**\nallow read /root/.profile\n",
	  { { "read /etc/passwd", "allow 0" },
	    { "read /etc/shadow", "deny 2" },
	    { "read /root/.profile", "allow 3" },
	    { "read /root/.ssh/id", "deny 2" } } },
	/* Names with anything in them. */
	{ "allow read /a\\x20b /c\\x2a /d\\x5c/** /\xc3\xa9\xc3\xa8\n",
	  { { "read /a\\x20b", "allow 1" },
	    { "read /c\\x2a", "allow 1" },
	    { "read /cx", "deny 0" },
	    { "read /d\\x5c/e", "allow 1" },
	    { "read /\xc3\xa9\xc3\xa8", "allow 1" },
	    { "read /\\xc3\\xa9\\xc3\\xa8", "allow 1" } } },
	{ "\tallow   read\t/a#b  #c\n", { { "read /a#b", "allow 1" }, { "read /a", "deny 0" } } },

	/* connect */
	{ "allow connect tcp 10.0.0.0/8:443\nallow connect udp 10.0.0.53:53\n"
	  "deny connect tcp 10.1.0.0/16:443\nallow connect tcp 10.1.2.3:443\n"
	  "allow connect tcp [2001:db8::]/32:80-90\nallow connect * 192.0.2.1:*\n",
	  { { "connect tcp 10.9.9.9:443", "allow 1" },
	    { "connect tcp 10.9.9.9:80", "deny 0" },
	    { "connect tcp 11.0.0.0:443", "deny 0" },
	    { "connect udp 10.9.9.9:443", "deny 0" },
	    { "connect udp 10.0.0.53:53", "allow 2" },
	    { "connect tcp 10.1.0.1:443", "deny 3" },
	    { "connect tcp 10.1.2.3:443", "allow 4" },
	    { "connect tcp [2001:db8:1::5]:80", "allow 5" },
	    { "connect tcp [2001:db8::]:90", "allow 5" },
	    { "connect tcp [2001:db8::]:91", "deny 0" },
	    { "connect tcp [2001:db9::]:80", "deny 0" },
	    { "connect tcp 192.0.2.1:1", "allow 6" },
	    { "connect udp 192.0.2.1:65535", "allow 6" },
	    { "bind tcp 10.9.9.9:443", "deny 0" },
	    /* Another spelling of an address is the same address. */
	    { "connect tcp [::ffff:10.9.9.9]:443", "allow 1" },
	    { "connect tcp [::ffff:10.1.0.1]:443", "deny 3" },
	    { "connect tcp [::ffff:a01:1]:443", "deny 3" },
	    { "connect tcp [::10.9.9.9]:443", "deny 0" } } },
	{ "default allow\ndeny connect * 127.0.0.0/8:* [::1]:*\ndeny connect tcp *:25\n",
	  { { "connect tcp 127.0.0.1:22", "deny 2" },
	    { "connect udp 127.3.2.1:53", "deny 2" },
	    { "connect tcp 0.0.0.0:22", "deny 2" },
	    { "connect tcp [::]:22", "deny 2" },
	    { "connect tcp [::1]:22", "deny 2" },
	    { "connect tcp [::ffff:127.0.0.1]:22", "deny 2" },
	    { "connect tcp [::ffff:0.0.0.0]:22", "deny 2" },
	    { "connect tcp 198.51.100.1:25", "deny 3" },
	    { "connect udp 198.51.100.1:25", "allow 0" },
	    { "connect tcp 198.51.100.1:26", "allow 0" } } },
	/* Each narrower in something: deny. */
	{ "deny connect tcp *:25\nallow connect tcp 10.0.0.0/8:*\nallow connect tcp 10.0.0.1:25\n",
	  { { "connect tcp 10.0.0.2:25", "deny 1" },
	    { "connect tcp 10.0.0.2:26", "allow 2" },
	    { "connect tcp 10.0.0.1:25", "allow 3" } } },
	{ "allow connect tcp *\ndeny connect * *:*\n",
	  { { "connect tcp 1.2.3.4:5", "allow 1" }, { "connect udp 1.2.3.4:5", "deny 2" } } },
	{ "allow connect tcp 0.0.0.0/0:80\n",
	  { { "connect tcp 1.2.3.4:80", "allow 1" },
	    { "connect tcp [2001:db8::1]:80", "deny 0" } } },
	{ "deny connect **\nallow connect tcp 10.0.0.1:80\n",
	  { { "connect tcp 10.0.0.1:80", "allow 2" }, { "connect tcp 10.0.0.1:81", "deny 1" } } },

	{ "allow connect tcp 172.16.0.0/12:80 192.0.2.4/30:80 [2001:db8:8000::]/33:80\n",
	  { { "connect tcp 172.31.255.255:80", "allow 1" },
	    { "connect tcp 172.32.0.0:80", "deny 0" },
	    { "connect tcp 192.0.2.7:80", "allow 1" },
	    { "connect tcp 192.0.2.8:80", "deny 0" },
	    { "connect tcp 192.0.2.3:80", "deny 0" },
	    { "connect tcp [2001:db8:ffff::1]:80", "allow 1" },
	    { "connect tcp [2001:db8:7fff::1]:80", "deny 0" } } },

	/* bind: who listens everywhere listens on a denied address, too. */
	{ "allow bind tcp *:8000-8999\ndeny bind tcp 10.0.0.0/8:*\nallow bind tcp 0.0.0.0:8080\n"
	  "allow bind tcp [::1]:0\n",
	  { { "bind tcp 127.0.0.1:8000", "allow 1" },
	    { "bind tcp 127.0.0.1:9000", "deny 0" },
	    { "bind tcp 10.0.0.1:8000", "deny 2" },
	    { "bind tcp 0.0.0.0:8000", "deny 2" },
	    { "bind tcp [::]:8000", "deny 2" },
	    { "bind tcp [::ffff:0.0.0.0]:8000", "deny 2" },
	    { "bind tcp 0.0.0.0:8080", "allow 3" },
	    { "bind tcp [::ffff:0.0.0.0]:8080", "allow 3" },
	    { "bind tcp [::1]:8000", "allow 1" },
	    { "bind tcp [::1]:0", "allow 4" },
	    { "bind udp 127.0.0.1:8000", "deny 0" } } },

	/* unix */
	{ "allow unix /run/postgresql/.s.PGSQL.5432\nallow unix connect /run/user/* @/tmp/.X11-unix/X0\n"
	  "allow unix bind @mine-*\ndeny unix /run/user/bus\nallow unix bind /run/user/bus\n",
	  { { "unix connect /run/postgresql/.s.PGSQL.5432", "allow 1" },
	    { "unix bind /run/postgresql/.s.PGSQL.5432", "allow 1" },
	    { "unix /run/docker.sock", "deny 0" },
	    { "unix connect /run/user/x", "allow 2" },
	    { "unix bind /run/user/x", "deny 0" },
	    { "unix connect @/tmp/.X11-unix/X0", "allow 2" },
	    { "unix connect @/tmp/.X11-unix/X01", "deny 0" },
	    { "unix connect /tmp/.X11-unix/X0", "deny 0" },
	    { "unix bind @mine-1", "allow 3" },
	    { "unix bind @mine-", "allow 3" },
	    { "unix bind @mine", "deny 0" },
	    { "unix connect @mine-1", "deny 0" },
	    { "unix connect /run/user/bus", "deny 4" },
	    { "unix bind /run/user/bus", "allow 5" } } },
	{ "default allow\ndeny unix @*\ndeny unix /run/**\nallow unix @ok\n",
	  { { "unix connect @dbus", "deny 2" },
	    { "unix connect @ok", "allow 4" },
	    { "unix connect /run/docker.sock", "deny 3" },
	    { "unix connect /tmp/x", "allow 0" } } },
	{ "allow unix **\n", { { "unix bind @x", "allow 1" }, { "unix /x", "allow 1" } } },

	/* socket */
	{ "allow socket inet icmp              # ping, without ARP spoofing\n",
	  { { "socket inet dgram icmp", "allow 1" },
	    { "socket inet raw icmp", "deny 0" },
	    { "socket inet raw 255", "deny 0" },
	    { "socket inet dgram udp", "deny 0" },
	    { "socket inet dgram", "deny 0" },
	    { "socket inet stream", "deny 0" },
	    { "socket inet6 dgram icmpv6", "deny 0" },
	    { "socket packet raw 2054", "deny 0" },
	    { "socket packet dgram 768", "deny 0" },
	    { "socket 2 10 768", "deny 0" } } },
	{ "allow socket inet raw icmp\nallow socket inet\nallow socket inet6 stream\n"
	  "allow socket netlink route\nallow socket unix\n",
	  { { "socket inet raw icmp", "allow 1" },
	    { "socket inet raw tcp", "deny 0" },
	    { "socket inet raw", "deny 0" },
	    { "socket inet dgram icmp", "allow 2" },
	    { "socket inet stream", "allow 2" },
	    { "socket inet 10 3", "deny 0" },
	    { "socket inet6 stream", "allow 3" },
	    { "socket inet6 stream tcp", "allow 3" },
	    { "socket inet6 stream mptcp", "allow 3" },
	    { "socket inet6 dgram", "deny 0" },
	    /* The same socket by two names. */
	    { "socket netlink raw", "allow 4" },
	    { "socket netlink dgram route", "allow 4" },
	    { "socket netlink raw audit", "deny 0" },
	    { "socket unix raw", "allow 5" },
	    { "socket vsock stream", "deny 0" } } },
	{ "allow socket inet tcp\nallow socket inet6 17\n",
	  { { "socket inet stream", "allow 1" },
	    { "socket inet stream tcp", "allow 1" },
	    { "socket inet dgram", "deny 0" },
	    { "socket inet6 dgram", "allow 2" },
	    { "socket inet6 dgram udp", "allow 2" },
	    { "socket inet6 stream", "deny 0" } } },
	{ "default allow\ndeny socket packet\ndeny socket * raw\ndeny socket inet icmp\n"
	  "allow socket bluetooth raw\n",
	  { { "socket packet raw 3", "deny 2" },
	    { "socket packet dgram 3", "deny 2" },
	    { "socket inet 10 3", "deny 2" },
	    { "socket inet raw tcp", "deny 3" },
	    { "socket inet raw icmp", "deny 3" },
	    { "socket inet dgram icmp", "deny 4" },
	    { "socket bluetooth raw 1", "allow 5" },
	    { "socket inet stream", "allow 0" } } },
	{ "allow socket **\n",
	  { { "socket inet raw icmp", "allow 1" }, { "socket packet raw 3", "allow 1" } } },
	{ "allow socket *\n",
	  { { "socket inet raw icmp", "deny 0" },
	    { "socket inet stream", "allow 1" },
	    { "socket packet raw 3", "deny 0" } } },

	/* mount */
	{ "allow mount tmpfs on /mnt/** size<=64M\n"
	  "allow mount bind from /srv/data/** on /mnt/** ro\n"
	  "allow mount proc on /proc2 noexec\n"
	  "allow mount ext4 from /dev/loop0 on /mnt/** shift dev\n"
	  "deny mount * on /mnt/keep/**\n",
	  { { "mount tmpfs on /mnt/x", "allow 1 nosuid,nodev size=67108864" },
	    { "mount tmpfs from none on /mnt/x", "allow 1 nosuid,nodev size=67108864" },
	    { "mount tmpfs on /mnt/x options size=64M", "allow 1 nosuid,nodev size=67108864" },
	    { "mount tmpfs on /mnt/x options size=65536k", "allow 1 nosuid,nodev size=67108864" },
	    { "mount tmpfs on /mnt/x options size=67108865", "deny 0" },
	    { "mount tmpfs on /mnt/x options size=65M", "deny 0" },
	    { "mount tmpfs on /mnt/x options size=0", "deny 0" },
	    { "mount tmpfs on /mnt/x options size=50%", "deny 0" },
	    { "mount tmpfs on /mnt/x options size", "deny 0" },
	    { "mount tmpfs on /mnt/x options size=", "deny 0" },
	    { "mount tmpfs on /mnt/x options size=0x1", "deny 0" },
	    { "mount tmpfs on /mnt/x options size=18446744073709551617", "deny 0" },
	    { "mount tmpfs on /mnt/x options size=16777216T", "deny 0" },
	    { "mount tmpfs on /mnt/x options size=1M,size=1G", "deny 0" },
	    { "mount tmpfs on /mnt/x options nr_blocks=100", "deny 0" },
	    { "mount tmpfs on /mnt/x options mode=1777", "deny 0" },
	    { "mount tmpfs on /mnt/x ro noexec", "allow 1 nosuid,nodev size=67108864" },
	    { "mount tmpfs on /mnt/x options sync", "deny 0" },
	    { "mount tmpfs on /mnt/x options remount", "deny 0" },
	    { "mount tmpfs on /mnt", "deny 0" },
	    { "mount tmpfs on /", "deny 0" },
	    { "mount ramfs on /mnt/x", "deny 0" },
	    { "mount bind from /srv/data/a on /mnt/a", "allow 2 nosuid,nodev,ro" },
	    { "mount bind from /srv/data on /mnt/a", "deny 0" },
	    { "mount bind from /srv/database/a on /mnt/a", "deny 0" },
	    { "mount bind from /etc on /mnt/a", "deny 0" },
	    { "mount bind on /mnt/a", "deny 0" },
	    { "mount bind from /srv/data/a on /mnt/a options rec", "deny 0" },
	    { "mount proc on /proc2", "allow 3 nosuid,nodev,noexec" },
	    { "mount proc on /proc2/x", "deny 0" },
	    { "mount ext4 from /dev/loop0 on /mnt/d", "allow 4 nosuid shift" },
	    { "mount ext4 from /dev/loop1 on /mnt/d", "deny 0" },
	    { "mount xfs from /dev/loop0 on /mnt/d", "deny 0" },
	    { "mount tmpfs on /mnt/keep/x", "deny 5" },
	    { "mount tmpfs on /mnt/keep", "allow 1 nosuid,nodev size=67108864" },
	    { "mount bind from /srv/data/a on /mnt/keep/x options rec", "deny 5" } } },
	{ "allow mount tmpfs on ** suid dev options mode,uid=0,gid,huge=never,sync,remount\n"
	  "allow mount overlay on /m options lowerdir=/srv/**,upperdir=/var/*,userxattr\n"
	  "allow mount bind from /srv/** on /m options rec\n",
	  { { "mount tmpfs on /", "allow 1" },
	    { "mount tmpfs on /x options mode=755,uid=0,gid=5", "allow 1" },
	    { "mount tmpfs on /x options mode,gid", "allow 1" },
	    { "mount tmpfs on /x options uid=1", "deny 0" },
	    { "mount tmpfs on /x options uid", "deny 0" },
	    { "mount tmpfs on /x options huge=always", "deny 0" },
	    { "mount tmpfs on /x options sync,remount", "allow 1" },
	    { "mount tmpfs on /x options dirsync", "deny 0" },
	    { "mount tmpfs on /x options size=1M", "deny 0" },
	    { "mount tmpfs on /x options Mode=755", "deny 0" },
	    { "mount tmpfs on /x options mod", "deny 0" },
	    { "mount tmpfs on /x options mode2=7", "deny 0" },
	    { "mount overlay on /m options lowerdir=/srv/a:/srv/b/c,upperdir=/var/u,userxattr",
	      "allow 2 nosuid,nodev" },
	    { "mount overlay on /m options lowerdir=/srv/a:/etc", "deny 0" },
	    { "mount overlay on /m options lowerdir=/srv/../etc", "deny 0" },
	    { "mount overlay on /m options lowerdir=/srv/a::/srv/b", "deny 0" },
	    { "mount overlay on /m options lowerdir=/srv/a\\x5c:/srv/b", "deny 0" },
	    { "mount overlay on /m options lowerdir", "deny 0" },
	    { "mount overlay on /m options upperdir=/var/u/v", "deny 0" },
	    { "mount overlay on /m options userxattr=1", "allow 2 nosuid,nodev" },
	    { "mount overlay on /m options workdir=/var/w", "deny 0" },
	    { "mount bind from /srv/a on /m options rec", "allow 3 nosuid,nodev" },
	    { "mount bind from /srv/a on /m options rec,shared", "deny 0" } } },
	/* A rule that the question does not fit leaves the others alone; each is looked at. */
	{ "allow mount tmpfs on /mnt/** size<=64M\nallow mount tmpfs on ** size<=1G\n",
	  { { "mount tmpfs on /mnt/x options size=128M", "allow 2 nosuid,nodev size=1073741824" },
	    { "mount tmpfs on /mnt/x options size=2G", "deny 0" } } },
	{ "default allow\ndeny mount tmpfs on /mnt/**\ndeny mount bind from /srv/secret/** on **\n"
	  "allow mount bind from /srv/** on /mnt/**\n",
	  { { "mount tmpfs on /mnt/x options mode=1,remount", "deny 2" },
	    { "mount bind from /srv/secret/a on /mnt/x", "deny 3" },
	    { "mount bind from /srv/b on /mnt/x", "allow 4 nosuid,nodev" },
	    { "mount ext4 from /dev/sda on /x", "allow 0 nosuid,nodev" } } },
	{ "allow mount **\ndeny mount ext4 from /dev/** on **\n",
	  { { "mount bind from / on /x options rec,x=y", "allow 1 nosuid,nodev" },
	    { "mount ext4 from /dev/sda on /x", "deny 2" } } },
	{ "allow mount bind from /srv/** on /mnt/** options remount\n",
	  { { "mount bind on /mnt/x ro options remount", "allow 1 nosuid,nodev" },
	    { "mount bind from none on /mnt/x options remount", "allow 1 nosuid,nodev" },
	    { "mount bind from /etc on /mnt/x", "deny 0" } } },

	/* A subtype makes no other file system of it. */
	{ "default allow\ndeny mount fuse from ** on **\nallow mount fuse.sshfs from ** on /mnt/**\n",
	  { { "mount fuse from x on /mnt/a", "deny 2" },
	    { "mount fuse.evil from x on /mnt/a", "deny 2" },
	    { "mount fuse.sshfs from x on /mnt/a", "allow 3 nosuid,nodev" },
	    { "mount fuse.sshfs from x on /a", "deny 2" },
	    { "mount fuse.sshfs2 from x on /mnt/a", "deny 2" },
	    { "mount fuseblk from x on /mnt/a", "allow 0 nosuid,nodev" } } },

	/* mknod */
	{ "allow mknod c 1:3 1:5 1:7-9\nallow mknod b 7:* on /dev/**\nallow mknod p on /tmp/*\n"
	  "deny mknod c 1:9\nallow mknod c 0:0\n",
	  { { "mknod c 1:3 on /dev/null", "allow 1" },
	    { "mknod c 1:5 on /x", "allow 1" },
	    { "mknod c 1:6 on /x", "deny 0" },
	    { "mknod c 1:8 on /x", "allow 1" },
	    { "mknod c 1:9 on /x", "deny 4" },
	    { "mknod b 1:3 on /x", "deny 0" },
	    { "mknod b 7:0 on /dev/loop0", "allow 2" },
	    { "mknod b 7:0 on /loop0", "deny 0" },
	    { "mknod b 8:0 on /dev/sda", "deny 0" },
	    { "mknod p on /tmp/f", "allow 3" },
	    { "mknod p on /tmp/d/f", "deny 0" },
	    { "mknod s on /tmp/f", "deny 0" },
	    { "mknod c 0:0 on /whiteout", "allow 5" } } },
	/* view */
	{ "default deny\nallow view meminfo cpuinfo\ndeny view uptime\nallow view *\n",
	  { { "view meminfo", "allow 2" },
	    { "view uptime", "deny 3" },
	    { "view sysinfo", "allow 4" } } },
	/* xattr, bpf */
	{ "allow xattr user.*\nallow xattr trusted.overlay.opaque on /lib/**\ndeny xattr user.no user.not\n"
	  "allow xattr * on /any\nallow bpf device load\n",
	  { { "xattr user.a on /x", "allow 1" },
	    { "xattr user. on /x", "allow 1" },
	    { "xattr trusted.overlay.opaque on /lib/a", "allow 2" },
	    { "xattr trusted.overlay.opaque on /lib", "deny 0" },
	    { "xattr trusted.overlay.opaquer on /lib/a", "deny 0" },
	    { "xattr user.no on /any", "deny 3" },
	    { "xattr user.not on /x", "deny 3" },
	    { "xattr security.x on /any", "allow 4" },
	    { "bpf device load", "allow 5" },
	    { "bpf device attach", "deny 0" } } },
	{ "default allow\ndeny mknod b *:*\ndeny mknod c *:*\nallow mknod c 1:*\n",
	  { { "mknod b 8:0 on /x", "deny 2" },
	    { "mknod c 10:200 on /x", "deny 3" },
	    { "mknod c 1:3 on /x", "allow 4" },
	    { "mknod p on /x", "allow 0" } } },

	/* chown */
	{ "allow chown /srv/**\nallow chown /home/** to 1000-1999:*\ndeny chown ** to 0:*\n"
	  "deny chown ** to *:0\n",
	  { { "chown /srv/a", "allow 1" },
	    { "chown /srv/a to 5:5", "allow 1" },
	    { "chown /srv/a to 0:5", "deny 3" },
	    { "chown /srv/a to 5:0", "deny 4" },
	    { "chown /home/a to 1000:7", "allow 2" },
	    { "chown /home/a to 999:7", "deny 0" },
	    { "chown /home/a to -:7", "allow 2" },
	    { "chown /home/a to -:-", "allow 2" } } },

	/* sched */
	{ "allow sched fifo priority<=10 cpus 0-3\nallow sched batch\nallow sched rr priority=5\n"
	  "allow sched cpus 6,8-9\n",
	  { { "sched fifo priority=10", "allow 1" },
	    { "sched fifo priority=11", "deny 0" },
	    { "sched fifo", "allow 1" },
	    { "sched batch", "allow 2" },
	    { "sched idle", "deny 0" },
	    { "sched rr priority=5", "allow 3" },
	    { "sched rr priority=4", "deny 0" },
	    { "sched cpus 0", "allow 1" },
	    { "sched cpus 0-3", "allow 1" },
	    { "sched cpus 0-4", "deny 0" },
	    { "sched cpus 6", "allow 4" },
	    { "sched cpus 6,9", "allow 4" },
	    { "sched cpus 7", "deny 0" },
	    { "sched cpus 8191", "deny 0" },
	    { "sched other", "deny 0" } } },
	{ "default allow\ndeny sched fifo\ndeny sched rr\nallow sched fifo priority<=5\n",
	  { { "sched fifo priority=6", "deny 2" },
	    { "sched fifo priority=5", "allow 4" },
	    { "sched rr priority=1", "deny 3" },
	    { "sched other", "allow 0" },
	    { "sched cpus 0", "allow 0" } } },
	{ "deny sched **\nallow sched cpus 0\n",
	  { { "sched cpus 0", "allow 2" },
	    { "sched cpus 1", "deny 1" },
	    { "sched other", "deny 1" } } },

	/* syscall */
	{ "allow syscall @default bpf\ndeny syscall @ipc\nallow syscall shmget\n",
	  { { "syscall openat", "allow 1" },
	    { "syscall bpf", "allow 1" },
	    { "syscall mount", "deny 0" },
	    { "syscall ptrace", "deny 0" },
	    { "syscall shmat", "deny 2" },
	    { "syscall shmget", "allow 3" } } },
	{ "allow syscall **\ndeny syscall @system @keyring\n",
	  { { "syscall reboot", "deny 2" },
	    { "syscall keyctl", "deny 2" },
	    { "syscall getpid", "allow 1" } } },

	/* log changes no verdict. */
	{ "log exec **\nlog mount * on /mnt/**\nlog socket **\nlog connect tcp *:443\n"
	  "allow exec /bin/*\nallow socket inet stream\n",
	  { { "exec /bin/sh", "allow 5 log" },
	    { "exec /tmp/x", "deny 0 log" },
	    { "mount tmpfs on /mnt/x options whatever", "deny 0 log" },
	    { "mount tmpfs on /x", "deny 0" },
	    { "socket inet raw tcp", "deny 0 log" },
	    { "socket inet stream tcp", "allow 6 log" },
	    { "connect tcp 1.2.3.4:443", "deny 0 log" },
	    { "connect tcp 1.2.3.4:80", "deny 0" } } },

	/* limits are for others. */
	{ "limit memory 512M pids 64 time 10s cpu 1.5\nallow read /a\n",
	  { { "read /a", "allow 2" } } },
};

static void verdict_in_words(const struct policy_verdict *v, char *ret, size_t size)
{
	static const struct {
		unsigned long flag;
		const char *name;
	} flags[] = { { MS_NOSUID, "nosuid" },
		      { MS_NODEV, "nodev" },
		      { MS_RDONLY, "ro" },
		      { MS_NOEXEC, "noexec" } };
	int n = snprintf(ret, size, "%s %u", v->allow ? "allow" : "deny", v->line);
	const char *gap = " ";

	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (v->mount.flags & flags[i].flag) {
			n += snprintf(ret + n, size - (size_t)n, "%s%s", gap, flags[i].name);
			gap = ",";
		}
	if (v->mount.size_bytes)
		n += snprintf(ret + n, size - (size_t)n, " size=%llu",
			      (unsigned long long)v->mount.size_bytes);
	(void)snprintf(ret + n, size - (size_t)n, "%s%s", v->mount.shift ? " shift" : "",
		       v->log ? " log" : "");
}

static struct policy *parse(const char *text)
{
	struct policy *p = NULL;
	struct err e = { 0 };

	if (policy_parse(text, strlen(text), "policy", &p, &e) < 0)
		fail_msg("%s\n%s", e.msg, text);
	return p;
}

static void check_row(const char *text, const struct policy *p, const struct row *row)
{
	AUTO_QUESTION struct policy_question q = { 0 };
	struct policy_verdict v;
	struct err e = { 0 };
	char got[128];

	if (policy_question(row->ask, &q, &e) < 0)
		fail_msg("%s: %s", row->ask, e.msg);
	policy_decide(p, &q.ask, &v);
	verdict_in_words(&v, got, sizeof(got));
	if (strcmp(got, row->want) != 0)
		fail_msg("%s\n%s: %s, expected %s", text, row->ask, got, row->want);
	assert_non_null(v.text);
}

static void every_question_has_its_verdict(void **state)
{
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		AUTO_POLICY struct policy *p = parse(tables[i].policy);

		for (const struct row *row = tables[i].rows; row->ask; row++, count++)
			check_row(tables[i].policy, p, row);
	}
	assert_true(count >= 250);
}

/* What policy_print writes is the same policy. */
static void canonical_form_decides_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		AUTO_POLICY struct policy *p = parse(tables[i].policy), *q = NULL;
		AUTO_BUF struct buf once = { 0 }, twice = { 0 };

		policy_print(p, &once);
		q = parse(once.data);
		policy_print(q, &twice);
		assert_string_equal(once.data, twice.data);
		for (const struct row *row = tables[i].rows; row->ask; row++) {
			AUTO_QUESTION struct policy_question ask = { 0 };
			struct policy_verdict v, w;
			char a[128], b[128];

			assert_int_equal(policy_question(row->ask, &ask, NULL), 0);
			policy_decide(p, &ask.ask, &v);
			policy_decide(q, &ask.ask, &w);
			v.line = w.line = 0;
			verdict_in_words(&v, a, sizeof(a));
			verdict_in_words(&w, b, sizeof(b));
			if (strcmp(a, b) != 0)
				fail_msg("%s\n%s\n%s: %s, printed: %s", tables[i].policy, once.data,
					 row->ask, a, b);
		}
	}
}

/* A question in words, behind "allow ", is a rule that allows it. */
static void description_of_a_question_allows_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		for (const struct row *row = tables[i].rows; row->ask; row++) {
			AUTO_QUESTION struct policy_question q = { 0 };
			AUTO_POLICY struct policy *p = NULL;
			AUTO_BUF struct buf b = { 0 };
			struct policy_verdict v;
			struct err e = { 0 };

			/* These have another spelling, which a rule must use. */
			if (strstr(row->ask, "::ffff:") ||
			    strstr(row->ask, "connect tcp 0.0.0.0") ||
			    strstr(row->ask, "connect tcp [::]"))
				continue;
			assert_int_equal(policy_question(row->ask, &q, NULL), 0);
			buf_str(&b, "allow ");
			policy_describe(&q.ask, &b);
			/* Nor can a rule that leaves the source out be meant. */
			if (strstr(b.data, "mount bind on"))
				continue;
			if (policy_parse(b.data, b.len, "said", &p, &e) < 0)
				fail_msg("%s: %s", b.data, e.msg);
			policy_decide(p, &q.ask, &v);
			if (!v.allow)
				fail_msg("%s is not allowed by %s", row->ask, b.data);
		}
}

static const struct {
	const char *text, *want; /* its beginning */
} faults[] = {
	{ "permit read /a", "f:1:1: a line begins with" },
	{ "\n\n  Allow read /a", "f:3:3: a line begins with" },
	{ "allow", "f:1:6: expected read, write" },
	{ "allow  foo /a", "f:1:8: expected read, write" },
	{ "allow read", "f:1:11: a path is missing" },
	{ "allow read   # nothing", "f:1:23: a path is missing" },
	{ "allow read a", "f:1:12: \"a\": a path must be absolute" },
	{ "allow read /a b", "f:1:15: \"b\": a path must be absolute" },
	{ "allow read ./a", "f:1:12: \"./a\": a path must be absolute" },
	{ "allow read /a/../b", "f:1:12: \"/a/../b\": no \"..\"" },
	{ "allow read /a/./b", "f:1:12: \"/a/./b\": no" },
	{ "allow read /a//b", "f:1:12: \"/a//b\": no" },
	{ "allow read /a/", "f:1:12: \"/a/\": no" },
	{ "allow read //", "f:1:12: \"//\": no" },
	{ "allow read /..", "f:1:12: \"/..\": no" },
	{ "allow read /../**", "f:1:12: \"/../**\": no" },
	{ "allow read /a//**", "f:1:12: \"/a//**\": no" },
	{ "allow read /x\\x2f/b", "f:1:12: \"/x\\x2f/b\": no" },
	{ "allow read /a*", "f:1:14: \"*\" has no meaning here" },
	{ "allow read /a/**/b", "f:1:15: \"*\" has no meaning here" },
	{ "allow read /a/***", "f:1:15: \"*\" has no meaning here" },
	{ "allow read *", "f:1:12: \"*\": a path must be absolute" },
	{ "allow read /[ab]", "f:1:13: \"[\" has no meaning here" },
	{ "allow read /a?", "f:1:14: \"?\" has no meaning here" },
	{ "allow read /{a,b}", "f:1:13: \"{\" has no meaning here" },
	{ "allow read /a\\b", "f:1:14: \"\\\" stands only in \\xNN" },
	{ "allow read /a\\x2", "f:1:14: \"\\\" stands only in \\xNN" },
	{ "allow read /a\\x00", "f:1:14: no name holds a NUL" },
	{ "allow read \"/a b\"", "f:1:12: \"\"/a\": a path must be absolute" },
	{ "default", "f:1:8: usage: default allow|deny" },
	{ "default maybe", "f:1:9: usage: default allow|deny" },
	{ "default deny now", "f:1:14: nothing stands behind" },
	{ "default deny\ndefault deny", "f:2:9: the default is given already, on line 1" },
	{ "allow read /a\r\n", "f:1:14: carriage return" },
	{ "allow read /a\rb", "f:1:14: character U+000D" },
	{ "allow read /a\x1b[0m", "f:1:14: character U+001B" },
	{ "allow read /\xff", "f:1:13: byte ff is no UTF-8" },
	{ "allow read /a # \xe2\x80\xae", "f:1:17: character U+202E" },
	{ "\xef\xbb\xbf"
	  "allow read /a",
	  "f:1:1: character U+FEFF" },
	{ "allow read /\xc2\x85", "f:1:13: character U+0085" },
	{ "allow connect tcp", "f:1:18: an address is missing" },
	{ "allow connect icmp 10.0.0.1:1", "f:1:15: \"icmp\" is not tcp, udp or *" },
	{ "allow connect tcp 10.0.0.1", "f:1:27: the port is missing" },
	{ "allow connect tcp 10.0.0.1:", "f:1:28: \"\": must be a number up to 65535" },
	{ "allow connect tcp 10.0.0.1:65536", "f:1:28: \"65536\": must be a number up to 65535" },
	{ "allow connect tcp 10.0.0.1:90-80", "f:1:28: \"90-80\": must be" },
	{ "allow connect tcp 10.0.0.1:http", "f:1:28: \"http\": must be" },
	{ "allow connect tcp 10.0.0.1:080", "f:1:28: \"080\": must be" },
	{ "allow connect tcp 10.0.0:80", "f:1:19: \"10.0.0\" is no IPv4 address" },
	{ "allow connect tcp 010.0.0.1:80", "f:1:19: \"010.0.0.1\" is no IPv4 address" },
	{ "allow connect tcp 10.0.0.1/33:80", "f:1:28: bits must be" },
	{ "allow connect tcp 10.0.0.1/8:80", "f:1:19: the address has bits behind the first 8" },
	{ "allow connect tcp ::1:80", "f:1:19: an IPv6 address stands in brackets" },
	{ "allow connect tcp [::1:80", "f:1:19: \"]\" is missing" },
	{ "allow connect tcp [::1]80", "f:1:24: the port is missing" },
	{ "allow connect tcp [::1]/129:80", "f:1:25: bits must be" },
	{ "allow connect tcp [::ffff:1.2.3.4]:80", "f:1:20: this is an IPv4 address" },
	{ "allow connect tcp 0.0.0.0:80", "f:1:19: connections to it go to 127.0.0.1" },
	{ "allow connect tcp [::]:80", "f:1:19: connections to it go to [::1]" },
	{ "allow connect tcp example.com:80", "f:1:19: \"example.com\" is no IPv4 address" },
	{ "allow unix run", "f:1:12: \"run\": a path must be absolute" },
	{ "allow unix @", "f:1:12: \"@\" needs a name" },
	{ "allow unix @a*b", "f:1:14: \"*\" has no meaning here" },
	{ "allow unix bind", "f:1:16: a path or an @abstract name is missing" },
	{ "allow socket", "f:1:13: a family of sockets is missing" },
	{ "allow socket foo", "f:1:14: \"foo\" is not a family" },
	{ "allow socket inet foo", "f:1:19: \"foo\" is not a protocol of this family" },
	{ "allow socket netlink icmp", "f:1:22: \"icmp\" is not a protocol of this family" },
	{ "allow socket inet raw icmp now", "f:1:28: \"now\" is not understood here" },
	{ "allow mount", "f:1:12: a file system is missing" },
	{ "allow mount tmpfs", "f:1:18: expected \"on\"" },
	{ "allow mount tmpfs /mnt", "f:1:19: expected \"on\"" },
	{ "allow mount tmpfs on", "f:1:21: a target is missing" },
	{ "allow mount /dev/sda on /mnt", "f:1:13: \"/dev/sda\" is no file system" },
	{ "allow mount bind on /mnt", "f:1:25: say what may be mounted" },
	{ "allow mount ext4 on /mnt/**", "f:1:28: say what may be mounted" },
	{ "allow mount * on /mnt/**", "f:1:25: say what may be mounted" },
	{ "allow mount tmpfs on /mnt size<=0", "f:1:33: \"0\" is no size" },
	{ "allow mount tmpfs on /mnt size<=1X", "f:1:33: \"1X\" is no size" },
	{ "allow mount tmpfs on /mnt size<=99999999999T", "f:1:33: \"99999999999T\" is no size" },
	{ "allow mount tmpfs on /mnt size<64M", "f:1:27: \"size<64M\" is not understood here" },
	{ "allow mount tmpfs on /mnt size<=1M size<=2M", "f:1:36: the size is limited already" },
	{ "allow mount ramfs on /mnt size<=1M", "f:1:35: only tmpfs knows a size" },
	{ "allow mount tmpfs on /mnt size<=1M options nr_blocks", "f:1:53: size<= can't hold" },
	{ "allow mount tmpfs on /mnt nosuid suid", "f:1:38: suid and its opposite" },
	{ "allow mount tmpfs on /mnt options", "f:1:34: a list of options is missing" },
	{ "allow mount tmpfs on /mnt options mode,", "f:1:40: an empty option" },
	{ "allow mount tmpfs on /mnt options =1", "f:1:35: an empty option" },
	{ "allow mount tmpfs on /mnt options mode,ro", "f:1:40: \"ro\" stands before" },
	{ "allow mount tmpfs on /mnt options a options b", "f:1:37: options are given already" },
	{ "deny mount tmpfs on /mnt size<=1M",
	  "f:1:26: \"size<=1M\": only an allow rule has terms" },
	{ "log mount tmpfs on /mnt options mode", "f:1:25: \"options\": only an allow rule" },
	{ "allow mknod", "f:1:12: c, b, p, s or f is missing" },
	{ "allow mknod d 1:3", "f:1:13: \"d\" is not c, b, p, s or f" },
	{ "allow mknod c", "f:1:14: MAJOR:MINOR is missing" },
	{ "allow mknod c 1", "f:1:15: \"1\": must be MAJOR:MINOR" },
	{ "allow mknod c 4096:0", "f:1:15: \"4096\": must be a number up to 4095" },
	{ "allow mknod c 1:1048576", "f:1:17: \"1048576\": must be a number up to 1048575" },
	{ "allow view loadavg", "f:1:12: " },
	{ "allow xattr", "f:1:12: the name of an attribute is missing" },
	{ "allow xattr user.*.x", "f:1:18: \"*\" has no meaning here" },
	{ "allow xattr user.x on", "f:1:22: a path is missing" },
	{ "allow bpf tracing", "f:1:11: \"tracing\" is not device" },
	{ "allow bpf device run", "f:1:18: \"run\" is not understood here" },
	{ "allow mknod p 1:3", "f:1:15: \"1:3\" is not understood here" },
	{ "allow mknod c 1:3 on", "f:1:21: a path is missing" },
	{ "allow chown /a to 0", "f:1:19: \"0\": must be UID:GID" },
	{ "allow chown /a to root:root", "f:1:19: \"root\": must be a number" },
	{ "allow sched", "f:1:12: a scheduling policy or cpus is missing" },
	{ "allow sched deadline", "f:1:13: \"deadline\" is not understood here" },
	{ "allow sched fifo priority<=100", "f:1:28: priority must be a number up to 99" },
	{ "allow sched fifo priority<10", "f:1:18: \"priority<10\" is not understood here" },
	{ "allow sched fifo cpus", "f:1:22: \"\" is no list of CPUs" },
	{ "allow sched fifo cpus 3-1", "f:1:23: \"3-1\" is no list of CPUs" },
	{ "allow sched fifo cpus 8192", "f:1:23: \"8192\" is no list of CPUs" },
	{ "deny sched cpus 0", "f:1:12: \"cpus\": only an allow rule has terms" },
	{ "allow syscall", "f:1:14: the name of a system call is missing" },
	{ "allow syscall moutn", "f:1:15: no system call \"moutn\"" },
	{ "allow syscall @defualt", "f:1:15: no group \"@defualt\"" },
	{ "limit", "f:1:6: usage: limit" },
	{ "limit disk 5", "f:1:7: no such limit" },
	{ "limit memory", "f:1:13: the value is missing" },
	{ "limit memory 5X", "f:1:14: \"5X\" is no value" },
	{ "limit time 10", "f:1:12: \"10\" is no value" },
	{ "limit cpu 1.", "f:1:11: \"1.\" is no value" },
	{ "limit pids 0", "f:1:12: \"0\" is no value" },
	{ "limit pids 5\nlimit pids 6", "f:2:7: this limit is set already, on line 1" },
};

static void every_fault_has_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		struct policy *p = NULL;
		struct err e = { 0 };

		if (policy_parse(faults[i].text, strlen(faults[i].text), "f", &p, &e) == 0)
			fail_msg("taken: %s", faults[i].text);
		assert_null(p);
		if (!str_starts(e.msg, faults[i].want))
			fail_msg("%s\n%s, expected %s", faults[i].text, e.msg, faults[i].want);
	}
}

/* The blocks of docs/policy.md: each ```policy is one, each ```question asks the one before it. */
static void check_example(const struct policy *p, char *line)
{
	AUTO_QUESTION struct policy_question q = { 0 };
	char *want = strstr(line, " # "), *end = want, got[64];
	struct policy_verdict v;

	if (!want)
		fail_msg("docs/policy.md: no verdict: %s", line);
	while (end > line && end[-1] == ' ')
		end--;
	*end = '\0';
	assert_int_equal(policy_question(line, &q, NULL), 0);
	policy_decide(p, &q.ask, &v);
	(void)snprintf(got, sizeof(got), "%s %u", v.allow ? "allow" : "deny", v.line);
	if (strcmp(got, want + 3) != 0)
		fail_msg("docs/policy.md: %s: %s", line, got);
}

static void read_manual(struct buf *ret)
{
	const char *root = getenv("CAY_SOURCE");
	char path[4096];
	AUTO_FD int fd = -EBADF;

	(void)snprintf(path, sizeof(path), "%s/docs/policy.md", root ? root : ".");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || buf_read_fd(ret, fd, 1 << 20) < 0)
		fail_msg("%s can't be read", path);
}

static void examples_of_the_manual_are_true(void **state)
{
	AUTO_BUF struct buf manual = { 0 }, block = { 0 };
	AUTO_POLICY struct policy *p = NULL;
	unsigned int policies = 0, questions = 0;
	const char *in = NULL;

	(void)state;
	read_manual(&manual);
	for (char *line = manual.data, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (in && str_eq(line, "```")) {
			if (str_eq(in, "policy")) {
				policy_free(p);
				p = parse(block.data);
				policies++;
			}
			in = NULL;
		} else if (!in && str_starts(line, "```")) {
			in = line + 3;
			block.len = 0;
		} else if (str_eq(in, "policy")) {
			buf_printf(&block, "%s\n", line);
		} else if (str_eq(in, "question")) {
			assert_non_null(p);
			check_example(p, line);
			questions++;
		}
	}
	assert_true(policies >= 6 && questions >= 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_question_has_its_verdict),
		cmocka_unit_test(canonical_form_decides_the_same),
		cmocka_unit_test(description_of_a_question_allows_it),
		cmocka_unit_test(every_fault_has_its_place),
		cmocka_unit_test(examples_of_the_manual_are_true),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
