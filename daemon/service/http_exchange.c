#include "service/http_exchange.h"
#include "base/ensure.h"

#include <string.h>
#include <time.h>

#define COPY_BYTES 4096		/* longer content is not copied into the output, but sent together with it */
#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

void http_left_drop(struct http_left *left)
{
	left->input = chunk_put(left->input);
	left->output = chunk_put(left->output);
}

void http_exchange_init(struct http_exchange *x, struct conn *c, struct deadline *idle, struct http_left left)
{
	/* Not cleared as a whole: it is large for what most exchanges need. */
	memset(x, 0, offsetof(struct http_exchange, spare));
	x->conn = c;
	x->idle = idle;
	x->input = left.input;
	x->output = left.output;
}

void http_exchange_done(struct http_exchange *x)
{
	chunk_put(x->input);
	chunk_put(x->output);
}

struct http_left http_exchange_leave(struct http_exchange *x)
{
	struct http_left left = { x->input, x->output };

	if (left.input && chunk_length(left.input) == 0)
		left.input = chunk_put(left.input);
	if (left.output && chunk_length(left.output) == 0)
		left.output = chunk_put(left.output);
	return left;
}

void http_exchange_next(struct http_exchange *x)
{
	http_request_init(&x->request);
	x->stage = HTTP_REPLY_NONE;
	x->body = HTTP_BODY_NONE;
}

void http_exchange_begin(struct http_exchange *x)
{
	const struct http_request *q = &x->request;

	x->conn->requests++;
	x->head = (const char *) x->input->bytes + x->input->begin;
	x->input->begin += q->head_bytes;

	x->body = q->chunked ? HTTP_BODY_CHUNKED : q->content_length > 0 ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
	x->body_left = q->content_length;
	x->body_bytes = 0;
	x->body_asked = false;
	x->continue_due = q->expects_continue && x->body != HTTP_BODY_NONE;
	if (q->chunked)
		http_chunked_init(&x->chunked);
}

void http_close(struct http_exchange *x, const char *words, char who, char when)
{
	if (!x->close)
		x->end = (struct conn_end) { words, who, when };
	x->close = true;
}

/* -- output -- */

static void rearm(struct http_exchange *x)
{
	deadline_rearm(x->idle, x->conn->service->idle_timeout_ms);
}

int http_flush(struct http_exchange *x)
{
	int r = 0;

	x->reading = false;
	if (x->output)
		r = stream_write_chunk(x->conn->client, TAKE(x->output));
	else if (x->spare_used)
		r = stream_write(x->conn->client, x->spare, x->spare_used);
	else
		return 0;

	x->spare_used = 0;
	if (r == 0)
		rearm(x);
	return r;
}

/* Where output goes on, and how much fits. A chunk is taken when there is one. */
static char *output_end(struct http_exchange *x, size_t *ret_room)
{
	if (!x->output && !x->spare_used)
		x->output = chunk_try_get();
	if (!x->output) {
		*ret_room = sizeof(x->spare) - x->spare_used;
		return x->spare + x->spare_used;
	}
	*ret_room = CHUNK_BYTES - x->output->end;
	return (char *) x->output->bytes + x->output->end;
}

void http_made(struct http_exchange *x, size_t length)
{
	if (x->output)
		x->output->end += (uint32_t) length;
	else
		x->spare_used = (uint16_t) (x->spare_used + length);
}

/* At least `bytes` of room, sending what is in the way. */
static int room_for(struct http_exchange *x, size_t bytes, char **ret, size_t *ret_room)
{
	*ret = output_end(x, ret_room);
	if (*ret_room < bytes) {
		int r = http_flush(x);
		if (r < 0)
			return r;
		*ret = output_end(x, ret_room);
	}
	return 0;
}

int http_room(struct http_exchange *x, char **ret, size_t *ret_bytes)
{
	return room_for(x, 1, ret, ret_bytes);
}

/* Sends the output and these bytes behind it in one go. */
static int put_uncopied(struct http_exchange *x, const char *bytes, size_t length)
{
	struct iovec parts[2] = {
		{ x->spare, x->spare_used },
		{ (void *) (uintptr_t) bytes, length },
	};
	int r;

	x->reading = false;
	if (x->output)
		parts[0] = (struct iovec) { x->output->bytes + x->output->begin, chunk_length(x->output) };
	r = stream_writev(x->conn->client, parts, ARRAY_LENGTH(parts));
	x->output = chunk_put(x->output);
	x->spare_used = 0;
	if (r == 0)
		rearm(x);
	return r;
}

static int put(struct http_exchange *x, const char *bytes, size_t length)
{
	if (length <= COPY_BYTES) {
		size_t room;
		char *to = output_end(x, &room);

		if (length <= room) {
			memcpy(to, bytes, length);
			http_made(x, length);
			return 0;
		}
	}
	return put_uncopied(x, bytes, length);
}

/* -- input -- */

/* Moves what is left to the front of its chunk. The parser refuses a head before it fills one. */
static ssize_t read_behind(struct http_exchange *x)
{
	struct chunk *in = x->input;
	ssize_t n;

	memmove(in->bytes, in->bytes + in->begin, chunk_length(in));
	in->end -= in->begin;
	in->begin = 0;
	ENSURE(in->end < CHUNK_BYTES, "a request's head fills a chunk");

	n = stream_read(x->conn->client, in->bytes + in->end, CHUNK_BYTES - in->end);
	if (n > 0)
		in->end += (uint32_t) n;
	return n;
}

ssize_t http_fill(struct http_exchange *x)
{
	ssize_t n = http_flush(x);

	if (n < 0)
		return n;

	x->head = NULL;
	if (http_input_bytes(x) == 0)
		x->input = chunk_put(x->input);

	x->reading = true;
	n = x->input ? read_behind(x) : stream_read_chunk(x->conn->client, &x->input);
	if (n > 0)
		rearm(x);
	return n;
}

int http_pause(struct http_exchange *x, int64_t ms)
{
	int r = http_flush(x);

	if (r < 0)
		return r;
	if (http_input_bytes(x) == 0) {
		x->head = NULL;
		x->input = chunk_put(x->input);
	}

	int64_t began_ns = time_now_ns();
	deadline_rearm(x->idle, FOREVER);
	r = sleep_for(ms);
	rearm(x);
	x->conn->waits.other_ns += time_now_ns() - began_ns;
	return r;
}

static int refuse_body(struct http_exchange *x, unsigned status, const char *why)
{
	x->refusal = (uint16_t) status;
	x->refusal_why = why;
	return -EBADMSG;
}

/* Content out of the input: its length, or 0 when all of the input was coding. */
static ssize_t take_content(struct http_exchange *x, const char **ret)
{
	const char *bytes = (const char *) x->input->bytes + x->input->begin;
	size_t used, content;

	if (x->body == HTTP_BODY_LENGTH) {
		used = content = MIN(chunk_length(x->input), x->body_left);
		x->body_left -= content;
		if (x->body_left == 0)
			x->body = HTTP_BODY_NONE;
	} else {
		switch (http_chunked_next(&x->chunked, bytes, chunk_length(x->input), &used, &content)) {
		case HTTP_MORE:
			break;
		case HTTP_DONE:
			x->body = HTTP_BODY_NONE;
			break;
		case HTTP_REFUSED:
			return refuse_body(x, 400, x->chunked.why);
		}
	}

	x->input->begin += (uint32_t) used;
	x->body_bytes += content;
	if (x->body_bytes > x->conn->service->max_body_bytes && x->body_asked)
		return refuse_body(x, 413, "the body is too large");
	*ret = bytes + used - content;
	return (ssize_t) content;
}

/* The next run of content, whoever wants it. */
static ssize_t next_content(struct http_exchange *x, const char **ret)
{
	ssize_t n = 0;

	while (n == 0 && x->body != HTTP_BODY_NONE) {
		if (http_input_bytes(x) == 0) {
			n = http_fill(x);
			if (n < 0)
				return n;
			if (n == 0)
				return refuse_body(x, 400, "the body ended early");
		}
		n = take_content(x, ret);
	}
	return n;
}

ssize_t http_read_body(struct http_exchange *x, const char **ret)
{
	if (!x->body_asked) {
		x->body_asked = true;
		if (x->body_left > MIN(x->conn->service->max_body_bytes, HTTP_LENGTH_UNKNOWN - 1))
			return refuse_body(x, 413, "the body is too large");
		/* A client that has begun to send does not wait for it any more. */
		if (x->continue_due && http_input_bytes(x) == 0) {
			int r = put(x, CONTINUE, sizeof(CONTINUE) - 1);
			if (r < 0)
				return r;
		}
		x->continue_due = false;
	}
	return next_content(x, ret);
}

int http_skip_body(struct http_exchange *x)
{
	const char *content;

	while (x->body != HTTP_BODY_NONE && !x->close) {
		ssize_t n = next_content(x, &content);

		if (n < 0)
			return (int) n;
		if (x->body_bytes > HTTP_SKIP_BYTES)
			http_close(x, "request body not read", 'L', 'D');
	}
	return 0;
}

/* -- responses -- */

/* Why the response to the connection's nth request is the last one; without words when it is not. */
static struct conn_end reason_to_close(const struct http_exchange *x, uint32_t nth)
{
	const struct http_request *q = &x->request;
	const struct conn *c = x->conn;
	const struct service *s = c->service;

	if (q->close || (q->minor == 0 && !q->keep_alive))
		return (struct conn_end) { "client asked to close", '-', '-' };
	if (c->stop_requested || s->retired)
		return (struct conn_end) { "stopped", 'K', '-' };
	if (s->max_requests && nth >= s->max_requests)
		return (struct conn_end) { "request limit", 'L', '-' };
	return (struct conn_end) { 0 };
}

bool http_is_last(const struct http_exchange *x)
{
	return reason_to_close(x, x->conn->requests + 1).words;
}

/* Whether this response is the last one, and why. */
static void decide_close(struct http_exchange *x)
{
	struct conn_end end = reason_to_close(x, x->conn->requests);

	if (end.words)
		http_close(x, end.words, end.who, end.when);
	/* A client that still waits for 100 may send its body or not: nobody could tell where the next request
	 * begins. */
	if (!x->body_asked && (x->continue_due || (x->body == HTTP_BODY_LENGTH && x->body_left > HTTP_SKIP_BYTES)))
		http_close(x, "request body not read", 'L', 'D');
}

static enum http_framing choose_framing(unsigned status, uint64_t length)
{
	if (http_status_is_bodiless(status))
		return HTTP_WITHOUT_BODY;
	return length == HTTP_LENGTH_UNKNOWN ? HTTP_FRAMED_IN_CHUNKS : HTTP_FRAMED_BY_LENGTH;
}

int http_begin(struct http_exchange *x, unsigned status, const char *type, const char *fields, uint64_t length)
{
	struct http_reply r = {
		.status = status,
		.type = type,
		.fields = fields,
		.framing = choose_framing(status, length),
		.length = length,
	};
	struct timespec now;
	size_t room;
	char *to;
	int e;

	decide_close(x);
	if (x->close)
		r.connection = "close";
	else if (x->request.minor == 0)
		r.connection = "keep-alive";

	e = room_for(x, HTTP_REPLY_HEAD_BYTES, &to, &room);
	if (e < 0)
		return e;
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	r.now = now.tv_sec;
	http_made(x, http_reply_print(&r, to));

	x->stage = HTTP_REPLY_BEGUN;
	x->in_chunks = r.framing == HTTP_FRAMED_IN_CHUNKS;
	x->without_content = r.framing == HTTP_WITHOUT_BODY || x->request.method == HTTP_HEAD;
	return 0;
}

/* The size line of a chunk of content (RFC 9112 section 7.1). */
static int put_chunk_size(struct http_exchange *x, size_t length)
{
	char line[2 * sizeof(length) + 2];
	size_t at = sizeof(line);

	line[--at] = '\n';
	line[--at] = '\r';
	do {
		line[--at] = "0123456789abcdef"[length & 15];
		length >>= 4;
	} while (length);
	return put(x, line + at, sizeof(line) - at);
}

int http_content(struct http_exchange *x, const char *bytes, size_t length)
{
	int r;

	if (x->counting) {
		x->counted += length;
		return 0;
	}
	if (x->without_content || length == 0)
		return 0;
	if (!x->in_chunks)
		return put(x, bytes, length);

	r = put_chunk_size(x, length);
	if (r == 0)
		r = put(x, bytes, length);
	return r < 0 ? r : put(x, "\r\n", 2);
}

int http_content_text(struct http_exchange *x, const char *text)
{
	return http_content(x, text, strlen(text));
}

int http_content_number(struct http_exchange *x, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char) ('0' + number % 10);
		number /= 10;
	} while (number);
	return http_content(x, digits + at, sizeof(digits) - at);
}

int http_end(struct http_exchange *x)
{
	x->stage = HTTP_REPLY_DONE;
	return x->in_chunks && !x->without_content ? put(x, "0\r\n\r\n", 5) : 0;
}

int http_reply(struct http_exchange *x, unsigned status, const char *fields, const char *text)
{
	size_t length = strlen(text);
	int r = http_begin(x, status, length ? HTTP_TEXT_PLAIN : NULL, fields, length);

	if (r == 0)
		r = http_content(x, text, length);
	return r < 0 ? r : http_end(x);
}

int http_reply_status(struct http_exchange *x, unsigned status, const char *fields, const char *details)
{
	const char *const parts[] = { " ", http_reason(status), details ? ": " : "", details ? details : "", "\n" };
	uint64_t length = 3;
	int r;

	for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
		length += strlen(parts[i]);

	r = http_begin(x, status, HTTP_TEXT_PLAIN, fields, length);
	if (r == 0)
		r = http_content_number(x, status);
	for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(parts); i++)
		r = http_content_text(x, parts[i]);
	return r < 0 ? r : http_end(x);
}

int http_reply_written(struct http_exchange *x, unsigned status, const char *type, http_write_fn *write)
{
	int r;

	x->counting = true;
	x->counted = 0;
	r = write(x);
	x->counting = false;

	if (r == 0)
		r = http_begin(x, status, type, "", x->counted);
	if (r == 0)
		r = write(x);
	return r < 0 ? r : http_end(x);
}

int http_refuse(struct http_exchange *x, unsigned status, const char *why, char who, char when)
{
	x->close = true;
	x->end = (struct conn_end) { why, who, when };
	return x->stage == HTTP_REPLY_NONE ? http_reply_status(x, status, "", why) : 0;
}
