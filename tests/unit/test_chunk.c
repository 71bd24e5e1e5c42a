/* test_chunk.c - the pool of buffers, and how it holds back those who come later. */
#include "runtime/runtime.h"
#include "tests/support/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct borrower {
	struct chunk *chunk;
	int result;
	struct task_handle handle;
};

#define PENDING 12345

static int borrow(void *arg)
{
	struct borrower *b = arg;

	return b->result = chunk_get(&b->chunk);
}

static void spawn(struct task_group *g, struct borrower *b)
{
	*b = (struct borrower) { .result = PENDING };
	assert_int_equal(task_spawn(g, "borrower", borrow, b, &b->handle), 0);
}

static int borrowed(void *arg)
{
	struct chunk *a, *b;

	(void) arg;
	assert_int_equal(chunk_in_use(), 0);
	assert_int_equal(chunk_get(&a), 0);
	assert_int_equal(chunk_length(a), 0);
	memset(a->bytes, 'x', a->size_bytes);
	a->begin = 10;
	a->end = 30;
	assert_int_equal(chunk_length(a), 20);
	assert_int_equal(chunk_in_use(), 1);
	assert_null(chunk_put(a));
	assert_int_equal(chunk_in_use(), 0);

	assert_int_equal(chunk_get(&b), 0);
	assert_ptr_equal(a, b);		/* the hottest first */
	assert_int_equal(chunk_length(b), 0);
	chunk_put(b);
	assert_null(chunk_put(NULL));
	return 0;
}

static void a_chunk_is_empty_when_lent_and_the_hottest_comes_first(void **state)
{
	(void) state;
	assert_int_equal(harness_run(borrowed, NULL), 0);
}

static int limited(void *arg)
{
	struct borrower b[4];
	struct chunk *mine;

	(void) arg;
	chunk_set_limit(2);
	TASK_GROUP(g, GROUP_EACH);
	mine = chunk_try_get();
	assert_non_null(mine);
	for (int i = 0; i < 4; i++)
		spawn(&g, &b[i]);
	harness_settle();
	assert_int_equal(b[0].result, 0);
	assert_int_equal(b[1].result, PENDING);
	assert_null(chunk_try_get());
	assert_int_equal(chunk_in_use(), 2);

	/* In order, and past one who was cancelled. */
	task_cancel(b[1].handle);
	chunk_put(mine);
	assert_null(chunk_try_get());	/* it is promised already */
	harness_settle();
	assert_int_equal(b[1].result, -ECANCELED);
	assert_int_equal(b[2].result, 0);
	assert_int_equal(b[3].result, PENDING);

	chunk_set_limit(3);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(b[3].result, 0);
	for (int i = 0; i < 4; i++)
		chunk_put(b[i].chunk);
	return 0;
}

static void whoever_comes_when_all_are_lent_waits_in_line(void **state)
{
	(void) state;
	assert_int_equal(harness_run(limited, NULL), 0);
}

static int no_less_than_one(void *arg)
{
	struct chunk *c = NULL;

	(void) arg;
	chunk_set_limit(0);
	DEADLINE(limit, 10);
	assert_int_equal(chunk_get(&c), 0);
	struct chunk *untouched = c;
	assert_int_equal(chunk_get(&untouched), -ETIMEDOUT);
	assert_ptr_equal(untouched, c);
	chunk_put(c);
	return 0;
}

static void one_can_always_be_had(void **state)
{
	(void) state;
	assert_int_equal(harness_run(no_less_than_one, NULL), 0);
}

static int hundreds(void *arg)
{
	struct chunk *c[200];

	(void) arg;
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < ARRAY_LENGTH(c); i++) {
			c[i] = chunk_try_get();
			assert_non_null(c[i]);
			memset(c[i]->bytes, (int) i, c[i]->size_bytes);
		}
		assert_int_equal(chunk_in_use(), ARRAY_LENGTH(c));
		for (size_t i = 0; i < ARRAY_LENGTH(c); i++) {
			assert_int_equal(c[i]->bytes[CHUNK_BYTES - 1], (int) i);
			chunk_put(c[i]);
		}
	}
	return 0;
}

static void more_than_the_pool_keeps_can_be_lent(void **state)
{
	(void) state;
	assert_int_equal(harness_run(hundreds, NULL), 0);
}

static int large_ones(void *arg)
{
	struct chunk *c[200], *hot;
	size_t n = 0;

	(void) arg;
	while (n < ARRAY_LENGTH(c) && (c[n] = chunk_try_get_large())) {
		assert_int_equal(c[n]->size_bytes, CHUNK_LARGE_BYTES);
		assert_int_equal(chunk_length(c[n]), 0);
		memset(c[n]->bytes, (int) n, c[n]->size_bytes);
		n++;
	}
	assert_in_range(n, 16, ARRAY_LENGTH(c) - 1);
	assert_int_equal(chunk_in_use(), n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(c[i]->bytes[CHUNK_LARGE_BYTES - 1], (int) i);

	hot = chunk_try_get();
	assert_int_equal(hot->size_bytes, CHUNK_BYTES);
	chunk_put(hot);
	for (size_t i = 0; i < n; i++)
		chunk_put(c[i]);
	assert_int_equal(chunk_in_use(), 0);
	hot = chunk_try_get();
	assert_int_equal(hot->size_bytes, CHUNK_BYTES);

	chunk_set_limit(1);
	assert_null(chunk_try_get_large());
	chunk_put(hot);
	hot = chunk_try_get_large();
	assert_non_null(hot);
	chunk_put(hot);
	return 0;
}

static void large_ones_are_few_and_count_as_one(void **state)
{
	(void) state;
	assert_int_equal(harness_run(large_ones, NULL), 0);
}

/* -- torture -- */

static int carry(void *arg)
{
	DEADLINE(limit, FOREVER);

	(void) arg;
	for (int i = 0; i < 3; i++) {
		_cleanup_(chunk_putp) struct chunk *c = NULL;
		int r = chunk_get(&c);

		if (r < 0)
			return r;
		r = sleep_for(1);
		if (r < 0)
			return r;
	}
	return 0;
}

static int carriers(void *arg)
{
	int r = 0;

	(void) arg;
	chunk_set_limit(2);
	TASK_GROUP(g, GROUP_EACH);
	for (int i = 0; i < 4 && r == 0; i++)
		r = task_spawn(&g, "carrier", carry, NULL, NULL);
	return r < 0 ? r : group_wait(&g);
}

static void a_cancel_a_timeout_or_a_failure_anywhere_keeps_no_chunk(void **state)
{
	struct harness_scenario s = { .body = carriers };

	(void) state;
	assert_true(harness_torture(&s) > 20);
	(void) harness_torture_faults(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chunk_is_empty_when_lent_and_the_hottest_comes_first),
		cmocka_unit_test(whoever_comes_when_all_are_lent_waits_in_line),
		cmocka_unit_test(one_can_always_be_had),
		cmocka_unit_test(more_than_the_pool_keeps_can_be_lent),
		cmocka_unit_test(large_ones_are_few_and_count_as_one),
		cmocka_unit_test(a_cancel_a_timeout_or_a_failure_anywhere_keeps_no_chunk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
