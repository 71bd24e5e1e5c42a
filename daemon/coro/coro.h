/* coro.h - functions that can be left in the middle and continued later.
 *
 * The layer knows registers and stacks, nothing of time or waiting. There is one main context per
 * process (the scheduler, on the thread's own stack) and any number of coroutines; control goes from
 * the main context into a coroutine and back, never from coroutine to coroutine.
 *
 * ASan, TSan and Valgrind are told of every stack and every switch. See switch.h for the machine's part.
 */
#pragma once

#include "base/memory.h"
#include "coro/stack.h"
#include "coro/switch.h"

typedef void coro_fn(void *arg);

enum coro_state {
	CORO_NEW,			/* has not run yet */
	CORO_AWAKE,			/* runs, or is suspended */
	CORO_ASLEEP,			/* suspended, and its stack is not there */
	CORO_FINISHED,
};

struct coro {
	struct switch_context context;	/* where it goes on */
	struct stack *stack;		/* borrowed from the pool while it lives */
	void *aside;			/* what its stack holds, while it is asleep */
	uint16_t aside_bytes;
	enum coro_state state : 8;
};

/* Takes a stack and prepares fn(arg) to run at the first coro_resume(). Returns 0 or -ENOMEM. */
int coro_init(struct coro *c, coro_fn *fn, void *arg) _must_check_;

/* Gives the stack back. The coroutine must have finished or never have run: a live stack is never
 * dropped (aborts, naming `owner`, the words to name it by). */
void coro_done(struct coro *c, const char *owner);

/* Main context only: runs the coroutine until it suspends or finishes. */
void coro_resume(struct coro *c);

/* Inside a coroutine only: back to the main context; returns when resumed. */
void coro_suspend(void);

static inline bool coro_is_finished(const struct coro *c)
{
	return c->state == CORO_FINISHED;
}

/* Asks the processor for what the next coro_resume() will touch first: the end of the suspended stack. */
static inline void coro_prefetch(const struct coro *c)
{
	const char *sp = switch_sp(&c->context);

	__builtin_prefetch(sp);
	__builtin_prefetch(sp + 64);
	__builtin_prefetch(sp + 128);
	__builtin_prefetch(sp + 192);
}

/* The same for its translation, which some prefetches leave out: loads a byte of it. */
static inline void coro_touch(const struct coro *c)
{
	const char *sp = switch_sp(&c->context);

	if (LIKELY(c->state == CORO_AWAKE && sp))
		memory_touch(sp);
}

/* What is deeper is not worth a copy: it stays awake. */
#define CORO_SLEEP_BYTES 4096

/* Main context only, for a coroutine that will be suspended for long: copies the live bytes of its stack aside and
 * gives the stack's memory back to the kernel. coro_resume() restores them at the same addresses. Until then nothing
 * may follow a pointer into that stack; AddressSanitizer finds whoever does. False, and nothing has changed, when it
 * cannot be: the coroutine is not suspended or asleep already, it is deeper than CORO_SLEEP_BYTES, its stack is
 * painted, there is no memory for the copy, the kernel takes nothing back (mlockall(2)), or ThreadSanitizer, Valgrind
 * or a processor without switch_sp() is in the way. */
bool coro_sleep(struct coro *c);
/* Main context only: restores the stack of one that is asleep, without running it. coro_resume() does so itself. */
void coro_wake(struct coro *c);

static inline bool coro_is_asleep(const struct coro *c)
{
	return c->state == CORO_ASLEEP;
}

/* How many coroutines of this thread are asleep, and the bytes set aside for them. */
size_t coro_asleep(void);
size_t coro_aside_bytes(void);

/* The running coroutine, or NULL in the main context. */
struct coro *coro_running(void);

/* Runs fn(arg) on the main context's big stack and returns when it has returned. For deep calls
 * (OpenSSL, getaddrinfo, formatting), so that coroutine stacks stay small. fn must not suspend.
 * In the main context it is a plain call. */
void call_on_main_stack(coro_fn *fn, void *arg);

/* True while call_on_main_stack() runs for the current coroutine: a suspension would be misuse. */
bool coro_is_on_main_stack(void);

/* The deepest that this coroutine's stack has been, in bytes; exact only when stacks are painted
 * (stack_set_painting()), else the depth at the last suspension, also of one that is asleep. 0 without a stack.
 * Async-signal-safe. */
size_t coro_depth_bytes(const struct coro *c);
