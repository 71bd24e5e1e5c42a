/* test_wheel.c - the timing wheel against a sorted list. */
#include "runtime/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOUR_MS INT64_C(3600000)

/* A timer, what the model knows of it, and the place where it reports. */
struct bell {
	struct wheel_timer timer;
	int64_t due_ms;			/* in the model; FOREVER when it is not set */
	uint64_t order;			/* of setting */
	struct tower *tower;
};

#define BELLS 500

struct tower {
	struct wheel wheel;
	uint64_t sets;
	size_t rung;
	struct bell *last;
	int64_t last_due_ms;
	uint64_t last_order;
	int64_t limit_ms;		/* where the advance goes to */
	struct bell bells[BELLS];
	/* What ring() does besides: */
	struct bell *sets_another;
	int64_t sets_at_ms;
	struct bell *clears;
};

static void set(struct bell *b, int64_t at_ms)
{
	struct tower *t = b->tower;

	wheel_set(&t->wheel, &b->timer, at_ms);
	b->due_ms = MAX(at_ms, t->wheel.now_ms);
	b->order = t->sets++;
}

static void clear(struct bell *b)
{
	wheel_clear(&b->tower->wheel, &b->timer);
	b->due_ms = FOREVER;
}

static void ring(struct wheel_timer *timer)
{
	struct bell *b = container_of(timer, struct bell, timer);
	struct tower *t = b->tower;

	assert_false(wheel_timer_is_set(timer));
	assert_true(b->due_ms <= t->limit_ms);
	assert_true(b->due_ms > t->last_due_ms || (b->due_ms == t->last_due_ms && b->order > t->last_order));
	t->last = b;
	t->last_due_ms = b->due_ms;
	t->last_order = b->order;
	t->rung++;
	b->due_ms = FOREVER;
	if (t->sets_another)
		set(t->sets_another, t->sets_at_ms);
	if (t->clears)
		clear(t->clears);
}

static struct tower *build(int64_t now_ms)
{
	struct tower *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	wheel_init(&t->wheel, now_ms);
	for (size_t i = 0; i < BELLS; i++) {
		wheel_timer_init(&t->bells[i].timer, ring);
		t->bells[i].due_ms = FOREVER;
		t->bells[i].tower = t;
	}
	return t;
}

static void tear_down(struct tower *t)
{
	for (size_t i = 0; i < BELLS; i++)
		clear(&t->bells[i]);
	assert_int_equal(t->wheel.count, 0);
	for (size_t i = 0; i < WHEEL_LEVELS; i++)
		assert_true(t->wheel.occupied[i] == 0);
	free(t);
}

static void advance(struct tower *t, int64_t to_ms)
{
	t->last_due_ms = -1;
	t->limit_ms = to_ms;
	wheel_advance(&t->wheel, to_ms);
}

static size_t model_due(const struct tower *t, int64_t until_ms)
{
	size_t n = 0;

	for (size_t i = 0; i < BELLS; i++)
		n += t->bells[i].due_ms <= until_ms && t->bells[i].due_ms != FOREVER;
	return n;
}

static int64_t model_next(const struct tower *t)
{
	int64_t next = FOREVER;

	for (size_t i = 0; i < BELLS; i++)
		next = MIN(next, t->bells[i].due_ms);
	return next;
}

/* -- single cases -- */

static void an_empty_wheel_has_no_next_instant(void **state)
{
	struct tower *t = build(12345);

	(void) state;
	assert_true(wheel_next_ms(&t->wheel) == FOREVER);
	advance(t, 99 * HOUR_MS);
	assert_int_equal(t->rung, 0);
	assert_true(wheel_next_ms(&t->wheel) == FOREVER);
	tear_down(t);
}

static void a_timer_fires_in_its_millisecond_and_not_before(void **state)
{
	static const int64_t spans[] = {
		0, 1, 63, 64, 65, 4095, 4096, 4097, 262143, 262144, HOUR_MS, 1000 * HOUR_MS,
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(spans); i++) {
		for (int64_t from = 0; from < 70; from += 7) {
			struct tower *t = build(from);

			set(&t->bells[0], from + spans[i]);
			assert_int_equal(wheel_next_ms(&t->wheel), from + spans[i]);
			if (spans[i] > 0)
				advance(t, from + spans[i] - 1);
			assert_int_equal(t->rung, 0);
			assert_int_equal(wheel_next_ms(&t->wheel), from + spans[i]);
			advance(t, from + spans[i]);
			assert_int_equal(t->rung, 1);
			tear_down(t);
		}
	}
}

static void the_farthest_instants_have_their_place(void **state)
{
	struct tower *t = build(HOUR_MS);

	(void) state;
	set(&t->bells[0], FOREVER - 1);
	set(&t->bells[1], FOREVER - 2);
	set(&t->bells[2], INT64_C(1) << 40);
	assert_true(wheel_next_ms(&t->wheel) == INT64_C(1) << 40);
	advance(t, INT64_C(1) << 41);
	assert_int_equal(t->rung, 1);
	assert_true(wheel_next_ms(&t->wheel) == FOREVER - 2);
	advance(t, FOREVER - 1);
	assert_int_equal(t->rung, 3);
	assert_ptr_equal(t->last, &t->bells[0]);
	tear_down(t);
}

static void an_instant_that_has_passed_fires_at_the_next_advance(void **state)
{
	struct tower *t = build(1000);

	(void) state;
	set(&t->bells[0], 5);
	assert_int_equal(wheel_next_ms(&t->wheel), 1000);
	advance(t, 1000);
	assert_int_equal(t->rung, 1);
	tear_down(t);
}

static void one_millisecond_fires_in_the_order_of_setting_across_levels(void **state)
{
	struct tower *t = build(0);

	(void) state;
	/* The same instant, set from far away, from nearer, and from close by. */
	set(&t->bells[2], 300000);
	set(&t->bells[0], 300000);
	advance(t, 299000);
	set(&t->bells[1], 300000);
	advance(t, 299990);
	set(&t->bells[4], 300000);
	set(&t->bells[3], 300000);
	advance(t, 300000);	/* ring() compares each with the one before */
	assert_int_equal(t->rung, 5);
	assert_ptr_equal(t->last, &t->bells[3]);
	tear_down(t);
}

static void setting_again_moves_a_timer(void **state)
{
	struct tower *t = build(0);

	(void) state;
	set(&t->bells[0], 10);
	set(&t->bells[0], 5000);
	assert_int_equal(t->wheel.count, 1);
	assert_int_equal(wheel_next_ms(&t->wheel), 5000);
	advance(t, 4999);
	assert_int_equal(t->rung, 0);
	set(&t->bells[0], 5001);
	advance(t, 5001);
	assert_int_equal(t->rung, 1);
	tear_down(t);
}

static void what_a_callback_sets_for_the_past_waits_for_the_next_advance(void **state)
{
	static const int64_t instants[] = { 0, 10, 500, 1000 };

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(instants); i++) {
		struct tower *t = build(0);

		/* Sets itself again and again: an endless loop, were it fired at once. */
		t->sets_another = &t->bells[0];
		t->sets_at_ms = instants[i];
		set(&t->bells[0], 10);
		advance(t, 1000);
		assert_int_equal(t->rung, 1);
		assert_int_equal(wheel_next_ms(&t->wheel), 1000);
		advance(t, 1000);
		assert_int_equal(t->rung, 2);
		tear_down(t);
	}
}

static void a_callback_can_clear_a_timer_that_is_due_too(void **state)
{
	struct tower *t = build(0);

	(void) state;
	set(&t->bells[0], 10);
	set(&t->bells[1], 10);
	set(&t->bells[2], 10);
	t->clears = &t->bells[1];
	advance(t, 10);
	assert_int_equal(t->rung, 2);
	assert_ptr_equal(t->last, &t->bells[2]);
	tear_down(t);
}

static void a_callback_can_postpone_a_timer_that_is_due_too(void **state)
{
	struct tower *t = build(0);

	(void) state;
	set(&t->bells[0], 10);
	set(&t->bells[1], 11);
	t->sets_another = &t->bells[1];
	t->sets_at_ms = 50;
	advance(t, 20);
	assert_int_equal(t->rung, 1);
	t->sets_another = NULL;
	assert_int_equal(wheel_next_ms(&t->wheel), 50);
	advance(t, 50);
	assert_int_equal(t->rung, 2);
	tear_down(t);
}

/* Looking for the next of many that share a slot is remembered, so a turn that changes nothing looks at none. */
static void the_next_instant_is_exact_after_the_nearest_was_cleared(void **state)
{
	struct tower *t = build(0);

	(void) state;
	for (size_t i = 0; i < BELLS; i++)
		set(&t->bells[i], 60000 + (int64_t) i);
	for (size_t i = 0; i < BELLS; i++) {
		assert_int_equal(wheel_next_ms(&t->wheel), 60000 + i);
		assert_true(t->wheel.next_is_known);
		clear(&t->bells[i]);
	}
	assert_true(wheel_next_ms(&t->wheel) == FOREVER);
	tear_down(t);
}

/* -- the model -- */

static int64_t random_span(unsigned *seed)
{
	int bits = rand_r(seed) % 30;

	return (int64_t) ((uint64_t) rand_r(seed) & ((UINT64_C(1) << bits) - 1));
}

static void operate(struct tower *t, unsigned *seed)
{
	struct bell *b = &t->bells[rand_r(seed) % BELLS];
	int64_t now = t->wheel.now_ms;

	switch (rand_r(seed) % 8) {
	case 0:
	case 1:
	case 2:
	case 3:
		set(b, now + random_span(seed) - 2);
		break;
	case 4:
		clear(b);
		break;
	case 5:
		/* A crowd with one and the same limit, as connections have. */
		for (size_t i = 0; i < 20; i++)
			set(&t->bells[rand_r(seed) % BELLS], now + 300000);
		break;
	default: {
		int64_t to = now + random_span(seed);
		size_t before = t->rung;
		size_t due = model_due(t, to);

		advance(t, to);
		assert_int_equal(t->rung - before, due);
		assert_int_equal(model_due(t, to), 0);
	}
	}
}

static void agrees_with_a_sorted_list(void **state)
{
	(void) state;
	for (unsigned seed = 1; seed <= 20; seed++) {
		struct tower *t = build(seed * 977);
		unsigned dice = seed;

		for (int i = 0; i < 2000; i++) {
			operate(t, &dice);
			assert_true(wheel_next_ms(&t->wheel) == model_next(t));
		}
		advance(t, FOREVER - 1);
		assert_int_equal(t->wheel.count, 0);
		tear_down(t);
	}
}

/* An advance over hours visits what is occupied, not what lies between: a year of single steps to each of
 * the timers would be 3 * 10^10 ticks. */
static void a_jump_over_a_year_costs_no_more_than_its_timers(void **state)
{
	struct tower *t = build(1);

	(void) state;
	for (int round = 0; round < 100; round++) {
		for (int64_t i = 0; i < BELLS; i++)
			set(&t->bells[i], t->wheel.now_ms + i * 17 * HOUR_MS);
		advance(t, t->wheel.now_ms + 365 * 24 * HOUR_MS);
	}
	assert_int_equal(t->rung, 100 * BELLS);
	tear_down(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_wheel_has_no_next_instant),
		cmocka_unit_test(a_timer_fires_in_its_millisecond_and_not_before),
		cmocka_unit_test(the_farthest_instants_have_their_place),
		cmocka_unit_test(an_instant_that_has_passed_fires_at_the_next_advance),
		cmocka_unit_test(one_millisecond_fires_in_the_order_of_setting_across_levels),
		cmocka_unit_test(setting_again_moves_a_timer),
		cmocka_unit_test(what_a_callback_sets_for_the_past_waits_for_the_next_advance),
		cmocka_unit_test(a_callback_can_clear_a_timer_that_is_due_too),
		cmocka_unit_test(a_callback_can_postpone_a_timer_that_is_due_too),
		cmocka_unit_test(the_next_instant_is_exact_after_the_nearest_was_cleared),
		cmocka_unit_test(agrees_with_a_sorted_list),
		cmocka_unit_test(a_jump_over_a_year_costs_no_more_than_its_timers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
