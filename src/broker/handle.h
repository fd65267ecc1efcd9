/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "broker/effect.h"

/* Handlers by family, as the table names them: see struct call_kind. */
void handle_socket(struct helper *h, struct call *c);
void handle_address(struct helper *h, struct call *c);
void handle_mount(struct helper *h, struct call *c);
void handle_umount(struct helper *h, struct call *c);
void handle_mknod(struct helper *h, struct call *c);
void handle_xattr(struct helper *h, struct call *c);
void handle_chown(struct helper *h, struct call *c);
void handle_chmod(struct helper *h, struct call *c);
void handle_open(struct helper *h, struct call *c);
/** handle_open_done - let go of what was shown, when there is nothing left to be done */
void handle_open_done(const struct helper *h);
void handle_sysinfo(struct helper *h, struct call *c);
void handle_bpf(struct helper *h, struct call *c);
void handle_sched(struct helper *h, struct call *c);
