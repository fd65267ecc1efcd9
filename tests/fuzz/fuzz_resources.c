/* SPDX-License-Identifier: Apache-2.0 */
/* update --resources: parse and validate. */
#include "fuzz.h"

#include "oci/parse.h"
#include "oci/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_ARENA struct arena a = { 0 };
	struct oci_resources *r = NULL;
	struct err e;

	if (oci_resources_parse((const char *)data, size, &a, &r, &e) == 0)
		(void)oci_resources_validate(r, &e);
	return 0;
}
