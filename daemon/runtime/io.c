#include "runtime/io.h"

#include "base/ensure.h"
#include "base/memory.h"
#include "runtime/chunk.h"
#include "runtime/loop.h"

#include <poll.h>
#include <unistd.h>

/* How long a descriptor has to be quiet, at least, before the watch attends to it: twice as long at most. */
#define QUIET_MS 500
/* How many it attends to in one turn: each costs a few system calls, and the lively ones shall not feel it. */
#define QUIET_PER_TURN 128

/* Descriptors that were waited for lately. When one falls quiet it gets what it was spared while it was busy: a
 * confirming look, and its waiter is put to sleep. One timer does it for all of them, only while there are some. */
static struct {
	bool initialised;
	struct list ios;		/* to be looked through */
	struct list quiet;		/* to be attended to */
	struct wheel_timer timer;
} watch;

/* Dispatch has two stages, so that the processor fetches many cold tasks at once instead of waiting for each:
 * callbacks note whom to wake and ask for the memory, and when the poll is over all of them are woken. More than fit
 * here are woken at once. */
#define REPORTED_MAX 1024
static struct {
	size_t count;
	struct wait_token waiters[REPORTED_MAX];
} reported;

static struct wait_token *waiter_of(struct io *i, enum io_direction direction)
{
	return &i->waiters[direction == IO_WRITE];
}

static unsigned wanted(struct io *i)
{
	return (wait_is_pending(i->waiters[0]) ? IO_READ : 0) | (wait_is_pending(i->waiters[1]) ? IO_WRITE : 0);
}

/* Edges come by themselves. */
static inline int arm(struct io *i)
{
	return LIKELY(loop_is_edge_triggered()) ? 0 : loop_event_arm(&i->event, wanted(i));
}

static void became_ready(struct io *i, unsigned mask)
{
	i->ready |= mask & (IO_READ | IO_WRITE);
	if (mask & IO_READ)
		wait_wake(i->waiters[0], 0);
	if (mask & IO_WRITE)
		wait_wake(i->waiters[1], 0);
}

static void report(struct wait_token waiter)
{
	if (!waiter.task)
		return;
	if (UNLIKELY(reported.count == REPORTED_MAX)) {
		wait_wake(waiter, 0);
		return;
	}
	reported.waiters[reported.count++] = waiter;
	__builtin_prefetch(waiter.task);
}

void io_wake_reported(void)
{
	for (size_t i = 0; i < reported.count; i++)
		wait_wake(reported.waiters[i], 0);
	reported.count = 0;
}

static void event_happened(int fd, short what, void *arg)
{
	struct io *i = arg;
	unsigned mask = loop_event_mask(what);

	(void) fd;
	i->ready |= mask & (IO_READ | IO_WRITE);
	i->peer_ended |= (mask & LOOP_PEER_ENDED) != 0;
	if (LIKELY(loop_is_edge_triggered())) {
		if (mask & IO_READ)
			report(i->waiters[0]);
		if (mask & IO_WRITE)
			report(i->waiters[1]);
		return;
	}
	became_ready(i, mask);
	/* A level-triggered event is spent now; the other direction may still have a waiter. */
	if (wanted(i) && arm(i) < 0)
		became_ready(i, wanted(i));
}

int io_init(struct io *i, int fd)
{
	i->fd = fd;
	i->ready = IO_READ | IO_WRITE;
	list_init(&i->watch_node);
	return loop_event_add(&i->event, fd, event_happened, i);
}

int io_new(int fd, struct io **ret)
{
	struct io *i = memory_new_object(struct io);

	if (!i)
		return -ENOMEM;

	int r = io_init(i, fd);
	if (r < 0) {
		memory_free(i);
		return r;
	}
	*ret = i;
	return 0;
}

/* Ends the registration, and the waits. */
static void leave_loop(struct io *i)
{
	loop_event_remove(&i->event);
	list_remove(&i->watch_node);
	i->closed = true;
	i->fd = -1;
	wait_wake(i->waiters[0], -EBADF);
	wait_wake(i->waiters[1], -EBADF);
	if (i->waits == 0)
		memory_free(i);
}

int io_detach(struct io *i)
{
	int fd = i->fd;

	leave_loop(i);
	return fd;
}

struct io *io_free(struct io *i)
{
	if (!i)
		return NULL;
	/* First, because closing it takes it out of epoll's set too: what libevent then asks for has been done. */
	close(i->fd);
	leave_loop(i);
	return NULL;
}

/* -- the watch -- */

static bool has_something(const struct io *i)
{
	struct pollfd p = { .fd = i->fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* libevent reports an error and data that came together only once, so a descriptor whose last read was short may be
 * dead already, without another event to come. */
static void confirm(struct io *i)
{
	bool must_look = i->unconfirmed && !(i->ready & IO_READ) && loop_is_edge_triggered();

	i->unconfirmed = false;
	if (must_look && has_something(i))
		became_ready(i, IO_READ);
}

/* Moves those that have been quiet since the last time. When all have, the allocator gets the buffers back, in time
 * for what will be set aside of their stacks. */
static void separate_quiet_ones(void)
{
	bool all_quiet = true;

	LIST_EACH_SAFE (node, &watch.ios) {
		struct io *i = list_entry(node, struct io, watch_node);

		__builtin_prefetch(list_entry(node_next_, struct io, watch_node));
		if (!i->lively) {
			list_remove(node);
			list_append(&watch.quiet, node);
		}
		all_quiet &= !i->lively;
		i->lively = false;
	}
	if (all_quiet)
		chunk_pool_trim();
}

static void put_waiter_to_sleep(struct wait_token waiter)
{
	if (!wait_is_pending(waiter) || waiter.task->wait_since_ns > time_now_ns() - QUIET_MS * NS_PER_MS)
		return;
	if (waiter.task->retires && waiter.task->state == TASK_WAITING)
		wait_retire(waiter.task);
	else
		task_sleep(waiter.task);
}

static void attend_to_quiet_ones(void)
{
	struct list *node;

	for (int n = 0; n < QUIET_PER_TURN && (node = list_take_first(&watch.quiet)); n++) {
		struct io *i = list_entry(node, struct io, watch_node);

		if (i->lively) {
			list_append(&watch.ios, node);
			continue;
		}
		confirm(i);
		put_waiter_to_sleep(i->waiters[0]);
		put_waiter_to_sleep(i->waiters[1]);
	}
}

static void watch_fire(struct wheel_timer *timer)
{
	if (list_is_empty(&watch.quiet))
		separate_quiet_ones();
	attend_to_quiet_ones();
	if (!list_is_empty(&watch.quiet))
		loop_set_timer(timer, time_now_ns() + NS_PER_MS);
	else if (!list_is_empty(&watch.ios))
		loop_set_timer(timer, time_now_ns() + QUIET_MS * NS_PER_MS);
}

static void watch_begin(struct io *i)
{
	if (!watch.initialised) {
		list_init(&watch.ios);
		list_init(&watch.quiet);
		wheel_timer_init(&watch.timer, watch_fire);
		watch.initialised = true;
	}
	list_append(&watch.ios, &i->watch_node);
	if (!wheel_timer_is_set(&watch.timer))
		loop_set_timer(&watch.timer, time_now_ns() + QUIET_MS * NS_PER_MS);
}

/* To be called at each wait. */
static inline void watch_over(struct io *i)
{
	i->lively = true;
	if (UNLIKELY(!list_is_linked(&i->watch_node)))
		watch_begin(i);
}

void io_pool_done(void)
{
	if (!watch.initialised)
		return;
	ENSURE(list_is_empty(&watch.ios) && list_is_empty(&watch.quiet),
	       "descriptors are registered at the end of the loop");
	wheel_clear(loop_wheel(), &watch.timer);
	watch.initialised = false;
}

/* -- waiting -- */

/* `i` is one that is waited for, because only those last as long as the wait; or NULL. */
static inline struct wait_token begin_for_io(const char *what, const struct io *i)
{
	struct wait_token w = wait_begin(what, i);

	w.task->waits_for_io = i;
	return w;
}

/* Puts the token where the events of the directions look for it. */
static inline void enlist(struct io *i, unsigned want, struct wait_token w)
{
	if (want & IO_READ)
		i->waiters[0] = w;
	if (want & IO_WRITE)
		i->waiters[1] = w;
	i->waits++;
	watch_over(i);
}

/* Leaves after the wait. The token may stay: it is stale, or has made room for that of a later waiter
 * already. True when the descriptor was closed meanwhile; the last one to leave frees it. */
static inline bool delist(struct io *i)
{
	bool closed = i->closed;

	if (--i->waits == 0 && closed)
		memory_free(i);
	return closed;
}

static int look(struct io_want *wants, size_t count, bool *ret_any)
{
	int r = 0;

	for (size_t n = 0; n < count; n++) {
		struct io_want *w = &wants[n];

		w->ready = 0;
		if (!w->want)
			continue;
		if (UNLIKELY(w->io->closed))
			r = -EBADF;
		else if (UNLIKELY(w->io->waits > 0 && (w->want & wanted(w->io))))
			r = -EBUSY;
		w->ready = w->want & w->io->ready;
		*ret_any |= w->ready != 0;
	}
	return r;
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

static const struct io *first_wanted(const struct io_want *wants, size_t count)
{
	for (size_t n = 0; n < count; n++)
		if (wants[n].want)
			return wants[n].io;
	return NULL;
}

/* 0 when the wait has been begun and every wanted descriptor knows of it, -ENOMEM, else what look() says. *ret_any:
 * no wait was begun, because something is ready. */
static int begin(struct io_want *wants, size_t count, bool *ret_any, struct wait_token *ret_token)
{
	int r = look(wants, count, ret_any);
	if (r < 0 || *ret_any)
		return r;

	*ret_token = begin_for_io(words_for(wants, count), first_wanted(wants, count));
	for (size_t n = 0; n < count; n++) {
		if (!wants[n].want)
			continue;
		enlist(wants[n].io, wants[n].want, *ret_token);
		if (arm(wants[n].io) < 0)
			r = -ENOMEM;
	}
	return r;
}

/* Notes what is ready and leaves all of them. -EBADF when one was closed. */
static int end(struct io_want *wants, size_t count)
{
	bool closed = false;

	for (size_t n = 0; n < count; n++) {
		if (!wants[n].want)
			continue;
		wants[n].ready = wants[n].want & wants[n].io->ready;
		closed |= delist(wants[n].io);
	}
	return closed ? -EBADF : 0;
}

/* One wake: leaves the wait, ... */
static bool begin_pump(struct wait_pump *pump)
{
	struct io_pump *p = container_of(pump, struct io_pump, pump);

	p->listed = false;
	p->left = end(p->wants, p->count);
	return p->left >= 0 && p->begin && p->begin(p->arg);
}

/* ... pumps, and begins the next one. */
static bool pump_once(struct wait_pump *pump)
{
	struct io_pump *p = container_of(pump, struct io_pump, pump);
	struct wait_token w = { 0 };
	bool any = false;

	if (p->left < 0 || !p->fn(p->arg))
		return false;

	int r = begin(p->wants, p->count, &any, &w);
	p->listed = w.task;
	if (any || !w.task)
		return false;
	if (r < 0) {
		wait_abandon(w);
		return false;
	}
	return wait_repark(w);
}

int io_park_any_pumped(struct io_pump *p)
{
	bool any = false;
	struct wait_token w = { 0 };
	int r = begin(p->wants, p->count, &any, &w);

	if (any || !w.task)
		return r;
	p->pump.fn = pump_once;
	p->pump.begin = begin_pump;
	p->listed = true;
	p->left = 0;
	if (r < 0)
		wait_abandon(w);
	else
		r = wait_park_pumped(w, p->fn ? &p->pump : NULL);

	if (p->listed)
		p->left = end(p->wants, p->count);
	return p->left < 0 ? p->left : r;
}

int io_park_any(struct io_want *wants, size_t count)
{
	struct io_pump without = { .wants = wants, .count = count };

	return io_park_any_pumped(&without);
}

int (io_wait_any)(struct io_want *wants, size_t count)
{
	int r = wait_enter();

	return r < 0 ? r : io_park_any(wants, count);
}

int io_park(struct io *i, enum io_direction direction)
{
	struct wait_token *waiter = waiter_of(i, direction);

	if (UNLIKELY(i->closed))
		return -EBADF;
	if (UNLIKELY(i->waits > 0 && wait_is_pending(*waiter)))
		return -EBUSY;
	if (i->ready & direction)
		return 0;

	*waiter = begin_for_io(direction == IO_READ ? "readable" : "writable", i);
	i->waits++;
	watch_over(i);
	int r = arm(i);
	if (UNLIKELY(r < 0))
		wait_abandon(*waiter);
	else
		r = wait_park(*waiter);
	return delist(i) ? -EBADF : r;
}

int (io_wait)(struct io *i, enum io_direction direction)
{
	int r = wait_enter();

	return r < 0 ? r : io_park(i, direction);
}
