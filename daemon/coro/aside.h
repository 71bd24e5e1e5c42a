/* aside.h - the packed copy of a sleeping stack's live bytes, and what AddressSanitizer knows of them.
 *
 * With ASan the memory stays where it is, and is poisoned and overwritten for as long as its owner sleeps:
 * whoever follows a pointer into it dies at once. So that is what a test of the sleep proves.
 */
#pragma once

#include "base/base.h"

#define ASIDE_BYTES_MAX 4096

/* A copy of `bytes` live bytes, a multiple of 8 at a multiple of 8, ASIDE_BYTES_MAX at most; or NULL with no memory.
 * Changes nothing there. `owner` is an address of the heap, not far from those that the bytes hold; the same one is
 * to be given to aside_restore(). The copy is at the beginning of the allocation; memory_free() frees it. */
void *aside_new(const char *live, size_t bytes, const void *owner) _must_check_;
/* The bytes now sleep: from here on nobody may look at them. */
void aside_hide(char *live, size_t bytes);
/* Makes them as they were, and frees the copy. */
void aside_restore(void *aside, char *live, size_t bytes, const void *owner);
