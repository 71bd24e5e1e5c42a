/* test_hello.c - the first message of a TLS client: where it ends, whose name is in it, and who sends none. */
#include "base/memory.h"
#include "net/fd.h"
#include "net/hello.h"
#include "tests/support/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/ssl.h>

/* -- hellos -- */

struct text {
	uint8_t bytes[70 * 1000];
	size_t length;
};

static void put(struct text *t, size_t width, size_t number)
{
	while (width-- > 0)
		t->bytes[t->length++] = (uint8_t) (number >> 8 * width);
}

static void put_bytes(struct text *t, const void *bytes, size_t length)
{
	memcpy(t->bytes + t->length, bytes, length);
	t->length += length;
}

/* A length of `width` bytes that is not known yet. */
static size_t begin(struct text *t, size_t width)
{
	put(t, width, 0);
	return t->length;
}

static void end(struct text *t, size_t width, size_t begun)
{
	size_t length = t->length, content = length - begun;

	t->length = begun - width;
	put(t, width, content);
	t->length = length;
}

/* A hello of OpenSSL, of that version. */
static void real_hello(struct text *t, const char *name, int version)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(context);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());

	assert_true(SSL_set_max_proto_version(ssl, version));
	if (name)
		assert_true(SSL_set_tlsext_host_name(ssl, name));
	SSL_set_bio(ssl, in, out);
	assert_int_equal(SSL_connect(ssl), -1);
	t->length = (size_t) BIO_read(out, t->bytes, sizeof(t->bytes));
	SSL_free(ssl);
	SSL_CTX_free(context);
}

/* What a hello of ours is made of; each member may be wrong in some test. */
struct recipe {
	size_t session_id_bytes, ciphers_bytes, methods_bytes;
	bool no_extensions;
	const struct text *extensions;		/* before a few others */
	size_t padding_bytes;
	const char *behind;			/* the extensions, within the message */
};

static const struct recipe plain_recipe = { .session_id_bytes = 32, .ciphers_bytes = 8, .methods_bytes = 1 };

static void put_zeros(struct text *t, size_t width, size_t count)
{
	put(t, width, count);
	memset(t->bytes + t->length, 0, count);
	t->length += count;
}

static void bake(struct text *t, const struct recipe *r)
{
	t->length = 0;
	put(t, 3, 0x160301);
	size_t record = begin(t, 2);
	put(t, 1, 1);
	size_t message = begin(t, 3);
	put(t, 2, 0x0303);
	for (int i = 0; i < 32; i++)
		put(t, 1, 0xaa);
	put_zeros(t, 1, r->session_id_bytes);
	put_zeros(t, 2, r->ciphers_bytes);
	put_zeros(t, 1, r->methods_bytes);
	if (!r->no_extensions) {
		size_t extensions = begin(t, 2);

		if (r->extensions)
			put_bytes(t, r->extensions->bytes, r->extensions->length);
		put(t, 4, 0x00170000);
		put(t, 2, 21);
		put_zeros(t, 2, r->padding_bytes);
		end(t, 2, extensions);
	}
	if (r->behind)
		put_bytes(t, r->behind, strlen(r->behind));
	end(t, 3, message);
	end(t, 2, record);
}

static void bake_with(struct text *t, const struct text *extensions)
{
	struct recipe r = plain_recipe;

	r.extensions = extensions;
	bake(t, &r);
}

static void put_name(struct text *t, unsigned type, const char *name, size_t length)
{
	put(t, 1, type);
	put(t, 2, length);
	put_bytes(t, name, length);
}

/* An extension with one host name. */
static void put_server_name(struct text *t, const char *name, size_t length)
{
	put(t, 2, 0);
	size_t extension = begin(t, 2);
	size_t list = begin(t, 2);
	put_name(t, 0, name, length);
	end(t, 2, list);
	end(t, 2, extension);
}

/* The same message in records of `piece` bytes. */
static void spread(const struct text *whole, size_t piece, struct text *ret)
{
	ret->length = 0;
	for (size_t at = 5; at < whole->length; at += piece) {
		size_t length = MIN(piece, whole->length - at);

		put(ret, 3, 0x160303);
		put(ret, 2, length);
		put_bytes(ret, whole->bytes + at, length);
	}
}

/* -- what is asserted of them -- */

/* Of a copy of exactly that size, so that a read outside is seen. */
static struct hello parse(const uint8_t *bytes, size_t length)
{
	uint8_t *exact = malloc(MAX(length, (size_t) 1));
	struct hello h;

	assert_non_null(exact);
	memcpy(exact, bytes, length);
	hello_parse(exact, length, &h);
	free(exact);
	assert_true(h.has_name == (h.name[0] != '\0'));
	assert_true(h.kind == HELLO_TLS || !h.has_name);
	return h;
}

static enum hello_kind kind_of(const void *bytes, size_t length)
{
	return parse(bytes, length).kind;
}

static void assert_hello(const struct text *t, const char *name)
{
	struct hello h = parse(t->bytes, t->length);

	assert_int_equal(h.kind, HELLO_TLS);
	assert_string_equal(h.name, name);
}

static void assert_whole_at_the_end_only(const struct text *t, const char *name)
{
	for (size_t length = 0; length < t->length; length++)
		assert_int_equal(kind_of(t->bytes, length), HELLO_INCOMPLETE);
	assert_hello(t, name);
}

static void assert_refused(const struct text *t)
{
	assert_int_equal(kind_of(t->bytes, t->length), HELLO_OTHER);
}

/* -- whole hellos -- */

static void a_real_hello_is_whole_with_its_last_byte(void **unused)
{
	static struct text t;

	(void) unused;
	real_hello(&t, "www.example.org", TLS1_3_VERSION);
	assert_whole_at_the_end_only(&t, "www.example.org");
	real_hello(&t, "www.example.org", TLS1_2_VERSION);
	assert_whole_at_the_end_only(&t, "www.example.org");
	put_bytes(&t, "early", 5);
	assert_hello(&t, "www.example.org");
}

static void a_hello_may_be_spread_over_records(void **unused)
{
	static const size_t pieces[] = { 1, 2, 3, 4, 5, 44, 100 };
	static struct text t, spread_out;

	(void) unused;
	real_hello(&t, "example.org", TLS1_3_VERSION);
	for (size_t i = 0; i < ARRAY_LENGTH(pieces); i++) {
		spread(&t, pieces[i], &spread_out);
		assert_whole_at_the_end_only(&spread_out, "example.org");
	}
}

static void a_hello_may_ask_for_no_name(void **unused)
{
	struct recipe bare = plain_recipe;
	static struct text t;

	(void) unused;
	real_hello(&t, NULL, TLS1_3_VERSION);
	assert_whole_at_the_end_only(&t, "");
	bare.no_extensions = true;
	bare.session_id_bytes = 0;
	bake(&t, &bare);
	assert_whole_at_the_end_only(&t, "");
}

/* -- names -- */

static void expect_name(const char *asked, size_t length, const char *name)
{
	static struct text t, extension;

	extension.length = 0;
	put_server_name(&extension, asked, length);
	bake_with(&t, &extension);
	assert_hello(&t, name);
}

static void a_name_is_in_lower_case_without_a_final_dot(void **unused)
{
	(void) unused;
	expect_name("WWW.Example.ORG.", 16, "www.example.org");
	expect_name("_srv.xn--bcher-kva.example", 26, "_srv.xn--bcher-kva.example");
	expect_name("b\xc3\xbc" "cher[`{@", 11, "b\xc3\xbc" "cher[`{@");
	expect_name("a", 1, "a");
}

static void a_name_has_at_most_255_bytes(void **unused)
{
	char longest[258];

	(void) unused;
	memset(longest, 'x', sizeof(longest));
	longest[255] = '\0';
	expect_name(longest, 255, longest);
	longest[255] = '.';
	expect_name(longest, 257, "");
	longest[256] = '\0';
	char dotless[256];
	snprintf(dotless, sizeof(dotless), "%.255s", longest);
	expect_name(longest, 256, dotless);
	longest[255] = 'x';
	expect_name(longest, 256, "");
}

static void what_could_not_be_a_name_is_none(void **unused)
{
	(void) unused;
	expect_name("good.example\0.evil.example", 26, "");
	expect_name("a b", 3, "");
	expect_name("a\tb", 3, "");
	expect_name("a\nb", 3, "");
	expect_name("a\x7f" "b", 3, "");
	expect_name("\x1f", 1, "");
	expect_name(".", 1, "");
	expect_name("", 0, "");
}

static void the_first_host_name_counts(void **unused)
{
	static struct text t, extension;

	(void) unused;
	put(&extension, 2, 0);
	size_t content = begin(&extension, 2);
	size_t list = begin(&extension, 2);
	put_name(&extension, 7, "of another type", 15);
	put_name(&extension, 0, "first.example", 13);
	put_name(&extension, 0, "second.example", 14);
	end(&extension, 2, list);
	end(&extension, 2, content);
	bake_with(&t, &extension);
	assert_hello(&t, "first.example");
}

/* -- what is refused -- */

static void two_extensions_of_names_are_refused(void **unused)
{
	static struct text t, extensions;

	(void) unused;
	put_server_name(&extensions, "one.example", 11);
	put_server_name(&extensions, "two.example", 11);
	bake_with(&t, &extensions);
	assert_refused(&t);
}

static void refuse_extension(const void *bytes, size_t length)
{
	static struct text t, extension;

	extension.length = 0;
	put_bytes(&extension, bytes, length);
	bake_with(&t, &extension);
	assert_refused(&t);
}

#define REFUSE_EXTENSION(literal) refuse_extension(literal, sizeof(literal) - 1)

static void a_malformed_list_of_names_is_refused(void **unused)
{
	(void) unused;
	REFUSE_EXTENSION("\0\0\0\0");				/* no list */
	REFUSE_EXTENSION("\0\0\0\1\0");				/* no length of one */
	REFUSE_EXTENSION("\0\0\0\2\0\0");			/* an empty one */
	REFUSE_EXTENSION("\0\0\0\3\0\1\0");			/* a type and no name */
	REFUSE_EXTENSION("\0\0\0\6\0\4\0\0\2a");		/* a name longer than the list */
	REFUSE_EXTENSION("\0\0\0\6\0\5\0\0\1a");		/* a list longer than the extension */
	REFUSE_EXTENSION("\0\0\0\7\0\4\0\0\1ab");		/* more behind the list */
	REFUSE_EXTENSION("\0\0\xff\xff\0\4\0\0\1a");		/* an extension longer than all */
}

static void refuse(struct recipe r)
{
	static struct text t;

	bake(&t, &r);
	assert_refused(&t);
}

static void a_malformed_message_is_refused(void **unused)
{
	struct recipe r;
	static struct text t;

	(void) unused;
	r = plain_recipe;
	r.session_id_bytes = 33;
	refuse(r);
	r = plain_recipe;
	r.ciphers_bytes = 0;
	refuse(r);
	r = plain_recipe;
	r.methods_bytes = 0;
	refuse(r);
	r = plain_recipe;
	r.behind = "x";
	refuse(r);
	r.no_extensions = true;
	refuse(r);

	/* Ever shorter, and said to be: only the one without extensions is left as a whole one. */
	bake(&t, &plain_recipe);
	while (t.length-- > 9) {
		bool bare = t.length == 5 + 4 + 34 + 1 + 32 + 2 + 8 + 1 + 1;

		t.bytes[3] = (uint8_t) ((t.length - 5) >> 8);
		t.bytes[4] = (uint8_t) (t.length - 5);
		t.bytes[7] = (uint8_t) ((t.length - 9) >> 8);
		t.bytes[8] = (uint8_t) (t.length - 9);
		assert_int_equal(kind_of(t.bytes, t.length), bare ? HELLO_TLS : HELLO_OTHER);
	}
}

#define ASSERT_KIND(literal, kind) assert_int_equal(kind_of(literal, sizeof(literal) - 1), kind)

static void a_bad_record_is_refused_as_soon_as_it_shows(void **unused)
{
	(void) unused;
	ASSERT_KIND("\x16\x02", HELLO_OTHER);
	ASSERT_KIND("\x16\x04\1", HELLO_OTHER);
	ASSERT_KIND("\x16\3\xff", HELLO_INCOMPLETE);
	ASSERT_KIND("\x16\3\1\0\0", HELLO_OTHER);
	ASSERT_KIND("\x16\3\1\x41\1", HELLO_OTHER);
	ASSERT_KIND("\x16\3\1\x41\0", HELLO_INCOMPLETE);
	ASSERT_KIND("\x16\3\1\0\1\1\x15", HELLO_OTHER);		/* an alert within the message */
	ASSERT_KIND("\x16\3\1\0\1\1\x16\3\1\0\0", HELLO_OTHER);
	ASSERT_KIND("\x16\3\1\0\4\2", HELLO_OTHER);		/* another message */
}

static void more_than_16_kib_is_refused_at_once(void **unused)
{
	struct recipe r = plain_recipe;
	static struct text t, spread_out;

	(void) unused;
	bake(&t, &r);
	r.padding_bytes = HELLO_BYTES_MAX - t.length;
	bake(&t, &r);
	assert_int_equal(t.length, HELLO_BYTES_MAX);
	assert_hello(&t, "");
	assert_int_equal(kind_of(t.bytes, t.length - 1), HELLO_INCOMPLETE);

	/* With the heads of more records it is too long, which shows with the second one or, here, at the end. */
	spread(&t, 5, &spread_out);
	assert_int_equal(kind_of(spread_out.bytes, 14), HELLO_INCOMPLETE);
	assert_int_equal(kind_of(spread_out.bytes, 15), HELLO_OTHER);
	r.padding_bytes -= 2;
	bake(&t, &r);
	spread(&t, t.length - 5 - 1, &spread_out);
	assert_int_equal(kind_of(spread_out.bytes, HELLO_BYTES_MAX - 1), HELLO_INCOMPLETE);
	assert_int_equal(kind_of(spread_out.bytes, HELLO_BYTES_MAX), HELLO_OTHER);
	assert_refused(&spread_out);

	r.padding_bytes += 3;
	bake(&t, &r);
	assert_int_equal(kind_of(t.bytes, 8), HELLO_INCOMPLETE);
	assert_int_equal(kind_of(t.bytes, 9), HELLO_OTHER);
	assert_refused(&t);
}

/* -- who does not speak TLS -- */

static void a_request_is_known_by_its_method_and_a_blank(void **unused)
{
	static const char *const methods[] = {
		"GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "CONNECT ", "OPTIONS ", "TRACE ", "PATCH ", "PRI ",
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(methods); i++) {
		size_t whole = strlen(methods[i]);

		for (size_t length = 0; length < whole; length++)
			assert_int_equal(kind_of(methods[i], length), HELLO_INCOMPLETE);
		assert_int_equal(kind_of(methods[i], whole), HELLO_HTTP);
	}
	ASSERT_KIND("GET / HTTP/1.1\r\nHost: a\r\n\r\n", HELLO_HTTP);
	ASSERT_KIND("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HELLO_HTTP);
	ASSERT_KIND("GETS ", HELLO_OTHER);
	ASSERT_KIND("GET\t", HELLO_OTHER);
	ASSERT_KIND("get ", HELLO_OTHER);
	ASSERT_KIND("PX", HELLO_OTHER);
}

static void whoever_speaks_something_else_is_known_by_the_first_byte(void **unused)
{
	(void) unused;
	for (unsigned byte = 0; byte < 256; byte++) {
		uint8_t first = (uint8_t) byte;
		bool may_be_more = byte == 0x16 || (byte > 0 && strchr("GHPDCOT", (int) byte));

		assert_int_equal(kind_of(&first, 1), may_be_more ? HELLO_INCOMPLETE : HELLO_OTHER);
	}
	ASSERT_KIND("\x80\x2e\1\3\1\0\x15\0\0\0\x10", HELLO_OTHER);		/* a hello of SSL 2 */
	ASSERT_KIND("SSH-2.0-OpenSSH_9.2\r\n", HELLO_OTHER);
}

static void whatever_comes_is_survived(void **unused)
{
	static struct text t, damaged;
	uint64_t random = 1;

	(void) unused;
	real_hello(&t, "www.example.org", TLS1_3_VERSION);
	for (int i = 0; i < 20000; i++) {
		damaged.length = t.length;
		memcpy(damaged.bytes, t.bytes, t.length);
		for (int n = 0; n < 1 + i % 4; n++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			damaged.bytes[(random >> 33) % t.length] = (uint8_t) (random >> 24);
		}

		enum hello_kind whole = kind_of(damaged.bytes, damaged.length);
		enum hello_kind cut = kind_of(damaged.bytes, (random >> 40) % t.length);
		assert_true(cut == HELLO_INCOMPLETE || cut == whole);
	}
}

static void a_pattern_stands_for_one_label_more(void **unused)
{
	(void) unused;
	assert_true(hello_name_matches("example.org", "example.org"));
	assert_true(hello_name_matches("example.org", "Example.ORG"));
	assert_false(hello_name_matches("example.org", "example.com"));
	assert_true(hello_name_matches("www.example.org", "*.example.org"));
	assert_true(hello_name_matches("www.example.org", "*.EXAMPLE.org"));
	assert_true(hello_name_matches("example.org.", "example.org"));
	assert_true(hello_name_matches("www.example.org.", "*.example.org"));
	assert_false(hello_name_matches("example.org..", "example.org"));
	assert_false(hello_name_matches("example.orga", "example.org"));
	assert_false(hello_name_matches("example.or", "example.org"));
	assert_false(hello_name_matches("example.org", "*.example.org"));
	assert_false(hello_name_matches("a.www.example.org", "*.example.org"));
	assert_false(hello_name_matches(".example.org", "*.example.org"));
	assert_false(hello_name_matches("wwwexample.org", "*.example.org"));
	assert_false(hello_name_matches("", "*.example.org"));
	assert_false(hello_name_matches("www.example.org", "*"));
}

/* -- reading -- */

struct client {
	const uint8_t *bytes;
	size_t length, piece;
	bool finishes;
	struct stream *near, *far;
};

/* Writes each piece when the one before was read. A client that is stopped leaves, so that nobody waits for it. */
static int send_in_pieces(void *arg)
{
	struct client *c = arg;
	int r = 0;

	for (size_t at = 0; r >= 0 && at < c->length; at += c->piece) {
		while (r >= 0 && c->near->received_bytes < at)
			r = task_yield();
		if (r >= 0)
			r = stream_write(c->far, c->bytes + at, MIN(c->piece, c->length - at));
	}
	if (r < 0)
		c->far = stream_free(c->far);
	else if (c->finishes)
		r = stream_finish(c->far);
	return r;
}

struct reading {
	struct client client;
	struct hello_bytes got;
	struct hello hello;
};

static void reading_done(struct reading *r)
{
	stream_free(r->client.near);
	stream_free(r->client.far);
	hello_bytes_done(&r->got);
}

static int reading_open(struct reading *r)
{
	int ends[2];

	harness_socketpair(ends);
	int near = stream_new(ends[0], &r->client.near);
	if (near < 0)
		fd_close(ends[0]);
	int far = stream_new(ends[1], &r->client.far);
	if (far < 0)
		fd_close(ends[1]);
	return MIN(near, far);
}

/* What hello_read() says of it. All that was read is what was sent, in each case. */
static int read_from(struct reading *r)
{
	int result = reading_open(r);

	if (result < 0)
		return result;
	TASK_GROUP(group, GROUP_ALL);
	result = task_spawn(&group, "client", send_in_pieces, &r->client, NULL);
	if (result < 0)
		return result;
	r->hello.kind = HELLO_INCOMPLETE;
	result = hello_read(r->client.near, &r->got, &r->hello);
	if (result != -ENOMEM)
		assert_int_equal(r->got.length, r->client.near->received_bytes);
	assert_true(r->got.length <= r->client.length && r->got.length <= r->got.size);
	if (r->got.length > 0)
		assert_memory_equal(r->got.bytes, r->client.bytes, r->got.length);
	assert_true((result == 0) == (r->hello.kind != HELLO_INCOMPLETE));
	return result;
}

#define READING(r, bytes_, length_, piece_, finishes_)                                                     \
	_cleanup_(reading_done) struct reading r = {                                                       \
		.client = { .bytes = (const uint8_t *) (bytes_),                                           \
			    .length = (length_), .piece = (piece_), .finishes = (finishes_) },             \
	}

static void run(task_fn *body)
{
	assert_int_equal(harness_run_each_backend(body, NULL), 0);
}

static int read_trickle(void *arg)
{
	static struct text t, spread_out;

	(void) arg;
	real_hello(&t, "example.org", TLS1_3_VERSION);
	for (size_t piece = 1; piece < 1000; piece *= 5) {
		READING(r, t.bytes, t.length, piece, false);

		assert_int_equal(read_from(&r), 0);
		assert_int_equal(r.hello.kind, HELLO_TLS);
		assert_string_equal(r.hello.name, "example.org");
		assert_int_equal(r.got.length, t.length);
	}
	spread(&t, 1, &spread_out);
	READING(r, spread_out.bytes, spread_out.length, 3, false);
	assert_int_equal(read_from(&r), 0);
	assert_string_equal(r.hello.name, "example.org");
	return 0;
}

static void a_hello_that_trickles_in_is_read(void **unused)
{
	(void) unused;
	run(read_trickle);
}

static int read_what_is_behind(void *arg)
{
	static struct text t;

	(void) arg;
	real_hello(&t, "example.org", TLS1_3_VERSION);
	put_bytes(&t, "early data", 10);
	READING(r, t.bytes, t.length, t.length, false);
	assert_int_equal(read_from(&r), 0);
	assert_int_equal(r.hello.kind, HELLO_TLS);
	assert_int_equal(r.got.length, t.length);
	return 0;
}

static void what_comes_behind_it_is_kept(void **unused)
{
	(void) unused;
	run(read_what_is_behind);
}

static int read_no_hello(void *arg)
{
	(void) arg;
	{
		READING(r, "GET / HTTP/1.1", 14, 1, false);

		assert_int_equal(read_from(&r), 0);
		assert_int_equal(r.hello.kind, HELLO_HTTP);
		assert_int_equal(r.got.length, 4);
	}
	{
		READING(r, "SSH-2.0", 7, 1, false);

		assert_int_equal(read_from(&r), 0);
		assert_int_equal(r.hello.kind, HELLO_OTHER);
		assert_int_equal(r.got.length, 1);
	}
	return 0;
}

static void whoever_speaks_something_else_is_not_waited_for(void **unused)
{
	(void) unused;
	run(read_no_hello);
}

static int read_to_the_end(void *arg)
{
	static struct text t;

	(void) arg;
	real_hello(&t, "example.org", TLS1_3_VERSION);
	{
		READING(r, t.bytes, t.length - 1, 100, true);

		assert_int_equal(read_from(&r), -ECONNRESET);
		assert_int_equal(r.got.length, t.length - 1);
	}
	{
		READING(r, "", 0, 1, true);

		assert_int_equal(read_from(&r), -ECONNRESET);
		assert_null(r.got.bytes);
	}
	return 0;
}

static void an_end_before_it_is_told_and_what_came_is_kept(void **unused)
{
	(void) unused;
	run(read_to_the_end);
}

static int read_from_the_silent(void *arg)
{
	(void) arg;
	{
		READING(r, "", 0, 1, false);
		DEADLINE(limit, 100);

		assert_int_equal(read_from(&r), -ETIMEDOUT);
		assert_null(r.got.bytes);
	}
	{
		READING(r, "\x16\3\1\2\0", 5, 2, false);
		DEADLINE(limit, 100);

		assert_int_equal(read_from(&r), -ETIMEDOUT);
		assert_int_equal(r.got.length, 5);
	}
	return 0;
}

static void a_silent_client_times_out_and_what_came_is_kept(void **unused)
{
	(void) unused;
	run(read_from_the_silent);
}

static int read_waiting(void *arg)
{
	struct reading *r = arg;

	return hello_read(r->client.near, &r->got, &r->hello);
}

static int wait_without_memory(void *arg)
{
	READING(r, "", 0, 1, false);

	(void) arg;
	assert_int_equal(reading_open(&r), 0);
	TASK_GROUP(group, GROUP_ALL);
	assert_int_equal(task_spawn(&group, "reader", read_waiting, &r, NULL), 0);
	harness_settle();
	assert_null(r.got.bytes);
	assert_int_equal(chunk_in_use(), 0);
	assert_int_equal(stream_write(r.client.far, "\x16", 1), 0);
	assert_int_equal(sleep_for(1), 0);
	assert_int_equal(r.got.length, 1);
	assert_int_equal(r.got.size, 1);
	assert_int_equal(chunk_in_use(), 0);
	assert_int_equal(stream_write(r.client.far, "\1", 1), 0);
	assert_int_equal(group_wait(&group), 0);
	assert_int_equal(r.hello.kind, HELLO_OTHER);
	return 0;
}

static void whoever_waits_holds_no_more_than_has_come(void **unused)
{
	(void) unused;
	run(wait_without_memory);
}

static int read_once(void *arg)
{
	const struct text *t = arg;
	READING(r, t->bytes, t->length, 100, false);

	return read_from(&r);
}

static void nothing_is_left_whatever_happens(void **unused)
{
	static struct text t;
	const struct harness_scenario s = { .body = read_once, .arg = &t };

	(void) unused;
	real_hello(&t, "example.org", TLS1_3_VERSION);
	assert_true(harness_torture(&s) > 3);
#ifdef ENABLE_FAULTS
	assert_true(harness_torture_faults(&s) > 10);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_real_hello_is_whole_with_its_last_byte),
		cmocka_unit_test(a_hello_may_be_spread_over_records),
		cmocka_unit_test(a_hello_may_ask_for_no_name),
		cmocka_unit_test(a_name_is_in_lower_case_without_a_final_dot),
		cmocka_unit_test(a_name_has_at_most_255_bytes),
		cmocka_unit_test(what_could_not_be_a_name_is_none),
		cmocka_unit_test(the_first_host_name_counts),
		cmocka_unit_test(two_extensions_of_names_are_refused),
		cmocka_unit_test(a_malformed_list_of_names_is_refused),
		cmocka_unit_test(a_malformed_message_is_refused),
		cmocka_unit_test(a_bad_record_is_refused_as_soon_as_it_shows),
		cmocka_unit_test(more_than_16_kib_is_refused_at_once),
		cmocka_unit_test(a_request_is_known_by_its_method_and_a_blank),
		cmocka_unit_test(whoever_speaks_something_else_is_known_by_the_first_byte),
		cmocka_unit_test(whatever_comes_is_survived),
		cmocka_unit_test(a_pattern_stands_for_one_label_more),
		cmocka_unit_test(a_hello_that_trickles_in_is_read),
		cmocka_unit_test(what_comes_behind_it_is_kept),
		cmocka_unit_test(whoever_speaks_something_else_is_not_waited_for),
		cmocka_unit_test(an_end_before_it_is_told_and_what_came_is_kept),
		cmocka_unit_test(a_silent_client_times_out_and_what_came_is_kept),
		cmocka_unit_test(whoever_waits_holds_no_more_than_has_come),
		cmocka_unit_test(nothing_is_left_whatever_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
