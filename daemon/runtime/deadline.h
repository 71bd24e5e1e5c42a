/* deadline.h - time limits as scopes.
 *
 *	DEADLINE(idle, c->service->idle_timeout_ms);
 *
 * bounds every [suspends] call to the end of the block: once the time is up each fails with -ETIMEDOUT.
 * Scopes nest, the nearest instant wins, and each can be asked whether it was the one that ran out. The object
 * lives on the task's stack, or in what the task owns; only its own task touches it.
 */
#pragma once

#include "runtime/loop.h"

/* Fields are private. */
struct deadline {
	struct deadline *outer;
	int64_t at_ns;			/* instant, or FOREVER */
	bool shields;
	bool ran_out;
};

/* A limit of `ms` milliseconds from now (FOREVER: none) for the rest of the block. */
#define DEADLINE(d, ms) _cleanup_(deadline_end) struct deadline d; deadline_begin(&d, (ms))
/* The same, and hides cancellation and the outer limits meanwhile: for a goodbye that takes a round trip.
 * FOREVER is refused (aborts): a shield always has its own bound. */
#define SHIELD(d, ms) _cleanup_(deadline_end) struct deadline d; shield_begin(&d, (ms))

void deadline_begin(struct deadline *d, int64_t ms);
void shield_begin(struct deadline *d, int64_t ms);
void deadline_end(struct deadline *d);
/* `d` takes the place of `outer`, the innermost scope, until it stands down: with the time that is left. For whoever
 * rearms with every message, and has what a message touches off the stack. */
void deadline_stand_in(struct deadline *d, struct deadline *outer);
void deadline_stand_down(struct deadline *d, struct deadline *outer);
/* The instant `ms` milliseconds from now, or FOREVER. */
static inline int64_t deadline_instant_ns(int64_t ms)
{
	int64_t at_ns;

	if (__builtin_mul_overflow(ms, NS_PER_MS, &at_ns) || __builtin_add_overflow(at_ns, time_now_ns(), &at_ns))
		return ms < 0 ? time_now_ns() : FOREVER;
	return MAX(at_ns, time_now_ns());
}
/* A new limit of `ms` from now. O(1): one store, no timer operation. */
static inline void deadline_rearm(struct deadline *d, int64_t ms)
{
	struct task *t = task_self();

	d->at_ns = deadline_instant_ns(ms);
	d->ran_out = false;
	t->calm_until_ns = MIN(t->calm_until_ns, d->at_ns);
	if (UNLIKELY(t->deadlines != d))
		t->outer_until_ns = INT64_MIN;
}
/* Was it this scope whose time ran out? True from the first -ETIMEDOUT that it caused until it is rearmed. */
static inline bool deadline_passed(const struct deadline *d)
{
	return d->ran_out;
}
/* Milliseconds left in this scope alone: 0 or more, or FOREVER. */
int64_t deadline_left_ms(const struct deadline *d);

/* -- used by wait.c -- */
/* What the scopes of `t` say at `now_ns`: 0, -ECANCELED or -ETIMEDOUT. */
int deadline_check(struct task *t, int64_t now_ns);
/* The nearest instant of the scopes that count (up to a shield), or FOREVER. */
int64_t deadline_nearest_ns(const struct task *t);
/* That of the scopes outside of the innermost one that count (up to a shield), or FOREVER; *ret_shielded:
 * one of all of them hides cancellation. */
int64_t deadline_nearest_outer_ns(const struct task *t, bool *ret_shielded);
