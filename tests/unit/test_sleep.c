/* test_sleep.c - coroutines without their stacks: what they keep, what they give back, and who may not sleep. */
#include "base/fault.h"
#include "coro/coro.h"
#include "coro/sanitizer.h"
#include "tests/support/child.h"

#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define PAGE_BYTES 4096
#define CROWD 5000

/* Keeps a compiler from leaving out or shrinking what nobody reads. */
#define USE(memory) __asm__ volatile("" : : "r"(memory) : "memory")

static void suspend_for_ever(void *arg)
{
	const bool *over = arg;

	while (!*over)
		coro_suspend();
}

static bool can_sleep(void)
{
	struct coro c;
	bool over = true;
	const void *sp;

	assert_int_equal(coro_init(&c, suspend_for_ever, &over), 0);
	sp = switch_sp(&c.context);
	coro_resume(&c);
	coro_done(&c, "probe");
	return sp && sanitizer_allows_sleep();
}

static void need_sleep(void)
{
	if (can_sleep())
		return;
	print_message("this flavour cannot set stacks aside\n");
	skip();
}

static void need_memory_to_go(void)
{
	need_sleep();
	if (!SANITIZER_KEEPS_STACKS)
		return;
	print_message("AddressSanitizer keeps the memory of stacks\n");
	skip();
}

static void need_page_tables_to_go(void)
{
	need_memory_to_go();
	if (strcmp(stack_guard_kind(), "guard markers") == 0 &&
	    (STACK_BYTES + STACK_GUARD_BYTES) * STACKS_PER_SLAB == STACK_PAGE_TABLE_BYTES)
		return;
	print_message("guards by mprotect, or a size of stacks that fits no page table\n");
	skip();
}

static void start(struct coro *c, coro_fn *fn, void *arg)
{
	assert_int_equal(coro_init(c, fn, arg), 0);
	coro_resume(c);
}

static void finish(struct coro *c)
{
	coro_resume(c);
	assert_true(coro_is_finished(c));
	coro_done(c, "sleeper");
}

static bool is_resident(void *page)
{
	unsigned char answer = 0;

	assert_int_equal(mincore(page, PAGE_BYTES, &answer), 0);
	return answer & 1;
}

static size_t resident_pages(const struct coro *c)
{
	size_t count = 0;

	for (size_t i = 0; i < STACK_BYTES; i += PAGE_BYTES)
		count += is_resident(c->stack->bottom + i);
	return count;
}

static size_t page_table_bytes(void)
{
	size_t kib = 0;
	char line[128];
	FILE *status = fopen("/proc/self/status", "r");

	assert_non_null(status);
	while (fgets(line, sizeof(line), status))
		if (sscanf(line, "VmPTE: %zu kB", &kib) == 1)
			break;
	fclose(status);
	assert_true(kib > 0);
	return kib * 1024;
}

/* -- what is kept -- */

struct dive {
	struct coro coro;
	size_t levels;
	bool wrong;
};

/* Suspends on the way down and on the way up, and looks each time for what it had left in its frame. */
static __attribute__((noinline)) void dive_deeper(struct dive *d, size_t level)
{
	uint8_t bytes[96], *self = bytes;

	memset(bytes, (int) level + 1, sizeof(bytes));
	USE(bytes);
	coro_suspend();
	if (level < d->levels)
		dive_deeper(d, level + 1);
	coro_suspend();
	d->wrong |= self != bytes;
	for (size_t i = 0; i < sizeof(bytes); i++)
		d->wrong |= self[i] != level + 1;
}

static void dive(void *arg)
{
	dive_deeper(arg, 0);
}

static void frames_and_their_addresses_survive_a_sleep_at_every_suspension(void **state)
{
	(void) state;
	need_sleep();
	for (size_t levels = 0; levels < 8; levels++) {
		struct dive d = { .levels = levels };
		size_t sleeps = 0;

		start(&d.coro, dive, &d);
		while (!coro_is_finished(&d.coro)) {
			assert_true(coro_sleep(&d.coro));
			sleeps++;
			coro_resume(&d.coro);
		}
		assert_false(d.wrong);
		assert_int_equal(sleeps, 2 * (levels + 1));
		coro_done(&d.coro, "diver");
	}
	assert_int_equal(coro_asleep(), 0);
	assert_int_equal(coro_aside_bytes(), 0);
}

static void one_can_be_woken_without_being_run(void **state)
{
	struct dive d = { .levels = 1 };

	(void) state;
	need_sleep();
	start(&d.coro, dive, &d);
	assert_true(coro_sleep(&d.coro));
	assert_true(coro_is_asleep(&d.coro));
	coro_wake(&d.coro);
	assert_false(coro_is_asleep(&d.coro));
	assert_true(coro_sleep(&d.coro));
	while (!coro_is_finished(&d.coro))
		coro_resume(&d.coro);
	assert_false(d.wrong);
	coro_done(&d.coro, "diver");
}

static void sleepers_and_their_bytes_are_counted(void **state)
{
	bool over = false;
	struct coro c[3];

	(void) state;
	need_sleep();
	for (size_t i = 0; i < ARRAY_LENGTH(c); i++) {
		start(&c[i], suspend_for_ever, &over);
		assert_true(coro_sleep(&c[i]));
		assert_int_equal(coro_asleep(), i + 1);
	}
	assert_int_equal(coro_aside_bytes(), 3 * (coro_depth_bytes(&c[0]) - SWITCH_SPARE_BYTES));
	assert_int_equal(stack_in_use(), 3);
	over = true;
	for (size_t i = 0; i < ARRAY_LENGTH(c); i++)
		finish(&c[i]);
	assert_int_equal(coro_asleep(), 0);
	assert_int_equal(coro_aside_bytes(), 0);
}

static void the_depth_of_a_sleeper_is_known_without_its_stack(void **state)
{
	bool over = false;
	struct coro c;
	size_t depth_bytes;

	(void) state;
	need_sleep();
	start(&c, suspend_for_ever, &over);
	depth_bytes = coro_depth_bytes(&c);
	assert_true(coro_sleep(&c));
	assert_int_equal(coro_depth_bytes(&c), depth_bytes);
	assert_true(SANITIZER_KEEPS_STACKS || resident_pages(&c) == 0);
	over = true;
	finish(&c);
}

/* -- a long random story -- */

#define ACTORS (3 * STACKS_PER_SLAB + 5)

static unsigned next_random(unsigned *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 16;
}

/* One step in the life of an actor: it begins, sleeps, or goes on and perhaps ends. */
static void step(struct dive *d, unsigned choice)
{
	if (!d->coro.stack) {
		d->levels = choice / 4 % 8;
		start(&d->coro, dive, d);
	} else if (choice % 4 == 0 && !coro_is_asleep(&d->coro)) {
		assert_true(coro_sleep(&d->coro));
	} else {
		coro_resume(&d->coro);
		if (coro_is_finished(&d->coro))
			coro_done(&d->coro, "actor");
	}
}

static void stacks_are_kept_apart_whoever_begins_sleeps_and_ends(void **state)
{
	struct dive *actors;
	unsigned seed = 7;

	(void) state;
	need_sleep();
	actors = calloc(ACTORS, sizeof(*actors));
	assert_non_null(actors);
	for (int i = 0; i < 20000; i++)
		step(&actors[next_random(&seed) % ACTORS], next_random(&seed));
	for (size_t i = 0; i < ACTORS; i++) {
		while (actors[i].coro.stack)
			step(&actors[i], 1);
		assert_false(actors[i].wrong);
	}
	assert_int_equal(stack_in_use(), 0);
	assert_int_equal(coro_asleep(), 0);
	assert_true(stack_mapped() <= ACTORS + STACKS_PER_SLAB);
	free(actors);
}

/* -- who may not sleep -- */

static void refuses_while_it_runs(void *arg)
{
	bool *refused = arg;

	*refused = !coro_sleep(coro_running());
	coro_suspend();
}

static void only_a_suspended_coroutine_can_sleep(void **state)
{
	bool refused = false;
	struct coro c;

	(void) state;
	need_sleep();
	assert_int_equal(coro_init(&c, refuses_while_it_runs, &refused), 0);
	assert_false(coro_sleep(&c));
	coro_resume(&c);
	assert_true(refused);
	assert_true(coro_sleep(&c));
	assert_false(coro_sleep(&c));
	coro_resume(&c);
	assert_true(coro_is_finished(&c));
	assert_false(coro_sleep(&c));
	coro_done(&c, "refuser");
	assert_int_equal(coro_asleep(), 0);
}

static void suspend_with_a_large_frame(void *arg)
{
	volatile char frame[CORO_SLEEP_BYTES];

	(void) arg;
	frame[0] = 1;
	USE(frame);
	coro_suspend();
	USE(frame);
}

static void a_deep_one_stays_awake(void **state)
{
	struct coro c;

	(void) state;
	start(&c, suspend_with_a_large_frame, NULL);
	assert_false(coro_sleep(&c));
	assert_false(coro_is_asleep(&c));
	finish(&c);
}

static void one_with_a_painted_stack_stays_awake(void **state)
{
	bool over = false;
	struct coro c;

	(void) state;
	stack_set_painting(true);
	start(&c, suspend_for_ever, &over);
	stack_set_painting(false);
	assert_false(coro_sleep(&c));
	assert_true(coro_depth_bytes(&c) > 0);
	over = true;
	finish(&c);
}

static void where_stacks_cannot_be_set_aside_nobody_sleeps(void **state)
{
	bool over = false;
	struct coro c;

	(void) state;
	start(&c, suspend_for_ever, &over);
	assert_int_equal(coro_sleep(&c), can_sleep());
	over = true;
	finish(&c);
}

/* -- what is given back -- */

static void the_pages_of_a_sleeper_are_gone_beside_one_awake(void **state)
{
	bool over = false;
	struct coro neighbour, c;

	(void) state;
	need_memory_to_go();
	start(&neighbour, suspend_for_ever, &over);
	start(&c, suspend_for_ever, &over);
	assert_true(resident_pages(&c) > 0);
	assert_true(coro_sleep(&c));
	assert_int_equal(resident_pages(&c), 0);
	assert_true(resident_pages(&neighbour) > 0);
	over = true;
	finish(&c);
	finish(&neighbour);
}

static void what_was_used_deeply_is_given_back_too(void **state)
{
	bool over = false;
	struct coro c;

	(void) state;
	need_memory_to_go();
	assert_int_equal(coro_init(&c, suspend_for_ever, &over), 0);
	memset(c.stack->bottom, 1, STACK_BYTES / 2);
	coro_resume(&c);
	assert_true(coro_sleep(&c));
	assert_int_equal(resident_pages(&c), 0);
	over = true;
	finish(&c);
}

/* What is set aside may need a page table of its own, as may the stack of the test. */
static void page_tables_go_when_all_of_a_slab_sleep(void **state)
{
	struct coro c[8 * STACKS_PER_SLAB];
	size_t awake_bytes, asleep_bytes;
	bool over = false;

	(void) state;
	need_page_tables_to_go();
	stack_pool_done();
	for (size_t i = 0; i < ARRAY_LENGTH(c); i++)
		start(&c[i], suspend_for_ever, &over);
	awake_bytes = page_table_bytes();
	for (size_t i = 0; i < ARRAY_LENGTH(c); i++)
		assert_true(coro_sleep(&c[i]));
	asleep_bytes = page_table_bytes();
	assert_true(asleep_bytes + 6 * PAGE_BYTES <= awake_bytes);
	for (size_t i = 0; i < ARRAY_LENGTH(c); i++)
		coro_wake(&c[i]);
	assert_true(page_table_bytes() >= awake_bytes);
	over = true;
	for (size_t i = 0; i < ARRAY_LENGTH(c); i++)
		finish(&c[i]);
}

/* Of the sleepers' slabs one lingers, in case that the next task comes at once. */
static void they_go_too_when_the_last_one_awake_ends(void **state)
{
	struct coro c[2 * STACKS_PER_SLAB], *short_lived[] = { &c[0], &c[STACKS_PER_SLAB] };
	bool over = false, soon_over = false;
	size_t before_bytes;

	(void) state;
	need_page_tables_to_go();
	stack_pool_done();
	for (size_t i = 0; i < ARRAY_LENGTH(c); i++)
		start(&c[i], suspend_for_ever, i % STACKS_PER_SLAB ? &over : &soon_over);
	for (size_t i = 0; i < ARRAY_LENGTH(c); i++)
		if (i % STACKS_PER_SLAB)
			assert_true(coro_sleep(&c[i]));
	before_bytes = page_table_bytes();
	soon_over = true;
	finish(short_lived[0]);
	assert_int_equal(page_table_bytes(), before_bytes);
	finish(short_lived[1]);
	assert_true(page_table_bytes() + PAGE_BYTES <= before_bytes);

	start(short_lived[0], suspend_for_ever, &over);
	start(short_lived[1], suspend_for_ever, &over);
	assert_int_equal(stack_mapped(), ARRAY_LENGTH(c));
	over = true;
	for (size_t i = 0; i < ARRAY_LENGTH(c); i++)
		finish(&c[i]);
}

static void a_slab_in_which_nobody_sleeps_any_more_keeps_its_hot_pages(void **state)
{
	const struct stack *stacks[2];
	struct coro c[2 * STACKS_PER_SLAB];
	bool over = false;

	(void) state;
	need_page_tables_to_go();
	stack_pool_done();
	for (size_t i = 0; i < ARRAY_LENGTH(c); i++)
		start(&c[i], suspend_for_ever, &over);
	for (size_t i = 0; i < ARRAY_LENGTH(stacks); i++)
		stacks[i] = c[i * STACKS_PER_SLAB].stack;
	for (size_t i = 0; i < ARRAY_LENGTH(c); i++)
		assert_true(coro_sleep(&c[i]));
	over = true;
	for (size_t i = 0; i < ARRAY_LENGTH(c); i++)
		coro_resume(&c[i]);
	for (size_t i = 0; i < ARRAY_LENGTH(c); i++)
		coro_done(&c[i], "sleeper");
	for (size_t i = 0; i < ARRAY_LENGTH(stacks); i++)
		assert_true(is_resident(stacks[i]->bottom + STACK_BYTES - PAGE_BYTES));
}

static void five_thousand_sleepers_cost_less_than_200_bytes_each(void **state)
{
	size_t before_bytes, pages = 0, bytes;
	struct coro *crowd;
	bool over = false;

	(void) state;
	need_page_tables_to_go();
	crowd = calloc(CROWD, sizeof(*crowd));
	assert_non_null(crowd);
	stack_pool_done();
	before_bytes = page_table_bytes();
	for (size_t i = 0; i < CROWD; i++)
		start(&crowd[i], suspend_for_ever, &over);
	for (size_t i = 0; i < CROWD; i++)
		assert_true(coro_sleep(&crowd[i]));
	for (size_t i = 0; i < CROWD; i++)
		pages += resident_pages(&crowd[i]);
	bytes = pages * PAGE_BYTES + page_table_bytes() - before_bytes;
	assert_in_range(bytes / CROWD, 0, 199);
	over = true;
	for (size_t i = 0; i < CROWD; i++)
		finish(&crowd[i]);
	free(crowd);
}

/* -- guards, in a child -- */

static const struct coro *victim;

/* Exits with 3 when the fault lies in the guard of the victim's stack. */
static void on_fault(int number, siginfo_t *info, void *context)
{
	(void) number;
	(void) context;
	_exit(stack_of_guard(info->si_addr) == victim->stack ? 3 : 4);
}

static __attribute__((noinline)) int recurse(volatile int *depth)
{
	volatile int mine = *depth + 1;

	return mine < INT_MAX ? recurse(&mine) + mine : 0;
}

static void recurse_after_a_sleep(void *arg)
{
	volatile int depth = 0;

	(void) arg;
	coro_suspend();
	recurse(&depth);
}

static void die_after_a_sleep(void *arg)
{
	static char alternate[64 * 1024];
	const stack_t stack = { .ss_sp = alternate, .ss_size = sizeof(alternate) };
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	int (*sleep_there)(struct coro *c) = *(int (**)(struct coro *c)) arg;
	struct coro c;

	sigaltstack(&stack, NULL);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	victim = &c;
	if (coro_init(&c, recurse_after_a_sleep, NULL) < 0)
		_exit(5);
	coro_resume(&c);
	if (sleep_there(&c) < 0)
		_exit(6);
	coro_resume(&c);
}

static void assert_guarded_after(int (*sleep_there)(struct coro *c))
{
	static struct child_end end;

	child_run(die_after_a_sleep, &sleep_there, &end);
	assert_true(child_exited(&end, 3));
}

static int sleep_once(struct coro *c)
{
	return coro_sleep(c) ? 0 : -1;
}

static void the_guard_stands_again_after_a_sleep(void **state)
{
	(void) state;
	need_sleep();
	assert_guarded_after(sleep_once);
}

/* The stack of one that ended while its slab slept is handed out with its guard. */
static int sleep_and_let_another_take_a_stack(struct coro *c)
{
	static struct coro other;
	static bool over = true;

	if (coro_init(&other, suspend_for_ever, &over) < 0)
		return -1;
	coro_resume(&other);
	coro_done(&other, "other");
	if (!coro_sleep(c) || coro_init(&other, recurse_after_a_sleep, NULL) < 0)
		return -1;
	victim = &other;
	coro_resume(&other);
	coro_resume(&other);
	return -1;
}

static void a_free_stack_is_guarded_again_when_it_is_handed_out(void **state)
{
	(void) state;
	need_sleep();
	assert_guarded_after(sleep_and_let_another_take_a_stack);
}

/* -- failures -- */

#ifdef ENABLE_FAULTS
static void without_memory_it_stays_awake(void **state)
{
	const char *const points[] = { "malloc", "madvise_sleep" };
	bool over = false;
	struct coro neighbour, c;

	(void) state;
	need_sleep();
	start(&neighbour, suspend_for_ever, &over);
	start(&c, suspend_for_ever, &over);
	for (size_t i = 0; i < (SANITIZER_KEEPS_STACKS ? 1 : ARRAY_LENGTH(points)); i++) {
		fault_plant_named(points[i], 1, ENOMEM, 1);
		assert_false(coro_sleep(&c));
		assert_string_equal(fault_fired(), points[i]);
		assert_false(coro_is_asleep(&c));
		assert_int_equal(coro_asleep(), 0);
		coro_resume(&c);
	}
	fault_plant(0);
	over = true;
	finish(&c);
	finish(&neighbour);
}

static void where_no_fresh_mapping_is_had_only_the_pages_go(void **state)
{
	struct dive d = { .levels = 3 };

	(void) state;
	need_page_tables_to_go();
	stack_pool_done();
	start(&d.coro, dive, &d);
	fault_plant_named("mmap_again", 1, ENOMEM, 1);
	assert_true(coro_sleep(&d.coro));
	assert_string_equal(fault_fired(), "mmap_again");
	assert_int_equal(resident_pages(&d.coro), 0);
	assert_true(d.coro.stack->guarded);
	fault_plant(0);
	while (!coro_is_finished(&d.coro))
		coro_resume(&d.coro);
	assert_false(d.wrong);
	coro_done(&d.coro, "diver");
}

static void a_guard_that_cannot_be_put_up_keeps_nobody_asleep(void **state)
{
	struct dive d = { .levels = 3 };

	(void) state;
	need_page_tables_to_go();
	stack_pool_done();
	start(&d.coro, dive, &d);
	assert_true(coro_sleep(&d.coro));
	assert_false(d.coro.stack->guarded);
	fault_plant_named("madvise_guard", 1, ENOMEM, 1);
	coro_resume(&d.coro);
	assert_string_equal(fault_fired(), "madvise_guard");
	assert_false(d.coro.stack->guarded);
	assert_true(coro_sleep(&d.coro));
	coro_resume(&d.coro);
	assert_true(d.coro.stack->guarded);
	fault_plant(0);
	while (!coro_is_finished(&d.coro))
		coro_resume(&d.coro);
	assert_false(d.wrong);
	coro_done(&d.coro, "diver");
}

static int sleep_behind_mprotect(struct coro *c)
{
	if (strcmp(stack_guard_kind(), "mprotect") != 0 || !coro_sleep(c) || !c->stack->guarded)
		return -1;
	return SANITIZER_KEEPS_STACKS || resident_pages(c) == 0 ? 0 : -1;
}

static void die_behind_mprotect(void *arg)
{
	fault_plant_named("madvise_guard", 1, EINVAL, 1);
	stack_pool_done();
	die_after_a_sleep(arg);
}

static void guards_by_mprotect_stay_and_the_pages_go(void **state)
{
	static struct child_end end;
	int (*sleep_there)(struct coro *c) = sleep_behind_mprotect;

	(void) state;
	need_sleep();
	child_run(die_behind_mprotect, &sleep_there, &end);
	assert_true(child_exited(&end, 3));
}

static void a_slab_that_is_not_aligned_will_do(void **state)
{
	struct coro c[3 * STACKS_PER_SLAB];
	bool over = false;

	(void) state;
	need_sleep();
	stack_pool_done();
	fault_plant_named("mmap_wide", 1, ENOMEM, UINT64_MAX);
	for (size_t i = 0; i < ARRAY_LENGTH(c); i++)
		start(&c[i], suspend_for_ever, &over);
	for (size_t i = 0; i < ARRAY_LENGTH(c); i++)
		assert_true(coro_sleep(&c[i]));
	fault_plant(0);
	over = true;
	for (size_t i = 0; i < ARRAY_LENGTH(c); i++)
		finish(&c[i]);
	stack_pool_done();
}
#endif

/* -- misuse, in a child -- */

static void drop_asleep(void *arg)
{
	bool over = false;
	struct coro c;

	(void) arg;
	start(&c, suspend_for_ever, &over);
	if (coro_sleep(&c))
		coro_done(&c, "task 7 'conn-7 echo'");
}

static void dropping_a_sleeper_aborts_and_names_its_owner(void **state)
{
	static struct child_end end;

	(void) state;
	need_sleep();
	child_run(drop_asleep, NULL, &end);
	assert_true(child_died_of(&end, SIGABRT));
	assert_non_null(strstr(end.text, "task 7 'conn-7 echo'"));
}

#ifdef SANITIZER_ADDRESS
static volatile char *in_the_stack;

static void leave_a_pointer(void *arg)
{
	volatile char local = 1;

	(void) arg;
	in_the_stack = &local;
	coro_suspend();
}

static void look_into_a_sleeper(void *arg)
{
	struct coro c;

	(void) arg;
	start(&c, leave_a_pointer, NULL);
	if (*in_the_stack == 1 && coro_sleep(&c))
		_exit(*in_the_stack);
}

static void AddressSanitizer_finds_who_looks_into_a_sleeper(void **state)
{
	static struct child_end end;

	(void) state;
	child_run(look_into_a_sleeper, NULL, &end);
	assert_non_null(strstr(end.text, "use-after-poison"));
	assert_non_null(strstr(end.text, "look_into_a_sleeper"));
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_and_their_addresses_survive_a_sleep_at_every_suspension),
		cmocka_unit_test(one_can_be_woken_without_being_run),
		cmocka_unit_test(sleepers_and_their_bytes_are_counted),
		cmocka_unit_test(the_depth_of_a_sleeper_is_known_without_its_stack),
		cmocka_unit_test(stacks_are_kept_apart_whoever_begins_sleeps_and_ends),
		cmocka_unit_test(only_a_suspended_coroutine_can_sleep),
		cmocka_unit_test(a_deep_one_stays_awake),
		cmocka_unit_test(one_with_a_painted_stack_stays_awake),
		cmocka_unit_test(where_stacks_cannot_be_set_aside_nobody_sleeps),
		cmocka_unit_test(the_pages_of_a_sleeper_are_gone_beside_one_awake),
		cmocka_unit_test(what_was_used_deeply_is_given_back_too),
		cmocka_unit_test(page_tables_go_when_all_of_a_slab_sleep),
		cmocka_unit_test(they_go_too_when_the_last_one_awake_ends),
		cmocka_unit_test(a_slab_in_which_nobody_sleeps_any_more_keeps_its_hot_pages),
		cmocka_unit_test(five_thousand_sleepers_cost_less_than_200_bytes_each),
		cmocka_unit_test(the_guard_stands_again_after_a_sleep),
		cmocka_unit_test(a_free_stack_is_guarded_again_when_it_is_handed_out),
#ifdef ENABLE_FAULTS
		cmocka_unit_test(without_memory_it_stays_awake),
		cmocka_unit_test(where_no_fresh_mapping_is_had_only_the_pages_go),
		cmocka_unit_test(a_guard_that_cannot_be_put_up_keeps_nobody_asleep),
		cmocka_unit_test(guards_by_mprotect_stay_and_the_pages_go),
		cmocka_unit_test(a_slab_that_is_not_aligned_will_do),
#endif
		cmocka_unit_test(dropping_a_sleeper_aborts_and_names_its_owner),
#ifdef SANITIZER_ADDRESS
		cmocka_unit_test(AddressSanitizer_finds_who_looks_into_a_sleeper),
#endif
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	stack_pool_done();
	return failed;
}
