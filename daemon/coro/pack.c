#include "coro/pack.h"

#define ZEROS_MAX 3		/* what two bits say */
#define ZEROS_SHIFT 6
#define ANCHOR_SHIFT 4
#define BYTES_MASK 15

/* How many bytes a difference takes: enough that its sign shows in the highest. */
static unsigned bytes_of(int64_t difference)
{
	uint64_t magnitude = (uint64_t) (difference < 0 ? ~difference : difference);

	if (difference == 0)
		return 0;
	return (65 - (magnitude ? (unsigned) __builtin_clzll(magnitude) : 64) + 7) / 8;
}

static unsigned nearest_anchor(uint64_t word, const uint64_t anchors[PACK_ANCHORS])
{
	unsigned nearest = 0;

	for (unsigned i = 1; i < PACK_ANCHORS; i++)
		if (bytes_of((int64_t) (word - anchors[i])) < bytes_of((int64_t) (word - anchors[nearest])))
			nearest = i;
	return nearest;
}

size_t pack_words(const uint64_t *words, size_t count, const uint64_t anchors[PACK_ANCHORS], uint8_t *packed)
{
	uint8_t *to = packed;
	unsigned zeros = 0;

	for (size_t i = 0; i < count; i++) {
		/* The last word is written in any case, so that the words of zero before it are. */
		if (words[i] == 0 && zeros < ZEROS_MAX && i + 1 < count) {
			zeros++;
			continue;
		}

		unsigned anchor = nearest_anchor(words[i], anchors);
		uint64_t difference = words[i] - anchors[anchor];
		unsigned bytes = bytes_of((int64_t) difference);

		*to++ = (uint8_t) (zeros << ZEROS_SHIFT | anchor << ANCHOR_SHIFT | bytes);
		for (unsigned b = 0; b < bytes; b++)
			*to++ = (uint8_t) (difference >> (8 * b));
		zeros = 0;
	}
	return (size_t) (to - packed);
}

/* A number of so many bytes, its sign in the highest. */
static uint64_t read_difference(const uint8_t *from, unsigned bytes)
{
	uint64_t difference = 0;

	for (unsigned b = 0; b < bytes; b++)
		difference |= (uint64_t) from[b] << (8 * b);
	if (bytes > 0 && bytes < 8 && (from[bytes - 1] & 0x80))
		difference |= UINT64_MAX << (8 * bytes);
	return difference;
}

size_t pack_restore(const uint8_t *packed, const uint64_t anchors[PACK_ANCHORS], uint64_t *words, size_t count)
{
	const uint8_t *from = packed;

	for (size_t i = 0; i < count; i++) {
		uint8_t how = *from++;
		unsigned bytes = how & BYTES_MASK;

		for (unsigned zeros = how >> ZEROS_SHIFT; zeros > 0; zeros--)
			words[i++] = 0;
		words[i] = anchors[how >> ANCHOR_SHIFT & (PACK_ANCHORS - 1)] + read_difference(from, bytes);
		from += bytes;
	}
	return (size_t) (from - packed);
}
