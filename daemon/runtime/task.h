/* task.h - the wrapper that the loop schedules: a coroutine with a name, a group, counters and a fate.
 *
 * The contract of the runtime stands in runtime.h. A task belongs to a group (group.h) and ends by
 * returning from its function. struct task is public for the modules of this layer and for those who
 * show tasks; everybody else uses the functions.
 */
#pragma once

#include "base/base.h"
#include "base/list.h"
#include "coro/coro.h"
#include "runtime/wheel.h"

#define TASK_NAME_BYTES 32

/* What a task does: 0 or more is success, -errno why it failed. */
typedef int task_fn(void *arg);

struct task;
struct task_group;
struct deadline;
struct wait_pump;

/* Where a task waits, in the source: static data, one per await (see AWAIT in wait.h). */
struct wait_site {
	const char *call;	/* "stream_read" */
	const char *file;
	int line;
};

enum task_state {
	TASK_FREE,		/* in the slab's free list */
	TASK_NEW,		/* in the ready queue, never run */
	TASK_READY,		/* in the ready queue */
	TASK_RUNNING,		/* is task_self(), or runs on the main stack for it */
	TASK_WAITING,		/* in no queue of the loop; a wait token of it is out */
	TASK_DONE,		/* has returned; about to be taken apart */
};

/* A task as it can be named from outside: stays harmless after the task has ended. */
struct task_handle {
	struct task *task;
	uint64_t id;
};

struct task {
	/* what a message touches comes first, in five cache lines */
	struct list ready_node;			/* loop's ready queue */
	enum task_state state : 8;
	bool cancelled : 1;
	bool uninterruptible : 1;		/* the present wait ends only when its wake comes */
	bool wake_pending : 1;			/* woken before it parked */
	bool shielded : 1;			/* the present wait cannot be ended by a cancel */
	bool interrupted : 1;			/* the wait was ended by a cancel or a deadline, not by its wake */
	bool lends_stack : 1;			/* a pool thread may write to it: it must not be put to sleep */
	bool waits_for_io : 1;			/* wait_object is a struct io, which lasts until the task has run */
	bool retires : 1;			/* its pump does, see struct wait_pump */
	bool retired : 1;			/* and was told so: it is resumed */
	uint8_t no_suspend;			/* depth of NOSUSPEND sections */
	int8_t budget_operations;
	int budget_bytes;
	int wake_value;
	uint32_t longest_slice_ns;		/* or UINT32_MAX, for four seconds and more */
	int result;
	uint64_t wait_sequence;			/* names the present wait; never repeats in this slot */
	struct coro coro;
	struct wait_pump *pump;			/* runs in its place when it is woken, or NULL */

	int64_t calm_until_ns;			/* no [suspends] call has a reason to fail before this instant */
	struct deadline *deadlines;		/* innermost first */
	int64_t outer_until_ns;			/* nearest instant of all but the innermost; INT64_MIN: unknown */
	int64_t wait_until_ns;			/* what the nearest scope said when it parked, or FOREVER */
	int64_t wait_since_ns;
	int64_t waited_ns;			/* all its waits that have ended, added up */
	int64_t run_ns;
	uint64_t switches;
	uint64_t received_bytes, sent_bytes;
	const char *wait_what;			/* "readable", "semaphore": literal */
	const void *wait_object;
	const struct wait_site *wait_site;
	struct wheel_timer timer;		/* lazy: may be set for earlier than wait_until_ns */

	struct list wait_node;			/* in the waiters of one semaphore, mutex, queue or gate */
	union {
		task_fn *fn;			/* what it shall run, until it begins */
		void *wait_slot;		/* what a hand-over brings, or what is to be handed over */
	};
	void *arg;
	struct task_group *group;
	struct list group_node;
	struct task_group *groups;		/* open groups that this task owns, the newest first */
	struct list all_node;

	uint64_t id;				/* never reused */
	uint64_t parent_id;
	char name[TASK_NAME_BYTES];
	const struct wait_site *spawn_site;
	int64_t created_ns;
};

_noreturn_ void task_none_runs(void);
extern _Thread_local struct task *task_running;	/* NULL on pool threads, which run none */
/* The running task, or NULL outside of one (the main context, an executor thread). */
static inline struct task *task_current(void)
{
	return task_running;
}
/* The running task. Aborts outside of one. */
static inline struct task *task_self(void)
{
	if (UNLIKELY(!task_running))
		task_none_runs();
	return task_running;
}

/* Starts fn(arg) in `group`; it first runs on a later turn of the ready queue (spawning never switches).
 * `name` is copied; `arg` is borrowed until the task has returned. *ret_handle may be NULL. Returns 0,
 * -ECANCELED when the group is closing or cancelled, -EAGAIN when there are loop_options.max_tasks tasks,
 * -ENOMEM. */
#define task_spawn(group, name, fn, arg, ret_handle)                                                       \
	task_spawn_at(({                                                                                   \
			      static const struct wait_site spawned_at_ = { "task_spawn", __FILE__, __LINE__ }; \
			      &spawned_at_;                                                                \
		      }),                                                                                  \
		      group, name, fn, arg, ret_handle)
int task_spawn_at(const struct wait_site *site, struct task_group *group, const char *name, task_fn *fn, void *arg,
		  struct task_handle *ret_handle) _must_check_;

/* Asks a task to end: from now on all its [suspends] calls fail with -ECANCELED. One that never ran never
 * starts. Harmless on a task that has ended, safe to repeat, safe on oneself. Does not suspend. */
void task_cancel(struct task_handle h);
struct task_handle task_handle_self(void);
bool task_is_alive(struct task_handle h);
/* Renames the running task. */
void task_rename(const char *name);

/* 0, -ECANCELED or -ETIMEDOUT: what the next [suspends] call would fail with. For long computations. */
int task_check(void);

/* [suspends] Lets everything else that is ready run once, and the sockets be looked at. */
#define task_yield() AWAIT(task_yield, ())
int (task_yield)(void) _must_check_;

/* How long the running task has waited in its life, in nanoseconds: what a call adds to it is the time that it spent
 * waiting, for wait ledgers. */
static inline int64_t task_waited_ns(void)
{
	return task_self()->waited_ns;
}

/* A section that must not suspend, such as while a foreign library's lock is held: a breach aborts by name. */
void task_nosuspend_begin(int *scope);
void task_nosuspend_end(int *scope);
#define NOSUSPEND(name) _cleanup_(task_nosuspend_end) int name; task_nosuspend_begin(&name)

const char *task_state_name(enum task_state state);

/* How many tasks live. */
size_t task_count(void);
/* Calls fn for each live task, oldest first. fn must not suspend nor spawn. */
void task_each(void (*fn)(const struct task *t, void *context), void *context);

/* Used by the loop and the modules of this layer. */
/* Fetches what the first tasks of the ready queue will touch, before any of them runs. */
#define TASKS_WARMED 8
void task_warm_up(const struct list *ready);
/* Gives the memory of a waiting task's stack back until it is woken, unless something outside may point into it: that
 * is so while it owns a group, or a pool thread borrows from it. */
void task_sleep(struct task *t);
/* For tests: from now on tasks sleep as soon as they wait, so that whoever looks into a parked stack is found. */
void task_set_drowsy(bool on);
/* Takes a task apart that was cancelled before it ever ran: then true. */
bool task_is_stillborn(struct task *t);
/* Whether its pump runs in its place. */
static inline bool task_is_pumped(const struct task *t)
{
	return t->pump && !t->interrupted && !t->retired;
}
/* Its turn comes: task_enter() or task_begin_pump() has to follow. */
void task_begin_slice(struct task *t);
/* Runs the task until it suspends or ends, charges the time since the clock was last read, and takes it apart when it
 * has ended. No pump may have begun and not finished: what runs here might see, or end, what is half done. */
void task_enter(struct task *t);
/* False: there is nothing to wait for before task_finish_pump(), which has to follow in any case. */
bool task_begin_pump(struct task *t) _must_check_;
/* True: the task waits again, and task_charge_pump() has to follow. False: task_enter() has to. */
bool task_finish_pump(struct task *t) _must_check_;
/* `slice_ns` is what the pump has taken. */
void task_charge_pump(struct task *t, int64_t slice_ns);
/* Frees the memory that tasks are kept in. None may live. */
void task_pool_done(void);
