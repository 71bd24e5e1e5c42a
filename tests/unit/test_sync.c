/* test_sync.c - semaphores, mutexes and gates: order, direct hand-over, and what a cancel must not break. */
#include "base/memory.h"
#include "runtime/runtime.h"
#include "../support/child.h"
#include "../support/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A test has one of each, and a diary that its tasks write. */
struct room {
	struct semaphore semaphore;
	struct mutex mutex;
	struct gate gate;
	char diary[64];
	size_t length;
};

static void note(struct room *r, char what)
{
	assert_true(r->length < sizeof(r->diary) - 1);
	r->diary[r->length++] = what;
	r->diary[r->length] = '\0';
}

static void room_init(struct room *r, size_t limit)
{
	memset(r, 0, sizeof(*r));
	semaphore_init(&r->semaphore, "seats", limit);
	mutex_init(&r->mutex, "key");
	gate_init(&r->gate, "door");
}

static void room_done(struct room *r)
{
	semaphore_done(&r->semaphore);
	mutex_done(&r->mutex);
	gate_done(&r->gate);
}

struct visitor {
	struct room *room;
	char name;
	int result;
	struct task_handle handle;
};

static void enter(struct task_group *g, struct visitor *v, struct room *r, char name, task_fn *fn)
{
	*v = (struct visitor) { .room = r, .name = name, .result = -1 };
	assert_int_equal(task_spawn(g, "visitor", fn, v, &v->handle), 0);
}

/* -- semaphores -- */

static int take_a_seat(void *arg)
{
	struct visitor *v = arg;

	v->result = semaphore_acquire(&v->room->semaphore);
	note(v->room, v->result == 0 ? v->name : '-');
	return v->result;
}

static int three_of_five(void *arg)
{
	struct room r;
	struct visitor v[5];

	(void) arg;
	room_init(&r, 3);
	TASK_GROUP(g, GROUP_EACH);
	for (int i = 0; i < 5; i++)
		enter(&g, &v[i], &r, (char) ('a' + i), take_a_seat);
	harness_settle();
	assert_string_equal(r.diary, "abc");
	assert_int_equal(r.semaphore.used, 3);
	semaphore_release(&r.semaphore);
	assert_int_equal(r.semaphore.used, 3);	/* handed over, never free in between */
	assert_false(semaphore_try_acquire(&r.semaphore));
	harness_settle();
	assert_string_equal(r.diary, "abcd");
	semaphore_release(&r.semaphore);
	assert_int_equal(group_wait(&g), 0);
	assert_string_equal(r.diary, "abcde");
	room_done(&r);
	return 0;
}

static void a_semaphore_admits_its_limit_and_then_first_come_first_served(void **state)
{
	(void) state;
	assert_int_equal(harness_run(three_of_five, NULL), 0);
}

static int cancelled_in_the_row(void *arg)
{
	struct room r;
	struct visitor v[3];

	(void) arg;
	room_init(&r, 1);
	assert_true(semaphore_try_acquire(&r.semaphore));
	TASK_GROUP(g, GROUP_EACH);
	for (int i = 0; i < 3; i++)
		enter(&g, &v[i], &r, (char) ('a' + i), take_a_seat);
	harness_settle();

	/* The first is cancelled and has not run since: still in the row, yet it must not swallow the seat. */
	task_cancel(v[0].handle);
	semaphore_release(&r.semaphore);
	harness_settle();
	assert_string_equal(r.diary, "-b");
	assert_int_equal(v[0].result, -ECANCELED);
	assert_int_equal(v[1].result, 0);

	/* The other way round: the seat was granted, and the cancel shows at the next call only. */
	semaphore_release(&r.semaphore);
	task_cancel(v[2].handle);
	harness_settle();
	assert_int_equal(v[2].result, 0);
	assert_int_equal(r.semaphore.used, 1);
	room_done(&r);
	return 0;
}

static void a_removed_waiter_swallows_no_seat_and_a_granted_seat_is_kept(void **state)
{
	(void) state;
	assert_int_equal(harness_run(cancelled_in_the_row, NULL), 0);
}

static int nobody_else_in_the_row(void *arg)
{
	struct room r;
	struct visitor v;

	(void) arg;
	room_init(&r, 1);
	assert_true(semaphore_try_acquire(&r.semaphore));
	TASK_GROUP(g, GROUP_EACH);
	enter(&g, &v, &r, 'a', take_a_seat);
	harness_settle();
	task_cancel(v.handle);
	semaphore_release(&r.semaphore);
	assert_int_equal(r.semaphore.used, 0);
	assert_true(semaphore_try_acquire(&r.semaphore));
	harness_settle();
	assert_int_equal(v.result, -ECANCELED);
	room_done(&r);
	return 0;
}

static void a_seat_that_only_a_removed_waiter_wanted_is_free(void **state)
{
	(void) state;
	assert_int_equal(harness_run(nobody_else_in_the_row, NULL), 0);
}

static int resized(void *arg)
{
	struct room r;
	struct visitor v[4];

	(void) arg;
	room_init(&r, 1);
	TASK_GROUP(g, GROUP_EACH);
	for (int i = 0; i < 4; i++)
		enter(&g, &v[i], &r, (char) ('a' + i), take_a_seat);
	harness_settle();
	assert_string_equal(r.diary, "a");
	semaphore_resize(&r.semaphore, 3);
	harness_settle();
	assert_string_equal(r.diary, "abc");

	semaphore_resize(&r.semaphore, 1);
	semaphore_release(&r.semaphore);
	semaphore_release(&r.semaphore);
	harness_settle();
	assert_string_equal(r.diary, "abc");
	semaphore_release(&r.semaphore);
	harness_settle();
	assert_string_equal(r.diary, "abcd");
	assert_int_equal(r.semaphore.used, 1);
	room_done(&r);
	return 0;
}

static void a_larger_limit_admits_at_once_and_a_smaller_one_as_seats_are_released(void **state)
{
	(void) state;
	assert_int_equal(harness_run(resized, NULL), 0);
}

static int timed_out_seat(void *arg)
{
	struct room r;

	(void) arg;
	room_init(&r, 0);
	DEADLINE(patience, 250);
	assert_int_equal(semaphore_acquire(&r.semaphore), -ETIMEDOUT);
	assert_true(deadline_passed(&patience));
	assert_int_equal(semaphore_acquire(&r.semaphore), -ETIMEDOUT);
	semaphore_resize(&r.semaphore, 1);
	assert_int_equal(semaphore_acquire(&r.semaphore), -ETIMEDOUT);	/* nothing was done */
	assert_int_equal(r.semaphore.used, 0);
	room_done(&r);
	return 0;
}

static void a_call_that_timed_out_has_taken_nothing(void **state)
{
	(void) state;
	assert_int_equal(harness_run(timed_out_seat, NULL), 0);
}

/* -- mutexes -- */

static int use_the_key(void *arg)
{
	struct visitor *v = arg;

	v->result = mutex_lock(&v->room->mutex);
	if (v->result < 0)
		return v->result;
	note(v->room, v->name);
	(void) sleep_for(10);
	note(v->room, v->name);
	mutex_unlock(&v->room->mutex);
	return 0;
}

static int one_after_another(void *arg)
{
	struct room r;
	struct visitor v[3];

	(void) arg;
	room_init(&r, 1);
	TASK_GROUP(g, GROUP_ALL);
	for (int i = 0; i < 3; i++)
		enter(&g, &v[i], &r, (char) ('a' + i), use_the_key);
	assert_int_equal(group_wait(&g), 0);
	assert_string_equal(r.diary, "aabbcc");
	room_done(&r);
	return 0;
}

static void a_mutex_lets_in_one_after_another_in_order_of_asking(void **state)
{
	(void) state;
	assert_int_equal(harness_run(one_after_another, NULL), 0);
}

static int key_of_the_cancelled(void *arg)
{
	struct room r;
	struct visitor v[3];

	(void) arg;
	room_init(&r, 1);
	TASK_GROUP(g, GROUP_EACH);
	for (int i = 0; i < 3; i++)
		enter(&g, &v[i], &r, (char) ('a' + i), use_the_key);
	harness_settle();
	task_cancel(v[1].handle);
	task_cancel(v[0].handle);
	harness_settle();
	assert_int_equal(v[1].result, -ECANCELED);
	assert_int_equal(group_wait(&g), 0);
	assert_string_equal(r.diary, "aacc");
	room_done(&r);
	return 0;
}

static void a_mutex_passes_over_a_removed_waiter(void **state)
{
	(void) state;
	assert_int_equal(harness_run(key_of_the_cancelled, NULL), 0);
}

static int locked_twice(void *arg)
{
	struct room r;

	(void) arg;
	room_init(&r, 1);
	assert_int_equal(mutex_lock(&r.mutex), 0);
	assert_int_equal(mutex_lock(&r.mutex), -EDEADLK);
	mutex_unlock(&r.mutex);
	assert_int_equal(mutex_lock(&r.mutex), 0);
	mutex_unlock(&r.mutex);
	room_done(&r);
	return 0;
}

static void locking_twice_is_refused(void **state)
{
	(void) state;
	assert_int_equal(harness_run(locked_twice, NULL), 0);
}

/* -- gates -- */

static int pass_the_door(void *arg)
{
	struct visitor *v = arg;

	v->result = gate_wait(&v->room->gate);
	note(v->room, v->result == 0 ? v->name : '-');
	return v->result;
}

static int opened_and_closed(void *arg)
{
	struct room r;
	struct visitor v[4];

	(void) arg;
	room_init(&r, 1);
	TASK_GROUP(g, GROUP_EACH);
	enter(&g, &v[0], &r, 'a', pass_the_door);
	enter(&g, &v[1], &r, 'b', pass_the_door);
	harness_settle();
	assert_string_equal(r.diary, "");
	gate_open(&r.gate);
	gate_close(&r.gate);
	harness_settle();
	assert_string_equal(r.diary, "ab");	/* they were let through before it closed */
	enter(&g, &v[2], &r, 'c', pass_the_door);
	harness_settle();
	task_cancel(v[2].handle);
	gate_open(&r.gate);
	enter(&g, &v[3], &r, 'd', pass_the_door);
	harness_settle();
	assert_string_equal(r.diary, "ab-d");
	room_done(&r);
	return 0;
}

static void a_gate_lets_through_all_who_wait_and_all_who_come_while_it_is_open(void **state)
{
	(void) state;
	assert_int_equal(harness_run(opened_and_closed, NULL), 0);
}

/* -- misuse -- */

static int release_too_often(void *arg)
{
	struct semaphore s;

	(void) arg;
	semaphore_init(&s, "seats", 1);
	semaphore_release(&s);
	return 0;
}

static int unlock_unlocked(void *arg)
{
	struct mutex m;

	(void) arg;
	mutex_init(&m, "key");
	mutex_unlock(&m);
	return 0;
}

static int lock_and_keep(void *arg)
{
	assert_int_equal(mutex_lock(arg), 0);
	return sleep_for(1000);
}

static int unlock_of_another(void *arg)
{
	struct mutex m;

	(void) arg;
	mutex_init(&m, "key");
	TASK_GROUP(g, GROUP_EACH);
	assert_int_equal(task_spawn(&g, "keeper", lock_and_keep, &m, NULL), 0);
	harness_settle();
	mutex_unlock(&m);
	return 0;
}

static int take_apart_under_waiters(void *arg)
{
	struct room r;
	struct visitor v;

	(void) arg;
	room_init(&r, 0);
	TASK_GROUP(g, GROUP_EACH);
	enter(&g, &v, &r, 'a', take_a_seat);
	harness_settle();
	semaphore_done(&r.semaphore);
	return 0;
}

static void misuse_aborts_by_name(void **state)
{
	static const struct {
		task_fn *body;
		const char *words;
	} cases[] = {
		{ release_too_often, "semaphore seats is released more often than acquired" },
		{ unlock_unlocked, "mutex key is unlocked but not held" },
		{ unlock_of_another, "mutex key is unlocked by task root but held by task keeper" },
		{ take_apart_under_waiters, "tasks still wait for semaphore seats" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
		harness_dies(cases[i].body, NULL, cases[i].words);
}

/* -- ten thousand random operations -- */

#define OPERATIONS 10000
#define SEATS 3
#define HANDLES 64

static struct {
	struct room room;
	unsigned seed;
	size_t seated, locked;
	uint64_t tickets;			/* given to those who begin to wait for a seat */
	uint64_t last_served;
	size_t outcomes[3];			/* granted, cancelled, timed out */
	struct task_handle handles[HANDLES];
} crowd;

static int dice(int sides)
{
	return rand_r(&crowd.seed) % sides;
}

/* A task's argument is where its ticket is written when it begins to wait for a seat. */
static void give_ticket(struct task *t)
{
	if (t->wait_object == &crowd.room.semaphore && t->state == TASK_WAITING)
		*(uint64_t *) t->arg = ++crowd.tickets;
}

static void count_outcome(int r)
{
	crowd.outcomes[r == 0 ? 0 : r == -ECANCELED ? 1 : 2]++;
}

static void stay(void)
{
	if (dice(2))
		(void) task_yield();
	else
		(void) sleep_for(dice(5));
}

static void visit_seat(const uint64_t *ticket)
{
	int r = semaphore_acquire(&crowd.room.semaphore);

	count_outcome(r);
	if (r < 0)
		return;
	if (*ticket) {
		assert_true(*ticket > crowd.last_served);
		crowd.last_served = *ticket;
	}
	assert_true(++crowd.seated <= SEATS);
	stay();
	crowd.seated--;
	semaphore_release(&crowd.room.semaphore);
}

static void visit_key(void)
{
	int r = mutex_lock(&crowd.room.mutex);

	count_outcome(r);
	if (r < 0)
		return;
	assert_int_equal(++crowd.locked, 1);
	stay();
	crowd.locked--;
	mutex_unlock(&crowd.room.mutex);
}

static int random_visitor(void *arg)
{
	_cleanup_(memory_freep) uint64_t *ticket = arg;
	int64_t patience_ms = dice(3) ? FOREVER : dice(10);
	DEADLINE(patience, patience_ms);

	switch (dice(3)) {
	case 0:
		visit_seat(ticket);
		break;
	case 1:
		visit_key();
		break;
	default:
		count_outcome(gate_wait(&crowd.room.gate));
	}
	return 0;
}

static void operate(struct task_group *g)
{
	struct task_handle *h = &crowd.handles[dice(HANDLES)];

	switch (dice(8)) {
	case 0:
	case 1:
		task_cancel(*h);
		break;
	case 2:
		semaphore_resize(&crowd.room.semaphore, (size_t) dice(SEATS + 1));
		break;
	case 3:
		gate_open(&crowd.room.gate);
		if (dice(2))
			gate_close(&crowd.room.gate);
		break;
	case 4:
		stay();
		break;
	default:
		/* One that is cancelled before it begins never frees its ticket itself, so it gets time to begin. */
		assert_int_equal(task_spawn(g, "visitor", random_visitor, memory_new(sizeof(uint64_t)), h), 0);
		(void) task_yield();
	}
}

static int random_operations(void *arg)
{
	(void) arg;
	TASK_GROUP(g, GROUP_EACH);
	for (int i = 0; i < OPERATIONS; i++)
		operate(&g);
	semaphore_resize(&crowd.room.semaphore, SEATS);
	gate_open(&crowd.room.gate);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(crowd.room.semaphore.used, 0);
	assert_null(crowd.room.mutex.holder);
	return 0;
}

static void ten_thousand_random_operations_lose_no_grant(void **state)
{
	(void) state;
	for (unsigned seed = 1; seed <= 3; seed++) {
		memset(&crowd, 0, sizeof(crowd));
		crowd.seed = seed;
		room_init(&crowd.room, SEATS);
		wait_set_hook(give_ticket);
		assert_int_equal(harness_run(random_operations, NULL), 0);
		wait_set_hook(NULL);
		room_done(&crowd.room);
		for (size_t i = 0; i < ARRAY_LENGTH(crowd.outcomes); i++)
			assert_true(crowd.outcomes[i] > 100);
		assert_true(crowd.last_served > 100);
	}
}

/* -- torture -- */

static int share(void *arg)
{
	struct room *r = arg;
	DEADLINE(limit, FOREVER);

	for (int i = 0; i < 2; i++) {
		int result = semaphore_acquire(&r->semaphore);

		if (result < 0)
			return result;
		result = mutex_lock(&r->mutex);
		if (result == 0) {
			(void) task_yield();
			mutex_unlock(&r->mutex);
		}
		semaphore_release(&r->semaphore);
		if (result < 0)
			return result;
	}
	return gate_wait(&r->gate);
}

static int share_among_four(void *arg)
{
	struct room *r = arg;
	int result = 0;

	TASK_GROUP(g, GROUP_EACH);
	for (int i = 0; i < 4 && result == 0; i++)
		result = task_spawn(&g, "sharer", share, r, NULL);
	if (result == 0)
		result = sleep_for(5);
	gate_open(&r->gate);
	return result < 0 ? result : group_wait(&g);
}

static void furnish(void *arg)
{
	room_init(arg, 2);
}

static void nothing_is_held(void *arg, int result)
{
	struct room *r = arg;

	(void) result;
	assert_int_equal(r->semaphore.used, 0);
	assert_null(r->mutex.holder);
	room_done(r);
}

static void a_cancel_or_a_timeout_at_any_suspension_leaves_nothing_held(void **state)
{
	struct room r;
	struct harness_scenario s = {
		.body = share_among_four, .arg = &r, .prepare = furnish, .check = nothing_is_held,
	};

	(void) state;
	assert_true(harness_torture(&s) > 10);
	(void) harness_torture_faults(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_semaphore_admits_its_limit_and_then_first_come_first_served),
		cmocka_unit_test(a_removed_waiter_swallows_no_seat_and_a_granted_seat_is_kept),
		cmocka_unit_test(a_seat_that_only_a_removed_waiter_wanted_is_free),
		cmocka_unit_test(a_larger_limit_admits_at_once_and_a_smaller_one_as_seats_are_released),
		cmocka_unit_test(a_call_that_timed_out_has_taken_nothing),
		cmocka_unit_test(a_mutex_lets_in_one_after_another_in_order_of_asking),
		cmocka_unit_test(a_mutex_passes_over_a_removed_waiter),
		cmocka_unit_test(locking_twice_is_refused),
		cmocka_unit_test(a_gate_lets_through_all_who_wait_and_all_who_come_while_it_is_open),
		cmocka_unit_test(misuse_aborts_by_name),
		cmocka_unit_test(ten_thousand_random_operations_lose_no_grant),
		cmocka_unit_test(a_cancel_or_a_timeout_at_any_suspension_leaves_nothing_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
