/* micro - what the runtime's own operations cost, in nanoseconds each.
 *
 *   micro [NAME...]
 *
 * Runs each one alone in a task of a real loop, in rounds that last long enough for the clock, and prints the median
 * of the rounds, and the instructions spent where the kernel lets us count them. The names are those in the
 * first column.
 */
#include "base/memory.h"
#include "coro/coro.h"
#include "runtime/runtime.h"

#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 11
#define OPERATIONS 100000
#define CROWD 1000  /* that do the same at once */
#define TIMERS 1000 /* that are set already when one more is set and cleared */

/* Does the operation that often. 0 or -errno. */
typedef int micro_fn(unsigned times);

struct micro {
	const char *name, *what;
	micro_fn *fn;
	bool below_tasks; /* on the main stack, where coroutines are run from */
};

/* -- the operations -- */

static void switch_body(void *arg)
{
	const bool *over = arg;

	while (!*over)
		coro_suspend();
}

/* The layer below tasks: registers and stack only. */
static int micro_switch(unsigned times)
{
	struct coro c;
	bool over = false;

	int r = coro_init(&c, switch_body, &over);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < times; i++)
		coro_resume(&c);
	over = true;
	coro_resume(&c);
	coro_done(&c, "micro");
	return 0;
}

static int sleep_and_wake(struct coro *crowd, unsigned rounds)
{
	bool over = false;

	for (unsigned i = 0; i < CROWD; i++) {
		int r = coro_init(&crowd[i], switch_body, &over);
		if (r < 0)
			return r;
		coro_resume(&crowd[i]);
	}
	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned i = 0; i < CROWD; i++)
			if (!coro_sleep(&crowd[i]))
				return -ENOTSUP;
		for (unsigned i = 0; i < CROWD; i++)
			coro_resume(&crowd[i]);
	}
	over = true;
	for (unsigned i = 0; i < CROWD; i++) {
		coro_resume(&crowd[i]);
		coro_done(&crowd[i], "micro");
	}
	return 0;
}

/* All of a crowd fall asleep, so whole slabs of stacks go and come. */
static int micro_sleep(unsigned times)
{
	_cleanup_(memory_freep) struct coro *crowd = calloc(CROWD, sizeof(*crowd));

	return crowd ? sleep_and_wake(crowd, times / CROWD) : -ENOMEM;
}

static int pass_turns(void *arg)
{
	const unsigned *turns = arg;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < *turns; i++)
		r = task_yield();
	return r;
}

/* A thousand tasks that give way to each other in turn: the ready queue, the switch, the account of the slice. The
 * looks at the sockets between the turns are shared among them. */
static int micro_yield(unsigned times)
{
	unsigned turns = times / CROWD;

	TASK_GROUP(crowd, GROUP_ALL);
	for (unsigned i = 0; i < CROWD; i++) {
		int r = task_spawn(&crowd, "yielder", pass_turns, &turns, NULL);
		if (r < 0)
			return r;
	}
	return group_wait(&crowd);
}

static int end_at_once(void *arg)
{
	(void) arg;
	return 0;
}

static int micro_spawn(unsigned times)
{
	TASK_GROUP(crowd, GROUP_ALL);
	for (unsigned i = 0; i < times; i++) {
		int r = task_spawn(&crowd, "short", end_at_once, NULL, NULL);
		if (r == 0 && i % 100 == 99)
			r = task_yield();
		if (r < 0)
			return r;
	}
	return group_wait(&crowd);
}

static void never(struct wheel_timer *t)
{
	(void) t;
	abort();
}

static int micro_timer(unsigned times)
{
	_cleanup_(memory_freep) struct wheel *wheel = malloc(sizeof(*wheel));
	_cleanup_(memory_freep) struct wheel_timer *others = calloc(TIMERS, sizeof(*others));
	struct wheel_timer timer;

	if (!wheel || !others)
		return -ENOMEM;
	wheel_init(wheel, 0);
	for (unsigned i = 0; i < TIMERS; i++) {
		wheel_timer_init(&others[i], never);
		wheel_set(wheel, &others[i], 1 + (int64_t) i * 977 % 300000);
	}
	wheel_timer_init(&timer, never);
	for (unsigned i = 0; i < times; i++) {
		wheel_set(wheel, &timer, 1 + (int64_t) i * 7919 % 300000);
		wheel_clear(wheel, &timer);
	}
	return 0;
}

static int micro_deadline(unsigned times)
{
	DEADLINE(idle, 300000);

	for (unsigned i = 0; i < times; i++)
		deadline_rearm(&idle, 300000);
	return 0;
}

static int micro_queue(unsigned times)
{
	_cleanup_(queue_freep) struct queue *queue = NULL;
	void *item = &item;

	int r = queue_new("micro", 16, &queue);
	for (unsigned i = 0; r == 0 && i < times; i++) {
		r = queue_put(queue, item);
		if (r == 0)
			r = queue_get(queue, &item);
	}
	return r;
}

struct passage {
	struct queue *queue;
	unsigned items;
};

static int put_all(void *arg)
{
	struct passage *p = arg;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < p->items; i++)
		r = queue_put(p->queue, p);
	return r;
}

/* Every item is handed from one task to another, and each of them waits for it. */
static int micro_hand_over(unsigned times)
{
	_cleanup_(queue_freep) struct queue *queue = NULL;
	struct passage passage = {.items = times};
	void *item;

	int r = queue_new("micro", 0, &queue);
	if (r < 0)
		return r;
	passage.queue = queue;
	TASK_GROUP(putter, GROUP_ALL);
	r = task_spawn(&putter, "putter", put_all, &passage, NULL);
	for (unsigned i = 0; r == 0 && i < times; i++)
		r = queue_get(queue, &item);
	return r < 0 ? r : group_wait(&putter);
}

static int micro_chunk(unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		struct chunk *chunk;
		int r = chunk_get(&chunk);

		if (r < 0)
			return r;
		chunk_put(chunk);
	}
	return 0;
}

static const struct micro operations[] = {
	{"switch", "into a coroutine and back", micro_switch, true},
	{"sleep", "a coroutine is put to sleep, woken and run", micro_sleep, true},
	{"yield", "a task gives way to the next", micro_yield, false},
	{"spawn", "a task is spawned, runs and ends", micro_spawn, false},
	{"timer", "a timer is set and cleared", micro_timer, false},
	{"deadline", "a deadline is moved", micro_deadline, false},
	{"queue", "an item is put and got by one task", micro_queue, false},
	{"hand-over", "an item goes to a task that waits for it", micro_hand_over, false},
	{"chunk", "a buffer is borrowed and given back", micro_chunk, false},
};

/* -- measuring -- */

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* -1 where the machine or the kernel does not count. */
static int instructions_open(void)
{
	struct perf_event_attr what = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(what),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};

	return (int) syscall(SYS_perf_event_open, &what, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static uint64_t instructions_read(int fd)
{
	uint64_t count = 0;

	if (fd < 0 || read(fd, &count, sizeof(count)) != sizeof(count))
		return 0;
	return count;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;

	return (x > y) - (x < y);
}

/* The first round finds cold caches and empty pools, and is not counted. */
static int measure(const struct micro *m, int counter)
{
	double ns[ROUNDS];
	uint64_t instructions = 0;

	for (int round = -1; round < ROUNDS; round++) {
		uint64_t before = instructions_read(counter);
		int64_t from_ns = now_ns();
		int r = m->fn(OPERATIONS);

		if (r < 0)
			return r;
		if (round >= 0)
			ns[round] = (double) (now_ns() - from_ns) / OPERATIONS;
		instructions = instructions_read(counter) - before;
	}
	qsort(ns, ROUNDS, sizeof(ns[0]), compare);
	printf("%-10s %10.1f ns", m->name, ns[ROUNDS / 2]);
	if (counter >= 0)
		printf(" %8.1f instructions", (double) instructions / OPERATIONS);
	printf("   %s\n", m->what);
	return 0;
}

struct wish {
	char **names;
	int count;
	int counter;
};

static bool wished(const struct wish *w, const char *name)
{
	for (int i = 0; i < w->count; i++)
		if (strcmp(w->names[i], name) == 0)
			return true;
	return !w->count;
}

static int measure_all(struct wish *w, bool in_task)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(operations); i++)
		if (wished(w, operations[i].name) && in_task != operations[i].below_tasks)
			r = measure(&operations[i], w->counter);
	return r;
}

static int in_task(void *arg)
{
	return measure_all(arg, true);
}

int main(int argc, char **argv)
{
	const struct loop_options options = {0};
	struct wish w = {.names = argv + 1, .count = argc - 1, .counter = instructions_open()};

	int r = measure_all(&w, false);
	if (r == 0)
		r = loop_open(&options);
	if (r == 0) {
		r = loop_run("micro", in_task, &w);
		loop_close();
	}
	stack_pool_done();
	if (w.counter >= 0)
		close(w.counter);
	if (r < 0)
		fprintf(stderr, "micro: %s\n", strerror(-r));
	return r < 0;
}
