#include "payload.h"

#include <string.h>

/* The generator of Steele, Lea and Flood (SplitMix64): any two stretches of the table differ. */
static uint64_t payload_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

void payload_init(struct payload *p)
{
	uint64_t state = 862; /* any number will do, as long as it is always the same */

	for (size_t i = 0; i < PAYLOAD_PERIOD; i++)
		p->bytes[i] = (unsigned char) payload_next(&state);
	for (size_t i = PAYLOAD_PERIOD; i < sizeof(p->bytes); i++)
		p->bytes[i] = p->bytes[i - PAYLOAD_PERIOD];
}

const unsigned char *payload_at(const struct payload *p, uint64_t number, uint64_t position, size_t *ret_length)
{
	/* The stride has no factor in common with the period, so 65521 connections in a row start at different
	 * places. */
	size_t index = (number % PAYLOAD_PERIOD * 7919 + position % PAYLOAD_PERIOD) % PAYLOAD_PERIOD;

	*ret_length = sizeof(p->bytes) - index;
	return p->bytes + index;
}

size_t payload_compare(const struct payload *p, uint64_t number, uint64_t position, const unsigned char *bytes,
		       size_t length)
{
	size_t done = 0;

	while (done < length) {
		size_t run;
		const unsigned char *expected = payload_at(p, number, position + done, &run);

		run = MIN(run, length - done);
		if (memcmp(bytes + done, expected, run) != 0) {
			while (bytes[done] == *expected++)
				done++;
			return done;
		}
		done += run;
	}
	return done;
}
