/* loopback.h - what a peer sends goes back to it: a relay of one stream to itself. */
#pragma once

#include "net/stream.h"

struct deadline;

/* [suspends] Until the peer has finished, was answered to the last byte, and has been told the end (0); until it has
 * said nothing for about a second (LOOPBACK_QUIET: nothing is held or owed, so the caller can wait in less memory
 * until there is something to read); or until something fails: -errno, -ETIMEDOUT, -ECANCELED, -ENOMEM. With each
 * byte, either way, *idle is rearmed with *idle_timeout_ms. The waiting times go into the stream's waits. At most one
 * buffer is held, and none while nothing is under way. */
#define LOOPBACK_QUIET 1
#define loopback_run(s, idle, idle_timeout_ms) AWAIT(loopback_run, (s, idle, idle_timeout_ms))
int (loopback_run)(struct stream *s, struct deadline *idle, const int64_t *idle_timeout_ms) _must_check_;
