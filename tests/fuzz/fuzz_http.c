/* fuzz_http.c - a request and a chunked body mean the same however the network has cut them.
 *
 * The input is what a client sends: the parser of heads gets it, then the decoder of bodies what is behind a head
 * that announces one, and all of it once more from its first byte. Each piece is a copy of its own size, so that a
 * read behind it is seen.
 */

#include "tests/fuzz/fuzz.h"

#include "base/ensure.h"
#include "service/http_chunked.h"
#include "service/http_field.h"
#include "service/http_parse.h"
#include "service/http_target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const fuzz_corpora[] = { "tests/fuzz/corpus/http", NULL };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void) argc;
	(void) argv;
	return 0;
}

static char *copy(const char *bytes, size_t length)
{
	char *exact = malloc(MAX(length, (size_t) 1));

	ENSURE(exact, "no memory");
	memcpy(exact, bytes, length);
	return exact;
}

/* The splits of an input depend on nothing but the input: a find is found again. */
struct splits {
	uint64_t state;
	size_t longest;
};

static struct splits splits_of(const char *bytes, size_t length, size_t longest)
{
	struct splits s = { .state = 14695981039346656037u, .longest = longest };

	for (size_t i = 0; i < length; i++)
		s.state = (s.state ^ (unsigned char) bytes[i]) * 1099511628211u;
	return s;
}

static size_t next_piece(struct splits *s)
{
	if (s->longest == SIZE_MAX)
		return SIZE_MAX;	/* all that there is */
	s->state = s->state * 6364136223846793005u + 1442695040888963407u;
	return 1 + (size_t) (s->state >> 33) % s->longest;
}

/* -- heads -- */

static bool span_equal(struct http_span a, struct http_span b)
{
	return a.at == b.at && a.length == b.length;
}

static void check_same_request(const struct http_request *a, const struct http_request *b)
{
	ENSURE(span_equal(a->method_text, b->method_text) && span_equal(a->target, b->target) &&
	       span_equal(a->path, b->path) && span_equal(a->query, b->query) && span_equal(a->fields, b->fields),
	       "the parts are elsewhere");
	ENSURE(a->method == b->method && a->minor == b->minor && a->asterisk == b->asterisk,
	       "the request line is another one");
	ENSURE(a->has_length == b->has_length && a->chunked == b->chunked && a->content_length == b->content_length &&
	       a->head_bytes == b->head_bytes, "the body is framed differently");
	ENSURE(a->close == b->close && a->keep_alive == b->keep_alive && a->accepts_json == b->accepts_json &&
	       a->expects_continue == b->expects_continue && a->expects_other == b->expects_other,
	       "the fields say something else");
}

/* Gives the head in growing copies, each at most `longest` bytes longer; the verdict has to be that of the whole. */
static void check_head_split(const char *bytes, size_t length, const struct http_request *whole,
			     enum http_verdict verdict, size_t longest)
{
	struct splits s = splits_of(bytes, length, longest);
	enum http_verdict v = HTTP_MORE;
	struct http_request q;

	http_request_init(&q);
	for (size_t at = 0; v == HTTP_MORE && at < length;) {
		char *exact;

		at += MIN(next_piece(&s), length - at);
		exact = copy(bytes, at);
		v = http_parse(&q, exact, at);
		free(exact);
	}
	ENSURE(v == verdict, "split, the verdict is %d, and %d of the whole", (int) v, (int) verdict);
	if (v == HTTP_DONE)
		check_same_request(&q, whole);
	if (v == HTTP_REFUSED)
		ENSURE(q.status == whole->status && strcmp(q.why, whole->why) == 0, "split: %u %s, whole: %u %s",
		       q.status, q.why, whole->status, whole->why);
}

/* Every line ends with CR LF, and neither stands anywhere else. */
static void check_line_ends(const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		ENSURE(bytes[i] != '\r' || (i + 1 < length && bytes[i + 1] == '\n'), "a CR without LF at %zu", i);
		ENSURE(bytes[i] != '\n' || (i > 0 && bytes[i - 1] == '\r'), "an LF without CR at %zu", i);
	}
}

static size_t count_hosts(const char *head, size_t length)
{
	size_t count = 0;

	for (size_t i = 0; i + 6 < length; i++)
		if (head[i] == '\n' && strncasecmp(head + i + 1, "host:", 5) == 0)
			count++;
	return count;
}

/* What another reader of the same bytes could see differently was refused. */
static void check_accepted(const struct http_request *q, const char *head, size_t length)
{
	struct http_span name, value;
	size_t cursor = 0, count = 0;
	char text[256];

	ENSURE(q->head_bytes <= length && q->head_bytes <= HTTP_HEAD_BYTES && q->head_bytes >= 4, "%u bytes of head",
	       q->head_bytes);
	ENSURE(memcmp(head + q->head_bytes - 4, "\r\n\r\n", 4) == 0, "a head without its empty line");
	for (size_t i = 0; i < q->head_bytes; i++)
		ENSURE(head[i], "a NUL at %zu", i);
	check_line_ends(head, q->head_bytes);
	ENSURE(!q->chunked || !q->has_length, "two lengths of one body");
	ENSURE(!q->chunked || q->minor > 0, "HTTP/1.0 knows no chunks");
	ENSURE(count_hosts(head, q->head_bytes) <= 1, "two hosts");
	ENSURE(q->minor == 0 || count_hosts(head, q->head_bytes) == 1, "no host");

	while (http_field_next(q, head, &cursor, &name, &value)) {
		ENSURE(name.length > 0 && value.at + value.length < q->head_bytes, "a field outside of the head");
		for (size_t i = 0; i < name.length; i++)
			ENSURE(http_is(head[name.at + i], HTTP_TOKEN), "a name that is no token");
		for (size_t i = 0; i < value.length; i++)
			ENSURE(http_is(head[value.at + i], HTTP_TEXT), "a value that is no text");
		count++;
	}
	ENSURE(count <= HTTP_FIELDS, "%zu fields", count);
	ENSURE(q->target.at + q->target.length <= q->head_bytes, "the target is outside of the head");
	ENSURE(http_percent_decode(head + q->path.at, q->path.length, text, sizeof text) <= (int) q->path.length,
	       "a path that grows");
	(void) !http_query_get(head + q->query.at, q->query.length, "status", text, sizeof text);
}

/* Returns how long the head is, with *ret_chunked whether a chunked body follows; 0: there is none. */
static size_t check_head(const char *bytes, size_t length, bool *ret_chunked)
{
	struct http_request whole;
	enum http_verdict verdict;

	http_request_init(&whole);
	verdict = http_parse(&whole, bytes, length);
	check_head_split(bytes, length, &whole, verdict, length < 512 ? 1 : 512);
	check_head_split(bytes, length, &whole, verdict, 16);
	check_head_split(bytes, length, &whole, verdict, 200);
	ENSURE(http_parse(&whole, bytes, length) == verdict, "a verdict that changes");

	*ret_chunked = whole.chunked;
	switch (verdict) {
	case HTTP_DONE:
		check_accepted(&whole, bytes, length);
		return whole.head_bytes;
	case HTTP_REFUSED:
		ENSURE(whole.status >= 400 && whole.status <= 599 && whole.why, "refused with %u", whole.status);
		return 0;
	case HTTP_MORE:
		ENSURE(length < HTTP_HEAD_BYTES, "more is wanted than a head may have");
	}
	return 0;
}

/* -- chunked bodies -- */

struct decoded {
	enum http_verdict verdict;
	const char *why;
	size_t used, content_bytes, coding_bytes;
	char *content, *coding;
};

static void decoded_done(struct decoded *d)
{
	free(d->content);
	free(d->coding);
}

static struct decoded decode(const char *bytes, size_t length, size_t longest)
{
	struct splits s = splits_of(bytes, length, longest);
	struct decoded d = { .content = malloc(length + 1), .coding = malloc(length + 1) };
	struct http_chunked state;

	ENSURE(d.content && d.coding, "no memory");
	http_chunked_init(&state);
	while (d.verdict == HTTP_MORE && d.used < length) {
		size_t piece = MIN(next_piece(&s), length - d.used), at = 0;
		char *exact = copy(bytes + d.used, piece);

		while (d.verdict == HTTP_MORE && at < piece) {
			size_t used, content;

			d.verdict = http_chunked_next(&state, exact + at, piece - at, &used, &content);
			ENSURE(used > 0 && used <= piece - at && content <= used, "%zu used, %zu content", used,
			       content);
			memcpy(d.coding + d.coding_bytes, exact + at, used - content);
			d.coding_bytes += used - content;
			at += used;
			memcpy(d.content + d.content_bytes, exact + at - content, content);
			d.content_bytes += content;
		}
		d.used += at;
		free(exact);
	}
	d.why = state.why;
	return d;
}

static void check_body_split(const char *bytes, size_t length, const struct decoded *whole, size_t longest)
{
	struct decoded d = decode(bytes, length, longest);

	ENSURE(d.verdict == whole->verdict, "split, the verdict is %d, and %d of the whole", (int) d.verdict,
	       (int) whole->verdict);
	ENSURE(d.why == whole->why || strcmp(d.why, whole->why) == 0, "split: %s, whole: %s", d.why, whole->why);
	ENSURE(d.used == whole->used, "split, %zu bytes are used, and %zu of the whole", d.used, whole->used);
	ENSURE(d.content_bytes == whole->content_bytes && memcmp(d.content, whole->content, d.content_bytes) == 0,
	       "split, the content is another one");
	decoded_done(&d);
}

static void check_body(const char *bytes, size_t length)
{
	struct decoded whole = decode(bytes, length, SIZE_MAX);

	ENSURE((whole.verdict == HTTP_REFUSED) == (whole.why != NULL), "refused without a word");
	ENSURE(whole.verdict != HTTP_MORE || whole.used == length, "%zu of %zu bytes used", whole.used, length);
	if (whole.verdict == HTTP_DONE)
		check_line_ends(whole.coding, whole.coding_bytes);
	check_body_split(bytes, length, &whole, 1);
	check_body_split(bytes, length, &whole, 7);
	check_body_split(bytes, length, &whole, 100);
	decoded_done(&whole);
}

/* Any bytes can be the content: cut into chunks, they come out as they were. */
static void check_content(const char *bytes, size_t length)
{
	struct splits s = splits_of(bytes, length, 100);
	char *coding = malloc(64 + length * 8);
	struct decoded d;
	size_t made = 0;

	ENSURE(coding, "no memory");
	for (size_t at = 0, piece; at < length; at += piece) {
		piece = MIN(next_piece(&s), length - at);
		made += (size_t) sprintf(coding + made, piece % 2 ? "%zx\r\n" : "%03zX;x\r\n", piece);
		memcpy(coding + made, bytes + at, piece);
		made += piece;
		made += (size_t) sprintf(coding + made, "\r\n");
	}
	made += (size_t) sprintf(coding + made, "0\r\nx: y\r\n\r\n");

	d = decode(coding, made, 30);
	ENSURE(d.verdict == HTTP_DONE || made > HTTP_EXTENSIONS_BYTES, "good chunks are refused: %s", d.why);
	if (d.verdict == HTTP_DONE)
		ENSURE(d.used == made && d.content_bytes == length && memcmp(d.content, bytes, length) == 0,
		       "the content is another one");
	decoded_done(&d);
	free(coding);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *bytes = copy((const char *) data, size);
	bool chunked;
	size_t head = check_head(bytes, size, &chunked);

	if (head > 0 && chunked)
		check_body(bytes + head, size - head);
	check_body(bytes, size);
	check_content(bytes, size);
	free(bytes);
	return 0;
}
