/* check_tls.c - whether sections [tls NAME] have what those need who use them, without contradicting themselves. */

#include "config/check.h"

#include <string.h>

/* -- references -- */

static void follow(const struct config *c, struct section *s, struct diag *diag)
{
	struct service_config *service = s->target;
	struct upstream_config *upstream = s->target;
	const struct entry *e = section_last_entry(s, OPTION_TLS);
	const struct section *found;
	struct tls_config *tls;
	struct mark mark;

	if (!e || !e->text)
		return;
	mark = entry_mark(e, 0, strlen(e->text));
	found = check_reference(c, s, "tls", e->text, &mark, SECTION_TLS, diag);
	if (!found)
		return;
	tls = found->target;
	if (s->kind == SECTION_SERVICE) {
		service->tls_config = tls;
		tls->accepts = true;
	} else {
		upstream->tls_config = tls;
		tls->connects = true;
	}
}

/* The first service with these certificates; it is there when tls_config.accepts says so. */
static const struct section *first_service(const struct config *c, const struct tls_config *tls)
{
	SECTION_EACH (s, c->values)
		if (s->kind == SECTION_SERVICE && s->target &&
		    ((const struct service_config *) s->target)->tls_config == tls)
			return s;
	return NULL;
}

/* -- one section -- */

/* True when it was meant to be set, well or not. */
static bool is_mentioned(const struct section *s, const char *key)
{
	return s->mentioned[option_index(option_find(s->kind, key))];
}

static void check_self_signed(const struct section *s, struct diag *diag)
{
	const struct item *item = section_find_item(s, "self_signed", 0);
	const struct item *other = section_find_item(s, "certificate", 0);
	char place[PLACE_BYTES];

	if (!other)
		other = section_find_item(s, "key", 0);
	if (other)
		diag_error(diag, &item->mark, "%s self_signed: it takes the place of a %s, and there is one (%s): "
			   "leave one of them out", s->title, other->option->key, mark_print(&other->mark, place));
}

/* Each certificate with its key, where neither was lost to another mistake. */
static void check_pairs(const struct section *s, struct diag *diag)
{
	const struct tls_config *tls = s->target;
	size_t certificates = tls->certificates.count, keys = tls->keys.count;

	if (s->is_incomplete || certificates == keys)
		return;
	if (certificates > keys)
		diag_error(diag, &section_find_item(s, "certificate", keys)->mark, "%s certificate: this one has no "
			   "key: add 'key = PATH', the keys in the order of the certificates", s->title);
	else
		diag_error(diag, &section_find_item(s, "key", certificates)->mark, "%s key: this one has no "
			   "certificate: add 'certificate = PATH', the keys in the order of the certificates",
			   s->title);
}

static void check_certificates(const struct config *c, const struct section *s, struct diag *diag)
{
	const struct tls_config *tls = s->target;
	const struct section *service;
	char place[PLACE_BYTES];

	if (tls->self_signed)
		check_self_signed(s, diag);
	else
		check_pairs(s, diag);
	if (!tls->accepts || tls->self_signed || is_mentioned(s, "certificate") || is_mentioned(s, "key") ||
	    is_mentioned(s, "self_signed"))
		return;
	service = first_service(c, tls);
	diag_error(diag, &s->mark, "%s has no certificate, which %s needs (%s): add 'certificate' and 'key', or "
		   "'self_signed = yes'", s->title, service->title, mark_print(&service->mark, place));
}

static void check_versions(const struct section *s, struct diag *diag)
{
	const struct tls_config *tls = s->target;
	const struct item *min = section_find_item(s, "min_version", 0);
	const struct item *max = section_find_item(s, "max_version", 0);
	char place[PLACE_BYTES];

	/* By default they are as far apart as can be, so both were set. */
	if (tls->min_version > tls->max_version)
		diag_error(diag, &min->mark, "%s min_version: %s is above max_version, which is %s (%s)", s->title,
			   min->text, max->text, mark_print(&max->mark, place));
}

/* The first service of that type with these certificates; NULL: none. */
static const struct service_config *service_of_type(const struct config *c, const struct tls_config *tls,
						    const char *type)
{
	SECTION_EACH (s, c->values) {
		const struct service_config *service = s->target;

		if (s->kind == SECTION_SERVICE && service && service->tls_config == tls && service->type &&
		    strcmp(service->type, type) == 0)
			return service;
	}
	return NULL;
}

/* A client that offers h2 and gets it would not be understood: browsers and curl prefer it (RFC 9113 section 3.2). */
static void check_protocols(const struct config *c, const struct section *s, struct diag *diag)
{
	const struct tls_config *tls = s->target;
	const struct service_config *service = service_of_type(c, tls, "http");
	const struct item *item;

	for (size_t i = 0; service && (item = section_find_item(s, "alpn", i)); i++)
		if (strcmp(item->text, "h2") == 0)
			diag_error(diag, &item->mark, "%s alpn: [service %s] speaks HTTP/1.1 and not h2, which "
				   "clients would choose: leave it out", s->title, service->name);
}

/* To ask clients for certificates without knowing who signs them would keep all of them out, or let all in. */
static void check_client_ca(const struct config *c, const struct section *s, struct diag *diag)
{
	const struct tls_config *tls = s->target;
	const struct item *item = NULL;

	if (!tls->accepts || is_mentioned(s, "client_ca"))
		return;
	if (tls->verify == CONFIG_VERIFY_OPTIONAL || tls->verify == CONFIG_VERIFY_REQUIRED)
		item = section_find_item(s, "verify", 0);
	else if (tls->client_names.count > 0)
		item = section_find_item(s, "client_names", 0);
	if (item)
		diag_error(diag, &item->mark, "%s %s: who signs the certificates of the clients of %s is not said: "
			   "add 'client_ca = PATH'", s->title, item->option->key, first_service(c, tls)->title);
}

static void warn_of_each(const struct section *s, const char *const *keys, const char *why, struct diag *diag)
{
	for (; *keys; keys++) {
		const struct item *item = section_find_item(s, *keys, 0);

		if (item)
			diag_warning(diag, &item->mark, "%s %s: it has no effect, as %s", s->title, *keys, why);
	}
}

static void check_effect(const struct section *s, struct diag *diag)
{
	static const char *const of_services[] = { "strict_sni", "client_ca", "client_names", NULL };
	static const char *const of_upstreams[] = { "ca", "server_name", NULL };
	static const char *const to_verify_clients[] = { "client_ca", "client_names", NULL };
	static const char *const to_verify_servers[] = { "ca", NULL };
	const struct tls_config *tls = s->target;
	bool is_off = tls->verify == CONFIG_VERIFY_OFF;

	if (tls->accepts && is_off)
		warn_of_each(s, to_verify_clients, "verify is off", diag);
	if (tls->connects && is_off)
		warn_of_each(s, to_verify_servers, "verify is off", diag);
	if (tls->connects && !tls->accepts)
		warn_of_each(s, of_services, "no service uses this section", diag);
	if (tls->accepts && !tls->connects)
		warn_of_each(s, of_upstreams, "no upstream uses this section", diag);
}

/* -- who uses it -- */

/* A Unix socket has no host whose name a certificate could have. */
static void check_names(const struct config *c, const struct section *s, struct diag *diag)
{
	const struct upstream_config *upstream = s->target;
	const struct tls_config *tls = upstream->tls_config;

	if (!tls || tls->verify == CONFIG_VERIFY_OFF ||
	    is_mentioned(document_find(c->values, SECTION_TLS, tls->name), "server_name"))
		return;
	for (size_t i = 0; i < upstream->server_count; i++) {
		const struct address *a = &upstream->servers[i].address;

		if (a->kind == ADDRESS_UNIX || a->kind == ADDRESS_ABSTRACT)
			diag_error(diag, &section_find_item(s, "server", i)->mark, "%s server: a Unix socket has no "
				   "name that its certificate can be checked for: add 'server_name = NAME' to "
				   "[tls %s], or 'verify = off'", s->title, tls->name);
	}
}

static void check_wait(const struct section *s, struct diag *diag)
{
	const struct service_config *service = s->target;
	const struct item *item = section_find_item(s, "sni_wait", 0);

	if (item && (service->tls || !section_last_entry(s, OPTION_SNI_ROUTES)))
		diag_warning(diag, &item->mark, "%s sni_wait: it has no effect %s", s->title,
			     service->tls ? "with tls" : "without match_sni");
}

void check_tls(struct config *c, struct diag *diag)
{
	SECTION_EACH (s, c->values)
		if (s->target && (s->kind == SECTION_SERVICE || s->kind == SECTION_UPSTREAM))
			follow(c, s, diag);
	SECTION_EACH (s, c->values) {
		if (!s->target)
			continue;
		switch (s->kind) {
		case SECTION_SERVICE:
			check_wait(s, diag);
			break;
		case SECTION_UPSTREAM:
			check_names(c, s, diag);
			break;
		case SECTION_TLS:
			check_certificates(c, s, diag);
			check_versions(s, diag);
			check_protocols(c, s, diag);
			check_client_ca(c, s, diag);
			check_effect(s, diag);
			break;
		default:
			break;
		}
	}
}
