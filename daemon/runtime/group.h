/* group.h - a scope of tasks.
 *
 *	TASK_GROUP(pumps, GROUP_ALL);
 *	r = task_spawn(&pumps, "upload", upload, &job, NULL);
 *	...
 *	return group_wait(&pumps);
 *
 * Leaving the block cancels the members still running and waits for them, even when the owner is itself cancelled,
 * so members may borrow whatever was declared before the group. There are no tasks without a group.
 */
#pragma once

#include "runtime/task.h"
#include "runtime/wait.h"

enum group_policy {
	GROUP_ALL,		/* wait for all; the first failure cancels the rest and is the outcome */
	GROUP_ANY,		/* the first to end, well or badly, is the outcome and cancels the rest */
	GROUP_EACH,		/* members fail alone: for long-lived crowds, such as all connections */
};

/* Fields are private. */
struct task_group {
	const char *name;
	enum group_policy policy;
	struct task *owner;			/* NULL only for the loop's root group */
	struct task_group *next_of_owner;	/* in owner->groups */
	struct list members;
	size_t count;
	size_t failed;				/* members that returned an error, ever */
	int outcome;				/* fixed when decided */
	bool decided;
	bool cancelled;				/* nobody may join any more */
	struct wait_token waiter;		/* the owner, waiting for it to empty */
};

#define TASK_GROUP(g, policy) _cleanup_(group_close) struct task_group g; group_init(&g, #g, (policy))

/* `name` is a literal. The running task becomes the owner. */
void group_init(struct task_group *g, const char *name, enum group_policy policy);
/* [suspends] Waits until every member has ended and returns the outcome: 0, or the failure that decided;
 * GROUP_ANY: the result of the first to end. -ECANCELED and -ETIMEDOUT of the owner come back too, with
 * members left. */
#define group_wait(g) AWAIT(group_wait, (g))
int (group_wait)(struct task_group *g) _must_check_;
/* Marks all members cancelled at once; nobody can join from now on. Does not suspend, does not wait. The
 * outcome of an undecided group becomes -ECANCELED. */
void group_cancel(struct task_group *g);
/* [suspends] Cancels and waits. Cannot fail, nor be cancelled, nor time out. Afterwards the object may go. */
void group_close(struct task_group *g);
static inline size_t group_count(const struct task_group *g)
{
	return g->count;
}

/* -- used by task.c -- */
void group_task_ended(struct task_group *g, struct task *t);
