/* source.c - reading texts and taking them apart into lines. */

#include "config/source.h"

#include "base/fault.h"
#include "base/memory.h"
#include "base/text.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

struct source *source_free(struct source *s)
{
	if (!s)
		return NULL;
	memory_free(s->name);
	memory_free(s->text);
	return memory_free(s);
}

static int open_file(const char *path, struct source *s, int *ret_fd)
{
	_cleanup_(close_fd) int fd = -1;
	struct stat st;
	int r = fault_point("config_open", EACCES);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;

	s->device = st.st_dev;
	s->inode = st.st_ino;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

/* Reads to the end without believing st_size: the file may be a pipe, or grow. */
static int read_all(int fd, struct source *s)
{
	size_t room = 0;

	for (;;) {
		ssize_t n;
		int r;

		if (s->length == room) {
			char *grown = memory_resize(s->text, room + 4 * LINE_BYTES_MAX);

			if (!grown)
				return -ENOMEM;
			s->text = grown;
			room += 4 * LINE_BYTES_MAX;
		}
		r = fault_point("config_read", EIO);
		if (r < 0)
			return r;
		n = read(fd, s->text + s->length, room - s->length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		s->length += (size_t) n;
		if (s->length > SOURCE_BYTES_MAX)
			return -EFBIG;
	}
}

int source_read(struct source *s)
{
	_cleanup_(close_fd) int fd = -1;
	int r = open_file(s->name, s, &fd);

	return r < 0 ? r : read_all(fd, s);
}

static struct source *new_source(const char *name, bool is_file)
{
	_cleanup_(source_freep) struct source *s = memory_new_object(struct source);

	if (!s)
		return NULL;
	list_init(&s->node);
	s->is_file = is_file;
	s->name = memory_copy_text(name);
	return s->name ? TAKE(s) : NULL;
}

struct source *source_new_file(const char *path)
{
	return new_source(path, true);
}

struct source *source_new_setting(const char *text)
{
	_cleanup_(source_freep) struct source *s = new_source("command line", false);

	if (!s)
		return NULL;
	s->text = memory_copy_text(text);
	s->length = strlen(text);
	return s->text ? TAKE(s) : NULL;
}

bool source_next_line(const struct source *s, size_t *offset, struct source_line *line)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";
	size_t mark_length = strlen(byte_order_mark);
	const char *end;

	/* Editors of other systems begin a file with it; it is not part of the first line. */
	if (*offset == 0 && s->length >= mark_length && memcmp(s->text, byte_order_mark, mark_length) == 0)
		*offset = mark_length;
	if (*offset >= s->length)
		return false;

	line->source = s;
	line->number++;
	line->text = s->text + *offset;
	end = memchr(line->text, '\n', s->length - *offset);
	line->length = end ? (size_t) (end - line->text) : s->length - *offset;
	*offset += line->length + 1;
	if (line->length > 0 && line->text[line->length - 1] == '\r')
		line->length--;
	return true;
}

const char *source_find_bad_byte(const char *text, size_t length, const char **ret_what)
{
	const char *end = text + length;

	for (const char *p = text; p < end;) {
		size_t n = text_utf8_length(p, (size_t) (end - p));
		bool is_control = n == 1 && ((unsigned char) *p < ' ' || *p == '\x7f') && *p != '\t';

		if (n == 0 || is_control) {
			*ret_what = *p == '\0' ? "a NUL byte" : is_control ? "a control character" :
				    "a byte that is not UTF-8";
			return p;
		}
		p += n;
	}
	return NULL;
}

struct mark mark_make(const struct source_line *line, size_t start, size_t length)
{
	return (struct mark) { .line = *line, .start = start, .length = length };
}

struct mark mark_source(const struct source *s)
{
	return (struct mark) { .line = { .source = s, .order = UINT_MAX } };
}
