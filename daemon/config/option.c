/* option.c - the table of all options. */

#include "config/option.h"

#include "base/ensure.h"
#include "base/text.h"
#include "config/config.h"

#include <string.h>

#define KIBIBYTE INT64_C(1024)
#define TEBIBYTE (KIBIBYTE * KIBIBYTE * KIBIBYTE * KIBIBYTE)
#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define DAY_MS (24 * 60 * 60 * SECOND_MS)
#define YEAR_MS (365 * DAY_MS)

#define DAEMON(member) .section = SECTION_DAEMON, .offset = offsetof(struct daemon_config, member)
#define SERVICE(member) .section = SECTION_SERVICE, .offset = offsetof(struct service_config, member)
#define UPSTREAM(member) .section = SECTION_UPSTREAM, .offset = offsetof(struct upstream_config, member)
#define TLS(member) .section = SECTION_TLS, .offset = offsetof(struct tls_config, member), .reload = RELOAD_NEW

/* In the order of enum log_format and enum log_level. */
static const char *const log_formats[] = { "auto", "text", "logfmt", NULL };
static const char *const log_levels[] = { "alert", "error", "warning", "notice", "info", "debug", NULL };
/* In the order that config.h says. */
static const char *const no_yes[] = { "no", "yes", NULL };
static const char *const off_on[] = { "off", "on", NULL };
static const char *const off_auto[] = { "off", "auto", NULL };
static const char *const verify_words[] = { "auto", "off", "optional", "required", NULL };
static const char *const versions[] = { "1.2", "1.3", NULL };

const struct option options[] = {
	{ .section = SECTION_DAEMON, .key = "include", .type = OPTION_INCLUDE, .reload = RELOAD_LIVE,
	  .help = "Files to read in here: paths or patterns (conf.d/*.ini), relative to this file." },
	{ DAEMON(max_connections), .key = "max_connections", .type = OPTION_NUMBER,
	  .standard = "10000", .min = 1, .max = 1000000, .reload = RELOAD_LIVE,
	  .help = "Connections that all services have together; more wait in the backlog." },
	{ DAEMON(max_handshakes), .key = "max_handshakes", .type = OPTION_NUMBER,
	  .standard = "1000", .min = 1, .max = 1000000, .reload = RELOAD_LIVE,
	  .help = "TLS handshakes at work at once; more wait their turn." },
	{ DAEMON(log), .key = "log", .type = OPTION_WORD, .words = log_formats,
	  .standard = "auto", .reload = RELOAD_LIVE,
	  .help = "The form of log lines: text, logfmt, or auto (text on a terminal, else logfmt)." },
	{ DAEMON(log_level), .key = "log_level", .type = OPTION_WORD, .words = log_levels,
	  .standard = "info", .reload = RELOAD_LIVE,
	  .help = "The least that is logged: alert, error, warning, notice, info or debug." },
	{ DAEMON(user), .key = "user", .type = OPTION_ACCOUNT, .reload = RELOAD_RESTART,
	  .help = "The user to become when started as root, by name or number." },
	{ DAEMON(group), .key = "group", .type = OPTION_ACCOUNT, .reload = RELOAD_RESTART,
	  .help = "The group to become; unset, the user's own." },
	{ DAEMON(drain_delay_ms), .key = "drain_delay", .type = OPTION_DURATION,
	  .standard = "0s", .min = 0, .max = DAY_MS, .reload = RELOAD_LIVE,
	  .help = "How long a stopping daemon goes on accepting, so that load balancers notice." },
	{ DAEMON(drain_timeout_ms), .key = "drain_timeout", .type = OPTION_DURATION, .may_be_off = true,
	  .standard = "30s", .min = 0, .max = DAY_MS, .reload = RELOAD_LIVE,
	  .help = "How long open connections may finish then before they are closed; off: for ever." },
	{ DAEMON(offload_threads), .key = "offload_threads", .type = OPTION_NUMBER,
	  .standard = "4", .min = 1, .max = 64, .reload = RELOAD_RESTART,
	  .help = "Threads for work that blocks, such as looking names up." },
	{ DAEMON(stall_warn_ms), .key = "stall_warn", .type = OPTION_DURATION, .may_be_off = true,
	  .standard = "50ms", .min = 1, .max = DAY_MS, .reload = RELOAD_LIVE,
	  .help = "A task that holds the loop up for so long is named in a warning; off: never." },

	{ SERVICE(type), .key = "type", .type = OPTION_SERVICE_TYPE, .required = true, .reload = RELOAD_NEW,
	  .help = "What is served: echo, discard, daytime, time, chargen, http or proxy." },
	{ SERVICE(listen), .key = "listen", .type = OPTION_LISTEN, .required = true, .reload = RELOAD_LIVE,
	  .help = "Addresses: HOST:PORT, :PORT (all), [IPV6]:PORT, unix:PATH, unix:@NAME, systemd:NAME." },
	{ SERVICE(tls), .key = "tls", .type = OPTION_TLS, .reload = RELOAD_NEW,
	  .help = "The tls section with the certificates; unset, clients do not speak TLS with us." },
	{ SERVICE(upstream), .key = "upstream", .type = OPTION_UPSTREAM, .only_for = "proxy", .reload = RELOAD_NEW,
	  .help = "The upstream section whose servers connections are relayed to." },
	{ SERVICE(match_sni), .key = "match_sni", .type = OPTION_SNI_ROUTES, .only_for = "proxy",
	  .reload = RELOAD_NEW,
	  .help = "NAME UPSTREAM or *.NAME UPSTREAM: by the name that a TLS client asks for." },
	{ SERVICE(max_connections), .key = "max_connections", .type = OPTION_NUMBER,
	  .standard = "0", .min = 0, .max = 1000000, .reload = RELOAD_LIVE,
	  .help = "Connections of this service; 0: no limit but the daemon's." },
	{ SERVICE(idle_timeout_ms), .key = "idle_timeout", .type = OPTION_DURATION, .may_be_off = true,
	  .standard = "5m", .min = 1, .max = YEAR_MS, .reload = RELOAD_LIVE,
	  .help = "Closes a connection on which nothing moved for so long; off: never. Of a proxy: 1h." },
	{ SERVICE(handshake_timeout_ms), .key = "handshake_timeout", .type = OPTION_DURATION,
	  .standard = "10s", .min = 1, .max = DAY_MS, .reload = RELOAD_NEW,
	  .help = "How long a TLS handshake may take, with the client or with one server." },
	{ SERVICE(sni_wait_ms), .key = "sni_wait", .type = OPTION_DURATION, .only_for = "proxy",
	  .standard = "1s", .min = 1, .max = DAY_MS, .reload = RELOAD_NEW,
	  .help = "With match_sni and without tls: a client that is silent for so long gets 'upstream'." },
	{ SERVICE(connect_timeout_ms), .key = "connect_timeout", .type = OPTION_DURATION, .only_for = "proxy",
	  .standard = "5s", .min = 1, .max = DAY_MS, .reload = RELOAD_NEW,
	  .help = "How long a try to connect to one server may take." },
	{ SERVICE(half_close_timeout_ms), .key = "half_close_timeout", .type = OPTION_DURATION, .may_be_off = true,
	  .only_for = "proxy", .standard = "60s", .min = 1, .max = YEAR_MS, .reload = RELOAD_LIVE,
	  .help = "The idle timeout once one side has closed its half; off: idle_timeout alone." },
	{ SERVICE(session_timeout_ms), .key = "session_timeout", .type = OPTION_DURATION, .may_be_off = true,
	  .standard = "off", .min = 1, .max = YEAR_MS, .reload = RELOAD_NEW,
	  .help = "How long a connection may last at all; off: no limit." },
	{ SERVICE(header_timeout_ms), .key = "header_timeout", .type = OPTION_DURATION, .only_for = "http",
	  .standard = "10s", .min = 1, .max = DAY_MS, .reload = RELOAD_LIVE,
	  .help = "From the first byte of a request to the end of its head." },
	{ SERVICE(max_body_bytes), .key = "max_body", .type = OPTION_SIZE, .only_for = "http",
	  .standard = "1m", .min = 0, .max = TEBIBYTE, .reload = RELOAD_LIVE,
	  .help = "The largest body of a request; a larger one is answered with 413." },
	{ SERVICE(max_requests), .key = "max_requests", .type = OPTION_NUMBER, .only_for = "http",
	  .standard = "0", .min = 0, .max = 1000000000, .reload = RELOAD_LIVE,
	  .help = "Requests after which a connection is closed; 0: no limit." },
	{ SERVICE(allow), .key = "allow", .type = OPTION_ADDRESS_BLOCKS, .reload = RELOAD_NEW,
	  .help = "Who may connect: 10.0.0.0/8, fd00::/8, unix, all. Unset: everybody." },
	{ SERVICE(deny), .key = "deny", .type = OPTION_ADDRESS_BLOCKS, .reload = RELOAD_NEW,
	  .help = "Who may not, even if allowed." },

	{ UPSTREAM(servers), .key = "server", .type = OPTION_SERVERS, .required = true, .reload = RELOAD_NEW,
	  .help = "ADDRESS [weight=N] [backup]. A server of weight 2 has twice the share of one of 1." },
	{ UPSTREAM(tries), .key = "tries", .type = OPTION_NUMBER,
	  .standard = "0", .min = 0, .max = 1000, .reload = RELOAD_NEW,
	  .help = "Servers that are tried for one connection; 0: each one once." },
	{ UPSTREAM(tls), .key = "tls", .type = OPTION_TLS, .reload = RELOAD_NEW,
	  .help = "The tls section by which we speak TLS with the servers; unset, we do not." },

	{ TLS(certificates), .key = "certificate", .type = OPTION_PATHS,
	  .help = "Files in PEM, each with its chain; the first is for clients that ask for no name we have." },
	{ TLS(keys), .key = "key", .type = OPTION_PATHS,
	  .help = "Their private keys, in the same order: files in PEM, or credential:NAME." },
	{ TLS(self_signed), .key = "self_signed", .type = OPTION_WORD, .words = no_yes, .standard = "no",
	  .help = "yes: in place of certificate and key, a pair that is made at start; for tests." },
	{ TLS(strict_sni), .key = "strict_sni", .type = OPTION_WORD, .words = no_yes, .standard = "no",
	  .help = "yes: refuses clients that ask for a name that no certificate has, or for none." },
	{ TLS(client_ca), .key = "client_ca", .type = OPTION_PATH,
	  .help = "File in PEM: who may have signed the certificates of clients." },
	{ TLS(client_names), .key = "client_names", .type = OPTION_NAMES,
	  .help = "Names, or *.NAME, of which a client's certificate must have one; unset: any." },
	{ TLS(ca), .key = "ca", .type = OPTION_PATH,
	  .help = "File or folder: who may have signed those of servers; unset: whom the system trusts." },
	{ TLS(server_name), .key = "server_name", .type = OPTION_NAME,
	  .help = "The name that servers must prove; unset: the one they are configured by." },
	{ TLS(verify), .key = "verify", .type = OPTION_WORD, .words = verify_words, .standard = "auto",
	  .help = "Certificates of peers: off, optional, required; auto: required where there is a CA." },
	{ TLS(min_version), .key = "min_version", .type = OPTION_WORD, .words = versions, .standard = "1.2",
	  .help = "The oldest version of TLS: 1.2 or 1.3." },
	{ TLS(max_version), .key = "max_version", .type = OPTION_WORD, .words = versions, .standard = "1.3",
	  .help = "The newest version of TLS: 1.2 or 1.3." },
	{ TLS(ciphers), .key = "ciphers", .type = OPTION_COLON_NAMES,
	  .help = "Names of OpenSSL, with colons between them; TLS_... are those of TLS 1.3." },
	{ TLS(groups), .key = "groups", .type = OPTION_COLON_NAMES,
	  .help = "For key exchange, the best first: X25519:P-256." },
	{ TLS(alpn), .key = "alpn", .type = OPTION_PROTOCOLS,
	  .help = "Protocols to agree on one by ALPN, the best first: h2, http/1.1." },
	{ TLS(tickets), .key = "tickets", .type = OPTION_WORD, .words = off_on, .standard = "on",
	  .help = "on: a client that comes again can take its session up where it was; off: it cannot." },
	/* RFC 8446 section 4.6.1: at most seven days. */
	{ TLS(ticket_lifetime_ms), .key = "ticket_lifetime", .type = OPTION_DURATION,
	  .standard = "1h", .min = MINUTE_MS, .max = 7 * DAY_MS,
	  .help = "For how long it can." },
	{ TLS(ktls), .key = "ktls", .type = OPTION_WORD, .words = off_auto, .standard = "auto",
	  .help = "auto: the kernel enciphers where it is able to; off: OpenSSL always does." },
};

const size_t option_count = ARRAY_LENGTH(options);

_Static_assert(ARRAY_LENGTH(options) <= OPTIONS_MAX, "the table has outgrown OPTIONS_MAX");
_Static_assert(sizeof(enum log_format) == sizeof(int) && sizeof(enum log_level) == sizeof(int),
	       "OPTION_WORD is stored as an int");

static const char *const kind_names[] = {
	[SECTION_DAEMON] = "daemon", [SECTION_SERVICE] = "service", [SECTION_UPSTREAM] = "upstream",
	[SECTION_TLS] = "tls", NULL,
};

const char *section_kind_name(enum section_kind kind)
{
	ENSURE(kind < SECTION_KINDS, "kind %d", (int) kind);
	return kind_names[kind];
}

bool section_kind_is_named(enum section_kind kind)
{
	return kind != SECTION_DAEMON;
}

enum section_kind section_kind_find(const char *name, size_t length)
{
	enum section_kind kind = 0;

	while (kind < SECTION_KINDS &&
	       (strlen(kind_names[kind]) != length || memcmp(kind_names[kind], name, length) != 0))
		kind++;
	return kind;
}

const char *section_kind_suggest(const char *name)
{
	return text_suggest(name, kind_names);
}

const struct option *option_find(enum section_kind kind, const char *key)
{
	OPTION_EACH (o, kind)
		if (strcmp(o->key, key) == 0)
			return o;
	return NULL;
}

size_t option_index(const struct option *o)
{
	return (size_t) (o - options);
}

bool option_is_list(const struct option *o)
{
	switch (o->type) {
	case OPTION_INCLUDE:
	case OPTION_LISTEN:
	case OPTION_ADDRESS_BLOCKS:
	case OPTION_SERVERS:
	case OPTION_SNI_ROUTES:
	case OPTION_NAMES:
	case OPTION_PATHS:
	case OPTION_PROTOCOLS:
		return true;
	default:
		return false;
	}
}

bool option_applies(const struct option *o, const char *service_type)
{
	return !o->only_for || !service_type || strcmp(o->only_for, service_type) == 0;
}

/* The keys of a section, for text_suggest(). */
static void list_keys(enum section_kind kind, const char *ret[OPTIONS_MAX + 1])
{
	size_t count = 0;

	OPTION_EACH (o, kind)
		ret[count++] = o->key;
	ret[count] = NULL;
}

const struct option *option_suggest(enum section_kind kind, const char *key)
{
	const char *keys[OPTIONS_MAX + 1], *nearest;

	list_keys(kind, keys);
	nearest = text_suggest(key, keys);
	return nearest ? option_find(kind, nearest) : NULL;
}

char *option_advise(enum section_kind kind, const char *key, char buffer[OPTION_ADVICE_BYTES])
{
	const struct option *nearest = option_suggest(kind, key);
	size_t position = 0;

	buffer[0] = '\0';
	for (enum section_kind other = 0; other < SECTION_KINDS; other++)
		if (option_find(other, key))
			text_append(buffer, OPTION_ADVICE_BYTES, &position, "%s [%s%s]",
				    position == 0 ? "this key belongs to" : " or", kind_names[other],
				    section_kind_is_named(other) ? " NAME" : "");
	if (position > 0)
		return buffer;

	if (nearest) {
		text_append(buffer, OPTION_ADVICE_BYTES, &position, "did you mean '%s'?", nearest->key);
		return buffer;
	}
	OPTION_EACH (o, kind)
		text_append(buffer, OPTION_ADVICE_BYTES, &position, "%s %s", position > 0 ? "," : "the keys are",
			    o->key);
	return buffer;
}
