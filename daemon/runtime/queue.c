#include "runtime/queue.h"

#include "base/ensure.h"
#include "base/memory.h"
#include "runtime/sync.h"

/* Items wait in a ring. Tasks wait on at most one side: putters only while the ring is full, getters only while
 * it is empty and no putter is there. What a putter brings, and what a getter is given, lies in task->wait_slot. */
struct queue {
	const char *name;
	size_t capacity, first, length;
	bool closed;
	struct list putters, getters;
	void *ring[];
};

int queue_new(const char *name, size_t capacity, struct queue **ret)
{
	struct queue *q;
	size_t bytes;

	if (__builtin_mul_overflow(capacity, sizeof(q->ring[0]), &bytes) ||
	    __builtin_add_overflow(bytes, sizeof(*q), &bytes))
		return -ENOMEM;
	q = memory_new(bytes);
	if (!q)
		return -ENOMEM;
	q->name = name;
	q->capacity = capacity;
	list_init(&q->putters);
	list_init(&q->getters);
	*ret = q;
	return 0;
}

struct queue *queue_free(struct queue *q)
{
	if (!q)
		return NULL;
	ENSURE(list_is_empty(&q->putters) && list_is_empty(&q->getters), "tasks still wait on queue %s", q->name);
	return memory_free(q);
}

static void ring_append(struct queue *q, void *item)
{
	size_t at = q->first + q->length;

	q->ring[at < q->capacity ? at : at - q->capacity] = item;
	q->length++;
}

static void *ring_take_first(struct queue *q)
{
	void *item = q->ring[q->first];

	if (++q->first == q->capacity)
		q->first = 0;
	q->length--;
	return item;
}

int queue_offer(struct queue *q, void *item)
{
	struct task *getter;

	if (q->closed)
		return -EPIPE;
	getter = waiters_wake(&q->getters, 0);
	if (getter)
		getter->wait_slot = item;
	else if (q->length < q->capacity)
		ring_append(q, item);
	else
		return -EAGAIN;
	return 0;
}

int (queue_put)(struct queue *q, void *item)
{
	int r = wait_enter();

	if (r < 0)
		return r;
	r = queue_offer(q, item);
	if (r != -EAGAIN)
		return r;
	task_self()->wait_slot = item;
	return waiters_park(&q->putters, "queue has room", q);
}

/* Takes the oldest item: from the ring, where the longest waiting putter's then moves in, or from a putter. */
static bool take_item(struct queue *q, void **ret_item)
{
	void *item = NULL;
	bool stored = q->length > 0;
	struct task *putter;

	if (stored)
		item = ring_take_first(q);
	putter = waiters_wake(&q->putters, 0);
	if (stored && putter)
		ring_append(q, putter->wait_slot);
	else if (putter)
		item = putter->wait_slot;
	else if (!stored)
		return false;
	*ret_item = item;
	return true;
}

int (queue_get)(struct queue *q, void **ret_item)
{
	int r = wait_enter();

	if (r < 0)
		return r;
	if (take_item(q, ret_item))
		return 0;
	if (q->closed)
		return -EPIPE;
	r = waiters_park(&q->getters, "queue has an item", q);
	if (r < 0)
		return r;
	*ret_item = task_self()->wait_slot;
	return 0;
}

void queue_close(struct queue *q)
{
	q->closed = true;
	while (waiters_wake(&q->putters, -EPIPE))
		;
	while (waiters_wake(&q->getters, -EPIPE))
		;
}

size_t queue_length(const struct queue *q)
{
	return q->length;
}
