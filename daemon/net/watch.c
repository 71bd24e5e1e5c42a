#include "net/watch.h"

#include "base/fault.h"
#include "base/memory.h"
#include "net/fd.h"
#include "runtime/deadline.h"

#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What may change where a name leads, or whether it leads anywhere. */
#define FOLDER_EVENTS                                                                                      \
	(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB)
#define FILE_EVENTS (IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)
/* At least one event with the longest of names. */
#define EVENTS_BYTES 2048
/* As many as the kernel follows, path_resolution(7). */
#define LINKS_MAX 40

/* What stat(2) said of a file. Whatever else changes of it changes st_ctime too. */
struct looks {
	int error;			/* of stat(2); the rest is 0 then */
	dev_t device;
	ino_t inode;
	struct timespec changed;
	bool fresh;			/* another change would have the same time: its clock has yet to tick */
};

struct watched {
	char *path;
	struct looks looks;		/* when it was last looked at */
};

/* For a file itself: whatever happens to it, and all names when it is a folder. */
#define ANY_NAME 0

/* Something that the kernel watches for us: a name in a folder, or a file itself. */
struct armed {
	int descriptor;			/* of inotify; several names may share it */
	uint64_t name_hash;		/* two names that share it cost a look at most */
	uint64_t round;			/* when it was last found to matter */
};

struct watch {
	struct io io;			/* first: see io_init() */
	struct watched *files;
	size_t count;
	struct armed *armed;
	size_t armed_count, armed_size;
	uint64_t round;			/* how often the files have been looked at */
	bool look_due;
	uint64_t changes, changes_told;
	_Alignas(struct inotify_event) char events[EVENTS_BYTES];
};

/* -- what the kernel watches -- */

/* FNV-1a. */
static uint64_t hash(const char *name, size_t length)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < length; i++)
		h = (h ^ (unsigned char) name[i]) * 1099511628211u;
	return h;
}

static int remember(struct watch *w, int descriptor, uint64_t name_hash)
{
	for (size_t i = 0; i < w->armed_count; i++)
		if (w->armed[i].descriptor == descriptor && w->armed[i].name_hash == name_hash) {
			w->armed[i].round = w->round;
			return 0;
		}
	if (w->armed_count == w->armed_size) {
		size_t size = MAX(2 * w->armed_size, (size_t) 8);
		struct armed *armed = memory_resize(w->armed, size * sizeof(*armed));

		if (!armed)
			return -ENOMEM;
		w->armed = armed;
		w->armed_size = size;
	}
	w->armed[w->armed_count++] = (struct armed) { descriptor, name_hash, w->round };
	return 0;
}

/* True when nothing is to be seen there, or not by us. What is above it is watched, and tells when that changes. */
static bool is_absence(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -EACCES || r == -ELOOP || r == -ENAMETOOLONG;
}

static int arm(struct watch *w, const char *path, uint32_t events, uint64_t name_hash)
{
	int r = fault_point("inotify_add_watch", ENOSPC);

	if (r < 0)
		return r;
	r = inotify_add_watch(io_fd(&w->io), path, events);
	return r < 0 ? -errno : remember(w, r, name_hash);
}

static bool is_armed(const struct watch *w, int descriptor)
{
	for (size_t i = 0; i < w->armed_count; i++)
		if (w->armed[i].descriptor == descriptor)
			return true;
	return false;
}

/* Lets go of what no file leads through any more, such as the former target of a link. */
static void disarm_the_rest(struct watch *w)
{
	for (size_t i = w->armed_count; i-- > 0;) {
		int descriptor = w->armed[i].descriptor;

		if (w->armed[i].round == w->round)
			continue;
		w->armed[i] = w->armed[--w->armed_count];
		/* Fails when the kernel has let go of it by itself, because it is gone. */
		if (!is_armed(w, descriptor))
			(void) inotify_rm_watch(io_fd(&w->io), descriptor);
	}
}

/* -- the way to a file -- */

/* A path that is followed name by name. Up to `at` it leads through no links. */
struct way {
	char path[PATH_MAX];
	size_t at, end;			/* the name that it is at */
	int links;			/* followed so far */
};

static int way_begin(struct way *y, const char *path)
{
	size_t length = strlen(path);

	if (length >= sizeof(y->path))
		return -ENAMETOOLONG;
	memcpy(y->path, path, length + 1);
	y->at = y->end = 0;
	y->links = 0;
	return 0;
}

/* Goes to the next name. False when there is none. */
static bool way_next(struct way *y)
{
	y->at = y->end + strspn(y->path + y->end, "/");
	y->end = y->at + strcspn(y->path + y->at, "/");
	return y->end > y->at;
}

static int arm_folder(struct watch *w, struct way *y)
{
	uint64_t name_hash = hash(y->path + y->at, y->end - y->at);
	char first = y->path[y->at];

	if (y->at == 0)
		return arm(w, ".", FOLDER_EVENTS | IN_ONLYDIR, name_hash);
	y->path[y->at] = '\0';
	int r = arm(w, y->path, FOLDER_EVENTS | IN_ONLYDIR, name_hash);
	y->path[y->at] = first;
	return r;
}

/* Puts the target of the link that it is at in the place of its name. */
static int way_follow(struct way *y)
{
	char target[PATH_MAX];
	size_t rest = strlen(y->path + y->end) + 1;
	int r = fault_point("readlink", EIO);

	if (r < 0 || ++y->links > LINKS_MAX)
		return r < 0 ? r : -ELOOP;

	char last = y->path[y->end];
	y->path[y->end] = '\0';
	ssize_t length = readlink(y->path, target, sizeof(target));
	y->path[y->end] = last;
	if (length < 0)
		return errno == EINVAL ? -ENOENT : -errno;	/* the link has just gone */

	size_t at = target[0] == '/' ? 0 : y->at;
	if (at + (size_t) length + rest > sizeof(y->path))
		return -ENAMETOOLONG;
	memmove(y->path + at + length, y->path + y->end, rest);
	memcpy(y->path + at, target, (size_t) length);
	y->at = y->end = at;
	return 0;
}

static int way_stat(struct way *y, struct stat *ret)
{
	char last = y->path[y->end];
	int r = fault_point("lstat", EIO);

	if (r < 0)
		return r;
	y->path[y->end] = '\0';
	r = lstat(y->path, ret) < 0 ? -errno : 0;
	y->path[y->end] = last;
	return r;
}

/* Arms each folder on the way, with the name that is looked up there, and what is at its end. */
static int arm_along(struct watch *w, struct way *y)
{
	struct stat st = { 0 };
	int r;

	while (way_next(y)) {
		r = arm_folder(w, y);
		if (r < 0 && !is_absence(r))
			return r;
		r = way_stat(y, &st);
		if (r >= 0 && S_ISLNK(st.st_mode))
			r = way_follow(y);
		if (r < 0)
			return r;
	}
	return arm(w, y->path, S_ISDIR(st.st_mode) ? FOLDER_EVENTS : FILE_EVENTS, ANY_NAME);
}

/* Arms all that the file depends on. Where its way ends early, what comes to be there is awaited. */
static int arm_file(struct watch *w, const char *path)
{
	struct way y;
	int r = way_begin(&y, path);

	if (r < 0)
		return r;
	r = arm_along(w, &y);
	return is_absence(r) ? 0 : r;
}

/* -- looking -- */

/* File systems take their times from this clock, which ticks every few milliseconds. */
static bool is_fresh(const struct timespec *changed)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return now.tv_sec < changed->tv_sec || (now.tv_sec == changed->tv_sec && now.tv_nsec <= changed->tv_nsec);
}

static struct looks looks_of(const char *path)
{
	struct stat st;
	int r = fault_point("stat", EIO);

	if (r == 0 && stat(path, &st) < 0)
		r = -errno;
	if (r < 0)
		return (struct looks) { .error = -r };
	return (struct looks) { 0, st.st_dev, st.st_ino, st.st_ctim, is_fresh(&st.st_ctim) };
}

/* In doubt it has. */
static bool has_changed(const struct looks *before, const struct looks *now)
{
	return before->fresh || before->error != now->error || before->device != now->device ||
	       before->inode != now->inode || before->changed.tv_sec != now->changed.tv_sec ||
	       before->changed.tv_nsec != now->changed.tv_nsec;
}

/* First arms, then looks: what changes in between is seen twice rather than never. */
static int look_at_all(struct watch *w)
{
	w->round++;
	for (size_t i = 0; i < w->count; i++) {
		int r = arm_file(w, w->files[i].path);

		if (r < 0)
			return r;

		struct looks now = looks_of(w->files[i].path);
		if (has_changed(&w->files[i].looks, &now))
			w->changes++;
		w->files[i].looks = now;
	}
	disarm_the_rest(w);
	w->look_due = false;
	return 0;
}

/* True when it is about one of our names, or a file or folder as such. */
static bool concerns_us(const struct watch *w, const struct inotify_event *e)
{
	uint64_t name_hash = hash(e->name, e->len > 0 ? strlen(e->name) : 0);

	for (size_t i = 0; i < w->armed_count; i++) {
		const struct armed *a = &w->armed[i];

		if (a->descriptor == e->wd && (e->len == 0 || a->name_hash == name_hash || a->name_hash == ANY_NAME))
			return true;
	}
	return (e->mask & IN_Q_OVERFLOW) != 0;
}

static void take_in(struct watch *w, size_t length)
{
	const struct inotify_event *e;

	for (size_t at = 0; at < length; at += sizeof(*e) + e->len) {
		e = (const void *) (w->events + at);
		w->look_due |= concerns_us(w, e);
	}
}

/* [suspends] Waits for events, takes in some, and looks when they give a reason to. After -EBADF the watch may be
 * gone. */
static int step(struct watch *w)
{
	if (!w->look_due) {
		int r = (io_wait)(&w->io, IO_READ);
		if (r < 0)
			return r;

		ssize_t n = fd_read_pipe(io_fd(&w->io), w->events, sizeof(w->events));
		if (n == -EAGAIN)
			io_drained(&w->io, IO_READ);
		else if (n < 0)
			return (int) n;
		else
			take_in(w, (size_t) n);
	}
	return w->look_due ? look_at_all(w) : 0;
}

int (watch_wait)(struct watch *w, int64_t settle_ms)
{
	int r = wait_enter();

	while (r >= 0 && w->changes == w->changes_told)
		r = step(w);
	if (r < 0)
		return r;

	DEADLINE(quiet, settle_ms);
	for (;;) {
		uint64_t changes = w->changes;

		r = step(w);
		if (r == -ETIMEDOUT && deadline_passed(&quiet)) {
			w->changes_told = w->changes;
			return 0;
		}
		if (r < 0)
			return r;
		if (w->changes != changes)
			deadline_rearm(&quiet, settle_ms);
	}
}

/* -- coming and going -- */

static int add_files(struct watch *w, const char *const *paths)
{
	size_t count = 0;

	while (paths[count])
		count++;
	w->files = memory_new_array(count, sizeof(*w->files));
	if (!w->files)
		return -ENOMEM;
	for (; w->count < count; w->count++) {
		w->files[w->count].path = memory_copy_text(paths[w->count]);
		if (!w->files[w->count].path)
			return -ENOMEM;
	}
	return 0;
}

static int open_inotify(struct watch *w)
{
	int r = fault_point("inotify_init1", EMFILE);
	if (r < 0)
		return r;

	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = io_init(&w->io, fd);
	if (r < 0)
		fd_close(fd);
	return r;
}

int watch_new(const char *const *paths, struct watch **ret)
{
	struct watch *w = memory_new_object(struct watch);

	if (!w)
		return -ENOMEM;

	int r = open_inotify(w);
	if (r < 0) {
		memory_free(w);
		return r;
	}
	r = add_files(w, paths);
	if (r >= 0)
		r = look_at_all(w);
	if (r < 0) {
		watch_free(w);
		return r;
	}
	w->changes_told = w->changes;
	*ret = w;
	return 0;
}

/* Whoever waits does not touch more of it than its io. */
struct watch *watch_free(struct watch *w)
{
	if (!w)
		return NULL;
	for (size_t i = 0; i < w->count; i++)
		memory_free(w->files[i].path);
	memory_free(w->files);
	memory_free(w->armed);
	io_free(&w->io);
	return NULL;
}
