/* check.h - what no single value shows: whether the sections fit together. */
#pragma once

#include "config/document.h"

/* Checks that what is required is there, that references lead somewhere, and that addresses do not collide; sets
 * service_config.upstream_config. What is wrong is said and is no failure of this call. -ENOMEM. */
int check_document(struct config *c, const struct config_source *source, struct diag *diag) _must_check_;
