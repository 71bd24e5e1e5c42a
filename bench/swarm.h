/* swarm.h - many client connections in one thread.
 *
 * The engine (client.c) opens connections, sends what it may of each one's bytes, checks every byte that comes back,
 * and notices what goes wrong. A mode decides the rest: how much each connection may send, when it ends, and
 * what is measured.
 */
#pragma once

#include "channel.h"
#include "histogram.h"
#include "payload.h"
#include "process.h"
#include "report.h"
#include "target.h"

struct swarm;
struct client;

/* What a mode is told. Any of the callbacks may close the client. */
struct mode {
	const char *name, *what;
	int (*prepare)(struct swarm *s); /* before the first connection; 0 or -errno */
	void (*connected)(struct swarm *s, struct client *c); /* with TLS: the handshake is done */
	void (*received)(struct swarm *s, struct client *c); /* more bytes came, and they were right */
	void (*ended)(struct swarm *s, struct client *c);    /* both sides have finished, and all bytes are back */
	bool (*turn)(struct swarm *s);                       /* once per look at the sockets; false: all done */
	void (*report)(struct swarm *s, struct report *r);
};

extern const struct mode mode_echo, mode_bulk, mode_churn, mode_handshake, mode_idle;

enum churn_close { CHURN_CLOSE_HALF, CHURN_CLOSE_NOW, CHURN_CLOSE_RESET };

struct options {
	const struct mode *mode;
	const char *to;
	uint64_t connections;
	uint64_t size_bytes;
	bool size_given;
	uint64_t pipeline;
	uint64_t count; /* 0: until the time is up */
	int64_t duration_ns, warm_up_ns, patience_ns;
	enum churn_close close;
	bool until_line; /* idle: hold until standard input has a line or ends */
	const char *tls; /* the file of certificates that are trusted; NULL: no TLS */
	int tls_version; /* OpenSSL's number of it */
	bool resume;	 /* handshake: go on with the newest session */
	pid_t server;    /* 0: not watched */
	enum report_form form;
};

enum client_state { CLIENT_CLOSED, CLIENT_CONNECTING, CLIENT_SHAKING_HANDS, CLIENT_OPEN };

struct client {
	struct channel channel;
	enum client_state state;
	bool finishing; /* sends its end once everything that it may send is out */
	bool finished;
	uint32_t asked, answered; /* messages */
	uint64_t number;          /* of this connection: never used again */
	uint64_t sent_bytes, send_limit_bytes, received_bytes;
	int64_t started_ns;
};

struct swarm {
	const struct options *options;
	struct target target;
	struct tls tls;
	struct payload payload;
	struct histogram histogram;
	int epoll_fd;

	struct client *clients;
	struct client **closed; /* the slots that may be opened */
	size_t closed_count;
	uint64_t to_open; /* how many connections are still to be opened */
	uint64_t opened, connecting, open; /* connecting: up to the end of the handshake of TLS */
	bool backlog_full;

	int64_t now_ns;      /* once per turn */
	int64_t progress_ns; /* when a connection or a byte last came */
	uint64_t received_bytes;
	uint64_t failed, mismatched, cut_off;

	/* the modes' own */
	unsigned phase;
	int64_t phase_ends_ns, measured_from_ns, measured_to_ns;
	int64_t *asked_ns;            /* echo: when each message in flight was sent, `pipeline` per slot */
	uint64_t units, units_before; /* messages, bytes, connections */
	uint64_t checked;             /* connections that were answered, of the present round */
	int64_t opened_ns, all_answered_ns;
	struct process_use server_at_start, server_before, server_after, server_woken;
	struct client *waking; /* idle: the one that is asked again */
	unsigned char buffer[256 * 1024];
};

int64_t clock_now_ns(void);

/* Allocates and opens everything that is needed, runs the mode to its end. 0 or -errno; wrong bytes and lost
 * connections are counted, not returned. */
int swarm_run(struct swarm *s, const struct options *o) _must_check_;
void swarm_done(struct swarm *s);
/* Begin and end of what is measured: the clock, and the server's use. */
void swarm_measure_begin(struct swarm *s);
void swarm_measure_end(struct swarm *s);
/* Looks at the server, if there is one to look at. */
void swarm_watch_server(const struct swarm *s, struct process_use *ret);
/* What is the same for all modes: seconds, units and their rate, the server's time for each, failures. */
void swarm_report(struct swarm *s, struct report *r, const char *unit);
void swarm_report_latency(struct swarm *s, struct report *r);
/* By how much the server has grown from the first connection to the end of what was measured. */
void swarm_report_memory(struct swarm *s, struct report *r);
/* The client of that slot, for loops over all. */
#define SWARM_EACH(c, s) for (struct client *c = (s)->clients; c < (s)->clients + (s)->options->connections; c++)

/* Lets the client send up to that position, at once as far as the socket takes it. */
void client_send_until(struct swarm *s, struct client *c, uint64_t position);
/* Sends the end after the last byte that may be sent. */
void client_finish(struct swarm *s, struct client *c);
/* Sends nothing but what is encrypted already, and the end. */
void client_stop(struct swarm *s, struct client *c);
void client_close(struct swarm *s, struct client *c);
/* Closes with a reset. */
void client_abort(struct swarm *s, struct client *c);
/* Counts a failed connection, says why (the first few times), and closes it. */
void client_fail(struct swarm *s, struct client *c, const char *what, int error);
