/* memory.h - allocation with a planted-failure point in front of it.
 *
 * Only small, fixed structures come from here; what a peer can grow is bounded by admission. Every
 * function returns NULL when there is no memory, and the caller answers -ENOMEM.
 */
#pragma once

#include "base/base.h"

/* Zeroed memory for one object of `bytes`. The caller owns it and gives it back with memory_free(). */
void *memory_new(size_t bytes) _must_check_;
/* Zeroed memory for `count` objects of `bytes` each; NULL too when the product overflows. */
void *memory_new_array(size_t count, size_t bytes) _must_check_;
/* Grows `old` (may be NULL) to `bytes`; `old` stays valid when NULL is returned. New bytes are not zeroed. */
void *memory_resize(void *old, size_t bytes) _must_check_;
/* A copy of the string, or of its first `length` bytes with a NUL behind them. */
char *memory_copy_text(const char *text) _must_check_;
char *memory_copy_bytes(const char *text, size_t length) _must_check_;
/* Gives memory back. NULL is fine. Returns NULL. */
void *memory_free(void *memory);
/* What is free goes back to the kernel, where the C library has a way to do that. It looks at all that is free. */
void memory_give_back(void);

/* Loads a byte of memory, for nothing but to have it near. */
static inline void memory_touch(const void *memory)
{
	(void) *(const volatile char *) memory;
}

#define memory_new_object(type) ((type *) memory_new(sizeof(type)))

/* For _cleanup_: frees what the variable points at. */
static inline void memory_freep(void *owner)
{
	memory_free(*(void **) owner);
}
