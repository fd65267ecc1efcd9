/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"

/**
 * confine - give every right away for good, for this process and all it gives birth to
 *
 * No capability, no new privileges, a filter that knows what a broker does and nothing else; nobody
 * may trace it. In a user namespace that it is the maker of it can still be root.
 * Return: 0 or a negative code; then it must not serve.
 */
int confine(struct err *e);
