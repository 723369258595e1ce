/* SPDX-License-Identifier: Apache-2.0 */
/* Settings for a module under test out of YAML, bound as the gateway does it. */
#pragma once
#include "fake_host.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The settings struct that `options` describe, filled from a YAML map ("" or NULL: defaults only).
 * Lives as long as the host.  NULL: the YAML does not fit, and kit_settings_error says why. */
const void *kit_settings(struct kit_host *host, const struct mg_option *options,
                         size_t settings_size, const char *yaml);
/* All diagnoses of the last kit_settings, a line each; "" when there were none. */
const char *kit_settings_error(void);

#ifdef __cplusplus
}
#endif
