/* The services whole: every handler on real sockets, undisturbed and then disturbed at every point where it waits. */
#include "service/conn.h"

#include "base/fault.h"
#include "base/log.h"
#include "net/fd.h"
#include "net/listener.h"
#include "service/profile.h"
#include "service/route.h"
#include "service/upstream.h"
#include "tests/support/harness.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>

/* Never freed by the services: the tests' own reference stays. */
static struct config configuration = { .references = 1 };

/* For servers, and for whoever connects to them. */
static struct tls_config server_tls = {
	.name = (char *) "servers", .self_signed = true, .max_version = TLS_VERSION_1_3, .tickets = true,
	.ticket_lifetime_ms = 3600000, .accepts = true,
};
static struct tls_config client_tls = {
	.name = (char *) "clients", .verify = CONFIG_VERIFY_OFF, .max_version = TLS_VERSION_1_3, .connects = true,
};
static struct tls_keep *keep;
static struct tls_profile *server_profile, *client_profile;
static struct semaphore handshakes;

static struct service_config config_for(const char *type)
{
	return (struct service_config) {
		.name = (char *) type,
		.type = (char *) type,
		.idle_timeout_ms = 60000,
		.connect_timeout_ms = 5000,
		.half_close_timeout_ms = 60000,
		.session_timeout_ms = FOREVER,
		.handshake_timeout_ms = 10000,
		.header_timeout_ms = 10000,
		.max_body_bytes = 1 << 20,
	};
}

static struct service *new_service_of(const char *type, const struct service_parts *parts)
{
	struct service_config sc = config_for(type);
	struct service *s = NULL;

	if (service_new(&sc, &configuration, parts, &s) < 0)
		return NULL;
	s->handshakes = &handshakes;
	return s;
}

static struct service *new_service(const char *type, struct upstream *upstream)
{
	return new_service_of(type, &(struct service_parts) { .upstream = upstream });
}

/* -- a peer that knows what must come back -- */

struct talk {
	const char *type;
	const char *say;		/* sent, then the sending side is closed */
	size_t say_bytes;
	const char *hear;		/* what must come back, whole; NULL: anything */
	size_t hear_bytes;
	size_t heard_bytes;
	bool in_turns;			/* says a bit, hears it, says the next: so that both sides come to wait */
	size_t pause_at;		/* says so much, and the rest when that has arrived; 0: all at once */
	bool tls;			/* between a proxy and its server */
	const char *route;		/* of a proxy that has no upstream but for this name; NULL: it has */
	bool wrong;			/* something else came back */
	struct task_group *conns;
	struct service *service, *origin;
};

/* Whatever happens to us in the middle: what did come back is a beginning of what should. */
static ssize_t hear_some(struct talk *t, struct stream *s)
{
	char buffer[1000];
	ssize_t n = stream_read(s, buffer, sizeof(buffer));

	if (n <= 0)
		return n;
	if (t->hear && (t->heard_bytes + (size_t) n > t->hear_bytes ||
			memcmp(buffer, t->hear + t->heard_bytes, (size_t) n) != 0))
		t->wrong = true;
	t->heard_bytes += (size_t) n;
	return n;
}

#define TURN_BYTES 4

static int say_in_turns(struct talk *t, struct stream *s)
{
	for (size_t said = 0; said < t->say_bytes; said += TURN_BYTES) {
		size_t length = MIN((size_t) TURN_BYTES, t->say_bytes - said);
		int r = stream_write(s, t->say + said, length);

		while (r >= 0 && t->heard_bytes < said + length) {
			ssize_t n = hear_some(t, s);
			if (n <= 0)
				return n < 0 ? (int) n : -EPROTO;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int say_in_parts(struct talk *t, struct stream *s)
{
	int r = stream_write(s, t->say, t->pause_at);

	if (r >= 0 && t->pause_at > 0)
		r = sleep_for(1);
	return r < 0 ? r : stream_write(s, t->say + t->pause_at, t->say_bytes - t->pause_at);
}

static int talk_to(struct talk *t, struct stream *s)
{
	int r = t->in_turns ? say_in_turns(t, s) : say_in_parts(t, s);
	if (r >= 0)
		r = stream_finish(s);
	if (r < 0)
		return r;

	ssize_t n;
	do
		n = hear_some(t, s);
	while (n > 0);
	return (int) n;
}

static int start_conn(struct task_group *g, struct service *service, int fd, const struct endpoint *peer)
{
	struct conn *c;
	int r = conn_new(service, 1, fd, peer, &c);

	if (r < 0) {
		fd_close(fd);
		return r;
	}
	r = conn_start(c, g);
	if (r < 0)
		conn_free(c);
	return r;
}

/* Connections that were cancelled before they ran: what the server does at its end too. */
static void free_unborn(struct service *s)
{
	while (s && !list_is_empty(&s->conns))
		conn_free(list_entry(s->conns.next, struct conn, service_node));
}

static int talk_over_socketpair(struct talk *t)
{
	_cleanup_(stream_freep) struct stream *mine = NULL;
	struct endpoint peer = { .any.sa_family = AF_UNIX };
	int ends[2];

	harness_socketpair(ends);
	int r = stream_new(ends[0], &mine);
	if (r < 0)
		close(ends[0]);
	if (r < 0) {
		close(ends[1]);
		return r;
	}
	r = start_conn(t->conns, t->service, ends[1], &peer);
	return r < 0 ? r : talk_to(t, mine);
}

static int simple_body(void *arg)
{
	struct talk *t = arg;
	int r;

	t->service = new_service(t->type, NULL);
	if (!t->service)
		return -ENOMEM;
	{
		TASK_GROUP(conns, GROUP_EACH);
		t->conns = &conns;
		r = talk_over_socketpair(t);
	}
	free_unborn(t->service);
	t->service = service_unref(t->service);
	return r;
}

/* -- the same through a proxy -- */

static char proxy_address[64];

static int accept_origin(void *arg)
{
	struct talk *t = arg;
	_cleanup_(listener_freep) struct listener *l = NULL;
	struct address at;
	struct endpoint peer;
	const char *error;

	int r = address_parse(proxy_address, ADDRESS_LISTEN, &at, &error);
	if (r >= 0)
		r = listener_open(&at, &l);
	while (r >= 0) {
		r = listener_accept(l, &peer);
		if (r >= 0)
			r = start_conn(t->conns, t->origin, r, &peer);
	}
	return r;
}

/* A proxy with an upstream for that name alone. */
static struct service *new_routed_service(const char *name, struct upstream_config *uc, struct upstream *upstream)
{
	struct sni_route route = { .pattern = (char *) name, .upstream = uc->name, .upstream_config = uc };
	struct service_config sc = config_for("proxy");
	struct service_parts parts = { .routes = NULL };
	struct service *s = NULL;

	configuration.upstreams = uc;
	sc.match_sni = (struct sni_routes) { &route, 1 };
	sc.sni_wait_ms = 1000;
	if (routes_new(&sc, &configuration, &upstream, &parts.routes) < 0)
		return NULL;
	int r = service_new(&sc, &configuration, &parts, &s);
	routes_unref(parts.routes);
	return r < 0 ? NULL : s;
}

static int make_proxy(struct talk *t)
{
	struct server_config server = { .weight = 1 };
	struct upstream_config uc = { .name = "origin", .servers = &server, .server_count = 1 };
	struct upstream *upstream = NULL;
	const char *error;

	int r = address_parse(proxy_address, ADDRESS_CONNECT, &server.address, &error);
	if (r >= 0)
		r = upstream_new(&uc, t->tls ? client_profile : NULL, &upstream);
	if (r < 0)
		return r;
	t->service = t->route ? new_routed_service(t->route, &uc, upstream) : new_service("proxy", upstream);
	upstream_unref(upstream);
	t->origin = new_service_of("echo", &(struct service_parts) { .tls = t->tls ? server_profile : NULL });
	return t->service && t->origin ? 0 : -ENOMEM;
}

static int proxy_body(void *arg)
{
	struct talk *t = arg;
	int r = make_proxy(t);

	if (r >= 0) {
		TASK_GROUP(conns, GROUP_EACH);
		TASK_GROUP(origins, GROUP_EACH);
		t->conns = &conns;
		r = task_spawn(&origins, "origin", accept_origin, t, NULL);
		if (r >= 0)
			r = task_yield();	/* the origin listens before anybody connects */
		if (r >= 0)
			r = talk_over_socketpair(t);
	}
	free_unborn(t->service);
	free_unborn(t->origin);
	t->service = service_unref(t->service);
	t->origin = service_unref(t->origin);
	return r;
}

/* -- scenarios -- */

static const char http_request[] =
	"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
	"GET /bytes/20k HTTP/1.1\r\nHost: a\r\n\r\n"
	"GET /delay/10ms HTTP/1.1\r\nHost: a\r\n\r\n"
	"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	"GET /drip?bytes=3&duration=30ms HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

static void before_talk(void *arg)
{
	struct talk *t = arg;

	semaphore_init(&handshakes, "TLS handshake", 1);
	t->heard_bytes = 0;
	t->wrong = false;
}

static void never_wrong(void *arg, int result)
{
	struct talk *t = arg;

	(void) result;
	assert_false(t->wrong);
	assert_int_equal(handshakes.used, 0);
}

static struct talk echo_talk = {
	.type = "echo", .say = "hello world", .say_bytes = 11, .hear = "hello world", .hear_bytes = 11,
	.in_turns = true,
};
static struct talk discard_talk = { .type = "discard", .say = "hello world", .say_bytes = 11, .hear = "" };
static struct talk daytime_talk = { .type = "daytime", .say = "" };
static struct talk time_talk = { .type = "time", .say = "" };
static struct talk http_talk = { .type = "http", .say = http_request, .say_bytes = sizeof(http_request) - 1 };
static struct talk proxy_talk = {
	.say = "hello world", .say_bytes = 11, .hear = "hello world", .hear_bytes = 11, .in_turns = true,
};
static struct talk tls_talk = {
	.say = "hello world", .say_bytes = 11, .hear = "hello world", .hear_bytes = 11, .in_turns = true, .tls = true,
};

static void run_undisturbed(task_fn *body, struct talk *t)
{
	before_talk(t);
	assert_int_equal(harness_run(body, t), 0);
	assert_false(t->wrong);
	if (t->hear)
		assert_int_equal(t->heard_bytes, t->hear_bytes);
}

static void every_service_answers(void **state)
{
	(void) state;
	run_undisturbed(simple_body, &echo_talk);
	run_undisturbed(simple_body, &discard_talk);
	run_undisturbed(simple_body, &daytime_talk);
	assert_true(daytime_talk.heard_bytes > 20);
	run_undisturbed(simple_body, &time_talk);
	assert_int_equal(time_talk.heard_bytes, 4);
	run_undisturbed(simple_body, &http_talk);
	assert_true(http_talk.heard_bytes > 20 * 1024);
	run_undisturbed(proxy_body, &proxy_talk);
	run_undisturbed(proxy_body, &tls_talk);
}

/* -- a proxy that listens for a name -- */

static char hello_and_more[4096];
static struct talk routed_talk = { .say = hello_and_more, .hear = hello_and_more, .route = "known.test" };

static void make_hello(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(context);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());

	assert_true(SSL_set_max_proto_version(ssl, TLS1_2_VERSION));	/* the shorter one */
	assert_true(SSL_set_tlsext_host_name(ssl, routed_talk.route));
	SSL_set_bio(ssl, in, out);
	assert_int_equal(SSL_connect(ssl), -1);
	size_t length = (size_t) BIO_read(out, hello_and_more, sizeof(hello_and_more) - 5);
	memcpy(hello_and_more + length, "hello", 5);
	routed_talk.say_bytes = routed_talk.hear_bytes = length + 5;
	SSL_free(ssl);
	SSL_CTX_free(context);
}

static void what_was_read_to_find_a_name_is_passed_on_whole_and_first(void **state)
{
	(void) state;
	for (routed_talk.pause_at = 0; routed_talk.pause_at < routed_talk.say_bytes; routed_talk.pause_at++)
		run_undisturbed(proxy_body, &routed_talk);
}

static void torture(task_fn *body, struct talk *t, uint64_t least_points)
{
	struct harness_scenario s = { .body = body, .arg = t, .prepare = before_talk, .check = never_wrong };

	assert_true(harness_torture(&s) >= least_points);
}

static void echo_survives_a_blow_at_every_suspension_point(void **state)
{
	(void) state;
	torture(simple_body, &echo_talk, 6);
}

static void http_survives_a_blow_at_every_suspension_point(void **state)
{
	(void) state;
	torture(simple_body, &http_talk, 8);
}

static void proxy_survives_a_blow_at_every_suspension_point(void **state)
{
	(void) state;
	torture(proxy_body, &proxy_talk, 15);
}

static void a_proxy_with_routes_survives_a_blow_at_every_suspension_point(void **state)
{
	(void) state;
	routed_talk.pause_at = 20;
	torture(proxy_body, &routed_talk, 8);
}

static void a_proxy_over_tls_survives_a_blow_at_every_suspension_point(void **state)
{
	(void) state;
	torture(proxy_body, &tls_talk, 20);
}

static void small_services_survive_a_blow_at_every_suspension_point(void **state)
{
	(void) state;
	torture(simple_body, &discard_talk, 1);
	torture(simple_body, &daytime_talk, 1);
	torture(simple_body, &time_talk, 1);
}

static void torture_faults(task_fn *body, struct talk *t)
{
#ifdef ENABLE_FAULTS
	struct harness_scenario s = { .body = body, .arg = t, .prepare = before_talk, .check = never_wrong };

	assert_true(harness_torture_faults(&s) > 5);
#else
	(void) body;
	(void) t;
	print_message("needs a build with --enable-faults\n");
	skip();
#endif
}

static void echo_survives_every_planted_failure(void **state)
{
	(void) state;
	torture_faults(simple_body, &echo_talk);
}

static void http_survives_every_planted_failure(void **state)
{
	(void) state;
	torture_faults(simple_body, &http_talk);
}

static void proxy_survives_every_planted_failure(void **state)
{
	(void) state;
	torture_faults(proxy_body, &proxy_talk);
}

static void a_proxy_over_tls_survives_every_planted_failure(void **state)
{
	(void) state;
	torture_faults(proxy_body, &tls_talk);
}

static void a_proxy_with_routes_survives_every_planted_failure(void **state)
{
	(void) state;
	routed_talk.pause_at = 20;
	torture_faults(proxy_body, &routed_talk);
}

/* -- limits in time, on the virtual clock -- */

struct patience {
	const char *type;
	struct service_config sc;
	const char *say;
	int64_t ended_after_ms;
};

static int wait_for_the_end(void *arg)
{
	struct patience *p = arg;
	_cleanup_(stream_freep) struct stream *mine = NULL;
	struct endpoint peer = { .any.sa_family = AF_UNIX };
	struct service *s = NULL;
	char buffer[2000];
	ssize_t n;
	int ends[2];

	assert_int_equal(service_new(&p->sc, &configuration, &(struct service_parts) { 0 }, &s), 0);
	harness_socketpair(ends);
	assert_int_equal(stream_new(ends[0], &mine), 0);
	{
		TASK_GROUP(conns, GROUP_EACH);
		int64_t began_ms = time_now_ms();
		assert_int_equal(start_conn(&conns, s, ends[1], &peer), 0);
		assert_int_equal(stream_write(mine, p->say, strlen(p->say)), 0);
		do
			n = stream_read(mine, buffer, sizeof(buffer));
		while (n > 0);
		assert_int_equal(group_wait(&conns), 0);
		p->ended_after_ms = time_now_ms() - began_ms;
	}
	service_unref(s);
	return 0;
}

static int64_t patience_of(const char *type, const char *say, int64_t idle_ms, int64_t session_ms, int64_t header_ms)
{
	struct patience p = { .type = type, .sc = config_for(type), .say = say };

	p.sc.idle_timeout_ms = idle_ms;
	p.sc.session_timeout_ms = session_ms;
	p.sc.header_timeout_ms = header_ms;
	assert_int_equal(harness_run(wait_for_the_end, &p), 0);
	return p.ended_after_ms;
}

static void silence_ends_at_the_idle_timeout(void **state)
{
	(void) state;
	assert_int_equal(patience_of("echo", "x", 300000, FOREVER, 10000), 300000);
	assert_int_equal(patience_of("discard", "x", 1000, FOREVER, 10000), 1000);
	assert_int_equal(patience_of("http", "", 7000, FOREVER, 10000), 7000);
}

static void a_session_ends_at_its_own_limit(void **state)
{
	(void) state;
	assert_int_equal(patience_of("echo", "x", 300000, 20000, 10000), 20000);
}

static void a_request_head_has_a_total_limit(void **state)
{
	(void) state;
	assert_in_range(patience_of("http", "GET / HT", 300000, FOREVER, 10000), 10000, 12000);
}

/* -- who may come in -- */

static void rules(struct service *s, const char *allow, const char *deny, struct cidr storage[2])
{
	const char *error;

	s->allow = s->deny = (struct cidr_list) { 0 };
	if (allow) {
		assert_int_equal(cidr_parse(allow, &storage[0], &error), 0);
		s->allow = (struct cidr_list) { &storage[0], 1 };
	}
	if (deny) {
		assert_int_equal(cidr_parse(deny, &storage[1], &error), 0);
		s->deny = (struct cidr_list) { &storage[1], 1 };
	}
}

static void deny_wins_and_an_allow_list_excludes_the_rest(void **state)
{
	struct endpoint local = { .ipv4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) } };
	struct service s = { 0 };
	struct cidr storage[2];

	(void) state;
	assert_true(service_admits(&s, &local));
	rules(&s, "127.0.0.0/8", NULL, storage);
	assert_true(service_admits(&s, &local));
	rules(&s, "10.0.0.0/8", NULL, storage);
	assert_false(service_admits(&s, &local));
	rules(&s, NULL, "127.0.0.1", storage);
	assert_false(service_admits(&s, &local));
	rules(&s, "127.0.0.0/8", "127.0.0.1", storage);
	assert_false(service_admits(&s, &local));
	rules(&s, NULL, "10.0.0.0/8", storage);
	assert_true(service_admits(&s, &local));
}

static void every_type_of_service_can_be_found(void **state)
{
	(void) state;
	for (const struct service_type *t = service_types; t->config.name; t++) {
		assert_ptr_equal(service_type_find(t->config.name), t);
		assert_non_null(t->handle);
	}
	assert_null(service_type_find("ech"));
}

/* End records are written, so that they are disturbed too, but not to the test's output. */
static void swallow(void *context, enum log_level level, const char *line, size_t length)
{
	(void) context;
	(void) level;
	(void) line;
	(void) length;
}

static int open_all(void **state)
{
	(void) state;
	log_open(LOG_FORMAT_LOGFMT, LOG_LEVEL_DEBUG);
	log_set_sink(swallow, NULL);
	snprintf(proxy_address, sizeof(proxy_address), "unix:@corelay-test-%d", (int) getpid());
	make_hello();
	assert_int_equal(tls_keep_new(&keep), 0);
	assert_int_equal(profile_new(&configuration, &server_tls, keep, false, stderr, &server_profile), 0);
	return profile_new(&configuration, &client_tls, keep, false, stderr, &client_profile);
}

static int close_all(void **state)
{
	(void) state;
	profile_unref(server_profile);
	profile_unref(client_profile);
	tls_keep_free(keep);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_service_answers),
		cmocka_unit_test(echo_survives_a_blow_at_every_suspension_point),
		cmocka_unit_test(http_survives_a_blow_at_every_suspension_point),
		cmocka_unit_test(proxy_survives_a_blow_at_every_suspension_point),
		cmocka_unit_test(what_was_read_to_find_a_name_is_passed_on_whole_and_first),
		cmocka_unit_test(a_proxy_with_routes_survives_a_blow_at_every_suspension_point),
		cmocka_unit_test(a_proxy_over_tls_survives_a_blow_at_every_suspension_point),
		cmocka_unit_test(small_services_survive_a_blow_at_every_suspension_point),
		cmocka_unit_test(echo_survives_every_planted_failure),
		cmocka_unit_test(http_survives_every_planted_failure),
		cmocka_unit_test(proxy_survives_every_planted_failure),
		cmocka_unit_test(a_proxy_with_routes_survives_every_planted_failure),
		cmocka_unit_test(a_proxy_over_tls_survives_every_planted_failure),
		cmocka_unit_test(silence_ends_at_the_idle_timeout),
		cmocka_unit_test(a_session_ends_at_its_own_limit),
		cmocka_unit_test(a_request_head_has_a_total_limit),
		cmocka_unit_test(deny_wins_and_an_allow_list_excludes_the_rest),
		cmocka_unit_test(every_type_of_service_can_be_found),
	};

	return cmocka_run_group_tests_name("service", tests, open_all, close_all);
}
