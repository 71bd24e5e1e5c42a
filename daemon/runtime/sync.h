/* sync.h - semaphores, mutexes and gates between tasks of one loop.
 *
 * All hand over directly, first come first served: what is released goes to the longest waiter before anybody
 * else can take it, and a waiter that was cancelled at the same moment still has it (a grant wins). Nothing
 * is allocated. No waiters may be left when one is taken apart (aborts).
 */
#pragma once

#include "base/ensure.h"
#include "runtime/wait.h"

/* A counted right, such as "one of at most N connections". */
struct semaphore {
	const char *name;		/* literal, for the task table */
	size_t limit, used;
	struct list waiters;
};

void semaphore_init(struct semaphore *s, const char *name, size_t limit);
void semaphore_done(struct semaphore *s);
/* [suspends] Takes one. 0, -ECANCELED or -ETIMEDOUT. */
#define semaphore_acquire(s) AWAIT(semaphore_acquire, (s))
int (semaphore_acquire)(struct semaphore *s) _must_check_;
/* Takes one now, or returns false; does not overtake those who wait. */
static inline _must_check_ bool semaphore_try_acquire(struct semaphore *s)
{
	if (s->used >= s->limit)
		return false;
	s->used++;
	return true;
}
/* What semaphore_release() does when somebody waits. */
void semaphore_hand_over(struct semaphore *s);
static inline void semaphore_release(struct semaphore *s)
{
	ENSURE(s->used > 0, "semaphore %s is released more often than acquired", s->name);
	s->used--;
	if (UNLIKELY(!list_is_empty(&s->waiters)))
		semaphore_hand_over(s);
}
/* Changes the limit: more is handed to those who wait, less shows as rights are released. */
void semaphore_resize(struct semaphore *s, size_t limit);

/* For sections that suspend and must not be entered twice. Not recursive: locking twice gives -EDEADLK. */
struct mutex {
	const char *name;
	struct task *holder;
	struct list waiters;
};

void mutex_init(struct mutex *m, const char *name);
void mutex_done(struct mutex *m);
/* [suspends] */
#define mutex_lock(m) AWAIT(mutex_lock, (m))
int (mutex_lock)(struct mutex *m) _must_check_;
/* Aborts unless the running task holds it. */
void mutex_unlock(struct mutex *m);

/* An event that one can wait for: closed until it is opened, then open until it is closed again. */
struct gate {
	const char *name;
	bool open;
	struct list waiters;
};

void gate_init(struct gate *g, const char *name);
void gate_done(struct gate *g);
/* [suspends] Returns 0 at once while open. */
#define gate_wait(g) AWAIT(gate_wait, (g))
int (gate_wait)(struct gate *g) _must_check_;
void gate_open(struct gate *g);
void gate_close(struct gate *g);

/* -- for the modules of this layer -- */

/* [suspends] Parks the running task at the end of `waiters`. Returns the value it was woken with, -ECANCELED or
 * -ETIMEDOUT; it is in the list no more. */
int waiters_park(struct list *waiters, const char *what, const void *object) _must_check_;
/* Wakes the longest waiter that can still be woken and returns it, or NULL. Those whose wait was interrupted already
 * are passed over, so they swallow nothing. */
struct task *waiters_wake(struct list *waiters, int value);
