/* stack.h - stacks for coroutines: slabs of a large mapping, each stack with a guard below it.
 *
 * A slab holds STACKS_PER_SLAB stacks of STACK_BYTES, each preceded by STACK_GUARD_BYTES that fault
 * when touched. The guard is 64 KiB because the system's libraries are built without stack probes, and
 * one page can be jumped over. Guards are MADV_GUARD_INSTALL where the kernel has it (Linux 6.13), which
 * costs no mapping, else mprotect(), which costs two mappings per stack out of vm.max_map_count.
 * Free stacks are handed out last in, first out within a slab, and from the slab first that had one last: the
 * hottest first. Slabs are MADV_NOHUGEPAGE.
 *
 * A slab is what one page of page tables maps, where the size of a stack allows it, so that this page can be
 * given back too: the stacks of idle connections would cost 256 bytes each in page tables alone. It goes when
 * all stacks in use of a slab are asleep. With it go the markers of the guards, hence each is put up again when
 * its stack is used next.
 */
#pragma once

#include "base/base.h"

#ifndef STACK_BYTES
#define STACK_BYTES (64 * 1024)
#endif
#define STACK_GUARD_BYTES (64 * 1024)
#define STACK_PAGE_TABLE_BYTES (2 * 1024 * 1024)	/* mapped by one page of page tables of 4 KiB pages */
#define STACKS_PER_SLAB                                                                                    \
	(STACK_PAGE_TABLE_BYTES > STACK_BYTES + STACK_GUARD_BYTES                                          \
		 ? STACK_PAGE_TABLE_BYTES / (STACK_BYTES + STACK_GUARD_BYTES)                              \
		 : 1)

struct stack {
	union {
		struct stack *next_free;	/* in the pool */
		void *fiber;			/* in use: what ThreadSanitizer calls the coroutine on it */
	};
	char *bottom;			/* lowest usable address; the guard ends here */
	uint32_t valgrind_id;
	uint8_t slot;			/* which of its slab it is */
	bool guarded;			/* the guard stands */
	bool painted;
};

/* Hands out a stack of STACK_BYTES, or NULL with no memory or no mappings left. */
struct stack *stack_get(void) _must_check_;
/* Takes it back. When it was used deeply its lower pages are returned to the kernel. */
void stack_put(struct stack *s);

/* Gives the memory of a stack in use back to the kernel: its bytes are lost, its addresses stay its own. False, and
 * nothing has changed, for a painted stack, or when the kernel refuses. */
bool stack_sleep(struct stack *s);
/* Before a stack that is asleep is used again: it reads as zeros. A guard that cannot be put up for want of memory
 * does not keep it asleep, for that would be the end of its owner: it is tried again when the next sleep ends, and
 * when the stack is handed out. */
void stack_wake(struct stack *s);

/* How far below its end a stack is to be used from. Stacks lie at equal distances, a power of two, so their
 * ends would all fall into the same few sets of the processor's caches and push each other out; the colour
 * spreads them over one page. */
#define STACK_COLOURS 56
#define STACK_COLOUR_STEP 9		/* cache lines: what a parked handler takes, about */
static inline size_t stack_colour_bytes(const struct stack *s)
{
	size_t number = (uintptr_t) s->bottom / (STACK_BYTES + STACK_GUARD_BYTES);

	return number * STACK_COLOUR_STEP % STACK_COLOURS * 64;
}

/* Gives the cached slabs back to the kernel: at the end of the process, for leak checkers. All stacks
 * must have been put back. */
void stack_pool_done(void);

/* The stack whose guard holds this address, or NULL: for the fatal-signal handler (async-signal-safe). */
const struct stack *stack_of_guard(const void *address);
/* The stack that holds this address itself, or NULL (async-signal-safe). */
const struct stack *stack_of_address(const void *address);

/* How many stacks the mappings allow in this process: SIZE_MAX with guard markers, else computed from
 * vm.max_map_count. Reads /proc once. */
size_t stack_limit(void);
/* "guard markers" or "mprotect": how guards are made on this kernel. */
const char *stack_guard_kind(void);
/* Stacks in use, asleep or not, and stacks mapped. */
size_t stack_in_use(void);
size_t stack_mapped(void);

/* Painting fills each stack handed out from now on with a pattern, so that its depth can be read exactly. */
void stack_set_painting(bool on);
size_t stack_painted_depth_bytes(const struct stack *s);
