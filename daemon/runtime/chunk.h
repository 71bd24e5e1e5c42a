/* chunk.h - equal buffers, borrowed while bytes are in flight.
 *
 * An idle connection owns none. The pool hands out the hottest first, holds at most chunk_limit() of them in
 * use, and makes whoever comes later wait: that is the backpressure of the whole process.
 */
#pragma once

#include "runtime/wait.h"

#define CHUNK_BYTES (16 * 1024)

struct chunk {
	struct chunk *next;
	uint32_t begin, end;			/* the bytes in flight are bytes[begin..end) */
	unsigned char bytes[CHUNK_BYTES];
};

/* [suspends] An empty chunk, now the caller's. 0, -ENOMEM, -ECANCELED, -ETIMEDOUT. */
#define chunk_get(ret) AWAIT(chunk_get, (ret))
int (chunk_get)(struct chunk **ret) _must_check_;
/* The same without waiting: NULL when none is free. */
struct chunk *chunk_try_get(void);
/* Gives it back. NULL is fine. Returns NULL. */
struct chunk *chunk_put(struct chunk *c);
DEFINE_CLEANUP(struct chunk *, chunk_put)

static inline size_t chunk_length(const struct chunk *c)
{
	return c->end - c->begin;
}

void chunk_set_limit(size_t chunks);
size_t chunk_in_use(void);

/* -- used by loop_close() -- */
void chunk_pool_done(void);
