/* check.h - what no single value shows: whether the sections fit together. */
#pragma once

#include "config/document.h"

/* Checks that what is required is there, that references lead somewhere, and that addresses do not collide; sets
 * upstream_config and tls_config of who refers to one, tls_config.accepts and connects. What is wrong is said and is
 * no failure of this call. -ENOMEM. */
int check_document(struct config *c, const struct config_source *source, struct diag *diag) _must_check_;

/* The part of it that is about TLS; the upstreams of services are known by then. */
void check_tls(struct config *c, struct diag *diag);

/* The section of that kind that a value of `from` names. When there is none it is said, at the mark; `from` is
 * incomplete then. */
const struct section *check_reference(const struct config *c, struct section *from, const char *key,
				      const char *name, const struct mark *mark, enum section_kind kind,
				      struct diag *diag);
