/* executor.h - background threads for what would hold up the loop.
 *
 * Work is of a class, and each class has its own limit, so that slow name servers cannot stop TLS. A task
 * that finds its class full waits, so the pressure reaches the client. Threads are started when first needed
 * and joined when the loop is closed. Results come back through one list and one eventfd. Pool threads have
 * all signals blocked.
 *
 * Where there is one processor only, a thread has none of its own to bring to a private-key operation: it
 * would take turns with the loop, at the price of two switches for each event. There the loop runs crypto
 * jobs itself, one in each turn, so that everybody else is seen to in between.
 */
#pragma once

#include "runtime/wait.h"

enum executor_class {
	EXECUTOR_CRYPTO,	/* private-key operations */
	EXECUTOR_DNS,		/* getaddrinfo() */
	EXECUTOR_FILE,		/* open, read, stat of regular files */
	EXECUTOR_CPU,		/* long computations */
	EXECUTOR_CLASSES
};

struct executor_options {
	unsigned threads;			/* at most; 0: 4 */
	/* Jobs of a class running or queued; 0: as many as threads (dns: half of them, at least 1; crypto: no more
	 * than there are processors besides that of the loop). */
	unsigned limit[EXECUTOR_CLASSES];
	unsigned processors;			/* that this process may run on; 0: as the kernel says */
};

/* Work on a pool thread: no call of the runtime, the net layer or the log is allowed in it (misuse aborts). */
typedef int executor_fn(void *arg);

/* Before the first job; later calls change the limits only. Lasts until the loop is closed. */
void executor_configure(const struct executor_options *options);

/* [suspends] Runs fn(arg) on a pool thread (or, see above, on the main stack) and returns what it returned.
 * While still queued the job can be cancelled: -ECANCELED or -ETIMEDOUT, and fn was never called. Once begun
 * it is waited for, because it borrows arg. -ESHUTDOWN at shutdown, -EAGAIN when no thread can be started. */
#define executor_run(class, what, fn, arg) AWAIT(executor_run, (class, what, fn, arg))
int (executor_run)(enum executor_class class, const char *what, executor_fn *fn, void *arg) _must_check_;

/* [suspends] The same for work that may be left behind: when the job has begun, -ECANCELED and -ETIMEDOUT return at
 * once with *ret_dropped true, and drop(arg) runs on the loop's thread when the job has ended at last. When the call
 * returns fn's result, or never started fn, *ret_dropped is false and arg is the caller's as before. drop must
 * not suspend. */
#define executor_run_abandonable(class, what, fn, arg, drop, ret_dropped)                                  \
	AWAIT(executor_run_abandonable, (class, what, fn, arg, drop, ret_dropped))
int (executor_run_abandonable)(enum executor_class class, const char *what, executor_fn *fn, void *arg,
			       void (*drop)(void *arg), bool *ret_dropped) _must_check_;

struct executor_counters {
	unsigned threads;
	unsigned queued[EXECUTOR_CLASSES], running[EXECUTOR_CLASSES], abandoned[EXECUTOR_CLASSES];
	uint64_t done[EXECUTOR_CLASSES];
};
void executor_counters(struct executor_counters *ret);

/* Closes the intake, takes queued jobs out, waits for running ones up to `ms` of real time, joins the
 * threads. For each job that did not end in time `report` (may be NULL) is called with its words and its age;
 * then its thread is left alone and -EBUSY is returned. Called by loop_close() with a bound of its own. The
 * intake opens again when no task is left to be refused. */
int executor_shutdown(int64_t ms, void (*report)(const char *what, int64_t age_ms));

/* -- for the modules of this layer -- */

/* True on a pool thread, where every call of the runtime is misuse. */
extern _Thread_local bool executor_is_pool_thread;
