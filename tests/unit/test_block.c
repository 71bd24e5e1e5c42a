/* test_block.c - small pieces of memory that are given back together. */
#include "runtime/block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 1000 };	/* several slabs */

static unsigned char *blocks[MANY];

static void take_all(void)
{
	for (int i = 0; i < MANY; i++) {
		blocks[i] = block_new();
		assert_non_null(blocks[i]);
		for (int k = 0; k < BLOCK_BYTES; k++)
			assert_int_equal(blocks[i][k], 0);
		memset(blocks[i], i % 255 + 1, BLOCK_BYTES);
	}
}

/* Each has what was written to it, so no two are the same memory. */
static void check_all(void)
{
	for (int i = 0; i < MANY; i++)
		for (int k = 0; k < BLOCK_BYTES; k++)
			assert_int_equal(blocks[i][k], i % 255 + 1);
}

static void blocks_are_cleared_and_lie_apart(void **state)
{
	(void) state;
	for (int round = 0; round < 3; round++) {
		take_all();
		check_all();
		for (int i = 0; i < MANY; i++)
			assert_null(block_free(blocks[round == 1 ? MANY - 1 - i : i]));
	}
	assert_null(block_free(NULL));
	block_pool_done();
}

static void blocks_that_come_and_go_among_others_disturb_none(void **state)
{
	unsigned number = 1;

	(void) state;
	take_all();
	for (int i = 0; i < 20 * MANY; i++) {
		number = number * 1103515245 + 12345;
		int n = (int) (number >> 16) % MANY;

		block_free(blocks[n]);
		blocks[n] = block_new();
		assert_non_null(blocks[n]);
		memset(blocks[n], n % 255 + 1, BLOCK_BYTES);
	}
	check_all();
	for (int i = 0; i < MANY; i++)
		block_free(blocks[i]);
	block_pool_done();
}

static void empty_slabs_are_given_back(void **state)
{
	size_t most;

	(void) state;
	take_all();
	most = block_slabs();
#ifdef __SANITIZE_ADDRESS__
	assert_int_equal(most, 0);
#else
	assert_in_range(most, MANY * BLOCK_BYTES / (16 * 1024), MANY * BLOCK_BYTES / (16 * 1024) + 3);
#endif
	for (int i = 0; i < MANY; i += 2)
		block_free(blocks[i]);
	for (int i = 1; i < MANY; i += 2)
		block_free(blocks[i]);
	assert_in_range(block_slabs(), 0, 1);
	/* One that comes and goes makes none. */
	for (int i = 0; i < 3; i++) {
		size_t before = block_slabs();

		block_free(block_new());
		assert_int_equal(block_slabs(), before);
	}
	block_pool_done();
	assert_int_equal(block_slabs(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_cleared_and_lie_apart),
		cmocka_unit_test(blocks_that_come_and_go_among_others_disturb_none),
		cmocka_unit_test(empty_slabs_are_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
