/* What is remembered of a name, and for how long. Time is virtual. */
#include "net/resolve.h"

#include "base/fault.h"
#include "base/memory.h"
#include "runtime/executor.h"
#include "tests/support/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static uint64_t questions_asked(void)
{
	struct executor_counters counters;

	executor_counters(&counters);
	return counters.done[EXECUTOR_DNS];
}

/* Looks localhost up; returns the result. */
static int look_up(struct resolve_cache *c)
{
	_cleanup_(memory_freep) struct resolved *found = NULL;
	int r = resolve_cached(c, "localhost", 80, &found);

	if (r >= 0)
		assert_true(found->count > 0);
	return r;
}

static int asks_once(void *arg)
{
	_cleanup_(resolve_cache_done) struct resolve_cache c;
	uint64_t before = questions_asked();

	(void) arg;
	resolve_cache_init(&c);
	assert_int_equal(look_up(&c), 0);
	assert_int_equal(look_up(&c), 0);
	assert_int_equal(sleep_for(RESOLVE_FRESH_MS - 1), 0);
	assert_int_equal(look_up(&c), 0);
	assert_int_equal(questions_asked() - before, 1);
	assert_int_equal(sleep_for(2), 0);
	assert_int_equal(look_up(&c), 0);
	assert_int_equal(questions_asked() - before, 2);
	return 0;
}

static void a_fresh_answer_is_not_asked_for_again(void **state)
{
	(void) state;
	assert_int_equal(harness_run(asks_once, NULL), 0);
}

static int one_of_many(void *arg)
{
	return look_up(arg);
}

static int many_at_once(void *arg)
{
	_cleanup_(resolve_cache_done) struct resolve_cache c;
	uint64_t before = questions_asked();

	(void) arg;
	resolve_cache_init(&c);
	{
		TASK_GROUP(crowd, GROUP_ALL);
		for (int i = 0; i < 50; i++)
			assert_int_equal(task_spawn(&crowd, "asker", one_of_many, &c, NULL), 0);
		assert_int_equal(group_wait(&crowd), 0);
	}
	assert_int_equal(questions_asked() - before, 1);
	return 0;
}

static void a_crowd_asks_one_question(void **state)
{
	(void) state;
	assert_int_equal(harness_run(many_at_once, NULL), 0);
}

#ifdef ENABLE_FAULTS

static int outlives_an_outage(void *arg)
{
	_cleanup_(resolve_cache_done) struct resolve_cache c;

	(void) arg;
	resolve_cache_init(&c);
	assert_int_equal(look_up(&c), 0);
	assert_int_equal(sleep_for(RESOLVE_FRESH_MS + 1), 0);
	fault_plant_named("getaddrinfo", 1, EAGAIN, 1000);
	assert_int_equal(look_up(&c), 0);
	assert_string_equal(fault_fired(), "getaddrinfo");
	assert_int_equal(sleep_for(3600000), 0);
	assert_int_equal(look_up(&c), 0);
	fault_plant(0);
	return 0;
}

static int believes_that_a_name_is_gone(void *arg)
{
	_cleanup_(resolve_cache_done) struct resolve_cache c;

	(void) arg;
	resolve_cache_init(&c);
	assert_int_equal(look_up(&c), 0);
	assert_int_equal(sleep_for(RESOLVE_FRESH_MS + 1), 0);
	fault_plant_named("getaddrinfo", 1, ENOENT, 1);
	assert_int_equal(look_up(&c), -ENOENT);
	fault_plant_named("getaddrinfo", 1, EAGAIN, 1);
	assert_int_equal(look_up(&c), -EAGAIN);
	fault_plant(0);
	assert_int_equal(look_up(&c), 0);
	return 0;
}

#endif

static void old_addresses_serve_while_name_servers_are_out(void **state)
{
	(void) state;
#ifdef ENABLE_FAULTS
	assert_int_equal(harness_run(outlives_an_outage, NULL), 0);
#else
	print_message("needs a build with --enable-faults\n");
	skip();
#endif
}

static void a_name_that_is_gone_is_forgotten(void **state)
{
	(void) state;
#ifdef ENABLE_FAULTS
	assert_int_equal(harness_run(believes_that_a_name_is_gone, NULL), 0);
#else
	print_message("needs a build with --enable-faults\n");
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fresh_answer_is_not_asked_for_again),
		cmocka_unit_test(a_crowd_asks_one_question),
		cmocka_unit_test(old_addresses_serve_while_name_servers_are_out),
		cmocka_unit_test(a_name_that_is_gone_is_forgotten),
	};

	return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}
