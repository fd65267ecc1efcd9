/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "oci/spec.h"

/**
 * oci_spec_validate - does the document make sense
 * @s: parsed; borrowed
 * @e: filled on failure, names the JSON path and the value
 *
 * Pure: looks at nothing outside @s. Whether this host can carry it out is for the plan.
 * Return: 0; -EINVAL.
 */
int oci_spec_validate(const struct oci_spec *s, struct err *e);

/** oci_process_validate - the same for the process object of exec; @p borrowed */
int oci_process_validate(const struct oci_process *p, struct err *e);

/** oci_resources_validate - the same for the resources object of update; @r borrowed */
int oci_resources_validate(const struct oci_resources *r, struct err *e);
