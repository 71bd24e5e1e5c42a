#include "service/try.h"

#include "base/text.h"
#include "service/profile.h"

#include <stdio.h>
#include <string.h>

struct place {
	char host[ENDPOINT_TEXT_BYTES];		/* as nc wants it */
	char url_host[ENDPOINT_TEXT_BYTES];	/* in brackets when it is IPv6, RFC 3986 section 3.2.2 */
	char port[8];
};

/* How this machine reaches the listener. False for what is not TCP. */
static bool place_of(const struct port *p, struct place *ret)
{
	struct endpoint e;
	bool v6;

	if (listener_endpoint(p->listener, &e) < 0 || e.any.sa_family == AF_UNIX)
		return false;

	v6 = e.any.sa_family == AF_INET6;
	bool wildcard = v6 ? IN6_IS_ADDR_UNSPECIFIED(&e.ipv6.sin6_addr) : e.ipv4.sin_addr.s_addr == htonl(INADDR_ANY);
	char text[ENDPOINT_TEXT_BYTES];
	endpoint_print(&e, text);
	char *colon = strrchr(text, ':');
	*colon = '\0';
	snprintf(ret->port, sizeof(ret->port), "%.7s", colon + 1);

	const char *host = wildcard ? "127.0.0.1" : text;
	snprintf(ret->url_host, sizeof(ret->url_host), "%.60s", host);
	if (v6 && !wildcard)
		snprintf(ret->host, sizeof(ret->host), "%.*s", (int) strlen(host) - 2, host + 1);
	else
		snprintf(ret->host, sizeof(ret->host), "%.60s", host);
	return true;
}

static void expand(const char *pattern, const struct place *place, char *line, size_t size)
{
	bool url = strstr(pattern, "://") || strstr(pattern, "%h:");
	size_t at = 0;

	line[0] = '\0';
	for (const char *c = pattern; *c; c++) {
		if (c[0] == '%' && c[1] == 'h')
			text_append(line, size, &at, "%s", url ? place->url_host : place->host);
		else if (c[0] == '%' && c[1] == 'p')
			text_append(line, size, &at, "%s", place->port);
		else
			text_append(line, size, &at, "%c", *c);
		if (*c == '%')
			c++;
	}
}

static void print_line(const char *pattern, const struct place *place)
{
	char line[512];

	expand(pattern, place, line, sizeof(line));
	fprintf(stderr, "  %-10s try: %s\n", "", line);
}

struct asking {
	const struct tls_profile *profile;
	struct tls_certificate certificate;
};

static void describe_first(void *arg)
{
	struct asking *a = arg;

	tls_context_describe(a->profile->context, 0, &a->certificate);
}

/* Nobody vouches for a self-signed certificate, so curl is told which key to expect. */
static void print_tls_lines(const struct port *p, const struct place *place)
{
	static const char curl[] = "curl http://";
	const char *plain = p->service->type->try_it;
	struct asking a = { .profile = p->service->tls };
	char pattern[256];

	call_on_main_stack(describe_first, &a);
	if (!a.certificate.file)
		fprintf(stderr, "  %-10s certificate: self-signed, SHA-256 %s\n", "", a.certificate.fingerprint);
	print_line("openssl s_client -quiet -connect %h:%p", place);
	if (!text_starts_with(plain, curl))
		return;
	if (a.certificate.file)
		snprintf(pattern, sizeof(pattern), "curl https://%s", plain + strlen(curl));
	else
		snprintf(pattern, sizeof(pattern), "curl --insecure --pinnedpubkey sha256//%s https://%s",
			 a.certificate.pin, plain + strlen(curl));
	print_line(pattern, place);
}

static void print_port(const struct port *p)
{
	const struct address *at = listener_address(p->listener);
	char address[ADDRESS_TEXT_BYTES];
	const struct service *service = p->service;
	struct place place;

	fprintf(stderr, "  %-10s %-24s %s%s\n", service->name, address_print(at, address), service->type->what,
		service->tls ? ", over TLS" : "");
	if (place_of(p, &place)) {
		if (service->tls)
			print_tls_lines(p, &place);
		else
			print_line(service->type->try_it, &place);
	} else if (at->kind == ADDRESS_UNIX) {
		fprintf(stderr, "  %-10s try: nc -U %s\n", "", at->name);
	}
}

void try_print(const struct server *s, bool all)
{
	LIST_EACH (node, &s->ports) {
		const struct port *p = list_entry(node, struct port, node);

		if (all || (p->service->tls && p->service->tls->tls->self_signed))
			print_port(p);
	}
}
