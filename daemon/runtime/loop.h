/* loop.h - the event loop: the only file that knows libevent, and the owner of time.
 *
 * A turn looks at the sockets (waiting only when nothing is ready), lets due timers fire, and then runs
 * the tasks that were ready by then; what becomes ready meanwhile runs in the next turn. Callbacks mark,
 * queue and return. There is one loop per process, on the thread that opened it.
 */
#pragma once

#include "runtime/task.h"

struct loop_options {
	size_t max_tasks;		/* 0: 1,000,000 */
	bool virtual_clock;		/* for tests: time stands still while anything can run, then jumps */
	int64_t stall_warn_ms;		/* 0: off */
	/* Called after a slice that took longer than that. Does not suspend. */
	void (*on_stall)(const struct task *t, int64_t slice_ns);
};

/* -EBUSY when there is a loop already, -ENOMEM, -errno. Ignores SIGPIPE. */
int loop_open(const struct loop_options *options) _must_check_;
/* All tasks must have ended. Joins the executor's threads, frees every pool. */
void loop_close(void);
/* Runs fn(arg) as the root task, and whatever it spawns, until it has returned. Returns its result. In
 * virtual time a state in which everybody waits for ever aborts with the task table. */
int loop_run(const char *name, task_fn *fn, void *arg);

/* Instants of the loop's clock, read once per turn and after every slice. */
extern int64_t loop_clock_ns;		/* read it by time_now_ns() */
static inline int64_t time_now_ns(void)
{
	return loop_clock_ns;
}
int64_t time_now_ms(void);
/* Reads the clock anew: for measurements within a slice. */
int64_t time_read_ns(void);
/* Seconds since 1970, for what has a date. Virtual time moves it along from where it was when the loop was
 * opened. Good without a loop too. */
int64_t time_wall_s(void);
/* [suspends] 0 after ms milliseconds; -ECANCELED, -ETIMEDOUT. 0 yields. */
#define sleep_for(ms) AWAIT(sleep_for, (ms))
int (sleep_for)(int64_t ms) _must_check_;

/* Changes loop_options.stall_warn_ms. */
void loop_set_stall_warn(int64_t ms);

struct loop_counters {
	uint64_t turns, polls, slices, wakes;
	int64_t longest_slice_ns;
};
const struct loop_counters *loop_counters(void);
/* "epoll", "poll", "select": the back end in use. */
const char *loop_backend(void);
/* Descriptors from this number on cannot be waited for (-EMFILE): select(2) has room for FD_SETSIZE. */
size_t loop_max_fds(void);

/* -- for the modules of this layer -- */

/* What every message touches. */
extern struct loop_hot {
	struct list ready;		/* the ready queue */
	bool edge_triggered;
	struct loop_counters counters;
} loop_hot;

/* Whether the back end tells of changes only, and so needs no arming. */
static inline bool loop_is_edge_triggered(void)
{
	return loop_hot.edge_triggered;
}

/* A registration with libevent: an opaque struct event. */
#define LOOP_EVENT_BYTES 128
struct loop_event {
	_Alignas(8) unsigned char opaque[LOOP_EVENT_BYTES];
};
typedef void loop_event_fn(int fd, short what, void *arg);
/* `mask` of IO_READ and IO_WRITE. Persistent edge-triggered where the back end can, else prepared only. */
int loop_event_add(struct loop_event *e, int fd, loop_event_fn *fn, void *arg) _must_check_;
/* Level-triggered back ends: watches for `mask` until it happens once. */
int loop_event_arm(struct loop_event *e, unsigned mask) _must_check_;
void loop_event_remove(struct loop_event *e);
/* What an event callback's `what` says, as a mask of io_direction, and LOOP_PEER_ENDED when the peer is known
 * to have finished (edge-triggered back ends only). */
#define LOOP_PEER_ENDED 4
unsigned loop_event_mask(short what);

/* Appends the task to the ready queue. */
static inline void loop_ready(struct task *t)
{
	list_append(&loop_hot.ready, &t->ready_node);
	loop_hot.counters.wakes++;
}
/* Reads the clock anew, and returns by how much it has moved since it was read last. */
int64_t loop_lap_ns(void);
/* Charges so much time to the task, and warns of a stall. */
void loop_account_slice(struct task *t, int64_t slice_ns);
/* Notes how long the loop was kept, and warns when it was too long. */
void loop_watch_for_stall(const struct task *t, int64_t slice_ns);
size_t loop_max_tasks(void);
/* The tick of the wheel by which that instant has passed, and setting a timer for it. */
int64_t loop_timer_ms(int64_t at_ns);
void loop_set_timer(struct wheel_timer *t, int64_t at_ns);
struct wheel *loop_wheel(void);
/* Tells the loop that something outside it (an executor job) will wake a task: virtual time waits for it. */
void loop_expect_outside(int change);
