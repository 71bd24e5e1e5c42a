/* service.h - what is served: the table of service types, and a service at run time.
 *
 * A handler is a function on one connection, written as straight-line code in a file of its own; it is added
 * to Corelay by one line in the table in service.c.
 */
#pragma once

#include "base/list.h"
#include "config/config.h"
#include "net/listener.h"
#include "net/relay.h"
#include "runtime/runtime.h"

struct conn;
struct routes;
struct tls_profile;
struct upstream;

/* Serves one connection until it ends. 0: ended well; -errno: why not. The caller closes the stream. */
typedef int service_fn(struct conn *c);

struct service_type {
	struct config_service_type config;	/* name, need of an upstream, idle timeout */
	service_fn *handle;
	const char *try_it;			/* the next command to try; %h is the host, %p the port */
	const char *what;			/* "returns what it is sent (RFC 862)" */
	bool speaks_first;
};

/* All types; ends with a NULL name. */
extern const struct service_type service_types[];
const struct service_type *service_type_find(const char *name);

/* One service. Lives as long as it is configured or has connections; a reload writes the new values into it, so
 * connections see them at their next rearm. */
struct service {
	struct list node;			/* server's services, or its retired ones */
	unsigned references;
	char name[CONFIG_NAME_BYTES];
	const struct service_type *type;
	int64_t idle_timeout_ms, connect_timeout_ms, session_timeout_ms, header_timeout_ms;
	int64_t handshake_timeout_ms, sni_wait_ms;
	uint64_t max_body_bytes, max_requests;
	struct relay_limits relay;
	struct cidr_list allow, deny;		/* borrowed from `config` */
	struct config *config;			/* keeps the lists alive */
	struct upstream *upstream;		/* of a proxy; NULL: its routes say all */
	struct routes *routes;			/* by SNI; NULL: none */
	struct tls_profile *tls;		/* NULL: plain */
	struct semaphore *handshakes;		/* the daemon's */
	struct semaphore slots;			/* max_connections */
	bool retired;				/* no longer configured: its connections may end */
	struct list conns;			/* conn.service_node */
	char local[ENDPOINT_TEXT_BYTES];	/* where all its connections come in, if that is one place; else "" */
	unsigned health_status;			/* http: what /health answers, 200 unless set by POST */
	uint64_t accepted, refused, active, probes, received_bytes, sent_bytes;
};

/* What a service refers to besides its options: borrowed for the call, and referred to. Each may be NULL. */
struct service_parts {
	struct upstream *upstream;
	struct routes *routes;
	struct tls_profile *tls;
};

int service_new(const struct service_config *sc, struct config *config, const struct service_parts *parts,
		struct service **ret) _must_check_;
/* Takes over the values of a new configuration; the type and the name stay. */
void service_update(struct service *s, const struct service_config *sc, struct config *config,
		    const struct service_parts *parts);
struct service *service_ref(struct service *s);
struct service *service_unref(struct service *s);
/* allow and deny: deny wins; with an allow list whoever is not in it is denied. */
bool service_admits(const struct service *s, const struct endpoint *peer);

int echo_handle(struct conn *c);	/* RFC 862 */
int discard_handle(struct conn *c);	/* RFC 863 */
int chargen_handle(struct conn *c);	/* RFC 864 */
int daytime_handle(struct conn *c);	/* RFC 867 */
int time_handle(struct conn *c);	/* RFC 868 */
int http_handle(struct conn *c);	/* RFC 9110, 9112 */
int proxy_handle(struct conn *c);
