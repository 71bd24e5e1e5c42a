#include "runtime/batch.h"

#include "runtime/loop.h"
#include "runtime/wait.h"

/* Those that wait again are charged equal shares of the time: looking at the clock for each would cost one percent of
 * a message. When they have kept the loop for long, the first is named. */
static void charge_batch(struct batch *b)
{
	int64_t shared_ns = loop_lap_ns();

	if (b->waiting_count > 0)
		loop_watch_for_stall(b->waiting[0], shared_ns);
	for (size_t i = 0; i < b->waiting_count; i++)
		task_charge_pump(b->waiting[i], shared_ns / (int64_t) b->waiting_count);
	b->waiting_count = 0;
}

/* The tasks that have to be entered are, once no pump is half done. */
void batch_finish(struct batch *b)
{
	size_t to_enter = 0;

	if (b->begun_count + b->waiting_count == 0)
		return;
	for (size_t i = 0; i < b->begun_count; i++) {
		struct task *t = b->begun[i];

		if (LIKELY(task_finish_pump(t)))
			b->waiting[b->waiting_count++] = t;
		else
			b->begun[to_enter++] = t;
	}
	b->begun_count = 0;
	charge_batch(b);
	for (size_t i = 0; i < to_enter; i++)
		task_enter(b->begun[i]);
}

static void run_pump(struct task *t, struct batch *b)
{
	if (b->begun_count + b->waiting_count == PUMPS_AT_ONCE)
		batch_finish(b);
	if (LIKELY(task_begin_pump(t))) {
		b->begun[b->begun_count++] = t;
	} else if (task_finish_pump(t)) {
		b->waiting[b->waiting_count++] = t;
	} else {
		batch_finish(b);
		task_enter(t);
	}
}

void batch_run(struct batch *b, struct task *t)
{
	if (LIKELY(task_is_pumped(t))) {
		task_begin_slice(t);
		run_pump(t, b);
		return;
	}
	batch_finish(b);
	if (!task_is_stillborn(t)) {
		task_begin_slice(t);
		task_enter(t);
	}
}
