#include "histogram.h"

#define SUB_BUCKETS (UINT64_C(1) << HISTOGRAM_SUB_BITS)

/* Small values have a bucket each; above, the leading bits after the first one choose it. */
static size_t histogram_bucket(uint64_t value)
{
	if (value < SUB_BUCKETS)
		return value;

	unsigned shift = 63 - (unsigned) __builtin_clzll(value) - HISTOGRAM_SUB_BITS;

	return (shift << HISTOGRAM_SUB_BITS) + (value >> shift);
}

/* The largest value of a bucket. */
static uint64_t histogram_bound(size_t bucket)
{
	if (bucket < 2 * SUB_BUCKETS)
		return bucket;

	unsigned shift = (unsigned) (bucket >> HISTOGRAM_SUB_BITS) - 1;
	uint64_t leading = (bucket & (SUB_BUCKETS - 1)) | SUB_BUCKETS;

	return ((leading + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, int64_t value)
{
	uint64_t v = value > 0 ? (uint64_t) value : 0;

	h->buckets[histogram_bucket(v)]++;
	h->count++;
	h->largest = MAX(h->largest, v);
}

uint64_t histogram_at(const struct histogram *h, double fraction)
{
	uint64_t wanted = (uint64_t) (fraction * (double) h->count + 0.5), seen = 0;

	if (!h->count)
		return 0;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen && seen >= wanted)
			return MIN(histogram_bound(i), h->largest);
	}
	return h->largest;
}
