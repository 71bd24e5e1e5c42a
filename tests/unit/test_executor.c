/* test_executor.c - work on pool threads: limits, cancellation, results, shutdown.
 *
 * Jobs wait for the test by a semaphore(7) of the C library and the test for them by counters, so every order is
 * forced and nothing depends on time. The whole file runs under ThreadSanitizer too.
 */
#include "base/fault.h"
#include "base/memory.h"
#include "runtime/runtime.h"
#include "../support/child.h"
#include "../support/harness.h"

#include <dirent.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cmocka.h>

/* -- jobs -- */

struct work {
	sem_t go;			/* the job waits for it when `waits` is set */
	bool waits;
	int result;			/* what the job returns */
	atomic_int calls;
	/* what the job saw */
	pid_t thread;
	char thread_name[16];
	bool signals_blocked;
	int niceness;
	/* what its task got */
	enum executor_class class;
	int outcome;
	bool dropped;
	int drops;
	int next_call;			/* what the task's next call said */
	struct task_handle handle;
};

#define PENDING 12345

static void work_init(struct work *w, enum executor_class class, bool waits)
{
	memset(w, 0, sizeof(*w));
	sem_init(&w->go, 0, 0);
	w->waits = waits;
	w->class = class;
	w->result = 7;
	w->outcome = PENDING;
}

static bool all_signals_blocked(void)
{
	sigset_t now;

	sigprocmask(SIG_BLOCK, NULL, &now);
	for (int number = 1; number < 32; number++)
		if (number != SIGKILL && number != SIGSTOP && !sigismember(&now, number))
			return false;
	return true;
}

static int job(void *arg)
{
	struct work *w = arg;

	while (w->waits && sem_wait(&w->go) < 0)
		;
	w->thread = gettid();
	prctl(PR_GET_NAME, w->thread_name);
	w->signals_blocked = all_signals_blocked();
	w->niceness = getpriority(PRIO_PROCESS, 0);
	atomic_fetch_add(&w->calls, 1);
	return w->result;
}

static void drop(void *arg)
{
	struct work *w = arg;

	w->drops++;
}

static int run(void *arg)
{
	struct work *w = arg;

	w->outcome = executor_run(w->class, "a test's job", job, w);
	w->next_call = task_yield();
	return 0;
}

static int run_abandonable(void *arg)
{
	struct work *w = arg;

	w->outcome = executor_run_abandonable(w->class, "a test's job", job, w, drop, &w->dropped);
	return 0;
}

static void spawn(struct task_group *g, struct work *w, task_fn *fn)
{
	assert_int_equal(task_spawn(g, "client", fn, w, &w->handle), 0);
}

static struct executor_counters count(void)
{
	struct executor_counters c;

	executor_counters(&c);
	return c;
}

static void let_run(unsigned times)
{
	while (times--)
		(void) task_yield();
}

/* Until so many jobs of a class are on a thread. */
static void until_running(enum executor_class class, unsigned jobs)
{
	while (count().running[class] != jobs)
		(void) task_yield();
}

/* Until no thread runs anything; the loop has not been told then, because this task does not give way. */
static void until_all_handed_in(void)
{
	for (;;) {
		struct executor_counters c = count();
		unsigned busy = 0;

		for (size_t i = 0; i < EXECUTOR_CLASSES; i++)
			busy += c.queued[i] + c.running[i];
		if (!busy)
			return;
		sched_yield();
	}
}

/* The threads of ours: a sanitizer has some of its own. */
static size_t count_threads(void)
{
	DIR *directory = opendir("/proc/self/task");
	size_t n = 0;

	assert_non_null(directory);
	for (const struct dirent *e; (e = readdir(directory));) {
		char path[300], name[32] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
		f = fopen(path, "r");
		if (f && fgets(name, sizeof(name), f))
			n += strcmp(name, "corelay-work\n") == 0;
		if (f)
			fclose(f);
	}
	closedir(directory);
	return n;
}

/* -- where jobs run -- */

static int on_another_thread(void *arg)
{
	struct work w;

	(void) arg;
	work_init(&w, EXECUTOR_FILE, false);
	assert_int_equal(count().threads, 0);	/* none before the first job */
	assert_int_equal(count_threads(), 0);
	assert_int_equal(executor_run(EXECUTOR_FILE, "looking around", job, &w), 7);
	assert_int_not_equal(w.thread, gettid());
	assert_string_equal(w.thread_name, "corelay-work");
	assert_true(w.signals_blocked);
	assert_int_equal(w.niceness, 15);
	assert_false(all_signals_blocked());
	for (int i = 0; i < 10; i++)
		assert_int_equal(executor_run(EXECUTOR_CPU, "more of it", job, &w), 7);
	assert_int_equal(count().threads, 1);		/* one is enough for one job at a time */
	assert_int_equal(count_threads(), 1);
	assert_int_equal(count().done[EXECUTOR_FILE], 1);
	assert_int_equal(count().done[EXECUTOR_CPU], 10);
	w.result = -EIO;
	assert_int_equal(executor_run(EXECUTOR_FILE, "failing", job, &w), -EIO);
	return 0;
}

static void jobs_run_on_a_named_and_nice_thread_with_all_signals_blocked(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(on_another_thread, NULL), 0);
	assert_int_equal(count_threads(), 0);
}

static int as_many_as_needed(void *arg)
{
	struct work w[5];

	(void) arg;
	executor_configure(&(struct executor_options) { .threads = 3, .limit = { [EXECUTOR_CPU] = 5 } });
	TASK_GROUP(g, GROUP_EACH);
	for (int i = 0; i < 5; i++) {
		work_init(&w[i], EXECUTOR_CPU, true);
		spawn(&g, &w[i], run);
	}
	until_running(EXECUTOR_CPU, 3);
	let_run(3);
	assert_int_equal(count().threads, 3);
	assert_int_equal(count().queued[EXECUTOR_CPU], 2);
	for (int i = 0; i < 5; i++)
		sem_post(&w[i].go);
	assert_int_equal(group_wait(&g), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(w[i].outcome, 7);
	return 0;
}

static void threads_are_started_when_needed_up_to_their_number(void **state)
{
	(void) state;
	assert_int_equal(harness_run(as_many_as_needed, NULL), 0);
}

static int time_stands_still(void *arg)
{
	struct work w;
	int64_t began_ns = time_now_ns();

	(void) arg;
	TASK_GROUP(g, GROUP_EACH);
	work_init(&w, EXECUTOR_CPU, false);
	DEADLINE(limit, 1);
	for (int i = 0; i < 20; i++)
		assert_int_equal(executor_run(EXECUTOR_CPU, "taking real time", job, &w), 7);
	assert_int_equal(time_now_ns() - began_ns, 0);
	return 0;
}

static void virtual_time_waits_for_a_job(void **state)
{
	(void) state;
	assert_int_equal(harness_run(time_stands_still, NULL), 0);
}

/* -- classes -- */

static int slow_names(void *arg)
{
	struct work dns[3], crypto;

	(void) arg;
	executor_configure(&(struct executor_options) { .threads = 2, .processors = 2 });
	TASK_GROUP(g, GROUP_EACH);
	for (int i = 0; i < 3; i++) {
		work_init(&dns[i], EXECUTOR_DNS, true);
		spawn(&g, &dns[i], run);
	}
	until_running(EXECUTOR_DNS, 1);
	let_run(3);
	/* Half of two threads is one: the others wait, and as tasks. */
	assert_int_equal(count().queued[EXECUTOR_DNS], 0);
	assert_string_equal(dns[1].handle.task->wait_what, "semaphore");

	work_init(&crypto, EXECUTOR_CRYPTO, false);
	assert_int_equal(executor_run(EXECUTOR_CRYPTO, "signing", job, &crypto), 7);

	task_cancel(dns[1].handle);
	let_run(2);
	assert_int_equal(dns[1].outcome, -ECANCELED);
	assert_int_equal(atomic_load(&dns[1].calls), 0);
	for (int i = 0; i < 3; i++)
		sem_post(&dns[i].go);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(dns[0].outcome, 7);
	assert_int_equal(dns[2].outcome, 7);
	return 0;
}

/* -- one processor -- */

static unsigned turns;

static int count_turns(void *arg)
{
	(void) arg;
	for (;;) {
		int r = task_yield();
		if (r < 0)
			return r;
		turns++;
	}
}

static int note_turn(void *arg)
{
	unsigned *turn = arg;

	assert_int_equal(gettid(), getpid());
	*turn = turns;
	return 7;
}

static int sign(void *arg)
{
	return executor_run(EXECUTOR_CRYPTO, "signing", note_turn, arg);
}

static int one_processor(void *arg)
{
	unsigned at[3];
	struct task_handle ticker, last;

	(void) arg;
	turns = 0;
	executor_configure(&(struct executor_options) { .processors = 1 });
	TASK_GROUP(g, GROUP_EACH);
	assert_int_equal(task_spawn(&g, "ticker", count_turns, NULL, &ticker), 0);
	TASK_GROUP(signers, GROUP_EACH);
	for (int i = 0; i < 3; i++)
		assert_int_equal(task_spawn(&signers, "signer", sign, &at[i], &last), 0);
	assert_int_equal(group_wait(&signers), 0);
	assert_true(at[0] < at[1] && at[1] < at[2]);
	assert_int_equal(count().done[EXECUTOR_CRYPTO], 3);
	assert_int_equal(count().threads, 0);

	/* What waits for its turn can be cancelled: it is never called then. */
	at[2] = 12345;
	for (int i = 1; i < 3; i++)
		assert_int_equal(task_spawn(&signers, "signer", sign, &at[i], &last), 0);
	let_run(1);
	task_cancel(last);
	assert_int_equal(group_wait(&signers), 0);
	assert_int_equal(at[2], 12345);

	/* What may block has a thread all the same. */
	struct work file;
	work_init(&file, EXECUTOR_FILE, false);
	assert_int_equal(executor_run(EXECUTOR_FILE, "reading", job, &file), 7);
	assert_int_not_equal(file.thread, getpid());
	task_cancel(ticker);
	return 0;
}

static void with_one_processor_the_loop_runs_crypto_jobs_one_in_each_turn(void **state)
{
	(void) state;
	assert_int_equal(harness_run(one_processor, NULL), 0);
}

static void a_full_class_makes_tasks_wait_and_no_other_class(void **state)
{
	(void) state;
	assert_int_equal(harness_run(slow_names, NULL), 0);
}

static int raised_limit(void *arg)
{
	struct work w[2];

	(void) arg;
	executor_configure(&(struct executor_options) { .threads = 2, .limit = { [EXECUTOR_FILE] = 1 } });
	TASK_GROUP(g, GROUP_EACH);
	for (int i = 0; i < 2; i++) {
		work_init(&w[i], EXECUTOR_FILE, true);
		spawn(&g, &w[i], run);
	}
	until_running(EXECUTOR_FILE, 1);
	let_run(3);
	assert_int_equal(count().running[EXECUTOR_FILE], 1);
	executor_configure(&(struct executor_options) { .threads = 99, .limit = { [EXECUTOR_FILE] = 2 } });
	until_running(EXECUTOR_FILE, 2);
	sem_post(&w[0].go);
	sem_post(&w[1].go);
	return group_wait(&g);
}

static void a_limit_can_be_raised_while_tasks_wait_for_it(void **state)
{
	(void) state;
	assert_int_equal(harness_run(raised_limit, NULL), 0);
}

/* -- cancellation -- */

static int queued_and_begun(void *arg)
{
	struct work w[2];

	(void) arg;
	executor_configure(&(struct executor_options) { .threads = 1, .limit = { [EXECUTOR_CPU] = 2 } });
	TASK_GROUP(g, GROUP_EACH);
	for (int i = 0; i < 2; i++) {
		work_init(&w[i], EXECUTOR_CPU, true);
		spawn(&g, &w[i], run);
	}
	until_running(EXECUTOR_CPU, 1);
	let_run(2);
	assert_int_equal(count().queued[EXECUTOR_CPU], 1);

	task_cancel(w[1].handle);
	task_cancel(w[0].handle);
	let_run(4);
	assert_int_equal(w[1].outcome, -ECANCELED);	/* was queued: taken out */
	assert_int_equal(count().queued[EXECUTOR_CPU], 0);
	assert_int_equal(w[0].outcome, PENDING);	/* has begun and borrows its argument: waited for */
	sem_post(&w[0].go);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(w[0].outcome, 7);		/* what was done is told */
	assert_int_equal(w[0].next_call, -ECANCELED);	/* and the cancel shows at the next call */
	assert_int_equal(atomic_load(&w[1].calls), 0);
	return 0;
}

static void a_queued_job_is_cancelled_and_a_begun_one_is_waited_for(void **state)
{
	(void) state;
	assert_int_equal(harness_run(queued_and_begun, NULL), 0);
}

static int ended_unnoticed(void *arg)
{
	struct work w[2];

	(void) arg;
	TASK_GROUP(g, GROUP_EACH);
	work_init(&w[0], EXECUTOR_CPU, true);
	work_init(&w[1], EXECUTOR_CPU, true);
	spawn(&g, &w[0], run);
	spawn(&g, &w[1], run_abandonable);
	until_running(EXECUTOR_CPU, 2);
	let_run(2);
	/* Both end, and before the loop has heard of it they are cancelled. */
	sem_post(&w[0].go);
	sem_post(&w[1].go);
	until_all_handed_in();
	task_cancel(w[0].handle);
	task_cancel(w[1].handle);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(w[0].outcome, 7);
	assert_int_equal(w[0].next_call, -ECANCELED);
	/* The abandonable one may say either, but says whose the argument is. */
	assert_true(w[1].dropped ? w[1].outcome == -ECANCELED : w[1].outcome == 7);
	assert_int_equal(w[1].drops, w[1].dropped);
	return 0;
}

static void a_result_that_came_before_the_cancel_was_noticed_is_not_lost(void **state)
{
	(void) state;
	assert_int_equal(harness_run(ended_unnoticed, NULL), 0);
}

static int left_behind(void *arg)
{
	struct work w[3];

	(void) arg;
	executor_configure(&(struct executor_options) { .threads = 2, .limit = { [EXECUTOR_DNS] = 3 } });
	TASK_GROUP(g, GROUP_EACH);
	for (int i = 0; i < 3; i++)
		work_init(&w[i], EXECUTOR_DNS, true);
	spawn(&g, &w[0], run_abandonable);
	until_running(EXECUTOR_DNS, 1);
	spawn(&g, &w[1], run_abandonable);
	until_running(EXECUTOR_DNS, 2);
	spawn(&g, &w[2], run_abandonable);
	let_run(2);

	task_cancel(w[0].handle);
	task_cancel(w[2].handle);
	let_run(3);
	assert_int_equal(w[0].outcome, -ECANCELED);
	assert_true(w[0].dropped);
	assert_int_equal(w[0].drops, 0);		/* the job still uses it */
	assert_int_equal(count().abandoned[EXECUTOR_DNS], 1);
	assert_int_equal(w[2].outcome, -ECANCELED);
	assert_false(w[2].dropped);			/* never began: still the caller's */

	sem_post(&w[0].go);
	while (!w[0].drops)
		(void) task_yield();
	assert_int_equal(atomic_load(&w[0].calls), 1);
	assert_int_equal(count().abandoned[EXECUTOR_DNS], 0);
	sem_post(&w[1].go);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(w[1].outcome, 7);
	assert_false(w[1].dropped);
	assert_int_equal(w[1].drops + w[2].drops, 0);
	return 0;
}

static void an_abandonable_job_is_left_behind_and_dropped_when_it_ends(void **state)
{
	(void) state;
	assert_int_equal(harness_run(left_behind, NULL), 0);
}

static int cancelled_beforehand(void *arg)
{
	struct work w;

	(void) arg;
	work_init(&w, EXECUTOR_CPU, false);
	task_cancel(task_handle_self());
	assert_int_equal(executor_run(EXECUTOR_CPU, "nothing", job, &w), -ECANCELED);
	assert_int_equal(executor_run_abandonable(EXECUTOR_CPU, "nothing", job, &w, drop, &w.dropped), -ECANCELED);
	assert_false(w.dropped);
	assert_int_equal(atomic_load(&w.calls), 0);
	assert_int_equal(count().threads, 0);
	return 0;
}

static void a_cancelled_task_submits_nothing(void **state)
{
	(void) state;
	assert_int_equal(harness_run(cancelled_beforehand, NULL), 0);
}

/* -- results -- */

/* The count of the process's only eventfd of ours: with edges it is never read, so it counts the writes. */
static unsigned long count_writes(void)
{
	DIR *directory = opendir("/proc/self/fdinfo");
	unsigned long writes = 0;

	assert_non_null(directory);
	for (const struct dirent *e; (e = readdir(directory));) {
		char path[300], line[100];
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/fdinfo/%s", e->d_name);
		f = fopen(path, "r");
		while (f && fgets(line, sizeof(line), f))
			if (strncmp(line, "eventfd-count:", 14) == 0)
				writes += strtoul(line + 14, NULL, 16);
		if (f)
			fclose(f);
	}
	closedir(directory);
	return writes;
}

static int four_at_once(void *arg)
{
	struct work w[4];
	unsigned long before;

	(void) arg;
	TASK_GROUP(g, GROUP_EACH);
	for (int i = 0; i < 4; i++) {
		work_init(&w[i], EXECUTOR_CPU, true);
		spawn(&g, &w[i], run);
	}
	until_running(EXECUTOR_CPU, 4);
	before = count_writes();
	for (int i = 0; i < 4; i++)
		sem_post(&w[i].go);
	until_all_handed_in();
	assert_int_equal(count_writes() - before, 1);
	assert_int_equal(group_wait(&g), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(w[i].outcome, 7);
	return 0;
}

static void the_loop_is_told_once_while_results_lie_uncollected(void **state)
{
	(void) state;
	assert_int_equal(harness_run(four_at_once, NULL), 0);
}

/* -- shutdown -- */

static struct {
	char what[32];
	int64_t age_ms;
	int times;
} reported;

static void report(const char *what, int64_t age_ms)
{
	snprintf(reported.what, sizeof(reported.what), "%s", what);
	reported.age_ms = age_ms;
	reported.times++;
}

/* Goes on until the shutdown has emptied the queue behind it: else this thread would take the next job. */
static int last_job(void *arg)
{
	(void) job(arg);
	while (count().queued[EXECUTOR_CPU] > 0)
		sched_yield();
	return 7;
}

static int run_last(void *arg)
{
	struct work *w = arg;

	w->outcome = executor_run(EXECUTOR_CPU, "the last job", last_job, w);
	return 0;
}

static int shut_down_under_way(void *arg)
{
	struct work w[3];

	(void) arg;
	executor_configure(&(struct executor_options) { .threads = 1, .limit = { [EXECUTOR_CPU] = 2 } });
	TASK_GROUP(g, GROUP_EACH);
	for (int i = 0; i < 3; i++) {
		work_init(&w[i], EXECUTOR_CPU, true);
		spawn(&g, &w[i], i == 0 ? run_last : run);
	}
	until_running(EXECUTOR_CPU, 1);
	let_run(3);
	sem_post(&w[0].go);
	assert_int_equal(executor_shutdown(60000, report), 0);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(w[0].outcome, 7);		/* was running: awaited */
	assert_int_equal(w[1].outcome, -ESHUTDOWN);	/* was queued */
	assert_int_equal(w[2].outcome, -ESHUTDOWN);	/* waited for its class */
	assert_int_equal(executor_run(EXECUTOR_CPU, "too late", job, &w[0]), -ESHUTDOWN);
	assert_int_equal(executor_shutdown(0, report), 0);
	return 0;
}

static void shutdown_awaits_what_runs_and_refuses_the_rest(void **state)
{
	(void) state;
	reported.times = 0;
	assert_int_equal(harness_run(shut_down_under_way, NULL), 0);
	assert_int_equal(reported.times, 0);
}

static int stuck(void *arg)
{
	struct work *w = arg;

	{
		TASK_GROUP(g, GROUP_EACH);
		spawn(&g, w, run_abandonable);
		until_running(EXECUTOR_DNS, 1);
		let_run(2);
	}
	assert_true(w->dropped);
	assert_int_equal(executor_shutdown(0, report), -EBUSY);
	return 0;
}

static void shutdown_names_what_did_not_end_and_leaves_it_alone(void **state)
{
	static struct work w;		/* outlives the test, as the thread may */

	(void) state;
	work_init(&w, EXECUTOR_DNS, true);
	reported.times = 0;
	assert_int_equal(harness_run(stuck, &w), 0);
	assert_int_equal(reported.times, 1);
	assert_string_equal(reported.what, "a test's job");
	assert_true(reported.age_ms >= 0);
	assert_int_equal(w.drops, 0);

	/* The next loop is not troubled by it, neither before nor after it ends. */
	assert_int_equal(harness_run(as_many_as_needed, NULL), 0);
	sem_post(&w.go);
	while (count_threads() > 0)
		sched_yield();
	assert_int_equal(atomic_load(&w.calls), 1);
	assert_int_equal(harness_run(as_many_as_needed, NULL), 0);
}

/* -- misuse -- */

static int yields(void *arg)
{
	(void) arg;
	return task_yield();
}

static int asks_who_it_is(void *arg)
{
	(void) arg;
	return task_self() != NULL;
}

static int wakes(void *arg)
{
	return wait_wake(*(struct wait_token *) arg, 0);
}

static int misused(void *arg)
{
	struct wait_token w = { 0 };

	return executor_run(EXECUTOR_CPU, "misuse", *(executor_fn **) arg, &w);
}

static void a_call_of_the_runtime_on_a_pool_thread_aborts(void **state)
{
	static executor_fn *const cases[] = { yields, asks_who_it_is, wakes };

	(void) state;
#ifdef __SANITIZE_THREAD__
	print_message("such misuse is a data race, and ThreadSanitizer says so first\n");
	skip();
#endif
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		executor_fn *fn = cases[i];

		harness_dies(misused, &fn, "pool thread");
	}
}

/* -- planted failures -- */

#ifdef ENABLE_FAULTS

static int no_thread_at_all(void *arg)
{
	struct work w;

	(void) arg;
	work_init(&w, EXECUTOR_CPU, false);
	fault_plant_named("pthread_create", 1, EAGAIN, 1);
	assert_int_equal(executor_run(EXECUTOR_CPU, "in vain", job, &w), -EAGAIN);
	assert_int_equal(atomic_load(&w.calls), 0);
	fault_plant(0);
	assert_int_equal(executor_run(EXECUTOR_CPU, "at last", job, &w), 7);
	return 0;
}

static int no_second_thread(void *arg)
{
	struct work w[2];

	(void) arg;
	TASK_GROUP(g, GROUP_EACH);
	fault_plant_named("pthread_create", 2, EAGAIN, 99);
	for (int i = 0; i < 2; i++) {
		work_init(&w[i], EXECUTOR_CPU, true);
		spawn(&g, &w[i], run);
		sem_post(&w[i].go);
	}
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(w[0].outcome, 7);
	assert_int_equal(w[1].outcome, 7);
	fault_plant(0);
	return 0;
}

static void without_any_thread_it_is_a_failure_and_with_one_it_is_not(void **state)
{
	(void) state;
	assert_int_equal(harness_run(no_thread_at_all, NULL), 0);
	assert_int_equal(harness_run(no_second_thread, NULL), 0);
}

#endif

/* -- torture and crowds -- */

static struct {
	atomic_int called;
	int returned, cancelled, dropped, drops;
} tally;

static int short_job(void *arg)
{
	(void) arg;
	atomic_fetch_add(&tally.called, 1);
	return 1;
}

static void tally_drop(void *arg)
{
	memory_free(arg);
	tally.drops++;
}

static void tally_up(int r)
{
	if (r == 1)
		tally.returned++;
	else
		tally.cancelled++;
}

static int client(void *arg)
{
	enum executor_class class = (enum executor_class)(uintptr_t) arg % EXECUTOR_CLASSES;
	DEADLINE(limit, FOREVER);

	for (int i = 0; i < 3; i++) {
		int r = executor_run(class, "short", short_job, NULL);

		tally_up(r);
		if (r < 0)
			return r;

		void *argument = memory_new(8);
		bool dropped;

		if (!argument)
			return -ENOMEM;
		r = executor_run_abandonable(class, "short", short_job, argument, tally_drop, &dropped);
		if (dropped)
			tally.dropped++;
		else
			tally_up(r);
		if (!dropped)
			memory_free(argument);
		if (r < 0)
			return r;
	}
	return 0;
}

static int few_clients(void *arg)
{
	int r = 0;

	(void) arg;
	executor_configure(&(struct executor_options) { .threads = 2, .limit = { 1, 1, 1, 1 } });
	TASK_GROUP(g, GROUP_EACH);
	for (uintptr_t i = 0; i < 3 && r == 0; i++)
		r = task_spawn(&g, "client", client, (void *) (i % 2), NULL);
	return r < 0 ? r : group_wait(&g);
}

static void reset(void *arg)
{
	(void) arg;
	memset(&tally, 0, sizeof(tally));
}

static void all_is_accounted_for(void *arg, int result)
{
	(void) arg;
	(void) result;
	assert_int_equal(tally.drops, tally.dropped);
	assert_int_equal(atomic_load(&tally.called), tally.returned + tally.dropped);
}

static void a_cancel_or_a_timeout_at_any_suspension_loses_no_result(void **state)
{
	struct harness_scenario s = { .body = few_clients, .prepare = reset, .check = all_is_accounted_for };

	(void) state;
	assert_true(harness_torture(&s) > 10);
	(void) harness_torture_faults(&s);
}

#define CLIENTS 60

static int crowd(void *arg)
{
	unsigned seed = 1;
	struct task_handle handles[CLIENTS];

	(void) arg;
	executor_configure(&(struct executor_options) { .threads = 4, .limit = { 8, 2, 3, 1 } });
	TASK_GROUP(g, GROUP_EACH);
	for (int round = 0; round < 10; round++) {
		for (uintptr_t i = 0; i < CLIENTS; i++)
			assert_int_equal(task_spawn(&g, "client", client, (void *) i, &handles[i]), 0);
		for (int i = 0; i < CLIENTS; i++) {
			(void) task_yield();
			if (i % 3 == 0)
				task_cancel(handles[rand_r(&seed) % CLIENTS]);
		}
	}
	return group_wait(&g);
}

static void a_crowd_of_jobs_under_cancels_is_all_accounted_for(void **state)
{
	(void) state;
	reset(NULL);
	assert_int_equal(harness_run_each_backend(crowd, NULL), 0);
	all_is_accounted_for(NULL, 0);
	assert_true(tally.returned > 1000);
	assert_true(tally.cancelled > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jobs_run_on_a_named_and_nice_thread_with_all_signals_blocked),
		cmocka_unit_test(threads_are_started_when_needed_up_to_their_number),
		cmocka_unit_test(virtual_time_waits_for_a_job),
		cmocka_unit_test(a_full_class_makes_tasks_wait_and_no_other_class),
		cmocka_unit_test(with_one_processor_the_loop_runs_crypto_jobs_one_in_each_turn),
		cmocka_unit_test(a_limit_can_be_raised_while_tasks_wait_for_it),
		cmocka_unit_test(a_queued_job_is_cancelled_and_a_begun_one_is_waited_for),
		cmocka_unit_test(a_result_that_came_before_the_cancel_was_noticed_is_not_lost),
		cmocka_unit_test(an_abandonable_job_is_left_behind_and_dropped_when_it_ends),
		cmocka_unit_test(a_cancelled_task_submits_nothing),
		cmocka_unit_test(the_loop_is_told_once_while_results_lie_uncollected),
		cmocka_unit_test(shutdown_awaits_what_runs_and_refuses_the_rest),
		cmocka_unit_test(shutdown_names_what_did_not_end_and_leaves_it_alone),
		cmocka_unit_test(a_call_of_the_runtime_on_a_pool_thread_aborts),
#ifdef ENABLE_FAULTS
		cmocka_unit_test(without_any_thread_it_is_a_failure_and_with_one_it_is_not),
#endif
		cmocka_unit_test(a_cancel_or_a_timeout_at_any_suspension_loses_no_result),
		cmocka_unit_test(a_crowd_of_jobs_under_cancels_is_all_accounted_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
