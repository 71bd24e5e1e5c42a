#include "service/http_paths.h"
#include "base/text.h"
#include "service/http_target.h"

#include <string.h>

#define SIZE_LIMIT (UINT64_C(1) << 30)
#define DRIP_LIMIT (UINT64_C(10) << 20)
#define TIME_LIMIT_MS INT64_C(60000)
#define LINE_BYTES 16		/* of /bytes: 15 digits and a newline */

/* A size with a unit, or a plain number of bytes. */
static int parse_size(const char *text, uint64_t limit, uint64_t *ret)
{
	uint64_t size;

	if (text_parse_number(text, &size) < 0 && text_parse_size(text, &size) < 0)
		return -EINVAL;
	if (size > limit)
		return -ERANGE;
	*ret = size;
	return 0;
}

/* A time with a unit, or a plain number of seconds, as other test servers take it. */
static int parse_time(const char *text, int64_t *ret_ms)
{
	uint64_t seconds;
	int64_t ms;

	if (text_parse_number(text, &seconds) == 0)
		ms = seconds <= (uint64_t) TIME_LIMIT_MS / 1000 ? (int64_t) seconds * 1000 : FOREVER;
	else if (text_parse_duration(text, &ms) < 0)
		return -EINVAL;
	if (ms > TIME_LIMIT_MS)
		return -ERANGE;
	*ret_ms = ms;
	return 0;
}

/* A line is its own offset in hexadecimal digits, so whoever has a piece of the whole knows where it belongs. */
static void print_line(char line[LINE_BYTES], uint64_t offset)
{
	for (int i = LINE_BYTES - 2; i >= 0; i--) {
		line[i] = "0123456789abcdef"[offset & 15];
		offset >>= 4;
	}
	line[LINE_BYTES - 1] = '\n';
}

/* The line that follows, without doing all digits again. The last digit of an offset is always 0. */
static void advance_line(char line[LINE_BYTES])
{
	for (int i = LINE_BYTES - 3; i >= 0; i--) {
		line[i] = line[i] == '9' ? 'a' : line[i] == 'f' ? '0' : (char) (line[i] + 1);
		if (line[i] != '0')
			return;
	}
}

static void make_bytes(char *to, size_t length, uint64_t offset)
{
	size_t skip = offset % LINE_BYTES, n = MIN(length, LINE_BYTES - skip);
	char line[LINE_BYTES];

	print_line(line, offset - skip);
	memcpy(to, line + skip, n);
	for (to += n, length -= n; length >= LINE_BYTES; to += LINE_BYTES, length -= LINE_BYTES) {
		advance_line(line);
		memcpy(to, line, LINE_BYTES);
	}
	advance_line(line);
	memcpy(to, line, length);
}

int http_bytes(struct http_exchange *x, const char *rest)
{
	uint64_t size;
	int r;

	if (parse_size(rest, SIZE_LIMIT, &size) < 0)
		return http_reply_status(x, 400, "", "a size is so many bytes, or has a unit like 64k; at most 1g");

	r = http_begin(x, 200, HTTP_OCTETS, "", size);
	if (x->without_content)
		return r < 0 ? r : http_end(x);
	for (uint64_t done = 0; r == 0 && done < size;) {
		size_t room;
		char *to;

		r = http_room(x, &to, &room);
		if (r < 0)
			return r;
		room = MIN(room, size - done);
		make_bytes(to, room, done);
		http_made(x, room);
		done += room;
	}
	return r < 0 ? r : http_end(x);
}

int http_delay(struct http_exchange *x, const char *rest)
{
	int64_t ms;
	int r;

	if (parse_time(rest, &ms) < 0)
		return http_reply_status(x, 400, "", "a time has a unit like 250ms, or is in seconds; at most 1m");
	r = http_pause(x, ms);
	return r < 0 ? r : http_reply(x, 200, "", "late\n");
}

/* -- drip -- */

struct drip {
	int64_t duration_ms, delay_ms;
	uint64_t bytes;
};

/* Reads one parameter of the query; what is not there keeps its default. */
static int read_time(const struct http_exchange *x, const char *name, int64_t *time_ms)
{
	const struct http_request *q = &x->request;
	char text[TEXT_SHORT_BYTES];
	int r = http_query_get(x->head + q->query.at, q->query.length, name, text, sizeof(text));

	return r <= 0 ? r : parse_time(text, time_ms);
}

static int read_drip(const struct http_exchange *x, struct drip *d)
{
	const struct http_request *q = &x->request;
	char text[TEXT_SHORT_BYTES];
	int r = read_time(x, "duration", &d->duration_ms);

	if (r == 0)
		r = read_time(x, "delay", &d->delay_ms);
	if (r == 0)
		r = http_query_get(x->head + q->query.at, q->query.length, "bytes", text, sizeof(text));
	return r <= 0 ? r : parse_size(text, DRIP_LIMIT, &d->bytes);
}

static int send_stars(struct http_exchange *x, uint64_t count)
{
	static const char stars[] = "****************************************************************";
	int r = 0;

	while (r == 0 && count > 0) {
		size_t n = MIN(count, sizeof(stars) - 1);

		r = http_content(x, stars, n);
		count -= n;
	}
	return r;
}

/* The first byte at once and the others evenly over the duration; several together where that is more than one in
 * a millisecond. */
static int send_drops(struct http_exchange *x, const struct drip *d)
{
	uint64_t steps = MIN(d->bytes, (uint64_t) MAX(d->duration_ms, INT64_C(1)));
	int64_t start_ns = time_now_ns();
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < steps; i++) {
		int64_t due_ms = (int64_t) ((uint64_t) d->duration_ms * i / steps);
		int64_t now_ms = (time_now_ns() - start_ns) / NS_PER_MS;

		if (due_ms > now_ms)
			r = http_pause(x, due_ms - now_ms);
		if (r == 0)
			r = send_stars(x, d->bytes * (i + 1) / steps - d->bytes * i / steps);
	}
	return r;
}

int http_drip(struct http_exchange *x, const char *rest)
{
	struct drip d = { .duration_ms = 2000, .bytes = 10 };
	int r;

	(void) rest;
	if (read_drip(x, &d) < 0)
		return http_reply_status(x, 400, "", "duration and delay are times up to 1m, bytes up to 10m");

	r = d.delay_ms > 0 ? http_pause(x, d.delay_ms) : 0;
	if (r == 0)
		r = http_begin(x, 200, HTTP_OCTETS, "", d.bytes);
	if (r == 0 && !x->without_content)
		r = send_drops(x, &d);
	return r < 0 ? r : http_end(x);
}
