#include "coro/coro.h"

#include "base/ensure.h"
#include "coro/sanitizer.h"

/* Control is a property of the thread, like its registers: who runs can be passed as no argument, because
 * the first function on a fresh stack has none. Per thread, so that an executor's thread, which runs no
 * coroutine, sees none. */
static _Thread_local struct {
	struct switch_context main;		/* where coro_resume() goes on */
	struct sanitizer_stack main_stack;
	struct coro *running;
	coro_fn *call;				/* what the running coroutine wants done on the main stack */
	void *call_arg;
	bool on_main_stack;
} here;

/* From the main context into the coroutine, until that comes back. */
static void enter(struct coro *c)
{
	struct sanitizer_stack there = { c->stack->bottom, STACK_BYTES, c->stack->fiber };
	void *frames = NULL;

	here.main_stack.fiber = sanitizer_fiber_current();
	sanitizer_before_switch(&there, &frames);
	switch_to(&here.main, &c->context);
	sanitizer_after_switch(frames, &there);
}

/* From the running coroutine to the main context, until that enters it again. */
static void leave(struct coro *c)
{
	void *frames = NULL;

	sanitizer_before_switch(&here.main_stack, &frames);
	switch_to(&c->context, &here.main);
	sanitizer_after_switch(frames, &here.main_stack);
}

/* The first function on every coroutine's stack. */
static void begin(void)
{
	struct coro *c = here.running;

	sanitizer_after_switch(NULL, &here.main_stack);
	c->fn(c->arg);
	c->finished = true;
	sanitizer_before_switch(&here.main_stack, NULL);
	switch_to(&c->context, &here.main);
	__builtin_unreachable();
}

int coro_init(struct coro *c, coro_fn *fn, void *arg)
{
	struct stack *stack = stack_get();

	if (!stack)
		return -ENOMEM;
	stack->fiber = sanitizer_fiber_new();
	c->stack = stack;
	c->fn = fn;
	c->arg = arg;
	c->started = c->finished = false;
	switch_init(&c->context, stack->bottom, STACK_BYTES - stack_colour_bytes(stack), begin);
	return 0;
}

void coro_done(struct coro *c, const char *owner)
{
	ENSURE(c->finished || !c->started, "the stack of %s is dropped while it is in use", owner);
	ENSURE(c != here.running, "the stack of %s is dropped under its own feet", owner);
	sanitizer_fiber_free(c->stack->fiber);
	stack_put(TAKE(c->stack));
}

void coro_resume(struct coro *c)
{
	ENSURE(!here.running, "a coroutine is resumed inside a coroutine");
	ENSURE(!c->finished, "a coroutine is resumed that has finished");
	c->started = true;
	here.running = c;
	enter(c);
	while (here.call) {
		coro_fn *call = TAKE(here.call);

		here.on_main_stack = true;
		call(here.call_arg);
		here.on_main_stack = false;
		enter(c);
	}
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

size_t coro_depth_bytes(const struct coro *c)
{
	const char *sp;
	size_t used_bytes;

	if (!c->stack)
		return 0;
	sp = switch_sp(&c->context);
	if (c->stack->painted)
		used_bytes = stack_painted_depth_bytes(c->stack);
	else
		used_bytes = sp ? (size_t) (c->stack->bottom + STACK_BYTES - sp) : 0;
	return used_bytes - MIN(used_bytes, stack_colour_bytes(c->stack));
}
