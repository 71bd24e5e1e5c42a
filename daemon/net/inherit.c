#include "net/inherit.h"

#include "base/ensure.h"
#include "base/memory.h"
#include "base/text.h"
#include "net/fd.h"
#include "net/listener.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_FD 3		/* SD_LISTEN_FDS_START, sd_listen_fds(3) */
#define SOCKETS_MAX 64
#define NAME_WHEN_NONE "unknown"

/* What a process inherits is its own by nature, like its environment; so this is the one state that the layer has. */
static struct {
	size_t count;
	char *names_text;			/* what the names point into */
	struct {
		const char *name;
		bool taken;
	} sockets[SOCKETS_MAX];
	const char *unclaimed[SOCKETS_MAX + 1];
} inherited;

/* How many descriptors the variables promise to this process: 0 when they are absent or for another one. */
static int read_count(size_t *ret)
{
	const char *pid_text = getenv("LISTEN_PID");
	const char *count_text = getenv("LISTEN_FDS");
	uint64_t pid;
	uint64_t count;

	*ret = 0;
	if (!pid_text || !count_text)
		return 0;
	if (text_parse_number(pid_text, &pid) < 0 || text_parse_number(count_text, &count) < 0)
		return -EINVAL;
	if (pid != (uint64_t) getpid())
		return 0;
	if (count > SOCKETS_MAX)
		return -E2BIG;
	*ret = count;
	return 0;
}

/* Cuts `a:b:c` into exactly `count` names. */
static int read_names(char *text, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char *name = text ? strsep(&text, ":") : NULL;

		if (!name)
			return -EINVAL;
		inherited.sockets[i].name = name;
	}
	return text ? -EINVAL : 0;
}

/* Nothing but a listening stream socket of a family that we know is of any use, and the sooner that is said the
 * better. */
static int adopt(int fd)
{
	int family = 0;
	int type = 0;
	int listens = 0;
	int r = fd_option(fd, SOL_SOCKET, SO_DOMAIN, &family);

	if (r >= 0)
		r = fd_option(fd, SOL_SOCKET, SO_TYPE, &type);
	if (r >= 0)
		r = fd_option(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens);
	if (r < 0)
		return r;
	if (family != AF_INET && family != AF_INET6 && family != AF_UNIX)
		return -EAFNOSUPPORT;
	return type == SOCK_STREAM && listens ? fd_adopt(fd) : -ENOTSOCK;
}

static int inherit_all(size_t count)
{
	const char *names = getenv("LISTEN_FDNAMES");
	int r = 0;

	if (names) {
		inherited.names_text = memory_copy_text(names);
		if (!inherited.names_text)
			return -ENOMEM;
		r = read_names(inherited.names_text, count);
	} else {
		for (size_t i = 0; i < count; i++)
			inherited.sockets[i].name = NAME_WHEN_NONE;
	}

	for (size_t i = 0; r >= 0 && i < count; i++) {
		inherited.sockets[i].taken = false;
		r = adopt(FIRST_FD + (int) i);
	}
	return r;
}

int listener_inherit(void)
{
	size_t count;
	int r = read_count(&count);

	inherited.count = 0;
	inherited.names_text = memory_free(inherited.names_text);
	if (r >= 0 && count > 0)
		r = inherit_all(count);

	/* A program that we start must not take them for its own. */
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (r < 0)
		return r;
	inherited.count = count;
	return (int) count;
}

int inherit_take(const char *name)
{
	for (size_t i = 0; i < inherited.count; i++) {
		if (inherited.sockets[i].taken || strcmp(inherited.sockets[i].name, name) != 0)
			continue;
		inherited.sockets[i].taken = true;
		return FIRST_FD + (int) i;
	}
	return -ENOENT;
}

void inherit_give_back(int fd)
{
	ENSURE(fd >= FIRST_FD && (size_t) (fd - FIRST_FD) < inherited.count && inherited.sockets[fd - FIRST_FD].taken,
	       "descriptor %d is given back but was not taken", fd);
	inherited.sockets[fd - FIRST_FD].taken = false;
}

const char *const *listener_unclaimed(void)
{
	size_t count = 0;

	for (size_t i = 0; i < inherited.count; i++)
		if (!inherited.sockets[i].taken)
			inherited.unclaimed[count++] = inherited.sockets[i].name;
	inherited.unclaimed[count] = NULL;
	return inherited.unclaimed;
}
