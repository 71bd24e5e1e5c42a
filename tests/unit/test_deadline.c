/* test_deadline.c - time limits as scopes, and shields. */
#include "runtime/runtime.h"
#include "tests/support/harness.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* -- limits -- */

static int once_and_again(void *arg)
{
	int64_t began_ms = time_now_ms();

	(void) arg;
	{
		DEADLINE(limit, 50);
		assert_int_equal(sleep_for(20), 0);
		assert_int_equal(deadline_left_ms(&limit), 30);
		assert_false(deadline_passed(&limit));
		assert_int_equal(sleep_for(100), -ETIMEDOUT);
		assert_int_equal(time_now_ms() - began_ms, 50);
		assert_true(deadline_passed(&limit));
		assert_int_equal(deadline_left_ms(&limit), 0);
		assert_int_equal(sleep_for(1), -ETIMEDOUT);
		assert_int_equal(task_yield(), -ETIMEDOUT);
		assert_int_equal(task_check(), -ETIMEDOUT);
	}
	assert_int_equal(task_check(), 0);
	assert_int_equal(sleep_for(1), 0);
	return 0;
}

static void once_the_time_is_up_every_call_fails_until_the_block_ends(void **state)
{
	(void) state;
	assert_int_equal(harness_run(once_and_again, NULL), 0);
}

static int nested(void *arg)
{
	(void) arg;
	DEADLINE(outer, 100);
	{
		DEADLINE(inner, 30);
		assert_int_equal(sleep_for(1000), -ETIMEDOUT);
		assert_true(deadline_passed(&inner));
		assert_false(deadline_passed(&outer));
	}
	{
		DEADLINE(inner, 1000);
		assert_int_equal(sleep_for(5000), -ETIMEDOUT);
		assert_false(deadline_passed(&inner));
		assert_true(deadline_passed(&outer));
	}
	assert_int_equal(task_check(), -ETIMEDOUT);
	return 0;
}

static void the_nearest_wins_and_each_can_be_asked(void **state)
{
	(void) state;
	assert_int_equal(harness_run(nested, NULL), 0);
}

static int extremes(void *arg)
{
	(void) arg;
	{
		DEADLINE(none, FOREVER);
		assert_true(deadline_left_ms(&none) == FOREVER);
		assert_int_equal(sleep_for(24 * 3600 * 1000), 0);
	}
	{
		DEADLINE(vast, FOREVER - 1);	/* more than fits behind now: none */
		assert_true(deadline_left_ms(&vast) == FOREVER);
		assert_int_equal(sleep_for(1), 0);
	}
	{
		DEADLINE(nothing, 0);
		assert_int_equal(task_yield(), -ETIMEDOUT);
	}
	{
		DEADLINE(negative, -5);
		assert_int_equal(task_yield(), -ETIMEDOUT);
		assert_int_equal(deadline_left_ms(&negative), 0);
	}
	return 0;
}

static void no_limit_and_no_time_are_limits_too(void **state)
{
	(void) state;
	assert_int_equal(harness_run(extremes, NULL), 0);
}

/* -- rearming -- */

static int rearmed(void *arg)
{
	(void) arg;
	DEADLINE(idle, 100);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(sleep_for(90), 0);
		deadline_rearm(&idle, 100);
	}
	assert_int_equal(sleep_for(101), -ETIMEDOUT);
	assert_true(deadline_passed(&idle));
	deadline_rearm(&idle, 10);
	assert_false(deadline_passed(&idle));
	assert_int_equal(sleep_for(5), 0);
	deadline_rearm(&idle, FOREVER);
	assert_int_equal(sleep_for(5000), 0);
	deadline_rearm(&idle, 1);
	assert_int_equal(sleep_for(5), -ETIMEDOUT);
	return 0;
}

static void a_rearmed_limit_counts_from_then(void **state)
{
	(void) state;
	assert_int_equal(harness_run(rearmed, NULL), 0);
}

static int shortened(void *arg)
{
	int64_t began_ms = time_now_ms();

	(void) arg;
	DEADLINE(limit, 1000);
	assert_int_equal(sleep_for(10), 0);	/* may set a timer for later */
	deadline_rearm(&limit, 20);
	assert_int_equal(sleep_for(500), -ETIMEDOUT);
	assert_int_equal(time_now_ms() - began_ms, 30);
	return 0;
}

static void a_limit_can_be_brought_forward(void **state)
{
	(void) state;
	assert_int_equal(harness_run(shortened, NULL), 0);
}

/* -- shields -- */

static int behind_a_shield(void *arg)
{
	int *steps = arg;
	DEADLINE(outer, 1000);

	assert_int_equal(sleep_for(5000), -ECANCELED);
	{
		SHIELD(goodbye, 50);
		assert_int_equal(task_check(), 0);
		assert_int_equal(sleep_for(20), 0);
		assert_int_equal(sleep_for(100), -ETIMEDOUT);
		assert_true(deadline_passed(&goodbye));
		++*steps;
	}
	assert_int_equal(task_check(), -ECANCELED);
	{
		SHIELD(another, 2000);
		assert_int_equal(sleep_for(1500), 0);	/* over the outer limit, which is hidden too */
		assert_false(deadline_passed(&outer));
		{
			DEADLINE(within, 10);
			assert_int_equal(sleep_for(100), -ETIMEDOUT);
			assert_true(deadline_passed(&within));
		}
		assert_int_equal(sleep_for(1), 0);
		++*steps;
	}
	assert_int_equal(sleep_for(1), -ECANCELED);
	return 0;
}

static int cancels_it(void *arg)
{
	int steps = 0;
	struct task_handle h;

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	assert_int_equal(task_spawn(&g, "shielded", behind_a_shield, &steps, &h), 0);
	assert_int_equal(sleep_for(10), 0);
	task_cancel(h);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(steps, 2);
	return 0;
}

static void a_shield_hides_cancel_and_outer_limits_within_its_own(void **state)
{
	(void) state;
	assert_int_equal(harness_run(cancels_it, NULL), 0);
}

static int cancelled_inside(void *arg)
{
	(void) arg;
	int r;

	{
		SHIELD(goodbye, 1000);
		r = sleep_for(100);
		assert_int_equal(r, 0);
	}
	return task_check();
}

static int cancels_inside(void *arg)
{
	struct task_handle h;
	int64_t began_ms = time_now_ms();

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	assert_int_equal(task_spawn(&g, "shielded", cancelled_inside, NULL, &h), 0);
	assert_int_equal(sleep_for(10), 0);
	task_cancel(h);
	assert_int_equal(group_wait(&g), -ECANCELED);
	assert_int_equal(time_now_ms() - began_ms, 100);
	return 0;
}

static void a_cancel_that_comes_inside_a_shield_shows_after_it(void **state)
{
	(void) state;
	assert_int_equal(harness_run(cancels_inside, NULL), 0);
}

/* -- cancel and timeout together -- */

static int both_at_once(void *arg)
{
	(void) arg;
	DEADLINE(limit, 10);
	{
		SHIELD(meanwhile, 100);
		assert_int_equal(sleep_for(20), 0);
	}
	assert_int_equal(task_check(), -ETIMEDOUT);
	task_cancel(task_handle_self());
	assert_int_equal(task_check(), -ECANCELED);
	assert_int_equal(sleep_for(1), -ECANCELED);
	return 0;
}

static void cancel_outranks_timeout(void **state)
{
	(void) state;
	assert_int_equal(harness_run(both_at_once, NULL), 0);
}

/* -- misuse -- */

static int endless_shield(void *arg)
{
	(void) arg;
	SHIELD(goodbye, FOREVER);
	return 0;
}

static int crossed(void *arg)
{
	struct deadline outer, inner;

	(void) arg;
	deadline_begin(&outer, 10);
	deadline_begin(&inner, 10);
	deadline_end(&outer);
	return 0;
}

static void misuse_aborts_by_name(void **state)
{
	(void) state;
	harness_dies(endless_shield, NULL, "task root: a shield needs a bound");
	harness_dies(crossed, NULL, "task root: deadline scopes are not nested");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(once_the_time_is_up_every_call_fails_until_the_block_ends),
		cmocka_unit_test(the_nearest_wins_and_each_can_be_asked),
		cmocka_unit_test(no_limit_and_no_time_are_limits_too),
		cmocka_unit_test(a_rearmed_limit_counts_from_then),
		cmocka_unit_test(a_limit_can_be_brought_forward),
		cmocka_unit_test(a_shield_hides_cancel_and_outer_limits_within_its_own),
		cmocka_unit_test(a_cancel_that_comes_inside_a_shield_shows_after_it),
		cmocka_unit_test(cancel_outranks_timeout),
		cmocka_unit_test(misuse_aborts_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
