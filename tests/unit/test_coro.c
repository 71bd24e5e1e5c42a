/* test_coro.c - switching, the main stack, and misuse. */
#include "base/ensure.h"
#include "base/fault.h"
#include "coro/coro.h"
#include "coro/sanitizer.h"
#include "tests/support/child.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifdef SANITIZER_THREAD
#define CROWD 2000	/* ThreadSanitizer has room for 8,000 fibers */
#else
#define CROWD 10000
#endif

/* -- order -- */

struct diary {
	char text[64];
	size_t length;
};

static void note(struct diary *d, char what)
{
	assert_true(d->length < sizeof(d->text) - 1);
	d->text[d->length++] = what;
	d->text[d->length] = '\0';
}

static void write_twice(void *arg)
{
	note(arg, 'b');
	coro_suspend();
	note(arg, 'd');
}

static void runs_between_a_resume_and_the_next_suspension(void **state)
{
	struct diary d = { 0 };
	struct coro c;

	(void) state;
	assert_int_equal(coro_init(&c, write_twice, &d), 0);
	note(&d, 'a');
	coro_resume(&c);
	assert_false(coro_is_finished(&c));
	note(&d, 'c');
	coro_resume(&c);
	assert_true(coro_is_finished(&c));
	note(&d, 'e');
	assert_string_equal(d.text, "abcde");
	coro_done(&c, "writer");
	assert_null(c.stack);
}

static void is_its_own_running_coroutine(void *arg)
{
	struct coro *c = arg;

	assert_ptr_equal(coro_running(), c);
	coro_suspend();
	assert_ptr_equal(coro_running(), c);
}

static void the_running_coroutine_is_known_inside_and_none_outside(void **state)
{
	struct coro c;

	(void) state;
	assert_int_equal(coro_init(&c, is_its_own_running_coroutine, &c), 0);
	assert_null(coro_running());
	coro_resume(&c);
	assert_null(coro_running());
	coro_resume(&c);
	assert_null(coro_running());
	coro_done(&c, "self");
}

struct counter {
	struct coro coro;
	size_t number;
	size_t sum;
};

static void add_thrice(void *arg)
{
	struct counter *c = arg;

	for (size_t i = 1; i <= 3; i++) {
		c->sum += i * c->number;
		coro_suspend();
	}
}

static void ten_thousand_live_at_once_and_keep_apart(void **state)
{
	struct counter *crowd = calloc(CROWD, sizeof(*crowd));
	size_t before = stack_in_use();

	(void) state;
	assert_non_null(crowd);
	for (size_t i = 0; i < CROWD; i++) {
		crowd[i].number = i;
		assert_int_equal(coro_init(&crowd[i].coro, add_thrice, &crowd[i]), 0);
	}
	assert_int_equal(stack_in_use(), before + CROWD);
	for (int round = 0; round < 4; round++)
		for (size_t i = 0; i < CROWD; i++)
			coro_resume(&crowd[i].coro);
	for (size_t i = 0; i < CROWD; i++) {
		assert_true(coro_is_finished(&crowd[i].coro));
		assert_int_equal(crowd[i].sum, 6 * i);
		coro_done(&crowd[i].coro, "counter");
	}
	assert_int_equal(stack_in_use(), before);
	free(crowd);
}

static void never_called(void *arg)
{
	(void) arg;
	abort();
}

static void one_that_never_ran_may_be_dropped(void **state)
{
	struct coro c;

	(void) state;
	assert_int_equal(coro_init(&c, never_called, NULL), 0);
	coro_done(&c, "unborn");
	assert_int_equal(stack_in_use(), 0);
}

/* -- registers -- */

/* registers_kept(seed, fn) fills every register that a callee must keep with a value of its own, calls fn(),
 * and returns 0 if they are all as before. */
#if defined(__x86_64__)
__asm__(".text\n"
	".type registers_kept, @function\n"
	"registers_kept:\n"
	"	.cfi_startproc\n"
	"	push %rbp\n	push %rbx\n	push %r12\n	push %r13\n"
	"	push %r14\n	push %r15\n	push %rdi\n"
	"	.cfi_adjust_cfa_offset 56\n"
	"	lea 1(%rdi), %rbx\n	lea 2(%rdi), %rbp\n	lea 3(%rdi), %r12\n"
	"	lea 4(%rdi), %r13\n	lea 5(%rdi), %r14\n	lea 6(%rdi), %r15\n"
	"	call *%rsi\n"
	"	pop %rdi\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	xor %eax, %eax\n"
	"	lea 1(%rdi), %rcx\n	xor %rbx, %rcx\n	or %rcx, %rax\n"
	"	lea 2(%rdi), %rcx\n	xor %rbp, %rcx\n	or %rcx, %rax\n"
	"	lea 3(%rdi), %rcx\n	xor %r12, %rcx\n	or %rcx, %rax\n"
	"	lea 4(%rdi), %rcx\n	xor %r13, %rcx\n	or %rcx, %rax\n"
	"	lea 5(%rdi), %rcx\n	xor %r14, %rcx\n	or %rcx, %rax\n"
	"	lea 6(%rdi), %rcx\n	xor %r15, %rcx\n	or %rcx, %rax\n"
	"	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbx\n	pop %rbp\n"
	"	.cfi_adjust_cfa_offset -48\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size registers_kept, . - registers_kept\n");
uint64_t registers_kept(uint64_t seed, void (*fn)(void));

/* Rounding towards zero in both floating-point units, in place of to nearest. */
#define MXCSR_ROUNDING 0x6000u
#define X87_ROUNDING 0x0c00u

static void set_rounding(bool to_zero)
{
	uint32_t mxcsr;
	uint16_t x87;

	__asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
	mxcsr = (mxcsr & ~MXCSR_ROUNDING) | (to_zero ? MXCSR_ROUNDING : 0);
	x87 = (uint16_t) ((x87 & ~X87_ROUNDING) | (to_zero ? X87_ROUNDING : 0));
	__asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(mxcsr), "m"(x87));
}

static bool rounds(bool to_zero)
{
	uint32_t mxcsr;
	uint16_t x87;

	__asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
	return (mxcsr & MXCSR_ROUNDING) == (to_zero ? MXCSR_ROUNDING : 0) &&
	       (x87 & X87_ROUNDING) == (to_zero ? X87_ROUNDING : 0);
}
#elif defined(__aarch64__)
__asm__(".text\n"
	".type registers_kept, %function\n"
	"registers_kept:\n"
	"	stp x29, x30, [sp, #-176]!\n"
	"	stp x19, x20, [sp, #16]\n	stp x21, x22, [sp, #32]\n	stp x23, x24, [sp, #48]\n"
	"	stp x25, x26, [sp, #64]\n	stp x27, x28, [sp, #80]\n"
	"	stp d8, d9, [sp, #96]\n	stp d10, d11, [sp, #112]\n"
	"	stp d12, d13, [sp, #128]\n	stp d14, d15, [sp, #144]\n"
	"	str x0, [sp, #160]\n"
	"	add x19, x0, #1\n	add x20, x0, #2\n	add x21, x0, #3\n	add x22, x0, #4\n"
	"	add x23, x0, #5\n	add x24, x0, #6\n	add x25, x0, #7\n	add x26, x0, #8\n"
	"	add x27, x0, #9\n	add x28, x0, #10\n"
	"	fmov d8, x19\n	fmov d9, x20\n	fmov d10, x21\n	fmov d11, x22\n"
	"	fmov d12, x23\n	fmov d13, x24\n	fmov d14, x25\n	fmov d15, x26\n"
	"	blr x1\n"
	"	ldr x1, [sp, #160]\n	mov x0, #0\n"
	"	.irp r, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28\n"
	"	add x2, x1, #(\\r - 18)\n	eor x2, x2, x\\r\n	orr x0, x0, x2\n"
	"	.endr\n"
	"	.irp r, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	add x2, x1, #(\\r - 7)\n	fmov x3, d\\r\n	eor x2, x2, x3\n	orr x0, x0, x2\n"
	"	.endr\n"
	"	ldp x19, x20, [sp, #16]\n	ldp x21, x22, [sp, #32]\n	ldp x23, x24, [sp, #48]\n"
	"	ldp x25, x26, [sp, #64]\n	ldp x27, x28, [sp, #80]\n"
	"	ldp d8, d9, [sp, #96]\n	ldp d10, d11, [sp, #112]\n"
	"	ldp d12, d13, [sp, #128]\n	ldp d14, d15, [sp, #144]\n"
	"	ldp x29, x30, [sp], #176\n"
	"	ret\n"
	".size registers_kept, . - registers_kept\n");
uint64_t registers_kept(uint64_t seed, void (*fn)(void));

#define FPCR_ROUNDING (UINT64_C(3) << 22)

static void set_rounding(bool to_zero)
{
	uint64_t fpcr;

	__asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
	fpcr = (fpcr & ~FPCR_ROUNDING) | (to_zero ? FPCR_ROUNDING : 0);
	__asm__ volatile("msr fpcr, %0" : : "r"(fpcr));
}

static bool rounds(bool to_zero)
{
	uint64_t fpcr;

	__asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
	return (fpcr & FPCR_ROUNDING) == (to_zero ? FPCR_ROUNDING : 0);
}
#endif

#if defined(__x86_64__) || defined(__aarch64__)
static void keep_registers(void *arg)
{
	uint64_t *difference = arg;

	for (uint64_t seed = 1; seed < 4; seed++)
		*difference |= registers_kept(seed * UINT64_C(0x9e3779b97f4a7c15) + *difference, coro_suspend);
}

static struct coro *resumed_with_registers;

static void resume_it(void)
{
	coro_resume(resumed_with_registers);
}

static void assert_registers_survive(bool asleep)
{
	uint64_t differences[2] = { 0, 0 }, seed = 1000;
	struct coro c[2];

	for (int i = 0; i < 2; i++)
		assert_int_equal(coro_init(&c[i], keep_registers, &differences[i]), 0);
	for (int round = 0; round < 4; round++)
		for (int i = 0; i < 2; i++) {
			resumed_with_registers = &c[i];
			assert_int_equal(registers_kept(seed += 77, resume_it), 0);
			if (asleep)
				(void) coro_sleep(&c[i]);
		}
	for (int i = 0; i < 2; i++) {
		assert_true(coro_is_finished(&c[i]));
		assert_int_equal(differences[i], 0);
		coro_done(&c[i], "keeper");
	}
}

static void callee_saved_registers_survive_on_both_sides(void **state)
{
	(void) state;
	assert_registers_survive(false);
}

static void callee_saved_registers_survive_a_sleep(void **state)
{
	(void) state;
	assert_registers_survive(true);
}

static void round_to_zero(void *arg)
{
	bool *ok = arg;

	*ok = rounds(false);
	set_rounding(true);
	coro_suspend();
	*ok = *ok && rounds(true);
	coro_suspend();
	*ok = *ok && rounds(true);
	set_rounding(false);
}

static void assert_rounding_survives(bool asleep)
{
	bool ok = false;
	struct coro c;

	assert_int_equal(coro_init(&c, round_to_zero, &ok), 0);
	while (!coro_is_finished(&c)) {
		coro_resume(&c);
		assert_true(rounds(false));
		if (asleep)
			(void) coro_sleep(&c);
	}
	assert_true(ok);
	coro_done(&c, "rounder");
}

static void floating_point_control_belongs_to_each_side(void **state)
{
	(void) state;
	assert_rounding_survives(false);
}

static void floating_point_control_survives_a_sleep(void **state)
{
	(void) state;
	assert_rounding_survives(true);
}
#endif

static void block_usr1(void *arg)
{
	sigset_t set;

	(void) arg;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	coro_suspend();
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static bool is_usr1_blocked(void)
{
	sigset_t set;

	sigprocmask(SIG_SETMASK, NULL, &set);
	return sigismember(&set, SIGUSR1);
}

static void the_signal_mask_belongs_to_the_thread(void **state)
{
	struct coro c;

	(void) state;
	assert_int_equal(coro_init(&c, block_usr1, NULL), 0);
	coro_resume(&c);
	assert_true(is_usr1_blocked());
	coro_resume(&c);
	assert_false(is_usr1_blocked());
	coro_done(&c, "blocker");
}

static void look_at_alignment(void *arg)
{
	*(uintptr_t *) arg = (uintptr_t) __builtin_frame_address(0);
}

static void the_first_frame_is_aligned_to_16_bytes(void **state)
{
	uintptr_t frame = 1;
	struct coro c;

	(void) state;
	assert_int_equal(coro_init(&c, look_at_alignment, &frame), 0);
	coro_resume(&c);
	assert_int_equal(frame % 16, 0);
	assert_ptr_equal(stack_of_address((void *) frame), c.stack);
	coro_done(&c, "looker");
}

/* -- the main stack -- */

struct visit {
	struct coro coro;
	int calls;
	bool on_main_stack, knew_who_runs, nested_ran, was_away_after;
};

static void nested(void *arg)
{
	struct visit *v = arg;

	v->nested_ran = coro_is_on_main_stack() && coro_running() == &v->coro;
}

static void on_main_stack(void *arg)
{
	struct visit *v = arg;

	v->calls++;
	v->on_main_stack = coro_is_on_main_stack() && !stack_of_address(__builtin_frame_address(0));
	v->knew_who_runs = coro_running() == &v->coro;
	call_on_main_stack(nested, v);
}

static void visit(void *arg)
{
	struct visit *v = arg;

	for (int i = 0; i < 3; i++) {
		call_on_main_stack(on_main_stack, v);
		v->was_away_after |= coro_is_on_main_stack() || !stack_of_address(__builtin_frame_address(0));
		if (i == 1)
			coro_suspend();
	}
}

static void calls_on_the_main_stack_run_there_for_the_coroutine(void **state)
{
	struct visit v = { .calls = 0 };

	(void) state;
	assert_int_equal(coro_init(&v.coro, visit, &v), 0);
	coro_resume(&v.coro);
	assert_int_equal(v.calls, 2);
	assert_false(coro_is_on_main_stack());
	coro_resume(&v.coro);
	assert_int_equal(v.calls, 3);
	assert_true(coro_is_finished(&v.coro));
	assert_true(v.on_main_stack);
	assert_true(v.knew_who_runs);
	assert_false(v.was_away_after);
	coro_done(&v.coro, "visitor");
}

static void a_call_on_the_main_stack_from_there_is_a_plain_call(void **state)
{
	struct visit v = { .calls = 0 };

	(void) state;
	assert_int_equal(coro_init(&v.coro, visit, &v), 0);
	coro_resume(&v.coro);
	assert_true(v.nested_ran);
	coro_resume(&v.coro);
	coro_done(&v.coro, "visitor");
}

static void count_call(void *arg)
{
	++*(int *) arg;
	assert_null(coro_running());
	assert_false(coro_is_on_main_stack());
}

static void a_call_on_the_main_stack_in_the_main_context_is_a_plain_call(void **state)
{
	int calls = 0;

	(void) state;
	call_on_main_stack(count_call, &calls);
	assert_int_equal(calls, 1);
}

/* -- depth -- */

/* Keeps a compiler from leaving out or shrinking what nobody reads. */
#define USE(memory) __asm__ volatile("" : : "r"(memory) : "memory")

static __attribute__((noinline)) void suspend_deeper(size_t bytes)
{
	volatile char frame[1024];

	frame[0] = 0;
	USE(frame);
	if (bytes > sizeof(frame))
		suspend_deeper(bytes - sizeof(frame));
	else
		coro_suspend();
	USE(frame);
}

static void suspend_at_two_depths(void *arg)
{
	(void) arg;
	coro_suspend();
	suspend_deeper(8 * 1024);
}

static void depth_is_that_of_the_last_suspension(void **state)
{
	size_t shallow, deep;
	struct coro c;

	(void) state;
	assert_int_equal(coro_init(&c, suspend_at_two_depths, NULL), 0);
	coro_resume(&c);
	shallow = coro_depth_bytes(&c);
	coro_resume(&c);
	deep = coro_depth_bytes(&c);
	assert_in_range(shallow, 1, 4096);
	assert_in_range(deep, shallow + 8 * 1024, STACK_BYTES);
	coro_resume(&c);
	coro_done(&c, "diver");
	assert_int_equal(coro_depth_bytes(&c), 0);
}

static __attribute__((noinline)) void go_deeper(size_t bytes)
{
	volatile char frame[1024];

	frame[0] = 0;
	USE(frame);
	if (bytes > sizeof(frame))
		go_deeper(bytes - sizeof(frame));
	USE(frame);
}

static void go_deep_and_come_back(void *arg)
{
	(void) arg;
	go_deeper(16 * 1024);
	coro_suspend();
}

static void depth_of_a_painted_stack_is_the_deepest_ever(void **state)
{
	struct coro c;

	(void) state;
	stack_set_painting(true);
	assert_int_equal(coro_init(&c, go_deep_and_come_back, NULL), 0);
	stack_set_painting(false);
	assert_true(coro_depth_bytes(&c) < 1024);
	coro_resume(&c);
	assert_in_range(coro_depth_bytes(&c), 16 * 1024, STACK_BYTES - 1);
	coro_resume(&c);
	coro_done(&c, "diver");
}

/* -- no memory -- */

#ifdef ENABLE_FAULTS
static void without_memory_there_is_no_coroutine(void **state)
{
	struct coro c;

	(void) state;
	stack_pool_done();
	fault_plant_named("mmap", 1, ENOMEM, 1);
	assert_int_equal(coro_init(&c, never_called, NULL), -ENOMEM);
	assert_string_equal(fault_fired(), "mmap");
	assert_int_equal(stack_in_use(), 0);
	fault_plant(0);
	assert_int_equal(coro_init(&c, never_called, NULL), 0);
	coro_done(&c, "unborn");
}
#endif

/* -- misuse, in a child -- */

static void suspend_once(void *arg)
{
	(void) arg;
	coro_suspend();
}

static void drop_live(void *arg)
{
	struct coro c;

	(void) arg;
	if (coro_init(&c, suspend_once, NULL) == 0) {
		coro_resume(&c);
		coro_done(&c, "task 7 'conn-7 echo'");
	}
}

static void suspend_outside(void *arg)
{
	(void) arg;
	coro_suspend();
}

static void suspends_on_main_stack(void *arg)
{
	call_on_main_stack(suspend_outside, arg);
}

static void resume_fn(coro_fn *fn, void *arg, int times)
{
	struct coro c;

	if (coro_init(&c, fn, arg) == 0)
		while (times-- > 0)
			coro_resume(&c);
}

static void suspend_on_main_stack(void *arg)
{
	resume_fn(suspends_on_main_stack, arg, 1);
}

static void resumes_another(void *arg)
{
	resume_fn(suspend_once, arg, 1);
}

static void resume_inside(void *arg)
{
	resume_fn(resumes_another, arg, 1);
}

static void resume_finished(void *arg)
{
	resume_fn(suspend_once, arg, 3);
}

static void assert_aborts(void (*fn)(void *arg), const char *words)
{
	static struct child_end end;

	child_run(fn, NULL, &end);
	assert_true(child_died_of(&end, SIGABRT));
	assert_non_null(strstr(end.text, words));
}

static void dropping_a_live_stack_aborts_and_names_its_owner(void **state)
{
	(void) state;
	assert_aborts(drop_live, "task 7 'conn-7 echo'");
}

static void suspending_outside_of_a_coroutine_aborts(void **state)
{
	(void) state;
	assert_aborts(suspend_outside, "outside of a coroutine");
}

static void suspending_on_the_main_stack_aborts(void **state)
{
	(void) state;
	assert_aborts(suspend_on_main_stack, "inside call_on_main_stack()");
}

static void resuming_inside_a_coroutine_aborts(void **state)
{
	(void) state;
	assert_aborts(resume_inside, "resumed inside a coroutine");
}

static void resuming_what_has_finished_aborts(void **state)
{
	(void) state;
	assert_aborts(resume_finished, "that has finished");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_between_a_resume_and_the_next_suspension),
		cmocka_unit_test(the_running_coroutine_is_known_inside_and_none_outside),
		cmocka_unit_test(ten_thousand_live_at_once_and_keep_apart),
		cmocka_unit_test(one_that_never_ran_may_be_dropped),
#if defined(__x86_64__) || defined(__aarch64__)
		cmocka_unit_test(callee_saved_registers_survive_on_both_sides),
		cmocka_unit_test(callee_saved_registers_survive_a_sleep),
		cmocka_unit_test(floating_point_control_belongs_to_each_side),
		cmocka_unit_test(floating_point_control_survives_a_sleep),
#endif
		cmocka_unit_test(the_signal_mask_belongs_to_the_thread),
		cmocka_unit_test(the_first_frame_is_aligned_to_16_bytes),
		cmocka_unit_test(calls_on_the_main_stack_run_there_for_the_coroutine),
		cmocka_unit_test(a_call_on_the_main_stack_from_there_is_a_plain_call),
		cmocka_unit_test(a_call_on_the_main_stack_in_the_main_context_is_a_plain_call),
		cmocka_unit_test(depth_is_that_of_the_last_suspension),
		cmocka_unit_test(depth_of_a_painted_stack_is_the_deepest_ever),
#ifdef ENABLE_FAULTS
		cmocka_unit_test(without_memory_there_is_no_coroutine),
#endif
		cmocka_unit_test(dropping_a_live_stack_aborts_and_names_its_owner),
		cmocka_unit_test(suspending_outside_of_a_coroutine_aborts),
		cmocka_unit_test(suspending_on_the_main_stack_aborts),
		cmocka_unit_test(resuming_inside_a_coroutine_aborts),
		cmocka_unit_test(resuming_what_has_finished_aborts),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	stack_pool_done();
	return failed;
}
