/* wait.h - the one way to wait. Every suspension of every task goes through wait_park().
 *
 *	r = wait_enter();                          -- cancelled? timed out? budget spent?  before acting
 *	if (r < 0)
 *		return r;
 *	... try; if it must wait:
 *	struct wait_token w = wait_begin("semaphore", s);
 *	... give w to whatever will call wait_wake(w, value) ...
 *	r = wait_park(w);                          -- value, or -ECANCELED, or -ETIMEDOUT
 *	... take w back from there ...
 *
 * A wake names one wait, never a task: a token that is not the present wait's is stale and ignored. A wake
 * that comes before the park is remembered. Waiting for one of several things is one token given to several.
 * Nothing that a waker follows lies on the waiter's stack.
 */
#pragma once

#include "runtime/task.h"

struct wait_token {
	struct task *task;		/* NULL: no wait */
	uint64_t sequence;
};

/* Names the place in the source that waits: every [suspends] function has a macro of its own name
 *	#define sleep_for(ms) AWAIT(sleep_for, (ms))
 * so the task table shows the caller's file and line; it costs one store. A call in parentheses,
 * (sleep_for)(ms), leaves the site as it is: layers below a named call use it. */
#define AWAIT(function, arguments)                                                                         \
	({                                                                                                 \
		static const struct wait_site awaited_at_ = { #function, __FILE__, __LINE__ };             \
		wait_at(&awaited_at_);                                                                     \
		(function) arguments;                                                                      \
	})
void wait_at(const struct wait_site *site);

/* [suspends] To be called first by every [suspends] function. Returns 0, or -ECANCELED (first) or -ETIMEDOUT
 * when the running task is told so; then the function does nothing. Gives way when the task's budget is spent. */
int wait_enter(void) _must_check_;
/* Charges bytes to the budget after an operation that succeeded at once. */
void wait_charge(size_t bytes);

/* Begins a wait of the running task, for `object` in state `what` (a literal). */
struct wait_token wait_begin(const char *what, const void *object);
/* [suspends] Parks until the token is woken; returns the value given by then, -ECANCELED or -ETIMEDOUT.
 * A value given by a wake outranks a cancel that came later in the same turn: a grant wins. */
int wait_park(struct wait_token w) _must_check_;
/* [suspends] The same, but neither a cancel nor a deadline ends the wait: only for what surely comes
 * (members of a group that were cancelled, a job that borrows memory). */
int wait_park_uninterruptible(struct wait_token w);
/* Ends a wait that was begun and shall not be parked on: the token is stale from now on. */
void wait_abandon(struct wait_token w);

/* Wakes that wait with `value`. False when the token is stale or the wait has been woken already: then whoever had
 * something to hand over still has it. Never runs task code. */
bool wait_wake(struct wait_token w, int value);
/* True while wait_wake() would succeed. The sequence of a task is odd while a wait is open: begun, and not yet woken,
 * interrupted or abandoned. */
static inline bool wait_is_pending(struct wait_token w)
{
	return w.task && w.task->wait_sequence == w.sequence && (w.sequence & 1);
}

/* -- used by task_cancel() and the timers -- */
void wait_interrupt(struct task *t, int error);
void wait_timer_fire(struct wheel_timer *timer);

/* -- for tests -- */
/* Called on the task's own stack each time one is about to stop running, when it can be woken already: it may cancel
 * the task, or end its wait with wait_interrupt(). NULL: nothing is called. */
void wait_set_hook(void (*fn)(struct task *t));
