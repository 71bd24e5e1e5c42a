#include "runtime/deadline.h"

#include "base/ensure.h"
#include "runtime/loop.h"
#include "runtime/task.h"

static int64_t instant_after_ms(int64_t ms)
{
	int64_t now_ns = time_now_ns();

	if (ms <= 0)
		return now_ns;
	if (ms >= (FOREVER - now_ns) / NS_PER_MS)
		return FOREVER;
	return now_ns + ms * NS_PER_MS;
}

static void scope_begin(struct deadline *d, int64_t ms, bool shields)
{
	struct task *t = task_self();

	*d = (struct deadline) {
		.outer = t->deadlines,
		.task = t,
		.at_ns = instant_after_ms(ms),
		.shields = shields,
	};
	t->deadlines = d;
}

void deadline_begin(struct deadline *d, int64_t ms)
{
	scope_begin(d, ms, false);
}

void shield_begin(struct deadline *d, int64_t ms)
{
	scope_begin(d, ms, true);
	ENSURE(d->at_ns != FOREVER, "task %s: a shield needs a bound", d->task->name);
}

void deadline_end(struct deadline *d)
{
	ENSURE(d->task->deadlines == d, "task %s: deadline scopes are not nested", d->task->name);
	d->task->deadlines = d->outer;
}

void deadline_rearm(struct deadline *d, int64_t ms)
{
	d->at_ns = instant_after_ms(ms);
	d->ran_out = false;
}

bool deadline_passed(const struct deadline *d)
{
	return d->ran_out;
}

int64_t deadline_left_ms(const struct deadline *d)
{
	if (d->at_ns == FOREVER)
		return FOREVER;

	int64_t left_ns = d->at_ns - time_now_ns();
	return left_ns <= 0 ? 0 : (left_ns + NS_PER_MS - 1) / NS_PER_MS;
}

int deadline_check(struct task *t, int64_t now_ns)
{
	struct deadline *nearest = NULL;
	bool shielded = false;

	for (struct deadline *d = t->deadlines; d && !shielded; d = d->outer) {
		if (d->at_ns <= now_ns && (!nearest || d->at_ns < nearest->at_ns))
			nearest = d;
		shielded = d->shields;
	}
	if (t->cancelled && !shielded)
		return -ECANCELED;
	if (!nearest)
		return 0;
	nearest->ran_out = true;
	return -ETIMEDOUT;
}

int64_t deadline_nearest_ns(const struct task *t)
{
	int64_t nearest_ns = FOREVER;

	for (const struct deadline *d = t->deadlines; d; d = d->outer) {
		nearest_ns = MIN(nearest_ns, d->at_ns);
		if (d->shields)
			break;
	}
	return nearest_ns;
}
