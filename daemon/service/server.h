/* server.h - the daemon at run time: what is open, who is served, how it starts, changes and stops.
 *
 * One state machine: starting, serving, lame (drain_delay: still accepting, health says no), draining
 * (listeners closed), stopped. server.c has the life, port.c the listening sockets and their accept loops,
 * reload.c the passage from one configuration to the next.
 */
#pragma once

#include "config/config.h"
#include "service/service.h"

struct server_options {
	struct config_source source;	/* read again on SIGHUP */
	struct config *config;		/* the first configuration; borrowed */
	bool say_what_to_try;		/* a person is watching: print the next commands to try */
};

/* Ended by force: the drain deadline passed, or a second signal came, with connections left. */
#define SERVER_FORCED 1

/* [suspends] A task body: serves until told to stop. `arg` is a struct server_options. 0, SERVER_FORCED, or
 * -errno when it could not start; everything was logged. */
int server_run(void *arg);

/* -- between the three files -- */

/* A connection holds one buffer each way at most, so nobody who fills his can stop the others. */
#define BUFFERS_PER_CONNECTION 2

struct server {
	const struct server_options *options;
	struct config *config;
	struct list services;		/* service.node, in the order of the file */
	struct list retired;		/* service.node of those that only their connections keep */
	struct list ports;		/* port.node */
	struct list profiles;		/* tls_profile.node, in the order of the file */
	struct task_group *profile_keepers;	/* a task for each of them */
	struct tls_keep *tls_keep;	/* NULL until TLS is configured */
	struct semaphore handshakes;	/* max_handshakes */
	struct task_group *connections;
	struct signals *signals;
	struct semaphore slots;		/* max_connections of the daemon */
	uint64_t last_conn_id;
	struct pipe_pool pipes;		/* of all relays */
	struct gate attention;		/* opened when one of these was set */
	bool stop_requested, stop_now, reload_requested;
	size_t cut;			/* connections that were ended by force */
};

/* A listening socket and the task that accepts from it. */
struct port {
	struct list node;
	struct server *server;
	struct service *service;	/* one reference; whom new connections belong to */
	struct listener *listener;
	struct task_group group;	/* the accept loop */
	int64_t complain_after_ns;	/* one line per period about trouble */
	bool claimed;			/* reload: the new configuration wants it */
};

/* [suspends] for a name. Opens the address. -errno. */
int port_new(struct server *s, const struct address *at, struct port **ret) _must_check_;
/* Spawns the accept loop, which first runs when the caller suspends: its service must be set by then. -errno. */
int port_start(struct port *p) _must_check_;
/* [suspends] Ends the accept loop and closes the socket. Returns NULL. */
struct port *port_free(struct port *p);
/* [suspends] The same for a whole list. From the call on none of them accepts any more. */
void port_free_all(struct list *ports);
void port_set_service(struct port *p, struct service *service);

/* [suspends] Passes to another configuration, or leaves everything as it is and returns -errno, having logged
 * why. At start there is nothing yet to pass from. */
int server_apply(struct server *s, struct config *config) _must_check_;
/* Logs what the reader of the configuration wrote: the mistakes and the warnings, without what they point at.
 * Cuts the text into lines. */
void server_log_diagnostics(char *text);
/* [suspends] Reads the file again and applies it. Failures are logged and change nothing. */
void server_reload(struct server *s);
/* Asks the connections of a service to end: idle ones now, the others after their present request. */
void server_stop_connections(struct service *service);
