/* chunk.h - buffers, borrowed while bytes are in flight.
 *
 * An idle connection owns none. The pool hands out the hottest first, has at most as many of them in use as
 * chunk_set_limit() says, and makes whoever comes later wait: that is the backpressure of the whole process.
 *
 * Who moves very much at once may ask for a large one. It counts as any other, but there are few of them, nobody
 * waits for one, and an ordinary one must do as well.
 */
#pragma once

#include "runtime/wait.h"

#define CHUNK_BYTES (16 * 1024)
#define CHUNK_LARGE_BYTES (48 * 1024)
#define CHUNKS_LARGE_MAX 64		/* lent at a time */

struct chunk {
	struct chunk *next;
	uint32_t begin, end;			/* the bytes in flight are bytes[begin..end) */
	uint32_t size_bytes;			/* of `bytes`: one of the two above */
	_Alignas(16) unsigned char bytes[];
};

/* [suspends] An empty chunk, now the caller's. 0, -ENOMEM, -ECANCELED, -ETIMEDOUT. */
#define chunk_get(ret) AWAIT(chunk_get, (ret))
int (chunk_get)(struct chunk **ret) _must_check_;
/* The same without waiting: NULL when none is free. */
struct chunk *chunk_try_get(void);
/* A large one, without waiting: NULL when there is none to be had. */
struct chunk *chunk_try_get_large(void);
/* Gives it back. NULL is fine. Returns NULL. */
struct chunk *chunk_put(struct chunk *c);
DEFINE_CLEANUP(struct chunk *, chunk_put)

static inline size_t chunk_length(const struct chunk *c)
{
	return c->end - c->begin;
}

static inline bool chunk_is_large(const struct chunk *c)
{
	return c->size_bytes > CHUNK_BYTES;
}

void chunk_set_limit(size_t chunks);
size_t chunk_in_use(void);

/* -- used by the watch of descriptors -- */
/* Gives those that are kept for reuse back to the allocator. */
void chunk_pool_trim(void);

/* -- used by loop_close() -- */
void chunk_pool_done(void);
