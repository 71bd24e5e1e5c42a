#include "runtime/workers.h"

#include "base/fault.h"
#include "base/memory.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define THREAD_STACK_BYTES (1024 * 1024)	/* getaddrinfo() and its plug-ins are not frugal */
/* The loop comes first: a burst of handshakes that keeps all processors busy would cost its clients
 * milliseconds. Not by more, or other work on the same processors would starve the handshakes. */
#define NICENESS 15
#define LONGEST_JOIN_MS INT64_C(86400000)

struct worker {
	struct workers *set;
	pthread_t thread;
	struct job *job;		/* what it runs, or NULL */
	int64_t since_ns;
	bool left_alone;		/* by workers_join() */
	bool owns_job;			/* then, when nobody else does */
};

/* A thread that does not end in time keeps the set alive behind the loop's back: the last to leave frees it. */
struct workers {
	pthread_mutex_t lock;		/* for everything below */
	pthread_cond_t work;		/* a job was queued, or the intake was closed */
	pthread_cond_t left;		/* a worker has left */
	struct list queued, done;
	unsigned waiting, idle;		/* jobs queued; workers without one */
	unsigned started, living;
	unsigned references;		/* the living and the loop */
	unsigned queued_of[EXECUTOR_CLASSES], running_of[EXECUTOR_CLASSES];
	bool closed;
	int event_fd;
	unsigned size;
	struct worker workers[];
};

_Thread_local bool executor_is_pool_thread;

/* The real time, even where the loop's clock is virtual: threads live in it. */
static int64_t real_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* Gives one reference up, and the lock. */
static void unref_and_unlock(struct workers *p)
{
	bool last = --p->references == 0;

	pthread_mutex_unlock(&p->lock);
	if (!last)
		return;
	pthread_cond_destroy(&p->left);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	memory_free(p);
}

/* -- on the threads -- */

static struct job *take_job(struct worker *self)
{
	struct workers *p = self->set;

	while (list_is_empty(&p->queued) && !p->closed) {
		p->idle++;
		pthread_cond_wait(&p->work, &p->lock);
		p->idle--;
	}
	if (list_is_empty(&p->queued))
		return NULL;

	struct job *job = list_entry(list_take_first(&p->queued), struct job, node);

	p->waiting--;
	p->queued_of[job->class]--;
	p->running_of[job->class]++;
	job->begun = true;
	self->job = job;
	self->since_ns = real_now_ns();
	return job;
}

/* The loop is told only when it does not know yet that there is something to collect. */
static void hand_in(struct worker *self, struct job *job)
{
	struct workers *p = self->set;
	bool must_tell = list_is_empty(&p->done);

	self->job = NULL;
	p->running_of[job->class]--;
	if (self->left_alone) {
		if (self->owns_job)
			memory_free(job);
		return;
	}
	list_append(&p->done, &job->node);
	if (must_tell)
		(void) eventfd_write(p->event_fd, 1);
}

static void *worker_main(void *arg)
{
	struct worker *self = arg;
	struct workers *p = self->set;
	struct job *job;

	executor_is_pool_thread = true;
	pthread_setname_np(pthread_self(), "corelay-work");
	/* On Linux a thread has a niceness of its own. Where it may not be set, as in the unit of systemd,
	 * the loop just has more competition. */
	(void) setpriority(PRIO_PROCESS, 0, NICENESS);

	pthread_mutex_lock(&p->lock);
	while ((job = take_job(self))) {
		pthread_mutex_unlock(&p->lock);
		int result = job->fn(job->arg);
		pthread_mutex_lock(&p->lock);
		job->result = result;
		hand_in(self, job);
	}
	p->living--;
	pthread_cond_signal(&p->left);
	unref_and_unlock(p);
	return NULL;
}

/* -- on the loop's thread -- */

static int open_event_fd(void)
{
	int r = fault_point("eventfd", EMFILE);

	if (r < 0)
		return r;
	r = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return r < 0 ? -errno : r;
}

int workers_new(unsigned most, struct workers **ret)
{
	_cleanup_(memory_freep) struct workers *p = memory_new(sizeof(*p) + most * sizeof(p->workers[0]));
	pthread_condattr_t attributes;

	if (!p)
		return -ENOMEM;
	p->event_fd = open_event_fd();
	if (p->event_fd < 0)
		return p->event_fd;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&p->left, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_cond_init(&p->work, NULL);
	pthread_mutex_init(&p->lock, NULL);
	list_init(&p->queued);
	list_init(&p->done);
	p->references = 1;
	p->size = most;
	*ret = TAKE(p);
	return 0;
}

int workers_event_fd(const struct workers *p)
{
	return p->event_fd;
}

/* The new thread inherits the mask, so no signal can reach it even before its first instruction. */
static int start_thread(struct worker *w)
{
	sigset_t all, before;
	pthread_attr_t attributes;
	int r = fault_point("pthread_create", EAGAIN);

	if (r < 0)
		return r;
	r = -pthread_attr_init(&attributes);
	if (r < 0)
		return r;
	sigfillset(&all);
	pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&w->thread, &attributes, worker_main, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return r;
}

/* Starts one more when nobody is idle for the job just queued. When that fails the others will come to it; only with
 * none at all it is a failure. */
static int ensure_worker(struct workers *p)
{
	if (p->waiting <= p->idle || p->started == p->size)
		return 0;

	struct worker *w = &p->workers[p->started];

	w->set = p;
	if (start_thread(w) < 0)
		return p->started > 0 ? 0 : -EAGAIN;
	p->started++;
	p->living++;
	p->references++;
	return 0;
}

int workers_submit(struct workers *p, struct job *job)
{
	pthread_mutex_lock(&p->lock);
	p->waiting++;
	int r = ensure_worker(p);
	if (r < 0) {
		p->waiting--;
	} else {
		list_append(&p->queued, &job->node);
		p->queued_of[job->class]++;
		pthread_cond_signal(&p->work);
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

bool workers_take_back(struct workers *p, struct job *job)
{
	pthread_mutex_lock(&p->lock);
	bool begun = job->begun;
	if (!begun) {
		list_remove(&job->node);
		p->waiting--;
		p->queued_of[job->class]--;
	}
	pthread_mutex_unlock(&p->lock);
	return !begun;
}

void workers_collect(struct workers *p, struct list *to)
{
	pthread_mutex_lock(&p->lock);
	list_splice(to, &p->done);
	pthread_mutex_unlock(&p->lock);
}

void workers_count(struct workers *p, struct executor_counters *counters)
{
	pthread_mutex_lock(&p->lock);
	counters->threads = p->living;
	for (size_t i = 0; i < EXECUTOR_CLASSES; i++) {
		counters->queued[i] = p->queued_of[i];
		counters->running[i] = p->running_of[i];
	}
	pthread_mutex_unlock(&p->lock);
}

/* -- the end -- */

void workers_close(struct workers *p, struct list *to)
{
	pthread_mutex_lock(&p->lock);
	p->closed = true;
	list_splice(to, &p->queued);
	p->waiting = 0;
	for (size_t i = 0; i < EXECUTOR_CLASSES; i++)
		p->queued_of[i] = 0;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
}

static void await_workers(struct workers *p, int64_t ms)
{
	int64_t until_ns = real_now_ns() + MIN(ms, LONGEST_JOIN_MS) * NS_PER_MS;
	struct timespec until = { .tv_sec = until_ns / NS_PER_S, .tv_nsec = until_ns % NS_PER_S };

	while (p->living > 0)
		if (pthread_cond_timedwait(&p->left, &p->lock, &until) == ETIMEDOUT)
			break;
}

static void leave_alone(struct worker *w, void (*report)(const char *what, int64_t age_ms))
{
	if (report)
		report(w->job->what, (real_now_ns() - w->since_ns) / NS_PER_MS);
	w->left_alone = true;
	w->owns_job = w->job->drop;
	pthread_detach(w->thread);
}

unsigned workers_join(struct workers *p, int64_t ms, void (*report)(const char *what, int64_t age_ms))
{
	unsigned stuck = 0;

	pthread_mutex_lock(&p->lock);
	await_workers(p, ms);
	for (unsigned i = 0; i < p->started; i++) {
		if (!p->workers[i].job)
			continue;
		leave_alone(&p->workers[i], report);
		stuck++;
	}
	pthread_mutex_unlock(&p->lock);

	for (unsigned i = 0; i < p->started; i++)
		if (!p->workers[i].left_alone)
			pthread_join(p->workers[i].thread, NULL);
	return stuck;
}

struct workers *workers_free(struct workers *p)
{
	close(p->event_fd);
	pthread_mutex_lock(&p->lock);
	unref_and_unlock(p);
	return NULL;
}
