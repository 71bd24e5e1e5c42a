#include "runtime/block.h"

#include "base/ensure.h"
#include "base/fault.h"
#include "base/list.h"
#include "coro/sanitizer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* A slab is aligned to its size, so that a block finds it. Its first block is the slab's own. */
#define SLAB_BYTES ((size_t) 16 * 1024)
#define SLAB_BLOCKS (SLAB_BYTES / BLOCK_BYTES - 1)

/* AddressSanitizer sees what is done to a block that was freed only when the allocator knows of each. */
#ifdef SANITIZER_ADDRESS
#define ONE_BY_ONE true
#else
#define ONE_BY_ONE false
#endif

struct free_block {
	struct free_block *next;
};

struct slab {
	struct list node;		/* linked while there is room */
	struct free_block *free;	/* given back, the last one first */
	size_t used, touched;		/* blocks that are lent; that were ever */
};

/* What has room. An empty slab is kept only where it is the only one with room, so that a few connections that come
 * and go cost no system call. */
static struct {
	struct list roomy;
	size_t slabs;
} pool = { .roomy = LIST_INIT(pool.roomy) };

static struct slab *slab_of(void *block)
{
	return (struct slab *) ((uintptr_t) block & ~(SLAB_BYTES - 1));
}

/* Maps twice as much, and keeps what is aligned. */
static struct slab *slab_new(void)
{
	char *mapped = mmap(NULL, 2 * SLAB_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mapped == MAP_FAILED)
		return NULL;

	char *aligned = (char *) slab_of(mapped + SLAB_BYTES - 1);
	if (aligned > mapped)
		munmap(mapped, (size_t) (aligned - mapped));
	munmap(aligned + SLAB_BYTES, (size_t) (mapped + SLAB_BYTES - aligned));

	struct slab *s = (struct slab *) aligned;
	list_append(&pool.roomy, &s->node);
	pool.slabs++;
	return s;
}

static void slab_free(struct slab *s)
{
	list_remove(&s->node);
	pool.slabs--;
	munmap(s, SLAB_BYTES);
}

static void *slab_take(struct slab *s)
{
	void *block = s->free;

	if (block)
		s->free = s->free->next;
	else
		block = (char *) s + ++s->touched * BLOCK_BYTES;
	if (++s->used == SLAB_BLOCKS)
		list_remove(&s->node);
	return block;
}

void *block_new(void)
{
	struct slab *s;

	if (fault_point("malloc", ENOMEM) < 0)
		return NULL;
	if (ONE_BY_ONE)
		return calloc(1, BLOCK_BYTES);
	s = list_is_empty(&pool.roomy) ? slab_new() : list_entry(pool.roomy.next, struct slab, node);
	return s ? memset(slab_take(s), 0, BLOCK_BYTES) : NULL;
}

void *block_free(void *block)
{
	if (!block || ONE_BY_ONE) {
		free(block);
		return NULL;
	}

	struct slab *s = slab_of(block);
	struct free_block *b = block;

	ENSURE(s->used > 0, "a block is freed twice");
	b->next = s->free;
	s->free = b;
	/* Behind the others: those in front fill up, and it may become empty. */
	if (s->used-- == SLAB_BLOCKS)
		list_append(&pool.roomy, &s->node);
	if (s->used == 0 && (pool.roomy.next != &s->node || s->node.next != &pool.roomy))
		slab_free(s);
	return NULL;
}

size_t block_slabs(void)
{
	return pool.slabs;
}

void block_pool_done(void)
{
	if (!list_is_empty(&pool.roomy)) {
		struct slab *s = list_entry(pool.roomy.next, struct slab, node);

		if (s->used == 0)
			slab_free(s);
	}
	ENSURE(pool.slabs == 0, "blocks are in use at the end of the loop");
}
