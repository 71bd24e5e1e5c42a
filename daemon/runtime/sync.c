#include "runtime/sync.h"

int waiters_park(struct list *waiters, const char *what, const void *object)
{
	struct task *t = task_self();
	struct wait_token w = wait_begin(what, object);
	int r;

	list_append(waiters, &t->wait_node);
	r = wait_park(w);
	list_remove(&t->wait_node);
	return r;
}

struct task *waiters_wake(struct list *waiters, int value)
{
	struct list *node;

	while ((node = list_take_first(waiters))) {
		struct task *t = list_entry(node, struct task, wait_node);

		/* A task is in the list only during the wait that put it there, so its present wait is the one. */
		if (wait_wake((struct wait_token) { t, t->wait_sequence }, value))
			return t;
	}
	return NULL;
}

void semaphore_init(struct semaphore *s, const char *name, size_t limit)
{
	*s = (struct semaphore) { .name = name, .limit = limit };
	list_init(&s->waiters);
}

void semaphore_done(struct semaphore *s)
{
	ENSURE(list_is_empty(&s->waiters), "tasks still wait for semaphore %s", s->name);
}

/* What is free goes to those who wait, so that nothing is free while anybody waits. */
void semaphore_hand_over(struct semaphore *s)
{
	while (s->used < s->limit && waiters_wake(&s->waiters, 0))
		s->used++;
}

int (semaphore_acquire)(struct semaphore *s)
{
	int r = wait_enter();

	if (r < 0)
		return r;
	if (semaphore_try_acquire(s))
		return 0;
	return waiters_park(&s->waiters, "semaphore", s);
}

void semaphore_resize(struct semaphore *s, size_t limit)
{
	s->limit = limit;
	semaphore_hand_over(s);
}

void mutex_init(struct mutex *m, const char *name)
{
	*m = (struct mutex) { .name = name };
	list_init(&m->waiters);
}

void mutex_done(struct mutex *m)
{
	ENSURE(!m->holder, "mutex %s is still held by task %s", m->name, m->holder->name);
	ENSURE(list_is_empty(&m->waiters), "tasks still wait for mutex %s", m->name);
}

int (mutex_lock)(struct mutex *m)
{
	struct task *self = task_self();
	int r = wait_enter();

	if (r < 0)
		return r;
	if (m->holder == self)
		return -EDEADLK;
	if (m->holder)
		return waiters_park(&m->waiters, "mutex", m);
	m->holder = self;
	return 0;
}

void mutex_unlock(struct mutex *m)
{
	ENSURE(m->holder, "mutex %s is unlocked but not held", m->name);
	ENSURE(m->holder == task_self(), "mutex %s is unlocked by task %s but held by task %s", m->name,
	       task_self()->name, m->holder->name);
	m->holder = waiters_wake(&m->waiters, 0);
}

void gate_init(struct gate *g, const char *name)
{
	*g = (struct gate) { .name = name };
	list_init(&g->waiters);
}

void gate_done(struct gate *g)
{
	ENSURE(list_is_empty(&g->waiters), "tasks still wait at gate %s", g->name);
}

int (gate_wait)(struct gate *g)
{
	int r = wait_enter();

	if (r < 0)
		return r;
	return g->open ? 0 : waiters_park(&g->waiters, "gate", g);
}

void gate_open(struct gate *g)
{
	g->open = true;
	while (waiters_wake(&g->waiters, 0))
		;
}

void gate_close(struct gate *g)
{
	g->open = false;
}
