/* pipe.h - kernel buffers that bytes are spliced through, borrowed while they hold some.
 *
 * A pipe costs two descriptors, and the kernel lets a user have only so many pages in them. So the pool lends a
 * bounded number, never makes anybody wait, and whoever gets none copies. It keeps used pipes, the hottest on top,
 * only for those who are splicing at present: when the last of them has left, no descriptor is kept.
 */
#pragma once

#include "base/base.h"

/* Zeroed, it is ready; with nobody in it and nothing lent it owns nothing. It outlives those who use it. */
struct pipe_pool {
	struct pipe *free;
	size_t kept;			/* in `free` */
	size_t lent;
	size_t users;			/* who splice at present */
};

struct pipe {
	struct pipe_pool *pool;
	struct pipe *next;
	int read_fd, write_fd;
	size_t size_bytes;		/* what one splice into it can bring at most */
	size_t length;			/* bytes in it */
};

/* Somebody begins and ends to splice, and will ask for a pipe again and again in between. */
void pipe_pool_join(struct pipe_pool *pool);
void pipe_pool_leave(struct pipe_pool *pool);

/* How many descriptors all pipes of a pool take at most, for whoever shares them out: it follows the limit of this
 * process. */
size_t pipe_pool_fds(void);

/* An empty pipe, now the caller's; NULL when there is none to be had. */
struct pipe *pipe_try_get(struct pipe_pool *pool) _must_check_;
/* Gives it back. With bytes in it it is closed, and they are lost. NULL is fine. Returns NULL. */
struct pipe *pipe_put(struct pipe *p);
/* Bytes out of it, or -errno. */
ssize_t pipe_read(struct pipe *p, void *buffer, size_t length) _must_check_;
