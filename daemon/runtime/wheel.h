/* wheel.h - a hierarchical timing wheel: any number of timers, O(1) to set and to clear.
 *
 * Ticks are milliseconds. A level has 64 slots, each as long as the whole level below it; a timer lies at the
 * level of the highest base-64 digit in which its instant differs from now. Eleven levels cover every instant that
 * an int64_t can name, so there is no overflow to look after. When time enters a slot, its timers move down:
 * ten times at most in a timer's life. Varghese and Lauck, "Hashed and Hierarchical Timing Wheels" (1987). Nothing
 * here reads a clock: the caller says what time it is. Timers due in the same millisecond fire in the order
 * in which they were set.
 */
#pragma once

#include "base/base.h"
#include "base/list.h"

#define WHEEL_LEVELS 11
#define WHEEL_SLOTS 64

struct wheel_timer;
/* Called with the timer cleared; may set it again. */
typedef void wheel_fn(struct wheel_timer *t);

struct wheel_timer {
	struct list node;
	int64_t at_ms;
	wheel_fn *fire;
	uint8_t level, slot;
};

struct wheel {
	int64_t now_ms;				/* where the last wheel_advance() went to */
	size_t count;
	bool next_is_known;
	int64_t next_ms;			/* what wheel_next_ms() found, while that is known */
	uint64_t occupied[WHEEL_LEVELS];	/* a bit per slot that is not empty */
	struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
	struct list due;			/* about to fire, in order */
};

void wheel_init(struct wheel *w, int64_t now_ms);
void wheel_timer_init(struct wheel_timer *t, wheel_fn *fire);
static inline bool wheel_timer_is_set(const struct wheel_timer *t)
{
	return list_is_linked(&t->node);
}
/* Sets the timer, or moves it. An instant that has passed fires at the next wheel_advance(). */
void wheel_set(struct wheel *w, struct wheel_timer *t, int64_t at_ms);
/* Clears it; fine when it is not set. */
void wheel_clear(struct wheel *w, struct wheel_timer *t);
/* Fires everything due at or before now_ms. What a callback sets for now or the past waits for the next call. */
void wheel_advance(struct wheel *w, int64_t now_ms);
/* The exact instant of the next timer, or FOREVER. Remembered until that timer fires or is cleared; finding it
 * looks at one slot. */
int64_t wheel_next_ms(struct wheel *w);
