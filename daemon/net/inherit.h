/* inherit.h - the sockets that came with the process, for listener.c.
 *
 * They stay open until a listener takes them.
 */
#pragma once

#include "base/base.h"

/* An inherited socket of that name that nobody took yet: a descriptor, now the caller's, or -ENOENT. */
int inherit_take(const char *name) _must_check_;
