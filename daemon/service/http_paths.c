#include "service/http_paths.h"
#include "base/text.h"
#include "service/http_target.h"

#include <string.h>

#define PATH_BYTES 64		/* a longer one is none of ours */
#define ALLOW_BYTES 128
#define HEALTH_BYTES 16		/* of a POST to /health */
#define READ (HTTP_GET | HTTP_HEAD)
#define SET (HTTP_POST | HTTP_PUT)
#define ANY (READ | SET | HTTP_PATCH | HTTP_DELETE)

static int answer_root(struct http_exchange *x, const char *rest)
{
	(void) rest;
	return http_reply(x, 200, "", "Corelay is listening. Try /whoami.\n");
}

/* Returns the request's body as it comes, so a client that reads nothing before it has sent all can be stopped by
 * its own echo: a body that the sockets' buffers do not hold needs a client that does both. Otherwise the idle
 * timeout ends it. */
static int answer_echo(struct http_exchange *x, const char *rest)
{
	const struct http_request *q = &x->request;
	const char *content;
	ssize_t n = http_read_body(x, &content);
	int r;

	(void) rest;
	if (n < 0)
		return (int) n;
	r = http_begin(x, 200, HTTP_OCTETS, "", q->chunked ? HTTP_LENGTH_UNKNOWN : q->content_length);
	while (r == 0 && n > 0) {
		r = http_content(x, content, (size_t) n);
		if (r == 0)
			n = http_read_body(x, &content);
	}
	if (r == 0 && n < 0)
		r = (int) n;
	return r < 0 ? r : http_end(x);
}

/* The status that text asks for: 200 to 599. */
static int parse_status(const char *text, unsigned *ret)
{
	uint64_t status;

	if (text_parse_number(text, &status) < 0 || status < 200 || status > 599)
		return -EINVAL;
	*ret = (unsigned) status;
	return 0;
}

/* Fields that some statuses may not be sent without (RFC 9110 section 15). */
static const char *status_fields(unsigned status)
{
	switch (status) {
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		return "Location: /\r\n";
	case 401:
		return "WWW-Authenticate: Basic realm=\"corelay\"\r\n";
	case 405:
		return "Allow: GET\r\n";
	case 407:
		return "Proxy-Authenticate: Basic realm=\"corelay\"\r\n";
	case 426:
		return "Upgrade: HTTP/1.1\r\n";
	default:
		return "";
	}
}

static int reply_that_status(struct http_exchange *x, unsigned status)
{
	if (http_status_is_bodiless(status) || status == 205)
		return http_reply(x, status, status_fields(status), "");
	return http_reply_status(x, status, status_fields(status), NULL);
}

static int answer_status(struct http_exchange *x, const char *rest)
{
	unsigned status;

	if (parse_status(rest, &status) < 0)
		return http_reply_status(x, 400, "", "a status is a number from 200 to 599");
	return reply_that_status(x, status);
}

/* The status that a POST to /health sets: in ?status= or in the body. */
static int read_health(struct http_exchange *x, unsigned *ret)
{
	const struct http_request *q = &x->request;
	char text[HEALTH_BYTES];
	size_t used = 0;
	const char *content;
	ssize_t n;
	int r = http_query_get(x->head + q->query.at, q->query.length, "status", text, sizeof(text));

	if (r != 0)
		return r < 0 ? -EINVAL : parse_status(text, ret);

	while ((n = http_read_body(x, &content)) > 0) {
		if ((size_t) n >= sizeof(text) - used)
			return -EINVAL;
		memcpy(text + used, content, (size_t) n);
		used += (size_t) n;
	}
	if (n < 0)
		return (int) n;
	while (used > 0 && (text[used - 1] == '\n' || text[used - 1] == '\r'))
		used--;
	text[used] = '\0';
	return parse_status(text, ret);
}

static int answer_health(struct http_exchange *x, const char *rest)
{
	struct service *s = x->conn->service;
	int r;

	(void) rest;
	if (x->request.method & SET) {
		r = read_health(x, &s->health_status);
		if (r == -EINVAL)
			return http_reply_status(x, 400, "", "set 200 to 599 by ?status= or the body");
		return r < 0 ? r : http_reply(x, 200, "", "set\n");
	}
	if (s->health_status == 200)
		return http_reply(x, 200, "", "ok\n");
	return reply_that_status(x, s->health_status);
}

/* A name that ends with a slash stands for all that begins with it. OPTIONS is always there. */
static const struct path {
	const char *name, *usage, *what;
	unsigned methods;
	http_path_fn *answer;
	bool at_hand;			/* what is read there is shorter than HTTP_AT_HAND_BYTES, and made at once */
} paths[] = {
	{ "/", "/", "a short text", READ, answer_root, true },
	{ "/whoami", "/whoami", "this connection, your request; ?format=json", READ, http_whoami, false },
	{ "/echo", "/echo", "the body that you send", ANY, answer_echo, false },
	{ "/bytes/", "/bytes/SIZE", "bytes, in lines that are their own offset; up to 1g", READ, http_bytes, false },
	{ "/delay/", "/delay/TIME", "an answer after a time; up to 1m", READ, http_delay, false },
	{ "/drip", "/drip?duration=TIME&bytes=SIZE&delay=TIME", "bytes, evenly spread", READ, http_drip, false },
	{ "/status/", "/status/CODE", "that status, 200 to 599", ANY, answer_status, true },
	{ "/health", "/health", "200, or what was set by POST with ?status=CODE", READ | SET, answer_health, true },
};

static const struct path *find_path(const char *path, const char **ret_rest)
{
	for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
		size_t n = strlen(paths[i].name);
		bool prefix = n > 1 && paths[i].name[n - 1] == '/';

		if (strncmp(path, paths[i].name, n) == 0 && (prefix || path[n] == '\0')) {
			*ret_rest = path + n;
			return &paths[i];
		}
	}
	return NULL;
}

/* As the client wrote it: one that has percents in its name is left to find_path(). */
static bool path_is_at_hand(const char *text, size_t length)
{
	for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
		size_t n = strlen(paths[i].name);
		bool prefix = n > 1 && paths[i].name[n - 1] == '/';

		if (paths[i].at_hand && (prefix ? length > n : length == n) && memcmp(text, paths[i].name, n) == 0)
			return true;
	}
	return false;
}

bool http_is_at_hand(const struct http_exchange *x, const char *head)
{
	const struct http_request *q = &x->request;
	bool has_body = q->chunked || q->content_length > 0;

	return (q->method & READ) && !has_body && !q->expects_other && !http_is_last(x) &&
	       path_is_at_hand(head + q->path.at, q->path.length);
}

/* "Allow: GET, HEAD, OPTIONS" */
static const char *print_allow(unsigned methods, char buffer[ALLOW_BYTES])
{
	static const char *const names[] = { "GET, ", "HEAD, ", "POST, ", "PUT, ", "PATCH, ", "DELETE, " };
	char *to = stpcpy(buffer, "Allow: ");

	for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
		if (methods & (1u << i))
			to = stpcpy(to, names[i]);
	stpcpy(to, "OPTIONS\r\n");
	return buffer;
}

static int write_paths(struct http_exchange *x)
{
	int r = http_content_text(x, "404 Not Found\n\n");

	for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(paths); i++) {
		const char *const parts[] = { paths[i].usage, "\n\t", paths[i].what, "\n" };

		for (size_t k = 0; r == 0 && k < ARRAY_LENGTH(parts); k++)
			r = http_content_text(x, parts[k]);
	}
	return r;
}

static int answer_expectation(struct http_exchange *x)
{
	/* Nobody knows whether its body will come. */
	if (x->body != HTTP_BODY_NONE)
		http_close(x, "request body not read", 'L', 'D');
	return http_reply_status(x, 417, "", "only 100-continue can be expected");
}

static int answer_path(struct http_exchange *x, const char *path)
{
	char allow[ALLOW_BYTES];
	const char *rest;
	const struct path *p = find_path(path, &rest);

	if (!p)
		return http_reply_written(x, 404, HTTP_TEXT_PLAIN, write_paths);
	if (x->request.method == HTTP_OPTIONS)
		return http_reply(x, 204, print_allow(p->methods, allow), "");
	if (!(x->request.method & p->methods))
		return http_reply_status(x, 405, print_allow(p->methods, allow), NULL);
	return p->answer(x, rest);
}

int http_answer(struct http_exchange *x)
{
	const struct http_request *q = &x->request;
	char path[PATH_BYTES] = "/", allow[ALLOW_BYTES];
	int r;

	if (q->expects_other)
		return answer_expectation(x);
	if (q->method == HTTP_OTHER)
		return http_reply_status(x, 501, "", "no such method");
	if (q->asterisk)
		return http_reply(x, 204, print_allow(ANY, allow), "");

	if (q->path.length > 0) {
		r = http_percent_decode(x->head + q->path.at, q->path.length, path, sizeof(path));
		if (r == -EINVAL)
			return http_reply_status(x, 400, "", "a path has no NUL");
		if (r < 0)
			path[0] = '\0';
	}
	return answer_path(x, path);
}
