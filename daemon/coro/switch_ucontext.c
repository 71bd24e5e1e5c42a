/* switch_ucontext.c - the switch by means of the C library, for processors without one of our own.
 *
 * Some fifty times slower, because of the system calls for the signal mask at each switch.
 */
#include "coro/switch.h"

#include "base/ensure.h"

#include <signal.h>

#ifdef CORO_UCONTEXT

/* makecontext() passes nothing but ints. */
static void begin_on_stack(unsigned high, unsigned low)
{
	const struct switch_context *c = (void *) (uintptr_t) ((uint64_t) high << 32 | low);

	c->begin.arrive();
	c->begin.fn(c->begin.arg);
	c->begin.finish();
}

void switch_init(struct switch_context *c, void *stack_bottom, size_t stack_bytes, const struct switch_begin *begin)
{
	uint64_t self = (uintptr_t) c;
	int r = getcontext(&c->machine);

	ENSURE(r == 0, "getcontext() failed: errno %d", errno);
	c->machine.uc_stack.ss_sp = stack_bottom;
	c->machine.uc_stack.ss_size = stack_bytes;
	c->machine.uc_link = NULL;
	c->begin = *begin;
	makecontext(&c->machine, (void (*)(void)) (void *) begin_on_stack, 2, (unsigned) (self >> 32),
		    (unsigned) self);
}

void switch_to(struct switch_context *from, struct switch_context *to)
{
	/* A context brings the signal mask of its last switch along; what was blocked since stays blocked. */
	int r = sigprocmask(SIG_SETMASK, NULL, &to->machine.uc_sigmask);

	ENSURE(r == 0, "sigprocmask() failed: errno %d", errno);
	r = swapcontext(&from->machine, &to->machine);
	ENSURE(r == 0, "swapcontext() failed: errno %d", errno);
}

#endif
