#include "net/loopback.h"
#include "service/conn.h"

/* Returns to the client every byte it sends, until it half-closes or falls silent. RFC 862. */
int echo_handle(struct conn *c)
{
	return loopback_run(c->client, &c->service->idle_timeout_ms);
}
