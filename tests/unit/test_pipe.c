/* test_pipe.c - the pool of pipes: what is lent, what is kept, and that it takes no for an answer. */
#include "base/fault.h"
#include "net/fd.h"
#include "net/pipe.h"
#include "tests/support/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static struct pipe_pool pipes;

#define MANY 40

static void put_bytes(struct pipe *p, const char *bytes)
{
	assert_int_equal(write(p->write_fd, bytes, strlen(bytes)), strlen(bytes));
	p->length = strlen(bytes);
}

static void a_pipe_is_empty_when_lent_and_the_hottest_comes_first(void **unused)
{
	char buffer[16];

	(void) unused;
	pipe_pool_join(&pipes);
	pipe_pool_join(&pipes);
	struct pipe *a = pipe_try_get(&pipes);
	struct pipe *b = pipe_try_get(&pipes);
	assert_non_null(a);
	assert_non_null(b);
	assert_int_equal(pipes.lent, 2);
	put_bytes(a, "bytes");
	assert_int_equal(pipe_read(a, buffer, 2), 2);
	assert_int_equal(a->length, 3);
	assert_int_equal(pipe_read(a, buffer + 2, sizeof(buffer) - 2), 3);
	assert_memory_equal(buffer, "bytes", 5);
	assert_int_equal(a->length, 0);
	assert_int_equal(pipe_read(a, buffer, sizeof(buffer)), -EAGAIN);

	assert_null(pipe_put(b));
	assert_null(pipe_put(a));
	assert_int_equal(pipes.lent, 0);
	assert_int_equal(pipes.kept, 2);
	struct pipe *again = pipe_try_get(&pipes);
	assert_ptr_equal(again, a);
	assert_int_equal(again->length, 0);
	pipe_put(again);
	pipe_pool_leave(&pipes);
	pipe_pool_leave(&pipes);
	assert_null(pipe_put(NULL));
}

static void no_descriptor_is_kept_when_nobody_splices(void **unused)
{
	size_t before = harness_count_descriptors();

	(void) unused;
	struct pipe *p = pipe_try_get(&pipes);
	assert_non_null(p);
	assert_int_equal(harness_count_descriptors(), before + 2);
	pipe_put(p);
	assert_int_equal(harness_count_descriptors(), before);

	pipe_pool_join(&pipes);
	p = pipe_try_get(&pipes);
	pipe_put(p);
	assert_int_equal(harness_count_descriptors(), before + 2);
	pipe_pool_leave(&pipes);
	assert_int_equal(harness_count_descriptors(), before);
}

static void a_pipe_with_bytes_in_it_is_never_lent_again(void **unused)
{
	size_t before = harness_count_descriptors();

	(void) unused;
	pipe_pool_join(&pipes);
	struct pipe *p = pipe_try_get(&pipes);
	put_bytes(p, "left behind");
	pipe_put(p);
	assert_int_equal(pipes.kept, 0);
	assert_int_equal(harness_count_descriptors(), before);
	pipe_pool_leave(&pipes);
}

static void no_more_are_kept_than_there_are_who_splice(void **unused)
{
	size_t before = harness_count_descriptors();
	struct pipe *taken[MANY];

	(void) unused;
	for (size_t i = 0; i < MANY; i++) {
		pipe_pool_join(&pipes);
		taken[i] = pipe_try_get(&pipes);
		assert_non_null(taken[i]);
	}
	for (size_t i = 0; i < MANY; i++)
		pipe_put(taken[i]);
	size_t kept = pipes.kept;
	assert_in_range(kept, 1, MANY - 1);
	for (size_t left = 1; left <= MANY; left++) {
		pipe_pool_leave(&pipes);
		assert_int_equal(pipes.kept, MIN(kept, MANY - left));
	}
	assert_int_equal(harness_count_descriptors(), before);
}

static size_t lend_all(struct pipe **taken, size_t most)
{
	size_t n = 0;

	while (n < most && (taken[n] = pipe_try_get(&pipes)))
		n++;
	return n;
}

static void a_sixteenth_of_the_descriptors_is_the_most_that_pipes_take(void **unused)
{
	struct pipe *taken[MANY];
	struct rlimit before;
	size_t others = harness_count_descriptors();

	(void) unused;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	const struct rlimit low = { .rlim_cur = 256, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	size_t lent = lend_all(taken, MANY);
	assert_int_equal(lent, 256 / 16 / 2);
	pipe_put(taken[--lent]);
	taken[lent] = pipe_try_get(&pipes);
	assert_non_null(taken[lent++]);
	assert_null(pipe_try_get(&pipes));
	assert_int_equal(pipe_pool_fds(), harness_count_descriptors() - others);
	while (lent > 0)
		pipe_put(taken[--lent]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

#ifdef ENABLE_FAULTS
static void no_pipe_is_no_error_and_the_next_one_may_be_had(void **unused)
{
	static const struct {
		const char *point;
		int error;
	} failures[] = { { "pipe2", EMFILE }, { "pipe2", ENFILE }, { "malloc", ENOMEM } };
	size_t before = harness_count_descriptors();

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(failures); i++) {
		fault_plant_named(failures[i].point, 1, failures[i].error, 1);
		assert_null(pipe_try_get(&pipes));
		assert_string_equal(fault_fired(), failures[i].point);
		assert_int_equal(pipes.lent, 0);
		assert_int_equal(harness_count_descriptors(), before);
		struct pipe *p = pipe_try_get(&pipes);
		assert_non_null(p);
		pipe_put(p);
	}
	fault_plant(0);
}

static void a_pipe_that_may_not_grow_is_taken_as_it_is(void **unused)
{
	(void) unused;
	fault_plant_named("fcntl", 1, EPERM, 1);
	struct pipe *p = pipe_try_get(&pipes);
	assert_non_null(fault_fired());
	assert_non_null(p);
	assert_int_equal(p->size_bytes, 64 * 1024);
	pipe_put(p);
	fault_plant(0);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pipe_is_empty_when_lent_and_the_hottest_comes_first),
		cmocka_unit_test(no_descriptor_is_kept_when_nobody_splices),
		cmocka_unit_test(a_pipe_with_bytes_in_it_is_never_lent_again),
		cmocka_unit_test(no_more_are_kept_than_there_are_who_splice),
		cmocka_unit_test(a_sixteenth_of_the_descriptors_is_the_most_that_pipes_take),
#ifdef ENABLE_FAULTS
		cmocka_unit_test(no_pipe_is_no_error_and_the_next_one_may_be_had),
		cmocka_unit_test(a_pipe_that_may_not_grow_is_taken_as_it_is),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
