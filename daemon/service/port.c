#include "service/server.h"

#include "base/log.h"
#include "base/memory.h"
#include "net/fd.h"
#include "service/conn.h"

#include <string.h>

/* How long an accept loop rests when the process is out of descriptors or memory, and how often it says so. */
#define PAUSE_MS 100
#define COMPLAIN_EVERY_MS 10000

static bool may_complain(struct port *p)
{
	int64_t now_ns = time_now_ns();

	if (now_ns < p->complain_after_ns)
		return false;
	p->complain_after_ns = now_ns + COMPLAIN_EVERY_MS * NS_PER_MS;
	return true;
}

static void complain(struct port *p, const char *what, const char *then)
{
	char address[ADDRESS_TEXT_BYTES];

	if (!may_complain(p) || !log_is_on(LOG_LEVEL_WARNING))
		return;
	log_begin(LOG_LEVEL_WARNING, what);
	log_field_text("service", p->service->name);
	log_field_text("address", address_print(listener_address(p->listener), address));
	log_field_text("then", then);
	log_end();
}

/* [suspends] Waits until the limits allow one more. Meanwhile new connections wait in the kernel's backlog. */
static int take_slots(struct port *p, struct conn *c)
{
	struct semaphore *daemon_slots = &p->server->slots;
	struct semaphore *service_slots = &c->service->slots;

	/* The daemon's comes last, so that who waits for a slot of one service holds none that another could use. */
	if (!semaphore_try_acquire(service_slots)) {
		complain(p, "max_connections of the service reached", "new connections wait");
		int r = semaphore_acquire(service_slots);
		if (r < 0)
			return r;
	}
	if (!semaphore_try_acquire(daemon_slots)) {
		complain(p, "max_connections of the daemon reached", "new connections wait");
		int r = semaphore_acquire(daemon_slots);
		if (r < 0) {
			semaphore_release(service_slots);
			return r;
		}
	}
	c->slot = daemon_slots;
	return 0;
}

/* [suspends] Makes a connection's task of an accepted socket. Fails only when the accept loop shall end. */
static int admit(struct port *p, int fd, const struct endpoint *peer)
{
	struct conn *c;

	p->service->accepted++;
	int r = conn_new(p->service, ++p->server->last_conn_id, fd, peer, &c);
	if (r < 0) {
		fd_close(fd);
		complain(p, "cannot accept a connection: out of memory", "closed it");
		return 0;
	}

	r = take_slots(p, c);
	c->waits.other_ns += time_now_ns() - c->started_ns;
	if (r >= 0) {
		r = conn_start(c, p->server->connections);
		if (r >= 0)
			return 0;
		if (r != -ECANCELED) {
			complain(p, "cannot start a task for a connection", "closed it");
			conn_set_end(c, "no resources for a task", 'R', 'R');
			r = 0;
		}
	}
	conn_free(c);
	return r;
}

/* [suspends] What to do about an accept that failed: rest and go on, or end. */
static int after_failure(struct port *p, int error)
{
	if (error == -ECANCELED || error == -EBADF)
		return error;
	complain(p, strerrordesc_np(-error), "accepting pauses");
	return sleep_for(PAUSE_MS);
}

static int accept_loop(void *arg)
{
	struct port *p = arg;

	for (;;) {
		struct endpoint peer;
		int fd = listener_accept(p->listener, &peer);
		int r = fd < 0 ? after_failure(p, fd) : admit(p, fd, &peer);
		if (r < 0)
			return r;
	}
}

int port_new(struct server *s, const struct address *at, struct port **ret)
{
	struct port *p = memory_new_object(struct port);

	if (!p)
		return -ENOMEM;

	int r = listener_open(at, &p->listener);
	if (r < 0) {
		memory_free(p);
		return r;
	}

	p->server = s;
	list_init(&p->node);
	group_init(&p->group, "accept loop", GROUP_EACH);
	*ret = p;
	return 0;
}

int port_start(struct port *p)
{
	return task_spawn(&p->group, "accept", accept_loop, p, NULL);
}

struct port *port_free(struct port *p)
{
	if (!p)
		return NULL;
	group_close(&p->group);
	list_remove(&p->node);
	listener_free(p->listener);
	service_unref(p->service);
	return memory_free(p);
}

void port_free_all(struct list *ports)
{
	/* All at once: freeing one suspends, and the others would accept meanwhile, maybe for a service that
	 * they never got. */
	LIST_EACH (node, ports)
		group_cancel(&list_entry(node, struct port, node)->group);
	while (!list_is_empty(ports))
		port_free(list_entry(ports->next, struct port, node));
}

void port_set_service(struct port *p, struct service *service)
{
	struct service *old = p->service;

	p->service = service_ref(service);
	service_unref(old);
}
