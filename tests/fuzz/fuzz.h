/* fuzz.h - what a fuzz target is: a function that is given any bytes at all, and dies when a promise is broken.
 *
 * The entry points are libFuzzer's, so `scripts/fuzz` can search for new inputs. With replay.c in place of libFuzzer
 * the same targets go through the inputs that are kept, as a test.
 */
#pragma once

#include "base/base.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The folders of inputs of this target, from the top of the tree; ends with NULL. */
extern const char *const fuzz_corpora[];
