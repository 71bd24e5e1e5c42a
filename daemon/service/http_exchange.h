/* http_exchange.h - requests in and responses out, while a connection has any in hand.
 *
 * An exchange lives from the first byte of a request until nothing more has been read than was answered.
 * Meanwhile it holds one chunk of input at most, and one of output that gathers the responses of a pipelined
 * batch: it is sent when it is full, and before every wait for input or time. When the pool has no chunk to spare
 * for output, a few bytes of the exchange itself do, so that exchanges never wait for each other's chunks.
 */
#pragma once

#include "service/conn.h"
#include "service/http_chunked.h"
#include "service/http_parse.h"
#include "service/http_reply.h"

#define HTTP_SKIP_BYTES (64 * 1024)	/* of a body that nobody wants; behind more the connection ends instead */
#define HTTP_LINGER_MS 2000
#define HTTP_LENGTH_UNKNOWN UINT64_MAX
#define HTTP_TEXT_PLAIN "text/plain; charset=utf-8"
#define HTTP_OCTETS "application/octet-stream"

enum http_stage { HTTP_REPLY_NONE, HTTP_REPLY_BEGUN, HTTP_REPLY_DONE };
enum http_body { HTTP_BODY_NONE, HTTP_BODY_LENGTH, HTTP_BODY_CHUNKED };

/* What an exchange goes on with, or has left: each may be NULL. */
struct http_left {
	struct chunk *input;			/* read, and not used yet */
	struct chunk *output;			/* yet to be sent */
};
/* Gives them back. */
void http_left_drop(struct http_left *left);

struct http_exchange {
	struct conn *conn;
	struct deadline *idle;			/* the connection's; moved by every progress */
	struct chunk *input;			/* NULL: all that was read has been used */
	struct chunk *output;			/* NULL: nothing is to be sent, or it is in `spare` */

	struct http_request request;
	const char *head;			/* of the request; NULL once its place was given to other bytes */

	/* the request's body */
	enum http_body body;			/* of what is left; none once all was read */
	bool body_asked;			/* somebody reads it */
	bool continue_due;			/* the client waits for 100 before it sends it */
	bool reading;				/* the wait that failed last was for the client's bytes */
	uint64_t body_left, body_bytes;
	struct http_chunked chunked;
	uint16_t refusal;			/* the status that says what is wrong with the body */
	const char *refusal_why;

	/* the response */
	enum http_stage stage;
	bool without_content;			/* to HEAD, or of such a status */
	bool in_chunks;
	bool counting;				/* content is only measured, see http_reply_written() */
	uint64_t counted;

	bool close;				/* the present response is the last one */
	struct conn_end end;			/* why, once `close` is set */
	uint16_t spare_used;
	char spare[HTTP_REPLY_HEAD_BYTES];
};

void http_exchange_init(struct http_exchange *x, struct conn *c, struct deadline *idle, struct http_left left);
void http_exchange_done(struct http_exchange *x);
/* Ends one that has nothing in `spare`: what it has left. Chunks without bytes are given back. */
struct http_left http_exchange_leave(struct http_exchange *x);

/* What was read and not used yet. */
static inline size_t http_input_bytes(const struct http_exchange *x)
{
	return x->input ? chunk_length(x->input) : 0;
}

/* Makes ready for a next request. */
void http_exchange_next(struct http_exchange *x);
/* The request's head has been parsed from the front of the input: counts it, goes past it and sets the body up. */
void http_exchange_begin(struct http_exchange *x);

/* [suspends] Sends what is to be sent and reads more behind the input that is left. Bytes read, 0 at the client's
 * end, -errno. */
ssize_t http_fill(struct http_exchange *x) _must_check_;
/* [suspends] Sends what is to be sent. */
int http_flush(struct http_exchange *x) _must_check_;
/* [suspends] Sends what is to be sent and waits, holding no more than it must; the idle timeout does not count
 * meanwhile. */
int http_pause(struct http_exchange *x, int64_t ms) _must_check_;

/* [suspends] The next run of the request's content, good until the next call: its length; 0 at the end; -errno. A
 * body that is malformed, ends early or is larger than the service takes is -EBADMSG, with the answer to give in
 * `refusal`. A client that waits for 100 (Continue) gets it here, so read before replying. */
ssize_t http_read_body(struct http_exchange *x, const char **ret) _must_check_;
/* [suspends] Reads the rest of a body that nobody asked for, so that the next request is found behind it. */
int http_skip_body(struct http_exchange *x) _must_check_;

/* True when the response to the request that was parsed, and is yet to be begun, will be the last one. */
bool http_is_last(const struct http_exchange *x);
/* This response shall be the last one; the first reason given stays. */
void http_close(struct http_exchange *x, const char *words, char who, char when);

/* [suspends] Begins a response. `type` may be NULL, `fields` are whole lines or "". Nothing in either comes from
 * a client. HTTP_LENGTH_UNKNOWN: it goes out in chunks, which is for requests that came so (HTTP/1.0 knows none). */
int http_begin(struct http_exchange *x, unsigned status, const char *type, const char *fields,
	       uint64_t length) _must_check_;
/* [suspends] Content; dropped where the response has none. */
int http_content(struct http_exchange *x, const char *bytes, size_t length) _must_check_;
int http_content_text(struct http_exchange *x, const char *text) _must_check_;
int http_content_number(struct http_exchange *x, uint64_t number) _must_check_;
/* [suspends] For content that is made in place, of responses with a length: where it goes; then http_made() says
 * how much was. */
int http_room(struct http_exchange *x, char **ret, size_t *ret_bytes) _must_check_;
void http_made(struct http_exchange *x, size_t length);
/* [suspends] Ends the response. */
int http_end(struct http_exchange *x) _must_check_;

/* [suspends] A whole response with that text. */
int http_reply(struct http_exchange *x, unsigned status, const char *fields, const char *text) _must_check_;
/* [suspends] A whole response that says its own status, with literal details or NULL. */
int http_reply_status(struct http_exchange *x, unsigned status, const char *fields, const char *details) _must_check_;
/* [suspends] A whole response with what `write` gives to http_content(). It is called twice, first to learn the
 * length. */
typedef int http_write_fn(struct http_exchange *x);
int http_reply_written(struct http_exchange *x, unsigned status, const char *type, http_write_fn *write) _must_check_;

/* [suspends] The last response, to what cannot be served: says why. One that has begun is cut off, visibly: its
 * end is missing. */
int http_refuse(struct http_exchange *x, unsigned status, const char *why, char who, char when) _must_check_;
