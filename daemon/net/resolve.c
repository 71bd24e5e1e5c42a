#include "net/resolve.h"

#include "base/address.h"
#include "base/fault.h"
#include "base/memory.h"
#include "runtime/executor.h"

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
	if (strlen(host) >= ADDRESS_NAME_BYTES)
		return -ENAMETOOLONG;

	_cleanup_(question_freep) struct question *q = memory_new_object(struct question);
	if (!q)
		return -ENOMEM;
	q->answer = memory_new_object(struct resolved);
	if (!q->answer)
		return -ENOMEM;
	strcpy(q->host, host);
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
		/* A time-out up here would be one of ours. */
		return system_error == ETIMEDOUT ? -EAGAIN : -system_error;
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
