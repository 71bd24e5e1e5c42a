/* switch.h - the seam to the machine: two functions, one implementation per processor.
 *
 * switch_x86_64.S and switch_aarch64.S save what the ABI says a callee must keep (System V AMD64 psABI
 * 3.2.1: rbx rbp r12-r15, mxcsr and x87 control bits; AAPCS64 6.1: x19-x30, d8-d15, fpcr) and are annotated for
 * unwinding, so gdb walks a suspended coroutine. switch_ucontext.c does it with the C library elsewhere,
 * or with configure --with-coro=ucontext.
 */
#pragma once

#include "base/base.h"

#ifdef CORO_UCONTEXT
#include <ucontext.h>
#endif

/* What is called on a fresh stack, in this order. The assembly knows where each member is. */
struct switch_begin {
	void (*arrive)(void);
	void (*fn)(void *arg);
	void *arg;
	void (*finish)(void);	/* does not return */
};

#ifdef CORO_UCONTEXT
struct switch_context {
	ucontext_t machine;	/* points into itself: a context must not be moved */
	struct switch_begin begin;
};
#else
struct switch_context {
	void *sp;		/* the saved registers lie here; see the .S file for their order */
};
#endif

/* Prepares a context that begins so on the given stack when first switched to. */
void switch_init(struct switch_context *c, void *stack_bottom, size_t stack_bytes, const struct switch_begin *begin);
/* Saves the registers in `from` and goes on at `to`. The signal mask is the thread's and stays as it is. */
void switch_to(struct switch_context *from, struct switch_context *to);

/* The stack pointer of a context that does not run, or NULL where only the C library knows it. */
static inline const void *switch_sp(const struct switch_context *c)
{
#if !defined(CORO_UCONTEXT)
	return c->sp;
#elif defined(__x86_64__)
	return (const void *) c->machine.uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
	return (const void *) c->machine.uc_mcontext.sp;
#else
	(void) c;
	return NULL;
#endif
}

/* What is alive on the stack of a context that does not run lies from switch_sp() up to so far below the stack's
 * end: nothing is below the stack pointer, because a switch is a call. */
#if defined(__x86_64__) && !defined(CORO_UCONTEXT)
#define SWITCH_SPARE_BYTES 16
#else
#define SWITCH_SPARE_BYTES 0
#endif
