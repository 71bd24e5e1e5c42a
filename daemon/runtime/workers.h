/* workers.h - a set of threads that run jobs one after another: the half of the executor that knows pthreads.
 *
 * Everything here is called from the loop's thread and takes the set's lock for a moment. Results lie in one
 * list; the eventfd is written when that list was empty.
 */
#pragma once

#include "base/list.h"
#include "runtime/executor.h"

/* One call of fn. Belongs to its task until that has the result or leaves it behind. */
struct job {
	struct list node;		/* among the queued or the done */
	enum executor_class class;
	const char *what;
	executor_fn *fn;
	void *arg;
	int result;
	bool begun;			/* under the lock */

	/* the loop's thread only */
	struct wait_token waiter;
	bool ended;			/* the result is there */
	void (*drop)(void *arg);	/* set when the task has left it behind */
};

struct workers;

/* Opens the eventfd; starts nothing yet. 0, -ENOMEM, -errno. */
int workers_new(unsigned most, struct workers **ret) _must_check_;
int workers_event_fd(const struct workers *p);
/* Queues a job, and starts a thread for it unless one is idle. -EAGAIN when there is none and none can be started. */
int workers_submit(struct workers *p, struct job *job) _must_check_;
/* Takes a job out of the queue again. False when a thread has begun it. */
bool workers_take_back(struct workers *p, struct job *job);
/* Moves the jobs that have ended to the end of `to`. */
void workers_collect(struct workers *p, struct list *to);
/* Fills in .threads, .queued and .running. */
void workers_count(struct workers *p, struct executor_counters *counters);
/* Ends the intake and moves the queued jobs to the end of `to`. */
void workers_close(struct workers *p, struct list *to);
/* After workers_close(): waits up to `ms` of real time for the running jobs, joins the threads, reports those that
 * did not end and leaves them alone. Returns how many these were. */
unsigned workers_join(struct workers *p, int64_t ms, void (*report)(const char *what, int64_t age_ms));
/* After workers_join(): closes the eventfd and gives the set up; a thread left alone keeps the memory.
 * Returns NULL. */
struct workers *workers_free(struct workers *p);
