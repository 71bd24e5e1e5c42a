#include "runtime/wheel.h"

#include "base/ensure.h"

#define DIGIT_BITS 6
#define DUE WHEEL_LEVELS	/* the level of a timer that lies in the due list */

_Static_assert(WHEEL_SLOTS == 1 << DIGIT_BITS, "a slot is a digit of the instant");
_Static_assert(WHEEL_LEVELS * DIGIT_BITS >= 63, "every instant has its level");

void wheel_init(struct wheel *w, int64_t now_ms)
{
	ENSURE(now_ms >= 0, "a wheel cannot begin at %lld ms", (long long) now_ms);
	*w = (struct wheel) { .now_ms = now_ms };
	list_init(&w->due);
	for (size_t level = 0; level < WHEEL_LEVELS; level++)
		for (size_t slot = 0; slot < WHEEL_SLOTS; slot++)
			list_init(&w->slots[level][slot]);
}

void wheel_timer_init(struct wheel_timer *t, wheel_fn *fire)
{
	*t = (struct wheel_timer) { .fire = fire };
	list_init(&t->node);
}

/* The level of an instant that is not before now. All timers of one instant are always in one slot, because
 * the level depends on nothing else; so a slot's list keeps them in the order in which they were set. */
static unsigned level_of(const struct wheel *w, int64_t at_ms)
{
	uint64_t differs = (uint64_t) (at_ms ^ w->now_ms) | 1;

	return (63 - (unsigned) __builtin_clzll(differs)) / DIGIT_BITS;
}

static void place(struct wheel *w, struct wheel_timer *t)
{
	unsigned level = level_of(w, t->at_ms);
	unsigned slot = (uint64_t) t->at_ms >> (level * DIGIT_BITS) & (WHEEL_SLOTS - 1);

	t->level = (uint8_t) level;
	t->slot = (uint8_t) slot;
	list_append(&w->slots[level][slot], &t->node);
	w->occupied[level] |= UINT64_C(1) << slot;
}

void wheel_set(struct wheel *w, struct wheel_timer *t, int64_t at_ms)
{
	wheel_clear(w, t);
	t->at_ms = MAX(at_ms, w->now_ms);
	place(w, t);
	w->count++;
	if (w->next_is_known)
		w->next_ms = MIN(w->next_ms, t->at_ms);
}

void wheel_clear(struct wheel *w, struct wheel_timer *t)
{
	if (!wheel_timer_is_set(t))
		return;
	list_remove(&t->node);
	w->count--;
	if (t->level != DUE && list_is_empty(&w->slots[t->level][t->slot]))
		w->occupied[t->level] &= ~(UINT64_C(1) << t->slot);
	if (t->at_ms == w->next_ms)
		w->next_is_known = false;
}

/* The first occupied slot. A lower level always comes before a higher one: its timers share more digits with now. */
static bool find_first(const struct wheel *w, unsigned *ret_level, unsigned *ret_slot)
{
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		if (!w->occupied[level])
			continue;
		*ret_level = level;
		*ret_slot = (unsigned) __builtin_ctzll(w->occupied[level]);
		return true;
	}
	return false;
}

/* The first instant of a slot: now with the slot's digit at its level, and zeros below. */
static int64_t slot_begins_ms(const struct wheel *w, unsigned level, unsigned slot)
{
	unsigned shift = level * DIGIT_BITS;
	uint64_t higher = shift + DIGIT_BITS < 64 ? (uint64_t) w->now_ms >> (shift + DIGIT_BITS) : 0;

	return (int64_t) ((higher << DIGIT_BITS | slot) << shift);
}

/* Time has come to the beginning of a slot: its timers are due, or move to lower levels, which are empty. */
static void open_slot(struct wheel *w, unsigned level, unsigned slot)
{
	struct list taken;

	list_init(&taken);
	list_splice(&taken, &w->slots[level][slot]);
	w->occupied[level] &= ~(UINT64_C(1) << slot);
	LIST_EACH_SAFE (node, &taken) {
		struct wheel_timer *t = list_entry(node, struct wheel_timer, node);

		list_remove(node);
		if (level > 0) {
			place(w, t);
			continue;
		}
		t->level = DUE;
		list_append(&w->due, node);
	}
}

void wheel_advance(struct wheel *w, int64_t now_ms)
{
	unsigned level, slot;

	now_ms = MAX(now_ms, w->now_ms);
	while (find_first(w, &level, &slot)) {
		int64_t begins_ms = slot_begins_ms(w, level, slot);

		if (begins_ms > now_ms)
			break;
		w->now_ms = MAX(w->now_ms, begins_ms);
		open_slot(w, level, slot);
	}
	w->now_ms = now_ms;

	while (!list_is_empty(&w->due)) {
		struct wheel_timer *t = list_entry(w->due.next, struct wheel_timer, node);

		wheel_clear(w, t);
		t->fire(t);
	}
}

static int64_t find_next_ms(const struct wheel *w)
{
	unsigned level, slot;
	int64_t next_ms = FOREVER;

	if (!list_is_empty(&w->due))
		return list_entry(w->due.next, struct wheel_timer, node)->at_ms;
	if (!find_first(w, &level, &slot))
		return FOREVER;
	if (level == 0)
		return slot_begins_ms(w, level, slot);
	LIST_EACH (node, &w->slots[level][slot])
		next_ms = MIN(next_ms, list_entry(node, struct wheel_timer, node)->at_ms);
	return next_ms;
}

int64_t wheel_next_ms(struct wheel *w)
{
	if (!w->next_is_known) {
		w->next_ms = find_next_ms(w);
		w->next_is_known = true;
	}
	return w->next_ms;
}
