/* setting.h - `SECTION.KEY=VALUE`: what the command line says, over what the files say.
 *
 * SECTION is `daemon`, `service NAME`, `upstream NAME` or `tls NAME`; a dot may stand for the blank:
 * service.web.idle_timeout=5s. The value is taken as it is: a shell has substituted its variables already. The last
 * setting of an option holds; those of a list replace the list of the files together.
 */
#pragma once

#include "config/document.h"

/* Adds all settings (NULL-terminated; NULL: none) to the document, after the files. What is wrong with them is said
 * and is no failure of this call. -ENOMEM. */
int settings_read(struct config_values *v, const char *const *settings, struct diag *diag) _must_check_;
