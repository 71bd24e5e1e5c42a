/* option.h - the table of all options: what there is, where it belongs, what it may be.
 *
 * Everything that knows options is made from this table or checked against it: the reader, the dump, the comparison
 * of a reload, the suggestions, conf/corelay.ini.reference. A new option is a member of a structure in config.h and
 * a row here.
 */
#pragma once

#include "base/base.h"

#define OPTIONS_MAX 64		/* rows of the table, for arrays by option_index() */

enum section_kind { SECTION_DAEMON, SECTION_SERVICE, SECTION_UPSTREAM, SECTION_TLS, SECTION_KINDS };

enum option_type {
	OPTION_NUMBER,		/* uint64_t */
	OPTION_SIZE,		/* uint64_t, bytes */
	OPTION_DURATION,	/* int64_t, milliseconds */
	OPTION_WORD,		/* an enum; its value is the place of the word among `words` */
	OPTION_ACCOUNT,		/* char *, a user or group of the system */
	OPTION_SERVICE_TYPE,	/* char *, one of the types that config_load() was told */
	OPTION_UPSTREAM,	/* char *, the name of an upstream section */
	OPTION_TLS,		/* char *, the name of a tls section */
	OPTION_NAME,		/* char *, a host name, in lower case */
	OPTION_PATH,		/* char *, absolute, or credential:NAME */
	OPTION_COLON_NAMES,	/* char *, names with colons between them, for OpenSSL to understand */
	OPTION_INCLUDE,		/* stored nowhere: a list of paths and patterns, read on the spot */
	OPTION_LISTEN,		/* struct address_list */
	OPTION_ADDRESS_BLOCKS,	/* struct cidr_list */
	OPTION_SERVERS,		/* struct server_config *, with the count in the member behind it */
	OPTION_SNI_ROUTES,	/* struct sni_routes */
	OPTION_NAMES,		/* struct text_list, of host names and *.name, in lower case */
	OPTION_PATHS,		/* struct text_list, of paths as above */
	OPTION_PROTOCOLS,	/* struct text_list, of ALPN */
};

enum option_reload {
	RELOAD_LIVE,		/* existing connections see it too */
	RELOAD_NEW,		/* connections that come after the reload */
	RELOAD_RESTART,		/* needs a restart */
};

struct option {
	enum section_kind section;
	const char *key;
	enum option_type type;
	size_t offset;			/* in the structure that the section becomes */
	const char *standard;		/* the default, as it would be written; NULL: unset, or an empty list */
	int64_t min, max;		/* numbers, sizes, milliseconds */
	bool may_be_off;		/* times: `off` is FOREVER */
	bool required;
	const char *only_for;		/* the service type that has this option; NULL: all */
	const char *const *words;	/* NULL-terminated */
	enum option_reload reload;
	const char *help;		/* one line */
};

extern const struct option options[];
extern const size_t option_count;

#define OPTION_EACH(o, kind)                                                                               \
	for (const struct option *o = options; o < options + option_count; o++)                            \
		if (o->section == (kind))

/* NULL when the section has no such key. */
const struct option *option_find(enum section_kind kind, const char *key);
size_t option_index(const struct option *o);
/* May be given more than once, and takes commas. */
bool option_is_list(const struct option *o);
/* False when services of that type (NULL: not known) do not have the option. */
bool option_applies(const struct option *o, const char *service_type);

/* The option that an unknown key was probably meant to be, or NULL. */
const struct option *option_suggest(enum section_kind kind, const char *key);

/* What an unknown key should have been: `did you mean 'x'?`, `this key belongs to [daemon]`, or the keys that there
 * are. Returns buffer. */
#define OPTION_ADVICE_BYTES 512
char *option_advise(enum section_kind kind, const char *key, char buffer[OPTION_ADVICE_BYTES]);

/* "daemon", "service", "upstream", "tls". */
const char *section_kind_name(enum section_kind kind);
/* False for [daemon] alone. */
bool section_kind_is_named(enum section_kind kind);
/* SECTION_KINDS when there is no such kind. */
enum section_kind section_kind_find(const char *name, size_t length);
const char *section_kind_suggest(const char *name);
