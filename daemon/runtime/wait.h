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

#include "runtime/loop.h"

struct wait_token {
	struct task *task;		/* NULL: no wait */
	uint64_t sequence;
};
_noreturn_ void wait_begun_twice(const struct task *t, const char *what);

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
static inline void wait_at(const struct wait_site *site)
{
	if (LIKELY(task_running))
		task_running->wait_site = site;
}

/* What wait_enter() does when there is something to look at. */
int wait_enter_with_care(void) _must_check_;
/* [suspends] To be called first by every [suspends] function. Returns 0, or -ECANCELED (first) or -ETIMEDOUT
 * when the running task is told so; then the function does nothing. Gives way when the task's budget is spent. */
static inline _must_check_ int wait_enter(void)
{
	struct task *t = task_running;

	if (UNLIKELY(!t || t->calm_until_ns <= time_now_ns() || t->budget_operations <= 0 || t->budget_bytes <= 0 ||
		     coro_is_on_main_stack()))
		return wait_enter_with_care();
	t->budget_operations--;
	return 0;
}
/* Charges bytes to the budget after an operation that succeeded at once. */
static inline void wait_charge(size_t bytes)
{
	task_running->budget_bytes -= (int) MIN(bytes, (size_t) 1 << 30);
}

/* Begins a wait of the running task, for `object` in state `what` (a literal). */
static inline struct wait_token wait_begin(const char *what, const void *object)
{
	struct task *t = task_self();

	if (UNLIKELY(t->wait_sequence & 1))
		wait_begun_twice(t, what);
	t->wait_sequence++;
	t->wait_what = what;
	t->wait_object = object;
	t->wake_pending = false;
	t->interrupted = false;
	t->waits_for_io = false;
	return (struct wait_token) { t, t->wait_sequence };
}
/* [suspends] Parks until the token is woken; returns the value given by then, -ECANCELED or -ETIMEDOUT.
 * A value given by a wake outranks a cancel that came later in the same turn: a grant wins. */
int wait_park(struct wait_token w) _must_check_;
/* [suspends] The same, but neither a cancel nor a deadline ends the wait: only for what surely comes
 * (members of a group that were cancelled, a job that borrows memory). */
int wait_park_uninterruptible(struct wait_token w);
/* Ends a wait that was begun and shall not be parked on: the token is stale from now on. */
void wait_abandon(struct wait_token w);

/* True while wait_wake() would succeed. The sequence of a task is odd while a wait is open: begun, and not yet woken,
 * interrupted or abandoned. */
static inline bool wait_is_pending(struct wait_token w)
{
	return w.task && w.task->wait_sequence == w.sequence && (w.sequence & 1);
}
/* Wakes that wait with `value`. False when the token is stale or the wait has been woken already: then whoever had
 * something to hand over still has it. Never runs task code. */
bool wait_wake(struct wait_token w, int value);

/* -- pumps -- */

/* What runs in place of a parked task when its wait is woken: on the main stack, as the task but without
 * entering it, so that a message costs no switch. It must not suspend. True: the task waits again, by
 * wait_repark(). False: the task is resumed, and its wait_park() returns what it was woken with. A wait that
 * was interrupted resumes the task in any case. It lies on the task's stack, or in what outlasts the wait. */
struct wait_pump {
	bool (*fn)(struct wait_pump *p);
	/* NULL, or what is called before: for the reading, while fn writes. True: fn is called once other pumps have
	 * read too, before anything else of the turn runs. False: it is called at once. */
	bool (*begin)(struct wait_pump *p);
	/* What it looks at besides what the task waits for: that much from itself on, and another object or NULL. All
	 * of it is fetched ahead. */
	size_t bytes;
	const void *other;
	/* Whether the task is resumed with WAIT_RETIRED when its descriptors fall quiet, so that it can wait in less
	 * memory. It may change whenever the pump or the task runs. */
	bool retires;
};
#define WAIT_RETIRED 1
/* [suspends] wait_park() with a pump. */
int wait_park_pumped(struct wait_token w, struct wait_pump *p) _must_check_;
/* For pumps: parks the running task again for a wait that was begun. False, and the wait is abandoned, when a
 * cancel or a deadline forbids it: then the pump resumes the task, whose next [suspends] call says so. */
bool wait_repark(struct wait_token w) _must_check_;
/* -- used by the runner and the watch -- */
/* Resumes a parked task whose pump retires. */
void wait_retire(struct task *t);
/* Ends the wait of a woken task with a pump, and begins the pump. True when it is to be run later in this turn. */
bool wait_begin_pump(struct task *t);
/* Runs the pump. True when the task waits again. */
static inline bool wait_run_pump(struct task *t)
{
	return t->pump->fn(t->pump);
}

/* -- used by task_cancel() and the timers -- */
void wait_interrupt(struct task *t, int error);
void wait_timer_fire(struct wheel_timer *timer);

/* -- for tests -- */
/* Called each time a task is about to stop running, when it can be woken already, on its own stack or (a
 * pump's) on the main one: it may cancel the task, or end its wait with wait_interrupt(). NULL: nothing is
 * called. */
void wait_set_hook(void (*fn)(struct task *t));
