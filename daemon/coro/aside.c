#include "coro/aside.h"

#include "base/memory.h"
#include "coro/pack.h"
#include "coro/sanitizer.h"

#include <string.h>

#define WORDS_MAX (ASIDE_BYTES_MAX / sizeof(uint64_t))

/* Where the words of a stack point to. */
struct anchors {
	uint64_t of[PACK_ANCHORS];
};

static struct anchors anchors_of(const char *live, const void *owner)
{
	return (struct anchors) {
		{ 0, (uintptr_t) live, (uintptr_t) aside_new, (uintptr_t) owner },
	};
}

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

void *aside_new(const char *live, size_t bytes, const void *owner)
{
	struct anchors anchors = anchors_of(live, owner);
	uint64_t words[WORDS_MAX];
	uint8_t packed[PACK_BYTES_MAX(WORDS_MAX)];
	size_t shadow_bytes;
	const uint8_t *shadow = shadow_of(live, bytes, &shadow_bytes);

	copy_blindly((uint8_t *) words, (const uint8_t *) live, bytes);
	size_t packed_bytes = pack_words(words, bytes / sizeof(*words), anchors.of, packed);
	uint8_t *aside = memory_resize(NULL, packed_bytes + shadow_bytes);
	if (!aside)
		return NULL;
	memcpy(aside, packed, packed_bytes);
	copy_blindly(aside + packed_bytes, shadow, shadow_bytes);
	return aside;
}

SANITIZER_BLIND void aside_hide(char *live, size_t bytes)
{
	volatile uint64_t *words = (uint64_t *) (void *) live;

	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		words[i] = ASLEEP;
	__asan_poison_memory_region(live, bytes);
}

void aside_restore(void *aside, char *live, size_t bytes, const void *owner)
{
	struct anchors anchors = anchors_of(live, owner);
	uint64_t words[WORDS_MAX];
	size_t shadow_bytes;
	uint8_t *shadow = shadow_of(live, bytes, &shadow_bytes);
	size_t packed_bytes = pack_restore(aside, anchors.of, words, bytes / sizeof(*words));

	copy_blindly((uint8_t *) live, (const uint8_t *) words, bytes);
	copy_blindly(shadow, (const uint8_t *) aside + packed_bytes, shadow_bytes);
	memory_free(aside);
}

#else

void *aside_new(const char *live, size_t bytes, const void *owner)
{
	struct anchors anchors = anchors_of(live, owner);
	uint8_t packed[PACK_BYTES_MAX(WORDS_MAX)];
	size_t packed_bytes = pack_words((const uint64_t *) (const void *) live, bytes / sizeof(uint64_t), anchors.of,
					 packed);
	void *aside = memory_resize(NULL, packed_bytes);

	return aside ? memcpy(aside, packed, packed_bytes) : NULL;
}

void aside_hide(char *live, size_t bytes)
{
	(void) live;
	(void) bytes;
}

void aside_restore(void *aside, char *live, size_t bytes, const void *owner)
{
	struct anchors anchors = anchors_of(live, owner);

	(void) pack_restore(aside, anchors.of, (uint64_t *) (void *) live, bytes / sizeof(uint64_t));
	memory_free(aside);
}

#endif
