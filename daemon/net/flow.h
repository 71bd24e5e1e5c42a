/* flow.h - one direction of a relay: what one stream sends goes to the other one, then its end does.
 *
 * A flow copies through a chunk. Once it has read several full ones without finding the socket drained it has the
 * kernel move the bytes through a pipe, or, where only copying will do, takes large chunks, until they come in small
 * pieces again. It holds one chunk or one pipe while
 * bytes are in it, and none while it waits to read. (Both it holds only to empty the pipe when a stream refuses to
 * splice any longer.) Nothing here suspends but flow_wait_for_chunk().
 */
#pragma once

#include "net/pipe.h"
#include "net/stream.h"

enum flow_state {
	FLOW_READING,		/* owes nothing to `to`; holds a chunk only to read into it at once */
	FLOW_WRITING,		/* owes the bytes in its chunk, or else in its pipe */
	FLOW_FINISHING,		/* owes the end: all bytes are written */
	FLOW_FINISHED,
	FLOW_BROKEN,		/* failed: there is no way on, nor a clean end */
};

enum flow_way {
	FLOW_COPIES,
	FLOW_SPLICES,
	FLOW_ONLY_COPIES,	/* one of the streams cannot splice, or there is no pool */
};

struct flow {
	struct stream *from, *to;
	struct pipe_pool *pipes;
	enum flow_state state;
	unsigned want;			/* blocked: the direction to wait for, at `from` when reading, else at `to` */
	bool starved;			/* blocked: there are bytes to read, but no buffer is free */
	bool source_failed;		/* writing to `from` has failed: what reads as its end is none */
	struct chunk *chunk;
	struct pipe *pipe;
	enum flow_way way;
	bool read_next;			/* a splice has left it open whether there is more: a read tells */
	uint8_t full_reads;		/* in a row, while it copies */
	bool large;			/* it copies through large chunks when it can have them */
	uint8_t small_moves;		/* in a row, while it splices or has large chunks */
	size_t moved_bytes;		/* read; for whoever pumps to look at and to clear */
};

/* `pipes` NULL: it only copies. */
void flow_init(struct flow *f, struct stream *from, struct stream *to, struct pipe_pool *pipes);
/* Lets go of what it holds; bytes in it are lost. Safe to repeat. */
void flow_done(struct flow *f);

enum flow_result {
	FLOW_BLOCKED,		/* `want` or `starved` says why, unless it is finished or broken */
	FLOW_DONE,
};

/* A turn in two halves, for small messages, when the flow is reading. FLOW_DONE: it owes now what it has read.
 * FLOW_BLOCKED: flow_turn() finds out. -errno. */
int flow_read_message(struct flow *f) _must_check_;
/* FLOW_DONE: it was written whole. FLOW_BLOCKED: the rest is flow_turn()'s. -errno. */
int flow_write_message(struct flow *f) _must_check_;
/* Reads, writes, passes the end on, until it must wait or has moved as much as one flow may before others get their
 * turn: 64 KiB when it copies, three large chunks, a full pipe or little more when it splices. FLOW_BLOCKED,
 * FLOW_DONE, or -errno: that of `to` when the flow owes something, else that of `from`. *progress becomes true when
 * anything was done. */
int flow_turn(struct flow *f, bool *progress) _must_check_;
/* [suspends] For a flow that is starved and holds nothing: until there is a chunk. FLOW_DONE or -errno. The time is
 * booked on the waits of `client`. */
int flow_wait_for_chunk(struct flow *f, struct stream *client) _must_check_;
/* After a failure. */
void flow_break(struct flow *f);

/* True when it is `to` that it waits for. */
static inline bool flow_owes(const struct flow *f)
{
	return f->state == FLOW_WRITING || f->state == FLOW_FINISHING;
}

static inline bool flow_holds_buffer(const struct flow *f)
{
	return f->chunk || f->pipe;
}
