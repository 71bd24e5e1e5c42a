/* test_queue.c - a bounded queue: order, hand-over, its end, and what a cancel must not lose. */
#include "base/memory.h"
#include "runtime/runtime.h"
#include "../support/child.h"
#include "../support/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* One call on a queue by a task of its own: what it brings or gets, and the result. */
struct customer {
	struct queue *queue;
	void *item;
	int result;
	struct task_handle handle;
};

#define PENDING 12345

static int put(void *arg)
{
	struct customer *c = arg;

	return c->result = queue_put(c->queue, c->item);
}

static int get(void *arg)
{
	struct customer *c = arg;

	return c->result = queue_get(c->queue, &c->item);
}

static void serve(struct task_group *g, struct customer *c, struct queue *q, task_fn *fn, const char *item)
{
	*c = (struct customer) { .queue = q, .item = (void *) (uintptr_t) item, .result = PENDING };
	assert_int_equal(task_spawn(g, fn == put ? "putter" : "getter", fn, c, &c->handle), 0);
}

static void expect(struct queue *q, const char *item)
{
	void *got = NULL;

	assert_int_equal(queue_get(q, &got), 0);
	assert_string_equal(got, item);
}

static void expect_refusal(struct queue *q, int error)
{
	void *untouched = q;

	assert_int_equal(queue_get(q, &untouched), error);
	assert_ptr_equal(untouched, q);
}

/* -- order and capacity -- */

static int wraps_around(void *arg)
{
	static char letters[] = "a\0b\0c\0d\0e";
	struct queue *q;

	(void) arg;
	assert_int_equal(queue_new("letters", 3, &q), 0);
	for (int round = 0; round < 5; round++) {
		assert_int_equal(queue_offer(q, &letters[0]), 0);
		assert_int_equal(queue_offer(q, &letters[2]), 0);
		assert_int_equal(queue_length(q), 2);
		expect(q, "a");
		expect(q, "b");
	}
	assert_int_equal(queue_put(q, &letters[0]), 0);
	assert_int_equal(queue_put(q, &letters[2]), 0);
	assert_int_equal(queue_put(q, &letters[4]), 0);
	assert_int_equal(queue_offer(q, &letters[6]), -EAGAIN);
	assert_int_equal(queue_length(q), 3);
	expect(q, "a");
	assert_int_equal(queue_offer(q, &letters[6]), 0);
	expect(q, "b");
	expect(q, "c");
	expect(q, "d");
	assert_null(queue_free(q));
	return 0;
}

static void first_in_first_out_up_to_the_capacity(void **state)
{
	(void) state;
	assert_int_equal(harness_run(wraps_around, NULL), 0);
}

static int waiting_putters(void *arg)
{
	_cleanup_(queue_freep) struct queue *q = NULL;
	struct customer c[3];

	(void) arg;
	assert_int_equal(queue_new("letters", 1, &q), 0);
	TASK_GROUP(g, GROUP_EACH);
	serve(&g, &c[0], q, put, "a");
	serve(&g, &c[1], q, put, "b");
	serve(&g, &c[2], q, put, "c");
	harness_settle();
	assert_int_equal(c[0].result, 0);
	assert_int_equal(c[1].result, PENDING);
	expect(q, "a");
	assert_int_equal(queue_length(q), 1);		/* b moved in at once */
	assert_int_equal(queue_offer(q, "late"), -EAGAIN);
	expect(q, "b");
	expect(q, "c");
	harness_settle();
	assert_int_equal(c[2].result, 0);
	return 0;
}

static void putters_wait_while_it_is_full_and_are_served_in_order(void **state)
{
	(void) state;
	assert_int_equal(harness_run(waiting_putters, NULL), 0);
}

static int waiting_getters(void *arg)
{
	_cleanup_(queue_freep) struct queue *q = NULL;
	struct customer c[2];

	(void) arg;
	assert_int_equal(queue_new("letters", 1, &q), 0);
	TASK_GROUP(g, GROUP_EACH);
	serve(&g, &c[0], q, get, NULL);
	serve(&g, &c[1], q, get, NULL);
	harness_settle();
	assert_int_equal(queue_put(q, "a"), 0);
	assert_int_equal(queue_put(q, "b"), 0);
	assert_int_equal(queue_length(q), 0);		/* handed over, not stored */
	harness_settle();
	assert_string_equal(c[0].item, "a");
	assert_string_equal(c[1].item, "b");
	return 0;
}

static void getters_wait_while_it_is_empty_and_are_handed_items_in_order(void **state)
{
	(void) state;
	assert_int_equal(harness_run(waiting_getters, NULL), 0);
}

static int rendezvous(void *arg)
{
	_cleanup_(queue_freep) struct queue *q = NULL;
	struct customer c[3];

	(void) arg;
	assert_int_equal(queue_new("letters", 0, &q), 0);
	TASK_GROUP(g, GROUP_EACH);
	assert_int_equal(queue_offer(q, "nobody wants it"), -EAGAIN);
	serve(&g, &c[0], q, put, "a");
	serve(&g, &c[1], q, put, "b");
	harness_settle();
	assert_int_equal(c[0].result, PENDING);
	assert_int_equal(queue_length(q), 0);
	expect(q, "a");
	expect(q, "b");
	harness_settle();
	assert_int_equal(c[1].result, 0);

	serve(&g, &c[2], q, get, NULL);
	harness_settle();
	assert_int_equal(queue_offer(q, "c"), 0);
	harness_settle();
	assert_string_equal(c[2].item, "c");
	return 0;
}

static void with_capacity_0_every_put_waits_for_its_get(void **state)
{
	(void) state;
	assert_int_equal(harness_run(rendezvous, NULL), 0);
}

static void an_impossible_capacity_is_refused(void **state)
{
	struct queue *q = NULL;

	(void) state;
	assert_int_equal(queue_new("vast", SIZE_MAX / 2, &q), -ENOMEM);
	assert_null(q);
}

/* -- cancellation -- */

static int cancelled_getter(void *arg)
{
	_cleanup_(queue_freep) struct queue *q = NULL;
	struct customer c[3];

	(void) arg;
	assert_int_equal(queue_new("letters", 1, &q), 0);
	TASK_GROUP(g, GROUP_EACH);
	for (int i = 0; i < 3; i++)
		serve(&g, &c[i], q, get, NULL);
	harness_settle();
	task_cancel(c[0].handle);	/* not run since, still in the row */
	assert_int_equal(queue_put(q, "a"), 0);
	assert_int_equal(queue_put(q, "b"), 0);
	task_cancel(c[2].handle);	/* after the item was handed over */
	harness_settle();
	assert_int_equal(c[0].result, -ECANCELED);
	assert_null(c[0].item);
	assert_string_equal(c[1].item, "a");
	assert_int_equal(c[2].result, 0);
	assert_string_equal(c[2].item, "b");
	return 0;
}

static void a_removed_getter_swallows_no_item_and_one_handed_over_is_kept(void **state)
{
	(void) state;
	assert_int_equal(harness_run(cancelled_getter, NULL), 0);
}

static int cancelled_putter(void *arg)
{
	_cleanup_(queue_freep) struct queue *q = NULL;
	struct customer c[3];

	(void) arg;
	assert_int_equal(queue_new("letters", 1, &q), 0);
	TASK_GROUP(g, GROUP_EACH);
	assert_int_equal(queue_offer(q, "first"), 0);
	serve(&g, &c[0], q, put, "a");
	serve(&g, &c[1], q, put, "b");
	serve(&g, &c[2], q, put, "c");
	harness_settle();
	task_cancel(c[0].handle);
	expect(q, "first");		/* b moves in, not a */
	task_cancel(c[1].handle);
	harness_settle();
	assert_int_equal(c[0].result, -ECANCELED);
	assert_int_equal(c[1].result, 0);
	expect(q, "b");
	expect(q, "c");
	assert_int_equal(queue_length(q), 0);
	return 0;
}

static void a_removed_putter_still_has_its_item(void **state)
{
	(void) state;
	assert_int_equal(harness_run(cancelled_putter, NULL), 0);
}

static int too_late(void *arg)
{
	_cleanup_(queue_freep) struct queue *q = NULL;

	(void) arg;
	assert_int_equal(queue_new("letters", 1, &q), 0);
	DEADLINE(patience, 100);
	expect_refusal(q, -ETIMEDOUT);
	assert_int_equal(queue_put(q, "a"), -ETIMEDOUT);
	assert_int_equal(queue_length(q), 0);
	assert_int_equal(queue_offer(q, "a"), 0);	/* does not suspend, so no limit concerns it */
	expect_refusal(q, -ETIMEDOUT);
	deadline_rearm(&patience, 100);
	expect(q, "a");
	return 0;
}

static void a_call_that_timed_out_has_moved_nothing(void **state)
{
	(void) state;
	assert_int_equal(harness_run(too_late, NULL), 0);
}

/* -- the end -- */

static int closing(void *arg)
{
	_cleanup_(queue_freep) struct queue *q = NULL;
	struct customer c[2];

	(void) arg;
	assert_int_equal(queue_new("letters", 1, &q), 0);
	TASK_GROUP(g, GROUP_EACH);
	assert_int_equal(queue_offer(q, "a"), 0);
	serve(&g, &c[0], q, put, "b");
	harness_settle();
	queue_close(q);
	harness_settle();
	assert_int_equal(c[0].result, -EPIPE);
	assert_int_equal(queue_put(q, "c"), -EPIPE);
	assert_int_equal(queue_offer(q, "c"), -EPIPE);
	expect(q, "a");
	expect_refusal(q, -EPIPE);
	expect_refusal(q, -EPIPE);
	return 0;
}

static void a_closed_queue_refuses_puts_and_can_be_drained(void **state)
{
	(void) state;
	assert_int_equal(harness_run(closing, NULL), 0);
}

static int closing_on_getters(void *arg)
{
	_cleanup_(queue_freep) struct queue *q = NULL;
	struct customer c[2];

	(void) arg;
	assert_int_equal(queue_new("letters", 1, &q), 0);
	TASK_GROUP(g, GROUP_EACH);
	serve(&g, &c[0], q, get, NULL);
	serve(&g, &c[1], q, get, NULL);
	harness_settle();
	assert_int_equal(queue_offer(q, "a"), 0);
	queue_close(q);
	harness_settle();
	assert_int_equal(c[0].result, 0);
	assert_string_equal(c[0].item, "a");
	assert_int_equal(c[1].result, -EPIPE);
	return 0;
}

static void closing_wakes_waiting_getters_and_takes_nothing_back(void **state)
{
	(void) state;
	assert_int_equal(harness_run(closing_on_getters, NULL), 0);
}

static int freed_under_a_waiter(void *arg)
{
	struct queue *q;
	struct customer c;

	(void) arg;
	assert_int_equal(queue_new("letters", 1, &q), 0);
	TASK_GROUP(g, GROUP_EACH);
	serve(&g, &c, q, get, NULL);
	harness_settle();
	queue_free(q);
	return 0;
}

static void freeing_it_under_a_waiter_aborts_by_name(void **state)
{
	(void) state;
	harness_dies(freed_under_a_waiter, NULL, "tasks still wait on queue letters");
}

/* -- ten thousand random operations -- */

#define OPERATIONS 10000
#define HANDLES 32

/* The argument of a random putter or getter. */
struct errand {
	bool puts;
	bool waited;
	uint64_t *item;			/* a putter's: its number, given when it joins the line */
};

static struct {
	struct queue *queue;
	unsigned seed;
	uint64_t put, got, given_up;
	uint64_t in_line;		/* the last number given */
	uint64_t last_waited, last_at_once;	/* numbers got by those who waited, and by those who did not */
	struct task_handle handles[HANDLES];
} market;

static int dice(int sides)
{
	return rand_r(&market.seed) % sides;
}

static void suspending(struct task *t)
{
	struct errand *e = t->arg;

	if (t->wait_object != market.queue || t->state != TASK_WAITING)
		return;
	e->waited = true;
	if (e->puts)
		*e->item = ++market.in_line;
}

static int random_putter(void *arg)
{
	_cleanup_(memory_freep) struct errand *e = arg;
	int64_t patience_ms = dice(3) ? FOREVER : dice(10);
	DEADLINE(patience, patience_ms);

	e->item = memory_new_object(uint64_t);
	int r = dice(4) ? queue_put(market.queue, e->item) : queue_offer(market.queue, e->item);
	if (r < 0) {
		memory_free(e->item);
		market.given_up++;
		return 0;
	}
	/* Who has waited has a number, and the item may be gone already. */
	if (!e->waited)
		*e->item = ++market.in_line;
	market.put++;
	return 0;
}

static int random_getter(void *arg)
{
	_cleanup_(memory_freep) struct errand *e = arg;
	int64_t patience_ms = dice(3) ? FOREVER : dice(10);
	DEADLINE(patience, patience_ms);
	void *item;

	if (queue_get(market.queue, &item) < 0) {
		market.given_up++;
		return 0;
	}

	uint64_t *last = e->waited ? &market.last_waited : &market.last_at_once;
	uint64_t number = *(uint64_t *) item;

	memory_free(item);
	assert_true(number > *last);
	*last = number;
	market.got++;
	return 0;
}

static void operate(struct task_group *g)
{
	struct task_handle *h = &market.handles[dice(HANDLES)];
	struct errand *e;

	switch (dice(6)) {
	case 0:
		task_cancel(*h);
		break;
	case 1:
		(void) (dice(2) ? sleep_for(dice(4)) : task_yield());
		break;
	default:
		e = memory_new_object(struct errand);
		e->puts = dice(2);
		assert_int_equal(task_spawn(g, "errand", e->puts ? random_putter : random_getter, e, h), 0);
		(void) task_yield();	/* it begins, so that it frees what it was given */
	}
}

static int random_operations(void *arg)
{
	void *item;

	TASK_GROUP(g, GROUP_EACH);
	assert_int_equal(queue_new("market", *(size_t *) arg, &market.queue), 0);
	for (int i = 0; i < OPERATIONS; i++)
		operate(&g);
	queue_close(market.queue);
	assert_int_equal(group_wait(&g), 0);
	while (queue_get(market.queue, &item) == 0) {
		memory_free(item);
		market.got++;
	}
	queue_free(market.queue);
	return 0;
}

static void ten_thousand_random_operations_lose_no_item(void **state)
{
	(void) state;
	for (size_t capacity = 0; capacity < 6; capacity++) {
		memset(&market, 0, sizeof(market));
		market.seed = (unsigned) capacity + 1;
		wait_set_hook(suspending);
		assert_int_equal(harness_run(random_operations, &capacity), 0);
		wait_set_hook(NULL);
		assert_int_equal(market.put, market.got);
		assert_true(market.put > 1000);
		assert_true(market.given_up > 100);
		assert_true(market.last_waited > 100);
	}
}

/* -- torture -- */

#define LOAD 6

struct belt {
	struct queue *queue;
	int made, kept, arrived;
};

static int make(void *arg)
{
	struct belt *b = arg;
	DEADLINE(limit, FOREVER);

	for (int i = 0; i < LOAD; i++) {
		int *item = memory_new_object(int);

		if (!item)
			return -ENOMEM;
		b->made++;
		int r = queue_put(b->queue, item);
		if (r < 0) {
			memory_free(item);
			b->kept++;
			return r;
		}
	}
	queue_close(b->queue);
	return 0;
}

static int take(void *arg)
{
	struct belt *b = arg;
	DEADLINE(limit, FOREVER);

	for (;;) {
		void *item;
		int r = queue_get(b->queue, &item);

		if (r < 0)
			return r == -EPIPE ? 0 : r;
		memory_free(item);
		b->arrived++;
		r = task_yield();
		if (r < 0)
			return r;
	}
}

static int run_the_belt(void *arg)
{
	struct belt *b = arg;
	int r = queue_new("belt", 2, &b->queue);

	if (r < 0)
		return r;
	{
		TASK_GROUP(g, GROUP_ALL);
		r = task_spawn(&g, "maker", make, b, NULL);
		if (r == 0)
			r = task_spawn(&g, "taker", take, b, NULL);
		if (r == 0)
			r = task_spawn(&g, "taker", take, b, NULL);
		if (r == 0)
			r = group_wait(&g);
	}
	/* The group's block has ended, so nobody is left who waits; what lies on the belt is this task's. */
	SHIELD(goodbye, 1000);
	void *item;
	queue_close(b->queue);
	while (queue_get(b->queue, &item) == 0) {
		memory_free(item);
		b->arrived++;
	}
	b->queue = queue_free(b->queue);
	return r;
}

static void lay_out(void *arg)
{
	*(struct belt *) arg = (struct belt) { 0 };
}

static void everything_arrived_or_was_kept(void *arg, int result)
{
	struct belt *b = arg;

	(void) result;
	assert_null(b->queue);
	assert_int_equal(b->made, b->kept + b->arrived);
}

static void a_cancel_or_a_timeout_at_any_suspension_loses_no_item(void **state)
{
	struct belt b;
	struct harness_scenario s = {
		.body = run_the_belt, .arg = &b, .prepare = lay_out, .check = everything_arrived_or_was_kept,
	};

	(void) state;
	assert_true(harness_torture(&s) >= 8);
	(void) harness_torture_faults(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_in_first_out_up_to_the_capacity),
		cmocka_unit_test(putters_wait_while_it_is_full_and_are_served_in_order),
		cmocka_unit_test(getters_wait_while_it_is_empty_and_are_handed_items_in_order),
		cmocka_unit_test(with_capacity_0_every_put_waits_for_its_get),
		cmocka_unit_test(an_impossible_capacity_is_refused),
		cmocka_unit_test(a_removed_getter_swallows_no_item_and_one_handed_over_is_kept),
		cmocka_unit_test(a_removed_putter_still_has_its_item),
		cmocka_unit_test(a_call_that_timed_out_has_moved_nothing),
		cmocka_unit_test(a_closed_queue_refuses_puts_and_can_be_drained),
		cmocka_unit_test(closing_wakes_waiting_getters_and_takes_nothing_back),
		cmocka_unit_test(freeing_it_under_a_waiter_aborts_by_name),
		cmocka_unit_test(ten_thousand_random_operations_lose_no_item),
		cmocka_unit_test(a_cancel_or_a_timeout_at_any_suspension_loses_no_item),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
