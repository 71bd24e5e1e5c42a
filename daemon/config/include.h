/* include.h - which files `include = PATH, PATTERN` means. */
#pragma once

#include "config/document.h"

typedef int include_fn(void *context, const char *path, const struct mark *mark);

/* Calls `read` for each file: a path as it is, of a pattern every file that matches, sorted by name, without the
 * hidden ones and those that editors and package managers leave behind. Relative ones begin at the folder of the
 * file that the entry stands in. Stops at the first failure and returns it; -ENOMEM. */
int include_each(const struct entry *e, struct diag *diag, include_fn *read, void *context) _must_check_;
