#include "runtime/chunk.h"

#include "base/ensure.h"
#include "base/memory.h"
#include "runtime/sync.h"

/* Chunks kept for reuse; more are given back to the allocator. */
#define CHUNKS_KEPT 64
#define CHUNKS_DEFAULT 4096	/* 64 MiB */

static struct {
	struct semaphore slots;
	struct chunk *free;
	size_t kept;
} pool = { .slots = { "buffer", CHUNKS_DEFAULT, 0, LIST_INIT(pool.slots.waiters) } };

static struct chunk *take(void)
{
	struct chunk *c = pool.free;

	if (c) {
		pool.free = c->next;
		pool.kept--;
	} else {
		c = memory_resize(NULL, sizeof(*c));
	}
	if (!c) {
		semaphore_release(&pool.slots);
		return NULL;
	}
	c->next = NULL;
	c->begin = c->end = 0;
	return c;
}

int (chunk_get)(struct chunk **ret)
{
	int r = (semaphore_acquire)(&pool.slots);
	if (r < 0)
		return r;

	struct chunk *c = take();
	if (!c)
		return -ENOMEM;
	*ret = c;
	return 0;
}

struct chunk *chunk_try_get(void)
{
	return semaphore_try_acquire(&pool.slots) ? take() : NULL;
}

struct chunk *chunk_put(struct chunk *c)
{
	if (!c)
		return NULL;
	if (pool.kept < CHUNKS_KEPT) {
		c->next = pool.free;
		pool.free = c;
		pool.kept++;
	} else {
		memory_free(c);
	}
	semaphore_release(&pool.slots);
	return NULL;
}

void chunk_set_limit(size_t chunks)
{
	semaphore_resize(&pool.slots, MAX(chunks, (size_t) 1));
}

size_t chunk_in_use(void)
{
	return pool.slots.used;
}

void chunk_pool_done(void)
{
	ENSURE(pool.slots.used == 0, "%zu buffers in use at the end of the loop", pool.slots.used);
	while (pool.free) {
		struct chunk *c = pool.free;

		pool.free = c->next;
		memory_free(c);
	}
	pool.kept = 0;
	semaphore_done(&pool.slots);
	semaphore_init(&pool.slots, "buffer", CHUNKS_DEFAULT);
}
