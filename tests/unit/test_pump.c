/* test_pump.c - what runs in place of a parked task: when it runs, where, and what ends it. */
#include "coro/coro.h"
#include "runtime/runtime.h"
#include "tests/support/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LINES 2
#define PENDING 12345
#define NEVER 0

/* A task that is pumped while it waits for lines. The test holds their far ends as plain descriptors. */
struct pumped {
	struct io *near[LINES];
	int far[LINES];
	struct io_want wants[LINES];
	int64_t patience_ms;
	int resume_at;				/* the call of the pump that gives up; NEVER */
	bool reads_nothing;			/* the pump leaves what there is where it is */
	void (*also)(struct pumped *p);		/* what else the pump does */

	struct task_handle handle;
	struct deadline *patience;		/* on the task's stack */
	int calls;
	size_t heard_bytes;
	int64_t waited_ns;			/* as the pump's last call saw it */
	int result;				/* of the park */
	int next;				/* what the call after it said */
	bool ran_out;
	int64_t ended_ms;
};

static size_t drain(struct io *i)
{
	char buffer[64];
	ssize_t n;
	size_t sum = 0;

	while ((n = read(io_fd(i), buffer, sizeof(buffer))) > 0)
		sum += (size_t) n;
	if (n < 0)
		io_drained(i, IO_READ);
	return sum;
}

static void say(int fd, const char *words)
{
	assert_int_equal(write(fd, words, strlen(words)), strlen(words));
}

static bool pump(void *arg)
{
	struct pumped *p = arg;

	assert_null(coro_running());
	assert_ptr_equal(task_current(), p->handle.task);
	assert_false(coro_is_asleep(&p->handle.task->coro));
	assert_int_equal(p->result, PENDING);
	p->calls++;
	p->waited_ns = task_waited_ns();
	for (size_t i = 0; i < LINES && !p->reads_nothing; i++)
		if (p->wants[i].ready & IO_READ)
			p->heard_bytes += drain(p->near[i]);
	if (p->also)
		p->also(p);
	return p->calls != p->resume_at;
}

static int pumped_task(void *arg)
{
	struct pumped *p = arg;
	DEADLINE(patience, p->patience_ms);

	p->patience = &patience;
	p->result = io_park_any_pumped(&(struct io_pump) { .wants = p->wants, .count = LINES, .fn = pump, .arg = p });
	p->next = task_check();
	p->ran_out = deadline_passed(&patience);
	p->ended_ms = time_now_ms();
	return 0;
}

static void open_lines(struct pumped *p)
{
	for (size_t i = 0; i < LINES; i++) {
		int ends[2];

		harness_socketpair(ends);
		assert_int_equal(io_new(ends[0], &p->near[i]), 0);
		p->far[i] = ends[1];
		drain(p->near[i]);
	}
}

static void close_lines(struct pumped *p)
{
	for (size_t i = 0; i < LINES; i++) {
		p->near[i] = io_free(p->near[i]);
		close(p->far[i]);
	}
}

/* Begins to wait for both lines to be readable. */
static void start(struct task_group *g, struct pumped *p)
{
	open_lines(p);
	for (size_t i = 0; i < LINES; i++)
		p->wants[i] = (struct io_want) { .io = p->near[i], .want = IO_READ };
	if (p->patience_ms == 0)
		p->patience_ms = FOREVER;
	p->result = p->next = PENDING;
	assert_int_equal(task_spawn(g, "pumped", pumped_task, p, &p->handle), 0);
	harness_settle();
	assert_int_equal(p->result, PENDING);
	assert_int_equal(p->handle.task->state, TASK_WAITING);
}

/* -- where it runs -- */

static int five_messages(void *arg)
{
	struct pumped p = { .resume_at = 6 };

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	start(&g, &p);
	for (int i = 1; i <= 5; i++) {
		uint64_t switches = p.handle.task->switches;

		say(p.far[i % LINES], "ping");
		harness_settle();
		assert_int_equal(p.calls, i);
		assert_int_equal(p.heard_bytes, 4 * i);
		assert_int_equal(p.handle.task->switches, switches + 1);
		assert_int_equal(p.handle.task->state, TASK_WAITING);
		assert_int_equal(p.result, PENDING);
	}
	say(p.far[0], "ping");
	harness_settle();
	assert_int_equal(p.calls, 6);
	assert_int_equal(p.result, 0);
	assert_int_equal(p.next, 0);
	assert_false(task_is_alive(p.handle));
	close_lines(&p);
	return 0;
}

static void a_pump_runs_on_the_main_stack_and_the_task_when_it_gives_up(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(five_messages, NULL), 0);
}

static void look_at_the_stack(struct pumped *p)
{
	assert_true(deadline_left_ms(p->patience) == FOREVER);
	assert_int_equal(p->patience->ran_out, false);
}

static int asleep_in_between(void *arg)
{
	struct pumped p = { .also = look_at_the_stack, .resume_at = 4 };

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	start(&g, &p);
	for (int i = 1; i <= 3; i++) {
		assert_true(coro_is_asleep(&p.handle.task->coro));
		say(p.far[0], "ping");
		harness_settle();
		assert_int_equal(p.calls, i);
	}
	say(p.far[0], "ping");
	harness_settle();
	assert_int_equal(p.result, 0);
	close_lines(&p);
	return 0;
}

static void a_sleeping_task_is_woken_before_its_pump_runs(void **state)
{
	(void) state;
	if (!harness_can_sleep())
		skip();
	task_set_drowsy(true);
	assert_int_equal(harness_run(asleep_in_between, NULL), 0);
	task_set_drowsy(false);
}

/* -- what it wants -- */

static void swap_lines(struct pumped *p)
{
	p->wants[0].want = p->wants[1].want;
	p->wants[1].want = IO_READ ^ p->wants[0].want;
}

static int wants_change(void *arg)
{
	struct pumped p = { .also = swap_lines };

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	start(&g, &p);
	say(p.far[0], "first");			/* from now on only the one line, then only the other */
	harness_settle();
	assert_int_equal(p.calls, 1);
	for (int i = 2; i <= 5; i++) {
		size_t awaited = p.wants[0].want ? 0 : 1;

		assert_int_equal(p.wants[1 - awaited].want, 0);
		say(p.far[1 - awaited], "nobody listens");
		harness_settle();
		assert_int_equal(p.calls, i - 1);
		drain(p.near[1 - awaited]);
		say(p.far[awaited], "x");
		harness_settle();
		assert_int_equal(p.calls, i);
	}
	task_cancel(p.handle);
	assert_int_equal(group_wait(&g), 0);
	close_lines(&p);
	return 0;
}

static void a_pump_sets_what_is_waited_for_next(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(wants_change, NULL), 0);
}

static void want_to_write(struct pumped *p)
{
	p->wants[1].want = IO_WRITE;		/* there is room */
}

static int ready_at_once(void *arg)
{
	struct pumped lazy = { .reads_nothing = true }, writer = { .also = want_to_write };

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	start(&g, &lazy);
	start(&g, &writer);
	say(lazy.far[0], "ping");
	say(writer.far[0], "ping");
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(lazy.calls, 1);
	assert_int_equal(lazy.result, 0);
	assert_int_equal(lazy.wants[0].ready, IO_READ);
	assert_int_equal(lazy.wants[1].ready, 0);
	assert_int_equal(writer.calls, 1);
	assert_int_equal(writer.result, 0);
	assert_int_equal(writer.wants[0].ready, 0);
	assert_int_equal(writer.wants[1].ready, IO_WRITE);
	close_lines(&lazy);
	close_lines(&writer);
	return 0;
}

static void what_is_ready_right_after_a_pump_resumes_the_task(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(ready_at_once, NULL), 0);
}

static int wait_for_the_other_line(void *arg)
{
	struct pumped *p = arg;

	return io_wait(p->near[1], IO_READ);
}

static int somebody_else_waits(void *arg)
{
	struct pumped p = { .also = swap_lines };
	struct task_handle rival;

	(void) arg;
	TASK_GROUP(g, GROUP_EACH);
	start(&g, &p);
	say(p.far[0], "from now on that line alone");
	harness_settle();
	assert_int_equal(p.wants[1].want, 0);
	assert_int_equal(task_spawn(&g, "rival", wait_for_the_other_line, &p, &rival), 0);
	harness_settle();
	say(p.far[0], "now the other one");
	harness_settle();
	assert_int_equal(p.calls, 2);
	assert_int_equal(p.result, 0);
	assert_true(task_is_alive(rival));		/* and was not disturbed */
	assert_int_equal(io_park_any(p.wants, LINES), -EBUSY);
	task_cancel(rival);
	assert_int_equal(group_wait(&g), 0);
	close_lines(&p);
	return 0;
}

static void a_want_that_is_refused_resumes_the_task_which_is_told_next(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(somebody_else_waits, NULL), 0);
}

/* -- cancel -- */

static int cancelled_before(void *arg)
{
	struct pumped parked = { 0 }, woken = { 0 };

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	start(&g, &parked);
	start(&g, &woken);
	task_cancel(parked.handle);
	say(parked.far[0], "too late");
	harness_settle();
	assert_int_equal(parked.calls, 0);
	assert_int_equal(parked.result, -ECANCELED);

	say(woken.far[0], "just in time");
	while (woken.handle.task->state == TASK_WAITING)
		assert_int_equal(task_yield(), 0);
	task_cancel(woken.handle);
	harness_settle();
	assert_int_equal(woken.calls, 1);
	assert_int_equal(woken.result, 0);
	assert_int_equal(woken.next, -ECANCELED);
	close_lines(&parked);
	close_lines(&woken);
	return 0;
}

static void a_cancel_resumes_the_task_and_a_wake_before_it_is_still_pumped(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(cancelled_before, NULL), 0);
}

static void cancel_oneself(struct pumped *p)
{
	task_cancel(p->handle);
}

static int cancelled_by_its_pump(void *arg)
{
	struct pumped p = { .also = cancel_oneself };

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	start(&g, &p);
	say(p.far[0], "ping");
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(p.calls, 1);
	assert_int_equal(p.heard_bytes, 4);
	assert_int_equal(p.result, 0);
	assert_int_equal(p.next, -ECANCELED);
	close_lines(&p);
	return 0;
}

static int cancelled_in_between(void *arg)
{
	struct pumped p = { 0 };

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	start(&g, &p);
	for (int i = 0; i < 3; i++) {
		say(p.far[0], "ping");
		harness_settle();
	}
	task_cancel(p.handle);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(p.calls, 3);
	assert_int_equal(p.result, -ECANCELED);
	assert_int_equal(p.next, -ECANCELED);
	close_lines(&p);
	return 0;
}

static void a_cancel_during_a_pump_or_after_it_is_not_lost(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(cancelled_by_its_pump, NULL), 0);
	assert_int_equal(harness_run_each_backend(cancelled_in_between, NULL), 0);
}

/* -- the hook -- */

static struct {
	int parks, reparks;		/* of the pumped task: on its own stack, and on the main one */
	bool cancels;
} seen;

static void watch_parks(struct task *t)
{
	if (strcmp(t->name, "pumped") != 0)
		return;
	assert_int_equal(t->state, TASK_WAITING);
	if (coro_running())
		seen.parks++;
	else if (++seen.reparks == 2 && seen.cancels)
		task_cancel((struct task_handle) { t, t->id });
}

static int seen_by_the_hook(void *arg)
{
	struct pumped p = { .resume_at = seen.cancels ? NEVER : 4 };

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	seen.parks = seen.reparks = 0;
	wait_set_hook(watch_parks);
	start(&g, &p);
	assert_int_equal(seen.parks, 1);
	for (int i = 1; task_is_alive(p.handle); i++) {
		assert_int_equal(seen.reparks, i - 1);
		say(p.far[0], "ping");
		harness_settle();
	}
	wait_set_hook(NULL);
	assert_int_equal(seen.parks, 1);
	assert_int_equal(p.calls, seen.cancels ? 2 : 4);
	assert_int_equal(p.result, seen.cancels ? -ECANCELED : 0);
	assert_int_equal(seen.reparks, seen.cancels ? 2 : 3);
	close_lines(&p);
	return 0;
}

static void the_hook_sees_each_time_that_a_pump_parks_the_task_again(void **state)
{
	(void) state;
	seen.cancels = false;
	assert_int_equal(harness_run_each_backend(seen_by_the_hook, NULL), 0);
}

static void a_cancel_as_the_pump_parks_the_task_resumes_it(void **state)
{
	(void) state;
	seen.cancels = true;
	assert_int_equal(harness_run_each_backend(seen_by_the_hook, NULL), 0);
}

/* -- deadlines -- */

static int runs_out(void *arg)
{
	int64_t began_ms = time_now_ms();
	struct pumped p = { .patience_ms = 100 };

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	start(&g, &p);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(sleep_for(30), 0);
		say(p.far[0], "ping");
	}
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(p.calls, 3);
	assert_int_equal(p.result, -ETIMEDOUT);
	assert_true(p.ran_out);
	assert_int_equal(p.ended_ms - began_ms, 100);
	close_lines(&p);
	return 0;
}

static void a_deadline_passes_however_much_is_pumped_meanwhile(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(runs_out, NULL), 0);
}

static void be_patient_again(struct pumped *p)
{
	deadline_rearm(p->patience, p->patience_ms);
}

static int moved_on(void *arg)
{
	int64_t began_ms = time_now_ms();
	struct pumped p = { .patience_ms = 100, .also = be_patient_again };

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	start(&g, &p);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(sleep_for(99), 0);
		say(p.far[i % LINES], "ping");
	}
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(p.calls, 10);
	assert_int_equal(p.result, -ETIMEDOUT);
	assert_true(p.ran_out);
	assert_int_equal(p.ended_ms - began_ms, 10 * 99 + 100);
	close_lines(&p);
	return 0;
}

static void lose_patience_soon(struct pumped *p)
{
	deadline_rearm(p->patience, 5);
}

static void lose_patience_now(struct pumped *p)
{
	deadline_rearm(p->patience, 0);
}

static int brought_forward(void *arg)
{
	struct pumped soon = { .patience_ms = 1000, .also = lose_patience_soon };
	struct pumped now = { .patience_ms = 1000, .also = lose_patience_now };
	int64_t began_ms = time_now_ms();

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	start(&g, &soon);
	start(&g, &now);
	say(soon.far[0], "ping");
	say(now.far[0], "ping");
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(soon.calls, 1);
	assert_int_equal(soon.result, -ETIMEDOUT);
	assert_int_equal(soon.ended_ms - began_ms, 5);
	assert_int_equal(now.calls, 1);
	assert_int_equal(now.result, 0);		/* it was woken in time, and is told by its next call */
	assert_int_equal(now.next, -ETIMEDOUT);
	assert_int_equal(now.ended_ms - began_ms, 0);
	close_lines(&soon);
	close_lines(&now);
	return 0;
}

static void a_pump_moves_the_deadline_of_its_task(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(moved_on, NULL), 0);
	assert_int_equal(harness_run_each_backend(brought_forward, NULL), 0);
}

/* -- the descriptor goes -- */

static int closed_meanwhile(void *arg)
{
	struct pumped p = { 0 };

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	start(&g, &p);
	say(p.far[0], "ping");
	say(p.far[1], "ping");
	harness_settle();
	int calls = p.calls;
	p.near[1] = io_free(p.near[1]);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(p.calls, calls);
	assert_int_equal(p.result, -EBADF);
	close_lines(&p);
	return 0;
}

static void closing_one_of_its_descriptors_resumes_a_pumped_task(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(closed_meanwhile, NULL), 0);
}

/* -- accounts -- */

static int books(void *arg)
{
	bool gives_up = *(const bool *) arg;
	struct pumped p = { .resume_at = gives_up ? 4 : NEVER };

	TASK_GROUP(g, GROUP_ALL);
	start(&g, &p);
	for (int i = 1; i <= 3; i++) {
		uint64_t slices = loop_counters()->slices;

		assert_int_equal(sleep_for(100 * i), 0);
		say(p.far[0], "ping");
		harness_settle();
		assert_int_equal(p.calls, i);
		assert_int_equal(p.waited_ns, 50 * i * (i + 1) * NS_PER_MS);
		assert_int_equal(p.handle.task->waited_ns, p.waited_ns);
		assert_int_equal(p.handle.task->wait_since_ns, time_now_ns());
		assert_true(loop_counters()->slices > slices);
	}
	assert_int_equal(sleep_for(7), 0);
	if (gives_up)
		say(p.far[0], "ping");
	else
		task_cancel(p.handle);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(p.handle.task->waited_ns, 607 * NS_PER_MS);	/* its slot is not used again yet */
	close_lines(&p);
	return 0;
}

static void waiting_is_counted_once_up_to_each_pump_and_to_the_end(void **state)
{
	bool gives_up[] = { false, true };

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(gives_up); i++)
		assert_int_equal(harness_run_each_backend(books, &gives_up[i]), 0);
}

/* Until the clock has moved. */
static void take_time(struct pumped *p)
{
	int64_t before_ns = time_read_ns();

	(void) p;
	while (time_read_ns() == before_ns)
		;
}

static int takes_time(void *arg)
{
	struct pumped p = { .also = take_time };

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	start(&g, &p);

	int64_t run_ns = p.handle.task->run_ns;

	say(p.far[0], "ping");
	while (p.handle.task->state != TASK_WAITING || p.calls == 0)
		assert_int_equal(task_yield(), 0);
	assert_true(p.handle.task->run_ns > run_ns);
	task_cancel(p.handle);
	assert_int_equal(group_wait(&g), 0);
	close_lines(&p);
	return 0;
}

static void a_pumps_time_is_its_tasks_run_time(void **state)
{
	const struct loop_options in_real_time = { 0 };

	(void) state;
	assert_int_equal(harness_run_with(&in_real_time, takes_time, NULL), 0);
}

/* -- two halves -- */

#define HALVES 5

static struct {
	char log[64];
	size_t length;
} halves;

/* A letter: lower case for a read, upper case for a write, a digit when the task is entered, '-' for another one. */
static void halves_note(char what)
{
	halves.log[halves.length++] = what;
}

static ptrdiff_t place_of(char what)
{
	const char *found = strchr(halves.log, what);

	assert_non_null(found);
	assert_null(strchr(found + 1, what));
	return found - halves.log;
}

struct halved {
	struct io *near;
	int far;
	struct io_want want;
	struct io_pump pump;
	int index;
	bool at_once, gives_up;
	int result;
	struct task_handle handle;
};

static bool read_half(void *arg)
{
	struct halved *h = arg;

	assert_ptr_equal(task_current(), h->handle.task);
	assert_true(drain(h->near) > 0);
	halves_note((char) ('a' + h->index));
	return !h->at_once;
}

static bool write_half(void *arg)
{
	struct halved *h = arg;

	assert_ptr_equal(task_current(), h->handle.task);
	halves_note((char) ('A' + h->index));
	return !h->gives_up;
}

static int halved_task(void *arg)
{
	struct halved *h = arg;

	h->result = io_park_any_pumped(&h->pump);
	halves_note((char) ('0' + h->index));
	return 0;
}

static int notes_itself(void *arg)
{
	halves_note('-');
	task_cancel(*(struct task_handle *) arg);
	return 0;
}

static void halved_begin(struct task_group *g, struct halved *h, int index)
{
	int ends[2];

	harness_socketpair(ends);
	assert_int_equal(io_new(ends[0], &h->near), 0);
	h->far = ends[1];
	drain(h->near);
	h->want = (struct io_want) { .io = h->near, .want = IO_READ };
	h->pump = (struct io_pump) { .wants = &h->want, .count = 1, .begin = read_half, .fn = write_half, .arg = h };
	h->index = index;
	h->result = PENDING;
	assert_int_equal(task_spawn(g, "halved", halved_task, h, &h->handle), 0);
}

static void all_hear(struct halved h[HALVES])
{
	halves.length = 0;
	memset(halves.log, 0, sizeof(halves.log));
	for (int i = 0; i < HALVES; i++)
		say(h[i].far, "ping");
	harness_settle();
}

static int read_first(void *arg)
{
	struct halved h[HALVES] = { 0 };

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	for (int i = 0; i < HALVES; i++)
		halved_begin(&g, &h[i], i);
	harness_settle();

	all_hear(h);
	assert_int_equal(strspn(halves.log, "abcde"), HALVES);
	assert_int_equal(strspn(halves.log + HALVES, "ABCDE"), HALVES);

	/* One that does all at once does not hold the others up, nor do they it. */
	h[2].at_once = true;
	all_hear(h);
	assert_int_equal(place_of('C'), place_of('c') + 1);
	for (const char *other = "ABDE"; *other; other++)
		for (const char *read = "abcde"; *read; read++)
			assert_true(place_of(*other) > place_of(*read));

	/* One is entered when no other is half done. */
	h[2].at_once = false;
	h[1].gives_up = true;
	all_hear(h);
	assert_int_equal(strspn(halves.log + HALVES, "ABCDE"), HALVES);
	assert_int_equal(strspn(halves.log, "abcde"), HALVES);
	assert_int_equal(place_of('1'), 2 * HALVES);
	assert_int_equal(halves.length, 2 * HALVES + 1);
	assert_int_equal(h[1].result, 0);

	/* One that does all at once, and is entered, comes after what the others had begun. */
	h[3].at_once = h[3].gives_up = true;
	halves.length = 0;
	memset(halves.log, 0, sizeof(halves.log));
	for (int i = 0; i < HALVES; i++)
		if (i != 1) {
			say(h[i].far, "ping");
			wait_wake(h[i].near->waiters[0], 0);
		}
	harness_settle();
	assert_string_equal(halves.log, "acdDAC3eE");

	for (int i = 0; i < HALVES; i++)
		if (i != 1 && i != 3)
			task_cancel(h[i].handle);
	harness_settle();
	for (int i = 0; i < HALVES; i++) {
		assert_int_equal(h[i].result, i == 1 || i == 3 ? 0 : -ECANCELED);
		io_free(h[i].near);
		close(h[i].far);
	}
	return 0;
}

static void pumps_that_run_together_read_first_and_then_write(void **state)
{
	(void) state;
	assert_int_equal(harness_run(read_first, NULL), 0);
}

/* Nothing but pumps comes between the halves of a pump: what runs there might see, or end, what is half done. */
static int entered_in_between(void *arg)
{
	struct halved h[HALVES] = { 0 };
	struct task_handle victim;

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	for (int i = 0; i < HALVES; i++)
		halved_begin(&g, &h[i], i);
	harness_settle();

	victim = h[0].handle;
	halves.length = 0;
	memset(halves.log, 0, sizeof(halves.log));
	for (int i = 0; i < HALVES; i++) {
		h[i].near->ready |= IO_READ;
		say(h[i].far, "ping");
		wait_wake(h[i].near->waiters[0], 0);
		if (i == 2)
			assert_int_equal(task_spawn(&g, "between", notes_itself, &victim, NULL), 0);
	}
	harness_settle();
	/* The cancelled one has read, and written, and is entered after all. */
	assert_string_equal(halves.log, "abcABC-deDE0");
	assert_int_equal(h[0].result, -ECANCELED);

	for (int i = 1; i < HALVES; i++)
		task_cancel(h[i].handle);
	harness_settle();
	for (int i = 0; i < HALVES; i++) {
		io_free(h[i].near);
		close(h[i].far);
	}
	return 0;
}

static void no_task_is_entered_between_the_halves_of_a_pump(void **state)
{
	(void) state;
	assert_int_equal(harness_run(entered_in_between, NULL), 0);
}

/* -- torture -- */

static bool echo(void *arg)
{
	struct io *i = arg;
	char buffer[16];
	ssize_t n;

	while ((n = read(io_fd(i), buffer, sizeof(buffer))) > 0)
		if (write(io_fd(i), buffer, (size_t) n) != n)
			return false;
	if (n < 0)
		io_drained(i, IO_READ);
	return n < 0;
}

/* Gives back what it hears until the other side ends. */
static int echoes(void *arg)
{
	_cleanup_(io_freep) struct io *i = TAKE(*(struct io **) arg);
	DEADLINE(limit, FOREVER);

	while (echo(i)) {
		struct io_want want = { .io = i, .want = IO_READ };
		int r = io_park_any_pumped(&(struct io_pump) { .wants = &want, .count = 1, .fn = echo, .arg = i });

		if (r < 0)
			return r;
	}
	return 0;
}

static int asks(struct io *i)
{
	char buffer[16];

	for (int round = 0; round < 3; round++) {
		if (write(io_fd(i), "ping", 4) != 4)
			return -EPIPE;
		io_drained(i, IO_READ);
		int r = io_wait(i, IO_READ);
		if (r < 0)
			return r;
		if (read(io_fd(i), buffer, sizeof(buffer)) != 4)
			return -EPIPE;
	}
	return 0;
}

static int conversation(void *arg)
{
	_cleanup_(io_freep) struct io *a = NULL;
	_cleanup_(io_freep) struct io *b = NULL;
	int ends[2];

	(void) arg;
	harness_socketpair(ends);
	int r = io_new(ends[0], &a);
	if (r < 0)
		close(ends[0]);
	int r2 = io_new(ends[1], &b);
	if (r2 < 0)
		close(ends[1]);
	if (r < 0 || r2 < 0)
		return MIN(r, r2);

	TASK_GROUP(g, GROUP_EACH);
	r = task_spawn(&g, "pumped", echoes, &b, NULL);
	return r < 0 ? r : asks(a);
}

static void a_pumped_conversation_leaks_nothing_wherever_it_is_broken_off(void **state)
{
	const struct harness_scenario s = { .body = conversation };

	(void) state;
	assert_true(harness_torture(&s) >= 7);	/* three waits of one, four of the other */
	(void) harness_torture_faults(&s);
}

/* -- misuse -- */

static void take_a_nap(struct pumped *p)
{
	(void) p;
	(void) sleep_for(1);
}

static int suspends_in_its_pump(void *arg)
{
	struct pumped p = { .also = take_a_nap };

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	start(&g, &p);
	say(p.far[0], "ping");
	return group_wait(&g);
}

static void a_pump_that_suspends_aborts(void **state)
{
	(void) state;
	harness_dies(suspends_in_its_pump, NULL, "a suspension outside of a coroutine");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pump_runs_on_the_main_stack_and_the_task_when_it_gives_up),
		cmocka_unit_test(a_sleeping_task_is_woken_before_its_pump_runs),
		cmocka_unit_test(a_pump_sets_what_is_waited_for_next),
		cmocka_unit_test(what_is_ready_right_after_a_pump_resumes_the_task),
		cmocka_unit_test(a_want_that_is_refused_resumes_the_task_which_is_told_next),
		cmocka_unit_test(a_cancel_resumes_the_task_and_a_wake_before_it_is_still_pumped),
		cmocka_unit_test(a_cancel_during_a_pump_or_after_it_is_not_lost),
		cmocka_unit_test(the_hook_sees_each_time_that_a_pump_parks_the_task_again),
		cmocka_unit_test(a_cancel_as_the_pump_parks_the_task_resumes_it),
		cmocka_unit_test(a_deadline_passes_however_much_is_pumped_meanwhile),
		cmocka_unit_test(a_pump_moves_the_deadline_of_its_task),
		cmocka_unit_test(closing_one_of_its_descriptors_resumes_a_pumped_task),
		cmocka_unit_test(waiting_is_counted_once_up_to_each_pump_and_to_the_end),
		cmocka_unit_test(a_pumps_time_is_its_tasks_run_time),
		cmocka_unit_test(pumps_that_run_together_read_first_and_then_write),
		cmocka_unit_test(no_task_is_entered_between_the_halves_of_a_pump),
		cmocka_unit_test(a_pumped_conversation_leaks_nothing_wherever_it_is_broken_off),
		cmocka_unit_test(a_pump_that_suspends_aborts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
