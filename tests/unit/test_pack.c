/* test_pack.c - packing the words of a stack loses nothing, and makes what lies on stacks small. */
#include "coro/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORDS 512

static const uint64_t anchors[PACK_ANCHORS] = { 0, 0x7ffc12345678, 0x555555554000, 0x5555556a0010 };

static size_t survive(const uint64_t *words, size_t count)
{
	uint8_t packed[PACK_BYTES_MAX(WORDS)];
	uint64_t restored[WORDS + 1];

	memset(packed, 0xa5, sizeof(packed));
	memset(restored, 0x5a, sizeof(restored));
	size_t bytes = pack_words(words, count, anchors, packed);
	assert_true(bytes <= PACK_BYTES_MAX(count));
	assert_int_equal(pack_restore(packed, anchors, restored, count), bytes);
	assert_memory_equal(words, restored, count * sizeof(*words));
	assert_true(restored[count] == UINT64_C(0x5a5a5a5a5a5a5a5a));
	return bytes;
}

static void every_number_of_bits_survives(void **unused)
{
	(void) unused;
	for (unsigned anchor = 0; anchor < PACK_ANCHORS; anchor++)
		for (unsigned bit = 0; bit < 64; bit++)
			for (int about = -2; about <= 2; about++) {
				uint64_t distance = (UINT64_C(1) << bit) + (uint64_t) (int64_t) about;
				uint64_t words[] = { anchors[anchor] + distance, anchors[anchor] - distance };

				survive(words, ARRAY_LENGTH(words));
			}
}

static void zeros_survive_wherever_they_are(void **unused)
{
	uint64_t words[16];

	(void) unused;
	for (unsigned pattern = 0; pattern < 1 << 12; pattern++) {
		for (unsigned i = 0; i < 12; i++)
			words[i] = pattern >> i & 1 ? UINT64_C(0x123456789abcdef0) + i : 0;
		for (size_t count = 1; count <= 12; count++)
			survive(words, count);
	}
	assert_int_equal(survive(words, 0), 0);
}

static void random_words_survive(void **unused)
{
	uint64_t words[WORDS];
	unsigned seed = 1;

	(void) unused;
	for (int round = 0; round < 2000; round++) {
		size_t count = 1 + (size_t) rand_r(&seed) % WORDS;

		for (size_t i = 0; i < count; i++) {
			uint64_t noise = (uint64_t) rand_r(&seed) << 33 ^ (uint64_t) rand_r(&seed) << 11;

			words[i] = anchors[rand_r(&seed) % PACK_ANCHORS] + (noise >> rand_r(&seed) % 64);
		}
		survive(words, count);
	}
}

static void what_lies_on_stacks_becomes_small(void **unused)
{
	const uint64_t words[] = {
		0, 0, 0, 0x7ffc12345600, 0x555555554abc, 0x5555556a0020, 5,
		0, 0, 0, 0, 0x5555556b0000, 0x555555559999,
	};

	(void) unused;
	/* Seven words with a byte of their own, the zeros shared among these and one more. */
	assert_true(survive(words, ARRAY_LENGTH(words)) <= 8 + 1 + 2 + 1 + 1 + 3 + 2 + 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_number_of_bits_survives),
		cmocka_unit_test(zeros_survive_wherever_they_are),
		cmocka_unit_test(random_words_survive),
		cmocka_unit_test(what_lies_on_stacks_becomes_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
