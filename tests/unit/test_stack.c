/* test_stack.c - stacks: their order, their guards, what they cost and how deep they are. */
#include "base/fault.h"
#include "coro/coro.h"
#include "coro/sanitizer.h"
#include "coro/stack.h"
#include "tests/support/child.h"

#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

static struct stack *get(void)
{
	struct stack *s = stack_get();

	assert_non_null(s);
	return s;
}

/* -- handing out -- */

static void what_was_put_back_last_is_handed_out_first(void **state)
{
	struct stack *a = get(), *b = get(), *c = get();

	(void) state;
	stack_put(b);
	stack_put(a);
	stack_put(c);
	assert_ptr_equal(get(), c);
	assert_ptr_equal(get(), a);
	assert_ptr_equal(get(), b);
	stack_put(a);
	stack_put(b);
	stack_put(c);
}

static void stacks_lie_apart_and_are_writable_throughout(void **state)
{
	struct stack *stacks[STACKS_PER_SLAB + 2];

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(stacks); i++) {
		stacks[i] = get();
		assert_int_equal((uintptr_t) stacks[i]->bottom % 4096, 0);
		memset(stacks[i]->bottom, (int) i, STACK_BYTES);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(stacks); i++) {
		assert_int_equal(stacks[i]->bottom[0], (char) i);
		assert_int_equal(stacks[i]->bottom[STACK_BYTES - 1], (char) i);
		stack_put(stacks[i]);
	}
}

static void an_address_leads_to_its_stack_or_guard(void **state)
{
	struct stack *s = get();
	int here;

	(void) state;
	assert_ptr_equal(stack_of_address(s->bottom), s);
	assert_ptr_equal(stack_of_address(s->bottom + STACK_BYTES - 1), s);
	assert_null(stack_of_address(s->bottom - 1));
	assert_ptr_equal(stack_of_guard(s->bottom - 1), s);
	assert_ptr_equal(stack_of_guard(s->bottom - STACK_GUARD_BYTES), s);
	assert_ptr_not_equal(stack_of_address(s->bottom + STACK_BYTES), s);
	assert_null(stack_of_guard(s->bottom));
	assert_null(stack_of_guard(&here));
	assert_null(stack_of_address(&here));
	assert_null(stack_of_address(NULL));
	stack_put(s);
}

static void stacks_are_counted_and_slabs_given_back_at_the_end(void **state)
{
	struct stack *s;

	(void) state;
	stack_pool_done();
	assert_int_equal(stack_mapped(), 0);
	s = get();
	assert_int_equal(stack_in_use(), 1);
	assert_int_equal(stack_mapped(), STACKS_PER_SLAB);
	stack_put(s);
	assert_int_equal(stack_in_use(), 0);
	assert_int_equal(stack_mapped(), STACKS_PER_SLAB);
	stack_pool_done();
	assert_int_equal(stack_mapped(), 0);
	assert_null(stack_of_address(s));
}

/* The second one cannot lie where it would be aligned by itself. */
static void a_slab_is_aligned_to_the_page_table_that_maps_it(void **state)
{
	struct stack *stacks[2 * STACKS_PER_SLAB];
	char *base = NULL, *obstacle = NULL;

	(void) state;
	if ((STACK_BYTES + STACK_GUARD_BYTES) * STACKS_PER_SLAB != STACK_PAGE_TABLE_BYTES) {
		print_message("this size of stacks fits no page table\n");
		skip();
	}
	stack_pool_done();
	for (size_t i = 0; i < ARRAY_LENGTH(stacks); i++) {
		stacks[i] = get();
		base = stacks[i]->bottom - STACK_GUARD_BYTES;
		if (i % STACKS_PER_SLAB == 0)
			assert_int_equal((uintptr_t) base % STACK_PAGE_TABLE_BYTES, 0);
		if (i == 0)
			obstacle = mmap(base - 4096, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(stacks); i++)
		stack_put(stacks[i]);
	munmap(obstacle, 4096);
}

/* -- memory -- */

static bool is_resident(char *page)
{
	unsigned char answer = 0;

	assert_int_equal(mincore(page, 4096, &answer), 0);
	return answer & 1;
}

static void a_stack_used_deeply_gives_its_lower_pages_back(void **state)
{
	struct stack *s = get();

	(void) state;
	memset(s->bottom, 1, STACK_BYTES);
	stack_put(s);
	assert_false(is_resident(s->bottom));
	assert_int_equal(s->bottom[STACK_BYTES - 1], 1);
	assert_ptr_equal(get(), s);
	assert_int_equal(s->bottom[0], 0);
	stack_put(s);
}

static void a_stack_used_little_keeps_its_pages(void **state)
{
	struct stack *s = get();

	(void) state;
	memset(s->bottom + STACK_BYTES - 4096, 2, 4096);
	/* This page alone does not count as deep: a hole is not looked for. */
	s->bottom[0] = 3;
	stack_put(s);
	assert_int_equal(s->bottom[0], 3);
	assert_int_equal(s->bottom[STACK_BYTES - 4096], 2);
}

static void painting_shows_the_deepest_byte_touched(void **state)
{
	struct stack *s;

	(void) state;
	stack_set_painting(true);
	s = get();
	stack_set_painting(false);
	assert_int_equal(stack_painted_depth_bytes(s), 0);
	s->bottom[STACK_BYTES - 800] = 1;
	assert_int_equal(stack_painted_depth_bytes(s), 800);
	s->bottom[STACK_BYTES - 40000] = 1;
	assert_int_equal(stack_painted_depth_bytes(s), 40000);
	stack_put(s);
	assert_false(is_resident(s->bottom));

	assert_ptr_equal(get(), s);
	assert_int_equal(stack_painted_depth_bytes(s), 0);
	assert_false(s->painted);
	stack_put(s);
}

/* -- guards, in a child -- */

/* Keeps a compiler from leaving out or shrinking what nobody reads. */
#define USE(memory) __asm__ volatile("" : : "r"(memory) : "memory")

static const struct coro *victim;

/* Exits with 3 when the fault lies in the guard of the victim's stack. */
static void on_fault(int number, siginfo_t *info, void *context)
{
	(void) number;
	(void) context;
	_exit(stack_of_guard(info->si_addr) == victim->stack ? 3 : 4);
}

static void catch_faults(void)
{
	static char alternate[64 * 1024];
	const stack_t stack = { .ss_sp = alternate, .ss_size = sizeof(alternate) };
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigaltstack(&stack, NULL);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

static __attribute__((noinline)) int recurse(volatile int *depth)
{
	volatile int mine = *depth + 1;

	return mine < INT_MAX ? recurse(&mine) + mine : 0;
}

static void recurse_for_ever(void *arg)
{
	volatile int depth = 0;

	(void) arg;
	recurse(&depth);
}

/* Touches nothing but the lowest byte of its frame, as a library without stack probes would. */
static SANITIZER_BLIND __attribute__((noinline)) void take_large_frame(void)
{
	volatile char frame[60 * 1024];

	frame[0] = 1;
	USE(frame);
}

static __attribute__((noinline)) void take_large_frame_near_the_bottom(const char *bottom)
{
	volatile char frame[1024];

	frame[0] = 0;
	USE(frame);
	if ((char *) __builtin_frame_address(0) - bottom > 8 * 1024)
		take_large_frame_near_the_bottom(bottom);
	else
		take_large_frame();
	USE(frame);
}

static void jump_over_a_page(void *arg)
{
	(void) arg;
	take_large_frame_near_the_bottom(victim->stack->bottom);
}

static void die_in_coroutine(void *arg)
{
	struct coro c;

	catch_faults();
	victim = &c;
	if (coro_init(&c, *(coro_fn **) arg, NULL) == 0)
		coro_resume(&c);
}

static void assert_hits_guard(coro_fn *fn)
{
	static struct child_end end;

	child_run(die_in_coroutine, &fn, &end);
	assert_true(child_exited(&end, 3));
}

static void recursion_hits_the_guard_of_its_own_stack(void **state)
{
	(void) state;
	assert_hits_guard(recurse_for_ever);
}

static void a_frame_of_60_KiB_cannot_jump_over_the_guard(void **state)
{
	(void) state;
	assert_hits_guard(jump_over_a_page);
}

/* -- limits and failures -- */

static void the_limit_follows_from_the_kind_of_guard(void **state)
{
	(void) state;
	if (strcmp(stack_guard_kind(), "guard markers") == 0) {
		assert_int_equal(stack_limit(), SIZE_MAX);
	} else {
		assert_string_equal(stack_guard_kind(), "mprotect");
		assert_in_range(stack_limit(), 1, SIZE_MAX / 2);
	}
}

#ifdef ENABLE_FAULTS
static void without_memory_there_is_no_stack(void **state)
{
	const char *const points[] = { "malloc", "mmap" };

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(points); i++) {
		stack_pool_done();
		fault_plant_named(points[i], 1, ENOMEM, 1);
		assert_null(stack_get());
		assert_string_equal(fault_fired(), points[i]);
		assert_int_equal(stack_in_use(), 0);
		assert_int_equal(stack_mapped(), 0);
		fault_plant(0);
		stack_put(get());
	}
}

static void without_its_guard_a_stack_is_not_handed_out(void **state)
{
	const char *point = strcmp(stack_guard_kind(), "mprotect") == 0 ? "mprotect" : "madvise_guard";
	struct stack *first, *second;

	(void) state;
	stack_pool_done();
	first = get();
	fault_plant_named(point, 1, ENOMEM, 1);
	assert_null(stack_get());
	fault_plant(0);
	second = get();
	assert_ptr_equal(stack_of_guard(second->bottom - 1), second);
	assert_ptr_not_equal(first, second);
	stack_put(second);
	stack_put(first);
}

static void advice_that_is_refused_does_no_harm(void **state)
{
	struct stack *s;

	(void) state;
	stack_pool_done();
	fault_plant_named("madvise_nohugepage", 1, EINVAL, 1);
	s = get();
	memset(s->bottom, 1, STACK_BYTES);
	fault_plant_named("madvise_dontneed", 1, EINVAL, 1);
	stack_put(s);
	assert_string_equal(fault_fired(), "madvise_dontneed");
	assert_int_equal(s->bottom[0], 1);
	fault_plant(0);
}

static void die_behind_mprotect(void *arg)
{
	fault_plant_named("madvise_guard", 1, EINVAL, 1);
	stack_pool_done();
	stack_put(get());
	fault_plant(0);
	if (strcmp(stack_guard_kind(), "mprotect") != 0 || stack_limit() == SIZE_MAX || stack_limit() < 100)
		_exit(5);
	die_in_coroutine(arg);
}

static void where_markers_are_refused_mprotect_guards(void **state)
{
	static struct child_end end;
	coro_fn *fn = recurse_for_ever;

	(void) state;
	child_run(die_behind_mprotect, &fn, &end);
	assert_true(child_exited(&end, 3));
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_back_last_is_handed_out_first),
		cmocka_unit_test(stacks_lie_apart_and_are_writable_throughout),
		cmocka_unit_test(an_address_leads_to_its_stack_or_guard),
		cmocka_unit_test(stacks_are_counted_and_slabs_given_back_at_the_end),
		cmocka_unit_test(a_slab_is_aligned_to_the_page_table_that_maps_it),
		cmocka_unit_test(a_stack_used_deeply_gives_its_lower_pages_back),
		cmocka_unit_test(a_stack_used_little_keeps_its_pages),
		cmocka_unit_test(painting_shows_the_deepest_byte_touched),
		cmocka_unit_test(recursion_hits_the_guard_of_its_own_stack),
		cmocka_unit_test(a_frame_of_60_KiB_cannot_jump_over_the_guard),
		cmocka_unit_test(the_limit_follows_from_the_kind_of_guard),
#ifdef ENABLE_FAULTS
		cmocka_unit_test(without_memory_there_is_no_stack),
		cmocka_unit_test(without_its_guard_a_stack_is_not_handed_out),
		cmocka_unit_test(advice_that_is_refused_does_no_harm),
		cmocka_unit_test(where_markers_are_refused_mprotect_guards),
#endif
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	stack_pool_done();
	return failed;
}
