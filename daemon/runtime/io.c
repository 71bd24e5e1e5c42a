#include "runtime/io.h"

#include "base/ensure.h"
#include "base/memory.h"
#include "runtime/loop.h"

#include <poll.h>
#include <unistd.h>

/* How long after a short read a quiet descriptor gets its confirming look. */
#define CONFIRM_AFTER_MS 500

struct io {
	struct loop_event event;
	int fd;
	uint8_t ready;			/* mask of io_direction, sticky */
	bool peer_ended;		/* its end is in the socket, behind what there is to read */
	bool closed;			/* freed, but a waiter has yet to leave */
	bool read_lately;		/* a short read since the last look */
	uint32_t waits;			/* tasks inside a wait for it */
	struct wait_token waiters[2];	/* by direction */
	struct list confirm_node;	/* in `confirm` after a short read */
};

/* Descriptors whose last read was short: libevent reports an error and data that came together only once, so such a
 * descriptor may be dead already. One timer looks at all of them; it runs only while there are some. */
static struct {
	bool initialised;
	struct list ios;
	struct wheel_timer timer;
} confirm;

static struct wait_token *waiter_of(struct io *i, enum io_direction direction)
{
	return &i->waiters[direction == IO_WRITE];
}

static unsigned wanted(struct io *i)
{
	return (wait_is_pending(i->waiters[0]) ? IO_READ : 0) | (wait_is_pending(i->waiters[1]) ? IO_WRITE : 0);
}

static void became_ready(struct io *i, unsigned mask)
{
	i->ready |= mask & (IO_READ | IO_WRITE);
	i->peer_ended |= (mask & LOOP_PEER_ENDED) != 0;
	if (mask & IO_READ)
		wait_wake(i->waiters[0], 0);
	if (mask & IO_WRITE)
		wait_wake(i->waiters[1], 0);
}

static void event_happened(int fd, short what, void *arg)
{
	struct io *i = arg;

	(void) fd;
	became_ready(i, loop_event_mask(what));
	/* A level-triggered event is spent now; the other direction may still have a waiter. */
	if (wanted(i) && loop_event_arm(&i->event, wanted(i)) < 0)
		became_ready(i, wanted(i));
}

int io_new(int fd, struct io **ret)
{
	struct io *i = memory_new_object(struct io);

	if (!i)
		return -ENOMEM;
	i->fd = fd;
	i->ready = IO_READ | IO_WRITE;
	list_init(&i->confirm_node);

	int r = loop_event_add(&i->event, fd, event_happened, i);
	if (r < 0) {
		memory_free(i);
		return r;
	}
	*ret = i;
	return 0;
}

int io_detach(struct io *i)
{
	int fd = i->fd;

	loop_event_remove(&i->event);
	list_remove(&i->confirm_node);
	i->closed = true;
	i->fd = -1;
	wait_wake(i->waiters[0], -EBADF);
	wait_wake(i->waiters[1], -EBADF);
	if (i->waits == 0)
		memory_free(i);
	return fd;
}

struct io *io_free(struct io *i)
{
	if (i)
		close(io_detach(i));
	return NULL;
}

int io_fd(const struct io *i)
{
	return i->fd;
}

bool io_is_ready(const struct io *i, enum io_direction direction)
{
	return i->ready & direction;
}

void io_drained(struct io *i, enum io_direction direction)
{
	i->ready &= ~direction;
}

/* -- the confirming look -- */

static bool is_quiet_but_ready(const struct io *i)
{
	struct pollfd p = { .fd = i->fd, .events = POLLIN };

	return !(i->ready & IO_READ) && poll(&p, 1, 0) > 0;
}

static void confirm_fire(struct wheel_timer *timer)
{
	LIST_EACH_SAFE (node, &confirm.ios) {
		struct io *i = list_entry(node, struct io, confirm_node);

		if (i->read_lately) {
			i->read_lately = false;
			continue;
		}
		list_remove(&i->confirm_node);
		if (is_quiet_but_ready(i))
			became_ready(i, IO_READ);
	}
	if (!list_is_empty(&confirm.ios))
		loop_set_timer(timer, time_now_ns() + CONFIRM_AFTER_MS * NS_PER_MS);
}

void io_read_short(struct io *i)
{
	/* The end came with the data: there will be no other edge for it. */
	if (i->peer_ended)
		return;
	i->ready &= ~IO_READ;
	i->read_lately = true;
	if (list_is_linked(&i->confirm_node) || !loop_is_edge_triggered())
		return;

	if (!confirm.initialised) {
		list_init(&confirm.ios);
		wheel_timer_init(&confirm.timer, confirm_fire);
		confirm.initialised = true;
	}
	list_append(&confirm.ios, &i->confirm_node);
	if (!wheel_timer_is_set(&confirm.timer))
		loop_set_timer(&confirm.timer, time_now_ns() + CONFIRM_AFTER_MS * NS_PER_MS);
}

void io_pool_done(void)
{
	if (!confirm.initialised)
		return;
	ENSURE(list_is_empty(&confirm.ios), "descriptors are registered at the end of the loop");
	wheel_clear(loop_wheel(), &confirm.timer);
	confirm.initialised = false;
}

/* -- waiting -- */

/* Puts the token where the events of the directions look for it. */
static void enlist(struct io *i, unsigned want, struct wait_token w)
{
	if (want & IO_READ)
		*waiter_of(i, IO_READ) = w;
	if (want & IO_WRITE)
		*waiter_of(i, IO_WRITE) = w;
	i->waits++;
}

/* Leaves after the wait. The token may stay: it is stale, or has made room for that of a later waiter
 * already. True when the descriptor was closed meanwhile; the last one to leave frees it. */
static bool delist(struct io *i)
{
	bool closed = i->closed;

	if (--i->waits == 0 && closed)
		memory_free(i);
	return closed;
}

static int look(struct io_want *wants, size_t count, bool *ret_any)
{
	for (size_t n = 0; n < count; n++) {
		struct io_want *w = &wants[n];

		if (!w->want)
			continue;
		if (w->io->closed)
			return -EBADF;
		if (w->want & wanted(w->io))
			return -EBUSY;
		w->ready = w->want & w->io->ready;
		*ret_any |= w->ready != 0;
	}
	return 0;
}

static const char *words_for(const struct io_want *wants, size_t count)
{
	if (count > 1)
		return "any of several descriptors";
	switch (wants[0].want) {
	case IO_READ:
		return "readable";
	case IO_WRITE:
		return "writable";
	default:
		return "readable or writable";
	}
}

int io_park_any(struct io_want *wants, size_t count)
{
	bool any = false;
	bool closed = false;

	for (size_t n = 0; n < count; n++)
		wants[n].ready = 0;
	int r = look(wants, count, &any);
	if (r < 0 || any)
		return r;

	struct wait_token w = wait_begin(words_for(wants, count), wants[0].io);
	for (size_t n = 0; n < count; n++) {
		if (!wants[n].want)
			continue;
		enlist(wants[n].io, wants[n].want, w);
		if (loop_event_arm(&wants[n].io->event, wanted(wants[n].io)) < 0)
			r = -ENOMEM;
	}
	if (r < 0)
		wait_abandon(w);
	else
		r = wait_park(w);

	for (size_t n = 0; n < count; n++) {
		if (!wants[n].want)
			continue;
		wants[n].ready = wants[n].want & wants[n].io->ready;
		closed |= delist(wants[n].io);
	}
	return closed && r >= 0 ? -EBADF : r;
}

int (io_wait_any)(struct io_want *wants, size_t count)
{
	int r = wait_enter();

	return r < 0 ? r : io_park_any(wants, count);
}

int io_park(struct io *i, enum io_direction direction)
{
	if (i->closed)
		return -EBADF;
	if (wait_is_pending(*waiter_of(i, direction)))
		return -EBUSY;
	if (i->ready & direction)
		return 0;

	struct wait_token w = wait_begin(direction == IO_READ ? "readable" : "writable", i);
	enlist(i, direction, w);
	int r = loop_event_arm(&i->event, wanted(i));
	if (r < 0)
		wait_abandon(w);
	else
		r = wait_park(w);
	return delist(i) && r >= 0 ? -EBADF : r;
}

int (io_wait)(struct io *i, enum io_direction direction)
{
	int r = wait_enter();

	return r < 0 ? r : io_park(i, direction);
}
