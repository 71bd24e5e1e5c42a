#include "runtime/loop.h"

#include "base/ensure.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/memory.h"
#include "coro/stack.h"
#include "runtime/batch.h"
#include "runtime/block.h"
#include "runtime/chunk.h"
#include "runtime/deadline.h"
#include "runtime/executor.h"
#include "runtime/group.h"
#include "runtime/io.h"
#include "runtime/trace.h"
#include "runtime/wheel.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <signal.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

#define MAX_TASKS_DEFAULT 1000000
/* Resumes before the sockets are looked at again. */
#define SLICES_PER_TURN 256
/* How long loop_close() waits for jobs on pool threads. */
#define EXECUTOR_GRACE_MS 5000
/* Where a virtual clock begins. */
#define VIRTUAL_BEGIN_NS NS_PER_S

_Static_assert(sizeof(struct event) <= LOOP_EVENT_BYTES, "LOOP_EVENT_BYTES holds a struct event");

static struct {
	bool open;
	struct loop_options options;
	struct event_base *base;
	struct event *timer;		/* of the wheel; set only while the loop sleeps with timers due */
	int64_t timer_at_ms;		/* for when it is set, or FOREVER */
	struct wheel wheel;
	struct task_group root;
	int64_t wall_at_open_s;		/* of a virtual clock */
	unsigned events;		/* registered descriptors */
	int outside;			/* jobs in flight that will wake somebody */
} loop;

struct loop_hot loop_hot;

/* -- time -- */

int64_t loop_clock_ns;

int64_t time_now_ms(void)
{
	return loop_clock_ns / NS_PER_MS;
}

int64_t time_read_ns(void)
{
	struct timespec ts;

	if (loop.options.virtual_clock)
		return loop_clock_ns;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static int64_t read_wall_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec;
}

int64_t time_wall_s(void)
{
	if (loop.open && loop.options.virtual_clock)
		return loop.wall_at_open_s + (loop_clock_ns - VIRTUAL_BEGIN_NS) / NS_PER_S;
	return read_wall_s();
}

int64_t loop_timer_ms(int64_t at_ns)
{
	return at_ns / NS_PER_MS + (at_ns % NS_PER_MS != 0);
}

void loop_set_timer(struct wheel_timer *t, int64_t at_ns)
{
	wheel_set(&loop.wheel, t, loop_timer_ms(at_ns));
}

struct wheel *loop_wheel(void)
{
	return &loop.wheel;
}

int (sleep_for)(int64_t ms)
{
	if (ms <= 0)
		return (task_yield)();

	struct deadline nap;
	int r = wait_enter();
	if (r < 0)
		return r;

	deadline_begin(&nap, ms);
	r = wait_park(wait_begin("time to pass", NULL));
	bool slept = r == -ETIMEDOUT && deadline_passed(&nap);
	deadline_end(&nap);
	return slept ? 0 : r;
}

/* -- descriptors -- */

/* A level-triggered event is made anew for each wait: libevent tells what may be assigned by whether it was
 * ever initialised. */
static struct event *event_of(struct loop_event *e)
{
	return (struct event *) (void *) e->opaque;
}

unsigned loop_event_mask(short what)
{
	return ((what & EV_READ) ? IO_READ : 0) | ((what & EV_WRITE) ? IO_WRITE : 0) |
	       ((what & EV_CLOSED) ? IO_READ | LOOP_PEER_ENDED : 0);
}

int loop_event_add(struct loop_event *e, int fd, loop_event_fn *fn, void *arg)
{
	struct event *ev = event_of(e);
	short what = EV_READ | EV_WRITE;

	if (loop_hot.edge_triggered)
		what |= EV_ET | EV_PERSIST | EV_CLOSED;
	if (event_assign(ev, loop.base, fd, what, fn, arg) < 0)
		return -EINVAL;

	int r = fault_point("epoll_ctl", ENOSPC);
	if (r < 0)
		return r;
	if ((size_t) fd >= loop_max_fds())
		return -EMFILE;
	if (loop_hot.edge_triggered && event_add(ev, NULL) < 0)
		return -errno;
	loop.events++;
	return 0;
}

int loop_event_arm(struct loop_event *e, unsigned mask)
{
	struct event *ev = event_of(e);
	short what = (short) (((mask & IO_READ) ? EV_READ : 0) | ((mask & IO_WRITE) ? EV_WRITE : 0));

	if (loop_hot.edge_triggered)
		return 0;
	event_del(ev);
	event_assign(ev, loop.base, event_get_fd(ev), what, event_get_callback(ev), event_get_callback_arg(ev));
	return event_add(ev, NULL) < 0 ? -ENOMEM : 0;
}

void loop_event_remove(struct loop_event *e)
{
	event_del(event_of(e));
	loop.events--;
}

/* -- the ready queue -- */

size_t loop_max_tasks(void)
{
	return loop.options.max_tasks;
}

void loop_expect_outside(int change)
{
	loop.outside += change;
}

int64_t loop_lap_ns(void)
{
	int64_t before_ns = loop_clock_ns;

	loop_clock_ns = time_read_ns();
	return loop_clock_ns - before_ns;
}

void loop_watch_for_stall(const struct task *t, int64_t slice_ns)
{
	loop_hot.counters.longest_slice_ns = MAX(loop_hot.counters.longest_slice_ns, slice_ns);
	if (UNLIKELY(slice_ns > loop.options.stall_warn_ms * NS_PER_MS) && loop.options.on_stall)
		loop.options.on_stall(t, slice_ns);
}

void loop_account_slice(struct task *t, int64_t slice_ns)
{
	t->run_ns += slice_ns;
	if (UNLIKELY(slice_ns > t->longest_slice_ns))
		t->longest_slice_ns = (uint32_t) MIN(slice_ns, (int64_t) UINT32_MAX);
	loop_watch_for_stall(t, slice_ns);
}

void loop_set_stall_warn(int64_t ms)
{
	int64_t never_ms = FOREVER / NS_PER_MS;

	loop.options.stall_warn_ms = ms <= 0 ? never_ms : MIN(ms, never_ms);
}

/* Runs the tasks that are ready now; those that become so meanwhile come after the next look at the sockets. */
static void run_ready(void)
{
	struct list snapshot = LIST_INIT(snapshot);
	struct batch batch = { .begun_count = 0, .waiting_count = 0 };
	unsigned slices = 0;

	list_splice(&snapshot, &loop_hot.ready);
	while (slices < SLICES_PER_TURN && !list_is_empty(&snapshot)) {
		if (slices++ % TASKS_WARMED == 0)
			task_warm_up(&snapshot);
		struct list *node = list_take_first(&snapshot);

		batch_run(&batch, list_entry(node, struct task, ready_node));
	}
	batch_finish(&batch);

	/* What was left over keeps its place before the newcomers. */
	list_splice(&snapshot, &loop_hot.ready);
	list_splice(&loop_hot.ready, &snapshot);
}

/* -- turns -- */

static void timer_fired(evutil_socket_t fd, short what, void *arg)
{
	(void) fd;
	(void) what;
	(void) arg;
	loop.timer_at_ms = FOREVER;
}

/* Sets libevent's one timer so that a sleep ends when the next deadline comes. One that is set for earlier
 * stays: it looks and sleeps on. */
static void set_alarm(int64_t at_ms)
{
	if (at_ms == FOREVER || loop.timer_at_ms <= at_ms) {
		if (at_ms == FOREVER && loop.timer_at_ms != FOREVER) {
			event_del(loop.timer);
			loop.timer_at_ms = FOREVER;
		}
		return;
	}

	int64_t wait_ns = MAX(at_ms * NS_PER_MS - loop_clock_ns, INT64_C(0));
	struct timeval tv = { .tv_sec = wait_ns / NS_PER_S, .tv_usec = wait_ns % NS_PER_S / 1000 };

	ENSURE(event_add(loop.timer, &tv) == 0, "libevent cannot set a timer");
	loop.timer_at_ms = at_ms;
}

static void poll_sockets(bool may_sleep)
{
	loop_hot.counters.polls++;
	event_base_loop(loop.base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY | (may_sleep ? 0 : EVLOOP_NONBLOCK));
	io_wake_reported();
}

static void turn_in_real_time(void)
{
	bool may_sleep = list_is_empty(&loop_hot.ready);

	if (may_sleep)
		set_alarm(wheel_next_ms(&loop.wheel));
	poll_sockets(may_sleep);
	loop_clock_ns = time_read_ns();
}

/* Time moves only when nothing can run. Bytes on their way through the kernel are given a moment to arrive. */
static void turn_in_virtual_time(void)
{
	poll_sockets(false);
	if (!list_is_empty(&loop_hot.ready))
		return;

	if (loop.outside > 0) {
		poll_sockets(true);
		return;
	}
	if (loop.events > 0) {
		struct timeval moment = { .tv_usec = 1000 };

		event_add(loop.timer, &moment);
		poll_sockets(true);
		event_del(loop.timer);
		if (!list_is_empty(&loop_hot.ready))
			return;
	}

	int64_t next_ms = wheel_next_ms(&loop.wheel);
	if (next_ms == FOREVER)
		trace_write(STDERR_FILENO);
	ENSURE(next_ms != FOREVER, "deadlock: every task waits, and no timer is set");
	loop_clock_ns = MAX(loop_clock_ns, next_ms * NS_PER_MS);
}

static void loop_turn(void)
{
	loop_hot.counters.turns++;
	log_flush();
	if (loop.options.virtual_clock)
		turn_in_virtual_time();
	else
		turn_in_real_time();
	wheel_advance(&loop.wheel, time_now_ms());
	run_ready();
}

/* -- opening, running, closing -- */

/* libevent would write to standard error by itself; what failed is returned to us too. */
static void library_says(int severity, const char *message)
{
	(void) severity;
	log_debug("libevent: %s", message);
}

static struct event_base *new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (!config)
		return NULL;
	if (event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0)
		base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

int loop_open(const struct loop_options *options)
{
	if (loop.open)
		return -EBUSY;

	int r = fault_point("epoll_create", ENOMEM);
	if (r < 0)
		return r;

	event_set_log_callback(library_says);
	memset(&loop, 0, sizeof(loop));
	memset(&loop_hot, 0, sizeof(loop_hot));
	loop.options = *options;
	if (loop.options.max_tasks == 0)
		loop.options.max_tasks = MAX_TASKS_DEFAULT;
	loop_set_stall_warn(options->stall_warn_ms);
	list_init(&loop_hot.ready);
	loop.timer_at_ms = FOREVER;

	loop.base = new_base();
	if (!loop.base)
		return -ENOMEM;
	loop.timer = evtimer_new(loop.base, timer_fired, NULL);
	if (!loop.timer) {
		event_base_free(loop.base);
		return -ENOMEM;
	}

	int features = event_base_get_features(loop.base);
	loop_hot.edge_triggered = (features & EV_FEATURE_ET) && (features & EV_FEATURE_EARLY_CLOSE);
	loop_clock_ns = loop.options.virtual_clock ? VIRTUAL_BEGIN_NS : time_read_ns();
	loop.wall_at_open_s = read_wall_s();
	wheel_init(&loop.wheel, time_now_ms());
	signal(SIGPIPE, SIG_IGN);
	loop.open = true;
	return 0;
}

void loop_close(void)
{
	(void) executor_shutdown(EXECUTOR_GRACE_MS, NULL);
	io_pool_done();
	block_pool_done();
	chunk_pool_done();
	task_pool_done();
	stack_pool_done();
	event_free(loop.timer);
	event_base_free(loop.base);
	libevent_global_shutdown();
	loop.open = false;
}

struct root {
	task_fn *fn;
	void *arg;
	int result;
};

static int root_main(void *arg)
{
	struct root *root = arg;

	root->result = root->fn(root->arg);
	return root->result;
}

int loop_run(const char *name, task_fn *fn, void *arg)
{
	struct root root = { fn, arg, -ENOMEM };

	group_init(&loop.root, "root", GROUP_EACH);
	int r = task_spawn(&loop.root, name, root_main, &root, NULL);
	if (r < 0)
		return r;
	log_gather(true);
	while (loop.root.count > 0)
		loop_turn();
	log_gather(false);
	return root.result;
}

const struct loop_counters *loop_counters(void)
{
	return &loop_hot.counters;
}

const char *loop_backend(void)
{
	return event_base_get_method(loop.base);
}

size_t loop_max_fds(void)
{
	return strcmp(loop_backend(), "select") == 0 ? FD_SETSIZE : SIZE_MAX;
}
