/* relay.h - both directions between two streams, in one task.
 *
 * The end of one side is passed on after its last byte was written (half-close), and the other direction goes on; an
 * error or a reset on one side becomes a reset on the other, a clean end never does. At most one buffer or pipe per
 * direction is held, and none while it is idle: when the reader is slow, the writer is not read.
 */
#pragma once

#include "net/pipe.h"
#include "net/stream.h"

struct relay_limits {
	int64_t idle_timeout_ms;		/* without a byte either way */
	int64_t half_close_timeout_ms;		/* the same, once one side has finished */
	struct pipe_pool *pipes;		/* to splice through; NULL: it only copies */
};

enum relay_side { RELAY_NEITHER, RELAY_CLIENT, RELAY_UPSTREAM };

struct relay_end {
	enum relay_side side;			/* who ended it, or whom we waited for */
	bool writing;				/* it was in a write to that side */
	bool half_closed;			/* one side had finished before */
};

/* [suspends] Relays until both sides have finished (0; .side finished first) or something fails: -errno of
 * .side; -ETIMEDOUT (idle, or a scope around) waiting for .side; -ECANCELED; -ENOMEM with RELAY_NEITHER.
 * After a failure stream_free() sends a reset to each side that had not ended both ways; after success it may
 * be what sends the last end. *limits is looked at again for each rearm, so a reload takes hold; the waiting
 * times go into the streams' waits; *ret_end says who and when. */
#define relay_run(client, upstream, limits, ret_end) AWAIT(relay_run, (client, upstream, limits, ret_end))
int (relay_run)(struct stream *client, struct stream *upstream, const struct relay_limits *limits,
		struct relay_end *ret_end) _must_check_;
