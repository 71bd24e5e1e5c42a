#include "net/resolve.h"

#include "base/address.h"
#include "base/fault.h"
#include "base/memory.h"
#include "runtime/deadline.h"
#include "runtime/executor.h"
#include "runtime/loop.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

/* One question and its answer, on the heap, because whoever asked may be gone when the answer comes. */
struct question {
	char host[ADDRESS_NAME_BYTES];
	char port[8];
	struct resolved *answer;
};

static struct question *question_free(struct question *q)
{
	if (!q)
		return NULL;
	memory_free(q->answer);
	return memory_free(q);
}
DEFINE_CLEANUP(struct question *, question_free)

static void question_drop(void *arg)
{
	question_free(arg);
}

static int question_new(const char *host, uint16_t port, struct question **ret)
{
	size_t length = strlen(host);

	if (length >= ADDRESS_NAME_BYTES)
		return -ENAMETOOLONG;

	_cleanup_(question_freep) struct question *q = memory_new_object(struct question);
	if (!q)
		return -ENOMEM;
	q->answer = memory_new_object(struct resolved);
	if (!q->answer)
		return -ENOMEM;
	memcpy(q->host, host, length);
	snprintf(q->port, sizeof(q->port), "%u", port);
	*ret = TAKE(q);
	return 0;
}

/* getaddrinfo's errors as -errno. `system_error` is the errno that goes with EAI_SYSTEM. */
static int error_from_eai(int eai, int system_error)
{
	switch (eai) {
	case 0:
		return 0;
	case EAI_NONAME:
	case EAI_NODATA:
	case EAI_ADDRFAMILY:
		return -ENOENT;
	case EAI_AGAIN:
	case EAI_FAIL:
		return -EAGAIN;
	case EAI_MEMORY:
		return -ENOMEM;
	case EAI_SYSTEM:
		/* A time-out up here would be one of ours; and the C library does not always say which error. */
		return system_error == ETIMEDOUT || system_error == 0 ? -EAGAIN : -system_error;
	default:
		return -EINVAL;
	}
}

/* On a pool thread. */
static int ask(void *arg)
{
	struct question *q = arg;
	struct resolved *answer = q->answer;
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *found = NULL;
	int r = getaddrinfo(q->host, q->port, &hints, &found);

	if (r != 0)
		return error_from_eai(r, errno);
	for (const struct addrinfo *a = found; a && answer->count < RESOLVE_ADDRESSES; a = a->ai_next) {
		memcpy(&answer->address[answer->count].storage, a->ai_addr, a->ai_addrlen);
		answer->address[answer->count].length = a->ai_addrlen;
		answer->count++;
	}
	freeaddrinfo(found);
	return answer->count > 0 ? 0 : -ENOENT;
}

int (resolve_name)(const char *host, uint16_t port, struct resolved **ret)
{
	struct question *q;
	bool dropped = false;
	int r = fault_point("getaddrinfo", EAGAIN);

	if (r < 0)
		return r;
	r = question_new(host, port, &q);
	if (r < 0)
		return r;
	r = (executor_run_abandonable)(EXECUTOR_DNS, "resolve", ask, q, question_drop, &dropped);
	if (dropped)
		return r;
	if (r >= 0)
		*ret = TAKE(q->answer);
	question_free(q);
	return r;
}

/* -- the cache -- */

void resolve_cache_init(struct resolve_cache *c)
{
	*c = (struct resolve_cache) { 0 };
	mutex_init(&c->asking, "name server");
}

void resolve_cache_done(struct resolve_cache *c)
{
	mutex_done(&c->asking);
	c->known = memory_free(c->known);
}

static int hand_out(const struct resolve_cache *c, struct resolved **ret)
{
	struct resolved *copy = memory_new_object(struct resolved);

	if (!copy)
		return -ENOMEM;
	*copy = *c->known;
	*ret = copy;
	return 0;
}

static bool is_fresh(const struct resolve_cache *c)
{
	return c->known && time_now_ns() < c->fresh_until_ns;
}

/* With the mutex held: asks, and decides what is known from now on. */
static int refresh(struct resolve_cache *c, const char *host, uint16_t port)
{
	struct resolved *answer = NULL;
	DEADLINE(patience, c->known ? RESOLVE_PATIENCE_MS : FOREVER);
	int r = (resolve_name)(host, port, &answer);

	if (r >= 0) {
		memory_free(c->known);
		c->known = answer;
		c->fresh_until_ns = time_now_ns() + RESOLVE_FRESH_MS * NS_PER_MS;
		return 0;
	}
	if (r == -ENOENT)
		c->known = memory_free(c->known);
	if (!c->known || (r != -EAGAIN && !(r == -ETIMEDOUT && deadline_passed(&patience))))
		return r;
	c->fresh_until_ns = time_now_ns() + RESOLVE_RETRY_MS * NS_PER_MS;
	return 0;
}

int resolve_cached(struct resolve_cache *c, const char *host, uint16_t port, struct resolved **ret)
{
	if (is_fresh(c) || (c->known && c->asking.holder))
		return hand_out(c, ret);

	int r = (mutex_lock)(&c->asking);
	if (r < 0)
		return r;
	r = is_fresh(c) ? 0 : refresh(c, host, port);
	mutex_unlock(&c->asking);
	return r < 0 ? r : hand_out(c, ret);
}
