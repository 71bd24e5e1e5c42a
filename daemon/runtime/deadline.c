#include "runtime/deadline.h"

#include "base/ensure.h"

static void scope_begin(struct deadline *d, int64_t ms, bool shields)
{
	struct task *t = task_self();

	*d = (struct deadline) {
		.outer = t->deadlines,
		.at_ns = deadline_instant_ns(ms),
		.shields = shields,
	};
	t->deadlines = d;
	t->outer_until_ns = INT64_MIN;
	t->calm_until_ns = MIN(t->calm_until_ns, d->at_ns);
}

void deadline_begin(struct deadline *d, int64_t ms)
{
	scope_begin(d, ms, false);
}

static void set_instant(struct deadline *d, int64_t at_ns)
{
	struct task *t = task_self();

	d->at_ns = at_ns;
	t->calm_until_ns = MIN(t->calm_until_ns, at_ns);
	t->outer_until_ns = INT64_MIN;
}

void shield_begin(struct deadline *d, int64_t ms)
{
	scope_begin(d, ms, true);
	ENSURE(d->at_ns != FOREVER, "task %s: a shield needs a bound", task_self()->name);
}

void deadline_end(struct deadline *d)
{
	struct task *t = task_self();

	ENSURE(t->deadlines == d, "task %s: deadline scopes are not nested", t->name);
	t->deadlines = d->outer;
	t->outer_until_ns = INT64_MIN;
	/* What a shield has hidden counts again, and has not been looked at meanwhile. */
	if (d->shields)
		t->calm_until_ns = INT64_MIN;
}

void deadline_stand_in(struct deadline *d, struct deadline *outer)
{
	int64_t at_ns = outer->at_ns;

	ENSURE(task_self()->deadlines == outer, "task %s: stands in for an outer scope", task_self()->name);
	deadline_rearm(outer, FOREVER);
	deadline_begin(d, FOREVER);
	set_instant(d, at_ns);
}

void deadline_stand_down(struct deadline *d, struct deadline *outer)
{
	deadline_end(d);
	set_instant(outer, d->at_ns);
	outer->ran_out = d->ran_out;
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
	bool shielded;

	return t->deadlines ? MIN(t->deadlines->at_ns, deadline_nearest_outer_ns(t, &shielded)) : FOREVER;
}

int64_t deadline_nearest_outer_ns(const struct task *t, bool *ret_shielded)
{
	const struct deadline *d = t->deadlines;
	int64_t nearest_ns = FOREVER;

	while (d && !d->shields) {
		d = d->outer;
		if (d)
			nearest_ns = MIN(nearest_ns, d->at_ns);
	}
	*ret_shielded = d;
	return nearest_ns;
}
