#include "coro/coro.h"

#include "base/ensure.h"
#include "base/memory.h"
#include "coro/aside.h"
#include "coro/sanitizer.h"

/* Control is a property of the thread, like its registers. Per thread, so that an executor's thread, which runs no
 * coroutine, sees none. */
static _Thread_local struct {
	struct switch_context main;		/* where coro_resume() goes on */
	struct coro *running;
	coro_fn *call;				/* what the running coroutine wants done on the main stack */
	void *call_arg;
	bool on_main_stack;
	struct sanitizer_stack main_stack;
	size_t asleep, aside_bytes;
} here;

/* From the main context into the coroutine, until that comes back. */
static inline void enter(struct coro *c)
{
	struct sanitizer_stack there = { c->stack->bottom, STACK_BYTES, c->stack->fiber };
	void *frames = NULL;

	sanitizer_fiber_remember(&here.main_stack);
	sanitizer_before_switch(&there, &frames);
	switch_to(&here.main, &c->context);
	sanitizer_after_switch(frames, &there);
}

/* From the running coroutine to the main context, until that enters it again. Without a tool the switch is the last
 * thing done, a jump: then no frame of this file lies on a suspended stack. */
static inline void leave(struct coro *c)
{
	void *frames = NULL;

	sanitizer_before_switch(&here.main_stack, &frames);
	switch_to(&c->context, &here.main);
	sanitizer_after_switch(frames, &here.main_stack);
}

/* First thing on a fresh stack. */
static void arrive(void)
{
	sanitizer_after_switch(NULL, &here.main_stack);
}

/* Last thing on a stack, when the coroutine's function has returned. */
static _noreturn_ void finish(void)
{
	here.running->state = CORO_FINISHED;
	sanitizer_before_switch(&here.main_stack, NULL);
	switch_to(&here.running->context, &here.main);
	__builtin_unreachable();
}

int coro_init(struct coro *c, coro_fn *fn, void *arg)
{
	const struct switch_begin begin = { arrive, fn, arg, finish };
	struct stack *stack = stack_get();

	if (!stack)
		return -ENOMEM;
	stack->fiber = sanitizer_fiber_new();
	c->stack = stack;
	c->aside = NULL;
	c->aside_bytes = 0;
	c->state = CORO_NEW;
	switch_init(&c->context, stack->bottom, STACK_BYTES - stack_colour_bytes(stack), &begin);
	return 0;
}

void coro_done(struct coro *c, const char *owner)
{
	ENSURE(c->state == CORO_FINISHED || c->state == CORO_NEW, "the stack of %s is dropped while it is in use",
	       owner);
	ENSURE(c != here.running, "the stack of %s is dropped under its own feet", owner);
	sanitizer_fiber_free(c->stack->fiber);
	stack_put(TAKE(c->stack));
}

/* The first resumption, one out of sleep, or misuse. */
static __attribute__((noinline, cold)) void prepare(struct coro *c)
{
	ENSURE(c->state != CORO_FINISHED, "a coroutine is resumed that has finished");
	if (c->state == CORO_ASLEEP)
		coro_wake(c);
	c->state = CORO_AWAKE;
}

/* The running coroutine came back only to have something done here. */
static __attribute__((noinline)) void serve_calls(void)
{
	while (here.call) {
		coro_fn *call = TAKE(here.call);

		here.on_main_stack = true;
		call(here.call_arg);
		here.on_main_stack = false;
		enter(here.running);
	}
}

void coro_resume(struct coro *c)
{
	ENSURE(!here.running, "a coroutine is resumed inside a coroutine");
	if (UNLIKELY(c->state != CORO_AWAKE))
		prepare(c);
	here.running = c;
	enter(c);
	if (UNLIKELY(here.call))
		serve_calls();
	here.running = NULL;
}

void coro_suspend(void)
{
	ENSURE(here.running, "a suspension outside of a coroutine");
	ENSURE(!here.on_main_stack, "a suspension inside call_on_main_stack()");
	leave(here.running);
}

struct coro *coro_running(void)
{
	return here.running;
}

void call_on_main_stack(coro_fn *fn, void *arg)
{
	if (!here.running || here.on_main_stack) {
		fn(arg);
		return;
	}
	here.call = fn;
	here.call_arg = arg;
	leave(here.running);
}

bool coro_is_on_main_stack(void)
{
	return here.on_main_stack;
}

/* Where the first frame began. */
static const char *top_of(const struct coro *c)
{
	return c->stack->bottom + STACK_BYTES - stack_colour_bytes(c->stack);
}

bool coro_sleep(struct coro *c)
{
	char *live = (char *) switch_sp(&c->context);
	size_t bytes;

	if (c->state != CORO_AWAKE || c == here.running || !live || !sanitizer_allows_sleep())
		return false;
	bytes = (size_t) (top_of(c) - live) - SWITCH_SPARE_BYTES;
	if (bytes > CORO_SLEEP_BYTES)
		return false;
	c->aside = aside_new(live, bytes, c);
	if (!c->aside)
		return false;
	if (!stack_sleep(c->stack)) {
		c->aside = memory_free(c->aside);
		return false;
	}
	aside_hide(live, bytes);
	c->aside_bytes = (uint16_t) bytes;
	c->state = CORO_ASLEEP;
	here.asleep++;
	here.aside_bytes += bytes;
	return true;
}

void coro_wake(struct coro *c)
{
	ENSURE(c->state == CORO_ASLEEP, "a coroutine is woken that is not asleep");
	stack_wake(c->stack);
	aside_restore(TAKE(c->aside), (char *) switch_sp(&c->context), c->aside_bytes, c);
	c->state = CORO_AWAKE;
	here.asleep--;
	here.aside_bytes -= c->aside_bytes;
}

size_t coro_asleep(void)
{
	return here.asleep;
}

size_t coro_aside_bytes(void)
{
	return here.aside_bytes;
}

size_t coro_depth_bytes(const struct coro *c)
{
	const char *sp;
	size_t painted_bytes;

	if (!c->stack)
		return 0;
	if (c->stack->painted) {
		painted_bytes = stack_painted_depth_bytes(c->stack);
		return painted_bytes - MIN(painted_bytes, stack_colour_bytes(c->stack));
	}
	sp = switch_sp(&c->context);
	return sp ? (size_t) (top_of(c) - sp) : 0;
}
