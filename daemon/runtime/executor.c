#include "runtime/executor.h"

#include "base/ensure.h"
#include "base/memory.h"
#include "runtime/io.h"
#include "runtime/loop.h"
#include "runtime/sync.h"
#include "runtime/workers.h"

#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>

#define THREADS_DEFAULT 4

static struct {
	bool configured;
	bool closed;			/* no job is taken any more */
	unsigned most_threads;
	unsigned processors;
	struct semaphore turn;		/* of the loop, for a job that it runs itself */
	struct semaphore slots[EXECUTOR_CLASSES];
	struct workers *workers;	/* from the first job on */
	struct loop_event event;
	unsigned abandoned[EXECUTOR_CLASSES];
	uint64_t done[EXECUTOR_CLASSES];
} executor;

static unsigned count_processors(void)
{
	cpu_set_t set;

	/* More than fit into the set are more than one. */
	return sched_getaffinity(0, sizeof(set), &set) < 0 ? 2 : (unsigned) CPU_COUNT(&set);
}

/* A burst of handshakes may keep all processors busy but one, which is left to the loop. Slow name servers
 * keep half of the threads. */
static size_t default_limit(enum executor_class class)
{
	switch (class) {
	case EXECUTOR_CRYPTO:
		return MIN(MAX(executor.processors, 2u) - 1, executor.most_threads);
	case EXECUTOR_DNS:
		return MAX(executor.most_threads / 2, 1u);
	default:
		return executor.most_threads;
	}
}

void executor_configure(const struct executor_options *options)
{
	executor.processors = options->processors ? options->processors : count_processors();
	if (!executor.workers)
		executor.most_threads = options->threads ? options->threads : THREADS_DEFAULT;

	for (size_t i = 0; i < EXECUTOR_CLASSES; i++) {
		size_t limit = options->limit[i];

		if (limit == 0)
			limit = default_limit(i);
		if (executor.configured)
			semaphore_resize(&executor.slots[i], limit);
		else
			semaphore_init(&executor.slots[i], "executor", limit);
	}
	if (!executor.configured)
		semaphore_init(&executor.turn, "turn of the loop", 1);
	executor.configured = true;
}

/* -- results -- */

/* Says to the job's task that it need not wait any longer. */
static void settle(struct job *job)
{
	semaphore_release(&executor.slots[job->class]);
	if (job->drop) {
		executor.abandoned[job->class]--;
		job->drop(job->arg);
		memory_free(job);
		return;
	}
	loop_expect_outside(-1);
	job->ended = true;
	wait_wake(job->waiter, 0);
}

static void collect(void)
{
	struct list taken = LIST_INIT(taken);
	struct list *node;

	workers_collect(executor.workers, &taken);
	while ((node = list_take_first(&taken))) {
		struct job *job = list_entry(node, struct job, node);

		executor.done[job->class]++;
		settle(job);
	}
}

static void results_arrived(int fd, short what, void *arg)
{
	(void) what;
	(void) arg;
	/* With edges every write is reported, read or not, and reading would cause an edge of its own. */
	if (!loop_is_edge_triggered()) {
		eventfd_t count;

		(void) eventfd_read(fd, &count);
		ENSURE(loop_event_arm(&executor.event, IO_READ) == 0, "libevent cannot re-arm an event");
	}
	collect();
}

/* -- jobs -- */

static int open_workers(void)
{
	struct workers *workers;

	if (executor.workers)
		return 0;
	int r = workers_new(executor.most_threads, &workers);
	if (r < 0)
		return r;

	r = loop_event_add(&executor.event, workers_event_fd(workers), results_arrived, NULL);
	if (r < 0) {
		workers_free(workers);
		return r;
	}
	r = loop_event_arm(&executor.event, IO_READ);
	if (r < 0) {
		loop_event_remove(&executor.event);
		workers_free(workers);
		return r;
	}
	executor.workers = workers;
	return 0;
}

static void configure_by_default(void)
{
	if (!executor.configured)
		executor_configure(&(struct executor_options) { 0 });
}

/* [suspends] Until the class has room. */
static int admit(enum executor_class class)
{
	configure_by_default();
	int r = (semaphore_acquire)(&executor.slots[class]);
	if (r < 0)
		return r;
	r = executor.closed ? -ESHUTDOWN : task_check();
	if (r < 0)
		semaphore_release(&executor.slots[class]);
	return r;
}

static int submit(struct job *job)
{
	int r = open_workers();
	if (r < 0)
		return r;
	r = workers_submit(executor.workers, job);
	if (r == 0)
		loop_expect_outside(+1);
	return r;
}

/* [suspends] Queues fn(arg) once its class has room. */
static int start(enum executor_class class, const char *what, executor_fn *fn, void *arg, struct job **ret)
{
	int r = admit(class);
	if (r < 0)
		return r;

	struct job *job = memory_new_object(struct job);
	if (job)
		*job = (struct job) { .class = class, .what = what, .fn = fn, .arg = arg };
	r = job ? submit(job) : -ENOMEM;
	if (r < 0) {
		memory_free(job);
		semaphore_release(&executor.slots[class]);
		return r;
	}
	*ret = job;
	return 0;
}

/* [suspends] Until the job has ended: 0. -ECANCELED and -ETIMEDOUT only while it has not. */
static int wait_for(struct job *job)
{
	job->waiter = wait_begin(job->what, job);
	int r = wait_park(job->waiter);
	return job->ended ? 0 : r;
}

/* Takes a job that has not ended out of the queue and frees it, unless a thread has begun it. */
static bool take_back(struct job *job)
{
	if (!executor.workers || !workers_take_back(executor.workers, job))
		return false;
	semaphore_release(&executor.slots[job->class]);
	loop_expect_outside(-1);
	memory_free(job);
	return true;
}

/* [suspends] Until the job has ended: 0. -ECANCELED and -ETIMEDOUT only when it was taken back, and freed. */
static int wait_out(struct job *job)
{
	int r = wait_for(job);

	if (r < 0 && take_back(job))
		return r;
	while (!job->ended) {
		job->waiter = wait_begin(job->what, job);
		(void) wait_park_uninterruptible(job->waiter);
	}
	return 0;
}

static int result_of(struct job *job)
{
	int result = job->result;

	memory_free(job);
	return result;
}

struct here {
	executor_fn *fn;
	void *arg;
	int result;
};

static void call_here(void *arg)
{
	struct here *h = arg;

	h->result = h->fn(h->arg);
}

/* [suspends] Runs it on the loop's own thread. The turn is handed on when the loop has looked at everybody else. */
static int run_here(enum executor_class class, executor_fn *fn, void *arg)
{
	struct here here = { fn, arg, 0 };
	int r = (semaphore_acquire)(&executor.turn);

	if (r < 0)
		return r;
	r = executor.closed ? -ESHUTDOWN : task_check();
	if (r < 0) {
		semaphore_release(&executor.turn);
		return r;
	}

	call_on_main_stack(call_here, &here);
	executor.done[class]++;
	/* What was done is not undone by a cancel, which shows at the next call. */
	r = (task_yield)();
	semaphore_release(&executor.turn);
	return here.result;
}

int (executor_run)(enum executor_class class, const char *what, executor_fn *fn, void *arg)
{
	struct job *job;

	configure_by_default();
	if (class == EXECUTOR_CRYPTO && executor.processors == 1)
		return run_here(class, fn, arg);
	int r = start(class, what, fn, arg, &job);
	if (r < 0)
		return r;

	/* Where arg lies, usually. */
	task_self()->lends_stack = true;
	r = wait_out(job);
	task_self()->lends_stack = false;
	return r < 0 ? r : result_of(job);
}

int (executor_run_abandonable)(enum executor_class class, const char *what, executor_fn *fn, void *arg,
			       void (*drop)(void *arg), bool *ret_dropped)
{
	struct job *job;

	*ret_dropped = false;
	int r = start(class, what, fn, arg, &job);
	if (r < 0)
		return r;

	r = wait_for(job);
	if (r == 0)
		return result_of(job);
	if (take_back(job))
		return r;

	/* Nobody waits for it from now on, so virtual time need not either. */
	loop_expect_outside(-1);
	executor.abandoned[class]++;
	job->drop = drop;
	*ret_dropped = true;
	return r;
}

void executor_counters(struct executor_counters *ret)
{
	*ret = (struct executor_counters) { 0 };
	memcpy(ret->abandoned, executor.abandoned, sizeof(ret->abandoned));
	memcpy(ret->done, executor.done, sizeof(ret->done));
	if (executor.workers)
		workers_count(executor.workers, ret);
}

/* -- the end -- */

/* Whoever waits in the queue or for a slot is refused. */
static void close_intake(void)
{
	struct list refused = LIST_INIT(refused);
	struct list *node;

	workers_close(executor.workers, &refused);
	while ((node = list_take_first(&refused))) {
		struct job *job = list_entry(node, struct job, node);

		job->result = -ESHUTDOWN;
		settle(job);
	}
	for (size_t i = 0; i < EXECUTOR_CLASSES; i++)
		semaphore_resize(&executor.slots[i], SIZE_MAX);
}

int executor_shutdown(int64_t ms, void (*report)(const char *what, int64_t age_ms))
{
	unsigned stuck = 0;

	executor.closed = true;
	if (executor.workers) {
		close_intake();
		stuck = workers_join(executor.workers, ms, report);
		collect();
		loop_event_remove(&executor.event);
		executor.workers = workers_free(executor.workers);
	}
	/* With no task left nobody has to be refused: the next loop begins afresh. */
	if (task_count() == 0)
		memset(&executor, 0, sizeof(executor));
	return stuck > 0 ? -EBUSY : 0;
}
