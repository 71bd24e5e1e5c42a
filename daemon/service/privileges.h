/* privileges.h - becoming the user that the configuration names, after the listeners are bound. */
#pragma once

#include "base/base.h"

/* Changes group, supplementary groups and user, in that order, for good; NULL for both: nothing happens.
 * `group` NULL: the user's own. 0 or -errno, logged: -ENOENT no such user or group, -EPERM not root. */
int privileges_drop(const char *user, const char *group) _must_check_;
