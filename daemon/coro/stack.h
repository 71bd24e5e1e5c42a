/* stack.h - stacks for coroutines: slabs of a large mapping, each stack with a guard below it.
 *
 * A slab holds STACKS_PER_SLAB stacks of STACK_BYTES, each preceded by STACK_GUARD_BYTES that fault
 * when touched. The guard is 64 KiB because the system's libraries are built without stack probes, and
 * one page can be jumped over. Guards are MADV_GUARD_INSTALL where the kernel has it (Linux 6.13), which
 * costs no mapping, else mprotect(), which costs two mappings per stack out of vm.max_map_count.
 * Free stacks are handed out last in, first out: the hottest first. Slabs are MADV_NOHUGEPAGE.
 */
#pragma once

#include "base/base.h"

#ifndef STACK_BYTES
#define STACK_BYTES (64 * 1024)
#endif
#define STACK_GUARD_BYTES (64 * 1024)
#define STACKS_PER_SLAB 64

struct stack {
	struct stack *next_free;
	char *bottom;			/* lowest usable address; the guard ends here */
	void *fiber;			/* what ThreadSanitizer calls the coroutine on it */
	uint32_t valgrind_id;
	bool painted;
};

/* Hands out a stack of STACK_BYTES, or NULL with no memory or no mappings left. */
struct stack *stack_get(void) _must_check_;
/* Takes it back. When it was used deeply its lower pages are returned to the kernel. */
void stack_put(struct stack *s);

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
/* Stacks in use and stacks mapped. */
size_t stack_in_use(void);
size_t stack_mapped(void);

/* Painting fills each stack handed out from now on with a pattern, so that its depth can be read exactly. */
void stack_set_painting(bool on);
size_t stack_painted_depth_bytes(const struct stack *s);
