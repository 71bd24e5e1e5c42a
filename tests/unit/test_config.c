/* test_config.c - from text to a configuration. What is said about mistakes is in tests/golden/config. */

#include "config/config.h"
#include "config/option.h"
#include "config/source.h"
#include "tests/support/config_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MINUTE_MS (60 * 1000)

static const char echo[] = "[service echo]\ntype = echo\nlisten = :7007\n";

static int open_sample(void **state)
{
	static struct sample s;

	sample_open(&s);
	*state = &s;
	return 0;
}

static int close_sample(void **state)
{
	sample_close(*state);
	return 0;
}

#define assert_read(s, text)                                                                               \
	do {                                                                                               \
		if (sample_read((s), (text)) < 0)                                                          \
			fail_msg("%s", (s)->said);                                                         \
	} while (0)

#define assert_said(s, words)                                                                              \
	do {                                                                                               \
		if (!strstr((s)->said, (words)))                                                           \
			fail_msg("not said: %s\nbut:\n%s", (words), (s)->said);                            \
	} while (0)

static void assert_listens(const struct service_config *service, size_t index, const char *expected)
{
	char text[ADDRESS_TEXT_BYTES];

	assert_true(index < service->listen.count);
	assert_string_equal(address_print(&service->listen.items[index], text), expected);
}

/* -- values -- */

static void every_option_reaches_its_field(void **state)
{
	struct sample *s = *state;
	const struct daemon_config *d;
	const struct service_config *web, *front;
	const struct upstream_config *back;

	assert_read(s, "[daemon]\nmax_connections = 20000\noffload_threads = 8\ndrain_delay = 1s\n"
		       "drain_timeout = off\n"
		       "stall_warn = 5ms\nlog = logfmt\nlog_level = warning\nuser = corelay\ngroup = 1000\n"
		       "[service web]\ntype = http\nlisten = :8080, unix:/run/w.sock\nmax_connections = 5\n"
		       "idle_timeout = 1m\n"
		       "session_timeout = 2m\nheader_timeout = 3s\nmax_body = 64k\nmax_requests = 9\n"
		       "allow = 10.0.0.0/8, unix\ndeny = all\n"
		       "[service front]\ntype = proxy\nlisten = :9000\nupstream = back\nconnect_timeout = 4s\n"
		       "half_close_timeout = 5s\n"
		       "[upstream back]\nserver = 10.0.0.5:80 backup weight=7\ntries = 3\n");
	d = &s->config->daemon;
	assert_int_equal(d->max_connections, 20000);
	assert_int_equal(d->offload_threads, 8);
	assert_int_equal(d->drain_delay_ms, 1000);
	assert_int_equal(d->drain_timeout_ms, FOREVER);
	assert_int_equal(d->stall_warn_ms, 5);
	assert_int_equal(d->log, LOG_FORMAT_LOGFMT);
	assert_int_equal(d->log_level, LOG_LEVEL_WARNING);
	assert_string_equal(d->user, "corelay");
	assert_string_equal(d->group, "1000");

	web = config_find_service(s->config, "web");
	assert_string_equal(web->type, "http");
	assert_int_equal(web->listen.count, 2);
	assert_listens(web, 0, ":8080");
	assert_listens(web, 1, "unix:/run/w.sock");
	assert_int_equal(web->max_connections, 5);
	assert_int_equal(web->idle_timeout_ms, MINUTE_MS);
	assert_int_equal(web->session_timeout_ms, 2 * MINUTE_MS);
	assert_int_equal(web->header_timeout_ms, 3000);
	assert_int_equal(web->max_body_bytes, 65536);
	assert_int_equal(web->max_requests, 9);
	assert_int_equal(web->allow.count, 2);
	assert_int_equal(web->deny.count, 1);
	assert_null(web->upstream_config);

	front = config_find_service(s->config, "front");
	assert_int_equal(front->connect_timeout_ms, 4000);
	assert_int_equal(front->half_close_timeout_ms, 5000);
	assert_string_equal(front->upstream, "back");
	back = front->upstream_config;
	assert_ptr_equal(back, &s->config->upstreams[0]);
	assert_string_equal(back->name, "back");
	assert_int_equal(back->tries, 3);
	assert_int_equal(back->server_count, 1);
	assert_int_equal(back->servers[0].weight, 7);
	assert_true(back->servers[0].backup);
	assert_string_equal(s->said, "");
}

static void defaults_hold_where_nothing_is_written(void **state)
{
	struct sample *s = *state;
	const struct service_config *service;

	assert_read(s, "[service echo]\ntype = echo\nlisten = :7007\n[service front]\ntype = proxy\nlisten = :9000\n"
		       "upstream = back\n[upstream back]\nserver = 10.0.0.5:80\n");
	assert_int_equal(s->config->daemon.max_connections, 10000);
	assert_int_equal(s->config->daemon.offload_threads, 4);
	assert_int_equal(s->config->daemon.drain_delay_ms, 0);
	assert_int_equal(s->config->daemon.drain_timeout_ms, 30000);
	assert_int_equal(s->config->daemon.stall_warn_ms, 50);
	assert_int_equal(s->config->daemon.log, LOG_FORMAT_AUTO);
	assert_int_equal(s->config->daemon.log_level, LOG_LEVEL_INFO);
	assert_null(s->config->daemon.user);

	service = config_find_service(s->config, "front");
	assert_int_equal(service->max_connections, 0);
	assert_int_equal(service->connect_timeout_ms, 5000);
	assert_int_equal(service->half_close_timeout_ms, MINUTE_MS);
	assert_int_equal(service->session_timeout_ms, FOREVER);
	assert_int_equal(service->upstream_config->servers[0].weight, 1);
	assert_false(service->upstream_config->servers[0].backup);
	assert_int_equal(service->upstream_config->tries, 0);
}

static void a_type_has_an_idle_timeout_of_its_own(void **state)
{
	struct sample *s = *state;

	assert_read(s, "[service echo]\ntype = echo\nlisten = :7007\n"
		       "[service front]\nlisten = :9000\nupstream = back\ntype = proxy\n"
		       "[upstream back]\nserver = 10.0.0.5:80\n");
	assert_int_equal(config_find_service(s->config, "echo")->idle_timeout_ms, 5 * MINUTE_MS);
	assert_int_equal(config_find_service(s->config, "front")->idle_timeout_ms, 60 * MINUTE_MS);
	assert_null(config_find_service(s->config, "back"));
}

static void a_list_takes_commas_and_repetition(void **state)
{
	struct sample *s = *state;
	const struct service_config *service;

	assert_read(s, "[service echo]\ntype = echo\nlisten = :1,:2 ,\t:3\nallow = ::1\nlisten = :4\n");
	service = &s->config->services[0];
	assert_int_equal(service->listen.count, 4);
	for (size_t i = 0; i < 4; i++) {
		char expected[] = { ':', (char) ('1' + i), '\0' };

		assert_listens(service, i, expected);
	}
}

static void words_of_the_log_stand_in_the_order_of_their_enums(void **state)
{
	struct sample *s = *state;

	for (enum log_level level = LOG_LEVEL_ALERT; level <= LOG_LEVEL_DEBUG; level++) {
		char text[256];

		snprintf(text, sizeof text, "%s[daemon]\nlog_level = %s\n", echo, log_level_name(level));
		assert_read(s, text);
		assert_int_equal(s->config->daemon.log_level, level);
	}
}

static void no_option_stands_twice_in_the_table(void **state)
{
	(void) state;
	for (size_t i = 0; i < option_count; i++) {
		assert_ptr_equal(option_find(options[i].section, options[i].key), &options[i]);
		assert_non_null(options[i].help);
		assert_true(options[i].help[strlen(options[i].help) - 1] == '.');
	}
}

/* -- lines -- */

static void blanks_line_ends_and_comments_do_not_matter(void **state)
{
	struct sample *s = *state;

	assert_read(s, "\xef\xbb\xbf; a comment\r\n\r\n  # another one\r\n\t[ service \t echo ] ; of RFC 862\r\n"
		       "\ttype=echo\r\n    listen  =  :7007 ;;\r\n\t idle_timeout\t=\t7s ; # ;\r\n;listen = :1");
	assert_int_equal(s->config->service_count, 1);
	assert_int_equal(s->config->services[0].listen.count, 1);
	assert_listens(&s->config->services[0], 0, ":7007");
	assert_int_equal(s->config->services[0].idle_timeout_ms, 7000);
}

static void characters_that_mean_something_elsewhere_are_plain_in_a_value(void **state)
{
	struct sample *s = *state;

	assert_read(s, "[service echo]\ntype = echo\nlisten = unix:/tmp/a;b=c:d\"e'f[g]#h\\i;\n");
	assert_string_equal(s->config->services[0].listen.items[0].name, "/tmp/a;b=c:d\"e'f[g]#h\\i;");
}

static void a_value_of_any_length_arrives_whole(void **state)
{
	struct sample *s = *state;

	/* Blanks, quotes and semicolons come to lie on every border of what the library takes at a time. */
	for (int length = 100; length < 500; length++) {
		static const char pattern[] = "a b;c \"d\" e;f;g;h i \"; \";  =x= [y] #z \\;\\;;;;;kk\"\"\"\" l";
		int path_length = 1 + length % (int) strlen(pattern);
		char text[1024];

		snprintf(text, sizeof text, "[service echo]\ntype = echo\nlisten = :1%*s, unix:/%.*s!, :2\n", length,
			 "", path_length, pattern);
		assert_read(s, text);
		assert_int_equal(s->config->services[0].listen.count, 3);
		assert_memory_equal(s->config->services[0].listen.items[1].name + 1, pattern, path_length);
		assert_int_equal(strlen(s->config->services[0].listen.items[1].name), path_length + 2);
		assert_listens(&s->config->services[0], 2, ":2");
	}
}

static void a_line_may_have_4096_bytes_and_not_one_more(void **state)
{
	struct sample *s = *state;
	char text[LINE_BYTES_MAX + 200];
	size_t begin = strlen("[service echo]\ntype = echo\n"), length;

	length = (size_t) snprintf(text, sizeof text, "[service echo]\ntype = echo\nlisten = :10000");
	for (unsigned port = 10001; length - begin + strlen(", :10001") <= LINE_BYTES_MAX; port++)
		length += (size_t) snprintf(text + length, sizeof text - length, ", :%u", port);
	while (length - begin < LINE_BYTES_MAX)
		text[length++] = ' ';
	text[length] = '\0';

	assert_read(s, text);
	assert_int_equal(s->config->services[0].listen.count, (LINE_BYTES_MAX - strlen("listen =")) / 8);
	assert_listens(&s->config->services[0], s->config->services[0].listen.count - 1, ":10510");

	memcpy(text + length, "x\n", sizeof "x\n");
	assert_int_equal(sample_read(s, text), -EINVAL);
	assert_said(s, "main.ini:3:1: error: the line has 4097 bytes");
}

static void a_name_may_have_63_bytes_and_dots(void **state)
{
	struct sample *s = *state;
	char name[CONFIG_NAME_BYTES] = "0.a-b_c.D", text[256];

	memset(name + strlen(name), 'x', sizeof name - 1 - strlen(name));
	name[sizeof name - 1] = '\0';
	snprintf(text, sizeof text, "[service %s]\ntype = echo\nlisten = :1\n", name);
	assert_read(s, text);
	assert_non_null(config_find_service(s->config, name));
}

/* -- environment -- */

static void the_environment_is_put_in_once(void **state)
{
	struct sample *s = *state;

	setenv("CORELAY_TEST_A", "1${CORELAY_TEST_B}", 1);
	setenv("CORELAY_TEST_B", "22, :33", 1);
	setenv("CORELAY_TEST_EMPTY", "", 1);
	unsetenv("CORELAY_TEST_NONE");
	assert_read(s, "[service echo]\ntype = ${CORELAY_TEST_NONE:-echo}\n"
		       "listen = unix:/$$${CORELAY_TEST_A}/${CORELAY_TEST_EMPTY:-x}$$$$y, :${CORELAY_TEST_B}, :44\n");
	assert_string_equal(s->config->services[0].listen.items[0].name, "/$1${CORELAY_TEST_B}/x$$y");
	assert_int_equal(s->config->services[0].listen.count, 4);
	assert_listens(&s->config->services[0], 1, ":22");
	assert_listens(&s->config->services[0], 2, ":33");
	assert_listens(&s->config->services[0], 3, ":44");
}

static void what_is_put_in_is_bounded(void **state)
{
	struct sample *s = *state;
	char large[5000];

	memset(large, '1', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	setenv("CORELAY_TEST_LARGE", large, 1);
	assert_int_equal(sample_read(s, "[service echo]\ntype = echo\nlisten = ${CORELAY_TEST_LARGE}"
					"${CORELAY_TEST_LARGE}${CORELAY_TEST_LARGE}${CORELAY_TEST_LARGE}\n"),
			 -EINVAL);
	assert_said(s, "main.ini:3:73: error: [service echo] listen: the value becomes too long");
	unsetenv("CORELAY_TEST_LARGE");
}

/* -- included files -- */

static void files_of_a_pattern_come_in_order_without_the_left_behind(void **state)
{
	static const char *const left_behind[] = {
		"d/.20.ini", "d/20.ini~", "d/20.bak", "d/20.dpkg-old", "d/20.ini.dpkg-new",
		"d/20.rpmsave", "d/20.swp",
	};
	struct sample *s = *state;

	for (size_t i = 0; i < ARRAY_LENGTH(left_behind); i++)
		sample_write(s, left_behind[i], "not a configuration\n");
	sample_write(s, "d/30.ini", "[service c]\ntype = echo\nlisten = :3\n");
	sample_write(s, "d/10.ini", "[service a]\ntype = echo\nlisten = :1\n");
	sample_write(s, "d/20.ini", "[service b]\ntype = echo\nlisten = :2\n");
	assert_read(s, "[daemon]\ninclude = d/*, nothing/*.ini\nlog_level = debug\n"
		       "[service z]\ntype = echo\nlisten = :4\n");
	assert_int_equal(s->config->service_count, 4);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(s->config->services[i].name[0], 'a' + i);
	assert_int_equal(s->config->daemon.log_level, LOG_LEVEL_DEBUG);
}

static void an_include_is_relative_to_its_own_file(void **state)
{
	struct sample *s = *state;
	char text[256];

	sample_write(s, "a[b]*/one.ini", "[daemon]\ninclude = two.ini, more/*.ini\n");
	sample_write(s, "a[b]*/two.ini", "[daemon]\noffload_threads = 7\n");
	sample_write(s, "a[b]*/more/x.ini", echo);
	sample_write(s, "ab/more/x.ini", "the pattern matches too much\n");
	snprintf(text, sizeof text, "[daemon]\ninclude = %s/a[b]\n", s->folder);
	assert_read(s, "[daemon]\ninclude = a*/one.ini\n");
	assert_int_equal(s->config->daemon.offload_threads, 7);
	assert_int_equal(s->config->service_count, 1);
}

static void files_may_include_each_other_eight_deep(void **state)
{
	struct sample *s = *state;

	for (int depth = 1; depth <= 9; depth++) {
		char name[16], text[128];

		snprintf(name, sizeof name, "%d.ini", depth);
		snprintf(text, sizeof text, "[daemon]\ninclude = %d.ini\n", depth + 1);
		sample_write(s, name, depth == 9 ? echo : text);
	}
	assert_read(s, "[daemon]\ninclude = 2.ini\n");
	assert_int_equal(s->config->service_count, 1);
	assert_int_equal(sample_read(s, "[daemon]\ninclude = 1.ini\n"), -EINVAL);
	assert_said(s, "8.ini:2:11: error: [daemon] include");
	assert_said(s, "too deep");
}

/* -- settings -- */

static void a_setting_wins_over_the_file(void **state)
{
	static const char *const settings[] = {
		"daemon.log_level=debug", "service echo.idle_timeout=1s", "service.echo.idle_timeout=2s",
		"service.echo.listen=:1, :2", "service.echo.listen=:3", "service.a.b.max_connections=5",
		"daemon.user=a$b", NULL,
	};
	struct sample *s = *state;

	s->settings = settings;
	assert_read(s, "[daemon]\nlog_level = error\n[service echo]\ntype = echo\nlisten = :7, :8\n"
		       "idle_timeout = 5m\n[service a.b]\ntype = echo\nlisten = :9\n");
	assert_int_equal(s->config->daemon.log_level, LOG_LEVEL_DEBUG);
	assert_string_equal(s->config->daemon.user, "a$b");
	assert_int_equal(s->config->services[0].idle_timeout_ms, 2000);
	assert_int_equal(s->config->services[0].listen.count, 3);
	assert_listens(&s->config->services[0], 0, ":1");
	assert_listens(&s->config->services[0], 2, ":3");
	assert_int_equal(s->config->services[1].max_connections, 5);
}

static void what_a_setting_replaces_must_be_right_too(void **state)
{
	static const char *const settings[] = { "service.echo.idle_timeout=1s", NULL };
	struct sample *s = *state;

	s->settings = settings;
	assert_int_equal(sample_read(s, "[service echo]\ntype = echo\nlisten = :1\nidle_timeout = 5\n"), -EINVAL);
	assert_said(s, "main.ini:4:16: error");
}

static void settings_alone_make_a_configuration(void **state)
{
	static const char *const settings[] = {
		"service.proxy.type=proxy", "service.proxy.listen=:9000", "service.proxy.upstream=to",
		"upstream.to.server=10.0.0.5:80", NULL,
	};
	struct sample *s = *state;

	s->settings = settings;
	s->no_file = true;
	assert_int_equal(sample_load(s), 0);
	assert_int_equal(s->config->services[0].upstream_config->servers[0].address.port, 80);
	s->no_file = false;
	s->file_is_optional = true;
	assert_int_equal(sample_load(s), 0);
}

static void a_setting_for_nothing_is_no_new_section(void **state)
{
	static const char *const settings[] = { "service.ecoh.idle_timeout=1s", NULL };
	struct sample *s = *state;

	s->settings = settings;
	assert_int_equal(sample_read(s, echo), -EINVAL);
	assert_string_equal(s->said, "command line: error: there is no [service ecoh], did you mean 'echo'?\n"
				     "      | service.ecoh.idle_timeout=1s\n      | ^~~~~~~~~~~~~~~~~~~~~~~~~~~~\n");
}

static void a_bad_setting_is_shown_as_it_was_given(void **state)
{
	static const char *const cases[][2] = {
		{ "log_level=debug", "error: a setting is SECTION.KEY=VALUE" },
		{ "daemon.log_level", "error: a setting is SECTION.KEY=VALUE" },
		{ "demon.log_level=debug", "error: unknown kind of section 'demon', did you mean 'daemon'?" },
		{ "x.y=z", "error: unknown kind of section 'x': there are daemon, service NAME, upstream NAME "
		  "and tls NAME" },
		{ "daemon.main.log=text", "error: daemon takes no name" },
		{ "service.type=echo", "error: the name is missing: write service.NAME.KEY=VALUE" },
		{ "service.-.type=echo", "error: '-' is no name for a section" },
		{ "service.echo.typ=echo", "error: unknown key 'typ', did you mean 'type'?" },
		{ "service.echo.user=x", "error: unknown key 'user': this key belongs to [daemon]" },
		{ "service.echo.type=", "error: the value is missing" },
		{ "service.echo.type=a\nb", "error: a control character cannot stand in a value" },
		{ "service.echo.type=a ;b", "error: ' ;', which would begin a comment, cannot stand in a value" },
		{ "daemon.include=x.ini", "error: include stands in files only" },
		{ "service.echo.listen=:1,:x", "error: [service echo] listen: ':x' is not an address" },
		{ "service.echo.idle_timeout=5", "      |                           ^\n" },
	};
	struct sample *s = *state;

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		const char *settings[] = { cases[i][0], NULL };

		s->settings = settings;
		assert_int_equal(sample_read(s, echo), -EINVAL);
		assert_said(s, cases[i][1]);
		assert_memory_equal(s->said, "command line: error: ", strlen("command line: error: "));
	}
}

/* -- files that cannot be read -- */

static void a_file_that_cannot_be_read_is_named(void **state)
{
	struct sample *s = *state;
	char *large = calloc(1, SOURCE_BYTES_MAX + 1);

	assert_int_equal(sample_load(s), -ENOENT);
	assert_said(s, "main.ini: error: the file cannot be read: No such file or directory\n");
	assert_null(s->config);

	assert_non_null(large);
	memset(large, '\n', SOURCE_BYTES_MAX + 1);
	sample_write_bytes(s, "main.ini", large, SOURCE_BYTES_MAX + 1);
	free(large);
	assert_int_equal(sample_load(s), -EFBIG);

	sample_write(s, "folder/file", "");
	s->file_is_optional = true;
	assert_int_equal(sample_read(s, "[daemon]\ninclude = folder\n"), -EINVAL);
	assert_said(s, "main.ini:2:11: error: [daemon] include: ");
	assert_said(s, "cannot be read: Is a directory\n");
}

static void mistakes_are_told_in_the_order_of_the_text(void **state)
{
	struct sample *s = *state;
	unsigned last = 0, count = 0;

	sample_read(s, "[service a]\ntype = proxy\nlisten = :1\nupstream = none\nidle_timeout = 5\nshape = round\n"
		       "[upstream b]\n[service c]\ntype = echo\nlisten = :1, :x\n[daemon]\nlog = loud\n");
	for (char *rest = NULL, *text = strtok_r(s->said, "\n", &rest); text; text = strtok_r(NULL, "\n", &rest)) {
		unsigned line;

		if (!strstr(text, ": error: "))
			continue;
		line = (unsigned) strtoul(strstr(text, "main.ini:") + strlen("main.ini:"), NULL, 10);
		assert_true(line >= last);
		last = line;
		count++;
	}
	assert_int_equal(count, 7);
	assert_int_equal(last, 12);
}

static void a_warning_is_no_mistake(void **state)
{
	struct sample *s = *state;

	assert_read(s, "[service echo]\ntype = echo\nlisten = :1\n[upstream spare]\nserver = 10.0.0.1:1\n");
	assert_said(s, "main.ini:4:1: warning: [upstream spare] is used by no service\n");
}

static void an_upstream_elsewhere_may_have_the_port_of_the_proxy(void **state)
{
	struct sample *s = *state;

	assert_read(s, "[service front]\ntype = proxy\nlisten = :5432, unix:/run/a\nupstream = back\n"
		       "[upstream back]\nserver = 10.0.0.5:5432, db.example.com:5432, 127.0.0.1:5433, unix:/run/b\n");
}

static void lists_sections_and_listeners_are_bounded(void **state)
{
	struct sample *s = *state;
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	assert_non_null(to);
	fputs("[service echo]\ntype = echo\n", to);
	for (int i = 0; i < 1025; i++)
		fprintf(to, "listen = :%d\n", 20000 + i);
	fclose(to);
	assert_int_equal(sample_read(s, text), -EINVAL);
	assert_said(s, "main.ini:1027:10: error: [service echo] listen: more than 1024 elements");
	free(text);

	to = open_memstream(&text, &length);
	for (int i = 0; i < 4097; i++)
		fprintf(to, "[upstream u%d]\nserver = 10.0.0.1:1\n", i);
	fclose(to);
	assert_int_equal(sample_read(s, text), -EINVAL);
	assert_said(s, "too many mistakes: the first 100 of");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_sample, close_sample)
		TEST(every_option_reaches_its_field),
		TEST(defaults_hold_where_nothing_is_written),
		TEST(a_type_has_an_idle_timeout_of_its_own),
		TEST(a_list_takes_commas_and_repetition),
		TEST(words_of_the_log_stand_in_the_order_of_their_enums),
		TEST(no_option_stands_twice_in_the_table),
		TEST(blanks_line_ends_and_comments_do_not_matter),
		TEST(characters_that_mean_something_elsewhere_are_plain_in_a_value),
		TEST(a_value_of_any_length_arrives_whole),
		TEST(a_line_may_have_4096_bytes_and_not_one_more),
		TEST(a_name_may_have_63_bytes_and_dots),
		TEST(the_environment_is_put_in_once),
		TEST(what_is_put_in_is_bounded),
		TEST(files_of_a_pattern_come_in_order_without_the_left_behind),
		TEST(an_include_is_relative_to_its_own_file),
		TEST(files_may_include_each_other_eight_deep),
		TEST(a_setting_wins_over_the_file),
		TEST(what_a_setting_replaces_must_be_right_too),
		TEST(settings_alone_make_a_configuration),
		TEST(a_setting_for_nothing_is_no_new_section),
		TEST(a_bad_setting_is_shown_as_it_was_given),
		TEST(a_file_that_cannot_be_read_is_named),
		TEST(mistakes_are_told_in_the_order_of_the_text),
		TEST(a_warning_is_no_mistake),
		TEST(an_upstream_elsewhere_may_have_the_port_of_the_proxy),
		TEST(lists_sections_and_listeners_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
