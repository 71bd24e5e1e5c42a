/* conn.h - the life of one connection: admission, handler, accounting, one end record. */
#pragma once

#include "net/stream.h"
#include "service/service.h"

/* How a connection ended, in words and in HAProxy's two letters (its manual, section 8.5). */
struct conn_end {
	const char *words;		/* "client closed"; literal, or as lasting as the connection's streams */
	char who;	/* Client, Server (upstream), c and s their timeouts, Local, Policy, Resource, Kill, - well */
	char when;	/* Request, Connect, Data, Last data, - done */
};

struct conn {
	struct list service_node;
	uint64_t id;			/* never reused; in the log, in /whoami and in the task's name */
	struct service *service;	/* one reference */
	struct stream *client;
	struct endpoint peer;
	int64_t started_ns;
	struct stream_waits waits;	/* for the client, and for what is neither the client nor the upstream */
	struct conn_end end;		/* what the handler said; words NULL: nothing, derived from its result */
	struct task *task;		/* NULL before it has one */
	struct semaphore *slot;		/* the daemon's, held with one of the service's; NULL: none yet */
	bool idle;			/* between requests: may be ended at once when the daemon drains */
	bool stop_requested;		/* drain: end after the present request */
	uint32_t requests;		/* http */
	struct conn_proxy *proxy;	/* of a proxied connection; owned */
};

/* What a proxy has of a connection besides. */
struct conn_proxy {
	struct upstream *upstream;		/* one reference */
	struct upstream_server *server;		/* the one it got through to, or tried last; NULL: none yet */
	uint32_t attempts;
	bool has_heard;				/* bytes of the client that are yet to be passed on */
	int64_t connect_ns;			/* how long it waited to get through */
	const char *tls_version, *tls_cipher;	/* with the upstream; literal; NULL: plain */
	char *sni;				/* that the client asked for, without TLS of ours; NULL: none */
	char *failure;				/* of TLS with the upstream, in words; NULL: none */
	struct stream_waits waits;		/* for the upstream */
};

/* A connection of `service` over the socket, `id` being its number for the life of the process. On failure
 * (-ENOMEM, -errno) the socket stays the caller's. */
int conn_new(struct service *service, uint64_t id, int fd, const struct endpoint *peer,
	     struct conn **ret) _must_check_;
/* Reports the end and closes the socket; NULL is fine. Returns NULL. Only for a connection whose task never ran: the
 * others end in conn_run(). */
struct conn *conn_free(struct conn *c);

/* Starts its task in the group, by the name `conn-7 echo`. Same results as task_spawn(). */
int conn_start(struct conn *c, struct task_group *group) _must_check_;
/* Cancels its task. */
void conn_cancel(struct conn *c);
/* [suspends] The body of a connection's task: serves it to its end, reports the end and frees *arg (struct
 * conn). Returns what the handler returned. */
int conn_run(void *arg);
/* Its own end of the client's connection. Where the service does not know it, the kernel is asked, and the answer is
 * in the buffer. */
const char *conn_print_local(const struct conn *c, char buffer[ENDPOINT_TEXT_BYTES]);
/* Says how it ended; the first one that is said stays. */
void conn_set_end(struct conn *c, const char *words, char who, char when);
/* Waiting for a next request (true) or at work on one (false). */
void conn_set_idle(struct conn *c, bool idle);
