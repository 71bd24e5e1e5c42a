/* test_config_whole.c - the dump, the comparison of a reload, and what holds for every input, nonsense too. */

#include "base/fault.h"
#include "base/text.h"
#include "config/config.h"
#include "tests/support/config_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NONSENSE_ROUNDS 2000

static const char sample_text[] =
	"[daemon]\n"
	"log_level = debug\n"
	"include = more/*.ini\n"
	"user = ${CORELAY_TEST_USER}\n"
	"\n"
	"[service echo]\n"
	"type = echo\n"
	"listen = :7007, [::1]:7008 ; both\n"
	"allow = 10.0.0.0/8, unix\n"
	"\n"
	"[service front]\n"
	"type = proxy\n"
	"listen = unix:/run/a$$b\n"
	"upstream = back\n"
	"match_sni = www.example.com back, *.example.com  back\n"
	"tls = site\n"
	"idle_timeout = 90m\n"
	"\n"
	"[tls site]\n"
	"certificate = site.pem, more/ec.pem\n"
	"key = site.key, credential:ec.key\n"
	"client_ca = /etc/clients.pem\n"
	"client_names = *.Clients.example.com\n"
	"ciphers = ECDHE+AESGCM\n"
	"alpn = h2, http/1.1\n"
	"\n"
	"[upstream back]\n"
	"server = 10.0.0.5:80, db.example.com:5432 backup\n"
	"server = 10.0.0.6:80 weight=3\n"
	"tls = site\n";

static const char *const sample_settings[] = {
	"service.echo.idle_timeout=7s", "service.front.session_timeout=1h", NULL,
};

static int open_sample(void **state)
{
	static struct sample s;

	sample_open(&s);
	setenv("CORELAY_TEST_USER", "corelay", 1);
	sample_write(&s, "more/web.ini", "[service web]\ntype = http\nlisten = :8080\n");
	*state = &s;
	return 0;
}

static int close_sample(void **state)
{
	sample_close(*state);
	return 0;
}

static void read_sample(struct sample *s)
{
	s->settings = sample_settings;
	if (sample_read(s, sample_text) < 0)
		fail_msg("%s", s->said);
}

static void assert_contains(const char *text, const char *part)
{
	assert_non_null(text);
	if (!strstr(text, part))
		fail_msg("not there: %s\nin:\n%s", part, text);
}

/* -- dump -- */

static void the_dump_says_where_each_value_is_from(void **state)
{
	struct sample *s = *state;
	char *dump, expected[256];

	read_sample(s);
	dump = sample_dump(s);
	assert_contains(dump, "[service echo]\ntype = echo");
	snprintf(expected, sizeof expected, "user = corelay                       ; %s/main.ini:4, environment "
		 "CORELAY_TEST_USER\n", s->folder);
	assert_contains(dump, expected);
	assert_contains(dump, "idle_timeout = 7s                    ; command line\n");
	assert_contains(dump, "offload_threads = 4                  ; default\n");
	snprintf(expected, sizeof expected, "listen = :8080                       ; %s/more/web.ini:3\n", s->folder);
	assert_contains(dump, expected);
	assert_contains(dump, "listen = unix:/run/a$$b ");
	assert_contains(dump, "server = db.example.com:5432 backup  ; ");
	assert_contains(dump, "; group is not set\n");
	free(dump);
}

static void count_change(void *context, const char *section, const char *key, const char *old_value,
			 const char *new_value, bool live)
{
	(void) section;
	(void) key;
	(void) old_value;
	(void) new_value;
	(void) live;
	++*(int *) context;
}

static void the_dump_reads_back_as_the_same_configuration(void **state)
{
	struct sample *s = *state;
	_cleanup_(config_unrefp) struct config *first = NULL;
	int changes = 0;
	char *dump;

	read_sample(s);
	first = config_ref(s->config);
	dump = sample_dump(s);
	s->settings = NULL;
	assert_int_equal(sample_read(s, dump), 0);
	config_compare(first, s->config, count_change, &changes);
	assert_int_equal(changes, 0);
	free(dump);
}

/* -- comparison -- */

struct changes {
	char text[4096];
	size_t position;
};

static void write_change(void *context, const char *section, const char *key, const char *old_value,
			 const char *new_value, bool live)
{
	struct changes *c = context;

	text_append(c->text, sizeof c->text, &c->position, "%s %s: %s -> %s%s\n", section, key ? key : "-",
		    old_value ? old_value : "-", new_value ? new_value : "-", live ? "" : " (restart)");
}

static void a_reload_is_told_what_changed(void **state)
{
	struct sample *s = *state;
	_cleanup_(config_unrefp) struct config *old = NULL;
	struct changes changes = { 0 };

	assert_int_equal(sample_read(s, "[daemon]\nuser = a\nlog_level = info\n[service a]\ntype = echo\n"
					"listen = :1, :2\n[service b]\ntype = echo\nlisten = :3\n"), 0);
	old = config_ref(s->config);
	assert_int_equal(sample_read(s, "[service c]\ntype = echo\nlisten = :3\n[service a]\nlisten = :1\n"
					"listen = :4\ntype = http\nidle_timeout = 300s\ndeny = unix\n"
					"[daemon]\nuser = b\n"), 0);
	config_compare(old, s->config, write_change, &changes);
	assert_string_equal(changes.text,
			    "[daemon] user: a -> b (restart)\n"
			    "[service a] type: echo -> http\n"
			    "[service a] listen: :1, :2 -> :1, :4\n"
			    "[service a] header_timeout:  -> 10s\n"
			    "[service a] max_body:  -> 1m\n"
			    "[service a] max_requests:  -> 0\n"
			    "[service a] deny:  -> unix\n"
			    "[service b] -: [service b] -> -\n"
			    "[service c] -: - -> [service c]\n");
}

static void a_default_that_is_written_out_is_no_change(void **state)
{
	struct sample *s = *state;
	_cleanup_(config_unrefp) struct config *old = NULL;
	int changes = 0;

	assert_int_equal(sample_read(s, "[service a]\ntype = echo\nlisten = :1\n"), 0);
	old = config_ref(s->config);
	assert_int_equal(sample_read(s, "[daemon]\nstall_warn = 50ms\n\n[service a]\nlisten = :1 ; the same\n"
					"idle_timeout = 300s\ntype = echo\n"), 0);
	config_compare(old, s->config, count_change, &changes);
	assert_int_equal(changes, 0);
}

/* -- every input -- */

/* A repeatable sequence (Knuth's MMIX generator), so that a failure can be found again. */
static unsigned next_random(uint64_t *seed, unsigned below)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned) (*seed >> 33) % below;
}

/* A few changes to a good file: bytes overwritten, stretches dropped or doubled. */
static size_t spoil(char *text, size_t length, size_t room, uint64_t *seed)
{
	static const char bytes[] = "=;[]#,$${}\n\n \t:-%\"'\x01\xc3\xff";

	for (unsigned i = 1 + next_random(seed, 2); i > 0; i--) {
		size_t at = next_random(seed, (unsigned) length), span = 1 + next_random(seed, 20);

		span = MIN(span, length - at);
		switch (next_random(seed, 3)) {
		case 0:
			text[at] = bytes[next_random(seed, sizeof bytes)];
			break;
		case 1:
			memmove(text + at, text + at + span, length - at - span);
			length -= span;
			break;
		case 2:
			if (length + span > room)
				break;
			memmove(text + at + span, text + at, length - at);
			length += span;
			break;
		}
	}
	return length;
}

static bool is_printable_text(const char *text)
{
	for (size_t n; *text; text += n) {
		n = text_utf8_length(text, strlen(text));
		if (n == 0 || *text == '\x7f')
			return false;
		if ((unsigned char) *text < ' ' && *text != '\n' && *text != '\t')
			return false;
	}
	return true;
}

static void nonsense_is_refused_in_printable_words_or_reads_back(void **state)
{
	struct sample *s = *state;
	uint64_t seed = 42;
	int refused = 0;

	for (int round = 0; round < NONSENSE_ROUNDS; round++) {
		char text[2 * sizeof sample_text];
		size_t length;

		memcpy(text, sample_text, sizeof sample_text - 1);
		length = spoil(text, sizeof sample_text - 1, sizeof text, &seed);
		sample_write_bytes(s, "main.ini", text, length);
		sample_load(s);
		assert_true(is_printable_text(s->said));
		if (s->result < 0) {
			assert_int_equal(s->result, -EINVAL);
			assert_contains(s->said, ": error: ");
			assert_null(s->config);
			refused++;
		} else {
			char *dump = sample_dump(s);

			if (sample_read(s, dump) < 0)
				fail_msg("round %d: the dump is refused: %s", round, s->said);
			free(dump);
		}
	}
	/* Of both there were enough. */
	assert_in_range(refused, NONSENSE_ROUNDS / 20, NONSENSE_ROUNDS - NONSENSE_ROUNDS / 20);
}

#ifdef ENABLE_FAULTS
static void assert_each_failure_ends_well(struct sample *s, const char *text, int usual)
{
	uint64_t points;

	sample_write(s, "main.ini", text);
	fault_plant(0);
	assert_int_equal(sample_load(s), usual);
	points = fault_count();
	assert_in_range(points, 20, 5000);

	for (uint64_t nth = 1; nth <= points; nth++) {
		fault_plant(nth);
		sample_load(s);
		assert_non_null(fault_fired());
		if (strcmp(fault_fired(), "malloc") == 0 || strcmp(fault_fired(), "config_glob") == 0) {
			assert_int_equal(s->result, -ENOMEM);
			assert_string_equal(s->said, "");
		} else {
			assert_true(s->result < 0);
			assert_contains(s->said, "cannot be read: ");
		}
		assert_null(s->config);
	}
	fault_plant(0);
}

static void every_failure_is_returned_and_leaves_nothing_behind(void **state)
{
	struct sample *s = *state;

	s->settings = sample_settings;
	assert_each_failure_ends_well(s, sample_text, 0);
	assert_each_failure_ends_well(s, "[service a]\ntype = echo\nlisten = :1, :x\n[service a]\ntype = http\n"
					 "x = 1\ndeny = 10.0.0.0/8\n[daemon]\ninclude = none.ini\n"
					 "log = ${CORELAY_TEST_USER}\n[upstream u]\n"
					 "server = 10.0.0.1:1 weight=2, x\n"
					 "[service f]\ntype = proxy\nlisten = :3\nmatch_sni = a u, a v, b..c u\n"
					 "tls = t\n[tls t]\nkey = k, l\nserver_name = -\n[tls t]\nca = c\n",
				      -EINVAL);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_sample, close_sample)
		TEST(the_dump_says_where_each_value_is_from),
		TEST(the_dump_reads_back_as_the_same_configuration),
		TEST(a_reload_is_told_what_changed),
		TEST(a_default_that_is_written_out_is_no_change),
		TEST(nonsense_is_refused_in_printable_words_or_reads_back),
#ifdef ENABLE_FAULTS
		TEST(every_failure_is_returned_and_leaves_nothing_behind),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
