/* switch_ucontext.c - the switch by means of the C library, for processors without one of our own.
 *
 * Some fifty times slower, because of the system calls for the signal mask at each switch.
 */
#include "coro/switch.h"

#include "base/ensure.h"

#include <signal.h>

#ifdef CORO_UCONTEXT

void switch_init(struct switch_context *c, void *stack_bottom, size_t stack_bytes, void (*entry)(void))
{
	int r = getcontext(&c->machine);

	ENSURE(r == 0, "getcontext() failed: errno %d", errno);
	c->machine.uc_stack.ss_sp = stack_bottom;
	c->machine.uc_stack.ss_size = stack_bytes;
	c->machine.uc_link = NULL;
	makecontext(&c->machine, entry, 0);
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
