/* test_http_pump.c - HTTP answers that are given in the task's place: which ones, in which order, and what is left to
 * the task. A script plays the client, one request after the other, against a connection of the HTTP service. */
#include "base/log.h"
#include "net/fd.h"
#include "service/conn.h"
#include "tests/support/harness.h"
#include "tests/support/sockets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define IDLE_MS 10000
#define HEARD_BYTES (64 * 1024)
#define DATE_BYTES 37		/* with its name and its CRLF */

#define H " HTTP/1.1\r\nHost: a\r\n"
#define GET(target) "GET " target H "\r\n"
#define PLAIN "Content-Type: text/plain; charset=utf-8\r\n"
#define TEXT_200(length) "HTTP/1.1 200 OK\r\n" PLAIN "Content-Length: " #length "\r\n"
#define ROOT TEXT_200(35) "\r\nCorelay is listening. Try /whoami.\n"

/* Never freed by the service: the reference stays. */
static struct config configuration = { .references = 1 };

struct scene {
	struct service_config sc;
	struct service *service;
	struct stream *client;
	struct conn *conn;		/* while it lives */
	struct task_handle task;
	char heard[HEARD_BYTES];
	char record[1024];		/* its end record */
};

/* Too large for a stack. */
static struct scene scene;

typedef int script_fn(struct scene *s);

struct play {
	script_fn *script;
	bool small_buffers;
	uint32_t max_requests;
	int64_t idle_timeout_ms;	/* 0: IDLE_MS */
	int64_t session_timeout_ms;	/* 0: none */
};

static void keep_record(void *context, enum log_level level, const char *line, size_t length)
{
	struct scene *s = context;

	(void) level;
	snprintf(s->record, sizeof(s->record), "%.*s", (int) length, line);
}

static int scene_open(const struct play *p, struct scene *s)
{
	struct endpoint peer = { .any.sa_family = AF_UNIX };
	int ends[2];
	int r;

	s->sc = (struct service_config) {
		.name = (char *) "web",
		.type = (char *) "http",
		.idle_timeout_ms = p->idle_timeout_ms ? p->idle_timeout_ms : IDLE_MS,
		.session_timeout_ms = p->session_timeout_ms ? p->session_timeout_ms : FOREVER,
		.header_timeout_ms = 5000,
		.max_body_bytes = 1 << 20,
		.max_requests = p->max_requests,
	};
	r = service_new(&s->sc, &configuration, &(struct service_parts) { 0 }, &s->service);
	if (r < 0)
		return r;
	if (p->small_buffers) {
		harness_socketpair(ends);
		sockets_make_small(ends[0]);
		sockets_make_small(ends[1]);
	} else {
		sockets_tcp_pair(ends);
	}
	r = stream_new(ends[0], &s->client);
	if (r < 0)
		fd_close(ends[0]);
	int r2 = r < 0 ? r : conn_new(s->service, 7, ends[1], &peer, &s->conn);
	if (r2 < 0)
		fd_close(ends[1]);
	return r2;
}

static void scene_done(struct scene *s)
{
	conn_free(s->conn);
	stream_free(s->client);
	service_unref(s->service);
}

static void scene_donep(struct scene **s)
{
	scene_done(*s);
}

/* The task of the connection. */
static int conn_task(void *arg)
{
	struct scene *s = arg;
	struct conn *c = TAKE(s->conn);

	return conn_run(c);
}

static int start(struct scene *s, struct task_group *group)
{
	int r = task_spawn(group, "conn", conn_task, s, &s->task);

	if (r < 0)
		s->conn = conn_free(s->conn);
	else
		s->conn->task = s->task.task;
	return r;
}

/* How often the connection's task has stopped running on its own stack, thus was entered. */
static const struct task *watched;
static unsigned entered;

static void count_stops(struct task *t)
{
	entered += t == watched && coro_running();
}

static int play_body(void *arg)
{
	const struct play *p = arg;
	struct scene *s = &scene;

	*s = (struct scene) { 0 };
	log_set_sink(keep_record, s);
	assert_int_equal(scene_open(p, s), 0);
	{
		TASK_GROUP(group, GROUP_EACH);

		assert_int_equal(start(s, &group), 0);
		watched = s->task.task;
		wait_set_hook(count_stops);
		assert_int_equal(p->script(s), 0);
		wait_set_hook(NULL);
		s->client = stream_free(s->client);
		assert_int_equal(group_wait(&group), 0);
	}
	assert_int_equal(chunk_in_use(), 0);
	chunk_set_limit(4096);
	scene_done(s);
	log_set_sink(NULL, NULL);
	return 0;
}

static void play(struct play p)
{
	assert_int_equal(harness_run_each_backend(play_body, &p), 0);
}

/* -- what scripts do -- */

static int say(struct scene *s, const char *text)
{
	return stream_write(s->client, text, strlen(text));
}

/* The date is the one thing in an answer that no test can know. */
static void cut_dates(char *text)
{
	for (char *date = text; (date = strstr(date, "Date: "));)
		memmove(date, date + DATE_BYTES, strlen(date + DATE_BYTES) + 1);
}

/* Reads what makes up `answers`, which leave out the dates, and no byte more. */
static int hear(struct scene *s, const char *answers)
{
	size_t length = strlen(answers), used = 0;

	for (const char *at = answers; (at = strstr(at, "HTTP/1.1 ")); at++)
		length += DATE_BYTES;
	assert_true(length < sizeof(s->heard));
	while (used < length) {
		ssize_t n = stream_read(s->client, s->heard + used, length - used);

		if (n <= 0)
			return n < 0 ? (int) n : -EPIPE;
		used += (size_t) n;
	}
	s->heard[used] = '\0';
	cut_dates(s->heard);
	return 0;
}

static void ask(struct scene *s, const char *request, const char *answer)
{
	assert_int_equal(say(s, request), 0);
	assert_int_equal(hear(s, answer), 0);
	assert_string_equal(s->heard, answer);
}

static void expect_end(struct scene *s)
{
	char byte;

	assert_int_equal(stream_read(s->client, &byte, 1), 0);
}

/* -- which answers are at hand -- */

static int ask_what_is_at_hand(struct scene *s)
{
	static const struct {
		const char *request, *answer;
	} calls[] = {
		{ GET("/"), ROOT },
		{ GET("/?x=%20"), ROOT },
		{ GET("http://a/"), ROOT },
		{ "HEAD /" H "\r\n", TEXT_200(35) "\r\n" },
		{ GET("/health"), TEXT_200(3) "\r\nok\n" },
		{ GET("/status/204"), "HTTP/1.1 204 No Content\r\n\r\n" },
		{ GET("/status/404"),
		  "HTTP/1.1 404 Not Found\r\n" PLAIN "Content-Length: 14\r\n\r\n404 Not Found\n" },
		{ GET("/") GET("/health") GET("/"), ROOT TEXT_200(3) "\r\nok\n" ROOT },
		{ "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
		  TEXT_200(35) "Connection: keep-alive\r\n\r\nCorelay is listening. Try /whoami.\n" },
	};

	ask(s, GET("/"), ROOT);
	entered = 0;
	for (size_t i = 0; i < ARRAY_LENGTH(calls); i++)
		ask(s, calls[i].request, calls[i].answer);
	assert_int_equal(entered, 0);
	assert_int_equal(stream_finish(s->client), 0);
	expect_end(s);
	assert_non_null(strstr(s->record, " requests=12 "));
	assert_non_null(strstr(s->record, "end=\"client closed\""));
	return 0;
}

static void what_is_at_hand_is_answered_without_the_task(void **unused)
{
	(void) unused;
	play((struct play) { .script = ask_what_is_at_hand });
}

#define DIGITS "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 3\r\n\r\n000"

static int ask_for_other_things(struct scene *s)
{
	static const struct {
		const char *request, *answer;
	} calls[] = {
		{ "GET /%68ealth" H "\r\n", TEXT_200(3) "\r\nok\n" },
		{ GET("/delay/1s"), TEXT_200(5) "\r\nlate\n" },
		{ GET("/bytes/3"), DIGITS },
		{ "POST /health?status=201" H "\r\n", TEXT_200(4) "\r\nset\n" },
		{ "GET /" H "Content-Length: 2\r\n\r\nxx", ROOT },
		{ "GET /" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ROOT },
		{ "GET /" H "Expect: something\r\n\r\n",
		  "HTTP/1.1 417 Expectation Failed\r\n" PLAIN
		  "Content-Length: 58\r\n\r\n417 Expectation Failed: only 100-continue can be expected\n" },
		{ "DELETE /" H "\r\n",
		  "HTTP/1.1 405 Method Not Allowed\r\n" PLAIN "Content-Length: 23\r\n"
		  "Allow: GET, HEAD, OPTIONS\r\n\r\n405 Method Not Allowed\n" },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(calls); i++) {
		ask(s, GET("/"), ROOT);
		entered = 0;
		ask(s, calls[i].request, calls[i].answer);
		assert_true(entered > 0);
	}
	ask(s, GET("/health"), "HTTP/1.1 201 Created\r\n" PLAIN "Content-Length: 12\r\n\r\n201 Created\n");
	return 0;
}

static void everything_else_is_left_to_the_task(void **unused)
{
	(void) unused;
	play((struct play) { .script = ask_for_other_things });
}

/* -- in which order, however it comes -- */

static const char mixed[] = GET("/") GET("/bytes/3") GET("/") "POST /echo" H "Content-Length: 3\r\n\r\n000"
			    GET("/health") GET("/");
static const char mixed_answers[] = ROOT DIGITS ROOT DIGITS TEXT_200(3) "\r\nok\n" ROOT;

static int ask_in_two_parts(struct scene *s)
{
	for (size_t i = 1; i < sizeof(mixed) - 1; i++) {
		assert_int_equal(stream_write(s->client, mixed, i), 0);
		assert_int_equal(task_yield(), 0);
		harness_settle();
		ask(s, mixed + i, mixed_answers);
	}
	return 0;
}

static void answers_keep_their_order_wherever_requests_are_split(void **unused)
{
	(void) unused;
	play((struct play) { .script = ask_in_two_parts });
}

static void say_times(struct scene *s, int times, char answers[HEARD_BYTES])
{
	static char requests[HEARD_BYTES];

	requests[0] = answers[0] = '\0';
	for (int i = 0; i < times; i++) {
		strcat(requests, GET("/"));
		strcat(answers, ROOT);
	}
	assert_int_equal(say(s, requests), 0);
}

/* Together they are larger than the buffer that they are made in. */
static int ask_very_much_at_once(struct scene *s)
{
	static char answers[HEARD_BYTES];

	ask(s, GET("/"), ROOT);
	entered = 0;
	say_times(s, 300, answers);
	assert_int_equal(hear(s, answers), 0);
	assert_string_equal(s->heard, answers);
	assert_true(entered > 0);
	ask(s, GET("/"), ROOT);
	return 0;
}

static void answers_that_fill_their_buffer_go_on_in_the_task(void **unused)
{
	(void) unused;
	play((struct play) { .script = ask_very_much_at_once });
}

/* As TLS does it: what was read together is handed out in records, and the rest is in no socket any more. */
static char records[4096];
static size_t records_begin, records_end;

static ssize_t read_record(struct stream *s, void *buffer, size_t length)
{
	if (records_begin == records_end) {
		ssize_t n = transport_plain.read(s, records, sizeof(records));

		if (n <= 0)
			return n;
		records_begin = 0;
		records_end = (size_t) n;
	}
	length = MIN(length, MIN(strlen(GET("/")), records_end - records_begin));
	memcpy(buffer, records + records_begin, length);
	records_begin += length;
	s->buffered = records_begin < records_end;
	return (ssize_t) length;
}

static int ask_in_records(struct scene *s)
{
	static struct transport_ops in_records;
	static char answers[HEARD_BYTES];

	in_records = transport_plain;
	in_records.read = read_record;
	records_begin = records_end = 0;
	s->conn->client->ops = &in_records;
	int64_t began_ms = time_now_ms();
	for (int i = 0; i < 3; i++) {
		ask(s, GET("/"), ROOT);
		say_times(s, 20, answers);
		assert_int_equal(hear(s, answers), 0);
		assert_string_equal(s->heard, answers);
	}
	assert_int_equal(time_now_ms(), began_ms);
	return 0;
}

static void what_a_transport_holds_is_read_without_waiting(void **unused)
{
	(void) unused;
	play((struct play) { .script = ask_in_records });
}

/* As many requests as the sockets' buffers take, and the answers to none. */
static int listen_late(struct scene *s)
{
	static char answers[HEARD_BYTES];
	static const char request[] = GET("/");
	unsigned want;
	int asked = 0;

	ask(s, GET("/"), ROOT);
	answers[0] = '\0';
	while (stream_try_write(s->client, request, strlen(request), &want) == (ssize_t) strlen(request)) {
		asked++;
		strcat(answers, ROOT);
		harness_settle();
	}
	assert_true(asked > 5);
	assert_int_equal(sleep_for(IDLE_MS - 1000), 0);
	assert_int_equal(hear(s, answers), 0);
	assert_string_equal(s->heard, answers);
	return 0;
}

static void who_reads_late_gets_every_answer(void **unused)
{
	(void) unused;
	play((struct play) { .script = listen_late, .small_buffers = true });
}

/* -- limits -- */

static int ask_three_times(struct scene *s)
{
	ask(s, GET("/"), ROOT);
	ask(s, GET("/"), ROOT);
	ask(s, GET("/"), TEXT_200(35) "Connection: close\r\n\r\nCorelay is listening. Try /whoami.\n");
	expect_end(s);
	return 0;
}

static void the_last_request_is_answered_as_such(void **unused)
{
	(void) unused;
	play((struct play) { .script = ask_three_times, .max_requests = 3 });
}

static int fall_silent(struct scene *s)
{
	int64_t spoke_ms;

	ask(s, GET("/"), ROOT);
	assert_int_equal(sleep_for(200), 0);
	assert_non_null(watched->pump);
	ask(s, GET("/"), ROOT);
	assert_int_equal(sleep_for(IDLE_MS - 100), 0);
	/* What it needs while the client speaks has been given back. */
	assert_null(watched->pump);
	ask(s, GET("/"), ROOT);
	spoke_ms = time_now_ms();
	expect_end(s);
	assert_in_range(time_now_ms() - spoke_ms, IDLE_MS, IDLE_MS + 10);
	assert_non_null(strstr(s->record, "end=\"idle timeout\" state=cR"));
	return 0;
}

static void the_idle_timeout_counts_from_the_last_answer(void **unused)
{
	(void) unused;
	play((struct play) { .script = fall_silent });
}

static int be_slower_than_that(struct scene *s)
{
	int64_t spoke_ms;

	ask(s, GET("/"), ROOT);
	assert_int_equal(sleep_for(400), 0);
	ask(s, GET("/"), ROOT);
	spoke_ms = time_now_ms();
	assert_non_null(watched->pump);
	expect_end(s);
	assert_in_range(time_now_ms() - spoke_ms, 500, 510);
	assert_non_null(strstr(s->record, " run=0.000ms client_read=90"));
	assert_non_null(strstr(s->record, "end=\"idle timeout\" state=cR"));
	return 0;
}

static void an_idle_timeout_that_is_short_ends_a_pumped_connection(void **unused)
{
	(void) unused;
	play((struct play) { .script = be_slower_than_that, .idle_timeout_ms = 500 });
}

static int speak_for_too_long(struct scene *s)
{
	int64_t began_ms = time_now_ms();

	while (time_now_ms() - began_ms < 2900) {
		ask(s, GET("/"), ROOT);
		assert_int_equal(sleep_for(100), 0);
	}
	expect_end(s);
	assert_in_range(time_now_ms() - began_ms, 2900, 3010);
	assert_non_null(strstr(s->record, "end=\"session timeout\""));
	return 0;
}

static void a_session_timeout_ends_a_pumped_connection(void **unused)
{
	(void) unused;
	play((struct play) { .script = speak_for_too_long, .session_timeout_ms = 3000 });
}

static int stop_in_between(struct scene *s)
{
	ask(s, GET("/"), ROOT);
	ask(s, GET("/"), ROOT);
	task_cancel(s->task);
	expect_end(s);
	assert_non_null(strstr(s->record, "end=stopped"));
	return 0;
}

static void a_cancel_ends_a_pumped_connection(void **unused)
{
	(void) unused;
	play((struct play) { .script = stop_in_between });
}

static int leave_with_a_reset(struct scene *s)
{
	ask(s, GET("/"), ROOT);
	stream_abort(s->client);
	s->client = stream_free(s->client);
	harness_settle();
	assert_non_null(strstr(s->record, "end=\"client reset\""));
	return 0;
}

/* What it has said can be read still, and nothing can be written any more. */
static int ask_and_leave(struct scene *s)
{
	ask(s, GET("/"), ROOT);
	assert_int_equal(say(s, GET("/")), 0);
	s->client = stream_free(s->client);
	harness_settle();
	assert_non_null(strstr(s->record, " requests=2 end=\"client reset\""));
	return 0;
}

static void a_reset_is_told_from_an_end(void **unused)
{
	(void) unused;
	play((struct play) { .script = leave_with_a_reset });
	play((struct play) { .script = ask_and_leave, .small_buffers = true });
}

/* -- buffers -- */

/* One is lent elsewhere: none for answers, then none at all. */
static int share_buffers(struct scene *s)
{
	struct chunk *other[2] = { NULL };

	ask(s, GET("/"), ROOT);
	chunk_set_limit(2);
	assert_int_equal(chunk_get(&other[0]), 0);
	ask(s, GET("/"), ROOT);
	assert_int_equal(chunk_get(&other[1]), 0);
	assert_int_equal(say(s, GET("/")), 0);
	assert_int_equal(sleep_for(500), 0);
	chunk_put(other[0]);
	assert_int_equal(hear(s, ROOT), 0);
	chunk_put(other[1]);
	ask(s, GET("/"), ROOT);
	return 0;
}

static void without_buffers_the_task_waits_for_them(void **unused)
{
	(void) unused;
	play((struct play) { .script = share_buffers });
}

/* -- everything, with something done to it -- */

static int client_task(void *arg)
{
	struct scene *s = arg;
	int r = 0;

	for (int i = 0; r >= 0 && i < 3; i++) {
		r = say(s, mixed);
		if (r >= 0)
			r = hear(s, mixed_answers);
		if (r >= 0)
			r = say(s, GET("/"));
		if (r >= 0)
			r = hear(s, ROOT);
		if (r >= 0 && i == 1)
			r = sleep_for(2500);
	}
	return r < 0 ? r : stream_finish(s->client);
}

static int conversation(void *arg)
{
	_cleanup_(scene_donep) struct scene *s = &scene;

	*s = (struct scene) { 0 };
	int r = scene_open(arg, s);
	if (r < 0)
		return r;
	TASK_GROUP(all, GROUP_ALL);
	r = start(s, &all);
	if (r >= 0)
		r = task_spawn(&all, "client", client_task, s, NULL);
	return r < 0 ? r : group_wait(&all);
}

static void nothing_is_left_wherever_it_is_broken_off(void **unused)
{
	const struct harness_scenario tcp = { .body = conversation, .arg = &(struct play) { 0 } };
	const struct harness_scenario local = {
		.body = conversation,
		.arg = &(struct play) { .small_buffers = true },
	};

	(void) unused;
	assert_true(harness_torture(&tcp) > 3);
	assert_true(harness_torture(&local) > 3);
#ifdef ENABLE_FAULTS
	assert_true(harness_torture_faults(&tcp) > 10);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_at_hand_is_answered_without_the_task),
		cmocka_unit_test(everything_else_is_left_to_the_task),
		cmocka_unit_test(answers_keep_their_order_wherever_requests_are_split),
		cmocka_unit_test(answers_that_fill_their_buffer_go_on_in_the_task),
		cmocka_unit_test(what_a_transport_holds_is_read_without_waiting),
		cmocka_unit_test(who_reads_late_gets_every_answer),
		cmocka_unit_test(the_last_request_is_answered_as_such),
		cmocka_unit_test(the_idle_timeout_counts_from_the_last_answer),
		cmocka_unit_test(an_idle_timeout_that_is_short_ends_a_pumped_connection),
		cmocka_unit_test(a_session_timeout_ends_a_pumped_connection),
		cmocka_unit_test(a_cancel_ends_a_pumped_connection),
		cmocka_unit_test(a_reset_is_told_from_an_end),
		cmocka_unit_test(without_buffers_the_task_waits_for_them),
		cmocka_unit_test(nothing_is_left_wherever_it_is_broken_off),
	};

	log_open(LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
	return cmocka_run_group_tests_name("http pump", tests, NULL, NULL);
}
