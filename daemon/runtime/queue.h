/* queue.h - a bounded queue of pointers between tasks, with an end.
 *
 * First in, first out, and first come, first served on both sides. An item handed to a task that is
 * cancelled at the same moment is still returned to it.
 */
#pragma once

#include "runtime/wait.h"

struct queue;

/* A queue for `capacity` items (0: every put waits for its get). -ENOMEM. `name` is a literal. */
int queue_new(const char *name, size_t capacity, struct queue **ret) _must_check_;
/* Nobody may wait on it any more (aborts). Items left in it stay the caller's to free: take them out first.
 * Returns NULL. */
struct queue *queue_free(struct queue *q);
DEFINE_CLEANUP(struct queue *, queue_free)
/* [suspends] while full. 0: the queue has the item now. -EPIPE: closed; -ECANCELED, -ETIMEDOUT: the caller
 * still has it. */
#define queue_put(q, item) AWAIT(queue_put, (q, item))
int (queue_put)(struct queue *q, void *item) _must_check_;
/* Puts without waiting: 0, -EAGAIN when full, -EPIPE. */
int queue_offer(struct queue *q, void *item) _must_check_;
/* [suspends] while empty. -EPIPE: closed and drained. */
#define queue_get(q, ret) AWAIT(queue_get, (q, ret))
int (queue_get)(struct queue *q, void **ret_item) _must_check_;
/* Nothing can be put any more; what is in it can still be taken. Waiting putters get -EPIPE. */
void queue_close(struct queue *q);
size_t queue_length(const struct queue *q);
