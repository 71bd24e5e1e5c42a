/* test_config_tls.c - sections [tls NAME], who uses them, and routes by name. */

#include "base/text.h"
#include "config/config.h"
#include "tests/support/config_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char web[] =
	"[service web]\ntype = http\nlisten = :8443\ntls = site\n"
	"[tls site]\ncertificate = site.pem\nkey = site.key\n";

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

static void assert_read(struct sample *s, const char *text)
{
	if (sample_read(s, text) < 0)
		fail_msg("%s", s->said);
}

static void assert_said(const struct sample *s, const char *words)
{
	if (!strstr(s->said, words))
		fail_msg("not said: %s\nbut:\n%s", words, s->said);
}

static void assert_inside(const struct sample *s, const char *path, const char *expected)
{
	assert_memory_equal(path, s->folder, strlen(s->folder));
	assert_string_equal(path + strlen(s->folder), expected);
}

/* -- values -- */

static void every_option_reaches_its_field(void **state)
{
	struct sample *s = *state;
	const struct service_config *front;
	const struct tls_config *site;

	assert_read(s, "[daemon]\nmax_handshakes = 50\n"
		       "[service front]\ntype = proxy\nlisten = :443\nupstream = back\ntls = site\n"
		       "handshake_timeout = 3s\nmatch_sni = A.example.org back, *.b.example.org. other\n"
		       "[upstream back]\nserver = 10.0.0.5:443\ntls = site\n"
		       "[upstream other]\nserver = 10.0.0.6:443\n"
		       "[tls site]\ncertificate = /a.pem, /b.pem\nkey = /a.key\nkey = credential:b.key\n"
		       "strict_sni = yes\nclient_ca = /clients.pem\nclient_names = Alice.example.org, *.example.net\n"
		       "ca = /etc/ssl/certs\nserver_name = Back.Example.org.\nverify = required\n"
		       "min_version = 1.3\nmax_version = 1.3\nciphers = TLS_AES_128_GCM_SHA256:ECDHE+AESGCM\n"
		       "groups = X25519:P-256\nalpn = h2, http/1.1\ntickets = off\nticket_lifetime = 7d\n"
		       "ktls = off\n");
	assert_string_equal(s->said, "");
	assert_int_equal(s->config->daemon.max_handshakes, 50);
	assert_int_equal(s->config->tls_count, 1);
	site = &s->config->tls[0];
	assert_string_equal(site->name, "site");
	assert_int_equal(site->certificates.count, 2);
	assert_string_equal(site->certificates.items[0], "/a.pem");
	assert_string_equal(site->certificates.items[1], "/b.pem");
	assert_null(site->certificates.items[2]);
	assert_string_equal(site->keys.items[1], "credential:b.key");
	assert_int_equal(site->self_signed, 0);
	assert_int_equal(site->strict_sni, 1);
	assert_string_equal(site->client_ca, "/clients.pem");
	assert_string_equal(site->client_names.items[0], "alice.example.org");
	assert_string_equal(site->client_names.items[1], "*.example.net");
	assert_string_equal(site->ca, "/etc/ssl/certs");
	assert_string_equal(site->server_name, "back.example.org");
	assert_int_equal(site->verify, CONFIG_VERIFY_REQUIRED);
	assert_int_equal(site->min_version, 1);
	assert_int_equal(site->max_version, 1);
	assert_string_equal(site->ciphers, "TLS_AES_128_GCM_SHA256:ECDHE+AESGCM");
	assert_string_equal(site->groups, "X25519:P-256");
	assert_int_equal(site->alpn.count, 2);
	assert_string_equal(site->alpn.items[1], "http/1.1");
	assert_int_equal(site->tickets, 0);
	assert_int_equal(site->ticket_lifetime_ms, 7 * 24 * 60 * 60 * 1000);
	assert_int_equal(site->ktls, 0);
	assert_true(site->accepts);
	assert_true(site->connects);

	front = config_find_service(s->config, "front");
	assert_string_equal(front->tls, "site");
	assert_ptr_equal(front->tls_config, site);
	assert_ptr_equal(s->config->upstreams[0].tls_config, site);
	assert_null(s->config->upstreams[1].tls_config);
	assert_int_equal(front->handshake_timeout_ms, 3000);
	assert_int_equal(front->match_sni.count, 2);
	assert_string_equal(front->match_sni.items[0].pattern, "a.example.org");
	assert_ptr_equal(front->match_sni.items[0].upstream_config, &s->config->upstreams[0]);
	assert_string_equal(front->match_sni.items[1].pattern, "*.b.example.org");
	assert_string_equal(front->match_sni.items[1].upstream, "other");
	assert_ptr_equal(front->match_sni.items[1].upstream_config, &s->config->upstreams[1]);
}

static void defaults_hold_where_nothing_is_written(void **state)
{
	struct sample *s = *state;
	const struct tls_config *site;

	assert_read(s, web);
	assert_int_equal(s->config->daemon.max_handshakes, 1000);
	assert_int_equal(s->config->services[0].handshake_timeout_ms, 10 * 1000);
	site = &s->config->tls[0];
	assert_true(site->accepts);
	assert_false(site->connects);
	assert_int_equal(site->verify, CONFIG_VERIFY_AUTO);
	assert_int_equal(site->min_version, 0);
	assert_int_equal(site->max_version, 1);
	assert_int_equal(site->strict_sni, 0);
	assert_int_equal(site->tickets, 1);
	assert_int_equal(site->ticket_lifetime_ms, 60 * 60 * 1000);
	assert_int_equal(site->ktls, 1);
	assert_null(site->client_ca);
	assert_null(site->ciphers);
	assert_null(site->alpn.items);

	assert_read(s, "[service front]\ntype = proxy\nlisten = :443\nmatch_sni = a.example.org b\n"
		       "[upstream b]\nserver = 10.0.0.5:443\n");
	assert_int_equal(s->config->services[0].sni_wait_ms, 1000);
	assert_null(s->config->services[0].tls_config);
}

static void words_of_verify_stand_in_the_order_of_their_enum(void **state)
{
	static const char *const words[] = { "auto", "off", "optional", "required" };
	struct sample *s = *state;

	for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
		char text[512];

		snprintf(text, sizeof text, "%sclient_ca = c.pem\nverify = %s\n", web, words[i]);
		assert_read(s, text);
		assert_int_equal(s->config->tls[0].verify, CONFIG_VERIFY_AUTO + i);
	}
}

/* -- paths -- */

static void a_relative_path_begins_at_the_folder_of_its_file(void **state)
{
	struct sample *s = *state;
	const struct tls_config *site;

	sample_write(s, "conf.d/site.ini", "[tls site]\ncertificate = site.pem, ./../b.pem, /c.pem\n"
					   "key = a/site.key, credential:b.key, /c.key\nclient_ca = a, b.pem\n");
	assert_read(s, "[daemon]\ninclude = conf.d/*.ini\n[service web]\ntype = http\nlisten = :8443\ntls = site\n");
	site = &s->config->tls[0];
	assert_inside(s, site->certificates.items[0], "/conf.d/site.pem");
	assert_inside(s, site->certificates.items[1], "/conf.d/../b.pem");
	assert_string_equal(site->certificates.items[2], "/c.pem");
	assert_inside(s, site->keys.items[0], "/conf.d/a/site.key");
	assert_string_equal(site->keys.items[1], "credential:b.key");
	assert_inside(s, site->client_ca, "/conf.d/a, b.pem");
}

/* Loads main.ini as it would be named from there. */
static void load_from(struct sample *s, const char *folder, const char *file)
{
	static const struct config_service_type types[] = { { "http", false, 1000 } };
	struct config_source source = { .file = file, .settings = s->settings, .types = types, .type_count = 1 };

	config_unref(s->config);
	s->config = NULL;
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(config_load(&source, stderr, &s->config), 0);
	assert_int_equal(chdir("/"), 0);
}

static void a_path_is_whole_wherever_the_file_is_named_from(void **state)
{
	static const char *const settings[] = { "tls.site.key=here.key", NULL };
	struct sample *s = *state;
	char up[128];

	sample_write(s, "main.ini", web);
	s->settings = settings;
	load_from(s, s->folder, "main.ini");
	assert_inside(s, s->config->tls[0].certificates.items[0], "/site.pem");
	assert_inside(s, s->config->tls[0].keys.items[0], "/here.key");
	load_from(s, s->folder, "./main.ini");
	assert_inside(s, s->config->tls[0].certificates.items[0], "/site.pem");

	snprintf(up, sizeof up, "%s/main.ini", s->folder + 1);
	load_from(s, "/", up);
	assert_inside(s, s->config->tls[0].certificates.items[0], "/site.pem");
	assert_string_equal(s->config->tls[0].keys.items[0], "/here.key");
	snprintf(up, sizeof up, "%s/main.ini", s->folder + strlen("/tmp/"));
	load_from(s, "/tmp", up);
	assert_inside(s, s->config->tls[0].certificates.items[0], "/site.pem");
}

static void a_folder_that_cannot_stand_in_a_value_is_refused(void **state)
{
	struct sample *s = *state;

	sample_write(s, "a,b/site.ini", "[tls site]\ncertificate = site.pem\nkey = /site.key\nclient_ca = c.pem\n");
	assert_int_equal(sample_read(s, "[daemon]\ninclude = a*/site.ini\n"
					"[service web]\ntype = http\nlisten = :8443\ntls = site\n"), -EINVAL);
	assert_said(s, "a,b/site.ini:2:15: error: [tls site] certificate: the folder that 'site.pem' begins at has ");
	assert_null(strstr(s->said, "client_ca"));
}

/* -- bounds -- */

static void assert_length_is_bounded(struct sample *s, const char *format, int max, const char *words)
{
	char *text = NULL, *value = calloc(1, (size_t) max + 2);

	assert_non_null(value);
	for (int i = 0; i <= max; i++)
		value[i] = i % 60 == 59 ? '.' : 'x';
	value[max - 1] = 'x';
	for (int length = max; length <= max + 1; length++) {
		value[max] = length > max ? 'x' : '\0';
		assert_true(asprintf(&text, "%s%s%s\n", web, format, value) > 0);
		assert_int_equal(sample_read(s, text), length > max ? -EINVAL : 0);
		free(text);
	}
	assert_said(s, words);
	free(value);
}

static void values_are_bounded_in_length(void **state)
{
	struct sample *s = *state;
	int room = 1023 - (int) strlen(s->folder) - 1;

	assert_length_is_bounded(s, "alpn = ", 255, "alpn: the name is longer than 255 bytes");
	assert_length_is_bounded(s, "ciphers = ", 1023, "ciphers: the text is longer than 1023 bytes");
	assert_length_is_bounded(s, "client_ca = ", room, "client_ca: the path is longer than 1023 bytes");
	assert_length_is_bounded(s, "client_ca = /", 1022, "client_ca: the path is longer than 1023 bytes");
	assert_length_is_bounded(s, "server_name = ", 253, "' is not a name: the host name is longer than 253 bytes");
	assert_length_is_bounded(s, "client_ca = c.pem\nclient_names = *.", 253, "is longer than 253 bytes");
}

static void so_many_protocols_as_fit_a_hello(void **state)
{
	struct sample *s = *state;
	char text[1024];
	size_t position = 0;

	text_append(text, sizeof text, &position, "%salpn = p", web);
	for (int i = 1; i < 32; i++)
		text_append(text, sizeof text, &position, ", p%d", i);
	assert_read(s, text);
	text_append(text, sizeof text, &position, ", one-more");
	assert_int_equal(sample_read(s, text), -EINVAL);
	assert_said(s, "error: [tls site] alpn: more than 32 protocols");
}

/* -- references -- */

static void a_route_is_a_use_of_its_upstream(void **state)
{
	struct sample *s = *state;

	assert_read(s, "[service front]\ntype = proxy\nlisten = :443\nmatch_sni = *.example.org back\n"
		       "[upstream back]\nserver = 10.0.0.5:443\n");
	assert_string_equal(s->said, "");
}

static void an_upstream_of_no_route_is_unused(void **state)
{
	struct sample *s = *state;

	assert_read(s, "[service front]\ntype = proxy\nlisten = :443\nmatch_sni = *.example.org back\n"
		       "[upstream back]\nserver = 10.0.0.5:443\n[upstream spare]\nserver = 10.0.0.6:443\n");
	assert_said(s, "main.ini:7:1: warning: [upstream spare] is used by no service\n");
}

static void what_a_mistake_may_have_meant_is_not_unused(void **state)
{
	struct sample *s = *state;

	assert_int_equal(sample_read(s, "[service front]\ntype = proxy\nlisten = :443\nmatch_sni = a..b back\n"
					"tls = on\n[upstream back]\nserver = 10.0.0.5:443\n"
					"[tls site]\nself_signed = yes\n"), -EINVAL);
	assert_null(strstr(s->said, "warning"));
}

static void a_server_needs_no_certificate_of_ours(void **state)
{
	struct sample *s = *state;

	assert_read(s, "[service front]\ntype = proxy\nlisten = :9000\nupstream = back\n"
		       "[upstream back]\nserver = 10.0.0.5:443\ntls = back\n[tls back]\n");
	assert_string_equal(s->said, "");
	assert_false(s->config->tls[0].accepts);
	assert_true(s->config->tls[0].connects);
}

static void a_unix_socket_is_checked_for_the_name_that_is_set_or_not_at_all(void **state)
{
	static const char *const ways[] = { "server_name = back.example.org\n", "verify = off\n" };
	struct sample *s = *state;

	for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
		char text[512];

		snprintf(text, sizeof text, "[service front]\ntype = proxy\nlisten = :9000\nupstream = back\n"
			 "[upstream back]\nserver = unix:/run/back.sock, unix:@back\ntls = back\n[tls back]\n%s",
			 ways[i]);
		assert_read(s, text);
		assert_string_equal(s->said, "");
	}
}

/* -- settings -- */

static void settings_make_a_section_that_the_file_does_not_have(void **state)
{
	static const char *const settings[] = {
		"service.web.tls=quick", "tls.quick.self_signed=yes", "tls.quick.alpn=x", "tls.quick.alpn=http/1.1",
		"tls quick.max_version=1.2", NULL,
	};
	struct sample *s = *state;

	s->settings = settings;
	assert_read(s, "[service web]\ntype = http\nlisten = :8443\n");
	assert_string_equal(s->said, "");
	assert_string_equal(s->config->services[0].tls_config->name, "quick");
	assert_int_equal(s->config->tls[0].self_signed, 1);
	assert_int_equal(s->config->tls[0].alpn.count, 2);
	assert_int_equal(s->config->tls[0].max_version, 0);
}

static void a_setting_takes_the_place_of_a_list(void **state)
{
	static const char *const settings[] = {
		"tls.site.certificate=/new.pem", "tls.site.key=/new.key", "service.front.match_sni=new.example.org b",
		NULL,
	};
	struct sample *s = *state;
	char text[512];

	s->settings = settings;
	snprintf(text, sizeof text, "%s[service front]\ntype = proxy\nlisten = :443\n"
		 "match_sni = a.example.org b, b.example.org b\n[upstream b]\nserver = 10.0.0.5:443\n", web);
	assert_read(s, text);
	assert_int_equal(s->config->tls[0].certificates.count, 1);
	assert_string_equal(s->config->tls[0].certificates.items[0], "/new.pem");
	assert_string_equal(s->config->tls[0].keys.items[0], "/new.key");
	assert_int_equal(s->config->services[1].match_sni.count, 1);
	assert_string_equal(s->config->services[1].match_sni.items[0].pattern, "new.example.org");
}

static void a_setting_for_nothing_is_no_new_section(void **state)
{
	static const char *const settings[] = { "tls.stie.verify=off", NULL };
	struct sample *s = *state;

	s->settings = settings;
	assert_int_equal(sample_read(s, web), -EINVAL);
	assert_said(s, "command line: error: there is no [tls stie], did you mean 'site'?\n");
}

/* -- dump and comparison -- */

struct changes {
	char text[2048];
	size_t position;
};

static void write_change(void *context, const char *section, const char *key, const char *old_value,
			 const char *new_value, bool live)
{
	struct changes *c = context;

	text_append(c->text, sizeof c->text, &c->position, "%s %s: %s -> %s%s\n", section, key ? key : "-",
		    old_value ? old_value : "-", new_value ? new_value : "-", live ? "" : " (restart)");
}

static void a_dump_says_the_same_from_another_folder(void **state)
{
	struct sample *s = *state;
	_cleanup_(config_unrefp) struct config *first = NULL;
	struct changes changes = { 0 };
	char *dump;

	sample_write(s, "more/a.ini", "[tls site]\ncertificate = a$$b.pem\nkey = credential:k\nclient_ca = c d.pem\n"
				      "client_names = *.A.example.org, b\nciphers = ECDHE+AESGCM:!SHA1\n"
				      "alpn = h2, x\n");
	assert_read(s, "[daemon]\ninclude = more/*\n[service front]\ntype = proxy\nlisten = :443\ntls = site\n"
		       "match_sni = A.example.org \t back, *.b back\n[upstream back]\nserver = 10.0.0.5:443\n");
	first = config_ref(s->config);
	dump = sample_dump(s);
	assert_non_null(strstr(dump, "match_sni = a.example.org back "));
	assert_non_null(strstr(dump, "/more/a$$b.pem"));
	assert_non_null(strstr(dump, "; server_name is not set\n"));
	assert_non_null(strstr(dump, "ktls = auto                          ; default\n"));
	assert_read(s, dump);
	config_compare(first, s->config, write_change, &changes);
	assert_string_equal(changes.text, "");
	free(dump);
}

static void a_reload_is_told_what_changed(void **state)
{
	struct sample *s = *state;
	_cleanup_(config_unrefp) struct config *old = NULL;
	struct changes changes = { 0 };

	assert_read(s, "[daemon]\nmax_handshakes = 5\n[service front]\ntype = proxy\nlisten = :443\n"
		       "tls = site\nmatch_sni = a b\n[upstream b]\nserver = 10.0.0.5:443\n[tls old]\n"
		       "[tls site]\ncertificate = /a.pem\nkey = /a.key\n");
	old = config_ref(s->config);
	assert_read(s, "[service front]\ntype = proxy\nlisten = :443\nmatch_sni = a b, c b\nsni_wait = 2s\n"
		       "[upstream b]\nserver = 10.0.0.5:443\ntls = site\n"
		       "[tls site]\ncertificate = /a.pem, /b.pem\nkey = /a.key, /b.key\n");
	config_compare(old, s->config, write_change, &changes);
	assert_string_equal(changes.text,
			    "[daemon] max_handshakes: 5 -> 1000\n"
			    "[service front] tls: site -> \n"
			    "[service front] match_sni: a b -> a b, c b\n"
			    "[service front] sni_wait: 1s -> 2s\n"
			    "[upstream b] tls:  -> site\n"
			    "[tls old] -: [tls old] -> -\n"
			    "[tls site] certificate: /a.pem -> /a.pem, /b.pem\n"
			    "[tls site] key: /a.key -> /a.key, /b.key\n");
}

/* -- mistakes that are found later -- */

static void assert_complaint(struct sample *s, const char *key, size_t index, const char *expected)
{
	char *said = NULL;
	size_t length;
	FILE *to = open_memstream(&said, &length);

	assert_non_null(to);
	config_complain(s->config, to, &s->config->tls[0], key, index, "it has %d bytes", 7);
	fclose(to);
	if (!strstr(said, expected))
		fail_msg("not said: %s\nbut:\n%s", expected, said);
	free(said);
}

static void a_complaint_shows_the_element_that_is_meant(void **state)
{
	static const char *const settings[] = { "tls.site.ciphers=ABC", NULL };
	struct sample *s = *state;

	s->settings = settings;
	assert_read(s, "[service web]\ntype = http\nlisten = :8443\ntls = site\n[tls site]\n"
		       "certificate = a.pem, b.pem\ncertificate = c.pem\nkey = a.key, b.key, c.key\n");
	assert_complaint(s, "certificate", 1, "main.ini:6:22: error: [tls site] certificate: it has 7 bytes\n"
			 "    6 | certificate = a.pem, b.pem\n      |                      ^~~~~\n");
	assert_complaint(s, "certificate", 2, "main.ini:7:15: error: [tls site] certificate: it has 7 bytes\n");
	assert_complaint(s, "ciphers", 0, "command line: error: [tls site] ciphers: it has 7 bytes\n"
			 "      | tls.site.ciphers=ABC\n      |                  ^~~\n");
}

static void a_complaint_about_what_is_not_written_shows_the_section(void **state)
{
	static const char *const keys[] = { "ca", "min_version", "certificate" };
	struct sample *s = *state;

	assert_read(s, web);
	for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
		char expected[128];

		snprintf(expected, sizeof expected, "main.ini:5:1: error: [tls site] %s: it has 7 bytes\n"
			 "    5 | [tls site]\n      | ^~~~~~~~~~\n", keys[i]);
		assert_complaint(s, keys[i], 9, expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_sample, close_sample)
		TEST(every_option_reaches_its_field),
		TEST(defaults_hold_where_nothing_is_written),
		TEST(words_of_verify_stand_in_the_order_of_their_enum),
		TEST(a_relative_path_begins_at_the_folder_of_its_file),
		TEST(a_path_is_whole_wherever_the_file_is_named_from),
		TEST(a_folder_that_cannot_stand_in_a_value_is_refused),
		TEST(values_are_bounded_in_length),
		TEST(so_many_protocols_as_fit_a_hello),
		TEST(a_route_is_a_use_of_its_upstream),
		TEST(an_upstream_of_no_route_is_unused),
		TEST(what_a_mistake_may_have_meant_is_not_unused),
		TEST(a_server_needs_no_certificate_of_ours),
		TEST(a_unix_socket_is_checked_for_the_name_that_is_set_or_not_at_all),
		TEST(settings_make_a_section_that_the_file_does_not_have),
		TEST(a_setting_takes_the_place_of_a_list),
		TEST(a_setting_for_nothing_is_no_new_section),
		TEST(a_dump_says_the_same_from_another_folder),
		TEST(a_reload_is_told_what_changed),
		TEST(a_complaint_shows_the_element_that_is_meant),
		TEST(a_complaint_about_what_is_not_written_shows_the_section),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
