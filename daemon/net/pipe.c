#include "net/pipe.h"

#include "base/ensure.h"
#include "base/memory.h"
#include "net/fd.h"

/* What a pipe shall hold: the larger, the fewer turns for the same bytes, and the longer a turn. */
#define PIPE_BYTES (512 * 1024)
/* The size that pipes have by themselves. One that the kernel has made smaller, because this user has too many,
 * pipe(7), is worse than copying. */
#define PIPE_BYTES_MIN (64 * 1024)
/* Lent at most: half of the pages that a user may have in pipes before the kernel becomes sparing. */
#define PIPES_LENT 64
/* Kept at most, however many splice. */
#define PIPES_KEPT 16
/* At most one descriptor in so many goes into pipes that are lent. */
#define DESCRIPTOR_SHARE 16

static void pipe_close(struct pipe *p)
{
	fd_close(p->read_fd);
	fd_close(p->write_fd);
	memory_free(p);
}

static void keep_at_most(struct pipe_pool *pool, size_t kept)
{
	while (pool->kept > kept) {
		struct pipe *p = pool->free;

		pool->free = p->next;
		pool->kept--;
		pipe_close(p);
	}
}

void pipe_pool_join(struct pipe_pool *pool)
{
	pool->users++;
}

void pipe_pool_leave(struct pipe_pool *pool)
{
	ENSURE(pool->users > 0, "more have left the pool of pipes than have joined it");
	pool->users--;
	keep_at_most(pool, pool->users);
}

static struct pipe *pipe_new(struct pipe_pool *pool)
{
	struct pipe *p = memory_new_object(struct pipe);
	int ends[2];

	if (!p)
		return NULL;
	if (fd_pipe(ends) < 0) {
		memory_free(p);
		return NULL;
	}
	p->pool = pool;
	p->read_fd = ends[0];
	p->write_fd = ends[1];

	int size_bytes = fd_resize_pipe(p->write_fd, PIPE_BYTES);
	if (size_bytes < PIPE_BYTES_MIN) {
		pipe_close(p);
		return NULL;
	}
	p->size_bytes = (size_t) size_bytes;
	return p;
}

static size_t lent_at_most(void)
{
	return MIN((size_t) PIPES_LENT, fd_limit() / DESCRIPTOR_SHARE / 2);
}

size_t pipe_pool_fds(void)
{
	return 2 * lent_at_most();
}

struct pipe *pipe_try_get(struct pipe_pool *pool)
{
	struct pipe *p = pool->free;

	if (p) {
		pool->free = p->next;
		pool->kept--;
	} else if (pool->lent < lent_at_most()) {
		p = pipe_new(pool);
	}
	if (p)
		pool->lent++;
	return p;
}

struct pipe *pipe_put(struct pipe *p)
{
	if (!p)
		return NULL;

	struct pipe_pool *pool = p->pool;
	pool->lent--;
	if (p->length > 0) {
		pipe_close(p);
		return NULL;
	}
	p->next = pool->free;
	pool->free = p;
	pool->kept++;
	keep_at_most(pool, MIN(pool->users, (size_t) PIPES_KEPT));
	return NULL;
}

ssize_t pipe_read(struct pipe *p, void *buffer, size_t length)
{
	ssize_t n = fd_read_pipe(p->read_fd, buffer, length);

	if (n > 0)
		p->length -= (size_t) n;
	return n;
}
