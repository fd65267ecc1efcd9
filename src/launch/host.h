/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "launch/launch.h"
#include "plan/island.h"
#include "sys/channel.h"

/*
 * The planner's own steps. struct launch remembers in @made what a step leaves behind, so
 * that it can be taken back.
 */

/**
 * host_apply - perform one step of PHASE_HOST, MAP, HOOKS or COMMIT
 * @index: of the step in the planner's half
 *
 * Return: 0 or a negative code; a failed step has taken back its own part.
 */
int host_apply(struct launch *l, struct island *in, uint32_t index, struct err *e);

/**
 * host_connect_agent - answer MSG_LISTENER: connect to the seccomp agent and pass that on
 * @path: of its socket, as the configuration has it: never from the message
 *
 * Return: 0; the connection's failure; nothing is answered then.
 */
int host_connect_agent(int sock, const char *path, struct err *e);

/** host_undo - take back every step done so far, last first */
void host_undo(struct launch *l);
