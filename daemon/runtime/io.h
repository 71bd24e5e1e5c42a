/* io.h - waiting for a file descriptor.
 *
 * A descriptor is registered with the loop once, for both directions and edge-triggered, and stays so until
 * it is closed: no system call per wait. The readiness bits are sticky: set by an event, cleared by whoever
 * met EAGAIN or a short transfer (io_drained()). Where the back end has no edges (poll, select), the same
 * interface arms a level-triggered event per wait. One waiter per direction.
 */
#pragma once

#include "runtime/wait.h"

enum io_direction { IO_READ = 1, IO_WRITE = 2 };	/* also a mask */

/* Fields are private. */
struct io {
	int fd;
	uint8_t ready;			/* mask of io_direction, sticky */
	uint8_t waits;			/* tasks inside a wait for it: one per direction at most */
	bool peer_ended : 1;		/* its end is in the socket, behind what there is to read */
	bool closed : 1;		/* freed, but a waiter has yet to leave */
	bool lively : 1;		/* it was waited for since the last look of the watch */
	bool unconfirmed : 1;		/* taken as drained without having shown EAGAIN */
	struct wait_token waiters[2];	/* by direction */
	struct list watch_node;		/* linked while the watch looks at it */
	struct loop_event event;
};

/* Takes over a non-blocking descriptor. On failure (-ENOMEM, -errno of epoll_ctl) the descriptor stays the
 * caller's. */
int io_new(int fd, struct io **ret) _must_check_;
/* The same for an io that is the first member of an object of memory_new(): io_free() frees that object whole, at
 * once or when the last waiter has left. On failure the object stays the caller's. */
int io_init(struct io *i, int fd) _must_check_;
/* Wakes the waiters with -EBADF, then closes the descriptor. NULL is fine. Returns NULL. */
struct io *io_free(struct io *i);
DEFINE_CLEANUP(struct io *, io_free)
/* The same, but hands the descriptor back instead of closing it. */
int io_detach(struct io *i);
static inline int io_fd(const struct io *i)
{
	return i->fd;
}

/* [suspends] Until the descriptor is ready in that direction (it may turn out not to be: try, and
 * io_drained()). 0, -EBUSY when another task waits in that direction, -ECANCELED, -ETIMEDOUT, or -EBADF when it was
 * closed meanwhile: that outranks the others, because the io, and what it is the first member of, may be gone. */
#define io_wait(i, direction) AWAIT(io_wait, (i, direction))
int (io_wait)(struct io *i, enum io_direction direction) _must_check_;

/* [suspends] The same for functions that have called wait_enter() themselves: it is not entered, nor charged,
 * twice. */
int io_park(struct io *i, enum io_direction direction) _must_check_;

/* One park for several: until any of the wanted directions of any of the descriptors is ready. Each .ready is
 * then the mask of what is. Same results as io_wait(). */
struct io_want {
	struct io *io;
	unsigned want;			/* mask of io_direction; 0 is fine */
	unsigned ready;
};
#define io_wait_any(wants, count) AWAIT(io_wait_any, (wants, count))
int (io_wait_any)(struct io_want *wants, size_t count) _must_check_;
/* [suspends] The same for functions that have called wait_enter() themselves, or look at nothing before they park. */
int io_park_any(struct io_want *wants, size_t count) _must_check_;

/* Called on the main stack when one of the wants is ready: does what can be done without suspending. True: it has set
 * the wants anew, to go on waiting for. False: the task shall be resumed. See struct wait_pump. */
typedef bool io_pump_fn(void *arg);
/* The caller sets wants, count, fn, perhaps begin, and arg; the rest is private. It has to last as long as the wait.
 * Where it and the wants do not lie on the stack of the task, nor what fn touches, a message costs no look there: of
 * a thousand connections each of those is a cold page. */
struct io_pump {
	struct wait_pump pump;
	struct io_want *wants;
	size_t count;
	io_pump_fn *fn;
	io_pump_fn *begin;		/* NULL, or what reads and leaves the writing to fn: see struct wait_pump */
	void *arg;
	bool listed;			/* the wants know of the present wait */
	int left;			/* what leaving it came to, when it was last left */
};
/* [suspends] io_park_any() that lets the pump run in the task's place as long as it says so. WAIT_RETIRED: it was
 * quiet for a while, and the pump retires. */
int io_park_any_pumped(struct io_pump *p) _must_check_;

/* True while the direction is believed to be ready. */
static inline bool io_is_ready(const struct io *i, enum io_direction direction)
{
	return i->ready & direction;
}
/* True when events told of room to write and of nothing besides, thus of neither an error nor a hang-up, which
 * count as both directions. So a connect in progress shows that it is done, if both were drained when it began.
 * Known only where there are edges; false elsewhere. */
static inline bool io_may_only_write(const struct io *i)
{
	return loop_is_edge_triggered() && i->ready == IO_WRITE;
}
/* The direction has just shown EAGAIN: wait for the next event. */
static inline void io_drained(struct io *i, enum io_direction direction)
{
	i->ready &= ~direction;
}
/* A read was shorter than its buffer: taken as drained without asking again, unless the peer's end is known
 * to be there too. Because a reset that arrives together with data is not reported a second time, such a
 * descriptor gets one confirming look when it has been quiet for a moment. */
static inline void io_read_short(struct io *i)
{
	/* The end came with the data: there will be no other edge for it. */
	if (UNLIKELY(i->peer_ended))
		return;
	i->ready &= ~IO_READ;
	i->unconfirmed = true;
}

/* -- used by the loop -- */
/* Wakes the tasks whose descriptors were reported by the poll that has just been made. */
void io_wake_reported(void);
void io_pool_done(void);
