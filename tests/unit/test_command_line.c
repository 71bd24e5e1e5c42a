/* test_command_line.c - arguments to a mode, a file and settings. */

#include "command_line.h"

#include "base/fault.h"
#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ARGUMENTS_MAX 16

static const struct config_service_type types[] = {
	{ "echo", false, 1000 }, { "http", false, 1000 }, { "proxy", true, 1000 },
};

struct parsed {
	struct command_line line;
	int result;
	char *said;
};

/* Arguments are separated by blanks; a `~` in one stands for a blank. */
static void parse(struct parsed *p, const char *text)
{
	char copy[512], program[] = "corelayd", *arguments[ARGUMENTS_MAX + 2] = { program }, *rest = copy;
	size_t length;
	int count = 1;
	FILE *to;

	snprintf(copy, sizeof copy, "%s", text);
	for (; *text && rest && count <= ARGUMENTS_MAX; count++) {
		arguments[count] = strsep(&rest, " ");
		for (char *blank = arguments[count]; (blank = strchr(blank, '~')); *blank = ' ')
			;
	}
	*p = (struct parsed) { 0 };
	to = open_memstream(&p->said, &length);
	assert_non_null(to);
	p->result = command_line_parse(count, arguments, types, ARRAY_LENGTH(types), to, &p->line);
	fclose(to);
}

static void done(struct parsed *p)
{
	command_line_done(&p->line);
	free(p->said);
}

static void assert_settings(const struct command_line *c, const char *first, ...)
{
	size_t count = 0;
	va_list more;

	va_start(more, first);
	for (const char *expected = first; expected; expected = va_arg(more, const char *), count++) {
		assert_true(count < c->setting_count);
		assert_string_equal(c->settings[count], expected);
	}
	va_end(more);
	assert_int_equal(c->setting_count, count);
	if (count > 0)
		assert_null(c->settings[count]);
}

static void without_arguments_the_installed_file_is_served(void **state)
{
	struct parsed p;

	(void) state;
	parse(&p, "");
	assert_int_equal(p.result, 0);
	assert_int_equal(p.line.mode, COMMAND_SERVE);
	assert_string_equal(p.line.file, CONFIG_FILE_DEFAULT);
	assert_false(p.line.file_was_named);
	assert_settings(&p.line, NULL);
	done(&p);
}

static void options_have_short_and_long_forms(void **state)
{
	static const struct {
		const char *text;
		enum command_mode mode;
		const char *file;
	} cases[] = {
		{ "--config a.ini", COMMAND_SERVE, "a.ini" }, { "--config=a.ini", COMMAND_SERVE, "a.ini" },
		{ "-c a.ini", COMMAND_SERVE, "a.ini" }, { "-ca.ini", COMMAND_SERVE, "a.ini" },
		{ "-tc a.ini", COMMAND_CHECK, "a.ini" }, { "-c a.ini --check", COMMAND_CHECK, "a.ini" },
		{ "-t", COMMAND_CHECK, CONFIG_FILE_DEFAULT }, { "-T", COMMAND_DUMP, CONFIG_FILE_DEFAULT },
		{ "--dump-config --check", COMMAND_DUMP, CONFIG_FILE_DEFAULT },
		{ "-c -", COMMAND_SERVE, "-" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct parsed p;

		parse(&p, cases[i].text);
		assert_int_equal(p.result, 0);
		assert_int_equal(p.line.mode, cases[i].mode);
		assert_string_equal(p.line.file, cases[i].file);
		assert_string_equal(p.said, "");
		done(&p);
	}
}

static void settings_keep_their_order(void **state)
{
	struct parsed p;

	(void) state;
	parse(&p, "-s daemon.log_level=error -l debug --set=service~a.type=echo -sx --log-level=info");
	assert_int_equal(p.result, 0);
	assert_true(p.line.has_log_level);
	assert_int_equal(p.line.log_level, LOG_LEVEL_INFO);
	assert_settings(&p.line, "daemon.log_level=error", "daemon.log_level=debug", "service a.type=echo", "x",
			"daemon.log_level=info", NULL);
	done(&p);
}

static void words_become_settings(void **state)
{
	struct parsed p;

	(void) state;
	parse(&p, "-t echo :7007 -l debug [::1]:7007 -- --x");
	assert_int_equal(p.result, 0);
	assert_int_equal(p.line.mode, COMMAND_CHECK);
	assert_null(p.line.file);
	assert_settings(&p.line, "service.echo.type=echo", "service.echo.listen=:7007", "daemon.log_level=debug",
			"service.echo.listen=[::1]:7007", "service.echo.listen=--x", NULL);
	done(&p);
}

static void what_stands_behind_to_are_servers(void **state)
{
	static const char *const cases[] = {
		"proxy :1 :2 --to a:1 b:2", "proxy :1 :2 --to=a:1 --to b:2", "proxy :1 :2 --to a:1 -t b:2",
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct parsed p;

		parse(&p, cases[i]);
		assert_int_equal(p.result, 0);
		assert_settings(&p.line, "service.proxy.type=proxy", "service.proxy.listen=:1",
				"service.proxy.listen=:2", "service.proxy.upstream=to", "upstream.to.server=a:1",
				"upstream.to.server=b:2", NULL);
		done(&p);
	}
}

static void a_self_signed_certificate_is_for_what_the_words_say(void **state)
{
	static const char *const cases[] = {
		"echo :1 --self-signed", "--self-signed echo :1", "echo --self-signed :1 --self-signed",
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct parsed p;

		parse(&p, cases[i]);
		assert_int_equal(p.result, 0);
		assert_settings(&p.line, "service.echo.type=echo", "service.echo.listen=:1",
				"tls.self-signed.self_signed=yes", "service.echo.tls=self-signed", NULL);
		done(&p);
	}
}

static void what_the_words_make_is_a_configuration(void **state)
{
	_cleanup_(config_unrefp) struct config *config = NULL;
	struct config_source source = { .types = types, .type_count = ARRAY_LENGTH(types) };
	struct parsed p;

	(void) state;
	parse(&p, "proxy :9000 --to 10.0.0.5:80 10.0.0.6:80~backup -s service.proxy.idle_timeout=5s "
		  "--self-signed");
	assert_int_equal(p.result, 0);
	source.settings = (const char *const *) p.line.settings;
	assert_int_equal(config_load(&source, stderr, &config), 0);
	assert_int_equal(config->services[0].upstream_config->server_count, 2);
	assert_true(config->services[0].upstream_config->servers[1].backup);
	assert_int_equal(config->services[0].idle_timeout_ms, 5000);
	assert_int_equal(config->services[0].tls_config->self_signed, 1);
	done(&p);
}

static void help_and_version_win_over_mistakes(void **state)
{
	static const struct {
		const char *text;
		enum command_mode mode;
	} cases[] = {
		{ "-h", COMMAND_HELP }, { "ecoh -h --bogus", COMMAND_HELP }, { "-c --help", COMMAND_HELP },
		{ "-V", COMMAND_VERSION }, { "--version x", COMMAND_VERSION }, { "-V -h", COMMAND_HELP },
		{ "-th", COMMAND_HELP }, { "-tV", COMMAND_VERSION },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct parsed p;

		parse(&p, cases[i].text);
		assert_int_equal(p.result, 0);
		assert_int_equal(p.line.mode, cases[i].mode);
		done(&p);
	}
}

static void a_mistake_is_answered_with_what_may_be_meant(void **state)
{
	static const char *const cases[][2] = {
		{ "ecoh :1", "there is no service 'ecoh', did you mean 'echo'?" },
		{ "finger :1", "there is no service 'finger'" },
		{ "a/b.ini", "there is no service 'a/b.ini', did you mean --config a/b.ini?" },
		{ "--chek", "unknown option '--chek', did you mean '--check'?" },
		{ "--confg=a", "unknown option '--confg=a', did you mean '--config'?" },
		{ "--frobnicate", "unknown option '--frobnicate'" },
		{ "-tx", "unknown option '-x'" },
		{ "--check=yes", "--check takes no value" },
		{ "-c", "--config needs a value: --config FILE" },
		{ "--config=", "--config needs a value: --config FILE" },
		{ "-c -t", "--config needs a value: --config FILE" },
		{ "-c a -c b", "--config stands twice" },
		{ "-l debgu", "there is no log level 'debgu', did you mean 'debug'?" },
		{ "-l 5", "there is no log level '5': it is alert, error, warning, notice, info or debug" },
		{ "echo", "the address is missing: corelayd echo :7007" },
		{ "proxy --to a:1", "the address is missing: corelayd proxy :7007 --to HOST:PORT" },
		{ "proxy :1", "the server is missing: corelayd proxy ADDRESS --to HOST:PORT" },
		{ "echo :1 --to a:1", "--to stands behind 'proxy'" },
		{ "--to a:1 proxy :1", "--to stands behind 'proxy'" },
		{ "echo :1 -c a", "'echo' is served without a file" },
		{ "echo :1 -c a --self-signed", "'echo' is served without a file" },
		{ "--self-signed", "--self-signed is for what is served without a file: corelayd http :8443" },
		{ "--self-signed -c a", "in a file it is 'self_signed = yes' in a section [tls NAME]" },
		{ "echo --self-signed", "the address is missing" },
		{ "echo :1 --self-signed=yes", "--self-signed takes no value" },
		{ "echo :1 --self-singed", "did you mean '--self-signed'?" },
		{ "e\x1b[31m", "there is no service 'e\\x1b[31m'" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct parsed p;

		parse(&p, cases[i][0]);
		assert_int_equal(p.result, -EINVAL);
		if (!strstr(p.said, cases[i][1]))
			fail_msg("not said: %s\nbut: %s", cases[i][1], p.said);
		assert_non_null(strstr(p.said, "\nTry 'corelayd --help'.\n"));
		assert_null(p.line.settings);
		done(&p);
	}
}

static void the_help_fits_a_small_terminal(void **state)
{
	char *text = NULL;
	size_t length, lines = 0;
	FILE *to = open_memstream(&text, &length);

	(void) state;
	assert_non_null(to);
	command_line_print_help(to);
	fclose(to);
	for (const char *line = text; *line; lines++) {
		size_t columns = strcspn(line, "\n");

		/* How long that path is, is not for us to say. */
		if (!memmem(line, columns, CONFIG_FILE_DEFAULT, strlen(CONFIG_FILE_DEFAULT)))
			assert_in_range(columns, 0, 80);
		line += columns + 1;
	}
	assert_in_range(lines, 10, 24);
	free(text);
}

#ifdef ENABLE_FAULTS
static void without_memory_nothing_is_left_behind(void **state)
{
	static const char text[] = "proxy :1 --to a:1 -s daemon.x=y -l debug --self-signed";
	struct parsed p;
	uint64_t points;

	(void) state;
	fault_plant(0);
	parse(&p, text);
	points = fault_count();
	assert_in_range(points, 6, 100);
	done(&p);
	for (uint64_t nth = 1; nth <= points; nth++) {
		fault_plant(nth);
		parse(&p, text);
		assert_int_equal(p.result, -ENOMEM);
		assert_null(p.line.settings);
		done(&p);
	}
	fault_plant(0);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_arguments_the_installed_file_is_served),
		cmocka_unit_test(options_have_short_and_long_forms),
		cmocka_unit_test(settings_keep_their_order),
		cmocka_unit_test(words_become_settings),
		cmocka_unit_test(what_stands_behind_to_are_servers),
		cmocka_unit_test(a_self_signed_certificate_is_for_what_the_words_say),
		cmocka_unit_test(what_the_words_make_is_a_configuration),
		cmocka_unit_test(help_and_version_win_over_mistakes),
		cmocka_unit_test(a_mistake_is_answered_with_what_may_be_meant),
		cmocka_unit_test(the_help_fits_a_small_terminal),
#ifdef ENABLE_FAULTS
		cmocka_unit_test(without_memory_nothing_is_left_behind),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
