#include "runtime/chunk.h"

#include "base/ensure.h"
#include "base/memory.h"
#include "runtime/sync.h"

/* Kept for reuse of each size; more are given back to the allocator. */
#define KEPT 64
#define LARGE_KEPT 4
#define CHUNKS_DEFAULT 4096	/* 64 MiB */

/* Chunks of one size that nobody uses at present. */
struct shelf {
	struct chunk *free;
	size_t kept, most_kept;
	uint32_t chunk_bytes;
};

static struct {
	struct semaphore slots;
	struct shelf ordinary, large;
	size_t large_lent;
} pool = {
	.slots = { "buffer", CHUNKS_DEFAULT, 0, LIST_INIT(pool.slots.waiters) },
	.ordinary = { .most_kept = KEPT, .chunk_bytes = CHUNK_BYTES },
	.large = { .most_kept = LARGE_KEPT, .chunk_bytes = CHUNK_LARGE_BYTES },
};

/* Gives the slot back that it was called with when there is no memory. */
static struct chunk *take(struct shelf *shelf)
{
	struct chunk *c = shelf->free;

	if (c) {
		shelf->free = c->next;
		shelf->kept--;
	} else {
		c = memory_resize(NULL, sizeof(*c) + shelf->chunk_bytes);
	}
	if (!c) {
		semaphore_release(&pool.slots);
		return NULL;
	}
	c->next = NULL;
	c->begin = c->end = 0;
	c->size_bytes = shelf->chunk_bytes;
	return c;
}

static void put(struct shelf *shelf, struct chunk *c)
{
	if (shelf->kept < shelf->most_kept) {
		c->next = shelf->free;
		shelf->free = c;
		shelf->kept++;
	} else {
		memory_free(c);
	}
}

static void clear(struct shelf *shelf)
{
	while (shelf->free) {
		struct chunk *c = shelf->free;

		shelf->free = c->next;
		memory_free(c);
	}
	shelf->kept = 0;
}

int (chunk_get)(struct chunk **ret)
{
	int r = (semaphore_acquire)(&pool.slots);
	if (r < 0)
		return r;

	struct chunk *c = take(&pool.ordinary);
	if (!c)
		return -ENOMEM;
	*ret = c;
	return 0;
}

struct chunk *chunk_try_get(void)
{
	return semaphore_try_acquire(&pool.slots) ? take(&pool.ordinary) : NULL;
}

struct chunk *chunk_try_get_large(void)
{
	if (pool.large_lent == CHUNKS_LARGE_MAX || !semaphore_try_acquire(&pool.slots))
		return NULL;

	struct chunk *c = take(&pool.large);
	if (c)
		pool.large_lent++;
	return c;
}

struct chunk *chunk_put(struct chunk *c)
{
	if (!c)
		return NULL;
	if (UNLIKELY(chunk_is_large(c))) {
		pool.large_lent--;
		put(&pool.large, c);
	} else {
		put(&pool.ordinary, c);
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

void chunk_pool_trim(void)
{
	bool any = pool.ordinary.free || pool.large.free;

	clear(&pool.ordinary);
	clear(&pool.large);
	if (any)
		memory_give_back();
}

void chunk_pool_done(void)
{
	ENSURE(pool.slots.used == 0, "%zu buffers in use at the end of the loop", pool.slots.used);
	chunk_pool_trim();
	semaphore_done(&pool.slots);
	semaphore_init(&pool.slots, "buffer", CHUNKS_DEFAULT);
}
