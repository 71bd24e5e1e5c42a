/* test_proxy_tls.c - the server with TLS on either side of it: handshakes and their records, servers that do not
 * prove who they are, and the choice of an upstream by name. */
#include "service/server.h"

#include "net/connect.h"
#include "net/tls.h"
#include "service/conn.h"
#include "service/profile.h"
#include "service/route.h"
#include "service/upstream.h"
#include "tests/support/certificates.h"
#include "tests/support/config_files.h"
#include "tests/support/harness.h"
#include "tests/support/log_lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>

/* -- files -- */

static struct certificates pki;
static struct sample sample;		/* in the folder of the certificates */
static struct tls_keep *client_keep;
static struct tls_context *client_context;

static int open_all(void **state)
{
	const struct tls_options client = {
		.name = "client", .verify = TLS_VERIFY_OFF, .max_version = TLS_VERSION_1_3,
	};
	struct tls_problem problem;
	char place[32];

	(void) state;
	certificates_open(&pki);
	snprintf(sample.folder, sizeof(sample.folder), "%s", pki.folder);
	snprintf(place, sizeof(place), "@corelay-tls-%d", (int) getpid());
	setenv("PLACE", place, 1);

	const struct certificate *root = certificate_make(&pki, .name = "root", .is_authority = true);
	const struct certificate *other = certificate_make(&pki, .name = "other-root", .is_authority = true);
	certificate_make(&pki, .name = "web", .issuer = root, .names = "DNS:web.test");
	certificate_make(&pki, .name = "wrong", .issuer = root, .names = "DNS:wrong.test");
	certificate_make(&pki, .name = "stranger", .issuer = other, .names = "DNS:web.test");
	certificate_make(&pki, .name = "expired", .issuer = root, .names = "DNS:web.test", .begins_days = -20,
			 .ends_days = -1);
	assert_int_equal(tls_keep_new(&client_keep), 0);
	return tls_context_new(&client, client_keep, false, true, &client_context, &problem);
}

static int close_all(void **state)
{
	(void) state;
	tls_context_unref(client_context);
	tls_keep_free(client_keep);
	sample_close(&sample);
	certificates_close(&pki);
	return 0;
}

#define DAEMON "[daemon]\nlog = logfmt\nlog_level = debug\noffload_threads = 1\nstall_warn = off\n"
#define TLS(name) "[tls " name "]\ncertificate = " name ".pem\nkey = " name ".key\n"
#define ECHO(name) "[service " name "]\ntype = echo\nlisten = unix:${PLACE}-" name "\n"
#define TLS_ECHO(name) ECHO(name) "tls = " name "\n" TLS(name)
#define PROXY(name) "[service " name "]\ntype = proxy\nlisten = unix:${PLACE}-" name "\n"
#define SERVER(name) "server = unix:${PLACE}-" name "\n"

/* -- the server without its signals -- */

struct world {
	struct server server;
	struct task_group connections, keepers, strangers;
};

static void read_config(const char *text)
{
	if (sample_read(&sample, text) < 0)
		fail_msg("%s", sample.said);
}

static void read_config_here(void *arg)
{
	read_config(arg);
}

/* [suspends] What SIGHUP does. */
static void reload(struct world *w, const char *text)
{
	call_on_main_stack(read_config_here, (void *) text);
	assert_int_equal(server_apply(&w->server, sample.config), 0);
}

static void world_begin(struct world *w)
{
	struct server *s = &w->server;

	*s = (struct server) { .connections = &w->connections, .profile_keepers = &w->keepers };
	group_init(&w->connections, "connections", GROUP_EACH);
	group_init(&w->keepers, "certificates", GROUP_EACH);
	group_init(&w->strangers, "strangers", GROUP_EACH);
	list_init(&s->services);
	list_init(&s->retired);
	list_init(&s->ports);
	list_init(&s->profiles);
	gate_init(&s->attention, "something to do");
	semaphore_init(&s->slots, "connection slot of the daemon", 1);
	semaphore_init(&s->handshakes, "TLS handshake", 1);
	assert_int_equal(server_apply(s, sample.config), 0);
}

static void world_end(struct world *w)
{
	struct server *s = &w->server;
	struct list *node;

	port_free_all(&s->ports);
	group_close(&w->connections);
	group_close(&w->keepers);
	group_close(&w->strangers);
	while ((node = list_take_first(&s->services)))
		service_unref(list_entry(node, struct service, node));
	assert_true(list_is_empty(&s->retired));
	while ((node = list_take_first(&s->profiles)))
		profile_unref(list_entry(node, struct tls_profile, node));
	tls_keep_free(s->tls_keep);
	semaphore_done(&s->handshakes);
	semaphore_done(&s->slots);
	gate_done(&s->attention);
	config_unref(s->config);
}

struct play {
	void (*act)(struct world *w);
};

static int run_play(void *arg)
{
	const struct play *p = arg;
	struct world w;

	world_begin(&w);
	p->act(&w);
	world_end(&w);
	return 0;
}

/* Acts in a world of this configuration. */
static void play(const char *config, void (*act)(struct world *w))
{
	struct play p = { act };

	log_lines_open();
	read_config(config);
	assert_int_equal(harness_run(run_play, &p), 0);
}

/* [suspends] */
static void wait_ms(int64_t ms)
{
	assert_int_equal(sleep_for(ms), 0);
}

/* A moment for the server. */
static void wait_a_moment(void)
{
	wait_ms(10);
}

static struct service *service_named(struct world *w, const char *name)
{
	LIST_EACH (node, &w->server.services) {
		struct service *s = list_entry(node, struct service, node);

		if (strcmp(s->name, name) == 0)
			return s;
	}
	fail_msg("there is no service '%s'", name);
	return NULL;
}

/* -- clients -- */

static struct address address_of(const char *service)
{
	char text[ADDRESS_TEXT_BYTES];
	struct address at;
	const char *error;

	snprintf(text, sizeof(text), "unix:%s-%s", getenv("PLACE"), service);
	assert_int_equal(address_parse(text, ADDRESS_CONNECT, &at, &error), 0);
	return at;
}

static struct stream *dial(const char *service)
{
	const struct address at = address_of(service);
	struct stream *s = NULL;

	assert_int_equal(connect_stream(&at, NULL, 0, &s), 0);
	return s;
}

static struct stream *dial_tls(const char *service, const char *name)
{
	struct stream *s = dial(service);

	assert_int_equal(tls_connect(s, client_context, name, NULL), 0);
	return s;
}

static void say(struct stream *s, const void *bytes, size_t length)
{
	assert_int_equal(stream_write(s, bytes, length), 0);
}

static void hear(struct stream *s, const void *bytes, size_t length)
{
	char got[4096];
	size_t have = 0;

	while (have < length) {
		ssize_t n = stream_read(s, got + have, length - have);
		assert_true(n > 0);
		have += (size_t) n;
	}
	assert_memory_equal(got, bytes, length);
}

static void assert_echoed(struct stream *s)
{
	say(s, "question", 8);
	hear(s, "question", 8);
}

static void assert_ended(struct stream *s)
{
	char byte;

	assert_true(stream_read(s, &byte, 1) <= 0);
}

/* The client's goodbye, and the record of it. */
static void leave(struct stream *s)
{
	assert_int_equal(stream_finish(s), 0);
	wait_a_moment();
	stream_free(s);
	wait_a_moment();
}

struct bytes {
	uint8_t bytes[2048];
	size_t length;
};

/* The first message of a client. */
static void make_hello(struct bytes *b, const char *name)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(context);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());

	if (name)
		assert_true(SSL_set_tlsext_host_name(ssl, name));
	SSL_set_bio(ssl, in, out);
	assert_int_equal(SSL_connect(ssl), -1);
	b->length = (size_t) BIO_read(out, b->bytes, sizeof(b->bytes));
	SSL_free(ssl);
	SSL_CTX_free(context);
}

struct hello_wish {
	struct bytes *to;
	const char *name;
};

static void make_wished(void *arg)
{
	const struct hello_wish *w = arg;

	make_hello(w->to, w->name);
}

static struct bytes hello_for(const char *name)
{
	struct bytes b;

	call_on_main_stack(make_wished, &(struct hello_wish) { &b, name });
	return b;
}

/* -- servers that speak something else, or nothing -- */

struct stranger {
	const char *place;
	const char *says;		/* NULL: nothing */
	bool leaves;			/* at once, but only its direction: with bytes unread it would be a reset */
};

/* To one after the other, until he leaves. */
static int meet(const struct stranger *self, int fd)
{
	_cleanup_(stream_freep) struct stream *s = NULL;
	char buffer[1000];
	ssize_t n = stream_new(fd, &s);

	if (n >= 0 && self->says)
		n = stream_write(s, self->says, strlen(self->says));
	if (n >= 0 && self->leaves)
		n = stream_finish(s);
	if (n < 0)
		return (int) n;
	do
		n = stream_read(s, buffer, sizeof(buffer));
	while (n > 0);
	return n == -ECANCELED ? (int) n : 0;
}

static int be_strange(void *arg)
{
	const struct stranger *self = arg;
	_cleanup_(listener_freep) struct listener *l = NULL;
	struct address at = address_of(self->place);
	struct endpoint peer;
	int r = listener_open(&at, &l);

	while (r >= 0) {
		r = listener_accept(l, &peer);
		if (r >= 0)
			r = meet(self, r);
	}
	return r;
}

static void add_stranger(struct world *w, struct stranger *s)
{
	assert_int_equal(task_spawn(&w->strangers, "stranger", be_strange, s, NULL), 0);
	wait_a_moment();
}

static struct stranger silent = { "silent", NULL, false }, plain = { "plain", "220 mail.test ready\r\n", false };
static struct stranger brief = { "brief", NULL, true };

/* -- servers behind a proxy -- */

#define ORIGINS TLS_ECHO("web") TLS_ECHO("wrong") TLS_ECHO("stranger") TLS_ECHO("expired")
#define FRONT DAEMON ORIGINS PROXY("front") "upstream = group\n"
#define GROUP "[upstream group]\n"
#define BACK "tls = back\n[tls back]\nca = root.pem\nserver_name = web.test\n"

static void pass_over(struct world *w)
{
	add_stranger(w, &plain);
	add_stranger(w, &brief);
	struct stream *s = dial("front");

	assert_echoed(s);
	leave(s);
	ASSERT_LOGGED(1, "connection ended", "service=front", "-web attempts=2", "upstream_tls=TLSv1.3",
		      "end=\"client closed\"");
}

static void fail_at(struct world *w)
{
	add_stranger(w, &plain);
	add_stranger(w, &brief);
	struct stream *s = dial("front");

	assert_ended(s);
	stream_free(s);
	wait_a_moment();
	ASSERT_LOGGED(1, "connection ended", "service=front", "attempts=1", "end=\"upstream TLS: ", getenv("WORDS"),
		      "state=SC");
	ASSERT_LOGGED(0, "connection ended", "service=front", "upstream_tls=");
}

static void a_server_that_does_not_prove_who_it_is_is_passed_over_and_named(void **state)
{
	static const struct {
		const char *name, *words;
	} bad[] = {
		{ "wrong", "server certificate: hostname mismatch" },
		{ "stranger", "server certificate: unable to get local issuer certificate" },
		{ "expired", "server certificate: certificate has expired" },
		{ "plain", "server does not speak TLS" },
		{ "brief", "server closed during the TLS handshake" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
		setenv("BAD", bad[i].name, 1);
		setenv("WORDS", bad[i].words, 1);
		play(FRONT GROUP SERVER("${BAD}") SERVER("web") BACK, pass_over);
		play(FRONT GROUP SERVER("${BAD}") BACK, fail_at);
	}
}

static void fail_twice(struct world *w)
{
	struct stream *s = dial("front");

	(void) w;
	assert_ended(s);
	stream_free(s);
	wait_a_moment();
	ASSERT_LOGGED(1, "connection ended", "service=front", "-wrong attempts=2", "upstream TLS: ",
		      "hostname mismatch");
	ASSERT_LOGGED(0, "connection ended", "service=front", "expired");
}

static void the_record_names_the_last_failure(void **state)
{
	(void) state;
	play(FRONT GROUP SERVER("expired") SERVER("wrong") BACK, fail_twice);
}

static void fail_otherwise(struct world *w)
{
	struct stream *s = dial("front");

	(void) w;
	assert_ended(s);
	stream_free(s);
	wait_a_moment();
	ASSERT_LOGGED(1, "connection ended", "service=front", "attempts=2", "end=\"upstream refused\"", "state=SC");
}

static void a_failure_of_tls_does_not_hide_a_later_one_without(void **state)
{
	(void) state;
	play(FRONT GROUP SERVER("expired") SERVER("nobody") BACK, fail_otherwise);
}

static void outwait(struct world *w)
{
	add_stranger(w, &silent);
	int64_t began_ms = time_now_ms();
	struct stream *s = dial("front");

	assert_echoed(s);
	assert_in_range(time_now_ms() - began_ms, 10000, 10100);
	leave(s);
	ASSERT_LOGGED(1, "connection ended", "service=front", "-web attempts=2");

	s = dial("lonely");
	assert_ended(s);
	stream_free(s);
	wait_a_moment();
	ASSERT_LOGGED(1, "connection ended", "service=lonely", "end=\"upstream TLS: handshake timeout\"", "state=SC");
}

static void a_server_that_is_silent_for_the_handshake_timeout_is_passed_over(void **state)
{
	(void) state;
	play(FRONT "handshake_timeout = 10s\n"
	     GROUP SERVER("silent") SERVER("web") BACK
	     PROXY("lonely") "upstream = alone\n[upstream alone]\n" SERVER("silent") "tls = back\n", outwait);
}

static void run_out_of_session(struct world *w)
{
	add_stranger(w, &silent);
	struct stream *s = dial("front");

	assert_ended(s);
	stream_free(s);
	wait_a_moment();
	ASSERT_LOGGED(1, "connection ended", "service=front", "-silent attempts=1", "end=\"session timeout\"");
}

static void the_end_of_the_session_is_not_the_servers_fault(void **state)
{
	(void) state;
	play(FRONT "handshake_timeout = 10s\nsession_timeout = 3s\n"
	     GROUP SERVER("silent") SERVER("web") BACK, run_out_of_session);
}

static struct conn *only_conn(struct world *w, const char *service)
{
	struct list *conns = &service_named(w, service)->conns;

	assert_false(list_is_empty(conns));
	return list_entry(conns->next, struct conn, service_node);
}

static void break_off(struct world *w)
{
	struct stream *s = dial("front");

	assert_echoed(s);
	conn_cancel(only_conn(w, "web"));
	assert_ended(s);
	stream_free(s);
	wait_a_moment();
	ASSERT_LOGGED(1, "connection ended", "service=front", "upstream_tls=TLSv1.3",
		      "end=\"upstream TLS: server closed without close_notify\"", "state=SD");
}

static void a_server_that_breaks_off_is_told_from_one_that_ends(void **state)
{
	(void) state;
	play(FRONT GROUP SERVER("web") BACK, break_off);
}

#define RESUMING DAEMON TLS_ECHO("web") PROXY("front") "upstream = group\n" GROUP SERVER("web") BACK

static void visit(void)
{
	struct stream *s = dial("front");

	assert_echoed(s);
	leave(s);
}

static void come_again(struct world *w)
{
	visit();
	ASSERT_LOGGED(1, "connection ended", "service=web", "resumed=no");
	ASSERT_LOGGED(0, "connection ended", "resumed=yes");
	visit();
	visit();
	ASSERT_LOGGED(2, "connection ended", "service=web", "resumed=yes");
	reload(w, RESUMING);
	visit();
	ASSERT_LOGGED(2, "connection ended", "service=web", "resumed=no");
	visit();
	ASSERT_LOGGED(3, "connection ended", "service=web", "resumed=yes");
}

static void the_next_connection_resumes_and_a_reload_begins_anew(void **state)
{
	(void) state;
	play(RESUMING, come_again);
}

/* -- clients with TLS -- */

#define WEB DAEMON TLS_ECHO("web")

static void stall_in_the_handshake(struct world *w)
{
	struct bytes hello = hello_for("web.test");
	int64_t began_ms = time_now_ms();
	struct stream *s = dial("web");

	(void) w;
	say(s, hello.bytes, hello.length / 2);
	assert_ended(s);
	assert_in_range(time_now_ms() - began_ms, 10000, 10600);
	stream_free(s);
	wait_a_moment();
	ASSERT_LOGGED(1, "connection ended", "service=web", "end=\"TLS handshake timeout\"", "state=cR");
}

static void a_handshake_has_a_time_limit(void **state)
{
	(void) state;
	play(WEB, stall_in_the_handshake);
}

static void knock(struct world *w)
{
	struct stream *s = dial("web");

	leave(s);
	assert_int_equal(service_named(w, "web")->probes, 1);
	ASSERT_LOGGED(0, "connection ended");

	s = dial("web");
	say(s, "\x16", 1);
	leave(s);
	assert_int_equal(service_named(w, "web")->probes, 1);
	ASSERT_LOGGED(1, "connection ended", "end=\"client closed during the TLS handshake\"", "state=CR");

	/* A whole hello, and then no more: the server has answered and waits for what finishes the handshake. */
	struct bytes hello = hello_for("web.test");

	s = dial("web");
	say(s, hello.bytes, hello.length);
	leave(s);
	assert_int_equal(service_named(w, "web")->probes, 1);
	ASSERT_LOGGED(2, "connection ended", "end=\"client closed during the TLS handshake\"", "state=CR");
}

static void who_leaves_without_a_byte_is_a_probe_and_who_leaves_half_way_is_not(void **state)
{
	(void) state;
	play(WEB, knock);
}

static void shake_and_leave(struct world *w)
{
	leave(dial_tls("web", "web.test"));
	assert_int_equal(service_named(w, "web")->probes, 0);
	ASSERT_LOGGED(1, "connection ended", "service=web", "in=0 out=0", " tls=TLSv1.3 ", " cipher=TLS_",
		      " sni=web.test ", " resumed=no ", " handshake=", "end=\"client closed\"", "state=--");
}

static void who_leaves_after_the_handshake_has_a_record_of_it(void **state)
{
	(void) state;
	play(WEB, shake_and_leave);
}

static void leave_without_goodbye(struct world *w)
{
	struct stream *s = dial_tls("web", "web.test");

	(void) w;
	assert_echoed(s);
	stream_free(s);
	wait_a_moment();
	ASSERT_LOGGED(1, "connection ended", "service=web", "in=8 out=8",
		      "end=\"client closed without close_notify\"", "state=CD");
}

static void who_leaves_without_close_notify_is_told_from_who_ends(void **state)
{
	(void) state;
	play(WEB, leave_without_goodbye);
}

static void speak_plainly(struct world *w)
{
	char got[64];
	struct stream *s = dial("web");

	(void) w;
	say(s, "GET / HTTP/1.1\r\n\r\n", 18);
	assert_true(stream_read(s, got, sizeof(got)) >= 12);
	assert_memory_equal(got, "HTTP/1.1 400", 12);
	leave(s);
	ASSERT_LOGGED(1, "connection ended", "end=\"plain HTTP on a TLS port\"", "state=PR");
}

static void who_speaks_http_without_tls_is_told_and_named(void **state)
{
	(void) state;
	play(WEB, speak_plainly);
}

struct shaking {
	bool done;
};

static int shake(void *arg)
{
	struct shaking *s = arg;
	_cleanup_(stream_freep) struct stream *stream = dial_tls("web", "web.test");

	s->done = true;
	assert_echoed(stream);
	return 0;
}

#define NARROW_WEB(limit) DAEMON "max_handshakes = " limit "\n" TLS_ECHO("web")

static void crowd(struct world *w)
{
	struct shaking second = { false };
	TASK_GROUP(clients, GROUP_ALL);

	/* As if one were at work for long. */
	assert_true(semaphore_try_acquire(&w->server.handshakes));
	assert_int_equal(task_spawn(&clients, "second", shake, &second, NULL), 0);
	wait_ms(5000);
	assert_false(second.done);

	reload(w, NARROW_WEB("2"));
	wait_ms(1000);
	assert_true(second.done);
	assert_int_equal(group_wait(&clients), 0);
	assert_int_equal(w->server.handshakes.used, 1);
	semaphore_release(&w->server.handshakes);
}

static void a_handshake_above_the_limit_waits_until_that_is_raised(void **state)
{
	(void) state;
	play(NARROW_WEB("1"), crowd);
}

static void wait_for_the_first(struct world *w)
{
	struct shaking second = { false };
	TASK_GROUP(clients, GROUP_ALL);

	assert_true(semaphore_try_acquire(&w->server.handshakes));
	assert_int_equal(task_spawn(&clients, "second", shake, &second, NULL), 0);
	wait_ms(1000);
	assert_false(second.done);
	semaphore_release(&w->server.handshakes);
	assert_int_equal(group_wait(&clients), 0);
	assert_int_equal(w->server.handshakes.used, 0);
}

static void a_handshake_above_the_limit_waits_for_one_to_end(void **state)
{
	(void) state;
	play(NARROW_WEB("1"), wait_for_the_first);
}

static void stall(struct world *w)
{
	struct bytes hello = hello_for("web.test");
	struct shaking second = { false };
	struct stream *first = dial("web");
	TASK_GROUP(clients, GROUP_ALL);

	/* Who says hello and no more holds nobody up. */
	(void) w;
	say(first, hello.bytes, hello.length);
	wait_ms(1000);
	assert_int_equal(task_spawn(&clients, "second", shake, &second, NULL), 0);
	wait_ms(1000);
	assert_true(second.done);
	assert_int_equal(group_wait(&clients), 0);
	stream_free(first);
}

static void a_client_that_stalls_takes_no_place_of_another(void **state)
{
	(void) state;
	play(NARROW_WEB("1"), stall);
}

/* -- routes -- */

#define UPSTREAM(name) "[upstream " name "]\n" SERVER(name)

static const char *found_for(const struct routes *r, const char *name)
{
	const struct upstream *u = routes_find(r, name);

	return u ? u->name : "none";
}

static void an_exact_name_goes_before_a_pattern_which_is_for_one_label(void **state)
{
	struct upstream *upstreams[3] = { NULL };
	struct routes *r = NULL;

	(void) state;
	read_config(PROXY("front") "match_sni = *.a.test one, b.a.test two, *.a.test.test three, x.test three\n"
		    UPSTREAM("one") UPSTREAM("two") UPSTREAM("three"));
	for (size_t i = 0; i < ARRAY_LENGTH(upstreams); i++)
		assert_int_equal(upstream_new(&sample.config->upstreams[i], NULL, &upstreams[i]), 0);
	assert_int_equal(routes_new(&sample.config->services[0], sample.config, upstreams, &r), 0);
	/* The routes keep what they lead to, and what they are made of. */
	for (size_t i = 0; i < ARRAY_LENGTH(upstreams); i++)
		upstream_unref(upstreams[i]);
	read_config(PROXY("front") "upstream = other\n" UPSTREAM("other"));

	assert_string_equal(found_for(r, "b.a.test"), "two");
	assert_string_equal(found_for(r, "B.A.Test"), "two");
	assert_string_equal(found_for(r, "c.a.test"), "one");
	assert_string_equal(found_for(r, "c.b.a.test"), "none");
	assert_string_equal(found_for(r, "a.test"), "none");
	assert_string_equal(found_for(r, ".a.test"), "none");
	assert_string_equal(found_for(r, "c.a.test.test"), "three");
	assert_string_equal(found_for(r, "x.test"), "three");
	assert_string_equal(found_for(r, "x.test.test"), "none");
	assert_string_equal(found_for(r, ""), "none");
	assert_null(routes_unref(r));
}

#define ROUTED "match_sni = known.test named, *.known.test wild\n"
#define ROUTES ECHO("named") ECHO("wild") ECHO("rest") UPSTREAM("named") UPSTREAM("wild") UPSTREAM("rest")

/* Says hello for that name, which comes back from whichever upstream it is. */
static void call_for(const char *service, const char *name)
{
	struct bytes hello = hello_for(name);
	struct stream *s = dial(service);

	say(s, hello.bytes, hello.length);
	hear(s, hello.bytes, hello.length);
	assert_echoed(s);
	leave(s);
}

static void assert_refused(const char *service, const char *name)
{
	struct bytes hello = hello_for(name);
	struct stream *s = dial(service);

	say(s, hello.bytes, hello.length);
	assert_ended(s);
	stream_free(s);
	wait_a_moment();
}

static void ask_around(struct world *w)
{
	(void) w;
	call_for("front", "known.test");
	ASSERT_LOGGED(1, "connection ended", "service=front", "-named attempts=1");
	call_for("front", "any.known.test");
	ASSERT_LOGGED(1, "connection ended", "service=front", "-wild attempts=1");
	call_for("front", "unknown.test");
	ASSERT_LOGGED(1, "connection ended", "service=front", "-rest attempts=1");
	call_for("front", NULL);
	ASSERT_LOGGED(2, "connection ended", "service=front", "-rest attempts=1");

	assert_refused("strict", "unknown.test");
	ASSERT_LOGGED(1, "connection ended", "service=strict", "upstream=- attempts=0",
		      "end=\"no upstream for the name asked for\"", "state=PR");
	assert_refused("strict", NULL);
	ASSERT_LOGGED(1, "connection ended", "service=strict", "upstream=- attempts=0",
		      "end=\"no upstream for a client without a name\"", "state=PR");
	call_for("strict", "known.test");
	ASSERT_LOGGED(1, "connection ended", "service=strict", "-named attempts=1");
}

static void a_client_is_passed_on_by_its_name_or_to_the_rest_or_refused(void **state)
{
	(void) state;
	play(DAEMON ROUTES PROXY("front") ROUTED "upstream = rest\n" PROXY("strict") ROUTED, ask_around);
}

static void ask_behind_tls(struct world *w)
{
	struct stream *s;

	(void) w;
	s = dial_tls("front", "a.known.test");
	assert_echoed(s);
	leave(s);
	ASSERT_LOGGED(1, "connection ended", "service=front", "sni=a.known.test", "-wild attempts=1");
	s = dial_tls("front", "unknown.test");
	assert_ended(s);
	stream_free(s);
	wait_a_moment();
	ASSERT_LOGGED(1, "connection ended", "service=front", "end=\"no upstream for the name asked for\"",
		      "state=PR");
}

static void a_name_routes_where_tls_ends_here_too(void **state)
{
	(void) state;
	play(DAEMON ROUTES PROXY("front") "tls = web\n" ROUTED TLS("web"), ask_behind_tls);
}

static void say_nothing(struct world *w)
{
	add_stranger(w, &plain);
	int64_t began_ms = time_now_ms();
	struct stream *s = dial("front");

	hear(s, plain.says, strlen(plain.says));
	assert_in_range(time_now_ms() - began_ms, 1000, 1100);
	leave(s);
	ASSERT_LOGGED(1, "connection ended", "service=front", "-plain attempts=1");

	/* Something else than TLS is known at once, and half of a hello takes no longer than silence. */
	began_ms = time_now_ms();
	s = dial("front");
	say(s, "EHLO\r\n", 6);
	hear(s, plain.says, strlen(plain.says));
	assert_in_range(time_now_ms() - began_ms, 0, 100);
	leave(s);
	s = dial("front");
	say(s, "\x16\x03\x01", 3);
	hear(s, plain.says, strlen(plain.says));
	assert_in_range(time_now_ms() - began_ms, 1000, 1200);
	leave(s);
}

static void a_silent_client_waits_for_no_name_longer_than_sni_wait(void **state)
{
	(void) state;
	play(DAEMON ROUTES PROXY("front") ROUTED "upstream = plain\nsni_wait = 1s\n" UPSTREAM("plain"), say_nothing);
}

#define BEFORE DAEMON ROUTES PROXY("front") ROUTED
#define AFTER DAEMON ECHO("rest") UPSTREAM("rest") PROXY("front") "upstream = rest\n"

static void reload_in_between(struct world *w)
{
	struct bytes hello = hello_for("known.test");
	struct stream *s = dial("front");

	say(s, hello.bytes, hello.length);
	hear(s, hello.bytes, hello.length);
	reload(w, AFTER);
	assert_echoed(s);
	call_for("front", "known.test");
	ASSERT_LOGGED(1, "connection ended", "service=front", "-rest attempts=1");
	assert_echoed(s);
	leave(s);
	ASSERT_LOGGED(1, "connection ended", "service=front", "-named attempts=1", "end=\"client closed\"");
}

static void a_session_keeps_its_upstream_through_a_reload(void **state)
{
	(void) state;
	play(BEFORE, reload_in_between);
}

/* Routes that go while a client is about to say its name. */
static void reload_while_listening(struct world *w)
{
	struct bytes hello = hello_for("known.test");
	struct stream *s = dial("front");

	say(s, hello.bytes, 10);
	wait_a_moment();
	reload(w, AFTER);
	say(s, hello.bytes + 10, hello.length - 10);
	hear(s, hello.bytes, hello.length);
	leave(s);
	ASSERT_LOGGED(1, "connection ended", "service=front", "-rest attempts=1");
}

static void who_is_listened_to_during_a_reload_gets_the_new_routes(void **state)
{
	(void) state;
	play(BEFORE, reload_while_listening);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_that_does_not_prove_who_it_is_is_passed_over_and_named),
		cmocka_unit_test(the_record_names_the_last_failure),
		cmocka_unit_test(a_failure_of_tls_does_not_hide_a_later_one_without),
		cmocka_unit_test(a_server_that_is_silent_for_the_handshake_timeout_is_passed_over),
		cmocka_unit_test(the_end_of_the_session_is_not_the_servers_fault),
		cmocka_unit_test(a_server_that_breaks_off_is_told_from_one_that_ends),
		cmocka_unit_test(the_next_connection_resumes_and_a_reload_begins_anew),
		cmocka_unit_test(a_handshake_has_a_time_limit),
		cmocka_unit_test(who_leaves_without_a_byte_is_a_probe_and_who_leaves_half_way_is_not),
		cmocka_unit_test(who_leaves_after_the_handshake_has_a_record_of_it),
		cmocka_unit_test(who_leaves_without_close_notify_is_told_from_who_ends),
		cmocka_unit_test(who_speaks_http_without_tls_is_told_and_named),
		cmocka_unit_test(a_handshake_above_the_limit_waits_until_that_is_raised),
		cmocka_unit_test(a_handshake_above_the_limit_waits_for_one_to_end),
		cmocka_unit_test(a_client_that_stalls_takes_no_place_of_another),
		cmocka_unit_test(an_exact_name_goes_before_a_pattern_which_is_for_one_label),
		cmocka_unit_test(a_client_is_passed_on_by_its_name_or_to_the_rest_or_refused),
		cmocka_unit_test(a_name_routes_where_tls_ends_here_too),
		cmocka_unit_test(a_silent_client_waits_for_no_name_longer_than_sni_wait),
		cmocka_unit_test(a_session_keeps_its_upstream_through_a_reload),
		cmocka_unit_test(who_is_listened_to_during_a_reload_gets_the_new_routes),
	};

	return cmocka_run_group_tests_name("proxy_tls", tests, open_all, close_all);
}
