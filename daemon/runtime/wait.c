#include "runtime/wait.h"

#include "base/ensure.h"
#include "runtime/deadline.h"
#include "runtime/executor.h"
#include "runtime/loop.h"

static void (*hook)(struct task *t);

void wait_set_hook(void (*fn)(struct task *t))
{
	hook = fn;
}

static void wait_end(struct task *t, int value)
{
	t->wait_sequence++;
	t->wake_value = value;
	if (t->state == TASK_WAITING) {
		t->state = TASK_READY;
		loop_ready(t);
	} else {
		t->wake_pending = true;
	}
}

/* The one place where a task stops running. The caller has set its state and whoever will make it ready. */
static void suspend(struct task *t)
{
	if (UNLIKELY(hook))
		hook(t);
	coro_suspend();
	t->waited_ns += time_now_ns() - t->wait_since_ns;
}

static void refuse_to_suspend(const struct task *t)
{
	ENSURE(!executor_is_pool_thread, "a [suspends] call on a pool thread");
	ENSURE(t, "a [suspends] call outside of a task");
	ENSURE(!t->no_suspend, "task %s: a [suspends] call inside a NOSUSPEND section", t->name);
	ENSURE(!coro_is_on_main_stack(), "task %s: a [suspends] call on the main stack", t->name);
}

static inline void must_be_able_to_suspend(const struct task *t)
{
	if (UNLIKELY(!t || t->no_suspend || coro_is_on_main_stack()))
		refuse_to_suspend(t);
}

void wait_begun_twice(const struct task *t, const char *what)
{
	ENSURE(!(t->wait_sequence & 1), "task %s begins a wait for %s while it waits for %s", t->name, what,
	       t->wait_what);
	__builtin_unreachable();
}

static void look_at_outer_scopes(struct task *t)
{
	bool shielded;

	t->outer_until_ns = deadline_nearest_outer_ns(t, &shielded);
	t->shielded = shielded;
}

/* What deadline_check() says, the nearest instant, and whether a cancel is hidden. What the outer scopes say is
 * remembered until one of them changes, so the innermost is the only one that is looked at for each wait. */
static inline int survey(struct task *t)
{
	int64_t until_ns;

	if (UNLIKELY(t->outer_until_ns == INT64_MIN))
		look_at_outer_scopes(t);
	until_ns = t->deadlines ? MIN(t->deadlines->at_ns, t->outer_until_ns) : FOREVER;
	t->wait_until_ns = until_ns;
	if (LIKELY(until_ns > time_now_ns() && (!t->cancelled || t->shielded)))
		return 0;
	return deadline_check(t, time_now_ns());
}

int (task_yield)(void)
{
	struct task *t = task_self();

	must_be_able_to_suspend(t);
	int r = deadline_check(t, time_now_ns());
	if (r < 0)
		return r;

	t->wait_what = "its turn";
	t->wait_object = NULL;
	t->waits_for_io = false;
	t->state = TASK_READY;
	loop_ready(t);
	suspend(t);
	return deadline_check(t, time_now_ns());
}

int wait_enter_with_care(void)
{
	struct task *t = task_running;

	must_be_able_to_suspend(t);
	int r = survey(t);
	if (r < 0)
		return r;
	t->calm_until_ns = t->cancelled ? INT64_MIN : t->wait_until_ns;
	if (t->budget_operations <= 0 || t->budget_bytes <= 0)
		return (task_yield)();
	t->budget_operations--;
	return 0;
}

void wait_abandon(struct wait_token w)
{
	if (wait_is_pending(w))
		w.task->wait_sequence++;
	w.task->wake_pending = false;
}

bool wait_wake(struct wait_token w, int value)
{
	ENSURE(!executor_is_pool_thread, "a task is woken from a pool thread");
	if (!wait_is_pending(w))
		return false;
	wait_end(w.task, value);
	return true;
}

void wait_interrupt(struct task *t, int error)
{
	if (t->state != TASK_WAITING || t->uninterruptible || !(t->wait_sequence & 1))
		return;
	if (error == -ECANCELED && t->shielded)
		return;
	t->interrupted = true;
	wait_end(t, error);
}

void wait_timer_fire(struct wheel_timer *timer)
{
	struct task *t = container_of(timer, struct task, timer);

	if (t->state != TASK_WAITING || t->wait_until_ns == FOREVER)
		return;
	if (t->wait_until_ns > time_now_ns())
		loop_set_timer(timer, t->wait_until_ns);
	else
		wait_interrupt(t, -ETIMEDOUT);
}

/* Sees to it that the timer fires no later than the nearest scope's instant. Early is fine: it looks and
 * sleeps on. */
static inline void set_timer(struct task *t)
{
	if (t->wait_until_ns == FOREVER)
		return;
	if (!wheel_timer_is_set(&t->timer) || (t->timer.at_ms - 1) * NS_PER_MS >= t->wait_until_ns)
		loop_set_timer(&t->timer, t->wait_until_ns);
}

/* What the present wait came to. Only now, on its own stack, are the scopes looked at: which of them was it? */
static inline int outcome(struct task *t)
{
	t->wake_pending = false;
	if (LIKELY(!t->interrupted))
		return t->wake_value;

	int r = deadline_check(t, time_now_ns());
	return r < 0 ? r : t->wake_value;
}

static void refuse_to_park(const struct task *t, struct wait_token w)
{
	must_be_able_to_suspend(t);
	ENSURE(w.task == t, "task %s parks on a wait of task %s", t->name, w.task ? w.task->name : "nobody");
	ENSURE(wait_is_pending(w), "task %s parks on a stale token", t->name);
}

static inline void must_be_able_to_park(const struct task *t, struct wait_token w)
{
	if (UNLIKELY(!t || w.task != t || t->no_suspend || !wait_is_pending(w)))
		refuse_to_park(t, w);
}

int wait_park(struct wait_token w)
{
	struct task *t = task_running;

	if (UNLIKELY(t && t->wake_pending))
		return outcome(t);
	must_be_able_to_park(t, w);

	int r = survey(t);
	if (UNLIKELY(r < 0)) {
		wait_abandon(w);
		return r;
	}
	set_timer(t);
	t->state = TASK_WAITING;
	suspend(t);
	return outcome(t);
}

int wait_park_uninterruptible(struct wait_token w)
{
	struct task *t = task_running;

	if (t && t->wake_pending)
		return outcome(t);
	must_be_able_to_park(t, w);

	t->uninterruptible = true;
	t->state = TASK_WAITING;
	suspend(t);
	t->uninterruptible = false;
	return outcome(t);
}

/* -- pumps -- */

int wait_park_pumped(struct wait_token w, struct wait_pump *p)
{
	struct task *t = task_self();

	t->pump = p;
	t->retires = p && p->retires;
	int r = wait_park(w);
	t->pump = NULL;
	t->retires = t->retired = false;
	return r;
}

bool wait_repark(struct wait_token w)
{
	struct task *t = task_running;

	must_be_able_to_park(t, w);
	if (UNLIKELY(survey(t) < 0)) {
		wait_abandon(w);
		return false;
	}
	set_timer(t);
	t->retires = t->pump->retires;
	t->state = TASK_WAITING;
	if (UNLIKELY(hook))
		hook(t);
	return true;
}

void wait_retire(struct task *t)
{
	t->retired = true;
	wait_end(t, WAIT_RETIRED);
}

bool wait_begin_pump(struct task *t)
{
	t->waited_ns += time_now_ns() - t->wait_since_ns;
	t->wait_since_ns = time_now_ns();
	t->wake_pending = false;
	/* It may lie on the stack. */
	if (coro_is_asleep(&t->coro))
		coro_wake(&t->coro);
	return t->pump->begin && t->pump->begin(t->pump);
}
