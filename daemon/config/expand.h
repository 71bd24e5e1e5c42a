/* expand.h - `${NAME}` and `${NAME:-default}` in values: what the environment says; `$$` is a dollar.
 *
 * What was put in is not looked at again, so a variable cannot bring in another one.
 */
#pragma once

#include "config/document.h"

#define EXPANDED_BYTES_MAX (4 * LINE_BYTES_MAX)

/* Fills in text, places and environment of an entry from `value`, which is its value as written; after a mistake
 * its text stays NULL. -EINVAL after having said what is wrong, -ENOMEM. */
int expand_entry(struct entry *e, const struct section *s, const char *value, struct diag *diag) _must_check_;
