#include "net/relay.h"

#include "runtime/deadline.h"
#include "runtime/loop.h"

/* A relay is two flows, one per direction. Pumping moves what can be moved and never suspends; only when neither
 * flow can go on does the task wait, once, for whatever would let either continue. */

/* Reads and writes of one flow before the other gets its turn: 64 KiB. */
#define STEPS_PER_TURN 8
/* How often a flow that found no buffer free tries again while the other one holds the buffer of this relay. */
#define BUFFER_RETRY_MS 100

enum flow_state {
	FLOW_READING,		/* owes nothing to `to`; holds a chunk only to read into it at once */
	FLOW_WRITING,		/* owes the bytes in its chunk */
	FLOW_FINISHING,		/* owes the end: all bytes are written */
	FLOW_FINISHED,
	FLOW_BROKEN,		/* failed: there is no way on, nor a clean end */
};

struct flow {
	struct stream *from, *to;
	enum relay_side from_side, to_side;
	enum flow_state state;
	unsigned want;			/* blocked: the direction to wait for, at `from` when reading, else at `to` */
	bool starved;			/* blocked: there are bytes to read, but no buffer is free */
	bool source_failed;		/* writing to `from` has failed: what reads as its end is none */
	struct chunk *chunk;
	size_t moved_bytes;		/* since they were last charged */
};

struct relay {
	struct flow up, down;
	const struct relay_limits *limits;
	struct ledger *ledger;
	enum relay_side finished_first;
	enum relay_side heard_last;	/* who sent the last byte */
	int error;			/* a failure that waits until what came before it has been passed on */
	struct relay_end end;
};

enum step {
	STEP_BLOCKED,
	STEP_DONE,
};

/* -- one flow -- */

/* A step is STEP_DONE, STEP_BLOCKED or -errno. */
static int flow_read(struct flow *f)
{
	f->starved = false;
	if (!stream_may_read(f->from, &f->want)) {
		f->chunk = chunk_put(f->chunk);
		return STEP_BLOCKED;
	}
	if (!f->chunk)
		f->chunk = chunk_try_get();
	if (!f->chunk) {
		f->starved = true;
		return STEP_BLOCKED;
	}

	ssize_t n = stream_try_read(f->from, f->chunk->bytes, sizeof(f->chunk->bytes), &f->want);
	if (n > 0) {
		f->chunk->begin = 0;
		f->chunk->end = (uint32_t) n;
		f->moved_bytes += (size_t) n;
		f->state = FLOW_WRITING;
		return STEP_DONE;
	}
	f->chunk = chunk_put(f->chunk);
	if (n < 0)
		return n == -EAGAIN ? STEP_BLOCKED : (int) n;
	f->state = f->source_failed ? FLOW_BROKEN : FLOW_FINISHING;
	return STEP_DONE;
}

static int flow_write(struct flow *f)
{
	struct chunk *c = f->chunk;
	ssize_t n = stream_try_write(f->to, c->bytes + c->begin, chunk_length(c), &f->want);

	if (n < 0)
		return n == -EAGAIN ? STEP_BLOCKED : (int) n;
	c->begin += (uint32_t) n;
	if (chunk_length(c) == 0)
		f->state = FLOW_READING;
	return STEP_DONE;
}

static int flow_finish(struct flow *f)
{
	int r = stream_try_finish(f->to, &f->want);

	if (r < 0)
		return r == -EAGAIN ? STEP_BLOCKED : r;
	f->state = FLOW_FINISHED;
	return STEP_DONE;
}

static int flow_step(struct flow *f)
{
	switch (f->state) {
	case FLOW_READING:
		return flow_read(f);
	case FLOW_WRITING:
		return flow_write(f);
	case FLOW_FINISHING:
		return flow_finish(f);
	case FLOW_FINISHED:
	case FLOW_BROKEN:
		break;
	}
	return STEP_BLOCKED;
}

static bool flow_owes(const struct flow *f)
{
	return f->state == FLOW_WRITING || f->state == FLOW_FINISHING;
}

static void flow_break(struct flow *f)
{
	f->chunk = chunk_put(f->chunk);
	f->state = FLOW_BROKEN;
}

/* -- pumping -- */

/* A side that fails to take bytes may have sent its last words before: they are still passed on, and then the
 * failure counts. One that fails to send has said all it will. */
static int relay_failed(struct relay *r, struct flow *f, struct flow *opposite, int error)
{
	bool writing = flow_owes(f);

	flow_break(f);
	if (r->error < 0)
		return STEP_DONE;
	r->end.side = writing ? f->to_side : f->from_side;
	r->end.writing = writing;
	r->error = error;
	opposite->source_failed = true;
	return writing ? STEP_DONE : error;
}

/* STEP_BLOCKED when the flow must wait, STEP_DONE when it has had its turn, -errno when the relay is over. */
static int pump_flow(struct relay *r, struct flow *f, struct flow *opposite, bool *progress)
{
	for (int steps = 0; steps < STEPS_PER_TURN; steps++) {
		int step = flow_step(f);

		if (step == STEP_BLOCKED)
			return STEP_BLOCKED;
		if (step < 0)
			return relay_failed(r, f, opposite, step);
		*progress = true;
	}
	return STEP_DONE;
}

/* Looks at what a flow has done in its turn. */
static void note_flow(struct relay *r, struct flow *f)
{
	if (f->moved_bytes > 0) {
		r->heard_last = f->from_side;
		wait_charge(f->moved_bytes);
		f->moved_bytes = 0;
	}
	if (f->from->read_ended && !f->source_failed && r->finished_first == RELAY_NEITHER)
		r->finished_first = f->from_side;
}

/* The same for both flows. Does not suspend. */
static int relay_pump(struct relay *r, struct deadline *idle)
{
	bool progress = false;
	int up = pump_flow(r, &r->up, &r->down, &progress);
	int down = up < 0 ? up : pump_flow(r, &r->down, &r->up, &progress);

	note_flow(r, &r->up);
	note_flow(r, &r->down);
	if (progress)
		deadline_rearm(idle, r->finished_first == RELAY_NEITHER ? r->limits->idle_timeout_ms
									: r->limits->half_close_timeout_ms);
	if (down < 0)
		return down;
	return up == STEP_DONE || down == STEP_DONE ? STEP_DONE : STEP_BLOCKED;
}

/* Blocked, and with nothing left to wait for? */
static bool relay_is_over(const struct relay *r)
{
	if (r->error < 0)
		return !flow_owes(&r->up) && !flow_owes(&r->down);
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

static int64_t *account_of(struct ledger *l, struct relay_end awaited)
{
	if (awaited.side == RELAY_CLIENT)
		return awaited.writing ? &l->client_write_ns : &l->client_read_ns;
	return awaited.writing ? &l->upstream_write_ns : &l->upstream_read_ns;
}

static void add_want(const struct flow *f, struct io_want *from, struct io_want *to)
{
	if (flow_owes(f))
		to->want |= f->want;
	else if (f->state == FLOW_READING && !f->starved)
		from->want |= f->want;
}

static int wait_for_streams(struct relay *r)
{
	struct io_want client = { .io = &r->up.from->io };
	struct io_want upstream = { .io = &r->down.from->io };

	add_want(&r->up, &client, &upstream);
	add_want(&r->down, &upstream, &client);

	struct io_want wants[] = { client, upstream };
	int64_t before_ns = task_waited_ns();
	int result = io_park_any(wants, ARRAY_LENGTH(wants));
	if (r->ledger)
		*account_of(r->ledger, awaited(r, wants[0].ready, wants[1].ready)) += task_waited_ns() - before_ns;
	return result;
}

/* One flow holds the buffer that this relay has, and the other one found none: it cannot queue for it, because the
 * first one must be watched, and it cannot be forgotten, because the first one may depend on it. */
static int wait_for_streams_briefly(struct relay *r)
{
	DEADLINE(retry, BUFFER_RETRY_MS);
	int result = wait_for_streams(r);

	return result == -ETIMEDOUT && deadline_passed(&retry) ? 0 : result;
}

static int wait_for_buffer(struct relay *r, struct flow *f)
{
	int64_t before_ns = task_waited_ns();
	int result = (chunk_get)(&f->chunk);

	if (r->ledger)
		r->ledger->other_ns += task_waited_ns() - before_ns;
	return result;
}

static int relay_wait(struct relay *r)
{
	if (!r->up.starved && !r->down.starved)
		return wait_for_streams(r);
	if (r->up.chunk || r->down.chunk)
		return wait_for_streams_briefly(r);
	return wait_for_buffer(r, r->up.starved ? &r->up : &r->down);
}

/* -- the whole -- */

static void relay_done(struct relay *r)
{
	chunk_put(r->up.chunk);
	chunk_put(r->down.chunk);
}

/* Makes a failure known to a side, unless it has ended both ways already. */
static void reset_unless_ended(struct stream *s)
{
	if (!s->read_ended || !s->write_ended)
		stream_abort(s);
}

static int run(struct relay *r)
{
	DEADLINE(idle, r->limits->idle_timeout_ms);
	int result = wait_enter();

	while (result >= 0) {
		result = relay_pump(r, &idle);
		if (result < 0)
			break;
		if (result == STEP_DONE)
			result = wait_enter();
		else if (relay_is_over(r))
			return r->error;
		else
			result = relay_wait(r);
	}
	return result;
}

int (relay_run)(struct stream *client, struct stream *upstream, const struct relay_limits *limits,
		struct ledger *ledger, struct relay_end *ret_end)
{
	_cleanup_(relay_done) struct relay r = {
		.up = { .from = client, .to = upstream, .from_side = RELAY_CLIENT, .to_side = RELAY_UPSTREAM },
		.down = { .from = upstream, .to = client, .from_side = RELAY_UPSTREAM, .to_side = RELAY_CLIENT },
		.limits = limits,
		.ledger = ledger,
	};
	int result = run(&r);

	if (result >= 0)
		r.end = (struct relay_end) { .side = r.finished_first };
	else if (result == -ETIMEDOUT)
		r.end = awaited(&r, false, false);
	if (result < 0) {
		reset_unless_ended(client);
		reset_unless_ended(upstream);
	}
	r.end.half_closed = r.finished_first != RELAY_NEITHER;
	*ret_end = r.end;
	return result;
}
