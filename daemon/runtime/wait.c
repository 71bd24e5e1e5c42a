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
		coro_prefetch(&t->coro);
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

/* One walk over the scopes: what deadline_check() says, the nearest instant, and whether a cancel is hidden. */
static inline int survey(struct task *t, int64_t *ret_until_ns, bool *ret_shielded)
{
	int64_t until_ns = FOREVER;
	bool shielded = false;

	for (const struct deadline *d = t->deadlines; d && !shielded; d = d->outer) {
		until_ns = MIN(until_ns, d->at_ns);
		shielded = d->shields;
	}
	*ret_until_ns = until_ns;
	*ret_shielded = shielded;
	if (LIKELY(until_ns > time_now_ns() && (!t->cancelled || shielded)))
		return 0;
	return deadline_check(t, time_now_ns());
}

void wait_at(const struct wait_site *site)
{
	if (LIKELY(task_running))
		task_running->wait_site = site;
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
	t->state = TASK_READY;
	loop_ready(t);
	suspend(t);
	return deadline_check(t, time_now_ns());
}

int wait_enter(void)
{
	struct task *t = task_running;
	int64_t until_ns;
	bool shielded;

	must_be_able_to_suspend(t);
	int r = survey(t, &until_ns, &shielded);
	if (UNLIKELY(r < 0))
		return r;
	if (UNLIKELY(--t->budget_operations < 0 || t->budget_bytes <= 0))
		return (task_yield)();
	return 0;
}

void wait_charge(size_t bytes)
{
	task_running->budget_bytes -= (int) MIN(bytes, (size_t) 1 << 30);
}

struct wait_token wait_begin(const char *what, const void *object)
{
	struct task *t = task_self();

	ENSURE(!(t->wait_sequence & 1), "task %s begins a wait for %s while it waits for %s", t->name, what,
	       t->wait_what);
	t->wait_sequence++;
	t->wait_what = what;
	t->wait_object = object;
	t->wake_pending = false;
	t->interrupted = false;
	return (struct wait_token) { t, t->wait_sequence };
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
static void set_timer(struct task *t)
{
	if (t->wait_until_ns == FOREVER)
		return;
	if (!wheel_timer_is_set(&t->timer) || t->timer.at_ms > loop_timer_ms(t->wait_until_ns))
		loop_set_timer(&t->timer, t->wait_until_ns);
}

static int park(struct wait_token w, bool uninterruptible)
{
	struct task *t = task_running;

	must_be_able_to_suspend(t);
	ENSURE(w.task == t, "task %s parks on a wait of task %s", t->name, w.task ? w.task->name : "nobody");
	if (t->wake_pending) {
		t->wake_pending = false;
		return t->wake_value;
	}
	ENSURE(wait_is_pending(w), "task %s parks on a stale token", t->name);

	if (!uninterruptible) {
		int r = survey(t, &t->wait_until_ns, &t->shielded);
		if (UNLIKELY(r < 0)) {
			wait_abandon(w);
			return r;
		}
		set_timer(t);
	}

	t->uninterruptible = uninterruptible;
	t->state = TASK_WAITING;
	suspend(t);
	t->uninterruptible = false;
	t->wake_pending = false;

	if (t->interrupted) {
		/* Only now, on its own stack, are the scopes looked at: which of them was it? */
		int r = deadline_check(t, time_now_ns());
		return r < 0 ? r : t->wake_value;
	}
	return t->wake_value;
}

int wait_park(struct wait_token w)
{
	return park(w, false);
}

int wait_park_uninterruptible(struct wait_token w)
{
	return park(w, true);
}
