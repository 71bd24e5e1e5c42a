#include "net/loopback.h"

#include "net/flow.h"
#include "runtime/block.h"
#include "runtime/deadline.h"
#include "runtime/loop.h"

/* One flow whose both ends are the same stream. As in a relay, the loop pumps in the task's place while messages are
 * small, and none of this lies on the task's stack, which no message touches. It exists while the peer speaks. */
struct loopback {
	struct io_pump pump;		/* first: see struct wait_pump */
	struct io_want want;
	struct flow flow;
	struct deadline idle;
	const int64_t *idle_timeout_ms;
	int64_t booked_ns;		/* what the task had waited when it was booked last */
	int pumped;			/* what pumping came to last */
	bool quiet;			/* the last wait ended because nothing came, and nothing is owed */
};

/* Books what the task has waited since the last time. */
static void book_wait(struct loopback *l)
{
	struct stream_waits *waits = l->flow.from->waits;
	int64_t waited_ns = task_waited_ns() - l->booked_ns;

	l->booked_ns += waited_ns;
	if (waits)
		*(flow_owes(&l->flow) ? &waits->write_ns : &waits->read_ns) += waited_ns;
}

static void note_progress(struct loopback *l)
{
	wait_charge(l->flow.moved_bytes);
	l->flow.moved_bytes = 0;
	deadline_rearm(&l->idle, *l->idle_timeout_ms);
}

static int pump(struct loopback *l)
{
	bool progress = false;
	int result = flow_turn(&l->flow, &progress);

	if (progress)
		note_progress(l);
	return result;
}

/* In the task's place, on the main stack: a message is read, ... */
static bool begin_for_task(void *arg)
{
	struct loopback *l = arg;

	book_wait(l);
	l->pumped = l->flow.state == FLOW_READING ? flow_read_message(&l->flow) : FLOW_BLOCKED;
	return l->pumped == FLOW_DONE;
}

/* ... and, when other connections have read too, written. True when that was all. */
static bool answer(struct loopback *l)
{
	note_progress(l);
	l->pumped = flow_write_message(&l->flow);
	return l->pumped == FLOW_DONE && !stream_may_read(l->flow.from, &l->want.want);
}

static void prepare_wait(struct loopback *l)
{
	l->want.want = l->flow.want;
	l->pump.pump.retires = l->flow.state == FLOW_READING;
}

/* False: something is to be done that only the task can do. */
static bool pump_for_task(void *arg)
{
	struct loopback *l = arg;

	if (LIKELY(l->pumped == FLOW_DONE) && answer(l))
		return true;
	if (l->pumped < 0)
		return false;
	l->pumped = pump(l);
	prepare_wait(l);
	return l->pumped == FLOW_BLOCKED && l->flow.state != FLOW_FINISHED && !l->flow.starved;
}

/* What pumping came to, FLOW_DONE when it is yet to be done, or why there was no waiting. */
static int wait_for_stream(struct loopback *l)
{
	if (l->flow.starved)
		return flow_wait_for_chunk(&l->flow, l->flow.from);
	prepare_wait(l);
	l->booked_ns = task_waited_ns();
	l->pumped = FLOW_DONE;
	int result = io_park_any_pumped(&l->pump);
	if (result == -EBADF)
		return result;
	book_wait(l);
	l->quiet = result == WAIT_RETIRED && l->flow.state == FLOW_READING;
	return result < 0 ? result : l->pumped;
}

static int run(struct loopback *l)
{
	int result = FLOW_DONE;

	while (result >= 0) {
		if (result == FLOW_DONE) {
			result = wait_enter();
			if (result >= 0)
				result = pump(l);
		} else if (l->flow.state == FLOW_FINISHED) {
			return 0;
		} else {
			result = wait_for_stream(l);
			if (l->quiet)
				return LOOPBACK_QUIET;
		}
	}
	return result;
}

static struct loopback *begin(struct stream *s, struct deadline *idle, const int64_t *idle_timeout_ms)
{
	struct loopback *l = block_new_object(struct loopback);

	if (!l)
		return NULL;
	l->want.io = &s->io;
	l->pump.pump.bytes = sizeof(*l);
	l->pump.wants = &l->want;
	l->pump.count = 1;
	l->pump.begin = begin_for_task;
	l->pump.fn = pump_for_task;
	l->pump.arg = l;
	l->idle_timeout_ms = idle_timeout_ms;
	flow_init(&l->flow, s, s, NULL);
	deadline_stand_in(&l->idle, idle);
	return l;
}

static void end(struct loopback *l, struct deadline *idle)
{
	deadline_stand_down(&l->idle, idle);
	flow_done(&l->flow);
	block_free(l);
}

int (loopback_run)(struct stream *s, struct deadline *idle, const int64_t *idle_timeout_ms)
{
	struct loopback *l = begin(s, idle, idle_timeout_ms);

	if (!l)
		return -ENOMEM;

	int result = run(l);
	end(l, idle);
	return result;
}
