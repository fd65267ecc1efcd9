/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "oci/spec.h"

/**
 * oci_spec_validate - does the document make sense, and can this version carry it out
 * @s: parsed; borrowed
 * @e: filled on failure, names the JSON path and the value
 *
 * Pure: looks at nothing outside @s. A field that nothing enforces yet is an error.
 * Return: 0; -EINVAL; -EOPNOTSUPP for a field not yet enforced.
 */
int oci_spec_validate(const struct oci_spec *s, struct err *e);

/** oci_process_validate - the same for the process object of exec; @p borrowed */
int oci_process_validate(const struct oci_process *p, struct err *e);

/** oci_resources_validate - the same for the resources object of update; @r borrowed */
int oci_resources_validate(const struct oci_resources *r, struct err *e);

/**
 * oci_spec_unenforced - refuse what is parsed but carried out by nothing yet
 *
 * Return: 0; -EOPNOTSUPP with "<path>: not supported by this version of cay".
 */
int oci_spec_unenforced(const struct oci_spec *s, struct err *e);

/** oci_process_unenforced - the rows of the same table that concern the process object */
int oci_process_unenforced(const struct oci_process *p, struct err *e);

/** oci_resources_unenforced - the rows that concern the resources object */
int oci_resources_unenforced(const struct oci_resources *r, struct err *e);
