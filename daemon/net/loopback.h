/* loopback.h - what a peer sends goes back to it: a relay of one stream to itself. */
#pragma once

#include "net/stream.h"

/* [suspends] Until the peer has finished, was answered to the last byte, and has been told the end (0), or something
 * fails: -errno; -ETIMEDOUT after *idle_timeout_ms without a byte either way, which is looked at again for each
 * rearm; -ECANCELED; -ENOMEM. The waiting times go into the stream's waits. At most one buffer is held, and none while
 * nothing is under way. */
#define loopback_run(s, idle_timeout_ms) AWAIT(loopback_run, (s, idle_timeout_ms))
int (loopback_run)(struct stream *s, const int64_t *idle_timeout_ms) _must_check_;
