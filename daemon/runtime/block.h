/* block.h - small pieces of memory for what exists while a connection is busy.
 *
 * A connection that has fallen silent gives its block back. From the C library's allocator it would lie between what
 * stays, and thousands of such holes are memory that nobody gets: here blocks lie together, in slabs that are given
 * back to the kernel when they are empty.
 */
#pragma once

#include "base/base.h"

#define BLOCK_BYTES 256

/* Cleared. NULL: no memory. */
void *block_new(void);
/* Returns NULL. NULL is fine. */
void *block_free(void *block);
/* An object that fits into a block. */
#define block_new_object(type)                                                                             \
	({                                                                                                 \
		_Static_assert(sizeof(type) <= BLOCK_BYTES, "too large for a block");                      \
		(type *) block_new();                                                                      \
	})

/* How many slabs there are. */
size_t block_slabs(void);
/* -- used by loop_close() -- */
void block_pool_done(void);
