/* test_group.c - scopes of tasks: policies, outcomes, and leaving the block. */
#include "runtime/runtime.h"
#include "tests/support/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* A member: sleeps that long and returns that; where it is cancelled it writes down when it noticed. */
struct member {
	int64_t ms;
	int result;
	int64_t ended_ms;		/* 0: has not */
	int slept;
};

static int live(void *arg)
{
	struct member *m = arg;

	m->slept = sleep_for(m->ms);
	m->ended_ms = time_now_ms();
	return m->slept < 0 ? m->slept : m->result;
}

static void join(struct task_group *g, struct member *m, int64_t ms, int result)
{
	*m = (struct member) { .ms = ms, .result = result };
	assert_int_equal(task_spawn(g, "member", live, m, NULL), 0);
}

/* -- policies -- */

static int all_well(void *arg)
{
	struct member m[3];

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	join(&g, &m[0], 30, 3);
	join(&g, &m[1], 10, 0);
	join(&g, &m[2], 20, 7);
	assert_int_equal(group_count(&g), 3);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(group_count(&g), 0);
	assert_int_equal(m[0].slept + m[1].slept + m[2].slept, 0);
	assert_int_equal(group_wait(&g), 0);	/* an empty group has nothing to wait for */
	return 0;
}

static int all_but_one(void *arg)
{
	struct member m[3];
	int64_t began_ms = time_now_ms();

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	join(&g, &m[0], 30, 0);
	join(&g, &m[1], 10, -EIO);
	join(&g, &m[2], 20, -EPIPE);
	assert_int_equal(group_wait(&g), -EIO);
	assert_int_equal(time_now_ms() - began_ms, 10);
	assert_int_equal(m[0].slept, -ECANCELED);
	assert_int_equal(m[2].slept, -ECANCELED);
	assert_int_equal(g.failed, 3);
	assert_int_equal(task_spawn(&g, "late", live, &m[0], NULL), -ECANCELED);
	return 0;
}

static void in_ALL_the_first_failure_is_the_outcome_and_cancels_the_rest(void **state)
{
	(void) state;
	assert_int_equal(harness_run(all_well, NULL), 0);
	assert_int_equal(harness_run(all_but_one, NULL), 0);
}

static int any_of_three(void *arg)
{
	struct member m[3];
	int first_result = *(int *) arg;

	TASK_GROUP(g, GROUP_ANY);
	join(&g, &m[0], 30, 1);
	join(&g, &m[1], 10, first_result);
	join(&g, &m[2], 20, 2);
	assert_int_equal(group_wait(&g), first_result);
	assert_int_equal(m[0].slept, -ECANCELED);
	assert_int_equal(m[2].slept, -ECANCELED);
	return 0;
}

static void in_ANY_the_first_to_end_is_the_outcome_well_or_badly(void **state)
{
	int well = 42, badly = -EIO;

	(void) state;
	assert_int_equal(harness_run(any_of_three, &well), 0);
	assert_int_equal(harness_run(any_of_three, &badly), 0);
}

static int each_alone(void *arg)
{
	struct member m[3];

	(void) arg;
	TASK_GROUP(g, GROUP_EACH);
	join(&g, &m[0], 30, 0);
	join(&g, &m[1], 10, -EIO);
	join(&g, &m[2], 20, -EPIPE);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(m[0].slept, 0);
	assert_int_equal(g.failed, 2);
	return 0;
}

static void in_EACH_members_fail_alone(void **state)
{
	(void) state;
	assert_int_equal(harness_run(each_alone, NULL), 0);
}

/* -- cancelling and leaving -- */

static int left_early(void *arg)
{
	struct member m[2];
	int64_t began_ms = time_now_ms();

	(void) arg;
	{
		TASK_GROUP(g, GROUP_EACH);
		join(&g, &m[0], 1000, 0);
		join(&g, &m[1], 1000, 0);
		assert_int_equal(sleep_for(10), 0);
	}
	assert_int_equal(time_now_ms() - began_ms, 10);
	assert_int_equal(m[0].slept, -ECANCELED);
	assert_int_equal(m[1].slept, -ECANCELED);
	assert_int_equal(task_count(), 1);
	return 0;
}

static void leaving_the_block_cancels_and_waits(void **state)
{
	(void) state;
	assert_int_equal(harness_run(left_early, NULL), 0);
}

static int slow_goodbye(void *arg)
{
	struct member *m = arg;

	m->slept = sleep_for(m->ms);
	{
		SHIELD(goodbye, 500);
		assert_int_equal(sleep_for(100), 0);
	}
	m->ended_ms = time_now_ms();
	return 0;
}

static int cancelled_owner(void *arg)
{
	struct member *m = arg;

	TASK_GROUP(g, GROUP_EACH);
	*m = (struct member) { .ms = 1000 };
	assert_int_equal(task_spawn(&g, "slow to leave", slow_goodbye, m, NULL), 0);
	return group_wait(&g);
}

static int owner_of_owner(void *arg)
{
	struct member m;
	struct task_handle owner;
	int64_t began_ms = time_now_ms();

	(void) arg;
	{
		TASK_GROUP(g, GROUP_EACH);
		assert_int_equal(task_spawn(&g, "owner", cancelled_owner, &m, &owner), 0);
		assert_int_equal(sleep_for(10), 0);
		task_cancel(owner);
	}
	assert_int_equal(m.slept, -ECANCELED);
	assert_int_equal(m.ended_ms - began_ms, 110);	/* the owner waited for it, though cancelled twice */
	return 0;
}

static void a_cancelled_owner_still_waits_for_its_members(void **state)
{
	(void) state;
	assert_int_equal(harness_run(owner_of_owner, NULL), 0);
}

static int owner_in_a_hurry(void *arg)
{
	struct member m;

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	join(&g, &m, 100, 0);
	{
		DEADLINE(patience, 10);
		assert_int_equal(group_wait(&g), -ETIMEDOUT);
		assert_true(deadline_passed(&patience));
	}
	assert_int_equal(group_count(&g), 1);
	assert_int_equal(group_wait(&g), 0);	/* the member was not harmed */
	assert_int_equal(m.slept, 0);
	return 0;
}

static void a_wait_that_times_out_leaves_the_members_alone(void **state)
{
	(void) state;
	assert_int_equal(harness_run(owner_in_a_hurry, NULL), 0);
}

static int cancelled_at_once(void *arg)
{
	struct member m[3];

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	join(&g, &m[0], 1000, 0);
	join(&g, &m[1], 1000, 0);
	harness_settle();
	join(&g, &m[2], 1000, 0);
	group_cancel(&g);
	LIST_EACH (node, &g.members)
		assert_true(list_entry(node, struct task, group_node)->cancelled);
	assert_int_equal(group_count(&g), 3);		/* marked, not waited for */
	assert_int_equal(task_spawn(&g, "late", live, &m[0], NULL), -ECANCELED);
	assert_int_equal(group_wait(&g), -ECANCELED);
	assert_int_equal(m[0].slept, -ECANCELED);
	assert_int_equal(m[2].slept, 0);		/* it never began */
	assert_int_equal(m[2].ended_ms, 0);
	return 0;
}

static void cancelling_marks_all_members_at_once_and_nobody_joins_any_more(void **state)
{
	(void) state;
	assert_int_equal(harness_run(cancelled_at_once, NULL), 0);
}

static int decided_before(void *arg)
{
	struct member m[2];

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	join(&g, &m[0], 10, -EIO);
	join(&g, &m[1], 1000, 0);
	assert_int_equal(sleep_for(20), 0);
	group_cancel(&g);
	assert_int_equal(group_wait(&g), -EIO);
	return 0;
}

static void an_outcome_once_decided_stays(void **state)
{
	(void) state;
	assert_int_equal(harness_run(decided_before, NULL), 0);
}

static int member_that_spawns(void *arg)
{
	struct task_group *g = arg;
	static struct member m;

	join(g, &m, 10, 0);
	return 0;
}

static int spawned_by_a_member(void *arg)
{
	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	assert_int_equal(task_spawn(&g, "spawner", member_that_spawns, &g, NULL), 0);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(group_count(&g), 0);
	return 0;
}

static void members_may_add_members(void **state)
{
	(void) state;
	assert_int_equal(harness_run(spawned_by_a_member, NULL), 0);
}

/* -- misuse -- */

static int waits_for_another(void *arg)
{
	return group_wait((struct task_group *) arg);
}

static int not_the_owner(void *arg)
{
	(void) arg;
	TASK_GROUP(theirs, GROUP_ALL);
	assert_int_equal(task_spawn(&theirs, "stranger", waits_for_another, &theirs, NULL), 0);
	return group_wait(&theirs);
}

static void waiting_for_a_group_of_another_aborts_by_name(void **state)
{
	(void) state;
	harness_dies(not_the_owner, NULL, "group theirs is waited for by task stranger, not by its owner");
}

/* -- torture -- */

static int leaf(void *arg)
{
	DEADLINE(limit, 50);

	int r = sleep_for(5);

	++*(int *) arg;
	return r;
}

static int branch(void *arg)
{
	int r = 0;

	TASK_GROUP(g, GROUP_ALL);
	for (int i = 0; i < 2 && r == 0; i++)
		r = task_spawn(&g, "leaf", leaf, arg, NULL);
	return r < 0 ? r : group_wait(&g);
}

static int tree(void *arg)
{
	static const enum group_policy policies[] = { GROUP_ALL, GROUP_ANY, GROUP_EACH };
	int r = 0;

	for (size_t i = 0; i < ARRAY_LENGTH(policies) && r >= 0; i++) {
		TASK_GROUP(g, policies[i]);
		r = task_spawn(&g, "branch", branch, arg, NULL);
		if (r == 0)
			r = task_spawn(&g, "branch", branch, arg, NULL);
		if (r == 0)
			r = group_wait(&g);
	}
	return r;
}

static void a_tree_of_groups_falls_whole_at_any_suspension(void **state)
{
	int leaves = 0;
	struct harness_scenario s = { .body = tree, .arg = &leaves };

	(void) state;
	assert_true(harness_torture(&s) > 20);
	(void) harness_torture_faults(&s);
	assert_true(leaves > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_ALL_the_first_failure_is_the_outcome_and_cancels_the_rest),
		cmocka_unit_test(in_ANY_the_first_to_end_is_the_outcome_well_or_badly),
		cmocka_unit_test(in_EACH_members_fail_alone),
		cmocka_unit_test(leaving_the_block_cancels_and_waits),
		cmocka_unit_test(a_cancelled_owner_still_waits_for_its_members),
		cmocka_unit_test(a_wait_that_times_out_leaves_the_members_alone),
		cmocka_unit_test(cancelling_marks_all_members_at_once_and_nobody_joins_any_more),
		cmocka_unit_test(an_outcome_once_decided_stays),
		cmocka_unit_test(members_may_add_members),
		cmocka_unit_test(waiting_for_a_group_of_another_aborts_by_name),
		cmocka_unit_test(a_tree_of_groups_falls_whole_at_any_suspension),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
