#include "service/profile.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "runtime/runtime.h"
#include "service/server.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How long files that are being replaced must have been left alone: a certificate and its key come one by one. */
#define SETTLE_MS 500
/* Until files are looked at again that could not be taken up because descriptors or memory were short. */
#define RETRY_S 10
/* Warnings are given so long before a certificate expires, and when it does. */
#define DAY_S INT64_C(86400)
static const int64_t warn_before_s[] = { 30 * DAY_S, 14 * DAY_S, 7 * DAY_S, 3 * DAY_S, DAY_S, 0 };
/* No timer is set for longer than that. */
#define LONGEST_SLEEP_S DAY_S

/* -- building -- */

static struct tls_options options_of(const struct tls_config *t)
{
	return (struct tls_options) {
		.name = t->name,
		.certificates = (const char *const *) t->certificates.items,
		.keys = (const char *const *) t->keys.items,
		.self_signed = t->self_signed,
		.strict_sni = t->strict_sni,
		.client_ca = t->client_ca,
		.client_names = (const char *const *) t->client_names.items,
		.ca = t->ca,
		.server_name = t->server_name,
		.verify = (enum tls_verify) t->verify,
		.min_version = (enum tls_version) t->min_version,
		.max_version = (enum tls_version) t->max_version,
		.ciphers = t->ciphers,
		.groups = t->groups,
		.alpn = (const char *const *) t->alpn.items,
		.tickets = t->tickets,
		.ticket_lifetime_ms = t->ticket_lifetime_ms,
		.ktls = t->ktls,
	};
}

struct build {
	const struct tls_config *tls;
	struct tls_keep *keep;
	struct tls_context *context;
	struct tls_problem problem;
	int result;
};

/* On the main stack: OpenSSL is deep. */
static void build(void *arg)
{
	struct build *b = arg;
	struct tls_options options = options_of(b->tls);

	b->result = tls_context_new(&options, b->keep, b->tls->accepts, b->tls->connects, &b->context, &b->problem);
}

static int build_context(struct build *b)
{
	call_on_main_stack(build, b);
	return b->result;
}

/* What the service manager passed in is a snapshot that never changes. */
static void add_path(const char *path, const char **paths, size_t *count)
{
	if (path && !text_starts_with(path, "credential:"))
		paths[(*count)++] = path;
}

/* Of all files of the section. */
static int watch_files(struct tls_profile *p)
{
	const struct tls_config *t = p->tls;
	size_t most = t->certificates.count + t->keys.count + 3, count = 0;
	_cleanup_(memory_freep) const char **paths = memory_new_array(most, sizeof(*paths));

	if (!paths)
		return -ENOMEM;
	for (size_t i = 0; i < t->certificates.count; i++)
		add_path(t->certificates.items[i], paths, &count);
	for (size_t i = 0; i < t->keys.count; i++)
		add_path(t->keys.items[i], paths, &count);
	add_path(t->client_ca, paths, &count);
	add_path(t->ca, paths, &count);
	return count > 0 ? watch_new(paths, &p->watch) : 0;
}

int profile_new(struct config *config, const struct tls_config *tls, struct tls_keep *keep, bool watches,
		FILE *diagnostics, struct tls_profile **ret)
{
	_cleanup_(profile_unrefp) struct tls_profile *p = memory_new_object(struct tls_profile);
	struct build b = { .tls = tls, .keep = keep };

	if (!p)
		return -ENOMEM;
	list_init(&p->node);
	p->references = 1;
	p->tls = tls;
	p->config = config_ref(config);
	p->keep = keep;
	/* Before they are read, so that no change is missed. */
	if (watches)
		p->watch_error = watch_files(p);

	int r = build_context(&b);
	if (r < 0) {
		if (r != -ENOMEM)
			config_complain(config, diagnostics, tls, b.problem.key, b.problem.index, "%s",
					b.problem.text);
		return r;
	}
	p->context = b.context;
	*ret = TAKE(p);
	return 0;
}

struct tls_profile *profile_ref(struct tls_profile *p)
{
	p->references++;
	return p;
}

struct tls_profile *profile_unref(struct tls_profile *p)
{
	if (!p || --p->references > 0)
		return NULL;
	list_remove(&p->node);
	watch_free(p->watch);
	tls_context_unref(p->context);
	config_unref(p->config);
	return memory_free(p);
}

/* -- what it presents -- */

static const char *print_date(int64_t at_s, char text[32])
{
	time_t at = (time_t) at_s;
	struct tm parts;

	gmtime_r(&at, &parts);
	strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &parts);
	return text;
}

/* One that is made at each start expires with nobody to care. */
static const char *words_for_expiry(const struct tls_certificate *c, int64_t now_s)
{
	if (!c->file)
		return "certificate";
	if (c->ends_s <= now_s)
		return "certificate has expired";
	if (c->begins_s > now_s)
		return "certificate is not valid yet";
	return c->ends_s - now_s <= warn_before_s[0] ? "certificate expires soon" : "certificate";
}

static void log_certificate(const struct tls_profile *p, const struct tls_certificate *c)
{
	int64_t now_s = time_wall_s();
	const char *words = words_for_expiry(c, now_s);
	enum log_level level = strcmp(words, "certificate") == 0 ? LOG_LEVEL_NOTICE : LOG_LEVEL_WARNING;
	char date[32];

	if (!log_is_on(level))
		return;
	log_begin(level, words);
	log_field_text("tls", p->tls->name);
	log_field_text("file", c->file ? c->file : "self-signed");
	log_field_text("subject", c->subject);
	log_field_text("names", c->names);
	log_field_text("key", c->key);
	log_field_text("expires", print_date(c->ends_s, date));
	log_field_number("days", (c->ends_s - now_s) / DAY_S);
	log_end();
}

static void log_certificates(const struct tls_profile *p)
{
	struct tls_certificate c;

	for (size_t i = 0; i < tls_context_certificates(p->context); i++) {
		tls_context_describe(p->context, i, &c);
		log_certificate(p, &c);
	}
}

static void log_here(void *arg)
{
	log_certificates(*(const struct tls_profile *const *) arg);
}

void profile_log(const struct tls_profile *p)
{
	const char *no_ktls = tls_context_no_ktls(p->context);

	call_on_main_stack(log_here, &p);
	log_debug("[tls %s] what is sent is encrypted by %s%s", p->tls->name,
		  no_ktls ? "OpenSSL: " : "the kernel, where it knows the cipher", no_ktls ?: "");
}

/* -- keeping it -- */

struct keeping {
	struct tls_profile *profile;
	int64_t told_s;			/* what was due by then has been said */
	int64_t next_s;			/* when the next warning is due; INT64_MAX: there is none */
	bool again;			/* the files are to be taken up once more: it could not be done, or told */
};

/* When the first warning after that instant is due. */
static int64_t next_warning_s(const struct tls_certificate *c, int64_t after_s)
{
	for (size_t i = 0; c->file && i < ARRAY_LENGTH(warn_before_s); i++)
		if (c->ends_s - warn_before_s[i] > after_s)
			return c->ends_s - warn_before_s[i];
	return INT64_MAX;
}

/* On the main stack. Gives the warnings that have become due, one for each certificate, and finds the next one. */
static void warn_of_expiry(void *arg)
{
	struct keeping *k = arg;
	const struct tls_context *context = k->profile->context;
	int64_t now_s = time_wall_s();
	struct tls_certificate c;

	k->next_s = INT64_MAX;
	for (size_t i = 0; i < tls_context_certificates(context); i++) {
		tls_context_describe(context, i, &c);
		if (next_warning_s(&c, k->told_s) <= now_s)
			log_certificate(k->profile, &c);
		k->next_s = MIN(k->next_s, next_warning_s(&c, now_s));
	}
	k->told_s = now_s;
}

static void log_problem(const struct tls_profile *p, const struct build *b)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *to = open_memstream(&text, &bytes);

	if (to) {
		config_complain(p->config, to, p->tls, b->problem.key, b->problem.index, "%s", b->problem.text);
		fclose(to);
		server_log_diagnostics(text);
	}
	free(text);
}

/* On the main stack. With a mistake in the files the old context stays. */
static void take_up_files(void *arg)
{
	struct keeping *k = arg;
	struct tls_profile *p = k->profile;
	struct build b = { .tls = p->tls, .keep = p->keep };

	build(&b);
	k->again = b.result == -ENOMEM || b.result == -EMFILE || b.result == -ENFILE;
	if (b.result < 0) {
		if (b.result != -ENOMEM)
			log_problem(p, &b);
		log_error("[tls %s] its files have changed, but the old certificates stay%s: %s", p->tls->name,
			  k->again ? " for now" : "",
			  b.result == -EINVAL ? "mistakes in the files" : strerrordesc_np(-b.result));
		return;
	}

	struct tls_context *old = p->context;
	bool same = tls_context_presents_same(old, b.context);
	p->context = b.context;
	tls_context_unref(old);
	log_notice("[tls %s] its files have changed: %s", p->tls->name,
		   same ? "the certificates are the same" : "new connections get the new certificates");
	if (!same) {
		log_certificates(p);
		k->told_s = time_wall_s();
	}
}

/* [suspends] 1: the files have changed, or are to be tried again; 0: it is time to look at the dates; -errno. */
static int wait_for_reason(const struct keeping *k)
{
	struct watch *w = k->profile->watch;
	int64_t left_s = MIN(k->next_s - time_wall_s(), LONGEST_SLEEP_S);
	DEADLINE(look, k->next_s == INT64_MAX ? FOREVER : MAX(left_s, INT64_C(1)) * 1000);
	DEADLINE(retry, k->again ? RETRY_S * 1000 : FOREVER);
	int r = w ? watch_wait(w, SETTLE_MS) : sleep_for(FOREVER);

	if (r == -ETIMEDOUT && deadline_passed(&retry))
		return 1;
	if (r == -ETIMEDOUT && deadline_passed(&look))
		return 0;
	return r < 0 ? r : 1;
}

/* Dates are looked at all the same. */
static void stop_watching(struct tls_profile *p, int error)
{
	log_warning("[tls %s] changes of its files are not seen, SIGHUP takes them up: %s", p->tls->name,
		    strerrordesc_np(-error));
	p->watch = watch_free(p->watch);
}

/* It may be a change that led to that; the files are given the time to settle all the same. */
static void lose_watch(struct keeping *k, int error)
{
	if (error == -ECANCELED || error == -ETIMEDOUT)
		return;
	stop_watching(k->profile, error);
	k->again = true;
}

int profile_keep(void *arg)
{
	struct keeping k = { .profile = profile_ref(arg), .told_s = time_wall_s() };
	int r = k.profile->watch_error;

	if (r < 0)
		stop_watching(k.profile, r);
	do {
		call_on_main_stack(warn_of_expiry, &k);
		r = wait_for_reason(&k);
		if (r > 0)
			call_on_main_stack(take_up_files, &k);
		else if (r < 0 && k.profile->watch)
			lose_watch(&k, r);
	} while (r != -ECANCELED && r != -ETIMEDOUT);
	profile_unref(k.profile);
	return r;
}

/* -- for --check -- */

static void print_certificates(const struct tls_profile *p, FILE *to)
{
	int64_t now_s = time_wall_s();
	struct tls_certificate c;
	char date[32];

	for (size_t i = 0; i < tls_context_certificates(p->context); i++) {
		tls_context_describe(p->context, i, &c);
		const char *words = words_for_expiry(&c, now_s);

		fprintf(to, "  %-12s %-20s %5lld days  %-18s %-32s %s%s%s\n", p->tls->name,
			print_date(c.ends_s, date), (long long) ((c.ends_s - now_s) / DAY_S), c.key, c.names,
			c.file ? c.file : "self-signed",
			strcmp(words, "certificate") == 0 ? "" : "  warning: ",
			strcmp(words, "certificate") == 0 ? "" : words);
	}
}

int profile_check_all(struct config *config, FILE *to)
{
	_cleanup_(tls_keep_freep) struct tls_keep *keep = NULL;
	bool has_title = false;
	int result = 0;
	int r = tls_keep_new(&keep);

	if (r < 0)
		return r;
	for (size_t i = 0; i < config->tls_count; i++) {
		_cleanup_(profile_unrefp) struct tls_profile *p = NULL;

		r = profile_new(config, &config->tls[i], keep, false, to, &p);
		if (r < 0) {
			result = r;
			continue;
		}
		if (!has_title && tls_context_certificates(p->context) > 0)
			fprintf(to, "  %-12s %-20s %10s  %-18s %-32s %s\n", "tls", "expires", "", "key", "names",
				"certificate");
		has_title |= tls_context_certificates(p->context) > 0;
		print_certificates(p, to);
	}
	return result;
}
