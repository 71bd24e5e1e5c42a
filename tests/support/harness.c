#include "tests/support/harness.h"

#include "base/fault.h"
#include "coro/sanitizer.h"
#include "coro/stack.h"
#include "tests/support/child.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

size_t harness_count_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(directory);
	for (const struct dirent *e; (e = readdir(directory));)
		n += e->d_name[0] != '.';
	closedir(directory);
	return n - 1;	/* but for the directory itself */
}

void harness_socketpair(int ret_ends[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ret_ends), 0);
}

static void do_nothing(void *arg)
{
	(void) arg;
}

bool harness_can_sleep(void)
{
	struct coro c;
	const void *sp;

	assert_int_equal(coro_init(&c, do_nothing, NULL), 0);
	coro_resume(&c);
	sp = switch_sp(&c.context);
	coro_done(&c, "probe");
	return sp && sanitizer_allows_sleep();
}

int harness_run_with(const struct loop_options *options, task_fn *body, void *arg)
{
	size_t descriptors = harness_count_descriptors();
	int result;

	result = loop_open(options);
	if (result == 0) {
		result = loop_run("root", body, arg);
		assert_int_equal(task_count(), 0);
		assert_int_equal(chunk_in_use(), 0);
		loop_close();
	}
	assert_int_equal(stack_in_use(), 0);
	assert_int_equal(harness_count_descriptors(), descriptors);
	return result;
}

int harness_run(task_fn *body, void *arg)
{
	const struct loop_options options = { .virtual_clock = true };

	return harness_run_with(&options, body, arg);
}

void harness_settle(void)
{
	for (int i = 0; i < 4; i++)
		assert_int_equal(task_yield(), 0);
}

struct death {
	task_fn *body;
	void *arg;
};

static void die(void *arg)
{
	struct death *d = arg;

	(void) harness_run(d->body, d->arg);
}

void harness_dies(task_fn *body, void *arg, const char *words)
{
	struct death d = { body, arg };
	struct child_end *end = malloc(sizeof(*end));
	bool died_so;

	assert_non_null(end);
	child_run(die, &d, end);
	died_so = child_died_of(end, SIGABRT) && strstr(end->text, words);
	if (!died_so)
		print_error("expected death by \"%s\", but it ended with status %d and \"%s\"\n", words, end->status,
			    end->text);
	free(end);
	assert_true(died_so);
}

struct backend_run {
	const char *backend;
	task_fn *body;
	void *arg;
};

static int run_on_backend(void *arg)
{
	struct backend_run *run = arg;

	assert_string_equal(loop_backend(), run->backend);
	assert_int_equal(loop_is_edge_triggered(), strcmp(run->backend, "epoll") == 0);
	return run->body(run->arg);
}

/* Twice: with tasks that stay awake, and with drowsy ones. */
static int run_awake_and_drowsy(task_fn *body, void *arg)
{
	int result = harness_run(body, arg);

	if (result < 0)
		return result;
	task_set_drowsy(true);
	result = harness_run(body, arg);
	task_set_drowsy(false);
	return result;
}

int harness_run_each_backend(task_fn *body, void *arg)
{
	/* libevent takes the first that no variable EVENT_NO<name> forbids. What was forbidden before stays so. */
	static const struct {
		const char *backend;
		const char *forbids;
	} backends[] = { { "epoll", "EVENT_NOEPOLL" }, { "poll", "EVENT_NOPOLL" }, { "select", NULL } };
	bool is_forbidden[ARRAY_LENGTH(backends)];
	int result = 0;

	for (size_t i = 0; i < ARRAY_LENGTH(backends); i++)
		is_forbidden[i] = backends[i].forbids && getenv(backends[i].forbids);
	for (size_t i = 0; i < ARRAY_LENGTH(backends) && result >= 0; i++) {
		struct backend_run run = { backends[i].backend, body, arg };

		if (is_forbidden[i])
			continue;
		result = run_awake_and_drowsy(run_on_backend, &run);
		if (backends[i].forbids)
			setenv(backends[i].forbids, "1", 1);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(backends); i++)
		if (backends[i].forbids && !is_forbidden[i])
			unsetenv(backends[i].forbids);
	return result;
}

/* -- torture -- */

enum blow { CANCEL, CANCEL_LATER, TIME_OUT, TIME_OUT_LATER, BLOWS };

static const char *const blow_names[BLOWS] = { "cancel", "cancel a turn later", "time out", "time out a turn later" };

static struct {
	const struct harness_scenario *scenario;
	uint64_t suspensions;		/* so far in this run */
	uint64_t at;			/* strike at this one; 0: never */
	enum blow blow;
	struct task_handle victim;
	struct wheel_timer later;
} torture;

static void time_out(struct task *t)
{
	struct deadline *d = t->deadlines;

	if (!d)
		return;
	/* The scopes lie on its stack. */
	if (coro_is_asleep(&t->coro))
		coro_wake(&t->coro);
	while (d->outer && !d->shields)
		d = d->outer;
	d->at_ns = MIN(d->at_ns, time_now_ns());
	t->calm_until_ns = t->outer_until_ns = INT64_MIN;
	wait_interrupt(t, -ETIMEDOUT);
}

static void strike(void)
{
	if (!task_is_alive(torture.victim))
		return;
	if (torture.blow == CANCEL || torture.blow == CANCEL_LATER)
		task_cancel(torture.victim);
	else
		time_out(torture.victim.task);
}

static void strike_later(struct wheel_timer *timer)
{
	(void) timer;
	strike();
}

static void suspending(struct task *t)
{
	if (++torture.suspensions != torture.at)
		return;
	torture.victim = (struct task_handle) { t, t->id };
	if (getenv("HARNESS_VERBOSE"))
		fprintf(stderr, "suspension %llu: %s %s, which waits for %s\n", (unsigned long long) torture.at,
			blow_names[torture.blow], t->name, t->wait_what);
	if (torture.blow == CANCEL || torture.blow == TIME_OUT) {
		strike();
	} else {
		wheel_timer_init(&torture.later, strike_later);
		wheel_set(loop_wheel(), &torture.later, 0);
	}
}

static int limited_body(void *arg)
{
	DEADLINE(limit, FOREVER);

	(void) arg;
	return torture.scenario->body(torture.scenario->arg);
}

static int run_scenario(const struct harness_scenario *s)
{
	int result;

	torture.scenario = s;
	torture.suspensions = 0;
	if (s->prepare)
		s->prepare(s->arg);
	wait_set_hook(suspending);
	result = harness_run(limited_body, NULL);
	wait_set_hook(NULL);
	if (s->check)
		s->check(s->arg, result);
	return result;
}

typedef uint64_t torture_fn(const struct harness_scenario *s);

/* First with tasks that stay awake, whose count it returns, then with drowsy ones. */
static uint64_t torture_awake_and_drowsy(torture_fn *fn, const struct harness_scenario *s)
{
	uint64_t count = fn(s);

	task_set_drowsy(true);
	fn(s);
	task_set_drowsy(false);
	return count;
}

static uint64_t strike_everywhere(const struct harness_scenario *s)
{
	uint64_t suspensions;

	torture.at = 0;
	assert_true(run_scenario(s) >= 0);
	suspensions = torture.suspensions;
	for (torture.blow = 0; torture.blow < BLOWS; torture.blow++)
		for (torture.at = 1; torture.at <= suspensions; torture.at++)
			run_scenario(s);
	torture.at = 0;
	return suspensions;
}

uint64_t harness_torture(const struct harness_scenario *s)
{
	return torture_awake_and_drowsy(strike_everywhere, s);
}

#ifdef ENABLE_FAULTS

static uint64_t fail_everywhere(const struct harness_scenario *s)
{
	uint64_t points;

	torture.at = 0;
	fault_plant(0);
	assert_true(run_scenario(s) >= 0);
	points = fault_count();
	for (uint64_t i = 1; i <= points; i++) {
		fault_plant(i);
		run_scenario(s);
		if (getenv("HARNESS_VERBOSE"))
			fprintf(stderr, "point %llu: %s\n", (unsigned long long) i, fault_fired() ?: "not passed");
	}
	fault_plant(0);
	return points;
}

uint64_t harness_torture_faults(const struct harness_scenario *s)
{
	return torture_awake_and_drowsy(fail_everywhere, s);
}

#else

uint64_t harness_torture_faults(const struct harness_scenario *s)
{
	(void) s;
	return 0;
}

#endif
