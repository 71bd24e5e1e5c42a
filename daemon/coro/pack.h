/* pack.h - the words of a stack in fewer bytes.
 *
 * What lies on a stack is zeros, small numbers, and addresses of few places: the stack itself, the program, the
 * heap. So each word is kept as its difference from the nearest of four anchors, in as few bytes as that takes. One
 * byte before them says how: bits 6 and 7 how many words of zero come first, bits 4 and 5 which anchor, bits 0 to 3
 * how many bytes of the difference follow, the lowest first, the sign in the highest (scripts/tasks-gdb.py reads it
 * too).
 */
#pragma once

#include "base/base.h"

#define PACK_ANCHORS 4
/* What `words` words take at most. */
#define PACK_BYTES_MAX(words) ((words) * 9 + 1)

/* Returns how many bytes were written. */
size_t pack_words(const uint64_t *words, size_t count, const uint64_t anchors[PACK_ANCHORS], uint8_t *packed);
/* Writes `count` words, with the anchors that they were packed with. Returns how many bytes were read. */
size_t pack_restore(const uint8_t *packed, const uint64_t anchors[PACK_ANCHORS], uint64_t *words, size_t count);
