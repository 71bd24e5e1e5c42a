/* memory.c - the allocator of the C library, with a point for planted failures in front. */

#include "base/memory.h"

#include "base/fault.h"

#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <string.h>

#define SMALL_BYTES 1024

void *memory_new(size_t bytes)
{
	return memory_new_array(1, bytes);
}

void *memory_new_array(size_t count, size_t bytes)
{
	size_t total;

	if (__builtin_mul_overflow(count, bytes, &total) || fault_point("malloc", ENOMEM) < 0)
		return NULL;

	/* An object of no bytes is still an object, so that NULL always means that there is no memory. What is small
	 * comes from malloc(3), which keeps such pieces at hand for the thread; calloc(3) of glibc 2.36 does not. */
	if (total > SMALL_BYTES)
		return calloc(1, total);
	void *memory = malloc(MAX(total, (size_t) 1));
	return memory ? memset(memory, 0, total) : NULL;
}

void *memory_resize(void *old, size_t bytes)
{
	if (fault_point("malloc", ENOMEM) < 0)
		return NULL;

	/* realloc(old, 0) would free `old` and return NULL, which says "no memory" here. */
	return realloc(old, MAX(bytes, (size_t) 1));
}

char *memory_copy_text(const char *text)
{
	return memory_copy_bytes(text, strlen(text));
}

char *memory_copy_bytes(const char *text, size_t length)
{
	char *copy;

	if (length == SIZE_MAX || fault_point("malloc", ENOMEM) < 0)
		return NULL;

	copy = malloc(length + 1);
	if (!copy)
		return NULL;

	if (length > 0)
		memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

void memory_give_back(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

void *memory_free(void *memory)
{
	free(memory);
	return NULL;
}
