/* The HTTP service whole, on real sockets and a virtual clock: what it answers, in which order, and when it
 * closes. */
#include "base/log.h"
#include "net/fd.h"
#include "service/conn.h"
#include "service/http_exchange.h"
#include "tests/support/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define HEARD_BYTES (256 * 1024)
#define H " HTTP/1.1\r\nHost: a\r\n"

/* Never freed by the service: the test's own reference stays. */
static struct config configuration = { .references = 1 };

/* What a client does, and what comes of it. */
struct talk {
	const char *say;
	size_t say_bytes;		/* 0: the string's length */
	size_t piece_bytes;		/* sent so many at a time, with a pause after each; 0: at once */
	bool stay;			/* does not finish its own side: waits for ours */
	bool packets;			/* over a socket that shows each write */
	int64_t deaf_ms;		/* reads nothing for so long */
	int send_buffer;		/* of the service's socket; 0: as it is */
	struct service_config sc;
	task_fn *meanwhile;		/* runs beside it, with the talk as its argument */
	size_t chunk_limit;

	struct conn *conn;		/* while it lives */
	struct service *service;
	struct stream *mine;
	char heard[HEARD_BYTES];
	size_t heard_bytes;
	unsigned reads;			/* that brought something */
	int64_t took_ms;
	uint32_t health;
	char record[1024];		/* the connection's end record */
};

static void keep_record(void *context, enum log_level level, const char *line, size_t length)
{
	struct talk *t = context;

	(void) level;
	snprintf(t->record, sizeof(t->record), "%.*s", (int) length, line);
}

static int say(struct talk *t)
{
	size_t length = t->say_bytes ? t->say_bytes : strlen(t->say);
	size_t piece = t->piece_bytes ? t->piece_bytes : length;

	for (size_t at = 0; at < length; at += piece) {
		int r = stream_write(t->mine, t->say + at, MIN(piece, length - at));
		if (r < 0)
			return r;
		if (t->piece_bytes && (r = sleep_for(1)) < 0)
			return r;
	}
	return t->stay ? 0 : stream_finish(t->mine);
}

static int hear(struct talk *t)
{
	for (;;) {
		ssize_t n = stream_read(t->mine, t->heard + t->heard_bytes, sizeof(t->heard) - 1 - t->heard_bytes);

		if (n <= 0)
			return (int) n;
		t->heard_bytes += (size_t) n;
		t->reads++;
		assert_true(t->heard_bytes < sizeof(t->heard) - 1);
	}
}

static int start_conn(struct talk *t, struct task_group *g)
{
	struct endpoint peer = { .any.sa_family = AF_UNIX };
	int ends[2];

	assert_int_equal(service_new(&t->sc, &configuration, &(struct service_parts) { 0 }, &t->service), 0);
	if (t->packets)
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	else
		harness_socketpair(ends);
	if (t->send_buffer)
		setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &t->send_buffer, sizeof(t->send_buffer));
	assert_int_equal(stream_new(ends[0], &t->mine), 0);
	assert_int_equal(conn_new(t->service, 7, ends[1], &peer, &t->conn), 0);
	return conn_start(t->conn, g);
}

static int talk_body(void *arg)
{
	struct talk *t = arg;
	int64_t began_ms = time_now_ms();

	chunk_set_limit(t->chunk_limit ? t->chunk_limit : 4096);
	{
		TASK_GROUP(group, GROUP_EACH);

		assert_int_equal(start_conn(t, &group), 0);
		if (t->meanwhile)
			assert_int_equal(task_spawn(&group, "meanwhile", t->meanwhile, t, NULL), 0);
		if (say(t) == 0 && sleep_for(t->deaf_ms) == 0)
			(void) hear(t);
		assert_int_equal(group_wait(&group), 0);
	}
	t->took_ms = time_now_ms() - began_ms;
	t->health = t->service->health_status;
	t->mine = stream_free(t->mine);
	t->service = service_unref(t->service);
	return 0;
}

static struct talk talk_of(const char *text)
{
	return (struct talk) {
		.say = text,
		.sc = {
			.name = (char *) "web",
			.type = (char *) "http",
			.idle_timeout_ms = 60000,
			.session_timeout_ms = FOREVER,
			.header_timeout_ms = 10000,
			.max_body_bytes = 1 << 20,
		},
	};
}

/* The date is the one thing in an answer that no test can know. */
static void cut_dates(struct talk *t)
{
	for (char *date = t->heard; (date = strstr(date, "Date: "));) {
		char *end = strstr(date, "\r\n") + 2;

		memmove(date, end, strlen(end) + 1);
	}
}

static void run(struct talk *t)
{
	log_set_sink(keep_record, t);
	assert_int_equal(harness_run(talk_body, t), 0);
	log_set_sink(NULL, NULL);
	t->heard[t->heard_bytes] = '\0';
	cut_dates(t);
}

static void expect(const char *request, const char *answer)
{
	struct talk *t = malloc(sizeof(*t));

	assert_non_null(t);
	*t = talk_of(request);
	run(t);
	assert_string_equal(t->heard, answer);
	free(t);
}

static void expect_piece(const char *request, const char *piece)
{
	struct talk *t = malloc(sizeof(*t));

	assert_non_null(t);
	*t = talk_of(request);
	run(t);
	if (!strstr(t->heard, piece))
		fail_msg("no '%s' in: %s", piece, t->heard);
	free(t);
}

static size_t count_of(const char *text, const char *piece)
{
	size_t n = 0;

	for (; (text = strstr(text, piece)); text++)
		n++;
	return n;
}

#define PLAIN "Content-Type: text/plain; charset=utf-8\r\n"
#define LENGTH(length) "Content-Length: " #length "\r\n"
#define TEXT_200(length) "HTTP/1.1 200 OK\r\n" PLAIN LENGTH(length)
#define OCTETS_200 "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
#define ROOT TEXT_200(35) "\r\nCorelay is listening. Try /whoami.\n"

/* -- paths -- */

static void root_is_a_short_text(void **state)
{
	(void) state;
	expect("GET /" H "\r\n", ROOT);
	expect("GET http://a" H "\r\n", ROOT);
	expect("HEAD /" H "\r\n", TEXT_200(35) "\r\n");
}

static void echo_returns_the_body(void **state)
{
	(void) state;
	expect("POST /echo" H "Content-Length: 5\r\n\r\nhello", OCTETS_200 "Content-Length: 5\r\n\r\nhello");
	expect("PUT /%65cho?x" H "\r\n", OCTETS_200 "Content-Length: 0\r\n\r\n");
	expect("POST /echo" H "Transfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n1\r\n!\r\n0\r\nT: r\r\n\r\n",
	       OCTETS_200 "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n");
	expect("HEAD /echo" H LENGTH(5) "\r\nhelloGET /" H "\r\n", OCTETS_200 "Content-Length: 5\r\n\r\n" ROOT);
}

static void bytes_are_lines_of_their_offset(void **state)
{
	(void) state;
	expect("GET /bytes/20" H "\r\n", OCTETS_200 "Content-Length: 20\r\n\r\n000000000000000\n0000");
	expect("GET /bytes/0" H "\r\n", OCTETS_200 "Content-Length: 0\r\n\r\n");
	expect("HEAD /bytes/1g" H "\r\n", OCTETS_200 "Content-Length: 1073741824\r\n\r\n");
	expect_piece("GET /bytes/1025m" H "\r\n", "HTTP/1.1 400 ");
	expect_piece("GET /bytes/x" H "\r\n", "HTTP/1.1 400 ");
	expect_piece("GET /bytes/" H "\r\n", "HTTP/1.1 400 ");
}

static void many_bytes_keep_their_places(void **state)
{
	struct talk *t = malloc(sizeof(*t));
	const char *body;

	(void) state;
	assert_non_null(t);
	*t = talk_of("GET /bytes/100001" H "\r\n");
	run(t);
	body = strstr(t->heard, "\r\n\r\n") + 4;
	assert_int_equal(strlen(body), 100001);
	for (size_t at = 0; at + 16 <= 100001; at += 16) {
		char line[17];

		snprintf(line, sizeof(line), "%015zx\n", at);
		assert_memory_equal(body + at, line, 16);
	}
	free(t);
}

static void status_is_answered_with_its_own_rules(void **state)
{
	(void) state;
	expect("GET /status/503" H "\r\n",
	       "HTTP/1.1 503 Service Unavailable\r\n" PLAIN LENGTH(24) "\r\n503 Service Unavailable\n");
	expect("GET /status/204" H "\r\nGET /status/304" H "\r\nGET /" H "\r\n",
	       "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n" ROOT);
	expect("GET /status/205" H "\r\n",
	       "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n");
	expect_piece("GET /status/299" H "\r\n", "HTTP/1.1 299 \r\n");
	expect_piece("GET /status/401" H "\r\n", "\r\nWWW-Authenticate: ");
	expect_piece("GET /status/302" H "\r\n", "\r\nLocation: /\r\n");
	expect_piece("GET /status/199" H "\r\n", "HTTP/1.1 400 ");
	expect_piece("GET /status/600" H "\r\n", "HTTP/1.1 400 ");
	expect_piece("GET /status/2e2" H "\r\n", "HTTP/1.1 400 ");
}

static int64_t time_for(const char *request, const char *piece)
{
	struct talk *t = malloc(sizeof(*t));
	int64_t took_ms;

	assert_non_null(t);
	*t = talk_of(request);
	t->sc.idle_timeout_ms = 1000;
	run(t);
	if (!strstr(t->heard, piece))
		fail_msg("no '%s' in: %s", piece, t->heard);
	took_ms = t->took_ms;
	free(t);
	return took_ms;
}

static void delay_takes_its_time_in_spite_of_the_idle_timeout(void **state)
{
	(void) state;
	assert_int_equal(time_for("GET /delay/1m" H "\r\n", "\r\n\r\nlate\n"), 60000);
	assert_int_equal(time_for("GET /delay/3" H "\r\n", "\r\n\r\nlate\n"), 3000);
	assert_int_equal(time_for("GET /delay/61" H "\r\n", "HTTP/1.1 400 "), 0);
	assert_int_equal(time_for("GET /delay/off" H "\r\n", "HTTP/1.1 400 "), 0);
	assert_int_equal(time_for("GET /delay/x" H "\r\n", "HTTP/1.1 400 "), 0);
}

static void drip_spreads_its_bytes(void **state)
{
	(void) state;
	assert_int_equal(time_for("GET /drip" H "\r\n", "Content-Length: 10\r\n\r\n**********"), 1800);
	assert_int_equal(time_for("GET /drip?duration=3s&bytes=3&delay=5s" H "\r\n", "\r\n\r\n***"), 7000);
	assert_int_equal(time_for("GET /drip?bytes=0" H "\r\n", "Content-Length: 0\r\n\r\n"), 0);
	assert_int_equal(time_for("GET /drip?duration=1s&bytes=5000" H "\r\n", LENGTH(5000) "\r\n*****"), 999);
	assert_int_equal(time_for("HEAD /drip?duration=3s&bytes=3" H "\r\n", "Content-Length: 3\r\n\r\n"), 0);
	assert_int_equal(time_for("GET /drip?bytes=11m" H "\r\n", "HTTP/1.1 400 "), 0);
	assert_int_equal(time_for("GET /drip?duration=-1s" H "\r\n", "HTTP/1.1 400 "), 0);
}

static void health_can_be_set(void **state)
{
	(void) state;
	expect("GET /health" H "\r\n", TEXT_200(3) "\r\nok\n");
	expect_piece("POST /health?status=503" H "\r\nGET /health" H "\r\n", "HTTP/1.1 503 Service Unavailable\r\n");
	expect_piece("PUT /health" H LENGTH(5) "\r\n429\r\nGET /health" H "\r\n", "HTTP/1.1 429 Too Many");
	expect_piece("POST /health?status=600" H "\r\n", "HTTP/1.1 400 ");
	expect_piece("POST /health" H LENGTH(20) "\r\n00000000000000000200GET /" H "\r\n", "HTTP/1.1 400 ");
	expect_piece("POST /health" H "\r\n", "HTTP/1.1 400 ");
	expect_piece("POST /health?status=204" H "\r\nGET /health" H "\r\nGET /" H "\r\n",
		     "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n");
}

static void whoami_shows_the_connection_and_the_request(void **state)
{
	char wanted[512];

	(void) state;
	snprintf(wanted, sizeof(wanted),
		 "peer: unix\nlocal: unix\nservice: web\ntls: off\nworker: 0\npid: %d\nconnection: 7\nrequest: 2\n\n"
		 "GET /whoami?x HTTP/1.1\nHost: a\nX: \xc3\xa9 \\xc2\\x9b \\xff \"\\ \\x09.\n",
		 (int) getpid());
	expect_piece("GET /" H "\r\nGET /whoami?x" H "X: \xc3\xa9 \xc2\x9b \xff \"\\ \t.\r\n\r\n", wanted);
}

static void whoami_speaks_json_when_asked(void **state)
{
	static const char end[] = "\"method\": \"GET\",\n  \"target\": \"/whoami\",\n  \"minor_version\": 1,\n"
				  "  \"headers\": [\n"
				  "    {\"name\": \"Host\", \"value\": \"a\"},\n"
				  "    {\"name\": \"X\", \"value\": \"\xc3\xa9 \\u00ff \\u0022\\u005c \\u0009.\"},\n"
				  "    {\"name\": \"Accept\", \"value\": \"application/json\"}\n  ]\n}\n";

	(void) state;
	expect_piece("GET /whoami" H "X: \xc3\xa9 \xff \"\\ \t.\r\nAccept: application/json\r\n\r\n", end);
	expect_piece("GET /whoami?format=json" H "\r\n", "Content-Type: application/json\r\n");
	expect_piece("GET /whoami?format=text" H "Accept: application/json\r\n\r\n", "Content-Type: text/plain");
}

static void length_of_whoami_is_right(void **state)
{
	struct talk *t = malloc(sizeof(*t));
	const char *body, *length;

	(void) state;
	assert_non_null(t);
	*t = talk_of("GET /whoami" H "X: \xff\xff\r\n\r\n");
	run(t);
	body = strstr(t->heard, "\r\n\r\n") + 4;
	length = strstr(t->heard, "Content-Length: ") + 16;
	assert_int_equal(strtoul(length, NULL, 10), strlen(body));
	free(t);
}

static void unknown_path_lists_the_paths(void **state)
{
	(void) state;
	expect_piece("GET /nope" H "\r\n", "HTTP/1.1 404 Not Found\r\n");
	expect_piece("GET /nope" H "\r\n", "\n/status/CODE\n");
	expect_piece("GET /whoami/" H "\r\n", "HTTP/1.1 404 ");
	expect_piece("GET /0123456789012345678901234567890123456789012345678901234567890123456789" H "\r\n",
		     "HTTP/1.1 404 ");
	expect_piece("GET /a%00" H "\r\n", "HTTP/1.1 400 ");
}

static void methods_are_what_a_path_allows(void **state)
{
	(void) state;
	expect_piece("POST /whoami" H "\r\n", "HTTP/1.1 405 Method Not Allowed\r\n");
	expect_piece("POST /whoami" H "\r\n", "\r\nAllow: GET, HEAD, OPTIONS\r\n");
	expect_piece("TRACE /echo" H "\r\n", "HTTP/1.1 405 ");
	expect("OPTIONS /health" H "\r\n", "HTTP/1.1 204 No Content\r\n"
					    "Allow: GET, HEAD, POST, PUT, OPTIONS\r\n\r\n");
	expect_piece("OPTIONS *" H "\r\n", "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n");
	expect_piece("OPTIONS /nope" H "\r\n", "HTTP/1.1 404 ");
	expect_piece("BREW /" H "\r\n", "HTTP/1.1 501 ");
	expect_piece("CONNECT a:1" H "\r\n", "HTTP/1.1 501 ");
}

/* -- connections -- */

static void pipelined_requests_are_answered_in_order(void **state)
{
	(void) state;
	expect("GET /" H "\r\nPOST /echo" H "Content-Length: 3\r\n\r\nabcGET /bytes/3" H "\r\n\r\nHEAD /" H "\r\n",
	       ROOT OCTETS_200 LENGTH(3) "\r\nabc" OCTETS_200 LENGTH(3) "\r\n000" TEXT_200(35) "\r\n");
}

static void answers_do_not_depend_on_how_requests_arrive(void **state)
{
	static const char text[] = "GET /" H "\r\nPOST /echo" H "Content-Length: 3\r\n\r\nabcPOST /echo" H
				   "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nGET /nope" H "\r\n";
	struct talk *whole = malloc(sizeof(*whole)), *split = malloc(sizeof(*split));

	(void) state;
	assert_true(whole && split);
	*whole = talk_of(text);
	run(whole);
	for (size_t piece = 1; piece < 60; piece++) {
		*split = talk_of(text);
		split->piece_bytes = piece;
		run(split);
		assert_string_equal(split->heard, whole->heard);
	}
	free(whole);
	free(split);
}

/* Over a socket that keeps writes apart. */
static void a_pipelined_batch_is_answered_with_one_write(void **state)
{
	struct talk *t = malloc(sizeof(*t));
	char text[4000] = "";

	(void) state;
	assert_non_null(t);
	for (int i = 0; i < 50; i++)
		strcat(text, "GET /" H "\r\n");
	*t = talk_of(text);
	t->packets = true;
	run(t);
	assert_int_equal(count_of(t->heard, ROOT), 50);
	assert_int_equal(t->reads, 1);

	*t = talk_of("POST /echo" H "Content-Length: 3\r\n\r\nabc");
	t->packets = true;
	run(t);
	assert_int_equal(t->reads, 1);
	free(t);
}

static void head_and_large_body_go_out_together(void **state)
{
	struct talk *t = malloc(sizeof(*t));
	static char text[9000];
	int n = sprintf(text, "POST /echo" H "Content-Length: 8000\r\n\r\n");

	(void) state;
	assert_non_null(t);
	memset(text + n, 'x', 8000);
	*t = talk_of(text);
	t->packets = true;
	run(t);
	assert_non_null(strstr(t->heard, "Content-Length: 8000\r\n\r\nxxx"));
	assert_int_equal(t->reads, 1);
	free(t);
}

static void last_answer_is_not_lost_when_the_client_half_closes(void **state)
{
	(void) state;
	expect("GET /delay/1s" H "\r\nGET /" H "\r\n", TEXT_200(5) "\r\nlate\n" ROOT);
}

static void connection_closes_when_the_client_asks(void **state)
{
	(void) state;
	expect("GET /" H "Connection: close\r\n\r\nGET /" H "\r\n",
	       TEXT_200(35) "Connection: close\r\n\r\nCorelay is listening. Try /whoami.\n");
	expect("GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n",
	       TEXT_200(35) "Connection: close\r\n\r\nCorelay is listening. Try /whoami.\n");
	expect("HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nHEAD / HTTP/1.0\r\n\r\n",
	       TEXT_200(35) "Connection: keep-alive\r\n\r\n" TEXT_200(35) "Connection: close\r\n\r\n");
}

static void requests_of_a_connection_can_be_limited(void **state)
{
	struct talk *t = malloc(sizeof(*t));

	(void) state;
	assert_non_null(t);
	*t = talk_of("HEAD /" H "\r\nHEAD /" H "\r\nHEAD /" H "\r\n");
	t->sc.max_requests = 2;
	run(t);
	assert_string_equal(t->heard, TEXT_200(35) "\r\n" TEXT_200(35) "Connection: close\r\n\r\n");
	assert_non_null(strstr(t->record, "requests=2 end=\"request limit\" state=L-"));
	free(t);
}

static void bad_request_is_answered_and_ends_the_connection(void **state)
{
	struct talk *t = malloc(sizeof(*t));

	(void) state;
	assert_non_null(t);
	*t = talk_of("GET /" H "\r\nGET /" H LENGTH(1) "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /" H "\r\n");
	run(t);
	assert_int_equal(count_of(t->heard, "HTTP/1.1 "), 2);
	assert_non_null(strstr(t->heard, "HTTP/1.1 400 Bad Request\r\n"));
	assert_non_null(strstr(t->heard, "\r\nConnection: close\r\n\r\n400 Bad Request: both Content-Length and"));
	assert_non_null(strstr(t->record, "state=PR"));
	free(t);
}

static void client_that_ends_early_is_told(void **state)
{
	(void) state;
	expect_piece("GET / HTTP/1.1\r\nHo", "\r\n\r\n400 Bad Request: the request ended early\n");
	expect_piece("POST /health" H LENGTH(5) "\r\n20", "\r\n\r\n400 Bad Request: the body ended early\n");
}

static void nothing_is_said_to_who_says_nothing(void **state)
{
	struct talk *t = malloc(sizeof(*t));

	(void) state;
	assert_non_null(t);
	*t = talk_of("");
	run(t);
	assert_int_equal(t->heard_bytes, 0);
	assert_string_equal(t->record, "");
	free(t);
}

/* -- bodies -- */

static void body_that_nobody_asked_for_is_passed_over(void **state)
{
	(void) state;
	expect("GET /" H "Content-Length: 20\r\n\r\nGET /health HTTP/1.1GET /" H "\r\n", ROOT ROOT);
	expect("GET /" H "Transfer-Encoding: chunked\r\n\r\n3\r\nGET\r\n0\r\n\r\nGET /" H "\r\n", ROOT ROOT);
}

static void large_body_that_nobody_asked_for_ends_the_connection(void **state)
{
	struct talk *t = malloc(sizeof(*t));
	char *text = calloc(1, 200000);
	int n = sprintf(text, "GET /" H "Content-Length: 65537\r\n\r\n");

	(void) state;
	assert_true(t && text);
	memset(text + n, 'x', 65537);
	strcat(text, "GET /" H "\r\n");
	*t = talk_of(text);
	run(t);
	assert_int_equal(count_of(t->heard, "HTTP/1.1 "), 1);
	assert_non_null(strstr(t->heard, "Connection: close\r\n"));

	n = sprintf(text, "GET /" H "Transfer-Encoding: chunked\r\n\r\n10001\r\n");
	memset(text + n, 'x', 65537);
	strcat(text, "\r\n0\r\n\r\nGET /" H "\r\n");
	*t = talk_of(text);
	run(t);
	assert_int_equal(count_of(t->heard, "HTTP/1.1 "), 1);
	assert_non_null(strstr(t->record, "request body not read"));
	free(t);
	free(text);
}

static void bad_body_behind_its_answer_ends_the_connection_without_another(void **state)
{
	(void) state;
	expect("GET /" H "Transfer-Encoding: chunked\r\n\r\nx\r\nGET /" H "\r\n", ROOT);
}

static void body_has_a_limit(void **state)
{
	struct talk *t = malloc(sizeof(*t));

	(void) state;
	assert_non_null(t);
	*t = talk_of("POST /echo" H "Content-Length: 6\r\n\r\nhello!GET /" H "\r\n");
	t->sc.max_body_bytes = 5;
	run(t);
	assert_int_equal(count_of(t->heard, "HTTP/1.1 "), 1);
	assert_non_null(strstr(t->heard, "HTTP/1.1 413 Content Too Large\r\n"));

	*t = talk_of("POST /echo" H "Transfer-Encoding: chunked\r\n\r\n6\r\nhello!\r\n0\r\n\r\n");
	t->sc.max_body_bytes = 5;
	run(t);
	assert_non_null(strstr(t->heard, "HTTP/1.1 413 Content Too Large\r\n"));

	*t = talk_of("POST /echo" H "Content-Length: 5\r\n\r\nhello");
	t->sc.max_body_bytes = 5;
	run(t);
	assert_non_null(strstr(t->heard, "HTTP/1.1 200 OK\r\n"));
	free(t);
}

static void echo_that_breaks_off_has_no_end(void **state)
{
	(void) state;
	expect("POST /echo" H "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nx\r\n",
	       OCTETS_200 "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
	expect_piece("POST /echo" H "Transfer-Encoding: chunked\r\n\r\nx\r\n", "HTTP/1.1 400 ");
}

static void continue_is_said_before_the_body_is_read(void **state)
{
	struct talk *t = malloc(sizeof(*t));

	(void) state;
	assert_non_null(t);
	*t = talk_of("POST /echo" H "Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc");
	t->piece_bytes = strlen(t->say) - 3;
	run(t);
	assert_string_equal(t->heard, "HTTP/1.1 100 Continue\r\n\r\n" OCTETS_200 "Content-Length: 3\r\n\r\nabc");

	/* The body is there already. */
	*t = talk_of("POST /echo" H "Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc");
	run(t);
	assert_string_equal(t->heard, OCTETS_200 "Content-Length: 3\r\n\r\nabc");

	/* Nobody reads it: whether it comes is not known, so this is the end. */
	*t = talk_of("GET /" H "Content-Length: 3\r\nExpect: 100-continue\r\n\r\nGET /" H "\r\n");
	run(t);
	assert_int_equal(count_of(t->heard, "HTTP/1.1 "), 1);
	assert_non_null(strstr(t->heard, "Connection: close\r\n"));

	/* There is none to wait for. */
	*t = talk_of("POST /echo" H "Expect: 100-continue\r\n\r\n");
	run(t);
	assert_string_equal(t->heard, OCTETS_200 "Content-Length: 0\r\n\r\n");

	*t = talk_of("POST /echo" H "Expect: a-miracle\r\n\r\n");
	run(t);
	assert_non_null(strstr(t->heard, "HTTP/1.1 417 Expectation Failed\r\n"));
	free(t);
}

/* -- time -- */

static void head_has_a_total_time(void **state)
{
	struct talk *t = malloc(sizeof(*t));

	/* One byte per millisecond: no single wait is long. */
	(void) state;
	assert_non_null(t);
	*t = talk_of("GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	t->piece_bytes = 1;
	t->sc.header_timeout_ms = 50;
	t->stay = true;
	run(t);
	assert_non_null(strstr(t->heard, "HTTP/1.1 408 Request Timeout\r\n"));
	assert_non_null(strstr(t->record, "end=\"header timeout\" state=cR"));
	free(t);
}

static void head_after_a_pipelined_answer_has_the_same_time(void **state)
{
	struct talk *t = malloc(sizeof(*t));

	(void) state;
	assert_non_null(t);
	*t = talk_of("GET /" H "\r\nGET /");
	t->stay = true;
	run(t);
	assert_int_equal(strncmp(t->heard, ROOT, strlen(ROOT)), 0);
	assert_non_null(strstr(t->heard, "HTTP/1.1 408 "));
	assert_in_range(t->took_ms, 10000, 10000 + HTTP_LINGER_MS);
	free(t);
}

/* Each piece ends a head and begins another one, and the answers are not read for longer than a head may take. */
static void time_of_a_head_does_not_count_while_answers_are_not_read(void **state)
{
	struct talk *t = malloc(sizeof(*t));
	static char text[4000] = "\r\n";

	(void) state;
	assert_non_null(t);
	for (int i = 0; i < 100; i++)
		strcat(text, "GET /" H "\r\n");
	*t = talk_of(text);
	t->piece_bytes = strlen("GET /" H "\r\n");
	t->packets = true;
	t->send_buffer = 1;
	t->deaf_ms = 30000;
	run(t);
	assert_int_equal(count_of(t->heard, ROOT), 100);
	assert_non_null(strstr(t->record, "end=\"client closed\""));
	free(t);
}

static void silence_between_requests_ends_quietly(void **state)
{
	struct talk *t = malloc(sizeof(*t));

	(void) state;
	assert_non_null(t);
	*t = talk_of("GET /" H "\r\n");
	t->stay = true;
	run(t);
	assert_string_equal(t->heard, ROOT);
	assert_int_equal(t->took_ms, 60000);
	assert_non_null(strstr(t->record, "end=\"idle timeout\""));
	free(t);
}

static void silence_in_a_body_is_answered(void **state)
{
	struct talk *t = malloc(sizeof(*t));

	(void) state;
	assert_non_null(t);
	*t = talk_of("POST /health" H "Content-Length: 5\r\n\r\n20");
	t->stay = true;
	run(t);
	assert_non_null(strstr(t->heard, "HTTP/1.1 408 Request Timeout\r\n"));
	assert_non_null(strstr(t->record, "end=\"idle timeout in a request\" state=cD"));
	free(t);
}

/* A client that sends and never reads. */
static int never_read_body(void *arg)
{
	struct talk *t = arg;
	static char text[10000 * 32];
	size_t most_chunks = 0;
	int n = 0;

	for (int i = 0; i < 10000; i++)
		n += sprintf(text + n, "GET /" H "\r\n");

	TASK_GROUP(group, GROUP_EACH);
	assert_int_equal(start_conn(t, &group), 0);
	{
		DEADLINE(limit, 5000);

		assert_int_equal(stream_write(t->mine, text, (size_t) n), -ETIMEDOUT);
		most_chunks = chunk_in_use();
	}
	assert_in_range(most_chunks, 1, 2);
	assert_int_equal(group_wait(&group), 0);
	t->mine = stream_free(t->mine);
	t->service = service_unref(t->service);
	return 0;
}

static void client_that_never_reads_costs_two_chunks_until_it_times_out(void **state)
{
	struct talk *t = malloc(sizeof(*t));

	(void) state;
	assert_non_null(t);
	*t = talk_of("");
	log_set_sink(keep_record, t);
	assert_int_equal(harness_run(never_read_body, t), 0);
	log_set_sink(NULL, NULL);
	assert_non_null(strstr(t->record, "end=\"idle timeout writing a response\" state=cD"));
	free(t);
}

/* -- memory -- */

static int look_at_chunks(void *arg)
{
	struct talk *t = arg;

	(void) t;
	assert_int_equal(sleep_for(500), 0);
	assert_int_equal(chunk_in_use(), 0);
	return 0;
}

static void waiting_connection_holds_no_chunk(void **state)
{
	struct talk *t = malloc(sizeof(*t));

	(void) state;
	assert_non_null(t);
	*t = talk_of("GET /" H "\r\n");
	t->stay = true;
	t->meanwhile = look_at_chunks;
	run(t);
	assert_string_equal(t->heard, ROOT);

	*t = talk_of("GET /delay/1s" H "\r\n");
	t->meanwhile = look_at_chunks;
	run(t);
	assert_non_null(strstr(t->heard, "late"));

	*t = talk_of("POST /echo" H "Content-Length: 2\r\n\r\nx");
	t->stay = true;
	t->meanwhile = look_at_chunks;
	run(t);
	assert_non_null(strstr(t->heard, "\r\n\r\nx"));
	free(t);
}

static void answers_are_the_same_when_the_pool_has_no_chunk_for_them(void **state)
{
	static const char text[] = "GET /" H "\r\nGET /bytes/2000" H "\r\nGET /whoami" H "\r\nGET /nope" H "\r\n"
				   "POST /echo" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
				   "POST /echo" H LENGTH(600) "\r\n";
	struct talk *rich = malloc(sizeof(*rich)), *poor = malloc(sizeof(*poor));
	char *request = calloc(1, 2000);

	(void) state;
	assert_true(rich && poor && request);
	strcpy(request, text);
	memset(request + strlen(text), 'x', 600);
	*rich = talk_of(request);
	rich->packets = true;
	run(rich);
	*poor = talk_of(request);
	poor->packets = true;
	poor->chunk_limit = 1;
	run(poor);
	assert_string_equal(poor->heard, rich->heard);
	assert_true(poor->reads > rich->reads);
	free(rich);
	free(poor);
	free(request);
}

/* -- drain -- */

static int ask_to_stop(void *arg)
{
	struct talk *t = arg;

	assert_int_equal(sleep_for(500), 0);
	assert_false(t->conn->idle);
	t->conn->stop_requested = true;
	return 0;
}

static void request_at_work_is_finished_when_the_daemon_drains(void **state)
{
	struct talk *t = malloc(sizeof(*t));

	(void) state;
	assert_non_null(t);
	*t = talk_of("GET /delay/1s" H "\r\nGET /" H "\r\n");
	t->meanwhile = ask_to_stop;
	t->stay = true;
	run(t);
	assert_string_equal(t->heard, TEXT_200(5) "Connection: close\r\n\r\nlate\n");
	assert_non_null(strstr(t->record, "end=stopped state=K-"));
	free(t);
}

static void connection_asked_to_stop_in_its_last_write_does_not_wait_for_more(void **state)
{
	struct talk *t = malloc(sizeof(*t));

	(void) state;
	assert_non_null(t);
	*t = talk_of("GET /bytes/200000" H "\r\n");
	t->meanwhile = ask_to_stop;
	t->send_buffer = 1;
	t->deaf_ms = 1000;
	t->stay = true;
	run(t);
	assert_true(t->heard_bytes > 200000);
	assert_int_equal(t->took_ms, 1000);
	assert_non_null(strstr(t->record, "end=stopped state=K-"));
	free(t);
}

static int stop_when_idle(void *arg)
{
	struct talk *t = arg;

	assert_int_equal(sleep_for(500), 0);
	assert_true(t->conn->idle);
	t->conn->stop_requested = true;
	conn_cancel(t->conn);
	return 0;
}

static void connection_between_requests_can_be_ended_at_once(void **state)
{
	struct talk *t = malloc(sizeof(*t));

	(void) state;
	assert_non_null(t);
	*t = talk_of("GET /" H "\r\n");
	t->meanwhile = stop_when_idle;
	t->stay = true;
	run(t);
	assert_string_equal(t->heard, ROOT);
	assert_int_equal(t->took_ms, 500);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_is_a_short_text),
		cmocka_unit_test(echo_returns_the_body),
		cmocka_unit_test(bytes_are_lines_of_their_offset),
		cmocka_unit_test(many_bytes_keep_their_places),
		cmocka_unit_test(status_is_answered_with_its_own_rules),
		cmocka_unit_test(delay_takes_its_time_in_spite_of_the_idle_timeout),
		cmocka_unit_test(drip_spreads_its_bytes),
		cmocka_unit_test(health_can_be_set),
		cmocka_unit_test(whoami_shows_the_connection_and_the_request),
		cmocka_unit_test(whoami_speaks_json_when_asked),
		cmocka_unit_test(length_of_whoami_is_right),
		cmocka_unit_test(unknown_path_lists_the_paths),
		cmocka_unit_test(methods_are_what_a_path_allows),
		cmocka_unit_test(pipelined_requests_are_answered_in_order),
		cmocka_unit_test(answers_do_not_depend_on_how_requests_arrive),
		cmocka_unit_test(a_pipelined_batch_is_answered_with_one_write),
		cmocka_unit_test(head_and_large_body_go_out_together),
		cmocka_unit_test(last_answer_is_not_lost_when_the_client_half_closes),
		cmocka_unit_test(connection_closes_when_the_client_asks),
		cmocka_unit_test(requests_of_a_connection_can_be_limited),
		cmocka_unit_test(bad_request_is_answered_and_ends_the_connection),
		cmocka_unit_test(client_that_ends_early_is_told),
		cmocka_unit_test(nothing_is_said_to_who_says_nothing),
		cmocka_unit_test(body_that_nobody_asked_for_is_passed_over),
		cmocka_unit_test(large_body_that_nobody_asked_for_ends_the_connection),
		cmocka_unit_test(bad_body_behind_its_answer_ends_the_connection_without_another),
		cmocka_unit_test(body_has_a_limit),
		cmocka_unit_test(echo_that_breaks_off_has_no_end),
		cmocka_unit_test(continue_is_said_before_the_body_is_read),
		cmocka_unit_test(head_has_a_total_time),
		cmocka_unit_test(head_after_a_pipelined_answer_has_the_same_time),
		cmocka_unit_test(time_of_a_head_does_not_count_while_answers_are_not_read),
		cmocka_unit_test(silence_between_requests_ends_quietly),
		cmocka_unit_test(silence_in_a_body_is_answered),
		cmocka_unit_test(client_that_never_reads_costs_two_chunks_until_it_times_out),
		cmocka_unit_test(waiting_connection_holds_no_chunk),
		cmocka_unit_test(answers_are_the_same_when_the_pool_has_no_chunk_for_them),
		cmocka_unit_test(request_at_work_is_finished_when_the_daemon_drains),
		cmocka_unit_test(connection_asked_to_stop_in_its_last_write_does_not_wait_for_more),
		cmocka_unit_test(connection_between_requests_can_be_ended_at_once),
	};

	log_open(LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
