#include "net/relay.h"

#include "base/memory.h"
#include "net/flow.h"
#include "runtime/deadline.h"
#include "runtime/loop.h"

/* A relay is two flows, one per direction. Pumping moves what can be moved and never suspends; only when neither
 * flow can go on does the task wait, once, for whatever would let either continue. While bytes come and go in small
 * pieces the loop pumps in the task's place, and the task is not entered. */

/* How often a flow that found no buffer free tries again while the other one holds the buffer of this relay. */
#define BUFFER_RETRY_MS 100

/* It does not lie on the task's stack, so that pumping looks at nothing there: with many busy sessions that page, and
 * its entry in the page tables, would be fetched from far for each message. */
struct relay {
	struct io_pump pump;		/* first: see struct wait_pump */
	struct io_want wants[2];	/* of the client's and of the upstream's descriptor */
	struct flow up, down;
	struct deadline idle;
	const struct relay_limits *limits;
	int64_t booked_ns;		/* what the task had waited when it was booked last */
	int pumped;			/* what pumping came to last */
	struct flow *message;		/* one that has been read for this turn of the loop, or NULL */
	enum relay_side finished_first;
	enum relay_side heard_last;	/* who sent the last byte */
	int error;			/* a failure that waits until what came before it has been passed on */
	struct relay_end end;
};

static enum relay_side from_side(const struct relay *r, const struct flow *f)
{
	return f == &r->up ? RELAY_CLIENT : RELAY_UPSTREAM;
}

static enum relay_side to_side(const struct relay *r, const struct flow *f)
{
	return f == &r->up ? RELAY_UPSTREAM : RELAY_CLIENT;
}

/* -- pumping -- */

/* A side that fails to take bytes may have sent its last words before: they are still passed on, and then the
 * failure counts. One that fails to send has said all it will. */
static int relay_failed(struct relay *r, struct flow *f, struct flow *opposite, int error)
{
	bool writing = flow_owes(f);

	flow_break(f);
	if (r->error < 0)
		return FLOW_DONE;
	r->end.side = writing ? to_side(r, f) : from_side(r, f);
	r->end.writing = writing;
	r->error = error;
	opposite->source_failed = true;
	return writing ? FLOW_DONE : error;
}

static inline struct flow *opposite_of(struct relay *r, const struct flow *f)
{
	return f == &r->up ? &r->down : &r->up;
}

/* What a flow came to: FLOW_BLOCKED when it must wait, FLOW_DONE, or -errno when the relay is over. */
static inline int relay_result(struct relay *r, struct flow *f, int result)
{
	return LIKELY(result >= 0) ? result : relay_failed(r, f, opposite_of(r, f), result);
}

/* Looks at what a flow has done in its turn. */
static void note_flow(struct relay *r, struct flow *f)
{
	if (f->moved_bytes > 0) {
		r->heard_last = from_side(r, f);
		wait_charge(f->moved_bytes);
		f->moved_bytes = 0;
	}
	if (f->from->read_ended && !f->source_failed && r->finished_first == RELAY_NEITHER)
		r->finished_first = from_side(r, f);
}

static inline void rearm(struct relay *r)
{
	deadline_rearm(&r->idle, r->finished_first == RELAY_NEITHER ? r->limits->idle_timeout_ms
								    : r->limits->half_close_timeout_ms);
}

/* Both flows have their turn. Does not suspend. */
static int relay_pump(struct relay *r)
{
	bool progress = false;
	int up = relay_result(r, &r->up, flow_turn(&r->up, &progress));
	int down = up < 0 ? up : relay_result(r, &r->down, flow_turn(&r->down, &progress));

	note_flow(r, &r->up);
	note_flow(r, &r->down);
	if (progress)
		rearm(r);
	if (down < 0)
		return down;
	return up == FLOW_DONE || down == FLOW_DONE ? FLOW_DONE : FLOW_BLOCKED;
}

/* Blocked, and with nothing left to wait for? */
static bool relay_is_over(const struct relay *r)
{
	if (r->error < 0)
		return !flow_owes(&r->up) && !flow_owes(&r->down) && !r->up.starved && !r->down.starved;
	return r->up.state == FLOW_FINISHED && r->down.state == FLOW_FINISHED;
}

/* -- waiting -- */

/* Whom a blocked relay waits for, or has waited for when one of the sides has become ready: who does not take what
 * is owed to it, else who does not send. When nobody has come, that is whose turn to speak it is. */
static struct relay_end awaited(const struct relay *r, bool client_came, bool upstream_came)
{
	bool up_owes = flow_owes(&r->up);
	bool down_owes = flow_owes(&r->down);
	enum relay_side side;

	if (up_owes && down_owes)
		side = client_came ? RELAY_CLIENT : RELAY_UPSTREAM;
	else if (up_owes || down_owes)
		side = up_owes ? RELAY_UPSTREAM : RELAY_CLIENT;
	else if (client_came != upstream_came)
		side = client_came ? RELAY_CLIENT : RELAY_UPSTREAM;
	else if (r->finished_first != RELAY_NEITHER)
		side = r->finished_first == RELAY_CLIENT ? RELAY_UPSTREAM : RELAY_CLIENT;
	else
		side = r->heard_last == RELAY_CLIENT ? RELAY_UPSTREAM : RELAY_CLIENT;
	return (struct relay_end) { .side = side, .writing = up_owes || down_owes };
}

/* Books what the task has waited since the last time on the side that it has waited for. */
static void book_wait(struct relay *r)
{
	struct relay_end end = awaited(r, r->wants[0].ready, r->wants[1].ready);
	struct stream_waits *waits = (end.side == RELAY_CLIENT ? r->up.from : r->down.from)->waits;
	int64_t waited_ns = task_waited_ns() - r->booked_ns;

	r->booked_ns += waited_ns;
	if (waits)
		*(end.writing ? &waits->write_ns : &waits->read_ns) += waited_ns;
}

static void add_want(const struct flow *f, struct io_want *from, struct io_want *to)
{
	if (f->starved)
		return;
	if (flow_owes(f))
		to->want |= f->want;
	else if (f->state == FLOW_READING)
		from->want |= f->want;
}

static void set_wants(struct relay *r)
{
	r->wants[0].want = r->wants[1].want = 0;
	add_want(&r->up, &r->wants[0], &r->wants[1]);
	add_want(&r->down, &r->wants[1], &r->wants[0]);
}

/* In the task's place, on the main stack: one side has something to say, and nothing else is under way. It is read
 * here, and written when other sessions have read too. Whatever is not as simple is left to pump_for_task(). */
static bool begin_for_task(void *arg)
{
	struct relay *r = arg;
	bool up = r->wants[0].ready & IO_READ;
	struct flow *f = up ? &r->up : &r->down;
	unsigned idle_want;

	book_wait(r);
	if (up == (bool) (r->wants[1].ready & IO_READ) || r->up.state != FLOW_READING ||
	    r->down.state != FLOW_READING || stream_may_read(f->to, &idle_want))
		return false;

	r->pumped = relay_result(r, f, flow_read_message(f));
	r->message = r->pumped == FLOW_DONE ? f : NULL;
	return r->message;
}

/* Writes it. True when that was all, and both sides are silent now. */
static bool pass_message_on(struct relay *r)
{
	struct flow *f = TAKE(r->message);
	unsigned want;

	note_flow(r, f);
	rearm(r);
	r->pumped = relay_result(r, f, flow_write_message(f));
	if (UNLIKELY(r->pumped != FLOW_DONE || f->state != FLOW_READING))
		return false;
	r->pumped = FLOW_BLOCKED;
	return !stream_may_read(f->from, &want) && !stream_may_read(f->to, &want);
}

/* All that may have to be done. False: something that only the task can do. */
static bool pump_for_task(void *arg)
{
	struct relay *r = arg;

	if (LIKELY(r->message)) {
		if (pass_message_on(r))
			return true;
	} else if (r->pumped < 0) {
		return false;
	}
	r->pumped = relay_pump(r);
	if (r->pumped != FLOW_BLOCKED || relay_is_over(r) || r->up.starved || r->down.starved)
		return false;
	set_wants(r);
	return true;
}

/* What pumping came to, FLOW_DONE when it is yet to be done, or why there was no waiting. */
static int wait_for_streams(struct relay *r)
{
	set_wants(r);
	r->booked_ns = task_waited_ns();
	r->pumped = FLOW_DONE;
	int result = io_park_any_pumped(&r->pump);
	book_wait(r);
	return result < 0 ? result : r->pumped;
}

/* One flow holds the buffer that this relay has, and the other one found none: it cannot queue for it, because the
 * first one must be watched, and it cannot be forgotten, because the first one may depend on it. */
static int wait_for_streams_briefly(struct relay *r)
{
	DEADLINE(retry, BUFFER_RETRY_MS);
	int result = wait_for_streams(r);

	return result == -ETIMEDOUT && deadline_passed(&retry) ? FLOW_DONE : result;
}

static int relay_wait(struct relay *r)
{
	if (!r->up.starved && !r->down.starved)
		return wait_for_streams(r);
	if (flow_holds_buffer(&r->up) || flow_holds_buffer(&r->down))
		return wait_for_streams_briefly(r);
	return flow_wait_for_chunk(r->up.starved ? &r->up : &r->down, r->up.from);
}

/* -- the whole -- */

static struct relay *relay_new(struct stream *client, struct stream *upstream, const struct relay_limits *limits)
{
	struct relay *r = memory_new_object(struct relay);

	if (!r)
		return NULL;
	r->limits = limits;
	r->wants[0].io = &client->io;
	r->wants[1].io = &upstream->io;
	r->pump.pump.bytes = sizeof(*r);
	r->pump.pump.other = &upstream->io;
	r->pump.wants = r->wants;
	r->pump.count = ARRAY_LENGTH(r->wants);
	r->pump.begin = begin_for_task;
	r->pump.fn = pump_for_task;
	r->pump.arg = r;
	flow_init(&r->up, client, upstream, limits->pipes);
	flow_init(&r->down, upstream, client, limits->pipes);
	deadline_begin(&r->idle, limits->idle_timeout_ms);
	return r;
}

static void relay_free(struct relay *r)
{
	deadline_end(&r->idle);
	flow_done(&r->up);
	flow_done(&r->down);
	memory_free(r);
}

/* Makes a failure known to a side, unless it has ended both ways already. */
static void reset_unless_ended(struct stream *s)
{
	if (!s->read_ended || !s->write_ended)
		stream_abort(s);
}

static int run(struct relay *r)
{
	int result = FLOW_DONE;

	while (result >= 0) {
		if (result == FLOW_DONE) {
			result = wait_enter();
			if (result >= 0)
				result = relay_pump(r);
		} else if (relay_is_over(r)) {
			return r->error;
		} else {
			result = relay_wait(r);
		}
	}
	return result;
}

int (relay_run)(struct stream *client, struct stream *upstream, const struct relay_limits *limits,
		struct relay_end *ret_end)
{
	struct relay *r = relay_new(client, upstream, limits);
	int result = r ? run(r) : -ENOMEM;

	if (result < 0) {
		reset_unless_ended(client);
		reset_unless_ended(upstream);
	}
	*ret_end = (struct relay_end) { .side = RELAY_NEITHER };
	if (!r)
		return result;

	if (result >= 0)
		r->end = (struct relay_end) { .side = r->finished_first };
	else if (result == -ETIMEDOUT)
		r->end = awaited(r, false, false);
	r->end.half_closed = r->finished_first != RELAY_NEITHER;
	*ret_end = r->end;
	relay_free(r);
	return result;
}
