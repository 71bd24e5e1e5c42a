#include "runtime/signal.h"

#include "base/fault.h"
#include "base/memory.h"
#include "runtime/io.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct signals {
	struct io *io;
};

static int open_descriptor(const int *numbers)
{
	sigset_t set;
	int r, fd;

	sigemptyset(&set);
	for (; *numbers; numbers++)
		if (sigaddset(&set, *numbers) < 0)
			return -errno;

	r = fault_point("signalfd", EMFILE);
	if (r < 0)
		return r;
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* The executor's threads block all signals, so the mask of this thread is that of the process. */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

int signals_new(const int *numbers, struct signals **ret)
{
	_cleanup_(memory_freep) struct signals *s = memory_new_object(struct signals);
	int fd, r;

	if (!s)
		return -ENOMEM;
	fd = open_descriptor(numbers);
	if (fd < 0)
		return fd;
	r = io_new(fd, &s->io);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret = TAKE(s);
	return 0;
}

struct signals *signals_free(struct signals *s)
{
	if (!s)
		return NULL;
	io_free(s->io);
	return memory_free(s);
}

int (signals_wait)(struct signals *s)
{
	int r = wait_enter();

	if (r < 0)
		return r;
	for (;;) {
		struct signalfd_siginfo info;
		ssize_t n = read(io_fd(s->io), &info, sizeof(info));

		if (n == sizeof(info))
			return (int) info.ssi_signo;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		io_drained(s->io, IO_READ);
		r = (io_wait)(s->io, IO_READ);
		if (r < 0)
			return r;
	}
}
