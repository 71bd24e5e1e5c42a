/* config.h - the configuration: an immutable object, replaced whole on reload.
 *
 * Read from an INI file (reader.h), checked against the option table (option.h); every mistake of the file is
 * reported in one run as a diagnostic with file, line and column (diag.h). Knows no sockets.
 */
#pragma once

#include "base/address.h"
#include "base/base.h"
#include "base/log.h"

#include <stdio.h>

#define CONFIG_NAME_BYTES 64	/* of a section: [service NAME] */
#define CONFIG_FILE_DEFAULT SYSCONFDIR "/corelay/corelay.ini"

struct address_list {
	struct address *items;
	size_t count;
};

struct cidr_list {
	struct cidr *items;
	size_t count;
};

/* Ends with NULL behind the last one; of an empty list items itself is NULL. */
struct text_list {
	char **items;
	size_t count;
};

/* Which upstream a client gets that asks for a name. */
struct sni_route {
	char *pattern;				/* lower case; a name, or *.example.org */
	char *upstream;				/* name of a section */
	const struct upstream_config *upstream_config;
};

struct sni_routes {
	struct sni_route *items;
	size_t count;
};

struct daemon_config {
	uint64_t max_connections;
	uint64_t max_handshakes;		/* of TLS, at work at once */
	uint64_t offload_threads;
	int64_t drain_delay_ms, drain_timeout_ms;
	int64_t stall_warn_ms;			/* FOREVER: off */
	enum log_format log;
	enum log_level log_level;
	char *user, *group;			/* NULL: stay who we are */
};

struct server_config {
	struct address address;
	unsigned weight;			/* 1..256 */
	bool backup;				/* used when no other server is left */
};

struct upstream_config {
	char *name;
	struct server_config *servers;
	size_t server_count;
	uint64_t tries;				/* servers tried for one connection; 0: each once */
	char *tls;				/* name; NULL: plain */
	const struct tls_config *tls_config;
};

/* Certificates, keys, whom to trust. A path is absolute: a relative one begins at the folder of the file that says
 * it, one of the command line at the working directory. Or it is `credential:NAME`, a file that the service manager
 * passed in, which is for who opens it to find. What is in the files is not looked at here. */
struct tls_config {
	char *name;
	struct text_list certificates, keys;	/* the same number of both */
	int self_signed;			/* no, yes: a certificate made at start instead */
	int strict_sni;				/* no, yes */
	char *client_ca;
	struct text_list client_names;		/* lower case; a name, or *.example.org */
	char *ca;
	char *server_name;
	int verify;				/* enum config_verify */
	int min_version, max_version;		/* 1.2, 1.3 */
	char *ciphers, *groups;			/* NULL: those of the program */
	struct text_list alpn;
	int tickets;				/* off, on */
	int64_t ticket_lifetime_ms;
	int ktls;				/* off, auto */
	bool accepts, connects;			/* a service, an upstream uses it */
};

/* The words of tls_config.verify. */
enum config_verify { CONFIG_VERIFY_AUTO, CONFIG_VERIFY_OFF, CONFIG_VERIFY_OPTIONAL, CONFIG_VERIFY_REQUIRED };

struct service_config {
	char *name;
	char *type;				/* one of the types that config_load() was told */
	struct address_list listen;
	char *upstream;				/* name; proxy only, else NULL */
	const struct upstream_config *upstream_config;
	char *tls;				/* name; NULL: plain */
	const struct tls_config *tls_config;
	struct sni_routes match_sni;		/* proxy: by the name that the client asks for */
	int64_t sni_wait_ms;			/* proxy: how long a silent client may be one that speaks TLS */
	int64_t handshake_timeout_ms;		/* of TLS, with the client and with each server */
	uint64_t max_connections;		/* 0: the daemon's limit alone */
	int64_t idle_timeout_ms;
	int64_t connect_timeout_ms;		/* per try */
	int64_t half_close_timeout_ms;
	int64_t session_timeout_ms;		/* FOREVER: off */
	int64_t header_timeout_ms;		/* http: from the first byte of a request to the end of its head */
	uint64_t max_body_bytes;		/* http: of a request */
	uint64_t max_requests;			/* http: per connection; 0: no limit */
	struct cidr_list allow, deny;
};

struct config {
	unsigned references;
	struct daemon_config daemon;
	struct service_config *services;
	size_t service_count;
	struct upstream_config *upstreams;
	size_t upstream_count;
	struct tls_config *tls;
	size_t tls_count;
	struct config_values *values;		/* what was written where (document.h); private to this layer */
};

/* What the caller knows and this layer does not: the service types there are. */
struct config_service_type {
	const char *name;			/* "echo" */
	bool needs_upstream;
	int64_t idle_timeout_ms;		/* the default for this type */
};

struct config_source {
	const char *file;			/* NULL: no file, settings only (zero-config command lines) */
	bool file_is_optional;
	const char *const *settings;		/* "SECTION.KEY=VALUE" from the command line, then NULL; or NULL */
	const struct config_service_type *types;
	size_t type_count;
};

/* Reads, checks and builds. Every mistake is written to `diagnostics` (when it is not NULL) in the order of the
 * file. 0; -EINVAL: mistakes in the configuration; -ENOENT, -EACCES, -EISDIR and the like: the file cannot be read
 * (said too); -ENOMEM. Runs on the main stack or a big one; does not suspend. */
int config_load(const struct config_source *source, FILE *diagnostics, struct config **ret) _must_check_;
struct config *config_ref(struct config *c);
struct config *config_unref(struct config *c);
DEFINE_CLEANUP(struct config *, config_unref)

/* The merged configuration as an INI file that can be read again, each value followed by `; where it came from`
 * (file:line, command line, default). */
void config_dump(const struct config *c, FILE *to);

/* Compares two configurations for a reload: calls `report` for each option whose value differs, with its section,
 * key, old and new text, and whether it takes effect now (`live`) or needs a restart; the elements of a list are
 * joined with commas. The section is written as in the file, `[service web]`. Of sections that came or went, key and
 * old or new value are NULL, and the other value is the section again. */
typedef void config_change_fn(void *context, const char *section, const char *key, const char *old_value,
			      const char *new_value, bool live);
void config_compare(const struct config *old_config, const struct config *new_config, config_change_fn *report,
		    void *context);

/* Says what is wrong with a value, in the form and at the place of the diagnostics of config_load(), for mistakes
 * that only a higher layer can see: the element number `index` (0 of what is no list) of a key of [tls NAME]. What is
 * not set is shown at the head of the section. The message comes printable, without a newline, and without what will
 * stand before it: `[tls NAME] KEY: `. */
_printf_(6, 7) void config_complain(const struct config *c, FILE *to, const struct tls_config *tls, const char *key,
				    size_t index, const char *format, ...);

const struct service_config *config_find_service(const struct config *c, const char *name);
