/* histogram.h - how spans of time are distributed, in buckets that grow with the value: 64 to each doubling, so that
 * a percentile is at most 1.6 % off, from nanoseconds to centuries, in 29 KiB. */
#pragma once

#include "base/base.h"

#define HISTOGRAM_SUB_BITS 6
#define HISTOGRAM_BUCKETS ((65 - HISTOGRAM_SUB_BITS) << HISTOGRAM_SUB_BITS)

struct histogram {
	uint64_t count;
	uint64_t largest;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, int64_t value);
/* The value that `fraction` (0..1) of all values do not exceed; 0 when there are none. */
uint64_t histogram_at(const struct histogram *h, double fraction);
