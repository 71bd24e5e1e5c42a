/* test_profile.c - a [tls] section at run time: made of its files, made anew when they change, watched until they
 * expire. */
#include "service/profile.h"

#include "base/fault.h"
#include "runtime/executor.h"
#include "tests/support/certificates.h"
#include "tests/support/config_files.h"
#include "tests/support/harness.h"
#include "tests/support/log_lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define DAY_MS INT64_C(86400000)
#define HOUR_MS INT64_C(3600000)
/* More than files must have been left alone to be taken up, and less. */
#define SETTLED_MS 600
#define UNSETTLED_MS 300

static struct certificates pki;
static const struct certificate *first, *second, *of_20_days, *of_17_days;
static struct sample sample;
static struct tls_keep *keep;

static int open_pki(void **state)
{
	(void) state;
	certificates_open(&pki);
	first = certificate_make(&pki, .name = "first", .names = "DNS:first.test", .ends_days = 300);
	second = certificate_make(&pki, .name = "second", .names = "DNS:second.test", .ends_days = 300);
	of_20_days = certificate_make(&pki, .name = "of-20-days", .names = "DNS:a.test", .ends_days = 20);
	of_17_days = certificate_make(&pki, .name = "of-17-days", .names = "DNS:b.test", .ends_days = 17);
	return 0;
}

static int close_pki(void **state)
{
	(void) state;
	certificates_close(&pki);
	return 0;
}

static int open_sample(void **state)
{
	(void) state;
	sample_open(&sample);
	log_lines_open();
	return tls_keep_new(&keep);
}

static int close_sample(void **state)
{
	(void) state;
	sample_close(&sample);
	keep = tls_keep_free(keep);
	return 0;
}

/* -- files that change, and a profile of them -- */

/* Puts a copy in the place of what is there, by a rename, as those do who do it well. */
static void install_file(const char *from, const char *name)
{
	char text[8192], path[256], target[256];
	FILE *file = fopen(from, "r");
	size_t length;

	assert_non_null(file);
	length = fread(text, 1, sizeof(text), file);
	fclose(file);
	snprintf(target, sizeof(target), "%s/%s", sample.folder, name);
	snprintf(path, sizeof(path), "%s/%s.new", sample.folder, name);
	unlink(path);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	assert_int_equal(fchmod(fileno(file), 0600), 0);
	fclose(file);
	assert_int_equal(rename(path, target), 0);
}

static void install(const struct certificate *c)
{
	install_file(c->file, "live.pem");
	install_file(c->key_file, "live.key");
}

#define SERVICE "[service web]\ntype = echo\nlisten = unix:@unused\ntls = site\n"
static const char live[] = "[tls site]\ncertificate = live.pem\nkey = live.key\n" SERVICE;
static const char self_signed[] = "[tls site]\nself_signed = yes\n" SERVICE;

static int new_profile(struct tls_profile **ret)
{
	char *said = NULL;
	size_t bytes;
	FILE *to = open_memstream(&said, &bytes);
	int r = profile_new(sample.config, &sample.config->tls[0], keep, true, to, ret);

	fclose(to);
	free(said);
	return r;
}

static void read_config(const char *text)
{
	if (sample_read(&sample, text) < 0)
		fail_msg("%s", sample.said);
}

struct asking {
	const struct tls_profile *profile;
	struct tls_certificate certificate;
};

static void describe(void *arg)
{
	struct asking *a = arg;

	tls_context_describe(a->profile->context, 0, &a->certificate);
}

static bool presents(const struct tls_profile *p, const char *name)
{
	struct asking a = { .profile = p };

	call_on_main_stack(describe, &a);
	return strcmp(a.certificate.names, name) == 0;
}

/* [suspends] */
static void wait_ms(int64_t ms)
{
	assert_int_equal(sleep_for(ms), 0);
}

/* A profile that is kept, from here to the end of the scope. */
#define KEPT(p)                                                                                            \
	_cleanup_(profile_unrefp) struct tls_profile *p = NULL;                                            \
	TASK_GROUP(keepers, GROUP_EACH);                                                                   \
	assert_int_equal(new_profile(&p), 0);                                                              \
	assert_int_equal(task_spawn(&keepers, "keeper", profile_keep, p, NULL), 0);                        \
	harness_settle()

/* -- making one -- */

static int make_good(void *arg)
{
	_cleanup_(profile_unrefp) struct tls_profile *p = NULL;

	(void) arg;
	assert_int_equal(new_profile(&p), 0);
	assert_true(presents(p, "first.test"));
	assert_int_equal(p->watch_error, 0);
	profile_log(p);
	ASSERT_LOGGED(1, "msg=\"certificate\"", "level=notice", "tls=site", "names=first.test");
	return 0;
}

static void a_good_pair_is_presented_and_logged(void **state)
{
	(void) state;
	install(first);
	read_config(live);
	assert_int_equal(harness_run(make_good, NULL), 0);
}

struct mistake {
	const char *config;
	const char *words[3];
	int result;
};

static int make_wrong(void *arg)
{
	const struct mistake *m = arg;
	struct tls_profile *p = NULL;
	char *said = NULL;
	size_t bytes;
	FILE *to = open_memstream(&said, &bytes);
	int r = profile_new(sample.config, &sample.config->tls[0], keep, true, to, &p);

	fclose(to);
	assert_null(p);
	for (size_t i = 0; i < ARRAY_LENGTH(m->words) && m->words[i]; i++)
		if (!strstr(said, m->words[i]))
			fail_msg("'%s' is not in: %s", m->words[i], said);
	free(said);
	return r;
}

static void a_mistake_in_the_files_is_shown_where_the_file_is_named(void **state)
{
	const struct mistake mistakes[] = {
		{ "[tls site]\ncertificate = live.pem\nkey = other.key\n" SERVICE,
		  { "main.ini:3:", "error: [tls site] key: " }, -EINVAL },
		{ "[tls site]\ncertificate = nowhere.pem\nkey = live.key\n" SERVICE,
		  { "main.ini:2:", "error: [tls site] certificate: " }, -ENOENT },
		{ "[tls site]\ncertificate = live.pem\ncertificate = other.key\nkey = live.key\nkey = other.key\n"
		  SERVICE,
		  { "main.ini:3:", "error: [tls site] certificate: " }, -EINVAL },
		{ "[tls site]\ncertificate = live.pem\nkey = live.key\n\nclient_ca = live.key\n" SERVICE,
		  { "main.ini:5:", "error: [tls site] client_ca: " }, -EINVAL },
	};

	(void) state;
	install(first);
	install_file(second->key_file, "other.key");
	for (size_t i = 0; i < ARRAY_LENGTH(mistakes); i++) {
		read_config(mistakes[i].config);
		assert_int_equal(harness_run(make_wrong, (void *) &mistakes[i]), mistakes[i].result);
	}
}

static int make_and_forget(void *arg)
{
	_cleanup_(profile_unrefp) struct tls_profile *p = NULL;
	int r = new_profile(&p);

	(void) arg;
	assert_true(r < 0 || p->context);
	return r;
}

static void a_profile_survives_every_planted_failure_when_it_is_made(void **state)
{
#ifdef ENABLE_FAULTS
	const struct harness_scenario s = { .body = make_and_forget };

	(void) state;
	install(first);
	read_config(live);
	assert_true(harness_torture_faults(&s) > 10);
#else
	(void) state;
	(void) make_and_forget;
	print_message("needs a build with --enable-faults\n");
	skip();
#endif
}

/* -- files that change -- */

/* A session between two ends of a pair of sockets. */
struct session {
	struct stream *server, *client;
	struct tls_context *accepts, *connects;
	struct semaphore slots;
	int result;
};

static int accept_session(void *arg)
{
	struct session *s = arg;

	return s->result = tls_accept(s->server, s->accepts, &s->slots);
}

static void open_session(struct session *s, struct tls_context *context)
{
	const struct tls_options options = {
		.name = "client", .verify = TLS_VERIFY_OFF, .max_version = TLS_VERSION_1_3,
	};
	TASK_GROUP(server, GROUP_ALL);
	struct tls_problem problem;
	int ends[2];

	*s = (struct session) { .accepts = context };
	semaphore_init(&s->slots, "handshake", 1);
	assert_int_equal(tls_context_new(&options, keep, false, true, &s->connects, &problem), 0);
	harness_socketpair(ends);
	assert_int_equal(stream_new(ends[0], &s->server), 0);
	assert_int_equal(stream_new(ends[1], &s->client), 0);
	assert_int_equal(task_spawn(&server, "server", accept_session, s, NULL), 0);
	assert_int_equal(tls_connect(s->client, s->connects, "first.test", NULL), 0);
	assert_int_equal(group_wait(&server), 0);
	assert_int_equal(s->result, 0);
}

static void assert_session_works(struct session *s, const char *subject)
{
	struct tls_description d;
	char byte = 0;

	assert_int_equal(stream_write(s->server, "x", 1), 0);
	assert_int_equal(stream_read(s->client, &byte, 1), 1);
	assert_int_equal(byte, 'x');
	assert_true(tls_describe(s->client, &d));
	assert_string_equal(d.subject, subject);
}

static void close_session(struct session *s)
{
	stream_free(s->server);
	stream_free(s->client);
	tls_context_unref(s->connects);
	semaphore_done(&s->slots);
}

/* The files are those of `first` again before each run. */
static int replace(void *arg)
{
	struct session before, after;

	(void) arg;
	install(first);
	log_lines_forget();
	KEPT(p);

	open_session(&before, p->context);
	install_file(second->file, "live.pem");
	wait_ms(UNSETTLED_MS);
	install_file(second->key_file, "live.key");
	wait_ms(UNSETTLED_MS);
	assert_true(presents(p, "first.test"));
	wait_ms(SETTLED_MS);
	assert_true(presents(p, "second.test"));
	ASSERT_LOGGED(1, "its files have changed: new connections get the new certificates");
	ASSERT_LOGGED(1, "msg=\"certificate\"", "names=second.test");
	ASSERT_LOGGED(0, "level=error");

	open_session(&after, p->context);
	assert_session_works(&before, "CN=first");
	assert_session_works(&after, "CN=second");
	close_session(&before);
	close_session(&after);
	return 0;
}

static void a_replaced_pair_is_for_new_sessions_once_its_files_have_settled(void **state)
{
	(void) state;
	install(first);
	read_config(live);
	assert_int_equal(harness_run_each_backend(replace, NULL), 0);
}

static int spoil_and_mend(void *arg)
{
	(void) arg;
	install(first);
	log_lines_forget();
	KEPT(p);

	const struct tls_context *old = p->context;
	install_file(second->key_file, "live.key");
	wait_ms(SETTLED_MS);
	assert_ptr_equal(p->context, old);
	ASSERT_LOGGED(1, "level=error", "main.ini:3:", "error: [tls site] key: ");
	ASSERT_LOGGED(1, "level=error", "the old certificates stay: mistakes in the files");

	install_file(second->file, "live.pem");
	wait_ms(SETTLED_MS);
	assert_true(presents(p, "second.test"));
	ASSERT_LOGGED(1, "new connections get the new certificates");
	return 0;
}

static void a_broken_pair_is_refused_and_a_good_one_taken_up_afterwards(void **state)
{
	(void) state;
	install(first);
	read_config(live);
	assert_int_equal(harness_run_each_backend(spoil_and_mend, NULL), 0);
}

static int remove_and_restore(void *arg)
{
	char path[256];
	KEPT(p);

	(void) arg;
	snprintf(path, sizeof(path), "%s/live.pem", sample.folder);
	assert_int_equal(unlink(path), 0);
	wait_ms(SETTLED_MS);
	assert_true(presents(p, "first.test"));
	ASSERT_LOGGED(1, "level=error", "the old certificates stay: No such file or directory");
	install(second);
	wait_ms(SETTLED_MS);
	assert_true(presents(p, "second.test"));
	return 0;
}

static void a_file_that_goes_is_awaited(void **state)
{
	(void) state;
	install(first);
	read_config(live);
	assert_int_equal(harness_run(remove_and_restore, NULL), 0);
}

static int same_again(void *arg)
{
	KEPT(p);

	(void) arg;
	install(first);
	wait_ms(SETTLED_MS);
	ASSERT_LOGGED(1, "its files have changed: the certificates are the same");
	ASSERT_LOGGED(0, "msg=\"certificate\"");
	assert_true(presents(p, "first.test"));
	return 0;
}

static void the_same_bytes_again_are_no_news(void **state)
{
	(void) state;
	install(first);
	read_config(live);
	assert_int_equal(harness_run(same_again, NULL), 0);
}

/* Whatever happens to it, the pair that it presents is whole. */
static int keep_through_changes(void *arg)
{
	_cleanup_(profile_unrefp) struct tls_profile *p = NULL;
	TASK_GROUP(keepers, GROUP_EACH);

	(void) arg;
	install(first);
	int r = new_profile(&p);
	if (r >= 0)
		r = task_spawn(&keepers, "keeper", profile_keep, p, NULL);
	for (int i = 0; r >= 0 && i < 2; i++) {
		install(i == 0 ? second : first);
		r = sleep_for(SETTLED_MS);
		if (r >= 0)
			assert_true(presents(p, "first.test") || presents(p, "second.test"));
	}
	return r;
}

static void a_keeper_survives_a_blow_at_every_suspension_point(void **state)
{
	const struct harness_scenario s = { .body = keep_through_changes };

	(void) state;
	install(first);
	read_config(live);
	assert_true(harness_torture(&s) >= 6);
}

static void a_keeper_survives_every_planted_failure(void **state)
{
#ifdef ENABLE_FAULTS
	const struct harness_scenario s = { .body = keep_through_changes };

	(void) state;
	install(first);
	read_config(live);
	assert_true(harness_torture_faults(&s) > 10);
#else
	(void) state;
	print_message("needs a build with --enable-faults\n");
	skip();
#endif
}

#ifdef ENABLE_FAULTS

/* What SIGHUP does: another profile. */
static void assert_made_anew(void)
{
	_cleanup_(profile_unrefp) struct tls_profile *anew = NULL;

	assert_int_equal(new_profile(&anew), 0);
	assert_true(presents(anew, "second.test"));
}

static int go_unwatched(void *arg)
{
	fault_plant_named("inotify_init1", 1, EMFILE, 1);
	KEPT(p);

	(void) arg;
	assert_null(p->watch);
	ASSERT_LOGGED(1, "level=warning", "[tls site] changes of its files are not seen, SIGHUP takes them up");
	install(second);
	wait_ms(SETTLED_MS);
	assert_true(presents(p, "first.test"));
	assert_made_anew();
	wait_ms(300 * DAY_MS + HOUR_MS);
	ASSERT_LOGGED(1, "msg=\"certificate has expired\"", "names=first.test");
	return 0;
}

static int be_short_of_descriptors(void *arg)
{
	KEPT(p);

	(void) arg;
	fault_plant_named("open", 1, EMFILE, 2);
	install(second);
	wait_ms(SETTLED_MS);
	assert_true(presents(p, "first.test"));
	ASSERT_LOGGED(1, "level=error", "the old certificates stay for now: Too many open files");
	log_lines_forget();
	wait_ms(10000);
	assert_true(presents(p, "first.test"));
	ASSERT_LOGGED(1, "level=error", "the old certificates stay for now: Too many open files");
	wait_ms(10000);
	assert_true(presents(p, "second.test"));
	ASSERT_LOGGED(1, "new connections get the new certificates");
	log_lines_forget();
	wait_ms(DAY_MS);
	ASSERT_LOGGED(0, "its files have changed");
	return 0;
}

static int lose_the_watch(void *arg)
{
	KEPT(p);

	(void) arg;
	fault_plant_named("inotify_add_watch", 1, ENOSPC, 1);
	install(second);
	wait_ms(SETTLED_MS);
	ASSERT_LOGGED(1, "level=warning", "[tls site] changes of its files are not seen, SIGHUP takes them up");
	assert_true(presents(p, "first.test"));
	assert_made_anew();
	/* What the watch was lost over is not. */
	wait_ms(10000);
	assert_true(presents(p, "second.test"));
	ASSERT_LOGGED(1, "new connections get the new certificates");
	install(first);
	wait_ms(HOUR_MS);
	assert_true(presents(p, "second.test"));
	wait_ms(300 * DAY_MS + HOUR_MS);
	ASSERT_LOGGED(1, "msg=\"certificate has expired\"", "names=second.test");
	return 0;
}

#endif

static void without_a_watch_it_warns_once_and_of_expiry_all_the_same(void **state)
{
#ifdef ENABLE_FAULTS
	(void) state;
	install(first);
	read_config(live);
	assert_int_equal(harness_run(go_unwatched, NULL), 0);
	install(first);
	log_lines_forget();
	assert_int_equal(harness_run(lose_the_watch, NULL), 0);
	fault_plant(0);
#else
	(void) state;
	print_message("needs a build with --enable-faults\n");
	skip();
#endif
}

static void files_that_could_not_be_taken_up_are_looked_at_again(void **state)
{
#ifdef ENABLE_FAULTS
	(void) state;
	install(first);
	read_config(live);
	assert_int_equal(harness_run(be_short_of_descriptors, NULL), 0);
	fault_plant(0);
#else
	(void) state;
	print_message("needs a build with --enable-faults\n");
	skip();
#endif
}

/* -- expiry -- */

/* Sleeps until so long before the certificate expires, and a little more. */
static void wait_until_before_end(const struct certificate *c, int64_t before_ms, int64_t more_ms)
{
	struct tm tm;

	assert_int_equal(ASN1_TIME_to_tm(X509_get0_notAfter(c->x509), &tm), 1);
	wait_ms((timegm(&tm) - time_wall_s()) * 1000 - before_ms + more_ms);
}

static int grow_old(void *arg)
{
	static const int days[] = { 14, 7, 3, 1 };
	KEPT(p);

	(void) arg;
	profile_log(p);
	ASSERT_LOGGED(1, "level=warning", "msg=\"certificate expires soon\"", "names=a.test");
	for (size_t i = 0; i < ARRAY_LENGTH(days); i++) {
		log_lines_forget();
		wait_until_before_end(of_20_days, days[i] * DAY_MS, -HOUR_MS);
		ASSERT_LOGGED(0, "certificate");
		wait_until_before_end(of_20_days, days[i] * DAY_MS, 5000);
		ASSERT_LOGGED(1, "level=warning", "msg=\"certificate expires soon\"", "names=a.test");
	}
	log_lines_forget();
	wait_until_before_end(of_20_days, 0, -HOUR_MS);
	ASSERT_LOGGED(0, "certificate");
	wait_until_before_end(of_20_days, 0, 5000);
	ASSERT_LOGGED(1, "level=warning", "msg=\"certificate has expired\"", "names=a.test");
	wait_ms(40 * DAY_MS);
	ASSERT_LOGGED(1, "certificate");
	return 0;
}

static void an_old_certificate_is_told_at_start_and_14_7_3_and_1_days_before_its_end_and_then(void **state)
{
	(void) state;
	install(of_20_days);
	read_config(live);
	assert_int_equal(harness_run(grow_old, NULL), 0);
}

static int grow_old_together(void *arg)
{
	KEPT(p);

	(void) arg;
	wait_ms(60 * DAY_MS);
	ASSERT_LOGGED(5, "level=warning", "names=a.test");
	ASSERT_LOGGED(5, "level=warning", "names=b.test");
	return 0;
}

static void each_certificate_is_told_once_per_milestone_of_its_own(void **state)
{
	(void) state;
	install(of_20_days);
	install_file(of_17_days->file, "more.pem");
	install_file(of_17_days->key_file, "more.key");
	read_config("[tls site]\ncertificate = live.pem\ncertificate = more.pem\nkey = live.key\nkey = more.key\n"
		    SERVICE);
	assert_int_equal(harness_run(grow_old_together, NULL), 0);
}

static int renew_in_time(void *arg)
{
	KEPT(p);

	(void) arg;
	wait_until_before_end(of_20_days, 10 * DAY_MS, 0);
	ASSERT_LOGGED(1, "certificate expires soon", "names=a.test");
	install(first);
	wait_ms(60 * DAY_MS);
	ASSERT_LOGGED(1, "certificate expires soon");
	ASSERT_LOGGED(0, "certificate has expired");
	return 0;
}

static void a_certificate_that_was_replaced_is_no_longer_told_of(void **state)
{
	(void) state;
	install(of_20_days);
	read_config(live);
	assert_int_equal(harness_run(renew_in_time, NULL), 0);
}

static int live_for_years(void *arg)
{
	KEPT(p);

	(void) arg;
	wait_ms(4000 * DAY_MS);
	ASSERT_LOGGED(0, "certificate");
	return 0;
}

static void a_self_signed_one_is_never_told_of(void **state)
{
	(void) state;
	read_config(self_signed);
	assert_int_equal(harness_run(live_for_years, NULL), 0);
}

static int64_t longest_sleep_ns;

static void note_sleep(struct task *t)
{
	if (strcmp(t->name, "keeper") == 0)
		longest_sleep_ns = MAX(longest_sleep_ns, deadline_nearest_ns(t) - time_now_ns());
}

static int sleep_by_days(void *arg)
{
	KEPT(p);

	(void) arg;
	wait_set_hook(note_sleep);
	wait_ms(20 * DAY_MS);
	wait_set_hook(NULL);
	assert_int_equal(longest_sleep_ns, DAY_MS * NS_PER_MS);
	return 0;
}

static void a_clock_that_is_set_is_noticed_within_a_day(void **state)
{
	(void) state;
	install(first);
	read_config(live);
	assert_int_equal(harness_run(sleep_by_days, NULL), 0);
}

/* -- for --check -- */

static void a_check_shows_each_certificate_and_every_mistake(void **state)
{
	char *said = NULL;
	size_t bytes;
	FILE *to = open_memstream(&said, &bytes);

	(void) state;
	install(of_20_days);
	read_config("[tls site]\ncertificate = live.pem\nkey = live.key\n[tls lost]\ncertificate = nowhere.pem\n"
		    "key = nowhere.key\n" SERVICE
		    "[service lost]\ntype = echo\nlisten = unix:@unused-too\ntls = lost\n");
	assert_int_equal(profile_check_all(sample.config, to), -ENOENT);
	fclose(to);
	assert_non_null(strstr(said, "a.test"));
	assert_non_null(strstr(said, "warning: certificate expires soon"));
	assert_non_null(strstr(said, "main.ini:5:"));
	assert_non_null(strstr(said, "error: [tls lost] certificate: "));
	free(said);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_sample, close_sample)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_good_pair_is_presented_and_logged),
		TEST(a_mistake_in_the_files_is_shown_where_the_file_is_named),
		TEST(a_profile_survives_every_planted_failure_when_it_is_made),
		TEST(a_replaced_pair_is_for_new_sessions_once_its_files_have_settled),
		TEST(a_broken_pair_is_refused_and_a_good_one_taken_up_afterwards),
		TEST(a_file_that_goes_is_awaited),
		TEST(the_same_bytes_again_are_no_news),
		TEST(a_keeper_survives_a_blow_at_every_suspension_point),
		TEST(a_keeper_survives_every_planted_failure),
		TEST(without_a_watch_it_warns_once_and_of_expiry_all_the_same),
		TEST(files_that_could_not_be_taken_up_are_looked_at_again),
		TEST(an_old_certificate_is_told_at_start_and_14_7_3_and_1_days_before_its_end_and_then),
		TEST(each_certificate_is_told_once_per_milestone_of_its_own),
		TEST(a_certificate_that_was_replaced_is_no_longer_told_of),
		TEST(a_self_signed_one_is_never_told_of),
		TEST(a_clock_that_is_set_is_noticed_within_a_day),
		TEST(a_check_shows_each_certificate_and_every_mistake),
	};

	return cmocka_run_group_tests_name("profile", tests, open_pki, close_pki);
}
