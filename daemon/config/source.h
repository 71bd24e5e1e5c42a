/* source.h - the texts that a configuration is made of, and places in them.
 *
 * A source is a file, kept whole in memory, or one setting of the command line. A mark is a stretch of one of its
 * lines; every section, key and value carries one, so that whatever turns out to be wrong with it later can be
 * shown.
 */
#pragma once

#include "base/list.h"

#include <sys/types.h>

#define SOURCE_BYTES_MAX (1 << 20)
#define LINE_BYTES_MAX 4096	/* without the end of the line */

struct source {
	struct list node;		/* of the document's sources */
	char *name;			/* as messages show it */
	bool is_file;			/* else a setting of the command line */
	dev_t device;			/* to know a file again under another name */
	ino_t inode;
	char *text;
	size_t length;
};

struct source_line {
	const struct source *source;	/* NULL: nothing that was written, such as a default */
	unsigned number;		/* from 1; 0: the source as a whole */
	unsigned order;			/* over all sources, in the order in which they were read */
	const char *text;		/* not terminated */
	size_t length;
};

struct mark {
	struct source_line line;
	size_t start, length;		/* bytes of the line */
};

static inline bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* A file that was not read yet, and a setting of the command line. NULL when there is no memory. */
struct source *source_new_file(const char *path) _must_check_;
struct source *source_new_setting(const char *text) _must_check_;
/* Reads the file whole. Besides what open() and read() give: -EISDIR, -EFBIG over SOURCE_BYTES_MAX, -ENOMEM. */
int source_read(struct source *s) _must_check_;
struct source *source_free(struct source *s);
DEFINE_CLEANUP(struct source *, source_free)

/* Takes the next line from *offset on, without its end (LF or CR LF). False behind the last one. */
bool source_next_line(const struct source *s, size_t *offset, struct source_line *line);

/* Finds the first byte that no line may have: NUL and other control characters but the tab, and what is not UTF-8.
 * Returns NULL if there is none; otherwise its place, and the words for it. */
const char *source_find_bad_byte(const char *text, size_t length, const char **ret_what);

/* The mark of bytes of a line, and of a source as a whole. */
struct mark mark_make(const struct source_line *line, size_t start, size_t length);
struct mark mark_source(const struct source *s);
