/* test_task.c - spawning, identity, cancelling, and what is refused. */
#include "runtime/runtime.h"
#include "coro/sanitizer.h"
#include "tests/support/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifdef SANITIZER_THREAD
#define CROWD 2000	/* ThreadSanitizer has room for 8,000 fibers */
#else
#define CROWD 10000
#endif

static char diary[64];

static void note(char what)
{
	size_t length = strlen(diary);

	assert_true(length < sizeof(diary) - 1);
	diary[length] = what;
	diary[length + 1] = '\0';
}

static int write_name(void *arg)
{
	note(*(const char *) arg);
	return 0;
}

static int count_up(void *arg)
{
	++*(int *) arg;
	return 0;
}

/* -- spawning -- */

static int in_order(void *arg)
{
	(void) arg;
	diary[0] = '\0';
	TASK_GROUP(g, GROUP_ALL);
	for (const char *name = "abc"; *name; name++)
		assert_int_equal(task_spawn(&g, "writer", write_name, (void *) (uintptr_t) name, NULL), 0);
	note('-');
	assert_int_equal(task_count(), 4);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(task_count(), 1);
	assert_string_equal(diary, "-abc");
	return 0;
}

static void tasks_begin_in_order_after_their_parent_has_given_way(void **state)
{
	(void) state;
	assert_int_equal(harness_run(in_order, NULL), 0);
}

static int looks_at_itself(void *arg)
{
	const struct task *parent = arg;
	const struct task *t = task_self();

	assert_string_equal(t->name, "a name of more than 31 letters ");
	assert_int_equal(t->parent_id, parent->id);
	assert_true(t->id > parent->id);
	assert_string_equal(t->spawn_site->call, "task_spawn");
	assert_non_null(strstr(t->spawn_site->file, "test_task.c"));
	assert_int_equal(t->created_ns, time_now_ns());
	assert_int_equal(t->switches, 1);
	task_rename("short");
	assert_string_equal(t->name, "short");
	return 0;
}

static int knows_itself(void *arg)
{
	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	assert_int_equal(task_spawn(&g, "a name of more than 31 letters is cut", looks_at_itself, task_self(), NULL),
			 0);
	return group_wait(&g);
}

static void a_task_knows_who_it_is_and_where_it_comes_from(void **state)
{
	(void) state;
	assert_int_equal(harness_run(knows_itself, NULL), 0);
}

static int crowd(void *arg)
{
	int ran = 0;

	(void) arg;
	TASK_GROUP(g, GROUP_EACH);
	for (int i = 0; i < CROWD; i++)
		assert_int_equal(task_spawn(&g, "one of many", count_up, &ran, NULL), 0);
	assert_int_equal(task_count(), CROWD + 1);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(ran, CROWD);
	return 0;
}

static void thousands_of_tasks_live_at_once(void **state)
{
	(void) state;
	assert_int_equal(harness_run(crowd, NULL), 0);
}

static int full_house(void *arg)
{
	int ran = 0;

	(void) arg;
	TASK_GROUP(g, GROUP_EACH);
	assert_int_equal(task_spawn(&g, "second", count_up, &ran, NULL), 0);
	assert_int_equal(task_spawn(&g, "third", count_up, &ran, NULL), 0);
	assert_int_equal(task_spawn(&g, "fourth", count_up, &ran, NULL), -EAGAIN);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(task_spawn(&g, "fourth", count_up, &ran, NULL), 0);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(ran, 3);
	return 0;
}

static void one_task_too_many_is_refused(void **state)
{
	const struct loop_options options = { .max_tasks = 3, .virtual_clock = true };

	(void) state;
	assert_int_equal(harness_run_with(&options, full_house, NULL), 0);
}

/* -- handles -- */

static int stale(void *arg)
{
	struct task_handle old, young;
	int ran = 0;

	(void) arg;
	TASK_GROUP(g, GROUP_EACH);
	assert_int_equal(task_spawn(&g, "old", count_up, &ran, &old), 0);
	assert_true(task_is_alive(old));
	assert_int_equal(group_wait(&g), 0);
	assert_false(task_is_alive(old));
	task_cancel(old);

	/* The slot is used again at once, and the old handle means nobody. */
	assert_int_equal(task_spawn(&g, "young", count_up, &ran, &young), 0);
	assert_ptr_equal(young.task, old.task);
	assert_int_not_equal(young.id, old.id);
	task_cancel(old);
	assert_false(young.task->cancelled);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(ran, 2);

	assert_false(task_is_alive((struct task_handle) { 0 }));
	task_cancel((struct task_handle) { 0 });
	assert_true(task_is_alive(task_handle_self()));
	return 0;
}

static void a_handle_outlives_its_task_and_harms_no_other(void **state)
{
	(void) state;
	assert_int_equal(harness_run(stale, NULL), 0);
}

/* -- cancelling -- */

static int cancels(void *arg)
{
	struct task_handle early;
	int ran = 0;

	(void) arg;
	TASK_GROUP(g, GROUP_EACH);
	assert_int_equal(task_spawn(&g, "early", count_up, &ran, &early), 0);
	task_cancel(early);
	task_cancel(early);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(ran, 0);
	assert_int_equal(g.failed, 1);

	assert_int_equal(task_check(), 0);
	task_cancel(task_handle_self());
	assert_int_equal(task_check(), -ECANCELED);
	assert_int_equal(task_yield(), -ECANCELED);
	assert_int_equal(task_yield(), -ECANCELED);
	return 5;
}

static void cancelling_is_safe_before_the_start_twice_and_on_oneself(void **state)
{
	(void) state;
	assert_int_equal(harness_run(cancels, NULL), 5);
}

/* -- looking at tasks -- */

static void write_initial(const struct task *t, void *context)
{
	(void) context;
	note(t->name[0]);
}

static int naps(void *arg)
{
	(void) arg;
	return sleep_for(100);
}

static int listed(void *arg)
{
	(void) arg;
	diary[0] = '\0';
	TASK_GROUP(g, GROUP_ALL);
	assert_int_equal(task_spawn(&g, "a", naps, NULL, NULL), 0);
	assert_int_equal(task_spawn(&g, "b", naps, NULL, NULL), 0);
	harness_settle();
	task_each(write_initial, NULL);
	assert_string_equal(diary, "rab");
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(task_waited_ns(), 100 * NS_PER_MS);
	assert_int_equal(task_yield(), 0);
	assert_int_equal(task_waited_ns(), 100 * NS_PER_MS);
	return 0;
}

static void tasks_are_listed_oldest_first_and_know_how_long_they_waited(void **state)
{
	(void) state;
	assert_int_equal(harness_run(listed, NULL), 0);
}

static void states_have_names(void **state)
{
	(void) state;
	for (int s = TASK_FREE; s <= TASK_DONE; s++)
		assert_string_not_equal(task_state_name((enum task_state) s), "?");
}

/* -- misuse -- */

static int breaks_nosuspend(void *arg)
{
	(void) arg;
	NOSUSPEND(section);
	return task_yield();
}

static int leaves_nosuspend_open(void *arg)
{
	static int section;

	(void) arg;
	task_nosuspend_begin(&section);
	return 0;
}

static int leaves_a_group_open(void *arg)
{
	static struct task_group g;

	(void) arg;
	group_init(&g, "forgotten", GROUP_ALL);
	return 0;
}

static int leaves_a_deadline_open(void *arg)
{
	static struct deadline d;

	(void) arg;
	deadline_begin(&d, 1000);
	return 0;
}

static void yield_there(void *arg)
{
	(void) arg;
	(void) task_yield();
}

static int suspends_on_the_main_stack(void *arg)
{
	call_on_main_stack(yield_there, arg);
	return 0;
}

static void yield_in_a_timer(struct wheel_timer *timer)
{
	(void) timer;
	(void) task_yield();
}

static int suspends_in_a_callback(void *arg)
{
	struct wheel_timer timer;

	(void) arg;
	wheel_timer_init(&timer, yield_in_a_timer);
	wheel_set(loop_wheel(), &timer, 0);
	return sleep_for(10);
}

static void misuse_aborts_by_name(void **state)
{
	static const struct {
		task_fn *body;
		const char *words;
	} cases[] = {
		{ breaks_nosuspend, "task root: a [suspends] call inside a NOSUSPEND section" },
		{ leaves_nosuspend_open, "task root returned inside a NOSUSPEND section" },
		{ leaves_a_group_open, "task root returned with an open group" },
		{ leaves_a_deadline_open, "task root returned with an open deadline" },
		{ suspends_on_the_main_stack, "task root: a [suspends] call on the main stack" },
		{ suspends_in_a_callback, "outside of a task" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
		harness_dies(cases[i].body, NULL, cases[i].words);
}

static int nested_nosuspend(void *arg)
{
	(void) arg;
	{
		NOSUSPEND(outer);
		{
			NOSUSPEND(inner);
		}
		assert_int_equal(task_self()->no_suspend, 1);
	}
	return task_yield();
}

static void after_a_nosuspend_section_all_is_as_before(void **state)
{
	(void) state;
	assert_int_equal(harness_run(nested_nosuspend, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tasks_begin_in_order_after_their_parent_has_given_way),
		cmocka_unit_test(a_task_knows_who_it_is_and_where_it_comes_from),
		cmocka_unit_test(thousands_of_tasks_live_at_once),
		cmocka_unit_test(one_task_too_many_is_refused),
		cmocka_unit_test(a_handle_outlives_its_task_and_harms_no_other),
		cmocka_unit_test(cancelling_is_safe_before_the_start_twice_and_on_oneself),
		cmocka_unit_test(tasks_are_listed_oldest_first_and_know_how_long_they_waited),
		cmocka_unit_test(states_have_names),
		cmocka_unit_test(misuse_aborts_by_name),
		cmocka_unit_test(after_a_nosuspend_section_all_is_as_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
