/* payload.h - bytes that know where they belong.
 *
 * The byte at position p of connection c is a function of both, so a byte that is lost, doubled, swapped or sent to
 * the wrong connection is seen. All connections share one table and start at different places of it; what is sent is
 * sent straight from the table, and what comes back is compared with it, without being computed again.
 */
#pragma once

#include "base/base.h"

/* A prime, so that no buffer size, nor a multiple of one, is a whole number of periods. */
#define PAYLOAD_PERIOD 65521
#define PAYLOAD_RUN 65536 /* how many bytes can be had in one piece, from anywhere */

struct payload {
	unsigned char bytes[PAYLOAD_PERIOD + PAYLOAD_RUN];
};

void payload_init(struct payload *p);
/* The bytes of connection `number` from `position` on; *ret_length (at least PAYLOAD_RUN) of them in one piece. */
const unsigned char *payload_at(const struct payload *p, uint64_t number, uint64_t position, size_t *ret_length);
/* How many of the bytes are the ones expected there: `length`, or the index of the first that is not. */
size_t payload_compare(const struct payload *p, uint64_t number, uint64_t position, const unsigned char *bytes,
		       size_t length);
