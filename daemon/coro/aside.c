#include "coro/aside.h"

#include "base/memory.h"
#include "coro/sanitizer.h"

#include <string.h>

#ifdef SANITIZER_ADDRESS

#define ASLEEP UINT64_C(0x617369646520626a)

/* What ASan knows of the bytes, one byte of it for each 2^scale of memory. */
static uint8_t *shadow_of(const char *live, size_t bytes, size_t *ret_bytes)
{
	size_t scale, offset;

	__asan_get_shadow_mapping(&scale, &offset);
	*ret_bytes = bytes >> scale;
	return (uint8_t *) (((uintptr_t) live >> scale) + offset);
}

/* Like memcpy(), which would refuse to touch the red zones between the variables of a frame. Volatile, lest the
 * compiler recognizes it. */
static SANITIZER_BLIND void copy_blindly(volatile uint8_t *to, const volatile uint8_t *from, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		to[i] = from[i];
}

void *aside_new(const char *live, size_t bytes)
{
	size_t shadow_bytes;
	const uint8_t *shadow = shadow_of(live, bytes, &shadow_bytes);
	uint8_t *aside = memory_resize(NULL, bytes + shadow_bytes);

	if (!aside)
		return NULL;
	copy_blindly(aside, (const uint8_t *) live, bytes);
	copy_blindly(aside + bytes, shadow, shadow_bytes);
	return aside;
}

SANITIZER_BLIND void aside_hide(char *live, size_t bytes)
{
	volatile uint64_t *words = (uint64_t *) (void *) live;

	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		words[i] = ASLEEP;
	__asan_poison_memory_region(live, bytes);
}

void aside_restore(void *aside, char *live, size_t bytes)
{
	size_t shadow_bytes;
	uint8_t *shadow = shadow_of(live, bytes, &shadow_bytes);

	copy_blindly((uint8_t *) live, aside, bytes);
	copy_blindly(shadow, (const uint8_t *) aside + bytes, shadow_bytes);
	memory_free(aside);
}

#else

void *aside_new(const char *live, size_t bytes)
{
	void *aside = memory_resize(NULL, bytes);

	return aside ? memcpy(aside, live, bytes) : NULL;
}

void aside_hide(char *live, size_t bytes)
{
	(void) live;
	(void) bytes;
}

void aside_restore(void *aside, char *live, size_t bytes)
{
	memcpy(live, aside, bytes);
	memory_free(aside);
}

#endif
