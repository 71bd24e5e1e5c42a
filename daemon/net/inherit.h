/* inherit.h - the sockets that came with the process, for listener.c.
 *
 * They stay open for the life of the process, as they do at the service manager: what a listener gives back can be
 * taken again.
 */
#pragma once

#include "base/base.h"

/* An inherited socket of that name that nobody took yet: a descriptor, now the caller's, or -ENOENT. */
int inherit_take(const char *name) _must_check_;
/* Gives one back that was taken. */
void inherit_give_back(int fd);
