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

struct io;

/* Takes over a non-blocking descriptor. On failure (-ENOMEM, -errno of epoll_ctl) the descriptor stays the
 * caller's. */
int io_new(int fd, struct io **ret) _must_check_;
/* Wakes the waiters with -EBADF, then closes the descriptor. NULL is fine. Returns NULL. */
struct io *io_free(struct io *i);
DEFINE_CLEANUP(struct io *, io_free)
/* The same, but hands the descriptor back instead of closing it. */
int io_detach(struct io *i);
int io_fd(const struct io *i);

/* [suspends] Until the descriptor is ready in that direction (it may turn out not to be: try, and
 * io_drained()). 0, -EBUSY when another task waits in that direction, -EBADF when it was closed meanwhile,
 * -ECANCELED, -ETIMEDOUT. */
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

/* True while the direction is believed to be ready. */
bool io_is_ready(const struct io *i, enum io_direction direction);
/* The direction has just shown EAGAIN: wait for the next event. */
void io_drained(struct io *i, enum io_direction direction);
/* A read was shorter than its buffer: taken as drained without asking again, unless the peer's end is known
 * to be there too. Because a reset that arrives together with data is not reported a second time, such a
 * descriptor gets one confirming look when it has been quiet for a moment. */
void io_read_short(struct io *i);

/* -- used by loop_close() -- */
void io_pool_done(void);
