/* HTTP/1.1 over one connection (RFC 9112): requests answered in order, one at a time, with keep-alive and
 * pipelining. */
#include "service/http_paths.h"
#include "service/http_pump.h"

/* Reads on until the head is complete. The time for it counts from its first byte to its last, not from byte to
 * byte, so a client that trickles gains nothing. The verdict, or -errno; -ENODATA: the client has finished. */
static int await_head(struct http_exchange *x)
{
	DEADLINE(limit, x->conn->service->header_timeout_ms);

	for (;;) {
		ssize_t n = http_fill(x);
		enum http_verdict verdict;

		if (n <= 0)
			return n < 0 ? (int) n : -ENODATA;
		verdict = http_parse(&x->request, (const char *) x->input->bytes, chunk_length(x->input));
		if (verdict != HTTP_MORE)
			return (int) verdict;
	}
}

/* Brings a head in: 0 once there is a request, or it was refused, which closes. */
static int read_head(struct http_exchange *x)
{
	struct chunk *in = x->input;
	int r;

	http_exchange_next(x);
	r = (int) http_parse(&x->request, (const char *) in->bytes + in->begin, chunk_length(in));
	if (r == HTTP_MORE) {
		/* Sent outside of the head's time: a client that does not read is not one that does not write. */
		r = http_flush(x);
		if (r < 0)
			return r;
		r = await_head(x);
	}

	if (r == -ENODATA)
		return http_refuse(x, 400, "the request ended early", 'C', 'R');
	if (r == -ETIMEDOUT && task_check() == 0)
		return http_refuse(x, 408, "header timeout", 'c', 'R');
	if (r == HTTP_REFUSED)
		return http_refuse(x, x->request.status, x->request.why, 'P', 'R');
	if (r < 0)
		return r;

	http_exchange_begin(x);
	return 0;
}

/* What went wrong in the middle of a request, and what can still be said about it. */
static int mend(struct http_exchange *x, int error)
{
	if (error == -EBADMSG && x->refusal)
		return http_refuse(x, x->refusal, x->refusal_why, 'P', 'D');
	if (error != -ETIMEDOUT || !deadline_passed(x->idle))
		return error;

	if (!x->reading)
		return error;
	deadline_rearm(x->idle, x->conn->service->idle_timeout_ms);
	return http_refuse(x, 408, "idle timeout in a request", 'c', 'D');
}

static int serve_request(struct http_exchange *x)
{
	int r = read_head(x);

	if (r == 0 && !x->close)
		r = http_answer(x);
	if (r == 0 && !x->close)
		r = http_skip_body(x);
	return r < 0 ? mend(x, r) : r;
}

/* The end of a connection that we close. Only a client that asked for it, and of which all was read, can be
 * expected to send nothing more; for others, closing at once could cost them the last response. */
static int say_goodbye(struct http_exchange *x)
{
	bool all_read = x->body == HTTP_BODY_NONE && http_input_bytes(x) == 0 && x->request.close;
	int r = http_flush(x);

	if (r < 0)
		return r;
	x->input = chunk_put(x->input);
	conn_set_end(x->conn, x->end.words, x->end.who, x->end.when);
	if (all_read)
		return stream_finish(x->conn->client);
	stream_linger(x->conn->client, HTTP_LINGER_MS);
	return 0;
}

/* Serves what a client has in hand, which is more than one request when it pipelines. 1: all of it was, wait for
 * more; 0: the connection has ended. Not inlined, so that a connection that waits does not keep this frame. */
static __attribute__((noinline)) int serve(struct conn *c, struct deadline *idle, struct http_left left)
{
	_cleanup_(http_exchange_done) struct http_exchange x;
	int r = 0;

	http_exchange_init(&x, c, idle, left);
	while (r == 0 && !x.close && http_input_bytes(&x) > 0)
		r = serve_request(&x);

	if (r == 0)
		r = x.close ? say_goodbye(&x) : http_flush(&x);
	if (r == -ETIMEDOUT && deadline_passed(idle))
		conn_set_end(c, "idle timeout writing a response", 'c', 'D');
	return r < 0 || x.close ? r : 1;
}

/* True when a next request will not be served: the daemon drains, or the service is no longer configured. */
static bool is_stopped(const struct conn *c)
{
	return c->stop_requested || c->service->retired;
}

/* Waits for what the pump leaves, where little lies on the stack while the client is silent. 1, 0 when the client has
 * finished, or -errno. */
static int await_left(struct conn *c, struct deadline *idle, struct http_left *ret)
{
	int r;

	*ret = (struct http_left) { 0 };
	do {
		r = stream_wait_to_read(c->client);
		if (r >= 0)
			r = http_pump_run(c, idle, ret);
	} while (r == HTTP_PUMP_QUIET);

	if (r == HTTP_PUMP_LEFT && !ret->input && !ret->output)
		r = (int) stream_read_chunk(c->client, &ret->input);
	return MIN(r, 1);
}

/* Between requests: the client has finished, or nothing came. */
static int end_idle(struct conn *c, const struct deadline *idle, int result)
{
	if (result == 0) {
		conn_set_end(c, "client closed", '-', '-');
		return stream_finish(c->client);
	}
	if (result == -ETIMEDOUT && deadline_passed(idle)) {
		conn_set_end(c, "idle timeout", 'c', 'R');
		return 0;
	}
	return result;
}

int http_handle(struct conn *c)
{
	DEADLINE(idle, c->service->idle_timeout_ms);
	struct http_left left;
	int r;

	do {
		conn_set_idle(c, true);
		r = await_left(c, &idle, &left);
		if (r <= 0)
			return end_idle(c, &idle, r);

		conn_set_idle(c, false);
		deadline_rearm(&idle, c->service->idle_timeout_ms);
		r = serve(c, &idle, left);
	} while (r > 0 && !is_stopped(c));

	if (r > 0) {
		/* Asked to stop after its last response was written: like one that was idle already. */
		conn_set_end(c, "stopped", 'K', '-');
		return stream_finish(c->client);
	}
	return r;
}
