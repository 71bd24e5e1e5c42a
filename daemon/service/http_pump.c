#include "service/http_pump.h"
#include "service/http_paths.h"

#include "base/ensure.h"
#include "runtime/block.h"

/* Further results, of pumping alone. */
enum {
	NOT_PUMPED = HTTP_PUMP_LEFT + 1,	/* there may be something to read */
	BLOCKED,				/* there is nothing */
	ANSWERED,				/* `left.output` is to be written, and that is all */
};

/* None of it lies on the task's stack, which no request touches. It exists while the client speaks. */
struct http_pump {
	struct io_pump pump;		/* first: see struct wait_pump */
	struct io_want want;
	struct conn *conn;
	struct deadline idle;
	struct http_left left;
	int64_t booked_ns;		/* what the task had waited when it was booked last */
	int result;			/* of pumping */
};

static void book_wait(struct http_pump *p)
{
	int64_t waited_ns = task_waited_ns();

	p->conn->waits.read_ns += waited_ns - p->booked_ns;
	p->booked_ns = waited_ns;
}

/* The next request is whole, and its answer is at hand and fits. */
static bool next_is_at_hand(struct http_exchange *x)
{
	const struct chunk *in = x->input;
	const char *head = (const char *) in->bytes + in->begin;

	http_exchange_next(x);
	return CHUNK_BYTES - x->output->end >= HTTP_AT_HAND_BYTES &&
	       http_parse(&x->request, head, chunk_length(in)) == HTTP_DONE && http_is_at_hand(x, head);
}

/* Turns what was read into answers, as far as they are at hand. Without a chunk for them, none is. */
static void answer(struct http_pump *p)
{
	struct http_exchange x;

	http_exchange_init(&x, p->conn, &p->idle, p->left);
	x.output = chunk_try_get();
	while (x.output && http_input_bytes(&x) > 0 && next_is_at_hand(&x)) {
		http_exchange_begin(&x);
		int r = http_answer(&x);
		ENSURE(r == 0 && !x.close, "an answer at hand came to %d", r);
	}
	p->left = http_exchange_leave(&x);
}

static int read_requests(struct http_pump *p)
{
	struct chunk *c = chunk_try_get();

	if (UNLIKELY(!c))
		return HTTP_PUMP_LEFT;

	ssize_t n = stream_try_read(p->conn->client, c->bytes, c->size_bytes, &p->want.want);
	if (UNLIKELY(n <= 0)) {
		chunk_put(c);
		return n == -EAGAIN ? BLOCKED : (int) n;
	}
	c->end = (uint32_t) n;
	wait_charge((size_t) n);
	p->left.input = c;
	answer(p);
	return p->left.input ? HTTP_PUMP_LEFT : ANSWERED;
}

/* A client that does not take its answers at once is waited for by the task. */
static int write_answers(struct http_pump *p)
{
	struct stream *client = p->conn->client;
	struct chunk *out = p->left.output;
	unsigned want;
	ssize_t n = stream_try_write(client, out->bytes + out->begin, chunk_length(out), &want);

	if (UNLIKELY(n < 0))
		return n == -EAGAIN ? HTTP_PUMP_LEFT : (int) n;
	out->begin += (uint32_t) n;
	if (UNLIKELY(chunk_length(out) > 0))
		return HTTP_PUMP_LEFT;
	p->left.output = chunk_put(out);
	deadline_rearm(&p->idle, p->conn->service->idle_timeout_ms);
	return stream_may_read(client, &p->want.want) ? NOT_PUMPED : BLOCKED;
}

static int turn(struct http_pump *p)
{
	int result = read_requests(p);

	return result == ANSWERED ? write_answers(p) : result;
}

/* In the task's place, on the main stack: requests are read and answered, ... */
static bool begin_for_task(void *arg)
{
	struct http_pump *p = arg;

	book_wait(p);
	p->result = read_requests(p);
	return p->result == ANSWERED;
}

/* ... and, when other connections have read too, the answers written. True when that was all. */
static bool finish_for_task(void *arg)
{
	struct http_pump *p = arg;

	if (LIKELY(p->result == ANSWERED))
		p->result = write_answers(p);
	return p->result == BLOCKED;
}

/* What pumping came to, NOT_PUMPED when it is yet to be done, or why there was no waiting. */
static int wait_for_requests(struct http_pump *p)
{
	p->booked_ns = task_waited_ns();
	p->result = NOT_PUMPED;
	int r = io_park_any_pumped(&p->pump);
	if (r == -EBADF)
		return r;
	book_wait(p);
	if (r < 0)
		return r;
	return r == WAIT_RETIRED ? HTTP_PUMP_QUIET : p->result;
}

static int run(struct http_pump *p)
{
	int result = NOT_PUMPED;

	for (;;) {
		if (result == NOT_PUMPED) {
			result = wait_enter();
			if (result == 0)
				result = turn(p);
		} else if (result == BLOCKED) {
			result = wait_for_requests(p);
		} else {
			return result;
		}
	}
}

static struct http_pump *begin(struct conn *c, struct deadline *idle)
{
	struct http_pump *p = block_new_object(struct http_pump);

	if (!p)
		return NULL;
	p->want.io = &c->client->io;
	p->pump.pump.bytes = sizeof(*p);
	p->pump.pump.retires = true;
	p->pump.wants = &p->want;
	p->pump.count = 1;
	p->pump.begin = begin_for_task;
	p->pump.fn = finish_for_task;
	p->pump.arg = p;
	p->conn = c;
	deadline_stand_in(&p->idle, idle);
	return p;
}

int (http_pump_run)(struct conn *c, struct deadline *idle, struct http_left *ret)
{
	struct http_pump *p = begin(c, idle);

	if (!p)
		return -ENOMEM;

	int result = run(p);
	if (result == HTTP_PUMP_LEFT)
		*ret = p->left;
	else
		http_left_drop(&p->left);
	deadline_stand_down(&p->idle, idle);
	block_free(p);
	return result;
}
