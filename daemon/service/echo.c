#include "net/loopback.h"
#include "service/conn.h"

/* Returns to the client every byte it sends, until it half-closes or falls silent. RFC 862. Who is silent waits here,
 * where little lies on the stack. */
int echo_handle(struct conn *c)
{
	DEADLINE(idle, c->service->idle_timeout_ms);
	int r;

	do {
		r = stream_wait_to_read(c->client);
		if (r >= 0)
			r = loopback_run(c->client, &idle, &c->service->idle_timeout_ms);
	} while (r == LOOPBACK_QUIET);
	return r;
}
